//! The testbed itself: three real systemd hosts do what the scenarios rely on. Needs root; belongs to
//! `make test-hosts`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use bellows_tests::testbed::{Host, Testbed};

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
    a_power_cut_ends_all_and_keeps_the_disk(h2);
    a_pulled_cable_is_silence(h1, h3, &testbed.outside().to_string());
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
    bellows_tests::testbed::wait_until(&what, std::time::Duration::from_secs(15), || {
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
    let reaches = |host: &Host, target: &str| {
        let ping = host.exec(&["ping", "-c", "1", "-W", "1", target]).unwrap();
        ping.status.success()
    };
    assert!(reaches(from, "h3") && reaches(to, outside));
    to.network(false).unwrap();
    assert!(!reaches(from, "h3") && !reaches(to, outside));
    // Calls into a host do not use its network.
    assert_eq!(to.succeed(&["hostname"]).unwrap(), "h3\n");
    to.network(true).unwrap();
    bellows_tests::testbed::wait_until(
        "the cable is in again",
        std::time::Duration::from_secs(10),
        || Ok(reaches(from, "h3")),
    )
    .unwrap();
}
