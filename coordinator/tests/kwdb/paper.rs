//! Plans on paper: every sentence of the planner in Chinese.

use std::collections::BTreeSet;

use bellows::{paper, spec};
use bellows_proto::v1::{KwdbJob, KwdbSecurity, KwdbStartMode, Plan, System, step::Kind};

use crate::{
    play,
    world::{self, CLUSTER},
};

/// Plans of all kinds, as `golden` has them.
fn all_kinds() -> Vec<Plan> {
    let (multi, single) = (KwdbStartMode::MultiReplica, KwdbStartMode::SingleReplica);
    let (tls, insecure) = (KwdbSecurity::Tls, KwdbSecurity::Insecure);
    let one = || world::expand(&[("kw4", "h4")], &[]);
    let mut plans = Vec::new();
    let all = [("h1", 0), ("h2", 0), ("h3", 0)];
    for (mode, security) in [(multi, tls), (single, insecure)] {
        let mut world = world::installed(3, 0, mode, security);
        world.host("h2").container = "kaiwudb-container";
        let blank = spec::blank(CLUSTER, System::Kwdb);
        plans.push(play::plan(&world, &blank, &world::adopt(&all, &[])));
    }
    let (mut secure, spec) = world::secure(3, 1);
    secure.host("h4").certificates.leftovers = vec!["/tmp/kaiwudb_certs/ca.key".to_owned()];
    secure.host("h3").certificates.has_key = true;
    let job = KwdbJob { id: "71".to_owned(), kind: "SCHEMA".to_owned(), ..KwdbJob::default() };
    let job = KwdbJob { description: "CREATE".to_owned(), status: "running".to_owned(), ..job };
    secure.jobs = vec![job; 9];
    for options in [&[][..], &[("rebalance", "off")]] {
        plans.push(play::plan(&secure, &spec, &world::expand(&[("kw4", "h4")], options)));
    }
    secure.rebalance = Some(false);
    for options in [&[][..], &[("rebalance", "on")]] {
        plans.push(play::plan(&secure, &spec, &world::expand(&[("kw4", "h4")], options)));
    }
    for (mode, security) in [(single, insecure), (multi, insecure), (multi, tls)] {
        let front_end = [("front_end", "deploy.sh")];
        let (world, spec) = world::adopted(3, 1, mode, security, &front_end);
        plans.push(play::plan(&world, &spec, &one()));
        let options = [("rebalance", "off"), ("balance", "skip")];
        plans.push(play::plan(&world, &spec, &world::expand(&[("kw4", "h4")], &options)));
    }
    plans.extend(of_other_verbs());
    plans
}

/// Nodes that leave, are replaced, come back, are restarted; other options.
fn of_other_verbs() -> Vec<Plan> {
    let mut plans = Vec::new();
    let (mut world, spec) = world::grown(3, 2, 1, &[]);
    world.hosts.values_mut().for_each(|host| host.deploy_sh = true);
    let wipe = [("data", "wipe")];
    let every = [("front_end", "deploy.sh"), ("min_members", "4"), ("poll_s", "9")];
    let intents = [
        world::shrink(&["kw5", "h2"], &[]),
        world::shrink(&["kw5"], &wipe),
        world::shrink_by(1),
        world::shrink_by(2),
        world::replace("h2", ("kw6", "h6"), false, &[("rebalance", "off")]),
        world::restart(&[]),
        world::reconfigure(&every),
    ];
    plans.extend(intents.iter().map(|intent| play::plan(&world, &spec, intent)));
    for members in [3, 4] {
        let (mut world, spec) = world::cluster(members, 1, &[("front_end", "deploy.sh")]);
        world.hosts.values_mut().for_each(|host| host.deploy_sh = true);
        plans.push(play::plan(&world, &spec, &world::reconfigure(&[("front_end", "kwbase")])));
        if members == 4 {
            plans.push(play::plan(&world, &spec, &world::shrink(&["h4"], &[])));
        }
        let new = format!("h{}", members + 1);
        world.dies("h2");
        let dead = world::replace("h2", ("kw9", &new), true, &[]);
        plans.push(play::plan(&world, &spec, &dead));
        let host = world.host("h2");
        (host.answers, host.store) = (true, None);
        host.command = vec!["--join=10.0.0.1:26257".to_owned()];
        plans.push(play::plan(&world, &spec, &world::rejoin("h2", false, &[])));
    }
    world.known.get_mut(&5).unwrap().decommissioning = true;
    world.spread();
    world.host("h5").start.as_mut().unwrap().join = vec!["10.0.0.77:26257".to_owned()];
    plans.push(play::plan(&world, &spec, &world::rejoin("kw5", true, &[])));
    let (single, insecure) = (KwdbStartMode::SingleReplica, KwdbSecurity::Insecure);
    let (world, spec) = world::adopted(2, 0, single, insecure, &[]);
    plans.push(play::plan(&world, &spec, &world::restart(&["h2"])));
    let (mut world, spec) = world::secure(3, 0);
    plans.push(play::plan(&world, &spec, &world::reconfigure(&[("ca_host", "h1")])));
    world.hosts.values_mut().for_each(|host| host.certificates.has_key = true);
    let (mut spec, named) = (spec, world::reconfigure(&[("ca_host", "h1")]));
    let plan = play::plan(&world, &spec, &named);
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    plans.push(play::plan(&world, &spec, &world::reconfigure(&[("ca_host", "")])));
    plans
}

#[test]
fn what_planners_say_has_a_chinese_form() {
    let mut english = BTreeSet::new();
    for plan in all_kinds() {
        let mut said: Vec<String> = plan.notes.iter().map(|note| note.text.clone()).collect();
        said.extend(plan.guards.iter().map(|guard| guard.rule.clone()));
        for step in plan.steps {
            said.extend([step.title, step.reason]);
            if let Some(Kind::Act(act)) = step.kind {
                said.push(act.summary);
                said.extend(act.undo.into_iter().map(|undo| undo.summary));
            }
        }
        english.extend(said.into_iter().filter(|text| {
            // Commands have one name in all languages.
            let command =
                ["kwbase node ", "deploy.sh ", "SET CLUSTER "].iter().any(|c| text.starts_with(c))
                    && !text.contains(':');
            !text.is_empty() && !command && paper::in_chinese(text).is_none()
        }));
    }
    assert!(english.is_empty(), "coordinator/src/paper/sentences/kwdb.rs lacks {english:#?}");
}

#[test]
fn every_guard_has_a_chinese_name() {
    let rules =
        bellows::systems::explanations().into_iter().filter(|one| one.code.starts_with("KW-"));
    let english: Vec<String> =
        rules.map(|rule| rule.name).filter(|name| paper::in_chinese(name).is_none()).collect();
    assert!(english.is_empty(), "coordinator/src/paper/sentences/kwdb.rs lacks {english:#?}");
}
