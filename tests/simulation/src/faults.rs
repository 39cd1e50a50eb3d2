//! What goes wrong in a run, as data: faults, each with the moment at which it strikes. The ports
//! count the moments as they pass, so that a clean run lists all of them.

use std::collections::BTreeMap;

/// Which count triggers a fault. Counts begin with 0 when the faults are armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// The n-th durable write, of coordinator, agent or shim, or the n-th call: just before it.
    Before(usize),
    /// Just after it.
    After(usize),
    /// The n-th call from coordinator to agent.
    Call(usize),
    /// The n-th run of a changing tool.
    Tool(usize),
    /// The n-th event of the journal, once it is durable.
    Event(usize),
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It does not arrive.
    RequestLost,
    /// It is carried out, and nobody hears.
    AnswerLost,
    /// It arrives after the caller has given up, and after what the caller did then.
    Late,
    /// It arrives twice.
    Twice,
}

/// What happens to a run of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Exit status 1, nothing done.
    Fails,
    /// Exit status 1, all done.
    FailsAfterEffect,
    /// Killed by somebody in the middle.
    Killed,
    /// Exit status 0, nothing done.
    Lies,
    /// Does nothing, for ever.
    Hangs,
    /// Exit status 0, all done, rubbish printed.
    Rubbish,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL to the process at whose moment it strikes.
    Kill,
    /// The host of that process loses power (the coordinator's machine: the coordinator dies).
    PowerCut,
    /// To the call.
    Call(Fate),
    /// To the tool.
    Tool(Trouble),
    /// A host cannot be reached for a while.
    Partition {
        /// Which, by its place in the list of hosts.
        host: usize,
        /// How long.
        seconds: u64,
    },
    /// A copy of the coordinator is started from a copy of its store.
    SecondCoordinator,
    /// The system changes by itself: what the system's model calls a failover.
    Failover,
    /// The administrator cancels.
    Cancel,
}

/// Faults by their moments.
pub type Plan = BTreeMap<Moment, Fault>;
