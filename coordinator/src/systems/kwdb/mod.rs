//! KWDB: what is asked, seen, planned and judged. Pure: knows plans and proto types only, no clock, no I/O,
//! no other system.

// Some of these are used by the verbs as they come.
#[allow(dead_code)]
mod actions;
mod adopt;
mod by_hand;
mod certificates;
mod changes;
mod check;
#[allow(dead_code)]
mod conditions;
mod describe;
#[allow(dead_code)]
mod draft;
mod drift;
mod estimate;
mod expand;
#[allow(dead_code)]
mod guards;
mod health;
mod ids;
mod join;
mod kinds;
mod notes;
mod observation;
#[allow(dead_code)]
mod options;
#[allow(dead_code)]
mod predict;
mod probe;
mod queries;
mod release;
mod resolve;
#[allow(dead_code)]
mod room;
mod seen;
mod sizes;
mod versions;
mod view;
#[allow(dead_code)]
mod zones;

use bellows_proto::v1::{Intent, Observation, Plan, Refusal, Spec, intent::Verb};

use guards::Rule;

pub(super) use check::check;
pub(super) use describe::describe;
pub(super) use drift::drift;
pub use guards::explanations;
pub(super) use observation::{node_seen, observation};
pub(super) use options::options;
pub(super) use probe::probe;
pub(super) use queries::next_queries;
pub(super) use resolve::resolve;

/// Revision of this planner. Raised when the steps that it makes change their meaning.
pub const REVISION: u32 = 1;

/// The steps to what is wanted, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
) -> Result<Plan, Vec<Refusal>> {
    let hard = accepted(intent);
    let mut plan = match steps(spec, observation, intent) {
        Ok(plan) if hard.is_empty() => plan,
        Ok(_) => return Err(hard),
        Err(refusals) => return Err(hard.into_iter().chain(refusals).collect()),
    };
    estimate::fill(&mut plan, observation);
    plan.guards = seen::guards(spec, observation, &plan);
    Ok(plan)
}

/// Every guard of this system protects data: none can be accepted.
fn accepted(intent: &Intent) -> Vec<Refusal> {
    let no = |code: &String| Rule::ValidIntent.refusal(format!("{code} cannot be accepted"));
    intent.accepted.iter().map(|one| no(&one.code)).collect()
}

fn steps(spec: &Spec, observation: &Observation, intent: &Intent) -> Result<Plan, Vec<Refusal>> {
    let not_ours = |value: &str| Err(vec![Rule::NotOurs.refusal(value)]);
    match &intent.verb {
        Some(Verb::Create(_)) => not_ours("a cluster of KWDB is not made by Bellows"),
        Some(Verb::Adopt(wanted)) => adopt::plan(spec, observation, intent, wanted),
        Some(Verb::Expand(_)) => expand::plan(spec, observation, intent),
        Some(Verb::Switchover(_)) => not_ours("a cluster of KWDB has no primary"),
        Some(
            Verb::Shrink(_)
            | Verb::Replace(_)
            | Verb::Rejoin(_)
            | Verb::Restart(_)
            | Verb::Reconfigure(_),
        ) => not_ours("this is not known for KWDB yet"),
        None => Err(vec![Rule::ValidIntent.refusal("nothing is wanted: the intent has no verb")]),
    }
}
