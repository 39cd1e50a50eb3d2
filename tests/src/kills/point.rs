//! The words of a kill point: what runs, when the blow falls, whom it strikes, how it must end.

use bellows_proto::v1::HoldCause;

use super::trap::Run;

/// What Bellows is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A cluster of two.
    Create,
    /// A third node.
    Expand,
    /// The third node leaves.
    Shrink,
}

impl Verb {
    /// As the command line has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Expand => "expand",
            Self::Shrink => "shrink",
        }
    }
}

/// Events that a blow can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The operation was accepted.
    Accepted,
    /// All fences are planted.
    Fenced,
    /// A step began.
    StepStarted,
    /// An act was journalled, and is about to be asked for.
    ActStarted,
    /// A step is through.
    StepSucceeded,
    /// It goes backwards from here.
    UndoStarted,
    /// A step is taken back.
    StepUndone,
    /// It rests.
    Rested,
}

/// When.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// This event of the first step whose title has these words; without words: the first one.
    After(Seen, &'static str),
    /// A tool was started and has done nothing yet.
    Before(Run),
    /// A tool has done everything and has not ended yet.
    Done(Run),
    /// A base backup has copied a good part, and not all.
    Copying,
}

/// Whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// `bellows serve`.
    Coordinator,
    /// The agent of a host, from 0.
    Agent(usize),
    /// The agent, and once more as soon as it listens again.
    AgentTwice(usize),
    /// Coordinator and agent together.
    CoordinatorAndAgent(usize),
    /// The shim of the tool that is held.
    Shim,
    /// The shim of the copy that runs.
    ShimOfCopy(usize),
    /// The tool that is held.
    Tool,
    /// `pg_basebackup` of a host.
    Copy(usize),
    /// The postmaster of a host, started again at once.
    Server(usize),
    /// As [`Victim::Server`], by a restart in good order.
    ServerRestart(usize),
    /// repmgrd of a host, started again at once.
    Repmgrd(usize),
    /// Agent, shim and tool together.
    WholeHost(usize),
}

/// What the administrator does about a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// `bellows op retry`: done in the end.
    Retry,
    /// `bellows op undo`: undone in the end.
    Undo,
}

/// How it must go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, to where it was asked to go.
    ByItself,
    /// By itself; or first held for one of these causes, and then to its end by `retry`.
    MayHold(&'static [HoldCause]),
    /// Held for one of these causes, with one of these words in its reason; then this.
    Held(&'static [HoldCause], &'static [&'static str], Remedy),
}

/// A blow and its end.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// Its name in the table.
    pub name: &'static str,
    /// What runs.
    pub verb: Verb,
    /// Cancelled at this moment, before the blow.
    pub cancel: Option<Moment>,
    /// When.
    pub moment: Moment,
    /// Whom.
    pub victim: Victim,
    /// What then.
    pub end: End,
}

impl Point {
    /// A throttled copy is needed.
    pub fn is_slow(&self) -> bool {
        self.moment == Moment::Copying || self.cancel == Some(Moment::Copying)
    }

    /// The blow lands while it goes forward, and nothing turns it back.
    pub fn ends_done(&self) -> bool {
        self.cancel.is_none() && !matches!(self.end, End::Held(_, _, Remedy::Undo))
    }
}
