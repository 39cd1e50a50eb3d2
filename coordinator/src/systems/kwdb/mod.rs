//! KWDB: what is asked, seen, planned and judged. Pure: knows plans and proto types only, no clock, no I/O,
//! no other system.

mod actions;
mod adopt;
mod by_hand;
mod by_number;
mod certificates;
mod changes;
mod check;
mod conditions;
mod departure;
mod describe;
mod draft;
mod drift;
mod estimate;
mod expand;
mod guards;
mod health;
mod ids;
mod join;
mod kinds;
mod leave;
mod notes;
mod observation;
mod options;
mod predict;
mod probe;
mod queries;
mod reconfigure;
mod rejoin;
mod release;
mod replace;
mod resolve;
mod restart;
mod room;
mod seen;
mod shrink;
mod versions;
mod view;
mod zones;

use bellows_proto::v1::{Intent, Observation, Plan, Refusal, Spec, intent::Verb};

use crate::plan::sizes;
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
        Some(Verb::Shrink(wanted)) => {
            let view = view::View::of(observation);
            let (intent, why) = by_number::named(spec, view, intent, wanted)?;
            let mut plan = shrink::plan(spec, observation, &intent)?;
            plan.notes.splice(0..0, why);
            Ok(plan)
        }
        Some(Verb::Replace(wanted)) => replace::plan(spec, observation, intent, wanted),
        Some(Verb::Rejoin(wanted)) => rejoin::plan(spec, observation, intent, wanted),
        Some(Verb::Restart(wanted)) => restart::plan(spec, observation, intent, wanted),
        Some(Verb::Reconfigure(_)) => reconfigure::plan(spec, observation, intent),
        None => Err(vec![Rule::ValidIntent.refusal("nothing is wanted: the intent has no verb")]),
    }
}
