//! A member comes back: played to its end, with its own data and with others.

use bellows::{
    plan::{Systems as _, Verdict},
    systems::AllSystems,
};
use bellows_proto::v1::{
    Plan, PostgresqlService, Refusal, Spec, postgresql_action::Kind as Action,
};

use crate::{
    play,
    world::{self, Data, Service, World},
};

fn refused(world: &World, spec: &Spec, node: &str, discard: bool) -> Vec<Refusal> {
    let intent = world::rejoin(node, discard);
    AllSystems::default().plan(spec, &world.observe(spec, Some(&intent)), &intent).unwrap_err()
}

fn only(refusals: &[Refusal]) -> (&str, &str) {
    match refusals {
        [one] => (one.code.as_str(), one.value.as_str()),
        several => panic!("{several:#?}"),
    }
}

fn discards(plan: &Plan) -> bool {
    play::actions(plan).into_iter().any(|action| matches!(action, Action::DiscardData(_)))
}

/// To its end, which is the predicted one.
fn played(mut world: World, spec: &Spec, node: &str, discard: bool) -> (World, Plan) {
    let plan = play::plan(&world, spec, &world::rejoin(node, discard));
    assert_eq!(discards(&plan), discard);
    let mut after = spec.clone();
    play::steps(&mut world, &mut after, &plan, plan.steps.len());
    assert_eq!(&after, spec, "members are as they were");
    let end = world.observe(spec, plan.intent.as_ref());
    assert_eq!(
        AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &end),
        Vec::<String>::new()
    );
    assert!(world.streams(node), "{node} does not stream");
    (world, plan)
}

fn row(world: &World, node: &str) -> (String, u32, bool) {
    let row = world.registered.iter().find(|row| row.name == node).unwrap();
    (row.kind.clone(), row.upstream_id, row.active)
}

#[test]
fn a_former_primary_that_was_shut_down_follows_with_its_own_data() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    world.fails_over("pg1", "pg2", false);
    assert!(!world.node("pg1").kept_slots.is_empty());
    let (mut world, _) = played(world, &spec, "pg1", false);
    assert_eq!(row(&world, "pg1"), ("standby".to_owned(), 2, true));
    assert_eq!(world.primary().unwrap().0, "pg2");
    let back = world.node("pg1").clone();
    assert!(back.kept_slots.is_empty(), "nobody reads its slots any more: {back:?}");
    assert!(back.server.running && back.repmgrd.running && !back.paused);
    // And the role goes back: what the return left is in nobody's way.
    let plan = play::plan(&world, &spec, &world::switchover("pg1"));
    play::steps(&mut world, &mut spec.clone(), &plan, plan.steps.len());
}

#[test]
fn after_a_crash_only_a_copy_comes_back() {
    let (mut world, spec) = world::cluster(2, 0, &[]);
    world.fails_over("pg1", "pg2", true);
    let refusals = refused(&world, &spec, "pg1", false);
    let (code, value) = only(&refusals);
    assert_eq!(code, "PG-70");
    assert!(value.contains("not shut down in order"), "{value}");
    assert!(refusals[0].remedy.contains("--discard-data"));
    let (mut world, plan) = played(world, &spec, "pg1", true);
    assert_eq!(row(&world, "pg1"), ("standby".to_owned(), 2, true));
    assert_eq!(world.node("pg1").data, Data::Copy);
    let discard = plan.steps.iter().find(|step| step.number == plan.point_of_no_return).unwrap();
    assert_eq!(discard.title, "discard the data of pg1 on h1");
}

#[test]
fn a_second_primary_stops_before_anything_else_and_what_only_it_has_is_told() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    world.fails_over("pg1", "pg2", false);
    world.starts_again("pg1");
    let (code, value) = (refused(&world, &spec, "pg1", false), "999 bytes of WAL are nowhere else");
    assert_eq!(only(&code).0, "PG-70");
    assert!(only(&code).1.ends_with(value), "{code:?}");
    let (_, plan) = played(world, &spec, "pg1", true);
    let first = play::actions(&plan).into_iter().next().unwrap();
    assert!(matches!(first, Action::StopService(_)), "{first:?}");
    let told = plan.notes.iter().any(|note| note.text.starts_with("999 bytes of WAL of pg1"));
    assert!(told, "{:?}", plan.notes);
}

/// Two primaries on one timeline were both promoted from the same standby's past.
#[test]
fn which_of_two_on_one_timeline_is_right_is_not_guessed() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    world.fails_over("pg1", "pg2", false);
    world.node("pg3").data = Data::Primary;
    world.node("pg3").timeline = 2;
    world.registered.iter_mut().filter(|row| row.name == "pg3").for_each(|row| row.upstream_id = 0);
    for node in ["pg2", "pg3"] {
        let codes: Vec<String> =
            refused(&world, &spec, node, true).into_iter().map(|one| one.code).collect();
        assert!(codes.contains(&"PG-71".to_owned()), "{node}: {codes:?}");
    }
    let codes = refused(&world, &spec, "pg1", true);
    assert!(codes.iter().any(|one| one.code == "PG-04"), "{codes:?}");
}

#[test]
fn a_standby_that_lost_its_source_follows_again() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    world.disconnected.insert("pg3".to_owned());
    played(world.clone(), &spec, "pg3", false);
    world.slots.remove("repmgr_slot_3");
    let (world, _) = played(world, &spec, "pg3", false);
    assert!(world.slots.contains("repmgr_slot_3"));
}

#[test]
fn a_standby_whose_server_is_down_follows_again() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    let node = world.node("pg3");
    (node.server, node.repmgrd) = (Service::default(), Service::default());
    played(world, &spec, "pg3", false);
}

#[test]
fn one_whose_repmgrd_does_not_run_keeps_its_server() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    world.node("pg3").repmgrd = Service::default();
    let (_, plan) = played(world, &spec, "pg3", false);
    let of_server = play::actions(&plan).into_iter().any(|one| match one {
        Action::StartService(start) => start.service() == PostgresqlService::Server,
        _ => false,
    });
    assert!(!of_server && plan.point_of_no_return == 0);
}

#[test]
fn where_several_ail_one_comes_back_after_the_other() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    world.fails_over("pg1", "pg2", true);
    world.disconnected.insert("pg3".to_owned());
    let (world, plan) = played(world, &spec, "pg3", false);
    assert!(plan.notes.iter().any(|note| note.text.starts_with("pg1 ails too")));
    played(world, &spec, "pg1", true);
}

#[test]
fn one_that_was_buried_does_not_come_back() {
    let (mut world, mut spec) = world::cluster(3, 0, &[]);
    let plan = play::plan(&world, &spec, &world::shrink(&["pg3"], &[]));
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    let refusals = refused(&world, &spec, "pg3", true);
    let (code, value) = only(&refusals);
    assert_eq!(code, "PG-01");
    assert!(value.contains("h3 holds its tombstone"), "{value}");
}

/// repmgrd may promote somebody between the plan and its application, or while it runs.
#[test]
fn another_primary_takes_the_ground_from_the_plan() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    world.fails_over("pg1", "pg2", true);
    let intent = world::rejoin("pg1", true);
    let plan = play::plan(&world, &spec, &intent);
    world.fails_over("pg2", "pg3", true);
    let seen = world.observe(&spec, Some(&intent));
    let holds = |conditions: &[bellows_proto::v1::Condition]| {
        conditions.iter().all(|one| AllSystems::default().check(one, &seen) == Verdict::Holds)
    };
    assert!(!holds(&plan.premises) && !holds(&plan.invariants));
}

#[test]
fn before_there_is_no_way_back_it_can_be_taken_back() {
    for (node, discard) in [("pg3", false), ("pg3", true)] {
        let (mut start, spec) = world::cluster(3, 0, &[]);
        start.node("pg3").repmgrd = Service::default();
        start.disconnected.insert("pg3".to_owned());
        start.slots.remove("repmgr_slot_3");
        let plan = play::plan(&start, &spec, &world::rejoin(node, discard));
        let last = usize::try_from(plan.point_of_no_return).unwrap() - 1;
        for count in 0..=last {
            let (mut world, mut now) = (start.clone(), spec.clone());
            play::steps(&mut world, &mut now, &plan, count);
            play::undo(&mut world, &mut now, &plan, count);
            // A server that was started anew tries its connection anew.
            world.disconnected.clone_from(&start.disconnected);
            assert_eq!((&world, &now), (&start, &spec), "after {count} steps");
        }
    }
}
