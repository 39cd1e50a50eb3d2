//! BookKeeper on this host: what queries read and actions change.
//!
//! Messages name nodes; paths come from the node's claim. Must not know the coordinator, plans or other hosts.

use bellows_proto::v1::{
    BookkeeperAction, BookkeeperAnswer, BookkeeperPlacement, BookkeeperQuery, Fault, FaultCode,
    NodeRef, SystemFacts,
};

use super::{JobContext, Note, QueryContext};
use crate::facilities::{Local, Runner, claims::Holdings};

fn not_yet() -> Fault {
    Fault::new(FaultCode::Invalid, "bookkeeper is not known to this agent yet")
}

/// Answers a query.
///
/// # Errors
/// Why there is no answer.
pub async fn answer(_: &BookkeeperQuery, _: &QueryContext) -> Result<BookkeeperAnswer, Fault> {
    Err(not_yet())
}

/// Performs an action.
///
/// # Errors
/// Why it failed.
pub async fn perform(_: &BookkeeperAction, _: &JobContext) -> Result<Note, Fault> {
    Err(not_yet())
}

/// Where a new node would live.
///
/// # Errors
/// `INVALID` for a bad name.
pub fn propose(_: &Local, _: &NodeRef, _: u16) -> Result<BookkeeperPlacement, Fault> {
    Err(not_yet())
}

/// What a placement takes on this host.
///
/// # Errors
/// `INVALID` or `DENIED`, naming what differs.
pub fn holdings(_: &Local, _: &NodeRef, _: &BookkeeperPlacement) -> Result<Holdings, Fault> {
    Err(not_yet())
}

/// What a placement takes, as it says; nothing is refused.
pub fn takes(_: &NodeRef, _: &BookkeeperPlacement) -> Holdings {
    Holdings::default()
}

/// Remembers the service of an adopted node.
///
/// # Errors
/// `DENIED` if `agent.toml` does not allow it.
pub async fn take_over(_: &NodeRef, _: &BookkeeperPlacement, _: &JobContext) -> Result<(), Fault> {
    Err(not_yet())
}

/// Whether the unit of a bookie that has left starts another one of this host now.
///
/// # Errors
/// If the claims cannot be read.
pub fn unit_is_anothers(_: &Local, _: &NodeRef, _: &BookkeeperPlacement) -> Result<bool, Fault> {
    Err(not_yet())
}

/// Refuses while the node runs.
///
/// # Errors
/// `DRIFT` if it does.
pub async fn refuse_running(
    _: &NodeRef,
    _: &BookkeeperPlacement,
    _: &JobContext,
) -> Result<(), Fault> {
    Err(not_yet())
}

/// What this host has for BookKeeper.
pub async fn facts(_: &dyn Runner) -> SystemFacts {
    SystemFacts { system: "bookkeeper".to_owned(), ..SystemFacts::default() }
}
