import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.bookkeeper.client.BookKeeperAdmin;
import org.apache.bookkeeper.client.api.BKException;
import org.apache.bookkeeper.client.api.BookKeeper;
import org.apache.bookkeeper.client.api.DigestType;
import org.apache.bookkeeper.client.api.LedgerEntries;
import org.apache.bookkeeper.client.api.LedgerEntry;
import org.apache.bookkeeper.client.api.LedgerMetadata;
import org.apache.bookkeeper.client.api.ReadHandle;
import org.apache.bookkeeper.client.api.WriteHandle;
import org.apache.bookkeeper.common.concurrent.FutureUtils;
import org.apache.bookkeeper.conf.ClientConfiguration;
import org.apache.bookkeeper.net.BookieId;
import org.apache.bookkeeper.util.AvailabilityOfEntriesOfLedger;

/**
 * The writer and the reader of the tests. An entry counts from its acknowledgement on: then its line
 * "ledger entry digest" stands in the record, on disk, before anything else happens. What the reader finds in a
 * record must be readable, byte for byte, whatever was done to the bookies in between.
 *
 * <p>One JSON object on standard output at the end. Exit status: 0 all well, 1 not so, 2 wrong words.
 */
public final class Gen {
    private static final String USAGE = """
        usage: Gen create --zk HOST:PORT --record FILE [--ledgers 10] [--entries 100] [SHAPE] [--leave-open]
                   makes ledgers, and closes them
               Gen write --zk HOST:PORT --record FILE [--rate 50] [--roll 0] [--seconds 0] [SHAPE] [--leave-open]
                   writes into one open ledger until SIGTERM or for so many seconds; begins the next one after
                   ROLL entries, and when the present one takes no more
               Gen verify --zk HOST:PORT --record FILE [--copies]
                   reads back all entries of a record; with --copies also counts the bookies that have each of them
               Gen delete --zk HOST:PORT --record FILE
                   deletes the ledgers of a record
        SHAPE: [--ensemble 3] [--write 2] [--ack 2] [--size 256 (bytes, at least 16)]
        """;

    private final Map<String, String> words = new TreeMap<>();
    private volatile boolean stop;

    public static void main(String[] args) {
        int status;
        try {
            status = new Gen().run(args);
        } catch (IllegalArgumentException e) {
            System.err.println(e.getMessage() + "\n" + USAGE);
            status = 2;
        } catch (Exception e) {
            System.err.println("failed: " + e);
            e.printStackTrace();
            status = 1;
        }
        System.out.flush();
        // halt: the shutdown hook of `write` waits for this very thread.
        Runtime.getRuntime().halt(status);
    }

    private int run(String[] args) throws Exception {
        if (args.length == 0) {
            throw new IllegalArgumentException("no command");
        }
        for (int i = 1; i < args.length; i++) {
            if (args[i].equals("--copies") || args[i].equals("--leave-open")) {
                words.put(args[i], "yes");
            } else if (args[i].startsWith("--") && i + 1 < args.length) {
                words.put(args[i], args[++i]);
            } else {
                throw new IllegalArgumentException("not understood: " + args[i]);
            }
        }
        ClientConfiguration conf = new ClientConfiguration();
        conf.setMetadataServiceUri("zk+hierarchical://" + word("--zk", null) + "/ledgers");
        conf.setZkTimeout(10_000);
        conf.setAddEntryTimeout(5);
        conf.setReadEntryTimeout(5);
        conf.setNumIOThreads(1);
        conf.setNumWorkerThreads(1);
        // The launcher changes the directory, and says where it was.
        Path record = Path.of(System.getenv().getOrDefault("GEN_DIRECTORY", ".")).resolve(word("--record", null));
        try (BookKeeper client = BookKeeper.newBuilder(conf).build()) {
            switch (args[0]) {
                case "create":
                    return create(client, record);
                case "write":
                    return write(client, record);
                case "verify":
                    return verify(client, conf, record);
                case "delete":
                    return delete(client, record);
                default:
                    throw new IllegalArgumentException("no such command: " + args[0]);
            }
        }
    }

    private String word(String name, String otherwise) {
        String value = words.getOrDefault(name, otherwise);
        if (value == null) {
            throw new IllegalArgumentException(name + " is missing");
        }
        return value;
    }

    private int number(String name, int otherwise) {
        return Integer.parseInt(word(name, Integer.toString(otherwise)));
    }

    private WriteHandle ledger(BookKeeper client) throws Exception {
        return FutureUtils.result(client.newCreateLedgerOp()
            .withEnsembleSize(number("--ensemble", 3))
            .withWriteQuorumSize(number("--write", 2))
            .withAckQuorumSize(number("--ack", 2))
            .withDigestType(DigestType.CRC32C)
            .withPassword(new byte[0])
            .withCustomMetadata(Map.of("application", "bellows-tests".getBytes(StandardCharsets.UTF_8)))
            .execute());
    }

    private int create(BookKeeper client, Path file) throws Exception {
        int ledgers = number("--ledgers", 10);
        int entries = number("--entries", 100);
        int size = number("--size", 256);
        long begun = System.nanoTime();
        try (Record record = new Record(file)) {
            for (int i = 0; i < ledgers; i++) {
                WriteHandle handle = ledger(client);
                ArrayDeque<CompletableFuture<String>> under = new ArrayDeque<>();
                List<String> acknowledged = new ArrayList<>();
                for (int n = 0; n < entries; n++) {
                    byte[] payload = payload(handle.getId(), n, size);
                    String digest = digest(payload);
                    under.add(handle.appendAsync(payload).thenApply(entry -> handle.getId() + " " + entry + " " + digest));
                    if (under.size() >= 64) {
                        acknowledged.add(under.remove().get());
                    }
                }
                while (!under.isEmpty()) {
                    acknowledged.add(under.remove().get());
                }
                record.add(acknowledged);
                if (!words.containsKey("--leave-open")) {
                    handle.close();
                }
            }
        }
        System.out.println("{\"ledgers\":" + ledgers + ",\"entries\":" + (long) ledgers * entries
            + ",\"bytes\":" + (long) ledgers * entries * size
            + ",\"milliseconds\":" + (System.nanoTime() - begun) / 1_000_000 + "}");
        return 0;
    }

    /** An open ledger under constant writes, as a broker has it: it goes on in a new one when it is fenced. */
    private int write(BookKeeper client, Path file) throws Exception {
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stop = true;
            try {
                main.join(20_000);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        int size = number("--size", 256);
        int roll = number("--roll", 0);
        long pause = 1_000_000_000L / Math.max(1, number("--rate", 50));
        long seconds = number("--seconds", 0);
        long begun = System.nanoTime();
        long last = begun;
        long gap = 0;
        long entries = 0;
        long failures = 0;
        List<Long> ledgers = new ArrayList<>();
        Map<String, Integer> causes = new TreeMap<>();
        WriteHandle handle = null;
        long inLedger = 0;
        try (Record record = new Record(file)) {
            while (!stop && (seconds == 0 || System.nanoTime() - begun < seconds * 1_000_000_000L)) {
                try {
                    if (handle == null) {
                        handle = ledger(client);
                        inLedger = 0;
                        ledgers.add(handle.getId());
                    }
                    byte[] payload = payload(handle.getId(), inLedger, size);
                    long entry = handle.append(payload);
                    record.add(List.of(handle.getId() + " " + entry + " " + digest(payload)));
                    long now = System.nanoTime();
                    gap = Math.max(gap, now - last);
                    last = now;
                    entries++;
                    inLedger++;
                    if (roll > 0 && inLedger >= roll) {
                        handle.close();
                        handle = null;
                    }
                } catch (BKException e) {
                    failures++;
                    causes.merge(BKException.codeLogger(e.getCode()).toString(), 1, Integer::sum);
                    handle = null;
                }
                TimeUnit.NANOSECONDS.sleep(pause);
            }
            gap = Math.max(gap, System.nanoTime() - last);
            if (handle != null && !words.containsKey("--leave-open")) {
                try {
                    handle.close();
                } catch (BKException e) {
                    causes.merge("close: " + BKException.codeLogger(e.getCode()), 1, Integer::sum);
                }
            }
        }
        System.out.println("{\"ledgers\":" + ledgers + ",\"entries\":" + entries + ",\"failures\":" + failures
            + ",\"causes\":" + object(causes) + ",\"longest_gap_ms\":" + gap / 1_000_000 + "}");
        return 0;
    }

    private int verify(BookKeeper client, ClientConfiguration conf, Path file) throws Exception {
        TreeMap<Long, TreeMap<Long, String>> wanted = read(file);
        List<String> lost = new ArrayList<>();
        List<String> wrong = new ArrayList<>();
        List<String> thin = new ArrayList<>();
        Map<String, Integer> causes = new TreeMap<>();
        long entries = 0;
        for (Map.Entry<Long, TreeMap<Long, String>> one : wanted.entrySet()) {
            long ledger = one.getKey();
            entries += one.getValue().size();
            // No recovery: a reader must not fence the writer.
            try (ReadHandle handle = FutureUtils.result(client.newOpenLedgerOp().withLedgerId(ledger).withPassword(new byte[0])
                    .withDigestType(DigestType.CRC32C).withRecovery(false).execute())) {
                for (Map.Entry<Long, String> entry : one.getValue().entrySet()) {
                    try (LedgerEntries found = handle.readUnconfirmed(entry.getKey(), entry.getKey())) {
                        LedgerEntry only = found.iterator().next();
                        if (!digest(only.getEntryBytes()).equals(entry.getValue())) {
                            wrong.add(ledger + "/" + entry.getKey());
                        }
                    } catch (BKException e) {
                        lost.add(ledger + "/" + entry.getKey());
                        causes.merge(BKException.codeLogger(e.getCode()).toString(), 1, Integer::sum);
                    }
                }
            } catch (BKException e) {
                one.getValue().keySet().forEach(entry -> lost.add(ledger + "/" + entry));
                causes.merge("open: " + BKException.codeLogger(e.getCode()), 1, Integer::sum);
            }
        }
        if (words.containsKey("--copies")) {
            thin = copies(client, conf, wanted);
        }
        boolean well = lost.isEmpty() && wrong.isEmpty() && thin.isEmpty();
        System.out.println("{\"ok\":" + well + ",\"ledgers\":" + wanted.size() + ",\"entries\":" + entries
            + ",\"lost\":" + lost.size() + ",\"wrong\":" + wrong.size() + ",\"thin\":" + thin.size()
            + ",\"first_lost\":" + strings(lost) + ",\"first_wrong\":" + strings(wrong) + ",\"first_thin\":" + strings(thin)
            + ",\"causes\":" + object(causes) + "}");
        return well ? 0 : 1;
    }

    /** The entries that fewer bookies hold than the ledger's write quorum, by what the bookies themselves say. */
    /** What a bookie has of a ledger; null where it says that it has none. Who does not answer is asked again. */
    private static AvailabilityOfEntriesOfLedger entries(BookKeeperAdmin admin, BookieId bookie, long ledger)
            throws Exception {
        for (int asked = 1; ; asked++) {
            try {
                return admin.asyncGetListOfEntriesOfLedger(bookie, ledger).get(30, TimeUnit.SECONDS);
            } catch (ExecutionException e) {
                int code = e.getCause() instanceof BKException ? ((BKException) e.getCause()).getCode() : 0;
                if (code == BKException.Code.NoSuchLedgerExistsException || code == BKException.Code.NoSuchEntryException) {
                    return null;
                }
                if (asked == 10) {
                    throw e;
                }
                Thread.sleep(1000);
            }
        }
    }

    private static List<String> copies(BookKeeper client, ClientConfiguration conf,
            TreeMap<Long, TreeMap<Long, String>> wanted) throws Exception {
        List<String> thin = new ArrayList<>();
        try (BookKeeperAdmin admin = new BookKeeperAdmin(conf)) {
            Set<BookieId> alive = new HashSet<>(admin.getAvailableBookies());
            alive.addAll(admin.getReadOnlyBookies());
            for (Map.Entry<Long, TreeMap<Long, String>> one : wanted.entrySet()) {
                LedgerMetadata metadata;
                try {
                    metadata = client.getLedgerMetadata(one.getKey()).get();
                } catch (Exception e) {
                    one.getValue().keySet().forEach(entry -> thin.add(one.getKey() + "/" + entry + ":0"));
                    continue;
                }
                Set<BookieId> bookies = new HashSet<>();
                metadata.getAllEnsembles().values().forEach(bookies::addAll);
                List<AvailabilityOfEntriesOfLedger> have = new ArrayList<>();
                for (BookieId bookie : bookies) {
                    if (alive.contains(bookie)) {
                        AvailabilityOfEntriesOfLedger there = entries(admin, bookie, one.getKey());
                        if (there != null) {
                            have.add(there);
                        }
                    }
                }
                for (long entry : one.getValue().keySet()) {
                    long count = have.stream().filter(bookie -> bookie.isEntryAvailable(entry)).count();
                    if (count < metadata.getWriteQuorumSize()) {
                        thin.add(one.getKey() + "/" + entry + ":" + count + " of " + metadata.getAllEnsembles().values());
                    }
                }
            }
        }
        return thin;
    }

    private int delete(BookKeeper client, Path file) throws Exception {
        int count = 0;
        for (long ledger : read(file).keySet()) {
            FutureUtils.result(client.newDeleteLedgerOp().withLedgerId(ledger).execute());
            count++;
        }
        System.out.println("{\"deleted\":" + count + "}");
        return 0;
    }

    private static TreeMap<Long, TreeMap<Long, String>> read(Path file) throws IOException {
        TreeMap<Long, TreeMap<Long, String>> wanted = new TreeMap<>();
        String text = Files.readString(file);
        // A line without its end was being written when the writer was killed.
        for (String line : text.substring(0, text.lastIndexOf('\n') + 1).split("\n")) {
            String[] parts = line.split(" ");
            if (parts.length == 3) {
                wanted.computeIfAbsent(Long.parseLong(parts[0]), id -> new TreeMap<>())
                    .put(Long.parseLong(parts[1]), parts[2]);
            }
        }
        return wanted;
    }

    private static byte[] payload(long ledger, long entry, int size) {
        byte[] bytes = new byte[Math.max(16, size)];
        new Random(ledger * 1_000_003 + entry).nextBytes(bytes);
        ByteBuffer.wrap(bytes).putLong(ledger).putLong(entry);
        return bytes;
    }

    private static String digest(byte[] bytes) throws Exception {
        byte[] whole = MessageDigest.getInstance("SHA-256").digest(bytes);
        return String.format("%016x", ByteBuffer.wrap(whole).getLong());
    }

    private static String strings(List<String> values) {
        return "[" + String.join(",", values.subList(0, Math.min(10, values.size())).stream()
            .map(value -> "\"" + value + "\"").toList()) + "]";
    }

    private static String object(Map<String, Integer> values) {
        return "{" + String.join(",", values.entrySet().stream()
            .map(value -> "\"" + value.getKey().replace("\"", "'") + "\":" + value.getValue()).toList()) + "}";
    }

    /** What was acknowledged, one line each, on disk when {@link #add} returns. */
    private static final class Record implements AutoCloseable {
        private final FileChannel channel;

        Record(Path file) throws IOException {
            channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
        }

        void add(List<String> lines) throws IOException {
            if (lines.isEmpty()) {
                return;
            }
            ByteBuffer bytes = ByteBuffer.wrap((String.join("\n", lines) + "\n").getBytes(StandardCharsets.US_ASCII));
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            channel.force(false);
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }
}
