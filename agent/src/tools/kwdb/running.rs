//! Actions on whether a node runs. Each may be repeated. Must not know membership.

use std::time::Duration;

use bellows_proto::v1::{
    Fault, FaultCode, KwdbRestartNode, KwdbStartNode, KwdbStopNode, ServiceState,
};

use super::{
    service,
    session::{as_owner, ask, dial, led, own_row, rows},
    values::Node,
};
use crate::{
    facilities::Runner as _,
    tools::{JobContext, Note, kwbase::Rows},
};

/// How long a start waits for the node to answer. That it is a member is for its members to say.
const START_WAIT: Duration = Duration::from_secs(20);
/// The tool's own time to drain is ten minutes.
const QUIT: Duration = Duration::from_secs(11 * 60);
const POLL: Duration = Duration::from_millis(500);

/// Starts and enables a node.
pub(super) async fn start_node(
    action: &KwdbStartNode,
    context: &JobContext,
) -> Result<Note, Fault> {
    let node = led(context.local(), action.node.as_ref())?;
    service::start(context, &node).await?;
    answering(context, &node).await
}

async fn answering(context: &JobContext, node: &Node) -> Result<Note, Fault> {
    let clock = &context.local().clock;
    let since_ms = clock.now_ms();
    loop {
        match rows(context, node, Rows::Active).await {
            Ok(_) => return Ok("the node runs and answers".to_owned()),
            Err(fault) if fault.code() == FaultCode::Cancelled => return Err(fault),
            Err(fault) => {
                if service::reading(context, node).await?.state() != ServiceState::Running {
                    return Err(service::ended(context, node));
                }
                let waited_ms = u128::try_from(clock.now_ms() - since_ms).unwrap_or(u128::MAX);
                if waited_ms >= START_WAIT.as_millis() {
                    return Ok(format!("the node runs, but cannot be asked yet: {fault}"));
                }
            }
        }
        clock.sleep(POLL).await;
    }
}

/// Stops and disables a node. Stopped is fine.
pub(super) async fn stop_node(action: &KwdbStopNode, context: &JobContext) -> Result<Note, Fault> {
    let node = led(context.local(), action.node.as_ref())?;
    let runs = service::reading(context, &node).await?.state() == ServiceState::Running;
    if action.quit && runs {
        quit(context, &node).await?;
    }
    service::stop(context, &node).await?;
    Ok("the node is stopped".to_owned())
}

/// Drains and ends it in its own time, where it can be asked to: else it is stopped all the same.
async fn quit(context: &JobContext, node: &Node) -> Result<(), Fault> {
    let invocation = dial(context.local(), node)?.quit(QUIT);
    let invocation = as_owner(context.local(), node, invocation);
    match context.run(invocation).await {
        Err(fault) if fault.code() == FaultCode::Cancelled => Err(fault),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Stops and starts a node, unless it was started anew already.
pub(super) async fn restart_node(
    action: &KwdbRestartNode,
    context: &JobContext,
) -> Result<Note, Fault> {
    let node = led(context.local(), action.node.as_ref())?;
    if let Ok(server) = ask(context, &node).await
        && let Some(row) = own_row(&server.active, &node)
        && !action.started_at.is_empty()
        && !row.started_at.is_empty()
        && row.started_at != action.started_at
    {
        return Ok(format!("it was started anew at {}", row.started_at));
    }
    service::stop(context, &node).await?;
    service::start(context, &node).await?;
    answering(context, &node).await
}

/// By the service manager, and by the processes of the host.
///
/// # Errors
/// `DRIFT` if it runs.
pub(super) async fn refuse_running(context: &JobContext, node: &Node) -> Result<(), Fault> {
    let service = service::reading(context, node).await?;
    if service.state() != ServiceState::Running {
        return Ok(());
    }
    Err(Fault::new(
        FaultCode::Drift,
        format!("the node {} runs (process {})", node.name, service.pid),
    )
    .remedy("stop it, then retry"))
}
