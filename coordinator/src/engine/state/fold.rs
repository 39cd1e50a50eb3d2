//! Event by event: what each one does to the state, and which may follow which.

use std::{collections::BTreeMap, sync::Arc};

use bellows_proto::v1::{Act, ControlKind, Event, HoldCause, event::Kind};

use super::{super::index, ActState, ActStatus, IllegalEvent, Mode, OperationState, StepStatus};

/// Folds all events of an operation.
///
/// # Errors
/// At the first event that cannot follow, or if there is none.
pub fn fold(events: &[Event]) -> Result<OperationState, IllegalEvent> {
    let mut events = events.iter();
    let first = events.next().ok_or_else(|| IllegalEvent {
        sequence: 0,
        event: "none",
        reason: "the operation has no events".to_owned(),
    })?;
    let mut state = begin(first)?;
    for event in events {
        state = after(state, event)?;
    }
    Ok(state)
}

/// The state after the first event.
///
/// # Errors
/// If it is not a complete `accepted` with number 1.
pub fn begin(event: &Event) -> Result<OperationState, IllegalEvent> {
    let Some(Kind::Accepted(accepted)) = &event.kind else {
        return Err(illegal(event, "the first event is not accepted"));
    };
    let plan = accepted.plan.as_ref().ok_or_else(|| illegal(event, "it has no plan"))?;
    if event.sequence != 1 {
        return Err(illegal(event, "the first number is not 1"));
    }
    Ok(OperationState {
        steps: index::steps(plan).map(|step| (step.number, StepStatus::Pending)).collect(),
        plan: Arc::new(plan.clone()),
        on_failure: accepted.on_failure(),
        principal: accepted.principal.clone(),
        recovered: accepted.recovered,
        closes_at_ms: accepted.closes_at_ms,
        window_over: false,
        sequence: 1,
        started_at_ms: event.at_ms,
        changed_at_ms: event.at_ms,
        mode: Mode::Forward,
        fenced: None,
        acts: BTreeMap::new(),
        held: None,
        wish: None,
        skip: None,
        damage: None,
    })
}

/// The state after one more event.
///
/// # Errors
/// If the event cannot follow.
pub fn next(state: &OperationState, event: &Event) -> Result<OperationState, IllegalEvent> {
    after(state.clone(), event)
}

/// The state after one more event, of which nobody needs the one before: a copy costs more than an event.
///
/// # Errors
/// If the event cannot follow.
pub fn after(mut state: OperationState, event: &Event) -> Result<OperationState, IllegalEvent> {
    if event.sequence != state.sequence + 1 {
        return Err(illegal(event, format!("the number after {} was due", state.sequence)));
    }
    state.sequence = event.sequence;
    state.changed_at_ms = event.at_ms;
    let kind = event.kind.as_ref().ok_or_else(|| illegal(event, "it is empty"))?;
    apply(&mut state, kind).map_err(|reason| illegal(event, reason))?;
    Ok(state)
}

fn apply(state: &mut OperationState, kind: &Kind) -> Result<(), String> {
    if let (Some(_), false) = (state.outcome(), matches!(kind, Kind::Closed(_))) {
        return Err("the operation is at rest".to_owned());
    }
    match kind {
        Kind::Accepted(_) => return Err("it was accepted before".to_owned()),
        Kind::Fenced(fenced) => state.fenced.clone_from(&fenced.term),
        Kind::StepStarted(e) => move_step(
            state,
            e.step,
            &[StepStatus::Pending, StepStatus::Failed],
            StepStatus::Started,
        )?,
        Kind::StepSucceeded(e) => {
            move_step(state, e.step, &[StepStatus::Started], StepStatus::Succeeded)?;
        }
        Kind::StepFailed(e) => {
            move_step(state, e.step, &[StepStatus::Started], StepStatus::Failed)?;
        }
        Kind::StepSkipped(e) => {
            move_step(
                state,
                e.step,
                &[StepStatus::Started, StepStatus::Failed],
                StepStatus::Skipped,
            )?;
            (state.held, state.wish) = (None, None);
            decided(state);
        }
        Kind::StepUndone(e) => move_step(
            state,
            e.step,
            &[StepStatus::Started, StepStatus::Succeeded, StepStatus::Failed, StepStatus::Skipped],
            StepStatus::Undone,
        )?,
        Kind::ActStarted(e) => {
            let act = e.act.as_ref().ok_or("it has no act")?;
            act_started(state, e.step, act, e.attempt)?;
        }
        Kind::ActNever(e) => {
            let act = started_act(state, e.act, e.attempt)?;
            act.status = ActStatus::Idle;
            act.reached = act.reached.saturating_sub(1);
        }
        Kind::ActDone(e) if e.attempt == 0 => already_done(state, e.act),
        Kind::ActDone(e) => started_act(state, e.act, e.attempt)?.status = ActStatus::Done,
        Kind::ActFailed(e) => {
            let act = started_act(state, e.act, e.attempt)?;
            act.status = ActStatus::Failed(e.verdict());
            act.evidence.clone_from(&e.evidence);
        }
        Kind::Held(held) => {
            state.held = Some(held.clone());
            if is_answered_by(state.wish, held.cause()) {
                state.wish = None;
            }
        }
        Kind::Resumed(resumed) => {
            state.closes_at_ms = resumed.closes_at_ms;
            state.window_over = false;
            let stalled = state.held.take().is_some_and(|held| held.cause() == HoldCause::Stalled);
            state.wish = None;
            // What moves again by itself was decided by nobody.
            if !stalled {
                decided(state);
            }
        }
        Kind::Control(control) => {
            state.wish = Some(control.kind());
            if control.kind() == ControlKind::Skip {
                state.skip = Some((control.reason.clone(), control.principal.clone()));
            }
            state.window_over = control.window;
        }
        Kind::UndoStarted(e) => {
            if state.mode != Mode::Forward {
                return Err("it goes back already".to_owned());
            }
            state.mode = Mode::Backward(e.target());
            state.held = None;
            state.wish = None;
            decided(state);
        }
        Kind::Rested(e) => {
            state.mode = Mode::Rested(e.outcome());
            state.held = None;
            state.wish = None;
        }
        Kind::Closed(_) => match state.mode {
            Mode::Rested(outcome) => state.mode = Mode::Closed(outcome),
            Mode::Forward | Mode::Backward(_) | Mode::Closed(_) => {
                return Err("it is not at rest, or closed before".to_owned());
            }
        },
    }
    Ok(())
}

/// A hold that is the answer to a wish ends it; any other leaves it, so that a cancel that was
/// asked for while a step failed is not lost.
fn is_answered_by(wish: Option<ControlKind>, cause: HoldCause) -> bool {
    match wish {
        // It stands still, whatever for: a hold with a cause is not covered up by a pause.
        Some(ControlKind::Pause) => cause != HoldCause::Stalled,
        Some(ControlKind::Cancel | ControlKind::Undo) => match cause {
            HoldCause::Unknown | HoldCause::Decision => true,
            HoldCause::Failed
            | HoldCause::Stalled
            | HoldCause::Drift
            | HoldCause::Paused
            | HoldCause::Unspecified => false,
        },
        Some(
            ControlKind::Resume
            | ControlKind::Retry
            | ControlKind::Abandon
            | ControlKind::Skip
            | ControlKind::Unspecified,
        )
        | None => false,
    }
}

fn move_step(
    state: &mut OperationState,
    number: u32,
    from: &[StepStatus],
    to: StepStatus,
) -> Result<(), String> {
    let status = state.steps.get_mut(&number).ok_or("there is no such step")?;
    if !from.contains(status) {
        return Err(format!("step {number} is {status:?}"));
    }
    *status = to;
    Ok(())
}

/// A failure does not repeat itself after a crash: only a decision lets it be tried again.
fn decided(state: &mut OperationState) {
    for act in state.acts.values_mut() {
        if let ActStatus::Failed(verdict) = act.status {
            act.status = ActStatus::Decided(verdict);
        }
    }
}

fn act_started(
    state: &mut OperationState,
    step: u32,
    act: &Act,
    attempt: u32,
) -> Result<(), String> {
    let known = state.acts.get(&act.number);
    if known.is_some_and(|known| known.status == ActStatus::Started) {
        return Err(format!("act {} runs already", act.number));
    }
    let (before, reached) = known.map_or((0, 0), |known| (known.attempt, known.reached));
    if attempt != before + 1 {
        return Err(format!("attempt {} of act {} was due", before + 1, act.number));
    }
    let undo = match known {
        Some(known) if known.reached > 0 => Arc::clone(&known.undo),
        Some(_) | None => Arc::new(act.undo.clone()),
    };
    // What an earlier attempt's undo did, this attempt does anew.
    for undo in undo.iter() {
        if let Some(state) = state.acts.get_mut(&undo.number) {
            state.status = ActStatus::Idle;
        }
    }
    let entry = ActState {
        step,
        attempt,
        status: ActStatus::Started,
        act: Arc::new(act.clone()),
        undo,
        reached: reached + 1,
        evidence: None,
    };
    state.acts.insert(act.number, entry);
    Ok(())
}

fn started_act(
    state: &mut OperationState,
    number: u32,
    attempt: u32,
) -> Result<&mut ActState, String> {
    let act = state.acts.get_mut(&number).ok_or("the act was not started")?;
    // An unknown outcome may be looked at again.
    let open = act.status == ActStatus::Started || act.status.is_unknown();
    if !open || act.attempt != attempt {
        return Err(format!("attempt {} of act {number} is {:?}", act.attempt, act.status));
    }
    Ok(act)
}

/// A probe found the act done without a new attempt: after a failure, or before an undo.
fn already_done(state: &mut OperationState, number: u32) {
    let entry = state.acts.entry(number).or_insert_with(|| ActState {
        step: 0,
        attempt: 0,
        status: ActStatus::Idle,
        act: Arc::default(),
        undo: Arc::default(),
        reached: 0,
        evidence: None,
    });
    entry.status = ActStatus::Done;
}

fn illegal(event: &Event, reason: impl Into<String>) -> IllegalEvent {
    IllegalEvent {
        sequence: event.sequence,
        event: event.kind.as_ref().map_or("empty", name),
        reason: reason.into(),
    }
}

/// The name of an event's kind, for errors and tables.
pub fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Accepted(_) => "accepted",
        Kind::Fenced(_) => "fenced",
        Kind::StepStarted(_) => "step started",
        Kind::ActStarted(_) => "act started",
        Kind::ActNever(_) => "act never",
        Kind::ActDone(_) => "act done",
        Kind::ActFailed(_) => "act failed",
        Kind::StepSucceeded(_) => "step succeeded",
        Kind::StepFailed(_) => "step failed",
        Kind::Held(_) => "held",
        Kind::Control(_) => "control",
        Kind::UndoStarted(_) => "undo started",
        Kind::StepUndone(_) => "step undone",
        Kind::Rested(_) => "rested",
        Kind::Closed(_) => "closed",
        Kind::Resumed(_) => "resumed",
        Kind::StepSkipped(_) => "step skipped",
    }
}
