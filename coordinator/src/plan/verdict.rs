//! What judgments come to, and what is asked for them. Values only.

use bellows_proto::v1::{ConnectionString, MemberView, Progress, Query};

/// What a condition is, judged by an observation.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not hold yet, and may by itself. With the number that must reach its goal.
    NotYet {
        /// In words, with the names of what is missing.
        reason: String,
        /// How far it is, where it is measured.
        progress: Option<Progress>,
    },
    /// It does not hold and waiting will not help.
    Refused(String),
    /// It cannot be known: a host did not answer, a reading is missing.
    Unknown(String),
}

/// Whether an action has had its effect, judged by an observation asked for after the seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Its whole effect is there.
    Done,
    /// Nothing of it is there.
    NotDone,
    /// Something of it is there: what.
    Partial(String),
    /// It cannot be known: why.
    Unknown(String),
}

impl Verdict {
    /// It does not hold yet, and nothing is measured.
    pub fn not_yet(reason: String) -> Self {
        Self::NotYet { reason, progress: None }
    }

    /// Holds if nothing is missing.
    pub fn unless(missing: &[String]) -> Self {
        if missing.is_empty() { Self::Holds } else { Self::not_yet(missing.join("; ")) }
    }
}

impl Probe {
    /// All of its effect is there, or nothing.
    pub fn done_if(done: bool) -> Self {
        if done { Self::Done } else { Self::NotDone }
    }
}

/// A query and the host that is to answer it.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Who.
    pub host: String,
    /// What.
    pub query: Query,
    /// It is a survey: slow to tell, with an age. Asked only where a step needs it.
    pub survey: bool,
}

impl Question {
    /// A query that is answered at once.
    pub fn new(host: impl Into<String>, query: Query) -> Self {
        Self { host: host.into(), query, survey: false }
    }

    /// A survey.
    pub fn survey(host: impl Into<String>, query: Query) -> Self {
        Self { survey: true, ..Self::new(host, query) }
    }
}

/// What `status` shows of an observation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Description {
    /// In natural order of the nodes.
    pub members: Vec<MemberView>,
    /// Empty: healthy. One sentence each.
    pub problems: Vec<String>,
    /// How clients reach it.
    pub connections: Vec<ConnectionString>,
}
