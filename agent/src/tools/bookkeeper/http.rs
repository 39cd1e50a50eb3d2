//! Readings by the HTTP admin API of this host's own bookie. Must not change anything.

use std::time::Duration;

use bellows_proto::v1::{BookkeeperServer, Fault, FaultCode};

use super::values::Node;
use crate::{
    facilities::Runner,
    host::http::{Cause, HttpError, HttpReply, HttpRequest, Target},
    tools::bookkeeper_http::{ClusterInfo, Info, State},
};

/// A reading must be back before a query's own deadline, also when the bookie hangs.
pub(super) const READ_DEADLINE: Duration = Duration::from_millis(3500);

/// Asks.
///
/// # Errors
/// If there is no reply.
pub(super) async fn get(
    runner: &dyn Runner,
    node: &Node,
    target: Target,
    deadline: Duration,
) -> Result<HttpReply, Fault> {
    let reply = runner.http(HttpRequest::get(node.http, target, deadline)).await;
    reply.map_err(silent)
}

/// Why there is no reply.
fn silent(error: HttpError) -> Fault {
    let refused = matches!(error.cause, Cause::Refused);
    let fault = Fault::from(error);
    if !refused {
        return fault;
    }
    let fault = Fault { code: fault.code, ..Fault::new(FaultCode::ToolFailed, fault.message) };
    fault.remedy("the bookie does not run, is not registered yet, or has its HTTP admin API switched off or elsewhere")
}

/// What the bookie says of itself.
///
/// # Errors
/// Why it cannot be asked.
pub(super) async fn state(runner: &dyn Runner, node: &Node) -> Result<BookkeeperServer, Fault> {
    let (state, info) = futures::join!(
        get(runner, node, State::target(), READ_DEADLINE),
        get(runner, node, Info::target(), READ_DEADLINE),
    );
    let state = State::parse(&state?)?;
    let info = Info::parse(&info?)?;
    Ok(BookkeeperServer {
        running: state.running,
        read_only: state.read_only,
        shutting_down: state.shutting_down,
        free_bytes: info.free_space,
        total_bytes: info.total_space,
    })
}

/// What it says of the cluster: whether autorecovery is on, who is the auditor.
///
/// # Errors
/// Why it cannot be asked.
pub(super) async fn cluster_info(
    runner: &dyn Runner,
    node: &Node,
    deadline: Duration,
) -> Result<ClusterInfo, Fault> {
    Ok(ClusterInfo::parse(&get(runner, node, ClusterInfo::target(), deadline).await?)?)
}
