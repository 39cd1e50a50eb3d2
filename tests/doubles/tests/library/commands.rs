//! Shapes of output, errors, the environment.

use crate::World;
use bellows_doubles::kwdb::cli::{Format, version};
use bellows_doubles::kwdb::{Knobs, StartMode, Table};

#[test]
fn node_status_has_the_columns_of_the_facts() {
    let mut world = World::multi(3);
    let base = "id,address,sql_address,build,started_at,updated_at,locality,start_mode,is_available,is_live";
    let out = world.out("node status --format=csv");
    assert_eq!(out.lines().next(), Some(base));
    assert!(
        out.contains("1,10.0.0.1:26257,10.0.0.1:26257,V3.1.0,2026-01-05 08:00:00,2026-01-05 08:"),
        "{out}"
    );
    assert!(out.contains(",region=NODE1,start,true,true\n"), "{out}");
    let all = world.out("node status --all --format=csv");
    assert_eq!(
        all.lines().next().unwrap(),
        format!(
            "{base},replicas_leaders,replicas_leaseholders,ranges,ranges_unavailable,ranges_underreplicated,live_bytes,key_bytes,value_bytes,intent_bytes,system_bytes,gossiped_replicas,is_decommissioning,is_draining"
        )
    );
    assert!(all.lines().nth(1).unwrap().ends_with(",false,false"));
    assert!(world.out("node status").starts_with("id\taddress\t"), "tsv off a terminal");
    let one = world.out("node status 2 --format=csv");
    assert_eq!(one.lines().count(), 2);
    assert_eq!(
        world.run("node status 10000").1,
        "ERROR: node 10000 doesn't exist\nFailed running \"node status\"\n"
    );
    assert_eq!(
        world.run("node status x").1,
        "ERROR: could not parse node_id x\nFailed running \"node status\"\n"
    );
}

#[test]
fn fields_are_quoted_as_the_facts_say() {
    let cell = |text: &str| Some(text.to_owned());
    let table = Table {
        columns: vec!["a".to_owned(), "b".to_owned()],
        rows: vec![
            vec![cell(""), None],
            vec![cell("x,y"), cell(" lead")],
            vec![cell("q\"q"), cell("two\nlines")],
            vec![cell("tab\there"), cell("plain")],
        ],
    };
    assert_eq!(
        Format::Csv.write(&table),
        "a,b\n\"\",NULL\n\"x,y\",\" lead\"\n\"q\"\"q\",\"two\nlines\"\ntab\there,plain\n"
    );
    assert!(Format::Tsv.write(&table).contains("\"tab\there\"\tplain\n"));
    assert!(Format::Table.write(&table).ends_with("(4 rows)\n"));
}

#[test]
fn the_table_form_is_the_sample_of_the_facts() {
    let cell = |text: &str| Some(text.to_owned());
    let table = Table {
        columns: ["id", "is_live", "replicas", "is_decommissioning", "is_draining"]
            .map(str::to_owned)
            .to_vec(),
        rows: vec![["4", "true", "18", "true", "false"].map(cell).to_vec()],
    };
    let sample = "  id | is_live | replicas | is_decommissioning | is_draining\n-----+---------+----------+--------------------+--------------\n   4 |  true   |       18 |        true        |    false\n(1 row)\n";
    assert_eq!(Format::Table.write(&table), sample);
}

#[test]
fn nobody_listens_there() {
    let mut world = World::multi(3);
    let (_, err, status) = world.run("node status --host=10.0.0.77:26257");
    assert_eq!(status, 1);
    assert!(err.starts_with("ERROR: cannot dial server.\nIs the server running?\nIf the server is running, check --host client-side and --advertise server-side.\n\ndial tcp 10.0.0.77:26257: "), "{err}");
    assert!(err.ends_with("Failed running \"node status\"\n"));
    world.lost.push(2);
    let before = world.now;
    assert_eq!(world.run("node ls --host=10.0.0.2:26257").2, 1);
    assert!(world.now - before >= 15_000, "it dials for 15 s");
    let (_, err, status) = world.run("node decommission 4 --host=10.0.0.2:26257");
    assert_eq!(status, 1);
    assert!(err.starts_with("ERROR: operation timed out.\n"), "{err}");
    world.kill(1);
    assert_eq!(world.run("node ls").2, 1, "--host is the stopped node");
}

#[test]
fn security_must_fit() {
    let mut world = World::multi(3);
    let (_, err, _) = world.run("node status --certs-dir=/nowhere");
    assert!(err.starts_with("ERROR: cannot load certificates.\nCheck your certificate settings, set --certs-dir, or use --insecure "), "{err}");
    world.cluster.secure = true;
    let (_, err, _) = world.run("node decommission 3 --insecure");
    assert!(
        err.starts_with("ERROR: server closed the connection.\nIs this a KwDB node?\n"),
        "{err}"
    );
    let (_, err, _) = world.run("sql -e |'SHOW JOBS| --insecure");
    assert!(err.starts_with("ERROR: SSL authentication error while connecting.\n"), "{err}");
}

#[test]
fn what_leaks_from_the_environment_does_harm() {
    let mut world = World::multi(3);
    for (name, value, text) in [
        ("KWBASE_HOST", "10.9.9.9:1", "cannot dial server."),
        ("KWBASE_PORT", "1", "cannot dial server."),
        ("KWBASE_CERTS_DIR", "/x", "cannot load certificates."),
        ("KWBASE_URL", "postgresql://root@10.9.9.9:1?sslmode=disable", "cannot dial server."),
        ("KWBASE_INSECURE", "perhaps", "invalid argument \"perhaps\" for \"--insecure\""),
    ] {
        world.env = [(name.to_owned(), value.to_owned())].into();
        let (_, err, status) = world.run("node status --format=csv");
        assert_eq!(status, 1, "{name}");
        assert!(err.contains(text), "{name}: {err}");
    }
    world.env = [
        ("KWBASE_USER".to_owned(), "guest".to_owned()),
        ("KWBASE_INSECURE".to_owned(), "true".to_owned()),
    ]
    .into();
    let (_, err, status) = world.run("node status --host=10.0.0.1:26257");
    assert_eq!(status, 1);
    assert!(err.contains("admin role"), "{err}");
    // What stands on the command line is stronger, but for what nobody typed.
    world.env = [("KWBASE_HOST".to_owned(), "10.9.9.9:1".to_owned())].into();
    assert_eq!(world.run("node status --host=10.0.0.1:26257 --insecure").2, 0);
}

#[test]
fn drain_and_quit_say_what_is_left() {
    let mut world = World::multi(4);
    let (out, err, status) = world.run("node drain --host=10.0.0.4:26257");
    assert_eq!((out.as_str(), status), ("ok\n", 0));
    assert!(err.starts_with("node is draining... remaining: "), "{err}");
    assert!(err.ends_with("node is draining... remaining: 0 (complete)\n"), "{err}");
    assert!(world.cluster.nodes[&4].draining && world.cluster.nodes[&4].up);
    let (out, _, status) = world.run("quit --host=10.0.0.4:26257");
    assert_eq!((out.as_str(), status), ("ok\n", 0));
    assert!(!world.cluster.nodes[&4].up);
    let (out, err, status) = world.run("init");
    assert_eq!((out.as_str(), status), ("", 1));
    assert!(err.starts_with("ERROR: cluster has already been initialized\nHINT: "), "{err}");
}

#[test]
fn knobs_that_spoil_answers() {
    let knobs = Knobs { status_garbage: true, health_null: true, ..Knobs::default() };
    let mut world = World::of(3, StartMode::Start, knobs);
    assert!(!world.out("node status --format=csv").contains("id,address"));
    let sums = world.sql("SELECT sum((metrics->>'ranges.unavailable')::DECIMAL)::INT AS u FROM kwdb_internal.kv_store_status");
    assert_eq!(sums, "u\nNULL\n");
    let mut world = World::of(
        3,
        StartMode::Start,
        Knobs { without_flags: vec!["decommission".to_owned()], ..Knobs::default() },
    );
    assert!(world.run("node status --decommission").1.contains("unknown flag: --decommission"));
    let mut world = World::of(3, StartMode::Start, Knobs { hang: true, ..Knobs::default() });
    let (_, err, status) = world.run("node status --timeout=10s");
    assert_eq!(status, 1);
    assert!(
        err.contains("query execution canceled due to statement timeout\nSQLSTATE: 57014\n"),
        "{err}"
    );
    assert!(version(&Knobs::default()).starts_with("KaiwuDB Version:  "));
    assert!(version(&Knobs::default()).ends_with("Double:            bellows\n"));
}
