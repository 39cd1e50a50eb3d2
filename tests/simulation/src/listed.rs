//! What a system brings to be simulated: its tools as a model, its hosts' configuration, and the
//! operations that are tried. All else is the same for every system.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use bellows::systems::AllSystems;
use bellows_proto::v1::{Intent, KeyValue};
use camino::{Utf8Path, Utf8PathBuf};

use super::tools::Tools;

/// The model of a system: its tools, and the truth about it that no tool tells.
pub trait Model: Tools {
    /// A client writes a row; `None`: nobody takes it. What was taken must never be lost.
    fn insert(&self) -> Option<u64>;
    /// Acknowledged rows that a member has not, one sentence each.
    fn missing(&self) -> Vec<String>;
    /// The system changes by itself, or by somebody else's hand: as it does when its leading node fails.
    /// `false`: it cannot now.
    fn fail_over(&self) -> bool;
    /// Somebody else does this to the system, in the model's own word. `false`: it cannot be done.
    fn meddle(&self, deed: &str) -> bool;
    /// All that can be said of the system, without what differs from run to run.
    fn describe(&self) -> BTreeMap<String, String>;
    /// What must never have happened, and has.
    fn violations(&self) -> Vec<String>;
}

/// An operation that is tried with every fault.
#[derive(Debug, Clone)]
pub struct Operation {
    /// In one word.
    pub name: &'static str,
    /// What is done before it, without faults.
    pub before: Vec<Wish>,
    /// The operation itself.
    pub wish: Wish,
    /// The administrator cancels after so many events of the journal.
    pub cancel_after: Option<usize>,
    /// This host loses power before it, and comes back by itself as soon as its node is forgotten;
    /// where that never is, it stays away.
    pub dies: Option<&'static str>,
    /// The system fails over before it: the leading node is gone, and another one leads.
    pub fails_over: bool,
    /// Somebody else does this to the system before it, in the model's own word.
    pub meddles: Option<&'static str>,
    /// What the site's configuration says.
    pub site: AllSystems,
    /// It must be refused: nothing may begin.
    pub refused: bool,
}

/// An intent with options.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What is wanted.
    pub intent: Intent,
    /// `--option key=value`.
    pub options: Vec<KeyValue>,
}

/// A system in the list.
pub trait System: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// Number of hosts.
    fn hosts(&self) -> u8;
    /// `agent.toml` of a host.
    fn agent_toml(&self, host: &str, address: Ipv4Addr) -> String;
    /// A fresh model.
    fn model(&self) -> Arc<dyn Model>;
    /// What is tried.
    fn operations(&self) -> Vec<Operation>;
    /// Folders in which it lives: what is there is compared after an undone operation.
    fn roots(&self) -> Vec<Utf8PathBuf>;
    /// Whether this path stays after an operation that was taken back: what is only remembered of a node.
    fn is_only_remembered(&self, path: &Utf8Path) -> bool;
    /// Whether this fact of the model is brought about by a step that may be passed over: it is left to
    /// the administrator then.
    fn is_left_to_hand(&self, fact: &str) -> bool;
    /// Whether its waits are long: what is read over and over, and nothing journalled meanwhile, is then no point
    /// from some rounds on.
    fn waits_long(&self) -> bool {
        false
    }
    /// Whether an operation may end otherwise than it would have when the system changed by itself.
    fn is_moved_by_failover(&self) -> bool;
}

/// Every system that is simulated.
pub fn systems() -> Vec<Box<dyn System>> {
    vec![
        Box::new(super::listed_postgresql::Postgresql),
        Box::new(super::listed_kwdb::Kwdb { secure: false }),
        Box::new(super::listed_kwdb::Kwdb { secure: true }),
        Box::new(super::listed_bookkeeper::Bookkeeper),
    ]
}
