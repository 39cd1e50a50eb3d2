//! What stands in front of a cluster follows every change of its members.

use bellows::plan::Systems as _;
use bellows_proto::v1::{Intent, Plan, PostgresqlFront, Refusal, Spec, postgresql_action::Kind};

use crate::{
    play, render,
    world::{self, World},
};

/// A cluster with Pgpool-II in front of it, on a host of its own.
fn fronted(members: usize, spare: usize) -> (World, Spec) {
    let (mut world, spec) = world::cluster(members, spare, &[]);
    world.stand_in_front("lb1");
    (world, spec)
}

fn front(world: &World) -> &PostgresqlFront {
    &world.fronts["lb1"].1
}

/// "10.0.0.1 primary, 10.0.0.2, 10.0.0.3 away".
fn served(world: &World) -> String {
    let mut all: Vec<String> = front(world)
        .serving
        .iter()
        .map(|one| {
            let role = if one.primary == Some(true) { " primary" } else { "" };
            let away = if one.attached == Some(true) { "" } else { " away" };
            format!("{}{role}{away}", one.address)
        })
        .collect();
    all.sort();
    all.join(", ")
}

/// Plays a plan to its end; returns it, and what was served before each act of the front and at last.
fn played(world: &mut World, spec: &mut Spec, intent: &Intent) -> (Plan, Vec<String>) {
    let plan = play::plan(world, spec, intent);
    let mut seen = vec![served(world)];
    for step in &plan.steps {
        let one = Plan { steps: vec![step.clone()], ..plan.clone() };
        play::steps(world, spec, &one, 1);
        let now = served(world);
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    (plan, seen)
}

fn refusals(world: &World, spec: &Spec, intent: &Intent) -> Vec<Refusal> {
    world.site().plan(spec, &world.observe(spec, Some(intent)), intent).unwrap_err()
}

#[test]
fn a_new_member_is_served_once_it_streams() {
    let (mut world, mut spec) = fronted(2, 1);
    let (_, seen) = played(&mut world, &mut spec, &world::expand(&[("pg3", "h3")], &[]));
    assert_eq!(seen, ["10.0.0.1 primary, 10.0.0.2", "10.0.0.1 primary, 10.0.0.2, 10.0.0.3"]);
}

#[test]
fn a_leaving_member_is_served_no_more_before_it_stops_and_is_taken_out_at_the_end() {
    let (mut world, mut spec) = fronted(3, 0);
    let (plan, seen) = played(&mut world, &mut spec, &world::shrink(&["pg3"], &[]));
    assert_eq!(
        seen,
        [
            "10.0.0.1 primary, 10.0.0.2, 10.0.0.3",
            "10.0.0.1 primary, 10.0.0.2, 10.0.0.3 away",
            "10.0.0.1 primary, 10.0.0.2"
        ]
    );
    let kinds = play::actions(&plan);
    assert!(matches!(kinds.first(), Some(Kind::SetFront(_))), "before anything stops");
    assert!(plan.fenced_hosts.contains(&"lb1".to_owned()), "{:?}", plan.fenced_hosts);
    assert!(plan.notes.iter().any(|note| note.text.contains("Pgpool-II pool on lb1 is restarted")));
}

#[test]
fn writers_follow_the_role_at_once_and_the_former_primary_is_served_again_when_it_streams() {
    let (mut world, mut spec) = fronted(3, 0);
    let (_, seen) = played(&mut world, &mut spec, &world::switchover("pg2"));
    assert_eq!(
        seen,
        [
            "10.0.0.1 primary, 10.0.0.2, 10.0.0.3",
            "10.0.0.1 away, 10.0.0.2 primary, 10.0.0.3",
            "10.0.0.1, 10.0.0.2 primary, 10.0.0.3"
        ]
    );
}

#[test]
fn every_other_verb_ends_with_the_members_served() {
    let wanted: [(Intent, &str); 6] = [
        (world::replace("pg2", ("pg4", "h4"), false, &[]), "10.0.0.1 primary, 10.0.0.3, 10.0.0.4"),
        (world::replace("pg1", ("pg4", "h4"), false, &[]), "10.0.0.2 primary, 10.0.0.3, 10.0.0.4"),
        (world::replace("pg3", ("pg4", "h4"), true, &[]), "10.0.0.1 primary, 10.0.0.2, 10.0.0.4"),
        (world::shrink(&["pg1"], &[]), "10.0.0.2 primary, 10.0.0.3"),
        (world::restart(&[], false), "10.0.0.1, 10.0.0.2 primary, 10.0.0.3"),
        (world::rejoin("pg1", true), "10.0.0.1, 10.0.0.2 primary, 10.0.0.3"),
    ];
    for (intent, expected) in wanted {
        let (mut world, mut spec) = fronted(3, 1);
        match intent.verb.as_ref().unwrap() {
            bellows_proto::v1::intent::Verb::Replace(replace) if replace.dead => world.dies("h3"),
            bellows_proto::v1::intent::Verb::Rejoin(_) => world.fails_over("pg1", "pg2", true),
            _ => {}
        }
        // Bellows does not see what the front made of a failover: it is mended.
        let (plan, seen) = played(&mut world, &mut spec, &intent);
        assert_eq!(seen.last().unwrap(), expected, "{intent:?}");
        let systems = world.site();
        for premise in &plan.premises {
            // It was a premise before: whatever it says, it can be judged.
            let _ = systems.check(premise, &world.observe(&spec, None));
        }
        assert!(!systems.describe(&spec, &world.observe(&spec, None)).connections.is_empty());
    }
}

#[test]
fn what_was_led_away_is_led_back_when_a_plan_is_taken_back() {
    for intent in [world::shrink(&["pg3"], &[]), world::expand(&[("pg4", "h4")], &[])] {
        let (mut world, mut spec) = fronted(3, 1);
        let before = served(&world);
        let plan = play::plan(&world, &spec, &intent);
        let count = match plan.point_of_no_return {
            0 => plan.steps.len(),
            no_return => usize::try_from(no_return - 1).unwrap(),
        };
        let count = count.min(plan.steps.len());
        play::steps(&mut world, &mut spec, &plan, count);
        assert_ne!(served(&world), before);
        play::undo(&mut world, &mut spec, &plan, count);
        assert_eq!(served(&world), before);
    }
}

#[test]
fn a_front_that_is_silent_or_lists_others_refuses() {
    let intent = world::switchover("pg2");
    let (mut world, spec) = fronted(2, 0);
    world.host("lb1").answers = false;
    let codes = |all: Vec<Refusal>| all.into_iter().map(|one| one.code).collect::<Vec<_>>();
    assert_eq!(codes(refusals(&world, &spec, &intent)), ["PG-02", "PG-80"]);
    world.host("lb1").answers = true;
    world.host("lb1").mode = "observe";
    assert_eq!(codes(refusals(&world, &spec, &intent)), ["PG-24"]);
    world.host("lb1").mode = "manage";
    // Edited, and not restarted.
    world.fronts.get_mut("lb1").unwrap().1.configured.pop();
    let said = refusals(&world, &spec, &intent);
    assert_eq!(said[0].code, "PG-81");
    assert!(said[0].value.contains("its configuration lists 10.0.0.1:5432, not"), "{said:?}");
    let told = world.site().describe(&spec, &world.observe(&spec, None)).problems;
    assert!(told.iter().any(|one| one.starts_with("pool on lb1: its configuration")), "{told:?}");
}

#[test]
fn a_front_that_leads_writers_wrong_is_told_of() {
    let (mut world, spec) = fronted(2, 0);
    world.fails_over("pg1", "pg2", true);
    let told = world.site().describe(&spec, &world.observe(&spec, None)).problems;
    assert!(told.contains(&"pool on lb1: it takes pg1 for the primary".to_owned()), "{told:?}");
}

#[test]
fn shrink_behind_a_front() {
    let (world, spec) = fronted(3, 0);
    insta::assert_snapshot!(render::plan(&play::plan(
        &world,
        &spec,
        &world::shrink(&["pg3"], &[])
    )));
}

#[test]
fn switchover_behind_a_front() {
    let (world, spec) = fronted(2, 0);
    insta::assert_snapshot!(render::plan(&play::plan(&world, &spec, &world::switchover("pg2"))));
}

#[test]
fn clients_are_told_how_to_connect_afterwards() {
    let (world, spec) = fronted(2, 1);
    let plan = play::plan(&world, &spec, &world::expand(&[("pg3", "h3")], &[]));
    let told: Vec<String> =
        plan.connections.iter().map(|one| format!("{}: {}", one.what, one.text)).collect();
    assert_eq!(
        told,
        [
            "libpq: postgresql://10.0.0.1:5432,10.0.0.2:5432,10.0.0.3:5432/DATABASE?target_session_attrs=read-write",
            "JDBC: jdbc:postgresql://10.0.0.1:5432,10.0.0.2:5432,10.0.0.3:5432/DATABASE?targetServerType=primary",
            "libpq through pool on lb1: postgresql://10.0.0.9:9999/DATABASE",
            "JDBC through pool on lb1: jdbc:postgresql://10.0.0.9:9999/DATABASE",
        ]
    );
}
