//! Who is connected to servers that stop, and whether the others can take them.

use bellows::{plan::Systems as _, systems::AllSystems};
use bellows_proto::v1::NoteKind;

use crate::{play, world};

fn notes(plan: &bellows_proto::v1::Plan, of: &str) -> Vec<String> {
    let notes = plan.notes.iter().map(|note| note.text.clone());
    notes.filter(|text| text.contains(of)).collect()
}

#[test]
fn clients_of_every_server_that_stops_are_told_of() {
    let (mut world, spec) = world::cluster(3, 1, &[]);
    world.connect("pg3", "report", 4);
    let shrink = play::plan(&world, &spec, &world::shrink(&["pg3"], &[]));
    let text = "connected to pg3 now, and cut off when it stops: \
                4 clients: 4 x report@shop from 10.9.0.7 (web)";
    assert_eq!(notes(&shrink, "connected to pg3 now"), [text]);
    let restart = play::plan(&world, &spec, &world::restart(&[], false));
    assert_eq!(notes(&restart, "connected to pg3 now"), [text]);
    assert_eq!(notes(&restart, "no client is connected to").len(), 2);
    let expand = play::plan(&world, &spec, &world::expand(&[("pg4", "h4")], &[]));
    assert!(notes(&expand, "connected to").is_empty());
}

/// It is in the plan with its reason, and the plan is made: what is accepted is no secret.
#[test]
fn an_accepted_guard_stands_in_the_plan_with_its_reason() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    world.connect("pg1", "web", 60);
    world.connect("pg2", "report", 60);
    let intent = world::accepting(world::switchover("pg2"), "PG-50");
    let plan = play::plan(&world, &spec, &intent);
    let note = plan.notes.first().unwrap();
    assert_eq!(note.kind(), NoteKind::Risk);
    assert_eq!(
        note.text,
        "PG-50 (room for clients at those who stay) says no and was accepted: 60 clients of pg1 \
         would follow the primary's role to pg2, which has 35 connections left. Reason given: \
         CHG-4711: agreed"
    );
    assert_eq!(plan.intent.unwrap().accepted, intent.accepted);
    // Where it holds there is nothing to accept, and nothing is said.
    world.clients.clear();
    let plan = play::plan(&world, &spec, &intent);
    assert!(notes(&plan, "accepted").is_empty());
}

/// The hard ones and the soft ones, all at once.
#[test]
fn soft_guards_are_told_beside_hard_ones_that_nobody_can_accept() {
    let (mut world, spec) = world::cluster(3, 0, &[]);
    world.host("h2").clock_ahead_ms = -60_000;
    let intent = world::accepting(world::shrink(&["pg3"], &[]), "PG-18");
    let seen = world.observe(&spec, Some(&intent));
    let refusals = AllSystems::default().plan(&spec, &seen, &intent).unwrap_err();
    let codes: Vec<&str> = refusals.iter().map(|refusal| refusal.code.as_str()).collect();
    assert_eq!(codes, ["PG-01", "PG-18"]);
}

/// Clients of a host that is dead have gone already.
#[test]
fn the_dead_have_no_clients() {
    let (mut world, spec) = world::cluster(3, 1, &[]);
    world.connect("pg1", "web", 95);
    world.connect("pg2", "web", 95);
    world.connect("pg3", "web", 95);
    world.dies("h3");
    let intent = world::replace("pg3", ("pg4", "h4"), true, &[]);
    let plan = play::plan(&world, &spec, &intent);
    assert!(notes(&plan, "connected to pg3").is_empty());
}
