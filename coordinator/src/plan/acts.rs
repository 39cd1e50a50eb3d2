//! What a draft is made of: acts and how they are taken back, the pace of waits, and what a system says of
//! its own actions.

use bellows_proto::v1::{Act, Action, Condition};

use super::by_hand::Places;

/// What a system says of the actions in its plans.
pub trait Acts {
    /// Revision of the system's planner.
    const REVISION: u32;
    /// Where a node lives: the system's placement.
    type Place;
    /// How long a job of it may take.
    fn limits(action: &Action) -> Limits;
    /// It in a few words.
    fn summary(action: &Action) -> String;
    /// What it changes in managed files, its undo acts given: lines that begin with "+ " or "- ".
    fn changes(act: &Act) -> Vec<String>;
    /// What an administrator would type for it, every value quoted for a shell.
    fn by_hand(action: &Action, places: &Places<'_, Self::Place>) -> Vec<String>;
}

/// How long a job may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// It is ended after this long, milliseconds; 0: never.
    pub deadline_ms: u64,
    /// Held when its progress does not move for this long, milliseconds; 0: not watched.
    pub stall_ms: u64,
}

/// One act before it has its numbers.
#[derive(Debug)]
pub struct Task {
    /// What is done, with the names of the nodes.
    pub title: String,
    /// Why.
    pub reason: &'static str,
    /// Who does it.
    pub host: String,
    /// What is run there.
    pub action: Action,
    /// What must hold before it begins.
    pub requires: Vec<Condition>,
    /// What takes it back, in this order.
    pub undo: Vec<Back>,
}

/// One act that takes another back.
#[derive(Debug)]
pub struct Back {
    /// Who does it.
    pub host: String,
    /// What is run there.
    pub action: Action,
    /// What it waits for.
    pub requires: Vec<Condition>,
}

/// One that waits for nothing.
pub fn back(host: &str, action: Action) -> Back {
    Back { host: host.to_owned(), action, requires: Vec::new() }
}

/// How often a wait reads, and when it is stalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Pause between two readings, milliseconds.
    pub interval_ms: u64,
    /// Held as stalled when the number read does not move for this long, milliseconds.
    pub stall_ms: u64,
}

impl Pace {
    /// A reading every second, for what takes seconds.
    pub const fn every_second(stall_ms: u64) -> Self {
        Self { interval_ms: 1000, stall_ms }
    }
}
