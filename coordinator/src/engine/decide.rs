//! What an operation does next, and what may be asked of it. Pure: the engine makes no other
//! choices than these.

use bellows_proto::v1::{ControlKind, HoldCause, OnFailure, Outcome};

use super::{
    skip,
    state::{Mode, OperationState},
};

/// The next thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Work at a top-level step: begin it, or go on with it.
    Step(u32),
    /// All steps are proven: compare the end with the prediction, then rest as done.
    Finish,
    /// Turn round, to rest as this.
    TurnBack(Outcome),
    /// Take a step back.
    Undo(u32),
    /// All is taken back.
    RestUndone(Outcome),
    /// Write the hold that was asked for.
    Pause,
    /// Go on after a hold.
    Resume,
    /// Pass the held step over.
    Skip,
    /// Give up: name what is left, release the locks.
    Abandon,
    /// Nothing until somebody asks for something.
    Park,
    /// Tell the agents that it is over.
    Close,
    /// Nothing any more.
    Over,
}

/// Decides. Wishes come first, then holds, then the plan.
pub fn next(state: &OperationState) -> Next {
    match state.mode {
        Mode::Closed(_) => return Next::Over,
        Mode::Rested(_) => return Next::Close,
        Mode::Forward | Mode::Backward(_) => {}
    }
    if let Some(next) = state.wish.and_then(carry_out) {
        return next;
    }
    if state.damage.is_some() {
        return Next::Park;
    }
    if state.parked().is_some() {
        return Next::Park;
    }
    match state.mode {
        Mode::Backward(target) => state.next_to_undo().map_or(Next::RestUndone(target), Next::Undo),
        Mode::Forward | Mode::Rested(_) | Mode::Closed(_) => forward(state),
    }
}

fn carry_out(wish: ControlKind) -> Option<Next> {
    match wish {
        ControlKind::Pause => Some(Next::Pause),
        ControlKind::Resume | ControlKind::Retry => Some(Next::Resume),
        ControlKind::Skip => Some(Next::Skip),
        ControlKind::Cancel => Some(Next::TurnBack(Outcome::Cancelled)),
        ControlKind::Undo => Some(Next::TurnBack(Outcome::Undone)),
        ControlKind::Abandon => Some(Next::Abandon),
        ControlKind::Unspecified => None,
    }
}

fn forward(state: &OperationState) -> Next {
    let unfinished = state
        .plan
        .steps
        .iter()
        .find(|step| state.steps.get(&step.number).is_some_and(|status| !status.is_behind()));
    unfinished.map_or(Next::Finish, |step| Next::Step(step.number))
}

/// What a failed step leads to, before anybody is asked: back, where nothing was done yet or
/// the administrator chose so beforehand; else a hold.
pub fn after_failure(state: &OperationState, cause: HoldCause) -> Option<Outcome> {
    // What a decision is asked for is not known to be nothing.
    let nothing_done = !state.has_acted() && cause != HoldCause::Decision;
    let chosen = state.on_failure == OnFailure::Undo
        && cause == HoldCause::Failed
        && state.unknown_act().is_none()
        && !state.is_past_return();
    let forward = state.mode == Mode::Forward;
    (forward && (nothing_done || chosen)).then_some(Outcome::Undone)
}

/// Why nothing but giving up is safe where a journal begins in the middle.
const RECOVERED: &str = "it was recovered from what the agents keep: its journal does not say what \
                         was done, so that it can neither go on nor be taken back; look at its \
                         hosts, then abandon it";

/// Whether something may be asked of an operation now.
///
/// # Errors
/// Why not, and what can be done instead.
pub fn allowed(state: &OperationState, wish: ControlKind) -> Result<(), String> {
    if let Some(outcome) = state.outcome() {
        return Err(format!(
            "the operation is over: it rests as {}",
            outcome.as_str_name().trim_start_matches("OUTCOME_").to_lowercase()
        ));
    }
    if let Some(pending) = state.wish
        && matches!(pending, ControlKind::Cancel | ControlKind::Undo | ControlKind::Abandon)
        && (wish != ControlKind::Abandon || pending == ControlKind::Abandon)
    {
        return Err(format!("{} was asked for already and is under way", word(pending)));
    }
    if let Some(damage) = &state.damage {
        return match wish {
            ControlKind::Abandon => Ok(()),
            ControlKind::Pause
            | ControlKind::Resume
            | ControlKind::Cancel
            | ControlKind::Retry
            | ControlKind::Undo
            | ControlKind::Skip
            | ControlKind::Unspecified => Err(format!(
                "its record in the store is damaged ({damage}): what it did is not fully known, \
                 and it can only be abandoned"
            )),
        };
    }
    if state.recovered && wish != ControlKind::Abandon {
        return Err(RECOVERED.to_owned());
    }
    let parked = state.parked().is_some();
    let held = state.held.is_some();
    let backward = matches!(state.mode, Mode::Backward(_));
    match wish {
        ControlKind::Pause if parked => Err("it is held already".to_owned()),
        ControlKind::Pause => Ok(()),
        ControlKind::Resume | ControlKind::Retry if !parked => {
            Err("it is not held: there is nothing to resume".to_owned())
        }
        ControlKind::Resume | ControlKind::Retry => Ok(()),
        ControlKind::Skip => skip::judge(state).map(drop),
        ControlKind::Cancel if backward => Err("it goes back already".to_owned()),
        ControlKind::Undo if backward => Err("it goes back already; retry a held undo".to_owned()),
        ControlKind::Undo if !held => {
            Err("it is not held: cancel stops a running operation and takes it back".to_owned())
        }
        ControlKind::Cancel | ControlKind::Undo => may_turn_back(state),
        ControlKind::Abandon if !held => Err("it is not held: pause or cancel it first".to_owned()),
        ControlKind::Abandon => Ok(()),
        ControlKind::Unspecified => Err("nothing was asked for".to_owned()),
    }
}

fn word(kind: ControlKind) -> &'static str {
    match kind {
        ControlKind::Pause => "a pause",
        ControlKind::Resume => "going on",
        ControlKind::Cancel => "a cancel",
        ControlKind::Retry => "a retry",
        ControlKind::Undo => "an undo",
        ControlKind::Abandon => "giving up",
        ControlKind::Skip => "a skip",
        ControlKind::Unspecified => "something unknown",
    }
}

fn may_turn_back(state: &OperationState) -> Result<(), String> {
    if state.is_past_return() {
        return Err(format!(
            "it is past its point of no return (step {}): there is only forward, or abandon",
            state.plan.point_of_no_return
        ));
    }
    if let Some(act) = state.unknown_act() {
        return Err(format!(
            "nobody knows whether step {} had its effect: retry looks again; undoing blindly is \
             not safe",
            act.step
        ));
    }
    Ok(())
}

/// Commands that help with a hold at a step (0: between steps), for its event.
pub fn commands(
    state: &OperationState,
    operation: &str,
    step: u32,
    cause: HoldCause,
) -> Vec<String> {
    let mut commands = vec![format!("bellows op show {operation}")];
    if state.has_acted() {
        commands.push(format!("bellows op logs {operation}"));
    }
    if state.recovered {
        commands.push(format!("bellows op abandon {operation}"));
        return commands;
    }
    let go_on = if cause == HoldCause::Paused { "resume" } else { "retry" };
    commands.push(format!("bellows op {go_on} {operation}"));
    if skip::at(state, step, cause).is_ok() {
        commands.push(format!("bellows op skip {operation} --reason TEXT"));
    }
    if state.mode == Mode::Forward && may_turn_back(state).is_ok() {
        commands.push(format!("bellows op undo {operation}"));
        if cause == HoldCause::Drift {
            commands.push(format!("bellows op replan {operation}"));
        }
    }
    commands.push(format!("bellows op abandon {operation}"));
    commands
}
