//! PostgreSQL with repmgr: what is asked, seen, planned and judged. Pure: knows plans and proto
//! types only, no clock, no I/O, no other system.

mod actions;
mod adopt;
mod by_hand;
mod by_number;
mod changes;
mod check;
mod clients;
mod conditions;
mod connections;
mod create;
mod describe;
mod draft;
mod drift;
mod estimate;
mod expand;
mod fronts;
mod guards;
mod health;
mod ids;
mod join;
mod lineage;
mod observation;
mod options;
mod predict;
mod probe;
mod queries;
mod reconfigure;
mod rejoin;
mod replace;
mod replace_dead;
mod resolve;
mod restart;
mod seen;
mod shrink;
mod sizes;
mod soft;
mod switchover;
mod synchronous;
mod versions;
mod view;

use bellows_proto::v1::{Intent, Observation, Plan, Refusal, Spec, intent::Verb};

pub(super) use check::check;
pub(super) use describe::describe;
pub(super) use drift::drift;
pub use fronts::Front;
pub use guards::explanations;
pub(super) use observation::{node_seen, observation};
pub(super) use options::options;
pub(super) use probe::probe;
pub(super) use queries::{next_queries, planning_queries};
pub(super) use resolve::resolve;

/// Revision of this planner. Raised when the steps that it makes change their meaning.
pub const REVISION: u32 = 1;

/// What a site demands before a change, besides what the guards do anyway.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The last good backup is at most so old; `None`: nobody asks for it.
    pub backup_max_age_ms: Option<u64>,
    /// What stands in front of clusters.
    pub fronts: Vec<Front>,
}

/// The steps to what is wanted, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
    policy: &Policy,
) -> Result<Plan, Vec<Refusal>> {
    let view = view::View::of(observation);
    let steps = steps(spec, observation, intent);
    let said = guards::soft(spec, view, policy, steps.as_ref().ok());
    let mut plan = soft::settle(steps, said, intent)?;
    clients::tell(&mut plan, view);
    estimate::fill(&mut plan, observation);
    plan.guards = seen::guards(spec, observation, &plan, policy);
    plan.connections = connections::after(spec, &plan, view.fronts);
    Ok(plan)
}

fn steps(spec: &Spec, observation: &Observation, intent: &Intent) -> Result<Plan, Vec<Refusal>> {
    match &intent.verb {
        Some(Verb::Create(_)) => create::plan(spec, observation, intent),
        Some(Verb::Adopt(wanted)) => adopt::plan(spec, observation, intent, wanted),
        Some(Verb::Expand(_)) => expand::plan(spec, observation, intent),
        Some(Verb::Shrink(wanted)) => {
            let view = view::View::of(observation);
            let (intent, why) = by_number::named(spec, view, intent, wanted)?;
            let mut plan = shrink::plan(spec, observation, &intent)?;
            plan.notes.splice(0..0, why);
            Ok(plan)
        }
        Some(Verb::Replace(wanted)) => replace::plan(spec, observation, intent, wanted),
        Some(Verb::Rejoin(wanted)) => rejoin::plan(spec, observation, intent, wanted),
        Some(Verb::Switchover(_)) => switchover::plan(spec, observation, intent),
        Some(Verb::Restart(wanted)) => restart::plan(spec, observation, intent, wanted),
        Some(Verb::Reconfigure(_)) => reconfigure::plan(spec, observation, intent),
        None => Err(vec![
            guards::Rule::ValidIntent.refusal("nothing is wanted: the intent has no verb"),
        ]),
    }
}
