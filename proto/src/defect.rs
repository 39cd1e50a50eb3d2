//! Defects that the simulation seeds to prove that it finds them: the test-only switch.
//!
//! Without the feature `defects`, which no program that is released is built with,
//! [`is_seeded`] is a constant `false` and nothing of this is left. It is here because agent and
//! coordinator share no other crate.

/// A way in which the code is wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// The agent says "never" and does not write it down.
    SealForgotten,
    /// The engine takes an unanswered start for one that never was, without a seal.
    SealSkipped,
    /// A job is asked for before the journal has it.
    ActBeforeJournal,
    /// The agent accepts a lower term.
    LowerTermAccepted,
    /// The agent starts a job again that it knows, and the shim runs it though another has begun it.
    KnownJobStartedAgain,
    /// A job without an exit record is lost, though its processes live.
    LostThoughAlive,
    /// A tool's exit status 0 is taken for the proof.
    ExitStatusTrusted,
    /// What cannot be known is taken for not done.
    UnknownIsNotDone,
    /// An undo begins with the step before the one that had started.
    UndoMissesLastStep,
    /// An undo act runs without a look whether it is done, and once more when it is.
    UndoTwice,
    /// Locks are kept when an operation rests.
    LocksKept,
    /// The spec change of a step is stored one event too late.
    SpecChangeForgotten,
    /// A host that does not hear of the end is not told again.
    CloseNotRepeated,
    /// A coordinator that is told of a higher term goes on.
    StaleTermIgnored,
    /// A retry uses the key of the attempt before it.
    AttemptReused,
    /// A cancel stops the steps, and leaves the running job alone.
    CancelLeavesJob,
    /// A host that is owed a tombstone is taken for one that has it.
    TombstoneForgotten,
    /// Data of a former primary are taken for a part of the new one's past, whatever they are.
    ForeignDataAccepted,
    /// A standby is promoted without the proof that the old primary ended in order and that it has all
    /// of it.
    PromotedUnproven,
    /// The replicas of a node of KWDB are counted by what it gossips of itself, which is up to a minute old.
    GossipedCountTrusted,
    /// A decommission is taken back though somebody still waits for it, and flags the node again.
    WaiterOverlooked,
}

impl Defect {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::SealForgotten,
        Self::SealSkipped,
        Self::ActBeforeJournal,
        Self::LowerTermAccepted,
        Self::KnownJobStartedAgain,
        Self::LostThoughAlive,
        Self::ExitStatusTrusted,
        Self::UnknownIsNotDone,
        Self::UndoMissesLastStep,
        Self::UndoTwice,
        Self::LocksKept,
        Self::SpecChangeForgotten,
        Self::CloseNotRepeated,
        Self::StaleTermIgnored,
        Self::AttemptReused,
        Self::CancelLeavesJob,
        Self::TombstoneForgotten,
        Self::ForeignDataAccepted,
        Self::PromotedUnproven,
        Self::GossipedCountTrusted,
        Self::WaiterOverlooked,
    ];
}

#[cfg(feature = "defects")]
mod switch {
    use std::cell::Cell;

    use super::Defect;

    thread_local! {
        static SEEDED: Cell<Option<Defect>> = const { Cell::new(None) };
    }

    /// Seeds a defect in all code that runs on this thread; `None`: none.
    pub fn seed(defect: Option<Defect>) {
        SEEDED.set(defect);
    }

    /// Whether the code is to be wrong in this way.
    pub fn is_seeded(defect: Defect) -> bool {
        SEEDED.get() == Some(defect)
    }
}

#[cfg(feature = "defects")]
pub use switch::{is_seeded, seed};

/// Whether the code is to be wrong in this way: never.
#[cfg(not(feature = "defects"))]
#[inline(always)]
pub const fn is_seeded(_: Defect) -> bool {
    false
}
