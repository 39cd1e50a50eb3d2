//! Programs as data: what they get, how they end, what is kept.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use bellows_agent::exec::{Error, Finished, Invocation, Output, Silent, Sink, Stream, run};
use camino::Utf8Path;
use tokio_util::sync::CancellationToken;

const AGENT: &str = env!("CARGO_BIN_EXE_bellows-agent");
const LIMIT: Duration = Duration::from_secs(30);

fn sh(script: &str) -> Invocation {
    let mut invocation = Invocation::new("/bin/sh", ["-c", script], LIMIT);
    invocation.grace = Duration::from_millis(500);
    invocation
}

async fn execute(invocation: &Invocation) -> Result<Finished, Error> {
    let cancel = CancellationToken::new();
    run(Utf8Path::new(AGENT), invocation, &cancel, &mut Silent).await
}

#[tokio::test]
async fn a_program_gets_what_is_written_and_nothing_else() {
    let invocation = sh("umask; pwd; cat; env | sort; ps -o sid= -p $$ | tr -d ' '; echo $$")
        .stdin("typed\n")
        .env("ONE", "a b");
    let finished = execute(&invocation).await.unwrap();
    let text = String::from_utf8(finished.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(&lines[..3], ["0077", "/", "typed"], "{text}");
    let variables: Vec<_> = lines[3..lines.len() - 2]
        .iter()
        .map(|line| line.split('=').next().unwrap())
        .filter(|name| !["PWD", "_", "OLDPWD", "SHLVL"].contains(name))
        .collect();
    assert_eq!(variables, ["LC_ALL", "ONE", "PATH"]);
    // A session of its own.
    assert_eq!(lines[lines.len() - 2], lines[lines.len() - 1]);
}

#[tokio::test]
async fn any_exit_is_an_ending() {
    let finished = execute(&sh("echo out; echo err >&2; exit 125")).await.unwrap();
    assert_eq!(finished.status, Some(125));
    assert_eq!((&finished.stdout[..], &finished.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    let finished = execute(&sh("kill -9 $$")).await.unwrap();
    assert_eq!((finished.status, finished.signal), (None, Some(9)));
}

#[tokio::test]
async fn what_cannot_be_started_is_told() {
    let missing = Invocation::new("/no/such/tool", ["x"], LIMIT);
    assert!(matches!(execute(&missing).await, Err(Error::Missing { .. })));
    let relative = Invocation::new("sh", ["x"], LIMIT);
    assert!(matches!(execute(&relative).await, Err(Error::Invalid { .. })));
    let nobody = sh("true").user("no-such-user");
    let error = execute(&nobody).await.unwrap_err();
    assert!(matches!(&error, Error::Start { reason, .. } if reason.contains("no-such-user")));
    let mut nowhere = sh("true");
    nowhere.cwd = "/no/such/folder".into();
    assert!(matches!(execute(&nowhere).await, Err(Error::Start { .. })));
}

#[tokio::test]
async fn deadline_and_cancellation_end_the_whole_group() {
    let script =
        "trap '' TERM; (trap '' TERM; while true; do sleep 1; done) & while true; do sleep 1; done";
    let mut late = sh(script);
    late.deadline = Some(Duration::from_millis(300));
    let started = Instant::now();
    assert!(matches!(execute(&late).await, Err(Error::Deadline { .. })));
    assert!(started.elapsed() < Duration::from_secs(10));
    let cancel = CancellationToken::new();
    let invocation = sh("while true; do sleep 1; done");
    let mut sink = Silent;
    let running = run(Utf8Path::new(AGENT), &invocation, &cancel, &mut sink);
    let cancelling = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(running, cancelling);
    assert!(matches!(ended, Err(Error::Cancelled { .. })));
}

#[derive(Default)]
struct Group(u32);

impl Sink for Group {
    fn started(&mut self, pid: u32) {
        self.0 = pid;
    }
}

#[tokio::test]
async fn a_dropped_run_leaves_nothing() {
    let invocation = sh("sleep 600 & sleep 600");
    let (cancel, mut group) = (CancellationToken::new(), Group::default());
    let running = run(Utf8Path::new(AGENT), &invocation, &cancel, &mut group);
    let dropped = tokio::time::timeout(Duration::from_millis(300), running).await;
    assert!(dropped.is_err());
    let started = Instant::now();
    while group_lives(group.0) {
        assert!(started.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn group_lives(group: u32) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| Some(stat.rsplit_once(')')?.1.to_owned()))
        .any(|stat| {
            let fields: Vec<_> = stat.split_whitespace().collect();
            fields[2] == group.to_string() && fields[0] != "Z"
        })
}

#[derive(Default)]
struct Heard(usize, usize);

impl Sink for Heard {
    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Stdout => self.0 += bytes.len(),
            Stream::Stderr => self.1 += bytes.len(),
        }
    }
}

#[tokio::test]
async fn output_is_bounded_but_all_of_it_is_heard() {
    let mut invocation =
        sh("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; echo end >&2");
    invocation.output = Output::Captured { limit: 1000 };
    let (cancel, mut heard) = (CancellationToken::new(), Heard::default());
    let finished = run(Utf8Path::new(AGENT), &invocation, &cancel, &mut heard).await.unwrap();
    assert_eq!((heard.0, heard.1), (3_000_000, 3_000_004));
    assert_eq!((finished.stdout.len(), finished.stdout_cut), (1000, true));
    assert!(finished.stderr.ends_with(b"end\n"));
}

/// Slower than the program that it hears: something is always there to be read.
struct Slow;

impl Sink for Slow {
    #[allow(clippy::disallowed_methods)] // It is to be slow, not to wait for anything.
    fn output(&mut self, _: Stream, _: &[u8]) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn a_flood_holds_up_neither_deadline_nor_cancellation() {
    let within = |deadline: Option<Duration>, cancel: CancellationToken| async move {
        let mut flood = sh("trap '' TERM; yes");
        flood.output = Output::Captured { limit: 1000 };
        flood.deadline = deadline;
        let running = async move { run(Utf8Path::new(AGENT), &flood, &cancel, &mut Slow).await };
        tokio::time::timeout(Duration::from_secs(10), tokio::spawn(running)).await.unwrap().unwrap()
    };
    let ended = within(Some(Duration::from_millis(500)), CancellationToken::new()).await;
    assert!(matches!(ended, Err(Error::Deadline { .. })));
    let cancel = CancellationToken::new();
    let cancelling = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        cancelling.cancel();
    });
    let ended = within(None, cancel).await;
    assert!(matches!(ended, Err(Error::Cancelled { .. })));
}

#[tokio::test]
async fn a_daemon_that_holds_the_pipe_does_not_hold_us() {
    let started = Instant::now();
    let finished = execute(&sh("setsid sleep 20 & echo started")).await.unwrap();
    assert_eq!(finished.stdout, b"started\n");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn output_goes_to_files_but_never_through_links() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| camino::Utf8PathBuf::try_from(folder.path().join(name)).unwrap();
    let mut invocation = sh("echo out; echo err >&2");
    invocation.output = Output::File(path("log"));
    for _ in 0..2 {
        assert!(execute(&invocation).await.unwrap().success());
    }
    assert_eq!(std::fs::read_to_string(path("log")).unwrap(), "out\nerr\nout\nerr\n");
    std::os::unix::fs::symlink(path("log"), path("link")).unwrap();
    invocation.output = Output::File(path("link"));
    assert!(matches!(execute(&invocation).await, Err(Error::Start { .. })));
}

#[tokio::test]
async fn what_a_program_reads_is_not_shown() {
    let shown = format!("{:?}", sh("cat").stdin("secret").env("KEY", "secret"));
    assert!(!shown.contains("secret"), "{shown}");
    let big = vec![b'x'; 500_000];
    let finished = execute(&sh("cat").stdin(big.clone())).await.unwrap();
    assert_eq!(finished.stdout, big);
    // A program that does not read is no error.
    assert!(execute(&sh("true").stdin(big)).await.unwrap().success());
}

#[tokio::test]
async fn another_user_with_its_groups() {
    if std::fs::metadata("/proc/self")
        .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) != 0)
    {
        // Only root may become somebody else.
        return;
    }
    let finished = execute(&sh("id -un; echo $HOME; echo $USER").user("daemon")).await.unwrap();
    assert_eq!(String::from_utf8(finished.stdout).unwrap(), "daemon\n/usr/sbin\ndaemon\n");
    let mut orphan = sh("echo $$ > /dev/null; sleep 600").user("daemon");
    orphan.deadline = Some(Duration::from_millis(200));
    assert!(matches!(execute(&orphan).await, Err(Error::Deadline { .. })));
}
