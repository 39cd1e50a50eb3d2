//! Plans as golden text.

use bellows::spec;
use bellows_proto::v1::{KwdbJob, KwdbSecurity, KwdbStartMode, System};

use crate::{
    play, render,
    world::{self, CLUSTER, whole},
};

#[test]
fn adopt_three() {
    let security = KwdbSecurity::Tls;
    let world = world::installed(3, 0, KwdbStartMode::MultiReplica, security);
    let spec = spec::blank(CLUSTER, System::Kwdb);
    let intent = world::adopt(&[("h1", 0), ("h2", 0), ("h3", 26257)], &[("poll_s", "5")]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn expand_one() {
    let (world, spec) = world::cluster(3, 1, &[]);
    let intent = world::expand(&[("kw4", "h4")], &[]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn expand_two_of_a_secure_cluster_without_rebalancing() {
    let (mut world, spec) = world::secure(3, 2);
    // One has certificates already, and somebody left the key about.
    world.host("h5").certificates = whole("h5", 1);
    world.host("h4").certificates.leftovers = vec!["/tmp/kaiwudb_certs/ca.key".to_owned()];
    world.host("h3").certificates.has_key = true;
    world.jobs = vec![KwdbJob {
        id: "71".to_owned(),
        kind: "SCHEMA CHANGE".to_owned(),
        description: "CREATE INDEX i ON cpu (host)".to_owned(),
        status: "running".to_owned(),
    }];
    let intent = world::expand(&[("kw5", "h5"), ("kw4", "h4")], &[("rebalance", "off")]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn expand_a_single_replica_cluster() {
    let (mode, security) = (KwdbStartMode::SingleReplica, KwdbSecurity::Insecure);
    let (world, spec) = world::adopted(2, 1, mode, security, &[]);
    let intent = world::expand(&[("kw3", "h3")], &[]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn expand_where_nodes_leave_by_deploy_sh() {
    let (world, spec) = world::cluster(3, 1, &[("front_end", "deploy.sh")]);
    let intent = world::expand(&[("kw4", "h4")], &[("balance", "skip")]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

/// Nothing is waited for that does not come.
#[test]
fn the_end_waits_for_the_share_only_where_data_move() {
    for (enabled, options, waits) in [
        (true, &[][..], true),
        (true, &[("balance", "skip")], false),
        (true, &[("rebalance", "off")], false),
        (false, &[], false),
        (false, &[("rebalance", "on")], true),
    ] {
        let (mut world, spec) = world::cluster(3, 1, &[]);
        world.rebalance = Some(enabled);
        let plan = play::plan(&world, &spec, &world::expand(&[("kw4", "h4")], options));
        let titles = plan.steps.iter().map(|step| step.title.as_str());
        let spread = titles.filter(|title| title.contains("spread over")).count();
        assert_eq!(spread == 1, waits, "{enabled}, {options:?}");
    }
}
