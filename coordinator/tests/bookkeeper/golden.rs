//! Plans of adopt and expand as golden text, played to their ends and taken back.

use bellows::{plan::Systems as _, spec, systems::AllSystems};
use bellows_proto::v1::{Intent, Spec, System};

use crate::{
    play, render,
    world::{self, CLUSTER, Ledger, World, id},
};

#[test]
fn adopt_three() {
    let world = world::installed(3, 0);
    let spec = spec::blank(CLUSTER, System::Bookkeeper);
    let options = [
        ("broker", "3/2/2"),
        ("policy.public/audit", "3/3/2"),
        ("budget", "22:00-06:00=50MB/s,06:00-22:00=5MB/s"),
    ];
    let intent = world::adopt(&["h1", "h2", "h3"], &options);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn adopt_without_what_brokers_ask_for() {
    let world = world::installed(3, 0);
    let spec = spec::blank(CLUSTER, System::Bookkeeper);
    let plan = play::plan(&world, &spec, &world::adopt(&["h1", "h2", "h3"], &[]));
    assert!(plan.notes.iter().any(|note| note.text.contains("--option broker=E/Qw/Qa")));
}

#[test]
fn expand_one() {
    let (world, spec) = world::cluster(3, 1, &[]);
    let intent = world::expand(&[("bk4", "h4")]);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &intent)));
}

#[test]
fn expand_two_in_natural_order() {
    let (world, spec) = world::cluster(3, 10, &[]);
    let intent = world::expand(&[("bk10", "h10"), ("bk9", "h9")]);
    let plan = play::plan(&world, &spec, &intent);
    let started: Vec<&str> = plan
        .steps
        .iter()
        .map(|step| step.title.as_str())
        .filter(|title| title.starts_with("start "))
        .collect();
    assert_eq!(started, ["start bk9 on h9", "start bk10 on h10"]);
}

fn to_its_end(mut world: World, mut spec: Spec, intent: &Intent) -> (World, Spec) {
    let plan = play::plan(&world, &spec, intent);
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    let end = world.observe(&spec, Some(intent));
    let drift = AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &end);
    assert_eq!(drift, Vec::<String>::new());
    let seen = AllSystems::default().describe(&spec, &world.observe(&spec, None));
    assert_eq!(seen.problems, Vec::<String>::new());
    assert!(seen.members.iter().all(|member| member.healthy && member.state == "writable"));
    (world, spec)
}

#[test]
fn it_ends_as_predicted() {
    let names: Vec<String> = (1..=4).map(|n| format!("h{n}")).collect();
    let from: Vec<&str> = names.iter().map(String::as_str).collect();
    let blank = spec::blank(CLUSTER, System::Bookkeeper);
    let (world, spec) = to_its_end(world::installed(4, 2), blank, &world::adopt(&from, &[]));
    let new = world::expand(&[("bk5", "h5"), ("bk6", "h6")]);
    let (world, spec) = to_its_end(world, spec, &new);
    assert_eq!((spec.nodes.len(), world.registered(false).len()), (6, 6));
    assert!(world.hosts["h5"].written && world.hosts["h5"].settings["zkTimeout"] == "30000");
}

/// Adopted bookies are as they were, and what was made is gone: whatever was done before.
#[test]
fn what_was_begun_is_taken_back() {
    let (start, start_spec) = world::cluster(3, 2, &[]);
    let intent = world::expand(&[("bk4", "h4"), ("bk5", "h5")]);
    let plan = play::plan(&start, &start_spec, &intent);
    for done in 0..=plan.steps.len() {
        let (mut world, mut spec) = (start.clone(), start_spec.clone());
        play::steps(&mut world, &mut spec, &plan, done);
        // Writers put ledgers onto new bookies as soon as they are there.
        for (at, host) in ["h4", "h5"].into_iter().enumerate() {
            if world.hosts[host].running {
                let ensemble = vec![id(host), id("h1")];
                let one = Ledger { ensemble, copies: 2, bytes: 1 << 20, open: true };
                world.ledgers.insert(900 + u64::try_from(at).unwrap(), one);
            }
        }
        let ledgers = world.ledgers.len();
        play::undo(&mut world, &mut spec, &plan, (done + 1).min(plan.steps.len()));
        assert_eq!(world.ledgers.len(), ledgers, "after {done} steps");
        assert!(world.on(&id("h4")).is_empty() && world.on(&id("h5")).is_empty());
        world.ledgers = start.ledgers.clone();
        world.host("h1").saved.clear();
        assert_eq!(world, start, "after {done} steps");
        assert_eq!(spec.nodes, start_spec.nodes);
    }
}
