//! What is acknowledged stays, whatever ends.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::end::output_of;
use crate::{FAST, PATIENCE, Site, text, until};

/// Inserts rows one by one at a node until told to stop; gives those that were accepted.
fn insert(site: &Site, at: u8, numbers: std::ops::Range<u32>) -> BTreeSet<u32> {
    numbers
        .filter(|number| {
            let statement = format!("INSERT INTO t VALUES ({number})");
            let output = site.at(at, &["sql", "-e", &statement]);
            output.status.success() && text(&output.stdout) == "INSERT 1\n"
        })
        .collect()
}

fn rows(site: &Site, at: u8) -> BTreeSet<u32> {
    let out = site.sql(at, "SELECT id FROM t");
    out.lines().skip(1).map(|line| line.parse().unwrap()).collect()
}

#[test]
fn acknowledged_rows_outlive_leaders_and_a_stop_of_all() {
    let mut site = Site::new(5, FAST);
    site.cluster(3);
    site.table();
    let mut kept = insert(&site, 3, 0..10);
    assert_eq!(kept.len(), 10);
    // The leader dies in the middle of a writer's work.
    let site_ref = &site;
    let more = std::thread::scope(|scope| {
        let writer = scope.spawn(move || insert(site_ref, 3, 10..60));
        until("some rows", || (rows(site_ref, 2).len() > 15).then_some(()));
        site_ref.nodes.iter().find(|node| node.n == 1).unwrap().signal("KILL");
        writer.join().unwrap()
    });
    assert!(more.len() > 30, "{}", more.len());
    kept.extend(more);
    assert!(rows(&site, 2).is_superset(&kept));
    site.kill(1);
    site.start(1);
    site.joined(1);
    // All end at once, and come back.
    for n in 1..=3 {
        site.node(n).signal("KILL");
    }
    for n in 1..=3 {
        site.kill(n);
    }
    for n in 1..=3 {
        site.start(n);
    }
    for n in 1..=3 {
        let block = site.joined(n);
        assert!(block.contains("restarted pre-existing node"), "{block}");
    }
    assert!(rows(&site, 1).is_superset(&kept));
    site.calm(3, 3);
}

#[test]
fn a_leader_that_was_cut_off_loses_nothing_and_tells_nothing_wrong() {
    let mut site = Site::new(6, FAST);
    site.cluster(3);
    site.table();
    insert(&site, 1, 0..3);
    site.node(1).signal("STOP");
    // What was on its way to it has an unknown outcome, and is told so.
    let kept = insert(&site, 2, 10..15);
    assert!(kept.len() >= 4, "{kept:?}");
    let seen = until("node 1 not live", || {
        let out = site.out(2, &["node", "status", "1"]);
        out.ends_with(",false,false\n").then_some(out)
    });
    assert!(seen.contains("1,"));
    site.node(1).signal("CONT");
    until("node 1 live again", || {
        site.out(3, &["node", "status", "1"]).ends_with(",true,true\n").then_some(())
    });
    assert!(rows(&site, 1).is_superset(&kept), "what it answers now has it all");
    assert_eq!(insert(&site, 1, 20..23).len(), 3);
}

#[test]
fn without_quorum_gossip_answers_and_statements_wait() {
    let mut site = Site::new(7, FAST);
    site.cluster(3);
    site.table();
    site.kill(2);
    site.kill(3);
    until("all unavailable", || {
        let out = site.out(1, &["node", "status"]);
        let ends: Vec<bool> =
            out.lines().skip(1).map(|row| row.contains(",start,false,")).collect();
        (ends == [true, true, true]).then_some(out)
    });
    let out = site.out(1, &["node", "status"]);
    let mine = out.lines().find(|row| row.contains(&site.address(1))).unwrap();
    assert!(mine.ends_with(",false,true"), "is_live of the serving node stays: {out}");
    let to = site.to(1);
    let mut waiting = site
        .kwbase()
        .args(["sql", "-e", "INSERT INTO t VALUES (1)", &to[0], &to[1]])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // At this pace 60 s of the real one pass in a second.
    let begun = Instant::now();
    let limited = site.at(1, &["node", "status", "--ranges", "--timeout=60s"]);
    assert_eq!(limited.status.code(), Some(1));
    assert!(text(&limited.stderr).starts_with(
        "ERROR: query execution canceled due to statement timeout\nSQLSTATE: 57014\n"
    ));
    assert!(begun.elapsed() >= Duration::from_millis(900));
    assert!(waiting.try_wait().unwrap().is_none());
    assert_eq!(site.http(1, "/health").0, 200);
    assert_eq!(site.http(1, "/health?ready=1").0, 503);
    site.start(2);
    until("the statement", || waiting.try_wait().unwrap());
    let waited = output_of(waiting, "the statement", PATIENCE);
    assert_eq!(text(&waited.stdout), "INSERT 1\n");
    assert_eq!(rows(&site, 2), BTreeSet::from([1]));
}

#[test]
fn drained_it_takes_no_clients_and_quit_ends_it() {
    let mut site = Site::new(8, FAST);
    site.cluster(4);
    let output = site.at(4, &["node", "drain"]);
    assert_eq!(text(&output.stdout), "ok\n");
    assert!(text(&output.stderr).ends_with("node is draining... remaining: 0 (complete)\n"));
    assert_eq!(site.http(4, "/health?ready=1").0, 503);
    let sql = site.at(4, &["sql", "-e", "SELECT 1"]);
    assert!(
        text(&sql.stderr).starts_with("ERROR: server is not accepting clients\nSQLSTATE: 57P01\n")
    );
    let output = site.at(4, &["quit"]);
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), ("ok\n", Some(0)));
    assert_eq!(site.node(4).ended(), 0);
    let gone = site.at(4, &["node", "status"]);
    assert!(text(&gone.stderr).starts_with("ERROR: cannot dial server.\n"));
}

#[test]
fn a_second_signal_ends_a_stop_that_cannot_drain() {
    let mut site = Site::new(15, "pace = 2\nranges = 2\n");
    site.start(1);
    until("init", || site.at(1, &["init"]).status.success().then_some(()));
    site.joined(1);
    site.start(2);
    site.joined(2);
    site.start(3);
    site.joined(3);
    site.calm(1, 3);
    site.kill(1);
    site.kill(2);
    let node = site.node(3);
    // As systemd and the unit's ExecStop do: both are one.
    node.signal("TERM");
    node.signal("TERM");
    until("the drain to begin", || {
        let log = std::fs::read_to_string(site.path("store3/logs/kwbase.log")).unwrap();
        log.contains("initiating graceful shutdown").then_some(())
    });
    let begun = Instant::now();
    until("half a second", || (begun.elapsed() > Duration::from_millis(600)).then_some(()));
    assert_eq!(site.http(3, "/health").0, 200, "without quorum its leases go nowhere");
    let node = site.node(3);
    node.signal("TERM");
    assert_eq!(node.ended(), 1);
}
