//! What is there before Bellows comes: three bookies that run, and two hosts with the package alone.

use camino::Utf8Path;

use super::{
    super::{
        machine::Machine,
        tools::{Installed, Standing},
        world::BEGINNING_MS,
    },
    cluster::Cluster,
    conf::Conf,
    cookies,
    ledger::{BookieId, LedgerId},
};

/// The shell script.
pub(super) const PROGRAM: &str = "/opt/bookkeeper/bin/bookkeeper";
/// What the script becomes.
pub(super) const JAVA: &str = "/usr/bin/java";
/// Owner of the data.
pub(super) const USER: &str = "bookkeeper";
/// Its number.
pub(super) const USER_ID: u32 = 991;
/// The bookie's class.
pub(super) const MAIN: &str = "org.apache.bookkeeper.server.Main";
/// The configuration that somebody else wrote.
pub const CONF: &str = "/etc/bookkeeper/bk_server.conf";
/// The metadata service, somebody else's and never down.
pub(super) const METADATA: &str = "zk+hierarchical://10.0.0.100:2181/ledgers";
/// The cluster's instance.
const INSTANCE: &str = "3e0929e2-abfd-44b0-b5c2-938c69f12a84";
/// Hosts whose bookies somebody else made.
const MEMBERS: [u8; 3] = [1, 2, 3];
/// So many entries each of the first ledgers has.
const ENTRIES: usize = 3;

fn conf(number: u8) -> String {
    format!(
        "# Somebody else's.\nmetadataServiceUri={METADATA}\nbookieId=10.0.0.{number}:3181\n\
         advertisedAddress=10.0.0.{number}\nbookiePort=3181\n\
         journalDirectories=/data/bookkeeper/journal\nledgerDirectories=/data/bookkeeper/ledgers\n\
         indexDirectories=/data/bookkeeper/ledgers\nhttpServerEnabled=true\nhttpServerHost=127.0.0.1\n\
         httpServerPort=8080\nhttpServerClass=org.apache.bookkeeper.http.vertx.VertxHttpServer\n\
         autoRecoveryDaemonEnabled=true\nlostBookieRecoveryDelay=0\n\
         openLedgerRereplicationGracePeriod=3000\npersistBookieStatusEnabled=true\nzkTimeout=10000\n\
         statsProviderClass=org.apache.bookkeeper.stats.prometheus.PrometheusMetricsProvider\nlogSizeLimit=67108864\n"
    )
}

/// A member's id.
fn id(number: u8) -> BookieId {
    format!("10.0.0.{number}:3181")
}

/// The number of a member's host.
fn member(name: &str) -> Option<u8> {
    let number = name.strip_prefix('h')?.parse().ok()?;
    MEMBERS.contains(&number).then_some(number)
}

/// Somebody else made the bookie of this host.
pub(super) fn is_member(machine: &Machine) -> bool {
    member(&machine.name).is_some()
}

/// The cluster: it was written to, and nobody of it runs yet.
pub(super) fn cluster() -> Cluster {
    let mut cluster = Cluster::new(INSTANCE, BEGINNING_MS);
    for number in MEMBERS {
        let conf = Conf::parse(&conf(number));
        cluster.cookies.insert(id(number), cookies::text(&id(number), &conf, INSTANCE));
        cluster.stores.insert(id(number), super::ledger::Store::default());
    }
    for pair in [[1, 2], [2, 3], [3, 1]] {
        let ledger = cluster.create_on(pair.map(id).to_vec(), (2, 2));
        fill(&mut cluster, ledger, 2);
        cluster.close(ledger);
    }
    // One whose writer says nothing.
    let idle = cluster.create_on([3, 2].map(id).to_vec(), (2, 2));
    fill(&mut cluster, idle, 2);
    cluster
}

/// Entries of a ledger, on its bookies, as if they had run.
pub(super) fn fill(cluster: &mut Cluster, ledger: LedgerId, copies: usize) {
    for _ in 0..ENTRIES {
        let Some(found) = cluster.ledgers.get_mut(&ledger) else { return };
        let entry = found.acknowledged;
        found.acknowledged += 1;
        let named: Vec<BookieId> = found.copies(entry).into_iter().take(copies).cloned().collect();
        for bookie in named {
            cluster.stores.entry(bookie).or_default().put(ledger, entry);
        }
    }
}

/// The process that runs on a member's host.
pub(super) fn standing(machine: &Machine) -> Vec<Standing> {
    let runs = |_| Standing { program: JAVA.into(), arguments: words(CONF), user: USER };
    member(&machine.name).map(runs).into_iter().collect()
}

/// What the script gives to Java.
pub(super) fn words(conf: &str) -> Vec<String> {
    let words = ["-cp", "/opt/bookkeeper/lib/*", "-Xmx256m", MAIN, "--conf", conf];
    words.map(str::to_owned).to_vec()
}

/// What lies on a host.
pub(super) fn files(host: &str) -> Vec<Installed> {
    let file = |path: &Utf8Path, bytes: &str, mode, owner| Installed {
        path: path.to_owned(),
        bytes: bytes.as_bytes().to_vec(),
        mode,
        owner,
    };
    let program = |path: &str| file(Utf8Path::new(path), "program", 0o755, "root");
    let jar = "/opt/bookkeeper/lib/org.apache.bookkeeper-bookkeeper-server-4.17.3.jar";
    let mut files = vec![
        program(PROGRAM),
        program(JAVA),
        program("/usr/bin/getconf"),
        file(Utf8Path::new(jar), "jar", 0o644, "root"),
    ];
    if let Some(number) = member(host) {
        let text = conf(number);
        let read = Conf::parse(&text);
        files.push(file(Utf8Path::new(CONF), &text, 0o644, "root"));
        let cookie = cookies::text(&id(number), &read, INSTANCE);
        for (path, bytes) in cookies::files(&read, &cookie, "installed") {
            files.push(file(&path, &bytes, 0o644, USER));
        }
    }
    files
}

/// Puts a file of the bookie's, with the directories above it.
pub(super) fn put(machine: &Machine, path: &Utf8Path, bytes: &[u8]) {
    let id = machine.users.get(USER).copied().unwrap_or(0);
    let now = machine.world().now_ms();
    machine.disk(|disk| {
        if let Some(above) = path.parent()
            && !disk.is_directory(above)
        {
            // Nothing else is in the way.
            let _ = disk.make_directory(above, 0o755, (id, id), now);
        }
        let _ = disk.put(path, bytes, 0o644, (id, id), now);
    });
}
