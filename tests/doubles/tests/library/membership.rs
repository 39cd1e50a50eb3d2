//! Decommissioning, recommissioning, joining.

use crate::{World, args};
use bellows_doubles::kwdb::cli::Turn;
use bellows_doubles::kwdb::{Knobs, StartMode, Store};

#[test]
fn four_to_three_goes_to_zero_in_irregular_steps() {
    let mut world = World::multi(4);
    let before = world.count(4);
    assert!(before > 10, "{before}");
    let (out, err, status) = world.run("node decommission 4 --format=csv --host=10.0.0.1:26257");
    assert_eq!(status, 0);
    assert!(
        out.ends_with("4,true,0,true,false\n\nNo more data reported on target nodes. Please verify cluster health before removing the nodes.\n"),
        "{out}"
    );
    let header = "id,is_live,replicas,is_decommissioning,is_draining";
    let counts: Vec<u64> = out
        .lines()
        .filter(|line| line.starts_with("4,"))
        .map(|line| line.split(',').nth(2).unwrap().parse().unwrap())
        .collect();
    assert_eq!(out.matches(header).count(), counts.len(), "a header before every row");
    assert!(counts.len() > 3, "{counts:?}");
    assert!(counts.windows(2).all(|pair| pair[1] < pair[0]), "never more again: {counts:?}");
    assert!(err.contains('.') && err.starts_with('\n'), "{err:?}");
    // The flag is an event once, however often it was sent.
    let events = world
        .sql("SELECT count(*) FROM system.eventlog WHERE \"eventType\" = 'node_decommissioned'");
    assert_eq!(events, "count\n1\n");
    // Still there while it lives, gone 9 s after the stop, but for --decommission.
    assert!(world.out("node ls --format=csv").contains("\n4\n"));
    world.kill(4);
    world.pass(9_500);
    assert_eq!(world.out("node ls --format=csv"), "id\n1\n2\n3\n");
    assert_eq!(world.out("node status --decommission --format=csv").lines().count(), 5);
}

#[test]
fn wait_none_returns_at_once_and_the_work_goes_on() {
    let mut world = World::multi(4);
    let (out, err, status) = world.run("node decommission 4 --wait=none --format=csv");
    assert_eq!((status, err.as_str()), (0, "\n"));
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(world.empties(4, 600_000));
    let (out, err, _) = world.run("node decommission 4 --wait=none --format=csv");
    assert!(err.starts_with("warning: node 4 is already decommissioning or decommissioned\n"));
    assert!(out.contains("No more data reported on target nodes."));
}

#[test]
fn five_to_four_to_three_is_legal_though_system_zones_say_five() {
    let mut world = World::multi(5);
    let zones = world.sql("SHOW ZONE CONFIGURATIONS");
    assert!(zones.contains("\tnum_replicas = 5"), "{zones}");
    assert_eq!(world.cluster.replicas(5), world.count(5));
    for node in [5, 4] {
        assert_eq!(world.run(&format!("node decommission {node} --wait=none")).2, 0);
        assert!(world.empties(node, 900_000), "{node}");
        world.kill(node);
        world.pass(30_000);
    }
    let health = "SELECT sum((metrics->>'ranges.unavailable')::DECIMAL)::INT AS ranges_unavailable, sum((metrics->>'ranges.underreplicated')::DECIMAL)::INT AS ranges_underreplicated FROM kwdb_internal.kv_store_status";
    assert_eq!(world.sql(health), "ranges_unavailable,ranges_underreplicated\n0,0\n");
}

#[test]
fn three_nodes_are_accepted_and_never_finish() {
    let mut world = World::multi(3);
    let (out, _, status) = world.run("node decommission 3 --wait=none --format=csv");
    assert_eq!(status, 0, "no check of the number of nodes");
    let count = world.cluster.replicas(3);
    assert!(out.contains(&format!("3,true,{count},true,false")));
    assert!(!world.empties(3, 3_600_000));
    assert_eq!(world.cluster.replicas(3), count);
}

#[test]
fn a_constraint_on_a_partition_that_names_the_node_keeps_its_replica() {
    let mut world = World::multi(4);
    let refused = world.run(
        "sql -e |'ALTER TABLE defaultdb.ts_1 CONFIGURE ZONE USING constraints = '[+region=NODE4]'",
    );
    assert_eq!(refused.2, 1);
    assert!(refused.1.contains("ERROR: set zone config constraints and lease_preferences is not supported\nSQLSTATE: 0A000\n"), "{}", refused.1);
    let on_four = world
        .cluster
        .ranges
        .values()
        .find(|range| range.table.starts_with("ts_") && range.replicas.contains(&4))
        .map(|range| range.table.clone())
        .unwrap();
    let pin = |value: &str| {
        format!(
            "ALTER PARTITION p1 OF TABLE defaultdb.{on_four} CONFIGURE ZONE USING constraints = '{value}'"
        )
    };
    assert_eq!(world.sql(&pin("[+region=NODE4]")), "CONFIGURE ZONE 1\n");
    world.run("node decommission 4 --wait=none");
    assert!(!world.empties(4, 1_800_000));
    assert_eq!(world.count(4), 1);
    // Mended, it goes on.
    world.sql(&pin("[]"));
    assert!(world.empties(4, 600_000));
}

#[test]
fn another_nodes_name_in_a_constraint_does_not_hold_it() {
    let mut world = World::multi(4);
    let on_four = world
        .cluster
        .ranges
        .values()
        .find(|r| r.table.starts_with("ts_") && r.replicas.contains(&4))
        .unwrap();
    let pin = format!(
        "ALTER PARTITION p OF TABLE defaultdb.{} CONFIGURE ZONE USING constraints = '[+region=NODE44]'",
        on_four.table
    );
    world.sql(&pin);
    world.run("node decommission 4 --wait=none");
    assert!(world.empties(4, 900_000));
}

#[test]
fn refusals() {
    for (knobs, mode, text) in [
        (
            Knobs { enterprise_only: true, ..Knobs::default() },
            StartMode::Start,
            "node decommissioning feature needs an enterprise license to enable.",
        ),
        (
            Knobs::default(),
            StartMode::StartSingleReplica,
            "node cannot be decommissioned in mpp mode",
        ),
        (
            Knobs { upgrading: vec![2], ..Knobs::default() },
            StartMode::Start,
            "can not run node decommission when cluster has node",
        ),
    ] {
        let mut world = World::of(4, mode, knobs);
        let (out, err, status) = world.run("node decommission 4 --format=csv");
        assert_eq!((out.as_str(), status), ("", 1));
        let head =
            "ERROR: while trying to mark as decommissioning: rpc error: code = Unknown desc = ";
        assert!(err.contains(&format!("{head}{text}")), "{err}");
        assert!(err.ends_with("\nFailed running \"node decommission\"\n"), "{err}");
        assert!(!world.cluster.nodes[&4].decommissioning);
    }
    let mut world = World::multi(3);
    let (_, err, status) = world.run("node decommission 9");
    assert_eq!(status, 1);
    assert!(err.starts_with("warning: cannot find status of node 9\n"), "{err}");
    assert!(
        err.contains("desc = during liveness update 9 -> true: node not in the liveness table")
    );
    let (_, err, status) = world.run("node decommission x");
    assert_eq!(status, 1);
    assert!(err.starts_with("ERROR: unable to parse x: "), "{err}");
}

#[test]
fn a_left_over_waiter_undoes_a_recommission() {
    let mut world = World::multi(3);
    let mut waiter = world.begin("node decommission 3 --format=csv");
    assert!(matches!(world.step(&mut waiter), Turn::Again { .. }));
    let (out, err, status) = world.run("node recommission 3 --format=csv");
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.contains(",false,false\n"), "{out}");
    world.pass(25_000);
    assert!(matches!(world.step(&mut waiter), Turn::Again { .. }));
    assert!(world.cluster.nodes[&3].decommissioning, "the waiter flagged it again");
}

#[test]
fn recommission_warns_and_the_data_comes_back() {
    let mut world = World::multi(4);
    let (_, err, status) = world.run("node recommission 4");
    assert_eq!((status, err.as_str()), (0, "warning: node 4 is not decommissioned\n"));
    world.run("node decommission 4 --wait=none");
    assert!(world.empties(4, 600_000));
    assert_eq!(world.run("node recommission 4").2, 0);
    world.pass(600_000);
    assert!(world.count(4) > 10);
    world.kill(4);
    world.pass(20_000);
    let (_, err, _) = world.run("node recommission 4");
    assert_eq!(err, "warning: node 4 is in unexpected state UNAVAILABLE\n");
}

#[test]
fn a_dead_node_is_decommissioned_too() {
    let mut world = World::multi(4);
    world.kill(4);
    world.pass(20_000);
    let (out, _, status) = world.run("node decommission 4 --wait=none --format=csv");
    assert_eq!(status, 0);
    assert!(out.contains("\n4,false,"), "{out}");
    assert!(world.empties(4, 900_000));
}

#[test]
fn a_node_comes_back_as_it_was_and_an_empty_store_is_another_node() {
    let mut world = World::multi(3);
    let (node, mut store) = world.add();
    world.pass(300_000);
    world.run("node decommission 4 --wait=none");
    assert!(world.empties(4, 600_000));
    world.kill(4);
    world.pass(60_000);
    let start = args(StartMode::Start, "10.0.0.4:26257", "10.0.0.1:26257");
    let joined = world.cluster.join(&mut store, &start, world.now).unwrap();
    assert_eq!((joined.node, joined.status.as_str()), (node, "restarted pre-existing node"));
    assert!(world.cluster.nodes[&4].decommissioning, "still decommissioning");
    world.kill(4);
    let mut empty = Store::default();
    let joined = world.cluster.join(&mut empty, &start, world.now).unwrap();
    assert_eq!(joined.node, 5);
    assert_eq!(joined.status, "initialized new node, joined pre-existing cluster");
    world.pass(600_000);
    assert!(world.count(5) > 10);
    let all = world.out("node status --decommission --format=csv");
    assert!(all.contains("\n4,10.0.0.4:26257,") && all.contains("\n5,10.0.0.4:26257,"), "{all}");
}

#[test]
fn what_does_not_fit_is_not_let_in() {
    let mut world = World::multi(3);
    let mut empty = Store::default();
    let single = args(StartMode::StartSingleReplica, "10.0.0.4:26257", "10.0.0.1:26257");
    let refused = world.cluster.join(&mut empty, &single, world.now).unwrap_err();
    assert_eq!(
        refused.unwrap(),
        "check start mode failed! Node start mode is start-single-replica, should be start"
    );
    let mut foreign = Store {
        cluster: Some("other".to_owned()),
        node: Some(2),
        start_mode: Some(StartMode::Start),
    };
    let start = args(StartMode::Start, "10.0.0.4:26257", "10.0.0.1:26257");
    let refused = world.cluster.join(&mut foreign, &start, world.now).unwrap_err().unwrap();
    assert!(refused.starts_with("node 2 belongs to cluster \"other\" but is attempting to connect to a gossip network for cluster \"6c1f"), "{refused}");
    world.kill(2);
    world.kill(3);
    world.pass(1_000);
    assert_eq!(world.cluster.join(&mut empty, &start, world.now), Err(None), "it goes on asking");
}

#[test]
fn old_data_of_a_single_replica_cluster_stays_and_new_tables_use_the_new_node() {
    let mut world = World::of(1, StartMode::StartSingleReplica, Knobs::default());
    let old = world.cluster.replicas(1);
    world.add();
    world.pass(1_800_000);
    assert_eq!((world.cluster.replicas(1), world.cluster.replicas(2)), (old, 0));
    world.sql("CREATE TABLE t (id INT PRIMARY KEY)");
    assert_eq!((world.cluster.replicas(1), world.cluster.replicas(2)), (old, 1));
}

#[test]
fn a_new_node_takes_its_share_unless_balance_is_off() {
    let mut world = World::multi(3);
    let on = world.sql("SHOW CLUSTER SETTING kv.allocator.ts_consider_rebalance.enabled");
    assert_eq!(on, "kv.allocator.ts_consider_rebalance.enabled\ntrue\n");
    assert_eq!(
        world.sql("SET CLUSTER SETTING kv.allocator.ts_consider_rebalance.enabled = false"),
        "SET CLUSTER SETTING\n"
    );
    world.add();
    world.pass(1_200_000);
    let series = world.sql("SELECT count(*) FROM kwdb_internal.ranges WHERE 4 = ANY(replicas) AND table_name LIKE 'ts_%'");
    assert_eq!(series, "count\n0\n");
    world.sql("RESET CLUSTER SETTING kv.allocator.ts_consider_rebalance.enabled");
    world.pass(1_200_000);
    let counts: Vec<u64> = (1..=4).map(|node| world.cluster.replicas(node)).collect();
    assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 3, "{counts:?}");
}
