//! Which step of a held operation may be passed over. Pure.
//!
//! Only a step of which its plan says so: what it wants protects no data and no later step needs it.
//! Checks, premises and invariants are never passed over, nor is what changes a spec, what there is
//! no way back from, or what may be done in part or still runs.

use bellows_proto::v1::{HoldCause, Plan, ProbeVerdict, Step, step::Kind};

use super::{
    index,
    state::{ActStatus, Mode, OperationState, StepStatus},
};

/// The step that is passed over if somebody asks for it now.
///
/// # Errors
/// Why there is none, and what can be done instead.
pub fn judge(state: &OperationState) -> Result<u32, String> {
    let held = state.held.as_ref().ok_or("it is not held: there is nothing to skip")?;
    at(state, held.step, held.cause())
}

/// As [`judge`], for a hold at a step that is about to be written down.
///
/// # Errors
/// As [`judge`].
pub(super) fn at(state: &OperationState, number: u32, cause: HoldCause) -> Result<u32, String> {
    match cause {
        HoldCause::Failed | HoldCause::Stalled => {}
        HoldCause::Unknown => {
            return Err(
                "something is not known, and that is not passed over: retry looks again".into()
            );
        }
        HoldCause::Drift => {
            return Err(
                "the cluster is not the one that the plan was made for: put it right and retry, or \
                 plan anew"
                    .into(),
            );
        }
        HoldCause::Paused => return Err("nothing has failed: resume goes on".into()),
        HoldCause::Decision | HoldCause::Unspecified => {
            return Err("no step of it has failed".into());
        }
    }
    if state.mode != Mode::Forward {
        return Err(
            "it goes back, and nothing is passed over on that way: retry, or abandon".into()
        );
    }
    let step = index::step(&state.plan, number).ok_or("no step of it has failed")?;
    let open = match state.steps.get(&number) {
        Some(StepStatus::Started | StepStatus::Failed) => true,
        Some(
            StepStatus::Pending | StepStatus::Succeeded | StepStatus::Skipped | StepStatus::Undone,
        )
        | None => false,
    };
    if !open {
        return Err(format!("step {number} has not failed"));
    }
    match of_plan(&state.plan, step).or_else(|| of_act(state, step)) {
        Some(reason) => Err(format!("step {number} ({}) cannot be skipped: {reason}", step.title)),
        None => Ok(number),
    }
}

/// Why a plan does not let a step be passed over; `None`: it does.
pub(super) fn of_plan(plan: &Plan, step: &Step) -> Option<&'static str> {
    match &step.kind {
        Some(Kind::Check(_)) => return Some("it is a check: what it asks for must hold"),
        Some(Kind::Group(_)) => return Some("it is a group of steps that later ones build on"),
        Some(Kind::Act(_) | Kind::Wait(_)) => {}
        None => return Some("it is empty"),
    }
    if step.spec_change.is_some() {
        return Some("the spec changes with it, and would tell what is not so");
    }
    if step.number == plan.point_of_no_return {
        return Some("it is the point of no return");
    }
    (!step.skippable).then_some("later steps or the safety of the data rest on it")
}

/// Why what its act may have done forbids it.
fn of_act(state: &OperationState, step: &Step) -> Option<&'static str> {
    let act = state.acts.get(&index::act(step)?.number)?;
    match act.status {
        ActStatus::Started => Some("its job may still run: wait, or cancel the operation"),
        ActStatus::Failed(verdict) | ActStatus::Decided(verdict) => match verdict {
            ProbeVerdict::Partial => Some("it was done in part: retry, or undo"),
            ProbeVerdict::Unknown | ProbeVerdict::Unspecified => {
                Some("nobody knows whether it had its effect: retry looks again")
            }
            ProbeVerdict::Done | ProbeVerdict::NotDone => None,
        },
        ActStatus::Idle | ActStatus::Done => None,
    }
}

/// What was passed over, for the end of an operation: "step 8 (title)" each.
pub(super) fn skipped(state: &OperationState) -> Vec<String> {
    let was = |step: &&Step| state.steps.get(&step.number) == Some(&StepStatus::Skipped);
    let named = |step: &Step| format!("step {} ({})", step.number, step.title);
    index::steps(&state.plan).filter(was).map(named).collect()
}
