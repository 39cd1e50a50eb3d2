//! PostgreSQL with repmgr on this host. STUB: owned by the author of the PostgreSQL tools.

use bellows_proto::v1::{
    Fault, FaultCode, NodeRef, PostgresqlAction, PostgresqlAnswer, PostgresqlPlacement,
    PostgresqlQuery, SystemFacts,
};

use super::{JobContext, Note, QueryContext};
use crate::facilities::{Local, Runner, claims::Holdings};

fn not_yet() -> Fault {
    Fault::new(FaultCode::Internal, "not written yet")
}

/// Answers a query.
///
/// # Errors
/// Why there is no answer.
pub async fn answer(
    query: &PostgresqlQuery,
    context: &QueryContext,
) -> Result<PostgresqlAnswer, Fault> {
    let _ = (query, context);
    Err(not_yet())
}

/// Performs an action.
///
/// # Errors
/// Why it failed.
pub async fn perform(action: &PostgresqlAction, context: &JobContext) -> Result<Note, Fault> {
    let _ = (action, context);
    Err(not_yet())
}

/// Where a new node would live: pure, by `agent.toml`; `node_id` is 0. `port` 0: the default.
///
/// # Errors
/// `FAULT_CODE_INVALID` for a bad name or port.
pub fn propose(local: &Local, node: &NodeRef, port: u16) -> Result<PostgresqlPlacement, Fault> {
    let _ = (local, node, port);
    Err(not_yet())
}

/// What a placement takes; refuses one that is not what [`propose`] says for its port (its
/// `node_id` is the plan's to choose, and must not be 0).
///
/// # Errors
/// `FAULT_CODE_INVALID`, naming what differs.
pub fn holdings(
    local: &Local,
    node: &NodeRef,
    placement: &PostgresqlPlacement,
) -> Result<Holdings, Fault> {
    let _ = (local, node, placement);
    Err(not_yet())
}

/// What a placement takes on its host, without judging it.
pub fn takes(placement: &PostgresqlPlacement) -> Holdings {
    let _ = placement;
    Holdings::default()
}

/// Tool versions, free disk under the data root, address. What cannot be read stays empty.
pub async fn facts(runner: &dyn Runner) -> SystemFacts {
    let _ = runner;
    SystemFacts::default()
}
