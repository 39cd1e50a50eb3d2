//! The state of an operation: a fold over its events. One function, [`next`], serves the
//! running engine and recovery alike, so that both know the same.

use std::{collections::BTreeMap, sync::Arc};

use bellows_proto::v1::{
    Accepted, Act, ControlKind, Event, Evidence, Held, HoldCause, JobKey, OnFailure, Outcome, Plan,
    ProbeVerdict, Term, event::Kind, spec_change,
};

use super::index;

/// An event that cannot follow what came before: a bug, or a damaged journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {sequence} ({event}) cannot follow: {reason}")]
pub struct IllegalEvent {
    /// Its number.
    pub sequence: u64,
    /// Its kind.
    pub event: &'static str,
    /// What does not fit.
    pub reason: String,
}

/// Which way an operation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Towards the plan's end.
    Forward,
    /// Back, to rest as this.
    Backward(Outcome),
    /// At rest; the agents may not know yet.
    Rested(Outcome),
    /// At rest, and everybody knows.
    Closed(Outcome),
}

/// Where a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepStatus {
    /// Not begun.
    Pending,
    /// Begun.
    Started,
    /// Proven.
    Succeeded,
    /// Begun and failed; retry, undo or abandon.
    Failed,
    /// Passed over on request.
    Skipped,
    /// Taken back.
    Undone,
}

impl StepStatus {
    /// The operation goes on behind it: proven, or passed over.
    pub fn is_behind(self) -> bool {
        match self {
            Self::Succeeded | Self::Skipped => true,
            Self::Pending | Self::Started | Self::Failed | Self::Undone => false,
        }
    }
}

/// Where an act is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActStatus {
    /// Never asked for, or its last attempt never was.
    Idle,
    /// Asked for: the job may or may not be there.
    Started,
    /// The probe says that it is done.
    Done,
    /// It failed, and the probe said this.
    Failed(ProbeVerdict),
    /// It failed, and somebody has decided since: try again, or go back.
    Decided(ProbeVerdict),
}

impl ActStatus {
    /// It ended, and nobody knows whether it had its effect.
    pub fn is_unknown(self) -> bool {
        matches!(self, Self::Failed(ProbeVerdict::Unknown) | Self::Decided(ProbeVerdict::Unknown))
    }
}

/// What is known of an act.
#[derive(Debug, Clone, PartialEq)]
pub struct ActState {
    /// The step that it belongs to.
    pub step: u32,
    /// Highest attempt so far; 0: none.
    pub attempt: u32,
    /// Where it is.
    pub status: ActStatus,
    /// As sent with the last attempt.
    pub act: Act,
    /// How to take it back: as resolved before the *first* attempt, because later ones see
    /// what earlier ones left.
    pub undo: Vec<Act>,
    /// Attempts that reached their host, or may have.
    pub reached: u32,
    /// What was seen when it last failed.
    pub evidence: Option<Evidence>,
}

/// An operation, as its events tell.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationState {
    /// What is carried out.
    pub plan: Arc<Plan>,
    /// What a failure leads to.
    pub on_failure: OnFailure,
    /// Who asked.
    pub principal: String,
    /// Its journal was lost: it begins with what the agents keep, and does not say what was done.
    pub recovered: bool,
    /// When its window ends, milliseconds since 1970; 0: it has none, or goes on outside of it.
    pub closes_at_ms: i64,
    /// What was asked for last was asked for by the end of its window.
    pub window_over: bool,
    /// Number of the last event.
    pub sequence: u64,
    /// Time of the first event.
    pub started_at_ms: i64,
    /// Time of the last event.
    pub changed_at_ms: i64,
    /// Which way it goes.
    pub mode: Mode,
    /// Under which term its fences stand.
    pub fenced: Option<Term>,
    /// Steps by number.
    pub steps: BTreeMap<u32, StepStatus>,
    /// Acts by number, undo acts too.
    pub acts: BTreeMap<u32, ActState>,
    /// Why it is held.
    pub held: Option<Held>,
    /// What was asked for and is not carried out yet.
    pub wish: Option<ControlKind>,
    /// Of the last skip that was asked for: why, and by whom.
    pub skip: Option<(String, String)>,
    /// Why this is not all that is to be known of it: its record is damaged, and it can only be
    /// abandoned.
    pub damage: Option<String>,
}

impl OperationState {
    /// Its first event, as it was journalled.
    pub fn accepted(&self) -> Event {
        let accepted = Accepted {
            plan: Some(Plan::clone(&self.plan)),
            on_failure: self.on_failure.into(),
            principal: self.principal.clone(),
            recovered: self.recovered,
            closes_at_ms: self.closes_at_ms,
        };
        Event { sequence: 1, at_ms: self.started_at_ms, kind: Some(Kind::Accepted(accepted)) }
    }

    /// The step that is worked at: the highest one that is not pending.
    pub fn current_step(&self) -> u32 {
        match self.mode {
            Mode::Backward(_) => self.next_to_undo().unwrap_or(0),
            Mode::Forward | Mode::Rested(_) | Mode::Closed(_) => self
                .steps
                .iter()
                .rev()
                .find(|(_, status)| **status != StepStatus::Pending)
                .map_or(0, |(number, _)| *number),
        }
    }

    /// The next step to take back: the highest one that began and is not undone.
    pub fn next_to_undo(&self) -> Option<u32> {
        self.steps
            .iter()
            .rev()
            .find(|(_, status)| match status {
                StepStatus::Started
                | StepStatus::Succeeded
                | StepStatus::Failed
                | StepStatus::Skipped => true,
                StepStatus::Pending | StepStatus::Undone => false,
            })
            .map(|(number, _)| *number)
    }

    /// Some attempt of some act may have reached its host.
    pub fn has_acted(&self) -> bool {
        self.acts.values().any(|act| act.reached > 0)
    }

    /// There is only forward.
    pub fn is_past_return(&self) -> bool {
        let point = self.plan.point_of_no_return;
        let begun = |number: u32| {
            // The point itself is passed when it may have acted, not when it was looked at.
            number > point || self.acts.values().any(|act| act.step == point && act.reached > 0)
        };
        point != 0
            && self.steps.iter().any(|(number, status)| {
                *number >= point && *status != StepStatus::Pending && begun(*number)
            })
    }

    /// The act that nobody knows the outcome of, if there is one.
    pub fn unknown_act(&self) -> Option<&ActState> {
        self.acts.values().find(|act| act.status.is_unknown())
    }

    /// Whether a job of this operation was asked for, as far as its events tell.
    pub fn knows(&self, key: &JobKey) -> bool {
        self.acts.get(&key.act).is_some_and(|act| key.attempt <= act.attempt)
            || self.owes(Some(key.act))
    }

    /// Whether the plan leaves a tombstone to be put as this act when its host comes back; `None`: as any.
    pub fn owes(&self, act: Option<u32>) -> bool {
        index::steps(&self.plan).any(|step| {
            matches!(step.spec_change.as_ref().and_then(|change| change.kind.as_ref()),
                Some(spec_change::Kind::RemoveNode(removed))
                    if removed.owed_act != 0 && act.is_none_or(|act| act == removed.owed_act))
        })
    }

    /// At rest: `done`, `undone`, `cancelled` or `abandoned`.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.mode {
            Mode::Rested(outcome) | Mode::Closed(outcome) => Some(outcome),
            Mode::Forward | Mode::Backward(_) => None,
        }
    }

    /// The cause of a hold that needs the administrator. A stalled wait goes on by itself.
    pub fn parked(&self) -> Option<&Held> {
        self.held.as_ref().filter(|held| held.cause() != HoldCause::Stalled)
    }
}

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
        state = next(&state, event)?;
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
    if event.sequence != state.sequence + 1 {
        return Err(illegal(event, format!("the number after {} was due", state.sequence)));
    }
    let mut next = state.clone();
    next.sequence = event.sequence;
    next.changed_at_ms = event.at_ms;
    let kind = event.kind.as_ref().ok_or_else(|| illegal(event, "it is empty"))?;
    apply(&mut next, kind).map_err(|reason| illegal(event, reason))?;
    Ok(next)
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
        Some(known) if known.reached > 0 => known.undo.clone(),
        Some(_) | None => act.undo.clone(),
    };
    // What an earlier attempt's undo did, this attempt does anew.
    for undo in &undo {
        if let Some(state) = state.acts.get_mut(&undo.number) {
            state.status = ActStatus::Idle;
        }
    }
    let entry = ActState {
        step,
        attempt,
        status: ActStatus::Started,
        act: act.clone(),
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
        act: Act::default(),
        undo: Vec::new(),
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
