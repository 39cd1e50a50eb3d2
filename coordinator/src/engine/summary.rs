//! One line on an operation.

use bellows_proto::v1::{HoldCause, OperationSummary, Outcome};

use super::{
    index, ports,
    state::{Mode, OperationState},
};

/// The word for an outcome.
pub fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Undone => "undone",
        Outcome::Cancelled => "cancelled",
        Outcome::Abandoned => "abandoned",
        Outcome::Unspecified => "unknown",
    }
}

/// Sums an operation up, for lists.
pub fn of(operation: &str, state: &OperationState) -> OperationSummary {
    let plan = &state.plan;
    let step = state.current_step();
    let word = match (state.mode, &state.held) {
        (Mode::Rested(outcome) | Mode::Closed(outcome), _) => outcome_word(outcome),
        (_, Some(_)) => "held",
        (Mode::Backward(_), None) => "undoing",
        (Mode::Forward, None) => "running",
    };
    OperationSummary {
        operation: operation.to_owned(),
        cluster: plan.cluster.clone(),
        kind: plan.intent.as_ref().map(ports::verb).unwrap_or_default().to_owned(),
        state: word.to_owned(),
        hold_cause: state.held.as_ref().map_or(HoldCause::Unspecified, |h| h.cause()).into(),
        step,
        steps: u32::try_from(index::steps(plan).count()).unwrap_or(u32::MAX),
        step_title: index::step(plan, step).map(|step| step.title.clone()).unwrap_or_default(),
        started_at_ms: state.started_at_ms,
        ended_at_ms: if state.outcome().is_some() { state.changed_at_ms } else { 0 },
        principal: state.principal.clone(),
        outcome: state.outcome().unwrap_or_default().into(),
    }
}
