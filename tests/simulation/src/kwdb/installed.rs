//! What is there before Bellows comes: three members that run, and two hosts with the package alone.

use bellows_doubles::kwdb::{Cluster, Knobs, StartArgs, StartMode, Store};

use super::{
    super::{
        machine::Machine,
        tools::{Installed, Standing},
        world::BEGINNING_MS,
    },
    certificates,
};

/// kwbase, where the installer puts it.
pub(super) const PROGRAM: &str = "/usr/local/kaiwudb/bin/kwbase";
/// Owner of data and certificates.
pub(super) const USER: &str = "kaiwudb";
/// Its number.
pub(super) const USER_ID: u32 = 990;
/// The installer's store.
const STORE: &str = "/var/lib/kaiwudb";
const VERSION: &str = "V3.1.0";
/// Hosts whose nodes somebody else made.
const MEMBERS: [u8; 3] = [1, 2, 3];
const ID: &str = "0b6f0a1c-6a4e-4d5e-9d0a-2f5a0c7f9e11";
/// So long ago the cluster was made, milliseconds.
const AGE_MS: i64 = 3_600_000;

/// Few and small ranges, and everything in a fifth of its time: each range and each reading of a wait costs
/// every run.
fn knobs() -> Knobs {
    let version = VERSION.to_owned();
    Knobs { version, ranges: 4, range_bytes: 1 << 20, pace: 5, ..Knobs::default() }
}

fn words(number: u8, secure: bool) -> Vec<String> {
    let security = if secure { "--certs-dir=/etc/kaiwudb/certs" } else { "--insecure" };
    vec![
        "start".to_owned(),
        security.to_owned(),
        "--listen-addr=0.0.0.0:26257".to_owned(),
        format!("--advertise-addr=10.0.0.{number}:26257"),
        "--http-addr=0.0.0.0:8080".to_owned(),
        "--brpc-addr=0.0.0.0:27257".to_owned(),
        format!("--store={STORE}"),
        "--join=10.0.0.1:26257".to_owned(),
    ]
}

/// The cluster, settled; nobody of it runs any more: that comes with the hosts.
pub(super) fn cluster(secure: bool) -> Cluster {
    let made = BEGINNING_MS - AGE_MS;
    let mut cluster = Cluster::new(ID, StartMode::Start, secure, knobs(), made);
    for number in MEMBERS {
        let mut store = Store::default();
        if let Ok(args) = StartArgs::parse(&words(number, secure), &Default::default(), &knobs()) {
            // All of them fit.
            let _ = cluster.join(&mut store, &args, made + i64::from(number) * 1000);
        }
    }
    cluster.advance(BEGINNING_MS - 10_000);
    for number in MEMBERS {
        cluster.set_up(number.into(), false, BEGINNING_MS - 10_000);
    }
    cluster
}

/// The number of a member's host.
fn member(machine: &Machine) -> Option<u8> {
    let number = machine.name.strip_prefix('h')?.parse().ok()?;
    MEMBERS.contains(&number).then_some(number)
}

/// What the installer left in the store of a member's host, when its process begins there for the first time.
pub(super) fn store(machine: &Machine, path: &str) -> Option<Store> {
    let number = member(machine).filter(|_| path == STORE)?;
    Some(Store {
        cluster: Some(ID.to_owned()),
        node: Some(number.into()),
        start_mode: Some(StartMode::Start),
    })
}

/// The process that runs on a member's host.
pub(super) fn standing(machine: &Machine, secure: bool) -> Vec<Standing> {
    let of =
        |number| Standing { program: PROGRAM.into(), arguments: words(number, secure), user: USER };
    member(machine).map(of).into_iter().collect()
}

/// What lies on a host.
pub(super) fn files(host: &str, secure: bool) -> Vec<Installed> {
    let file = |path: &str, bytes: &str, mode| Installed {
        path: path.into(),
        bytes: bytes.as_bytes().to_vec(),
        mode,
        owner: "root",
    };
    let security = if secure { "tls" } else { "insecure" };
    let address = host.replace('h', "10.0.0.");
    let mode = format!(
        "bare\nmulti-replication\n/root/kwdb_install\n{STORE}\n26257\n8080\n{USER}\n{security}\nfalse\n{address}\n"
    );
    let mut files = vec![
        file(PROGRAM, "program", 0o755),
        file("/usr/bin/getconf", "program", 0o755),
        file("/etc/kaiwudb/info/MODE", &mode, 0o644),
        file("/etc/kaiwudb/info/.version", VERSION, 0o644),
    ];
    let member = MEMBERS.into_iter().find(|number| secure && host == format!("h{number}"));
    files.extend(member.into_iter().flat_map(certificates::files));
    files
}

/// What `kwbase version` prints.
pub(super) fn version() -> String {
    format!("KaiwuDB Version:  {VERSION}\nBuild Time:       2026/01/05 08:00:00\n")
}
