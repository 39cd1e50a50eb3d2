//! What goes wrong in a run, as data: faults, each with the moment at which it strikes. The ports
//! count the moments as they pass, so that a clean run lists all of them.

use std::{collections::BTreeMap, fmt, str::FromStr};

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
    /// It arrives after the caller has given up, just when the caller has done the next thing.
    Late,
    /// It arrives long after the caller has given up.
    VeryLate,
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
    /// Somebody has run the same command just before.
    Twice,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Fails,
        Self::FailsAfterEffect,
        Self::Killed,
        Self::Lies,
        Self::Hangs,
        Self::Rubbish,
        Self::Twice,
    ];
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL to the process at whose moment it strikes.
    Kill,
    /// The host of that process loses power (the coordinator's machine: the coordinator dies).
    PowerCut,
    /// The disk of that process's host is full for a while: writes fail, removals do not.
    DiskFull,
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
    /// The program of the leading node dies, and is started again after a few seconds, as a service
    /// manager does; not if somebody has stopped it meanwhile.
    Crash,
    /// The administrator cancels.
    Cancel,
}

/// Faults by their moments.
pub type Plan = BTreeMap<Moment, Fault>;

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(number) => write!(f, "before:{number}"),
            Self::After(number) => write!(f, "after:{number}"),
            Self::Call(number) => write!(f, "call:{number}"),
            Self::Tool(number) => write!(f, "tool:{number}"),
            Self::Event(number) => write!(f, "event:{number}"),
        }
    }
}

/// Faults without a value of their own, with their words.
const WORDS: &[(&str, Fault)] = &[
    ("kill", Fault::Kill),
    ("power-cut", Fault::PowerCut),
    ("disk-full", Fault::DiskFull),
    ("request-lost", Fault::Call(Fate::RequestLost)),
    ("answer-lost", Fault::Call(Fate::AnswerLost)),
    ("late", Fault::Call(Fate::Late)),
    ("very-late", Fault::Call(Fate::VeryLate)),
    ("twice", Fault::Call(Fate::Twice)),
    ("fails", Fault::Tool(Trouble::Fails)),
    ("fails-after-effect", Fault::Tool(Trouble::FailsAfterEffect)),
    ("killed", Fault::Tool(Trouble::Killed)),
    ("lies", Fault::Tool(Trouble::Lies)),
    ("hangs", Fault::Tool(Trouble::Hangs)),
    ("rubbish", Fault::Tool(Trouble::Rubbish)),
    ("run-twice", Fault::Tool(Trouble::Twice)),
    ("second-coordinator", Fault::SecondCoordinator),
    ("failover", Fault::Failover),
    ("crash", Fault::Crash),
    ("cancel", Fault::Cancel),
];

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Partition { host, seconds } = self {
            return write!(f, "partition-{host}-{seconds}");
        }
        let word = WORDS.iter().find(|(_, fault)| fault == self).map_or("?", |(word, _)| word);
        f.write_str(word)
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, fault)) = WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(*fault);
        }
        let parts: Vec<_> = text.split('-').collect();
        if let ["partition", host, seconds] = parts.as_slice()
            && let (Ok(host), Ok(seconds)) = (host.parse(), seconds.parse())
        {
            return Ok(Self::Partition { host, seconds });
        }
        Err(format!("{text:?} is no fault"))
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, number) = text.split_once(':').unwrap_or((text, ""));
        let number = number.parse().map_err(|_| format!("{text:?} is no moment"))?;
        match kind {
            "before" => Ok(Self::Before(number)),
            "after" => Ok(Self::After(number)),
            "call" => Ok(Self::Call(number)),
            "tool" => Ok(Self::Tool(number)),
            "event" => Ok(Self::Event(number)),
            _ => Err(format!("{text:?} is no moment")),
        }
    }
}

/// A plan as one word, for a command line.
pub fn show(plan: &Plan) -> String {
    let words: Vec<_> = plan.iter().map(|(moment, fault)| format!("{moment}={fault}")).collect();
    words.join(",")
}

/// The plan that [`show`] shows; empty: none.
///
/// # Errors
/// If a word is none.
pub fn parse(text: &str) -> Result<Plan, String> {
    let mut plan = Plan::new();
    for word in text.split(',').filter(|word| !word.is_empty()) {
        let (moment, fault) = word.split_once('=').ok_or_else(|| format!("{word:?} has no ="))?;
        plan.insert(moment.parse()?, fault.parse()?);
    }
    Ok(plan)
}
