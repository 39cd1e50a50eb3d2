//! KWDB on this host: what queries read and actions change.
//!
//! Messages name nodes; paths come from the node's claim. Must not know the coordinator, plans or other hosts.

use bellows_proto::v1::{
    Fault, FaultCode, KwdbAction, KwdbAnswer, KwdbPlacement, KwdbQuery, NodeRef, SystemFacts,
};

use super::{JobContext, Note, QueryContext};
use crate::facilities::{Local, Runner, claims::Holdings};

fn not_yet() -> Fault {
    Fault::new(FaultCode::Invalid, "kwdb is not known to this agent yet")
}

/// Answers a query.
///
/// # Errors
/// Why there is no answer.
pub async fn answer(_: &KwdbQuery, _: &QueryContext) -> Result<KwdbAnswer, Fault> {
    Err(not_yet())
}

/// Performs an action.
///
/// # Errors
/// Why it failed.
pub async fn perform(_: &KwdbAction, _: &JobContext) -> Result<Note, Fault> {
    Err(not_yet())
}

/// Whether the action's tool leaves daemons behind: `deploy.sh` does.
pub fn leaves_daemons(_: &KwdbAction) -> bool {
    false
}

/// Where a new node would live.
///
/// # Errors
/// `INVALID` for a bad name.
pub fn propose(_: &Local, _: &NodeRef, _: u16) -> Result<KwdbPlacement, Fault> {
    Err(not_yet())
}

/// What a placement takes on this host.
///
/// # Errors
/// `INVALID` or `DENIED`, naming what differs.
pub fn holdings(_: &Local, _: &NodeRef, _: &KwdbPlacement) -> Result<Holdings, Fault> {
    Err(not_yet())
}

/// What a placement takes, as it says; nothing is refused.
pub fn takes(_: &NodeRef, _: &KwdbPlacement) -> Holdings {
    Holdings::default()
}

/// Remembers the service of an adopted node.
///
/// # Errors
/// `DENIED` if `agent.toml` does not allow it.
pub async fn take_over(_: &NodeRef, _: &KwdbPlacement, _: &JobContext) -> Result<(), Fault> {
    Err(not_yet())
}

/// Refuses while the node runs.
///
/// # Errors
/// `DRIFT` if it does.
pub async fn refuse_running(_: &NodeRef, _: &KwdbPlacement, _: &JobContext) -> Result<(), Fault> {
    Err(not_yet())
}

/// What this host has for KWDB.
pub async fn facts(_: &dyn Runner) -> SystemFacts {
    SystemFacts { system: "kwdb".to_owned(), ..SystemFacts::default() }
}
