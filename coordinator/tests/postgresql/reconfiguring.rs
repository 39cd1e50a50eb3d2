//! Options of a cluster become others: played to the end and taken back, and every reason not to.

use bellows::{plan::Systems as _, systems::AllSystems};
use bellows_proto::v1::{KeyValue, PostgresqlSpecOptions, Refusal, Spec, System, spec_options};

use crate::{
    adopting, play,
    world::{self, World},
};

const BEFORE: &[(&str, &str)] = &[("client_networks", "10.8.0.0/16,10.9.0.0/16")];

fn refused(world: &World, spec: &Spec, options: &[(&str, &str)]) -> Vec<Refusal> {
    let intent = world::reconfigure(options);
    AllSystems::default().plan(spec, &world.observe(spec, Some(&intent)), &intent).unwrap_err()
}

fn options(spec: &Spec) -> PostgresqlSpecOptions {
    match spec.options.clone().unwrap().system.unwrap() {
        spec_options::System::Postgresql(options) => options,
        other => panic!("options of another system: {other:?}"),
    }
}

#[test]
fn every_member_lets_the_new_networks_in_and_the_spec_has_the_options() {
    let (mut world, mut spec) = world::cluster(3, 0, BEFORE);
    let before = spec.clone();
    let change = [("client_networks", "10.9.0.0/16"), ("min_members", "3")];
    let plan = play::plan(&world, &spec, &world::reconfigure(&change));
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    assert_eq!(spec.nodes, before.nodes);
    assert_eq!(options(&spec).client_networks, ["10.9.0.0/16"]);
    assert_eq!(options(&spec).min_members, 3);
    for number in 1..=3 {
        let written = world.node(&format!("pg{number}")).configuration.clone().unwrap();
        assert_eq!(written.hba.unwrap().client_networks, ["10.9.0.0/16"], "pg{number}");
    }
    let end = world.observe(&spec, plan.intent.as_ref());
    let drift = AllSystems::default().drift(plan.prediction.as_ref().unwrap(), &end);
    assert_eq!(drift, Vec::<String>::new());
    // What is not named stays.
    let change = [("client_networks", "")];
    let plan = play::plan(&world, &spec, &world::reconfigure(&change));
    play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    assert_eq!((options(&spec).client_networks, options(&spec).min_members), (vec![], 3));
}

#[test]
fn it_is_taken_back_from_any_step() {
    let (start, spec) = world::cluster(2, 0, BEFORE);
    let plan = play::plan(&start, &spec, &world::reconfigure(&[("client_networks", "")]));
    for count in 0..=plan.steps.len() {
        let (mut world, mut now) = (start.clone(), spec.clone());
        play::steps(&mut world, &mut now, &plan, count);
        play::undo(&mut world, &mut now, &plan, count);
        now.version = spec.version;
        assert_eq!((&world, &now), (&start, &spec), "after {count} steps");
    }
}

#[test]
fn what_changes_no_rule_touches_no_host() {
    let (world, spec) = world::cluster(2, 0, &[]);
    let plan = play::plan(&world, &spec, &world::reconfigure(&[("clone_rate_kib", "64")]));
    assert_eq!(plan.steps.iter().flat_map(play::acts).count(), 0);
}

#[test]
fn every_reason_not_to() {
    let (world, spec) = world::cluster(2, 0, &[("min_members", "2")]);
    let codes = |refusals: Vec<Refusal>| -> Vec<(String, String)> {
        refusals.into_iter().map(|one| (one.code, one.value)).collect()
    };
    let nothing = codes(refused(&world, &spec, &[("min_members", "2")]));
    assert_eq!(nothing.len(), 1, "{nothing:?}");
    assert!(nothing[0].1.starts_with("nothing would change"), "{nothing:?}");
    let more = codes(refused(&world, &spec, &[("min_members", "3")]));
    assert_eq!(
        more,
        [("PG-19".to_owned(), "2 members would be there, the minimum is 3".to_owned())]
    );
    let wrong = |key: &str, value: &str| {
        let pair = KeyValue { key: key.to_owned(), value: value.to_owned() };
        AllSystems::default().options(System::Postgresql, "reconfigure", &[pair]).unwrap_err()
    };
    assert!(wrong("max_connections", "200")[0].contains("is no option of reconfigure"));
    assert!(wrong("clone_rate_kib", "31")[0].contains("from 32"));
    assert!(wrong("min_members", "1")[0].contains("from 2"));
}

#[test]
fn rules_of_an_adopted_member_are_left_to_hand() {
    let (world, spec) = adopting::adopted();
    let change = world::reconfigure(&[("client_networks", "10.7.0.0/16")]);
    let plan = play::plan(&world, &spec, &change);
    assert_eq!(plan.steps.iter().flat_map(play::acts).count(), 0);
    let by_hand = |text: &str| text.contains("/etc/postgresql/15/main/pg_hba.conf by hand");
    assert_eq!(plan.notes.iter().filter(|note| by_hand(&note.text)).count(), 3);
}
