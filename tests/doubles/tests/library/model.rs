//! Liveness, gossip, quorum, time.

use crate::World;
use bellows_doubles::kwdb::cli::Turn;
use bellows_doubles::kwdb::{Cluster, Knobs, StartMode};

fn flags(world: &mut World, node: u32) -> String {
    let out = world.out("node status --decommission --format=csv");
    let row = out.lines().find(|line| line.starts_with(&format!("{node},"))).unwrap().to_owned();
    let cells: Vec<&str> = row.split(',').collect();
    format!("{}/{}", cells[8], cells[9])
}

#[test]
fn a_killed_node_is_seen_as_not_live_after_some_seconds() {
    let mut world = World::multi(4);
    assert_eq!(flags(&mut world, 4), "true/true");
    world.kill(4);
    world.pass(1_000);
    assert_eq!(flags(&mut world, 4), "true/true");
    world.pass(4_000);
    assert_eq!(flags(&mut world, 4).split('/').nth(1), Some("false"));
    world.pass(5_000);
    assert_eq!(flags(&mut world, 4), "false/false");
    assert_eq!(world.out("node ls --format=csv"), "id\n1\n2\n3\n4\n", "dead is still listed");
    world.pass(3 * 3_600_000);
    let out = world.out("node status --decommission --format=csv");
    assert!(
        out.contains("\n4,NULL,NULL,NULL,NULL,NULL,NULL,NULL,false,false,NULL,false,false\n"),
        "{out}"
    );
}

#[test]
fn a_dead_nodes_replicas_are_made_anew_after_half_an_hour() {
    let mut world = World::multi(4);
    world.kill(4);
    world.pass(25 * 60_000);
    assert!(world.cluster.replicas(4) > 0);
    let sums = "SELECT sum((metrics->>'ranges.underreplicated')::DECIMAL)::INT AS u FROM kwdb_internal.kv_store_status";
    assert_ne!(world.sql(sums), "u\n0\n");
    world.pass(20 * 60_000);
    assert_eq!(world.cluster.replicas(4), 0);
}

#[test]
fn the_gossiped_count_lags_and_the_exact_one_does_not() {
    let mut world = World::multi(4);
    world.run("node decommission 4 --wait=none");
    let mut apart = 0;
    for _ in 0..600 {
        world.pass(1_000);
        let gossiped = world.cluster.nodes[&4].gossiped_replicas;
        apart = apart.max(gossiped.abs_diff(world.cluster.replicas(4)));
        if gossiped == 0 {
            break;
        }
    }
    assert_eq!(world.cluster.nodes[&4].gossiped_replicas, 0);
    assert!(apart >= 3, "it never lagged");
}

#[test]
fn without_quorum_gossip_answers_and_the_rest_hangs() {
    let mut world = World::multi(3);
    world.kill(2);
    world.kill(3);
    world.pass(20_000);
    assert_eq!(flags(&mut world, 1), "false/true");
    assert_eq!(flags(&mut world, 2), "false/false");
    let mut sql = world.begin("sql -e |'SELECT count(*) FROM kwdb_internal.ranges");
    let mut flag = world.begin("node decommission 3");
    for _ in 0..100 {
        world.pass(1_000);
        assert!(matches!(world.step(&mut sql), Turn::Again { .. }));
        assert!(matches!(world.step(&mut flag), Turn::Again { .. }));
    }
    let (_, err, status) = world.run("node status --ranges --timeout=10s");
    assert_eq!(status, 1);
    assert!(err.contains("SQLSTATE: 57014"), "{err}");
    assert_eq!(world.run("sql -e |'SELECT node_id FROM kwdb_internal.gossip_liveness").2, 0);
    world.cluster.set_up(2, true, world.now);
    world.pass(10_000);
    assert!(matches!(world.step(&mut sql), Turn::Ended { status: 0 }));
}

#[test]
fn the_same_course_twice_and_through_serde() {
    let course = || {
        let mut world = World::multi(4);
        world.run("node decommission 4 --wait=none");
        world.pass(20_000);
        world
    };
    let (one, mut two) = (course(), course());
    assert_eq!(one.cluster, two.cluster);
    let text = serde_json::to_string(&one.cluster).unwrap();
    let mut back: Cluster = serde_json::from_str(&text).unwrap();
    assert_eq!(back, one.cluster);
    back.advance(one.now + 60_000);
    two.pass(60_000);
    assert_eq!(back, two.cluster);
}

#[test]
fn a_pace_divides_all_times() {
    let mut world = World::of(4, StartMode::Start, Knobs { pace: 100, ..Knobs::default() });
    world.run("node decommission 4 --wait=none");
    assert!(world.empties(4, 9_000));
    world.kill(4);
    world.pass(120);
    assert_eq!(world.out("node ls --format=csv"), "id\n1\n2\n3\n");
}

#[test]
fn ranges_that_never_move_keep_the_count_above_zero() {
    let knobs = Knobs { never_move: vec![10], ..Knobs::default() };
    let mut world = World::of(3, StartMode::Start, knobs);
    world.cluster.knobs.never_move.clear();
    world.add();
    world.pass(900_000);
    let stuck = world.cluster.ranges.values().find(|range| range.replicas.contains(&4)).unwrap().id;
    world.cluster.knobs.never_move = vec![stuck];
    world.run("node decommission 4 --wait=none");
    assert!(!world.empties(4, 900_000));
    assert_eq!(
        world.sql("SELECT range_id FROM kwdb_internal.ranges WHERE 4 = ANY(replicas)"),
        format!("range_id\n{stuck}\n")
    );
}
