//! Plans on paper: every sentence of the planner in Chinese.

use std::collections::BTreeSet;

use bellows::{paper, spec};
use bellows_proto::v1::{Plan, System, step::Kind};

use crate::{
    play,
    world::{self, CLUSTER},
};

/// Plans of all kinds, as `golden` has them.
fn all_kinds() -> Vec<Plan> {
    let mut plans = Vec::new();
    let all = ["h1", "h2", "h3"];
    let options = [("broker", "3/2/2"), ("budget", "22:00-06:00=50MB/s,06:00-22:00=0")];
    for options in [&[][..], &options] {
        let world = world::installed(3, 0);
        let blank = spec::blank(CLUSTER, System::Bookkeeper);
        plans.push(play::plan(&world, &blank, &world::adopt(&all, options)));
    }
    let (world, spec) = world::cluster(3, 2, &options);
    let new = world::expand(&[("bk4", "h4"), ("bk5", "h5")]);
    plans.push(play::plan(&world, &spec, &new));
    plans.extend(of_those_who_leave());
    plans.extend(of_racks());
    plans
}

/// However clients learn of racks.
fn of_racks() -> Vec<Plan> {
    let mut plans = Vec::new();
    let racks =
        [("rack.h1", "/r1"), ("group.h2", "g1"), ("broker", "2/2/2@g1"), ("min_racks", "1")];
    let blank = spec::blank(CLUSTER, System::Bookkeeper);
    let adopt = world::adopt(&["h1", "h2", "h3"], &racks);
    plans.push(play::plan(&world::installed(3, 0), &blank, &adopt));
    for class in
        ["", "org.apache.pulsar.zookeeper.ZkBookieRackAffinityMapping", "org.acme.Racks", "script"]
    {
        let (mut world, spec) = world::cluster(4, 1, &racks);
        for host in world.hosts.values_mut().filter(|host| host.running) {
            match class {
                "" => {}
                "script" => host.other_keys.push("networkTopologyScriptFileName".to_owned()),
                class => {
                    host.settings.insert("reppDnsResolverClass".to_owned(), class.to_owned());
                }
            }
        }
        for options in [
            &[][..],
            &[("rack.bk5", "/r1")],
            &[("group.bk5", "g1")],
            &[("rack.bk5", "/r1"), ("group.bk5", "g1")],
        ] {
            plans.push(play::plan(&world, &spec, &world::expand_with(&[("bk5", "h5")], options)));
        }
        plans.push(play::plan(
            &world,
            &spec,
            &world::replace("h1", ("bk5", "h5"), false, &[("rack.bk5", "/r1")]),
        ));
        plans.push(play::plan(
            &world,
            &spec,
            &world::reconfigure(&[("rack.h1", ""), ("min_racks", "0")]),
        ));
    }
    plans
}

/// Every way, alive and dead; other options.
fn of_those_who_leave() -> Vec<Plan> {
    let mut plans = Vec::new();
    for budget in [&[][..], &[("budget", "06:00-22:00=0")]] {
        let (mut world, spec) = world::grown(3, 2, 1, budget);
        world.ledgers.get_mut(&101).unwrap().copies = 1;
        let wipe = [("data", "wipe"), ("way", "stop")];
        let mut intents = vec![
            world::shrink_by(1),
            world::shrink_by(2),
            world::shrink(&["bk5"], &[]),
            world::shrink(&["h2"], &[("way", "expire")]),
            world::shrink(&["bk4"], &wipe),
            world::replace("h2", ("bk6", "h6"), false, &[("way", "stop")]),
        ];
        if !budget.is_empty() {
            intents.clear();
            intents.extend([world::shrink(&["bk4"], &wipe), world::shrink(&["h2"], &[])]);
            let quorums = [("broker", "5/3/2"), ("min_bookies", "4"), ("budget", "")];
            intents.push(world::reconfigure(&quorums));
        }
        plans.extend(intents.iter().map(|intent| play::plan(&world, &spec, intent)));
        world.dies("h3");
        let dead = world::replace("h3", ("bk6", "h6"), true, &[]);
        plans.push(play::plan(&world, &spec, &dead));
    }
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
            let command = ["bookkeeper shell ", "PUT /api/"].iter().any(|c| text.starts_with(c));
            !text.is_empty() && !command && paper::in_chinese(text).is_none()
        }));
    }
    assert!(english.is_empty(), "coordinator/src/paper/sentences/bookkeeper.rs lacks {english:#?}");
}

#[test]
fn every_guard_has_a_chinese_name() {
    let rules =
        bellows::systems::explanations().into_iter().filter(|one| one.code.starts_with("BK-"));
    let english: Vec<String> =
        rules.map(|rule| rule.name).filter(|name| paper::in_chinese(name).is_none()).collect();
    assert!(english.is_empty(), "coordinator/src/paper/sentences/bookkeeper.rs lacks {english:#?}");
}
