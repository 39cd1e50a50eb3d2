//! The statements of the facts, and what is refused.

use crate::World;

#[test]
fn zone_configurations_are_several_lines_in_one_field() {
    let mut world = World::multi(3);
    let out = world.sql("SHOW ZONE CONFIGURATIONS");
    assert!(out.starts_with("target,raw_config_sql\n"), "{out}");
    assert!(out.contains("RANGE default,\"ALTER RANGE default CONFIGURE ZONE USING\n\trange_min_bytes = 134217728,\n"), "{out}");
    assert!(
        out.contains("\tnum_replicas = 3,\n\tconstraints = '[]',\n\tlease_preferences = '[]'\"\n"),
        "{out}"
    );
    world.sql("ALTER RANGE default CONFIGURE ZONE USING num_replicas = 1, gc.ttlseconds = 600");
    let out = world.sql("SHOW ZONE CONFIGURATIONS");
    assert!(out.contains("\tgc.ttlseconds = 600,\n\tnum_replicas = 1,\n"), "{out}");
}

#[test]
fn the_statements_of_the_facts_are_answered() {
    let mut world = World::multi(3);
    for (statement, first) in [
        (
            "SELECT node_id, epoch, expiration, draining, decommissioning, upgrading, updated_at FROM kwdb_internal.gossip_liveness",
            "node_id,epoch,expiration,draining,decommissioning,upgrading,updated_at",
        ),
        (
            "SELECT node_id, store_id, capacity, available, used, range_count, lease_count FROM kwdb_internal.kv_store_status",
            "node_id,store_id,capacity,available,used,range_count,lease_count",
        ),
        ("SELECT count(*) FROM kwdb_internal.ranges WHERE 1 = ANY(replicas)", "count"),
        ("SELECT max(range_id), min(range_id) AS least FROM kwdb_internal.ranges;", "max,least"),
        (
            "SELECT range_id AS r FROM kwdb_internal.ranges WHERE range_id IN (1, 3) AND range_id <> 3 ORDER BY r DESC LIMIT 5",
            "r",
        ),
        ("SHOW CLUSTER SETTING server.time_until_store_dead", "server.time_until_store_dead"),
        ("SELECT 1", "?column?"),
    ] {
        let out = world.sql(statement);
        assert_eq!(out.lines().next(), Some(first), "{statement}: {out}");
        assert!(out.lines().count() >= 2, "{statement}: {out}");
    }
    let line = world.sql("SELECT expiration FROM kwdb_internal.gossip_liveness WHERE node_id = 1");
    let stamp = line.lines().nth(1).unwrap().trim_matches('"').to_owned();
    let (seconds, rest) = stamp.split_once('.').unwrap();
    assert!(seconds.parse::<u64>().is_ok() && rest.len() == 11 && rest.ends_with(",0"), "{stamp}");
    assert!(world.sql("SELECT * FROM kwdb_internal.gossip_nodes").lines().count() == 4);
}

#[test]
fn rows_are_kept_and_keys_are_not_given_twice() {
    let mut world = World::multi(3);
    assert_eq!(world.sql("CREATE DATABASE IF NOT EXISTS shop"), "CREATE DATABASE\n");
    assert_eq!(world.sql("CREATE DATABASE IF NOT EXISTS shop"), "CREATE DATABASE\n");
    assert_eq!(
        world.sql("CREATE TABLE IF NOT EXISTS shop.t (id INT8 NOT NULL PRIMARY KEY, note STRING)"),
        "CREATE TABLE\n"
    );
    assert_eq!(world.sql("INSERT INTO shop.t VALUES (1, 'a'), (10, ''), (9, NULL)"), "INSERT 3\n");
    assert_eq!(world.sql("INSERT INTO shop.t (note, id) VALUES ('it''s', -2)"), "INSERT 1\n");
    assert_eq!(
        world.sql("SELECT id, note FROM shop.t ORDER BY id"),
        "id,note\n-2,it's\n1,a\n9,NULL\n10,\"\"\n"
    );
    assert_eq!(
        world.sql("SELECT count(note), max(id), sum(id) FROM shop.public.t WHERE id > 0"),
        "count,max,sum\n2,10,20\n"
    );
    let (_, err, status) = world.run("sql -e |'INSERT INTO shop.t VALUES (7, 'x'), (9, 'y')");
    assert_eq!(status, 1);
    assert!(err.starts_with("ERROR: duplicate key value (id)=('9') violates unique constraint \"primary\"\nSQLSTATE: 23505\n"), "{err}");
    assert_eq!(world.sql("SELECT count(*) FROM shop.t"), "count\n4\n", "all or nothing");
}

#[test]
fn several_statements_stop_at_the_first_error() {
    let mut world = World::multi(3);
    let (out, err, status) =
        world.run("sql --format=csv -e |'SELECT 1| -e |'NONSENSE here| -e |'SELECT 2");
    assert_eq!((out.as_str(), status), ("?column?\n1\n", 1));
    assert!(
        err.starts_with(
            "ERROR: at or near \"NONSENSE\": syntax error\nSQLSTATE: 42601\nDETAIL: source SQL:\n"
        ),
        "{err}"
    );
    assert!(err.ends_with("Failed running \"sql\"\n"));
    let (out, _, status) =
        world.run("sql --format=csv --set errexit=false -e |'NONSENSE| -e |'SELECT 2");
    assert_eq!((out.as_str(), status), ("?column?\n2\n", 1));
}

#[test]
fn what_it_does_not_know_it_does_not_answer() {
    let mut world = World::multi(3);
    for (statement, code) in [
        ("SELECT DISTINCT node_id FROM kwdb_internal.gossip_nodes", "42601"),
        (
            "SELECT a.node_id FROM kwdb_internal.gossip_nodes a JOIN kwdb_internal.gossip_liveness b ON a.node_id = b.node_id",
            "42601",
        ),
        ("SELECT node_id, count(*) FROM kwdb_internal.kv_store_status GROUP BY node_id", "42601"),
        ("SELECT range_id FROM kwdb_internal.ranges LIMIT 1 OFFSET 2", "42601"),
        ("DELETE FROM t", "42601"),
        ("SELECT x FROM nowhere", "42P01"),
        ("SELECT nothing FROM kwdb_internal.ranges", "42703"),
        ("SHOW CLUSTER SETTING no.such", "42704"),
        ("SET CLUSTER SETTING server.time_until_store_dead = '60s'", "22023"),
        ("SELECT upper('x') AS u", "42883"),
    ] {
        let (out, err, status) = world.run(&format!("sql --format=csv -e |'{statement}"));
        assert_eq!((out.as_str(), status), ("", 1), "{statement}");
        assert!(err.contains(&format!("\nSQLSTATE: {code}\n")), "{statement}: {err}");
    }
}

#[test]
fn an_index_is_a_job_for_a_while_and_refused_while_a_node_leaves() {
    let mut world = World::multi(4);
    world.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)");
    assert_eq!(world.sql("CREATE INDEX i ON t (v)"), "CREATE INDEX\n");
    let running = "SELECT count(*) FROM kwdb_internal.jobs WHERE status = 'running' AND job_type = 'SCHEMA CHANGE'";
    assert_eq!(world.sql(running), "count\n1\n");
    assert!(world.sql("SHOW JOBS").starts_with("job_id,job_type,"));
    world.pass(40_000);
    assert_eq!(world.sql(running), "count\n0\n");
    world.run("node decommission 4 --wait=none");
    let (_, err, status) = world.run("sql -e |'CREATE INDEX j ON t (v)");
    assert_eq!(status, 1);
    assert!(err.contains("not supported when node is decommissioning"), "{err}");
}
