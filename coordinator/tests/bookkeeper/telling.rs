//! Clients are told where bookies stand, where that is Bellows' to do.

use bellows::{plan::Systems as _, systems::AllSystems};
use bellows_proto::v1::{Intent, Plan, Spec};

use crate::{
    play,
    world::{self, World},
};

/// Five bookies, of which three are told of; somebody has said before where the fifth stands, and where a stranger does.
fn cluster() -> (World, Spec) {
    let (mut world, mut spec) = world::cluster(5, 2, &[]);
    say(&mut world, "h5", "/old", "");
    say(&mut world, "h9", "/r9", "g9");
    let options = [
        ("places", "zookeeper"),
        ("rack.h1", "/r1"),
        ("rack.h2", "/r2"),
        ("group.h2", "g1"),
        ("rack.h5", "/r2"),
        ("group.h4", "g1"),
    ];
    let plan = play::plan(&world, &spec, &world::reconfigure(&options));
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    (world, spec)
}

fn say(world: &mut World, host: &str, rack: &str, group: &str) {
    world.told.insert(world::id(host), (rack.to_owned(), group.to_owned()));
}

/// "h1 /r1 -, ..."
fn told(world: &World) -> Vec<String> {
    let all = world.told.iter();
    all.map(|(bookie, (rack, group))| format!("{bookie} {rack} {group}").trim().to_owned())
        .collect()
}

fn titles(plan: &Plan) -> Vec<&str> {
    let all = plan.steps.iter().map(|step| step.title.as_str());
    all.filter(|title| title.contains("tell clients")).collect()
}

fn codes(world: &World, spec: &Spec, intent: &Intent) -> Vec<String> {
    let observation = world.observe(spec, Some(intent));
    let refusals = AllSystems::default().plan(spec, &observation, intent).unwrap_err();
    refusals.into_iter().map(|refusal| refusal.code).collect()
}

#[test]
fn those_who_are_there_are_told_of() {
    let (world, mut spec) = cluster();
    let all =
        ["10.0.0.1:3181 /r1", "10.0.0.2:3181 /r2 g1", "10.0.0.5:3181 /r2", "10.0.0.9:3181 /r9 g9"];
    assert_eq!(told(&world), all);
    // One whose rack is not named is nobody's business.
    let change = [("rack.h1", "/r3"), ("group.h2", "")];
    let plan = play::plan(&world, &spec, &world::reconfigure(&change));
    assert_eq!(
        titles(&plan),
        ["tell clients that h1 is in rack /r3", "tell clients that h2 is in rack /r2"]
    );
    let mut after = world.clone();
    play::steps(&mut after, &mut spec, &plan, plan.steps.len());
    assert_eq!(after.told[&world::id("h1")].0, "/r3");
    play::undo(&mut after, &mut spec, &plan, plan.steps.len());
    assert_eq!(after.told, world.told);
    let by_hand = play::plan(&world, &spec, &world::reconfigure(&[("places", "by-hand")]));
    assert_eq!(titles(&by_hand), Vec::<&str>::new());
}

#[test]
fn a_new_one_is_told_of_before_it_starts() {
    let (mut world, mut spec) = cluster();
    let nodes = [("bk6", "h6")];
    assert_eq!(codes(&world, &spec, &world::expand(&nodes)), ["BK-01"]);
    let intent = world::expand_with(&nodes, &[("rack.bk6", "/r2"), ("group.bk6", "g1")]);
    let plan = play::plan(&world, &spec, &intent);
    assert_eq!(titles(&plan), ["tell clients that bk6 is in rack /r2, isolation group g1"]);
    let at = |words: &str| plan.steps.iter().position(|step| step.title.contains(words)).unwrap();
    assert!(at("tell clients") < at("start bk6"));
    assert!(!plan.notes.iter().any(|note| note.text.contains("by hand")), "{:?}", plan.notes);
    let before = world.told.clone();
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    assert_eq!(world.told[&world::id("h6")], ("/r2".to_owned(), "g1".to_owned()));
    play::undo(&mut world, &mut spec, &plan, plan.steps.len());
    assert_eq!(world.told, before);
}

#[test]
fn nothing_is_told_of_one_that_has_left() {
    for intent in [
        world::shrink(&["h5"], &[]),
        world::shrink(&["h5"], &[("way", "stop")]),
        world::replace("h5", ("bk6", "h6"), false, &[("rack.bk6", "/r2")]),
    ] {
        let (mut world, mut spec) = cluster();
        let plan = play::plan(&world, &spec, &intent);
        let before = world.told.clone();
        play::steps(&mut world, &mut spec, &plan, plan.steps.len());
        assert!(!world.told.contains_key(&world::id("h5")), "{:?}", titles(&plan));
        play::undo(&mut world, &mut spec, &plan, plan.steps.len());
        assert_eq!(world.told, before);
    }
    // Of one that nothing was said of there is nothing to do.
    let (world, spec) = cluster();
    let plan = play::plan(&world, &spec, &world::shrink(&["h3"], &[]));
    assert_eq!(titles(&plan), Vec::<&str>::new());
    let (mut world, mut spec) = cluster();
    world.dies("h5");
    let dead = world::replace("h5", ("bk6", "h6"), true, &[("rack.bk6", "/r2")]);
    let plan = play::plan(&world, &spec, &dead);
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    assert!(!world.told.contains_key(&world::id("h5")));
    assert!(world.told.contains_key(&world::id("h6")));
}

#[test]
fn what_was_not_read_is_not_changed() {
    let (mut world, spec) = cluster();
    world.no_places = true;
    for intent in [
        world::expand_with(&[("bk6", "h6")], &[("rack.bk6", "/r2")]),
        world::shrink(&["h5"], &[]),
        world::reconfigure(&[("rack.h1", "/r3")]),
    ] {
        assert_eq!(codes(&world, &spec, &intent), ["BK-03"]);
    }
    // By hand it is not even asked for.
    let (mut world, spec) = world::cluster(5, 2, &[]);
    world.no_places = true;
    play::plan(&world, &spec, &world::shrink(&["h5"], &[]));
}
