//! The testbed itself: real systemd hosts do what the scenarios rely on, one by one, and those that are left up for a person
//! go away as told. Needs root; belongs to `make test-hosts`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    net::{SocketAddr, TcpStream},
    process::{Command, Output},
    time::Duration,
};

use bellows_tests::testbed::{Host, OUTSIDE, Testbed, wait_until};

const LIMIT: Duration = Duration::from_secs(30);

/// One test, so that hosts are made once, and in the order in which they are harmed.
#[test]
fn hosts_boot_run_units_and_can_be_harmed() {
    let testbed = Testbed::up(&["h1", "h2", "h3"]).expect("three hosts");
    let [h1, h2, h3] = ["h1", "h2", "h3"].map(|name| testbed.host(name).unwrap());

    for host in testbed.hosts() {
        let state = host.exec(&["systemctl", "is-system-running"]).unwrap();
        let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
        assert!(matches!(state.as_str(), "running" | "degraded"), "{}: {state}", host.name());
        assert_eq!(host.succeed(&["hostname"]).unwrap().trim(), host.name());
        // The tools that the scenarios drive are there, and no server of the distribution runs.
        assert!(host.succeed(&["repmgr", "--version"]).unwrap().contains("5.3"));
        assert_eq!(host.succeed(&["pg_lsclusters", "--no-header"]).unwrap(), "");
    }

    units_of_equal_name_are_apart(h1, h2);
    files_arrive(h1);
    a_cut_is_between_two_alone(&testbed);
    a_closed_port_is_one_port(&testbed);
    a_delay_is_felt_or_refused(h1, h2);
    a_disk_that_is_full_takes_nothing(h1);
    a_power_cut_ends_all_and_keeps_the_disk(h2);
    a_pulled_cable_is_silence(h1, h3, &testbed.outside().to_string());
}

/// One packet there and one back.
fn reaches(from: &Host, to: &str) -> bool {
    from.exec(&["ping", "-c", "1", "-W", "1", to]).unwrap().status.success()
}

fn comes_through(from: &Host, to: &str) {
    let what = format!("{} reaches {to} again", from.name());
    wait_until(&what, LIMIT, || Ok(reaches(from, to))).unwrap();
}

fn a_cut_is_between_two_alone(testbed: &Testbed) {
    let [h1, h2, h3] = ["h1", "h2", "h3"].map(|name| testbed.host(name).unwrap());
    testbed.cut("h1", "h2").unwrap();
    testbed.cut("h2", "h1").unwrap();
    assert!(!reaches(h1, "h2") && !reaches(h2, "h1"));
    for (from, to) in [(h1, "h3"), (h3, "h1"), (h2, "h3"), (h3, "h2"), (h1, OUTSIDE), (h2, OUTSIDE)]
    {
        assert!(reaches(from, to), "{} does not reach {to}", from.name());
    }
    // A host does not know it, and a boot does not heal it.
    h1.power_cut().unwrap();
    h1.boot().unwrap();
    assert!(!reaches(h1, "h2") && reaches(h1, "h3"));
    testbed.cut(OUTSIDE, "h3").unwrap();
    assert!(!reaches(h3, OUTSIDE) && reaches(h3, "h1"));
    testbed.heal("h1", "h2").unwrap();
    comes_through(h1, "h2");
    comes_through(h2, "h1");
    assert!(!reaches(h3, OUTSIDE));
    testbed.heal(OUTSIDE, "h3").unwrap();
    testbed.heal(OUTSIDE, "h3").unwrap();
    comes_through(h3, OUTSIDE);
    let unknown = testbed.cut("h1", "h9").unwrap_err();
    assert_eq!(unknown.to_string(), "the testbed has no host \"h9\"");
}

fn a_closed_port_is_one_port(testbed: &Testbed) {
    let h2 = testbed.host("h2").unwrap();
    let from_outside = |port: u16| {
        let address = SocketAddr::from((h2.address(), port));
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
    };
    for port in ["7001", "7002"] {
        let unit = format!("--unit=echo-{port}");
        let listen = ["systemd-socket-activate", "--accept", "--listen", port, "cat"];
        h2.succeed(&[&["systemd-run", "--quiet", &unit], &listen[..]].concat()).unwrap();
    }
    let open = |from: &str, port: &str| {
        let connect = format!("exec 3<>/dev/tcp/{}/{port}", h2.address());
        let call = ["timeout", "1", "bash", "-c", &connect];
        testbed.host(from).unwrap().exec(&call).unwrap().status.success()
    };
    for port in ["7001", "7002"] {
        wait_until("it listens", LIMIT, || Ok(open("h3", port))).unwrap();
    }
    assert!(from_outside(7001));
    testbed.cut("h2", OUTSIDE).unwrap();
    assert!(!from_outside(7001) && open("h1", "7001"));
    testbed.heal("h2", OUTSIDE).unwrap();
    wait_until("this machine reaches h2 again", LIMIT, || Ok(from_outside(7001))).unwrap();
    testbed.close_port("h1", "h2", 7001).unwrap();
    testbed.close_port(OUTSIDE, "h2", 7002).unwrap();
    assert!(from_outside(7001) && !from_outside(7002));
    assert!(!open("h1", "7001"));
    assert!(open("h1", "7002") && open("h3", "7001") && reaches(h2, "h1"));
    h2.succeed(&["systemctl", "stop", "echo-7001", "echo-7002"]).unwrap();
}

/// Where the kernel can hold packets it holds them at least so long; elsewhere the refusal names what is missing.
fn a_delay_is_felt_or_refused(from: &Host, to: &Host) {
    let asked = Duration::from_millis(150);
    let refused = match to.delay(asked) {
        Ok(()) => None,
        Err(error) => Some(format!("{error:#}")),
    };
    if let Some(why) = refused {
        assert!(why.contains("sch_netem") && why.contains("qdisc kind is unknown"), "{why}");
        eprintln!("this kernel cannot delay: {why}");
        assert!(reaches(from, to.name()), "the refused delay changed something");
        return;
    }
    let ping = from.succeed(&["ping", "-c", "3", "-W", "10", to.name()]).unwrap();
    let fastest = ping.rsplit_once(" = ").unwrap().1.split('/').next().unwrap();
    assert!(fastest.parse::<f64>().unwrap() >= 150.0, "{ping}");
    to.delay(Duration::ZERO).unwrap();
    to.delay(Duration::ZERO).unwrap();
    wait_until("packets are fast again", LIMIT, || {
        let ping = from.succeed(&["ping", "-c", "1", "-W", "10", to.name()])?;
        let fastest = ping.rsplit_once(" = ").unwrap().1.split('/').next().unwrap();
        Ok(fastest.parse::<f64>()? < 150.0)
    })
    .unwrap();
}

fn a_disk_that_is_full_takes_nothing(host: &Host) {
    let refused = host.fill("/var/lib").unwrap_err().to_string();
    assert!(refused.contains("this machine's disk"), "{refused}");
    host.small_disk("/srv/small", 3).unwrap();
    let write = ["dd", "if=/dev/zero", "of=/srv/small/mine", "bs=4k", "count=1"];
    host.fill("/srv/small").unwrap();
    let output = host.exec(&write).unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"), "{output:?}");
    host.free("/srv/small").unwrap();
    host.free("/srv/small").unwrap();
    host.succeed(&write).unwrap();
}

fn units_of_equal_name_are_apart(h1: &Host, h2: &Host) {
    for host in [h1, h2] {
        // A child that ignores TERM in a session of its own: only the unit's cgroup reaches it.
        let script = "trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 7777 & wait' & wait";
        let stop_soon = "--property=TimeoutStopSec=300ms";
        host.succeed(&["systemd-run", "--quiet", "--unit=twin", stop_soon, "sh", "-c", script])
            .unwrap();
        wait_for_sleeper(host, true);
    }
    h1.succeed(&["systemctl", "stop", "twin"]).unwrap();
    wait_for_sleeper(h1, false);
    wait_for_sleeper(h2, true);
    h2.succeed(&["systemctl", "stop", "twin"]).unwrap();
    wait_for_sleeper(h2, false);

    let echoed =
        h1.succeed(&["systemd-run", "--quiet", "--pipe", "--wait", "--uid=postgres", "id", "-un"]);
    assert_eq!(echoed.unwrap(), "postgres\n");
    let failed = h1.exec(&["systemd-run", "--quiet", "--pipe", "--wait", "sh", "-c", "exit 7"]);
    assert_eq!(failed.unwrap().status.code(), Some(7));
}

fn wait_for_sleeper(host: &Host, wanted: bool) {
    let what = format!("sleeper on {}: {wanted}", host.name());
    wait_until(&what, LIMIT, || {
        Ok(host.exec(&["pgrep", "-f", "^sleep 7777"])?.status.success() == wanted)
    })
    .unwrap();
}

fn files_arrive(host: &Host) {
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    host.put("/opt/some/where/blob", &bytes, 0o640).unwrap();
    assert_eq!(host.get("/opt/some/where/blob").unwrap(), bytes);
    let stat = host.succeed(&["stat", "--format=%a %U:%G", "/opt/some/where/blob"]).unwrap();
    assert_eq!(stat.trim(), "640 root:root");
    let error = host.put("/proc/nowhere/blob", b"", 0o600).unwrap_err();
    assert!(format!("{error:#}").contains("/proc/nowhere"), "{error:#}");
}

fn a_power_cut_ends_all_and_keeps_the_disk(host: &Host) {
    let boot_id = || host.get("/proc/sys/kernel/random/boot_id").unwrap();
    let before = boot_id();
    host.put("/root/kept", b"kept", 0o600).unwrap();
    host.power_cut().unwrap();
    let refused = host.exec(&["true"]).unwrap_err();
    assert_eq!(refused.to_string(), "host h2 is off");
    host.boot().unwrap();
    assert_ne!(boot_id(), before);
    assert_eq!(host.get("/root/kept").unwrap(), b"kept");
    host.succeed(&["systemd-run", "--quiet", "--wait", "true"]).unwrap();
}

fn a_pulled_cable_is_silence(from: &Host, to: &Host, outside: &str) {
    assert!(reaches(from, "h3") && reaches(to, outside));
    to.network(false).unwrap();
    assert!(!reaches(from, "h3") && !reaches(to, outside));
    // Calls into a host do not use its network.
    assert_eq!(to.succeed(&["hostname"]).unwrap(), "h3\n");
    to.network(true).unwrap();
    comes_through(from, "h3");
}

/// `bellows-hosts` with a set of this test's own.
fn hosts(words: &[&str]) -> Output {
    let set = format!("test-{}", std::process::id());
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellows-hosts"));
    command.args(["--name", &set]).args(words).output().unwrap()
}

fn good(words: &[&str]) -> String {
    let output = hosts(words);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Standing hosts of this test go, whatever becomes of it.
struct Standing;

impl Drop for Standing {
    fn drop(&mut self) {
        let _ = hosts(&["down"]);
        let set = format!("test-{}", std::process::id());
        let cache = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/testbed");
        let cache = std::env::var_os("BELLOWS_TESTBED_CACHE").map_or(cache, Into::into);
        for ending in ["lock", "log"] {
            let _ = std::fs::remove_file(cache.join(format!("{set}.{ending}")));
        }
    }
}

/// All that a testbed makes on this machine: links, namespaces, mounts, cgroups, tables, with the names of runs.
fn made() -> std::collections::BTreeSet<String> {
    let script = "ip -oneline link | cut -d' ' -f2; ip netns list; nft list tables bridge; \
                  cut -d' ' -f5 /proc/self/mountinfo; ls -d /sys/fs/cgroup/bellows-bt* /sys/fs/cgroup/*/bellows-bt*";
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let run = |line: &str| {
        let at = line.find("bt")?;
        let id = line.get(at..at + 8)?;
        id.bytes().skip(2).all(|byte| byte.is_ascii_hexdigit()).then(|| id.to_owned())
    };
    text.lines().filter_map(run).collect()
}

#[test]
fn hosts_that_are_left_up_do_as_told_and_go_away_alone() {
    let _standing = Standing;
    assert_eq!(good(&["down"]).trim(), "no hosts are up");
    let refused = hosts(&["status"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no hosts are up"), "{refused:?}");
    assert_eq!(hosts(&["up", "0"]).status.code(), Some(2));

    // Somebody else's.
    let other = Testbed::up(&["x1"]).expect("a host");
    let told = good(&["up", "6"]);
    let id = run_of(&told);
    assert!(hosts(&["up", "2"]).status.code() == Some(1), "a second set of the same name");
    let line = told.lines().find(|line| line.starts_with("h6 ")).unwrap();
    let ssh = line.split_once("  ssh ").unwrap().1;
    let login = format!("ssh -o BatchMode=yes {ssh}");
    let hostname = Command::new("sh").args(["-c", &format!("{login} hostname")]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&hostname.stdout), "h6\n", "{hostname:?}");

    let ping = format!("{login} ping -c1 -W1 h2");
    let pings = || Command::new("sh").args(["-c", &ping]).output().unwrap().status.success();
    good(&["cut", "h6", "h2"]);
    assert!(!pings());
    good(&["heal", "h6", "h2"]);
    assert!(pings());
    good(&["power-cut", "h2"]);
    assert!(good(&["status"]).lines().any(|line| line.starts_with("h2") && line.contains(" off ")));
    good(&["boot", "h2"]);
    assert!(pings());
    assert!(made().contains(&id), "{id} is not in {:?}", made());
    good(&["down"]);
    assert!(!made().contains(&id), "something of {id} is left");
    assert_eq!(good(&["down"]).trim(), "no hosts are up");

    // A keeper that is killed.
    let id = run_of(&good(&["up", "2"]));
    let set = format!("test-{}", std::process::id());
    let keeper = Command::new("pgrep").args(["-f", &format!("name {set} keep")]).output().unwrap();
    let keeper = String::from_utf8(keeper.stdout).unwrap().trim().to_owned();
    assert!(Command::new("kill").args(["-KILL", &keeper]).status().unwrap().success());
    wait_until("the keeper is dead", LIMIT, || Ok(!hosts(&["status"]).status.success())).unwrap();
    assert!(made().contains(&id));
    assert!(good(&["down"]).contains("was killed"));
    assert!(!made().contains(&id), "something of {id} is left");
    assert_eq!(good(&["down"]).trim(), "no hosts are up");

    // It is all there.
    let [x1] = other.hosts() else { panic!("one host") };
    assert_eq!(x1.succeed(&["hostname"]).unwrap(), "x1\n");
    assert!(reaches(x1, OUTSIDE));
}

/// The run's id, from the folder of its files.
fn run_of(told: &str) -> String {
    told.split_once("/run-").unwrap().1.split('/').next().unwrap().to_owned()
}
