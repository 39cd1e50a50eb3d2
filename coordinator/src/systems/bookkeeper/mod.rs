//! Apache BookKeeper: what is asked, seen, planned and judged. Pure: knows plans and proto types only, no clock, no I/O,
//! no other system.

mod actions;
mod adopt;
mod autorecovery;
mod budget;
mod by_hand;
mod by_number;
mod changes;
mod check;
mod conditions;
mod describe;
mod draft;
mod drain;
mod drift;
mod enough;
mod estimate;
mod expand;
mod expire;
mod guards;
mod health;
mod join;
mod leave;
mod metadata;
mod moving;
mod notes;
mod observation;
mod options;
mod places;
mod placing;
mod predict;
mod probe;
mod queries;
mod reconfigure;
mod replace;
mod resolve;
mod room;
mod seen;
mod settings;
mod shrink;
mod state;
mod staying;
mod stop;
mod telling;
mod versions;
mod view;
mod ways;

use bellows_proto::v1::{Asked, Intent, Observation, Plan, Refusal, Spec, intent::Verb};

use guards::Rule;
use queries::For;

use crate::plan::Question;

pub(super) use check::{check, needs_surveys};
pub(super) use describe::describe;
pub(super) use drift::drift;
pub use guards::explanations;
pub(super) use observation::{node_seen, observation};
pub(super) use options::options;
pub(super) use probe::{needs_surveys as probe_needs_surveys, probe};
pub(super) use resolve::resolve;

/// Revision of this planner. Raised when the steps that it makes change their meaning.
pub const REVISION: u32 = 1;

pub(super) fn next_queries(
    spec: &Spec,
    intent: Option<&Intent>,
    answers: &[Asked],
) -> Vec<Question> {
    queries::next_queries(spec, intent, answers, For::Looking)
}

pub(super) fn planning_queries(spec: &Spec, intent: &Intent, answers: &[Asked]) -> Vec<Question> {
    queries::next_queries(spec, Some(intent), answers, For::Planning)
}

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

/// Of the guards only some can be accepted with a reason.
fn accepted(intent: &Intent) -> Vec<Refusal> {
    let soft = guards::accepted_with_a_reason();
    let no = |code: &String| {
        let value = format!("{code} cannot be accepted; these can: {}", soft.join(", "));
        Rule::ValidIntent.refusal(value)
    };
    let hard = intent.accepted.iter().filter(|one| !soft.contains(&one.code));
    hard.map(|one| no(&one.code)).collect()
}

fn steps(spec: &Spec, observation: &Observation, intent: &Intent) -> Result<Plan, Vec<Refusal>> {
    let not_ours = |value: &str| Err(vec![Rule::NotOurs.refusal(value)]);
    match &intent.verb {
        Some(Verb::Adopt(wanted)) => adopt::plan(spec, observation, intent, wanted),
        Some(Verb::Expand(_)) => expand::plan(spec, observation, intent),
        Some(Verb::Shrink(wanted)) => {
            let (intent, why) = by_number::named(spec, intent, wanted)?;
            let mut plan = shrink::plan(spec, observation, &intent)?;
            plan.notes.splice(0..0, why);
            Ok(plan)
        }
        Some(Verb::Replace(wanted)) => replace::plan(spec, observation, intent, wanted),
        Some(Verb::Reconfigure(_)) => reconfigure::plan(spec, observation, intent),
        Some(Verb::Create(_)) => not_ours("a cluster of BookKeeper is not made by Bellows"),
        Some(Verb::Switchover(_)) => not_ours("a cluster of BookKeeper has no primary"),
        Some(Verb::Restart(_)) => not_ours("bookies are not restarted by Bellows"),
        Some(Verb::Rejoin(_)) => not_ours(
            "a bookie that has left does not come back with its data: empty its journal, ledger and index directories, see that the metadata have no cookie of it (bookkeeper shell cookie_get ID), then expand with another node name",
        ),
        None => Err(vec![Rule::ValidIntent.refusal("nothing is wanted: the intent has no verb")]),
    }
}
