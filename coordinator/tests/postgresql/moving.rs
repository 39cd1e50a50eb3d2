//! The primary's role moves: played to its end and taken back, and every reason not to.

use bellows::{plan::Systems as _, systems::AllSystems};
use bellows_proto::v1::{Refusal, Step};

use crate::{
    play,
    world::{self, Data, World},
};

fn refused(world: &World, spec: &bellows_proto::v1::Spec, to: &str) -> Vec<Refusal> {
    let intent = world::switchover(to);
    AllSystems::default().plan(spec, &world.observe(spec, Some(&intent)), &intent).unwrap_err()
}

fn roles(world: &World) -> Vec<(String, String, u32, bool)> {
    let rows = world.registered.iter();
    rows.map(|row| (row.name.clone(), row.kind.clone(), row.upstream_id, row.active)).collect()
}

#[test]
fn everybody_follows_the_new_primary_and_nothing_is_left_at_the_old_one() {
    let (mut world, mut spec) = world::cluster(3, 0, &[]);
    let plan = play::plan(&world, &spec, &world::switchover(""));
    let before = spec.clone();
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    assert_eq!(world.primary().unwrap().0, "pg2");
    let row = |name: &str, kind: &str, up| (name.to_owned(), kind.to_owned(), up, true);
    assert_eq!(
        roles(&world),
        [row("pg1", "standby", 2), row("pg2", "primary", 0), row("pg3", "standby", 2)]
    );
    let old = world.node("pg1").clone();
    assert!(old.kept_slots.is_empty() && old.server.running && old.repmgrd.running, "{old:?}");
    assert!(["pg1", "pg2", "pg3"].iter().all(|node| !world.node(node).paused));
    assert_eq!(spec, before, "members are as they were");
    // And back again: what the first one left is in nobody's way.
    let back = play::plan(&world, &spec, &world::switchover("pg1"));
    play::steps(&mut world, &mut spec, &back, back.steps.len());
    assert_eq!(world.primary().unwrap().0, "pg1");
    assert!(world.node("pg2").kept_slots.is_empty());
}

#[test]
fn before_the_promotion_all_of_it_can_be_taken_back() {
    let (start, spec) = world::cluster(3, 0, &[]);
    let plan = play::plan(&start, &spec, &world::switchover("pg2"));
    let promotes = usize::try_from(plan.point_of_no_return).unwrap() - 1;
    for count in 0..=promotes {
        let (mut world, mut now) = (start.clone(), spec.clone());
        play::steps(&mut world, &mut now, &plan, count);
        play::undo(&mut world, &mut now, &plan, count);
        assert_eq!((world, now), (start.clone(), spec.clone()), "after {count} steps");
    }
}

#[test]
fn the_primary_leaves_last_and_never_comes_back_as_a_standby() {
    let (mut world, mut spec) = world::cluster(4, 0, &[("min_members", "2")]);
    let plan = play::plan(&world, &spec, &world::shrink(&["pg1", "pg4"], &[]));
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    assert_eq!(world.primary().unwrap().0, "pg2");
    assert_eq!(roles(&world).len(), 2);
    let gone = world.node("pg1").clone();
    assert!(gone.tombstone && gone.server.masked && gone.data == Data::Primary);
    assert_eq!(
        spec.nodes.iter().map(|node| node.node.as_str()).collect::<Vec<_>>(),
        ["pg2", "pg3"]
    );
}

/// The newcomer streams from the old primary first, then follows the next one like the others.
#[test]
fn a_living_primary_is_replaced() {
    let (mut world, mut spec) = world::cluster(3, 1, &[("min_members", "3")]);
    let intent = world::replace("pg1", ("pg4", "h4"), false, &[]);
    let plan = play::plan(&world, &spec, &intent);
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    assert_eq!(world.primary().unwrap().0, "pg2");
    let row = |name: &str, kind: &str, up| (name.to_owned(), kind.to_owned(), up, true);
    let end = [row("pg2", "primary", 0), row("pg3", "standby", 2), row("pg4", "standby", 2)];
    assert_eq!(roles(&world), end);
    let gone = world.node("pg1").clone();
    assert!(gone.tombstone && gone.server.masked && gone.data == Data::Primary);
    assert!(["pg2", "pg3", "pg4"].iter().all(|node| !world.node(node).paused));
    let members: Vec<&str> = spec.nodes.iter().map(|node| node.node.as_str()).collect();
    assert_eq!(members, ["pg2", "pg3", "pg4"]);
}

#[test]
fn until_the_next_one_is_promoted_the_replacement_of_a_primary_is_taken_back_whole() {
    let (start, spec) = world::cluster(3, 1, &[("min_members", "3")]);
    let intent = world::replace("pg1", ("pg4", "h4"), false, &[]);
    let plan = play::plan(&start, &spec, &intent);
    let promotes = |step: &Step| step.number == plan.point_of_no_return;
    let promotes = plan.steps.iter().position(promotes).unwrap();
    for count in [promotes, promotes - 3, promotes - 6] {
        let (mut world, mut now) = (start.clone(), spec.clone());
        play::steps(&mut world, &mut now, &plan, count);
        play::undo(&mut world, &mut now, &plan, count);
        assert_eq!(now.nodes, spec.nodes, "after {count} steps");
        assert_eq!(world, start, "after {count} steps");
    }
}

/// A commit at the next primary waits for the newcomer: it is there by then.
#[test]
fn the_newcomer_counts_for_commits_of_the_next_primary() {
    let (mut world, spec) = world::cluster(2, 1, &[]);
    world.setting("synchronous_standby_names", "FIRST 1 (*)");
    let intent = world::replace("pg1", ("pg3", "h3"), false, &[]);
    let plan = play::plan(&world, &spec, &intent);
    assert!(plan.after.iter().any(|view| view.node == "pg2" && view.role == "primary"));
}

#[test]
fn who_cannot_take_over_is_refused_with_the_reason() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    let only = |refusals: Vec<Refusal>| match refusals.as_slice() {
        [one] => (one.code.clone(), one.value.clone()),
        several => panic!("{several:#?}"),
    };
    assert_eq!(only(refused(&world, &spec, "pg1")).0, "PG-01");
    assert_eq!(only(refused(&world, &spec, "pg9")).0, "PG-01");
    world.node("pg2").replay_paused = true;
    let (code, value) = only(refused(&world, &spec, "pg2"));
    assert_eq!(code, "PG-32");
    assert!(value.contains("pg_wal_replay_resume"), "{value}");
    // Without a name the next one in order is taken.
    let plan = play::plan(&world, &spec, &world::switchover(""));
    assert!(plan.after.iter().any(|view| view.node == "pg3" && view.role == "primary"));
    // As primary it would wait for itself.
    world.setting("synchronous_standby_names", "FIRST 1 (pg3)");
    assert_eq!(only(refused(&world, &spec, "pg3")).0, "PG-20");
}

#[test]
fn a_standby_below_another_one_is_not_led_anywhere() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    world.below.insert("pg3".to_owned(), "pg2".to_owned());
    world.registered.iter_mut().filter(|row| row.name == "pg3").for_each(|row| row.upstream_id = 2);
    let refusals = refused(&world, &spec, "pg2");
    assert!(refusals.iter().any(|one| one.code == "PG-33" && one.node == "pg3"), "{refusals:#?}");
}

/// The host of the primary dies, repmgrd promotes a standby and leads the other one to it: then the
/// dead one is recorded as a primary still.
#[test]
fn a_dead_former_primary_is_replaced() {
    let (mut world, mut spec) = world::cluster(3, 1, &[("min_members", "3")]);
    world.dies("h1");
    world.node("pg2").kept_slots.insert("repmgr_slot_3".to_owned());
    world.promote("pg2");
    world.registered.iter_mut().filter(|row| row.name == "pg3").for_each(|row| row.upstream_id = 2);
    let intent = world::replace("pg1", ("pg4", "h4"), true, &[]);
    let plan = play::plan(&world, &spec, &intent);
    let kinds = plan.steps.iter().flat_map(play::acts).map(|act| act.summary.as_str());
    assert!(kinds.clone().any(|summary| summary == "repmgr primary unregister"));
    assert!(!kinds.clone().any(|summary| summary == "repmgr standby unregister"));
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    let row = |name: &str, kind: &str, up| (name.to_owned(), kind.to_owned(), up, true);
    let end = [row("pg2", "primary", 0), row("pg3", "standby", 2), row("pg4", "standby", 2)];
    assert_eq!(roles(&world), end);
}
