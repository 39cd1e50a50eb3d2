//! The state of an operation: a fold over its events. One function, [`next`], serves the
//! running engine and recovery alike, so that both know the same. Here stands what the state is; how
//! it comes about stands in `fold`.

use std::{collections::BTreeMap, sync::Arc};

use bellows_proto::v1::{
    Accepted, Act, ControlKind, Event, Evidence, Held, HoldCause, JobKey, OnFailure, Outcome, Plan,
    ProbeVerdict, Term, event::Kind, spec_change,
};

use super::index;

mod fold;

pub use fold::{after, begin, fold, name, next};

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
    pub act: Arc<Act>,
    /// How to take it back: as resolved before the *first* attempt, because later ones see
    /// what earlier ones left.
    pub undo: Arc<Vec<Act>>,
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
