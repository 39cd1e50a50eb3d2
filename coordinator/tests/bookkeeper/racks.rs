//! Racks and isolation groups: what is said of them, and what is counted when some leave.

use bellows::{plan::Systems as _, spec, systems::AllSystems};
use bellows_proto::v1::{
    BookkeeperCondition, BookkeeperEnough, BookkeeperNodePlace, Condition, Intent, Refusal, Spec,
    System, bookkeeper_condition, condition, spec_options,
};

use crate::{
    play, render,
    world::{self, CLUSTER, World},
};

/// Two racks, of which one has one bookie; a group of three.
const PLACES: &[(&str, &str)] = &[
    ("rack.h1", "/r1"),
    ("rack.h2", "/r1"),
    ("rack.h3", "/r1"),
    ("rack.h4", "/r1"),
    ("rack.h5", "/r2"),
    ("group.h1", "g1"),
    ("group.h2", "g1"),
    ("group.h3", "g1"),
];

fn cluster(more: &[(&str, &str)]) -> (World, Spec) {
    world::cluster(5, 2, &[PLACES, more].concat())
}

fn refused(world: &World, spec: &Spec, intent: &Intent) -> Vec<Refusal> {
    let observation = world.observe(spec, Some(intent));
    AllSystems::default().plan(spec, &observation, intent).unwrap_err()
}

fn codes(world: &World, spec: &Spec, intent: &Intent) -> Vec<String> {
    refused(world, spec, intent).into_iter().map(|refusal| refusal.code).collect()
}

fn places(spec: &Spec) -> Vec<BookkeeperNodePlace> {
    match spec.options.as_ref().and_then(|options| options.system.as_ref()) {
        Some(spec_options::System::Bookkeeper(options)) => options.places.clone(),
        other => panic!("{other:?}"),
    }
}

fn notes(world: &World, spec: &Spec, intent: &Intent) -> String {
    let plan = play::plan(world, spec, intent);
    let texts = plan.notes.iter().map(|note| note.text.as_str());
    texts
        .filter(|text| text.contains("rack") || text.contains("told"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// All that the configuration says of racks, at every member.
fn say(world: &mut World, key: &str, value: &str) {
    for host in world.hosts.values_mut().filter(|host| host.running) {
        host.settings.insert(key.to_owned(), value.to_owned());
    }
}

#[test]
fn more_stay_in_a_group_than_its_policy_asks_for() {
    for (policy, code) in [("2/2/2@g1", None), ("3/2/2@g1", Some("BK-40")), ("3/2/2", None)] {
        let (world, spec) = cluster(&[("policy.public/big", policy)]);
        let (inside, outside) = (world::shrink(&["h3"], &[]), world::shrink(&["h4"], &[]));
        play::plan(&world, &spec, &outside);
        match code {
            // Two are left for an ensemble of two.
            None if policy.contains('@') => {
                let refusals = refused(&world, &spec, &inside);
                assert_eq!(refusals[0].code, "BK-40");
                assert!(
                    refusals[0]
                        .value
                        .starts_with("2 writable bookies would be left in isolation group g1"),
                    "{refusals:?}"
                );
            }
            None => {
                play::plan(&world, &spec, &inside);
            }
            Some(code) => assert_eq!(codes(&world, &spec, &inside), [code]),
        }
    }
    // With one more in the group one can leave.
    let (world, spec) = cluster(&[("policy.public/big", "2/2/2@g1"), ("group.h4", "g1")]);
    play::plan(&world, &spec, &world::shrink(&["h3"], &[]));
}

#[test]
fn racks_stay_as_many_as_are_asked_for() {
    let last = world::shrink(&["h5"], &[]);
    let (mut world, spec) = cluster(&[]);
    play::plan(&world, &spec, &last);
    say(&mut world, "minNumRacksPerWriteQuorum", "2");
    let refusals = refused(&world, &spec, &last);
    insta::assert_snapshot!(render::refusals(&refusals));
    play::plan(&world, &spec, &world::shrink(&["h4"], &[]));
    // The administrator's word counts before the configuration's.
    let (mut world, spec) = cluster(&[("min_racks", "1")]);
    say(&mut world, "minNumRacksPerWriteQuorum", "2");
    play::plan(&world, &spec, &last);
    // Where it is enforced and nobody knows the racks, nothing is known.
    let (mut world, spec) = world::cluster(5, 0, &[]);
    say(&mut world, "minNumRacksPerWriteQuorum", "2");
    play::plan(&world, &spec, &last);
    say(&mut world, "enforceMinNumRacksPerWriteQuorum", "true");
    assert_eq!(codes(&world, &spec, &last), ["BK-54"]);
}

/// The same is asked again before each step that rests on it.
#[test]
fn steps_look_at_racks_and_groups_again() {
    let (mut world, spec) = cluster(&[("policy.public/big", "2/2/2@g1"), ("group.h4", "g1")]);
    let intent = world::shrink(&["h5"], &[]);
    let holds = |world: &World, node: &str| {
        let without = vec![node.to_owned()];
        let kind = Some(bookkeeper_condition::Kind::Enough(BookkeeperEnough { without }));
        let condition =
            Condition { kind: Some(condition::Kind::Bookkeeper(BookkeeperCondition { kind })) };
        let verdict = AllSystems::default().check(&condition, &world.observe(&spec, Some(&intent)));
        matches!(verdict, bellows::plan::Verdict::Holds)
    };
    assert!(holds(&world, "h5") && holds(&world, "h4"));
    world.host("h2").read_only = true;
    assert!(!holds(&world, "h4"), "the group has h1 and h3 then");
    assert!(holds(&world, "h5"));
    world.host("h2").read_only = false;
    say(&mut world, "minNumRacksPerWriteQuorum", "2");
    assert!(!holds(&world, "h5") && holds(&world, "h4"));
}

#[test]
fn a_new_one_stands_where_it_is_said_to() {
    let (mut world, mut spec) = cluster(&[]);
    let class = "org.apache.pulsar.bookie.rackawareness.BookieRackAffinityMapping";
    say(&mut world, "reppDnsResolverClass", class);
    let before = places(&spec);
    let options = [("rack.bk6", "/r2"), ("group.bk6", "g1")];
    let intent = world::expand_with(&[("bk6", "h6")], &options);
    let plan = play::plan(&world, &spec, &intent);
    insta::assert_snapshot!(notes(&world, &spec, &intent));
    let start = world.clone();
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    let after = places(&spec);
    assert_eq!(after.len(), before.len() + 1);
    assert!(
        after.iter().any(|place| place.node == "bk6" && place.rack == "/r2" && place.group == "g1")
    );
    // And the one that was alone in its rack can go.
    say(&mut world, "minNumRacksPerWriteQuorum", "2");
    let leaves = world::shrink(&["h5"], &[]);
    let text = notes(&world, &spec, &leaves);
    assert!(text.contains("pulsar-admin bookies delete-bookie-rack -b 10.0.0.5:3181"), "{text}");
    // What was begun is taken back.
    let (mut world, mut spec) = (start, cluster(&[]).1);
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    play::undo(&mut world, &mut spec, &plan, plan.steps.len());
    assert_eq!(places(&spec), before);
}

/// Without a rack for the new one its going would leave one rack alone.
#[test]
fn a_replacement_counts_with_the_rack_of_the_new_one() {
    let (mut world, spec) = cluster(&[]);
    say(&mut world, "minNumRacksPerWriteQuorum", "2");
    let replace = |options: &[(&str, &str)]| world::replace("h5", ("bk6", "h6"), false, options);
    assert_eq!(codes(&world, &spec, &replace(&[])), ["BK-54"]);
    assert_eq!(codes(&world, &spec, &replace(&[("rack.bk6", "/r1")])), ["BK-54"]);
    play::plan(&world, &spec, &replace(&[("rack.bk6", "/r2")]));
    world.dies("h5");
    let dead = |options: &[(&str, &str)]| world::replace("h5", ("bk6", "h6"), true, options);
    assert_eq!(codes(&world, &spec, &dead(&[])), ["BK-54"]);
    play::plan(&world, &spec, &dead(&[("rack.bk6", "/r2")]));
}

#[test]
fn a_script_is_not_written() {
    let (mut world, spec) = cluster(&[]);
    for host in world.hosts.values_mut().filter(|host| host.running) {
        host.other_keys.push("networkTopologyScriptFileName".to_owned());
    }
    let intent = world::replace("h5", ("bk6", "h6"), false, &[]);
    insta::assert_snapshot!(notes(&world, &spec, &intent));
}

#[test]
fn where_strangers_stand_is_not_asked() {
    let (world, spec) = cluster(&[]);
    let stranger = [("rack.bk9", "/r1")];
    for intent in [
        world::expand_with(&[("bk6", "h6")], &stranger),
        world::replace("h5", ("bk6", "h6"), false, &stranger),
        world::reconfigure(&stranger),
        world::reconfigure(&[("policy.public/big", "2/2/2@g9")]),
    ] {
        assert_eq!(codes(&world, &spec, &intent), ["BK-01"]);
    }
    let world = world::installed(3, 0);
    let blank = spec::blank(CLUSTER, System::Bookkeeper);
    let adopt = world::adopt(&["h1", "h2", "h3"], &stranger);
    assert_eq!(codes(&world, &blank, &adopt), ["BK-01"]);
}

#[test]
fn where_they_stand_can_be_said_later() {
    let (mut world, mut spec) = world::cluster(5, 0, &[]);
    let racks = [("rack.h1", "/r1"), ("rack.h2", "/r2"), ("min_racks", "2")];
    let plan = play::plan(&world, &spec, &world::reconfigure(&racks));
    let texts: Vec<&str> = plan.notes.iter().map(|note| note.text.as_str()).collect();
    assert!(
        texts.contains(&"from now on bookies stand in: h1 /r1, h2 /r2; until now: none"),
        "{texts:?}"
    );
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    assert_eq!(places(&spec).len(), 2);
    assert_eq!(codes(&world, &spec, &world::shrink(&["h2"], &[])), ["BK-54"]);
    let none = world::reconfigure(&[("rack.h1", ""), ("rack.h2", ""), ("min_racks", "0")]);
    let plan = play::plan(&world, &spec, &none);
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    assert_eq!(places(&spec), []);
}

/// Whoever has left stands nowhere: not for another one by that name either.
#[test]
fn who_has_left_is_forgotten() {
    let (mut world, mut spec) = cluster(&[]);
    let plan = play::plan(&world, &spec, &world::shrink(&["h5"], &[]));
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    let plan = play::plan(&world, &spec, &world::reconfigure(&[("min_bookies", "4")]));
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    assert!(places(&spec).iter().all(|place| place.node != "h5"));
}
