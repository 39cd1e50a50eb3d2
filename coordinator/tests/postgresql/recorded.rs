//! Plans from observations of real clusters: PostgreSQL 15.20 and repmgr 5.3.3 of Debian 12,
//! recorded from `make demo`. Paths, addresses and host ids are made plain, nothing else.

use bellows::{
    plan::{Probe, Systems as _, Verdict},
    systems::AllSystems,
};
use bellows_proto::v1::{Intent, Observation, Plan, Spec};
use serde::de::DeserializeOwned;

use crate::{play::acts, render, world};

const CREATE: &str = include_str!("testdata/create_three.json");
const EXPAND: &str = include_str!("testdata/expand_three_to_four.json");
const FOUR: &str = include_str!("testdata/four_members.json");

fn part<T: DeserializeOwned>(recorded: &str, name: &str) -> T {
    let mut whole: serde_json::Value = serde_json::from_str(recorded).unwrap();
    serde_json::from_value(whole[name].take()).unwrap()
}

fn planned(recorded: &str, intent: Option<Intent>) -> (Plan, Observation) {
    let (spec, observation): (Spec, Observation) =
        (part(recorded, "spec"), part(recorded, "observation"));
    let intent = intent.unwrap_or_else(|| part(recorded, "intent"));
    let plan = AllSystems::default().plan(&spec, &observation, &intent);
    (plan.unwrap_or_else(|refusals| panic!("{}", render::refusals(&refusals))), observation)
}

/// Premises hold, and of no act the effect is there already.
fn ready(plan: &Plan, observation: &Observation) {
    for condition in plan.premises.iter().chain(&plan.invariants) {
        assert_eq!(
            AllSystems::default().check(condition, observation),
            Verdict::Holds,
            "{condition:?}"
        );
    }
    for act in plan.steps.iter().flat_map(acts) {
        let probe = AllSystems::default().probe(act.action.as_ref().unwrap(), observation);
        assert!(!matches!(probe, Probe::Done | Probe::Partial(_)), "{}: {probe:?}", act.summary);
    }
}

#[test]
fn create_three() {
    let (plan, observation) = planned(CREATE, None);
    ready(&plan, &observation);
    insta::assert_snapshot!(render::plan(&plan));
}

#[test]
fn expand_three_to_four() {
    let (plan, observation) = planned(EXPAND, None);
    ready(&plan, &observation);
    insta::assert_snapshot!(render::plan(&plan));
}

#[test]
fn shrink_four_to_three() {
    // Recorded before agents read who is connected: that is not known, and not taken for nobody.
    let mut intent = world::accepting(world::shrink(&["pg3"], &[]), "PG-50");
    intent.cluster = "demo".to_owned();
    let (plan, observation) = planned(FOUR, Some(intent));
    ready(&plan, &observation);
    insta::assert_snapshot!(render::plan(&plan));
}

#[test]
fn status_of_four() {
    let (spec, observation): (Spec, Observation) = (part(FOUR, "spec"), part(FOUR, "observation"));
    let description = AllSystems::default().describe(&spec, &observation);
    assert_eq!(description.problems, Vec::<String>::new());
    let rows: Vec<String> = description
        .members
        .iter()
        .map(|row| format!("{} {} {} {}", row.node, row.role, row.state, row.detail))
        .collect();
    insta::assert_snapshot!(rows.join("\n"), @r"
    pg1 primary running id 1, PostgreSQL 15.20 (Debian 15.20-0+deb12u1)
    pg2 standby streaming id 2, lag 0 bytes
    pg3 standby streaming id 3, lag 0 bytes
    pg4 standby streaming id 4, lag 0 bytes
    ");
}
