//! One line on an operation.

use bellows_proto::v1::{HoldCause, OperationSummary, Outcome};

use super::{
    damaged, index,
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
        (Mode::Forward | Mode::Backward(_), None) if state.damage.is_some() => "held",
        (Mode::Backward(_), None) => "undoing",
        (Mode::Forward, None) => "running",
    };
    OperationSummary {
        operation: operation.to_owned(),
        cluster: plan.cluster.clone(),
        kind: plan.word().unwrap_or_default().to_owned(),
        state: word.to_owned(),
        hold_cause: match (&state.held, &state.damage, state.outcome()) {
            (Some(held), ..) => held.cause(),
            (None, Some(_), None) => HoldCause::Decision,
            (None, ..) => HoldCause::Unspecified,
        }
        .into(),
        step,
        steps: u32::try_from(index::steps(plan).count()).unwrap_or(u32::MAX),
        step_title: index::step(plan, step).map(|step| step.title.clone()).unwrap_or_default(),
        started_at_ms: state.started_at_ms,
        ended_at_ms: if state.outcome().is_some() { state.changed_at_ms } else { 0 },
        principal: state.principal.clone(),
        outcome: state.outcome().unwrap_or_default().into(),
        damage: state.damage.clone().unwrap_or_default(),
        damage_remedy: match &state.damage {
            Some(_) if state.outcome().is_none() => damaged::remedy(operation),
            Some(_) | None => String::new(),
        },
        remarks: plan.remarks.clone(),
    }
}

/// One of whose record too little is left.
pub(super) fn of_lost(operation: &str, damage: &str) -> OperationSummary {
    OperationSummary {
        operation: operation.to_owned(),
        state: "held".to_owned(),
        hold_cause: HoldCause::Decision.into(),
        damage: damage.to_owned(),
        damage_remedy: damaged::REMEDY_LOST.to_owned(),
        ..OperationSummary::default()
    }
}
