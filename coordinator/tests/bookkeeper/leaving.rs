//! Bookies leave and are replaced: golden plans, played to their ends and taken back.

use bellows::{plan::Systems as _, systems::AllSystems};
use bellows_proto::v1::{Intent, Plan, Spec, bookkeeper_action::Kind, spec_change};

use crate::{
    play::{self, acts},
    render,
    world::{self, World, id},
};

/// To its end, which is the predicted one.
fn played(mut world: World, spec: &Spec, intent: &Intent) -> (World, Spec, Plan) {
    let plan = play::plan(&world, spec, intent);
    let mut spec = spec.clone();
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    let end = world.observe(&spec, plan.intent.as_ref());
    let drift = AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &end);
    assert_eq!(drift, Vec::<String>::new());
    (world, spec, plan)
}

/// From every step before the point of no return, and from one that had only begun.
fn taken_back(start: &World, start_spec: &Spec, intent: &Intent) {
    let plan = play::plan(start, start_spec, intent);
    let point = plan.point_of_no_return;
    let back = plan.steps.iter().filter(|step| point == 0 || step.number < point).count();
    for done in 0..=back {
        let (mut world, mut spec) = (start.clone(), start_spec.clone());
        play::steps(&mut world, &mut spec, &plan, done);
        play::undo(&mut world, &mut spec, &plan, (done + 1).min(back));
        forget(&mut world, start);
        assert_eq!(&world, start, "after {done} steps");
        assert_eq!(spec.nodes, start_spec.nodes);
        assert_eq!(spec.tombstones, start_spec.tombstones);
    }
}

/// What no undo brings back: where ledgers are, that audits were made, and the records of cookies.
fn forget(world: &mut World, start: &World) {
    let numbers = |world: &World| world.ledgers.keys().copied().collect::<Vec<_>>();
    assert_eq!(numbers(world), numbers(start));
    for (ledger, one) in &world.ledgers {
        assert_eq!(one.ensemble.len(), start.ledgers[ledger].ensemble.len());
    }
    world.ledgers = start.ledgers.clone();
    world.audits = start.audits;
    // Who is elected is chance.
    world.auditor.clone_from(&start.auditor);
    for (name, host) in &mut world.hosts {
        host.saved = start.hosts[name].saved.clone();
        host.audited_at_ms = start.hosts[name].audited_at_ms;
    }
}

fn golden(world: &World, spec: &Spec, intent: &Intent) -> String {
    render::plan(&play::plan(world, spec, intent))
}

fn way(way: &str) -> [(&str, &str); 1] {
    [("way", way)]
}

#[test]
fn shrink_one_by_a_drain() {
    let (world, spec) = world::grown(3, 2, 0, &[("broker", "3/2/2")]);
    insta::assert_snapshot!(golden(&world, &spec, &world::shrink(&["bk5"], &[])));
}

#[test]
fn shrink_two_by_a_stop_within_a_budget_and_wipe() {
    let budget = [("budget", "06:00-22:00=0")];
    let (world, spec) = world::grown(3, 3, 0, &budget);
    let options = [("way", "stop"), ("data", "wipe")];
    insta::assert_snapshot!(golden(&world, &spec, &world::shrink(&["bk6", "bk5"], &options)));
}

#[test]
fn shrink_one_that_expires() {
    let (world, spec) = world::cluster(4, 0, &[]);
    insta::assert_snapshot!(golden(&world, &spec, &world::shrink(&["h4"], &way("expire"))));
}

#[test]
fn replace_a_living_bookie() {
    let (world, spec) = world::cluster(3, 1, &[]);
    let intent = world::replace("h2", ("bk4", "h4"), false, &[]);
    insta::assert_snapshot!(golden(&world, &spec, &intent));
}

/// A dead one with ledgers of one copy: they are named, and nothing is planned until somebody has agreed.
fn dead() -> (World, Spec) {
    let (mut world, spec) = world::cluster(4, 1, &[]);
    for (ledger, copies) in [(40, 1), (41, 1), (43, 1), (44, 2)] {
        let one = world::Ledger {
            ensemble: vec![id("h2"), id("h1")].into_iter().take(copies).collect(),
            copies: u32::try_from(copies).unwrap(),
            bytes: 1 << 20,
            open: false,
        };
        world.ledgers.insert(ledger, one);
    }
    world.dies("h2");
    (world, spec)
}

#[test]
fn replace_a_dead_bookie() {
    let (mut world, spec) = dead();
    world.ledgers.retain(|_, one| one.copies > 1);
    let intent = world::replace("h2", ("bk5", "h5"), true, &[]);
    insta::assert_snapshot!(golden(&world, &spec, &intent));
}

#[test]
fn replace_a_dead_bookie_with_what_is_lost() {
    let (world, spec) = dead();
    let intent = world::replace("h2", ("bk5", "h5"), true, &[]);
    insta::assert_snapshot!(golden(&world, &spec, &world::accepting(intent, "BK-52")));
}

#[test]
fn reconfigure_everything() {
    let (world, spec) = world::cluster(4, 0, &[]);
    let options = [
        ("min_bookies", "4"),
        ("broker", "3/2/2"),
        ("policy.public/big", "5/3/2"),
        ("budget", "22:00-06:00=50MB/s,06:00-22:00=5MB/s"),
    ];
    insta::assert_snapshot!(golden(&world, &spec, &world::reconfigure(&options)));
}

/// One after another in natural order, each to its end.
#[test]
fn a_shrink_ends_as_predicted_by_each_way() {
    for option in ["drain", "stop"] {
        let (world, spec) = world::grown(4, 2, 0, &[]);
        let (world, spec, plan) =
            played(world, &spec, &world::shrink(&["bk6", "h2"], &way(option)));
        let names: Vec<&str> = spec.nodes.iter().map(|node| node.node.as_str()).collect();
        assert_eq!(names, ["bk5", "h1", "h3", "h4"]);
        assert_eq!(spec.tombstones.len(), 2);
        assert_eq!(
            plan.point_of_no_return, 0,
            "nothing is lost: there is a way back until the end"
        );
        for gone in ["h2", "h6"] {
            assert!(world.on(&id(gone)).is_empty() && !world.cookies.contains_key(&id(gone)));
            assert!(!world.hosts[gone].running && world.hosts[gone].stamped.is_some());
        }
        let order = plan.steps.iter().filter_map(|step| {
            match step.spec_change.as_ref().and_then(|change| change.kind.as_ref()) {
                Some(spec_change::Kind::RemoveNode(remove)) => Some(remove.node.as_str()),
                _ => None,
            }
        });
        assert_eq!(order.collect::<Vec<_>>(), ["bk6", "h2"], "natural order");
    }
}

/// What was written expires by itself: the last step before is a wait without a stall.
#[test]
fn an_expiry_waits_for_weeks_and_is_never_stalled() {
    let (mut world, spec) = world::cluster(4, 0, &[]);
    let plan = play::plan(&world, &spec, &world::shrink(&["h4"], &way("expire")));
    let waits = |step: &bellows_proto::v1::Step| match &step.kind {
        Some(bellows_proto::v1::step::Kind::Wait(wait)) => Some((wait.interval_ms, wait.stall_ms)),
        _ => None,
    };
    let expiry = plan.steps.iter().position(|step| step.title.contains("has expired")).unwrap();
    assert_eq!(waits(&plan.steps[expiry]), Some((60_000, 0)));
    assert!(plan.invariants.is_empty(), "others may be restarted meanwhile");
    let mut played = spec.clone();
    play::steps(&mut world, &mut played, &plan, expiry);
    assert!(world.hosts["h4"].read_only);
    let wanted = |world: &World| {
        let Some(bellows_proto::v1::step::Kind::Wait(wait)) = &plan.steps[expiry].kind else {
            panic!("no wait")
        };
        let seen = world.observe(&played, plan.intent.as_ref());
        AllSystems::default().check(&wait.conditions[0], &seen)
    };
    assert!(matches!(wanted(&world), bellows::plan::Verdict::NotYet { .. }));
    // Somebody makes it writable: it would get new ledgers for ever.
    world.host("h4").read_only = false;
    assert!(matches!(wanted(&world), bellows::plan::Verdict::Refused(_)));
    world.host("h4").read_only = true;
    world.ledgers.retain(|_, one| !one.ensemble.contains(&id("h4")));
    assert_eq!(wanted(&world), bellows::plan::Verdict::Holds);
    let rest = Plan { steps: plan.steps[expiry..].to_vec(), ..plan.clone() };
    play::steps(&mut world, &mut played, &rest, rest.steps.len());
    assert_eq!(played.nodes.len(), 3);
}

#[test]
fn a_shrink_can_be_taken_back_from_anywhere() {
    for option in ["drain", "stop"] {
        let (world, spec) = world::grown(3, 2, 0, &[("budget", "06:00-22:00=0")]);
        taken_back(&world, &spec, &world::shrink(&["h2"], &way(option)));
        let wipe = [("way", option), ("data", "wipe")];
        taken_back(&world, &spec, &world::shrink(&["bk5"], &wipe));
    }
    let (world, spec) = world::grown(4, 2, 0, &[]);
    taken_back(&world, &spec, &world::shrink(&["h2", "bk5"], &[]));
}

#[test]
fn with_wipe_the_directories_are_emptied_and_there_is_no_way_back_from_there() {
    let (world, spec) = world::grown(3, 1, 0, &[]);
    let (world, _, plan) = played(world, &spec, &world::shrink(&["bk4"], &[("data", "wipe")]));
    assert_eq!(world.hosts["h4"].stamped, None);
    let step = plan.steps.iter().find(|step| step.number == plan.point_of_no_return).unwrap();
    assert!(step.title.contains("empty the directories of bk4"), "{}", step.title);
}

/// What has one copy moves with a drain.
#[test]
fn a_drain_moves_the_only_copy_too() {
    let (mut world, spec) = world::grown(3, 1, 0, &[]);
    world.ledgers.get_mut(&100).unwrap().copies = 1;
    let (world, _, _) = played(world, &spec, &world::shrink(&["bk4"], &[]));
    assert!(!world.ledgers[&100].ensemble.contains(&id("h4")));
}

#[test]
fn a_shrink_by_a_number_names_the_last() {
    let (world, spec) = world::grown(3, 2, 0, &[]);
    let plan = play::plan(&world, &spec, &world::shrink_by(1));
    assert_eq!(plan.intent.as_ref().unwrap().verb, world::shrink(&["h3"], &[]).verb);
    assert_eq!(
        plan.notes.first().unwrap().text,
        "h3 leaves: the last by name, numbers counted as numbers"
    );
}

#[test]
fn a_replacement_ends_as_predicted() {
    for option in ["drain", "stop"] {
        let (world, spec) = world::cluster(3, 1, &[]);
        let intent = world::replace("h3", ("bk4", "h4"), false, &way(option));
        taken_back(&world, &spec, &intent);
        let (world, spec, _) = played(world, &spec, &intent);
        let names: Vec<&str> = spec.nodes.iter().map(|node| node.node.as_str()).collect();
        assert_eq!(names, ["bk4", "h1", "h2"]);
        assert!(!world.hosts["h3"].running && world.on(&id("h3")).is_empty());
    }
}

/// What was lost with a dead one lacks a copy for ever: others may leave all the same, if that is agreed to by name.
#[test]
fn what_is_lost_already_holds_up_nobody() {
    let (world, spec) = dead();
    let intent = world::accepting(world::replace("h2", ("bk5", "h5"), true, &[]), "BK-52");
    let (mut world, spec, _) = played(world, &spec, &intent);
    world.lacking = vec![40, 41, 43];
    for option in ["drain", "stop"] {
        let intent = world::shrink(&["h3"], &way(option));
        let refused = |world: &World, intent: &Intent| {
            let observation = world.observe(&spec, Some(intent));
            let refusals = AllSystems::default().plan(&spec, &observation, intent).unwrap_err();
            refusals.into_iter().map(|one| (one.code, one.value)).collect::<Vec<_>>()
        };
        let no = refused(&world, &intent);
        let value = "3 ledgers for bk5: 40 41 43; lost with bookies that were replaced as dead";
        assert_eq!(no, [("BK-44".to_owned(), value.to_owned())]);
        let agreed = world::accepting(intent, "BK-44");
        let (after, _, plan) = played(world.clone(), &spec, &agreed);
        assert!(after.on(&id("h3")).is_empty());
        assert!(plan.notes.iter().any(|note| note.text.starts_with("BK-44")));
        // One that has its copies still is waited for.
        let mut other = world.clone();
        other.lacking.push(10);
        assert_eq!(refused(&other, &agreed)[0].0, "BK-44");
    }
}

#[test]
fn a_dead_one_is_replaced_without_its_host() {
    let (world, spec) = dead();
    let intent = world::replace("h2", ("bk5", "h5"), true, &[]);
    let intent = world::accepting(intent, "BK-52");
    taken_back(&world, &spec, &intent);
    let (world, spec, plan) = played(world, &spec, &intent);
    assert_eq!(world.on(&id("h2")), [40, 41, 43], "what is lost stays as it is");
    assert!(!world.cookies.contains_key(&id("h2")));
    assert_eq!(plan.dead_hosts, ["h2"]);
    assert!(!plan.fenced_hosts.contains(&"h2".to_owned()));
    assert!(plan.locks.iter().any(|lock| lock.resource == "host/h2"));
    assert_ne!(spec.tombstones[0].owed_act, 0);
    assert!(plan.steps.iter().flat_map(acts).all(|act| act.host != "h2"));
    let drains = plan.steps.iter().flat_map(acts).find_map(|act| {
        match act.action.as_ref()?.kind.as_ref()? {
            bellows_proto::v1::action::Kind::Bookkeeper(action) => match action.kind.as_ref()? {
                Kind::Drain(drain) => Some(drain.clone()),
                _ => None,
            },
            _ => None,
        }
    });
    assert!(drains.is_some_and(|drain| drain.skip_lost && !drain.alive));
}

/// All ways stand side by side, the one that cannot be gone with its reason.
#[test]
fn all_ways_are_shown() {
    let (mut world, spec) = world::grown(3, 1, 0, &[]);
    world.ledgers.get_mut(&100).unwrap().copies = 1;
    let plan = play::plan(&world, &spec, &world::shrink(&["bk4"], &[]));
    let told: Vec<&str> = plan
        .notes
        .iter()
        .map(|note| note.text.as_str())
        .filter(|text| text.starts_with("way="))
        .collect();
    assert_eq!(told.len(), 3);
    assert!(told[0].starts_with("way=drain, chosen: redundancy meanwhile"));
    assert_eq!(told[1], "way=stop: not possible: BK-42: 1 ledger has its only copy at bk4: 100");
    assert!(told[2].starts_with("way=expire: redundancy meanwhile"));
}
