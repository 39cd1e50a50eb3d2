#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use proptest::prelude::*;

use super::*;

const ALL: &[Statement] = &[
    Statement::Health,
    Statement::Stores,
    Statement::Zones,
    Statement::Jobs,
    Statement::Liveness,
    Statement::Replicas(1),
    Statement::Replicas(4),
    Statement::Left(4),
    Statement::Show(Setting::Rebalance),
    Statement::Show(Setting::RecoveryRate),
];

const OUTPUT: &str = "ranges_unavailable,ranges_underreplicated\n0,3\n\
node_id,store_id,capacity,available,used,range_count,lease_count\n1,1,1000,400,600,40,20\n4,4,2000,900,0,17,0\n\
target,raw_config_sql\n\
RANGE default,\"ALTER RANGE default CONFIGURE ZONE USING\n\trange_min_bytes = 134217728,\n\tnum_replicas = 3,\n\tconstraints = '[]',\n\tlease_preferences = '[]'\"\n\
PARTITION p1 OF TABLE a.b,\"ALTER PARTITION p1 OF TABLE a.b CONFIGURE ZONE USING\n\tnum_replicas = 5,\n\tconstraints = '[+region=NODE4, -region=\"\"x\"\"]',\n\tlease_preferences = '[[+region=NODE1]]'\"\n\
job_id,job_type,description,status\n77,SCHEMA CHANGE,\"CREATE INDEX i ON t (a, b)\",running\n\
node_id,draining,decommissioning,upgrading\n1,false,false,false\n4,f,t,f\n\
count\n40\ncount\n2\n\
range_id,replicas,database_name,table_name\n12,\"{1,2,4}\",defaultdb,readings\n13,\"{2,3,4}\",\"\",NULL\n\
kv.allocator.ts_consider_rebalance.enabled\ntrue\n\
kv.snapshot_recovery.max_rate\n8.0 MiB\n";

fn parse(text: &str, statements: &[Statement]) -> Result<KwdbCluster, ParseError> {
    let mut cluster = KwdbCluster::default();
    read(text.as_bytes(), statements, &mut cluster).map(|()| cluster)
}

#[test]
fn results_follow_each_other() {
    let cluster = parse(OUTPUT, ALL).unwrap();
    assert_eq!((cluster.ranges_unavailable, cluster.ranges_underreplicated), (Some(0), Some(3)));
    assert_eq!(cluster.stores.len(), 2);
    assert_eq!((cluster.stores[1].available, cluster.stores[1].ranges), (900, 17));
    assert_eq!(cluster.zones[0].num_replicas, Some(3));
    assert_eq!(cluster.zones[0].constraints, "");
    assert_eq!(cluster.zones[1].constraints, "[+region=NODE4, -region=\"x\"]");
    assert_eq!(cluster.zones[1].lease_preferences, "[[+region=NODE1]]");
    assert_eq!(cluster.jobs[0].description, "CREATE INDEX i ON t (a, b)");
    assert!(cluster.liveness[1].decommissioning && !cluster.liveness[0].decommissioning);
    let counts: Vec<_> = cluster.replicas.iter().map(|one| (one.node_id, one.count)).collect();
    assert_eq!(counts, [(1, 40), (4, 2)]);
    assert_eq!((cluster.left[0].range, cluster.left[0].what.as_str()), (12, "defaultdb/readings"));
    assert_eq!((cluster.left[1].node_id, cluster.left[1].what.as_str()), (4, ""));
    assert_eq!((cluster.rebalance, cluster.recovery_rate), (Some(true), 8 << 20));
}

#[test]
fn null_is_nobody_knows() {
    let cluster =
        parse("ranges_unavailable,ranges_underreplicated\nNULL,NULL\n", &[Statement::Health]);
    assert_eq!(cluster.unwrap().ranges_unavailable, None);
}

#[test]
fn a_result_that_is_missing_or_another_is_an_error() {
    let health = "ranges_unavailable,ranges_underreplicated\n0,0\n";
    let two = [Statement::Health, Statement::Replicas(1)];
    assert_eq!(parse(health, &two).unwrap_err(), ParseError::Short("a count of replicas"));
    assert_eq!(parse("", &two).unwrap_err(), ParseError::Short("the ranges' health"));
    assert!(matches!(parse("id\n1\n", &two), Err(ParseError::Header(1))));
    assert!(matches!(
        parse(&format!("{health}count\nmany\n"), &two),
        Err(ParseError::Value { .. })
    ));
    assert!(matches!(parse(&format!("{health}count\n1\n5\n"), &two), Err(ParseError::Header(5))));
    assert!(parse("SET CLUSTER SETTING\n", &[Statement::SetRebalance(true)]).is_ok());
}

#[test]
fn sizes() {
    for (text, bytes) in [
        ("8.0 MiB", Some(8 << 20)),
        ("512 KiB", Some(512 << 10)),
        ("1.5 GiB", Some(3 << 29)),
        ("67108864", Some(67_108_864)),
        ("fast", None),
        ("", None),
        ("99999999999999999999", None),
        ("1 é", None),
    ] {
        assert_eq!(size(text), bytes, "{text}");
    }
}

#[test]
fn a_number_is_all_that_is_put_into_a_statement() {
    assert_eq!(
        Statement::Left(u32::MAX).text(),
        "SELECT range_id, replicas, database_name, table_name FROM kwdb_internal.ranges WHERE 4294967295 = ANY(replicas) LIMIT 8"
    );
    assert_eq!(
        Statement::SetRebalance(false).text(),
        "SET CLUSTER SETTING kv.allocator.ts_consider_rebalance.enabled = false"
    );
}

proptest! {
    #[test]
    fn rubbish_is_an_error(bytes in any::<Vec<u8>>()) {
        let _ = read(&bytes, ALL, &mut KwdbCluster::default());
    }

    #[test]
    fn a_real_output_with_rubbish_in_it(at in 0..OUTPUT.len(), bytes in any::<Vec<u8>>()) {
        let mut text = OUTPUT.as_bytes().to_vec();
        text.splice(at..(at + bytes.len()).min(OUTPUT.len()), bytes);
        let _ = read(&text, ALL, &mut KwdbCluster::default());
    }

    /// An output that was cut short is never taken for a whole one, but for its last line's end.
    #[test]
    fn a_cut_is_noticed(at in 0..OUTPUT.len()) {
        let cut = OUTPUT.get(..at).unwrap();
        prop_assume!(at < OUTPUT.len() - 1);
        let cluster = parse(cut, ALL);
        prop_assert!(cluster.is_err() || cluster.unwrap().recovery_rate != 8 << 20);
    }

    #[test]
    fn sizes_never_panic(text in any::<String>()) {
        let _ = size(&text);
    }
}
