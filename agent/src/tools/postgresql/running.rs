//! Actions on a node's two services, and whether its server runs.
//!
//! Each may be repeated. Must not know configuration or data.

use std::time::Duration;

use bellows_proto::v1::{
    Fault, FaultCode, PostgresqlService, ServiceState, StartService, StopService,
};

use super::{
    adopted::PID_FILE,
    reading, service,
    session::{Client, led, required},
    values::Node,
};
use crate::{
    facilities::Runner as _,
    tools::{JobContext, Note},
};

/// How long a start waits for the server to let somebody in (a standby may need longer to become
/// consistent: the coordinator waits for that), or for repmgrd to be known by its server.
const START_WAIT: Duration = Duration::from_secs(20);
const CHECKPOINT: &str = include_str!("checkpoint.sql");
const POLL: Duration = Duration::from_millis(250);

/// Starts and enables a service; for the server, waits until it lets somebody in.
pub(super) async fn start_service(
    action: &StartService,
    context: &JobContext,
) -> Result<Note, Fault> {
    let (node, _) = led(context.local(), required(action.node.as_ref())?)?;
    let name = service::start(context, &node, action.service()).await?;
    match action.service() {
        PostgresqlService::Server => accepting(context, &node).await,
        PostgresqlService::Repmgrd | PostgresqlService::Unspecified => {
            Ok(format!("service {name} is started"))
        }
    }
}

async fn accepting(context: &JobContext, node: &Node) -> Result<Note, Fault> {
    let mut waited = Duration::ZERO;
    loop {
        match reading::ask(context, node).await {
            Ok(_) => return Ok("the server accepts connections".to_owned()),
            Err(fault) if fault.code() == FaultCode::Cancelled => return Err(fault),
            Err(fault) => {
                let service = service::reading(context, node, PostgresqlService::Server).await?;
                if service.state() != ServiceState::Running {
                    return Err(Fault::new(FaultCode::ToolFailed, "the server has ended again")
                        .remedy(format!("read its log in {}", node.log_dir)));
                }
                if waited >= START_WAIT {
                    return Ok(format!("the server runs, but cannot be asked yet: {fault}"));
                }
            }
        }
        context.local().clock.sleep(POLL).await;
        waited += POLL;
    }
}

/// Stops and disables a service. Stopped is fine.
pub(super) async fn stop_service(
    action: &StopService,
    context: &JobContext,
) -> Result<Note, Fault> {
    let (node, _) = led(context.local(), required(action.node.as_ref())?)?;
    if action.checkpoint_first {
        // It only makes the stop shorter: a server that cannot do it now stops all the same.
        let script = Client::of_node(&node).change(context, node.endpoint(), &[], CHECKPOINT).await;
        if let Err(fault) = script
            && fault.code() == FaultCode::Cancelled
        {
            return Err(fault);
        }
    }
    let name = service::stop(context, &node, action.service()).await?;
    Ok(format!("service {name} is stopped"))
}

/// Ends repmgrd and starts it, so that it looks at the cluster as it is now; waits until its server
/// knows it. One that saw its primary stop is not to be trusted, paused or not (repmgr 5.3.3): while
/// it counts its attempts to reach that one (6 of 10 s) it notices nothing else, and the end of them
/// is a failover, unless it is paused at that moment; and where its old primary comes back as a
/// standby in between and no other can be reached just then, it ends.
pub(super) async fn repmgrd_anew(context: &JobContext, node: &Node) -> Result<(), Fault> {
    let repmgrd = PostgresqlService::Repmgrd;
    service::stop(context, node, repmgrd).await?;
    let mut waited = Duration::ZERO;
    loop {
        if service::reading(context, node, repmgrd).await?.state() != ServiceState::Running {
            service::start(context, node, repmgrd).await?;
        }
        if reading::ask(context, node).await?.repmgrd_running == Some(true) {
            return Ok(());
        }
        if waited >= START_WAIT {
            return Err(Fault::new(FaultCode::ToolFailed, "repmgrd does not stay up")
                .remedy(format!("read its log in {}", node.log_dir)));
        }
        context.local().clock.sleep(POLL).await;
        waited += POLL;
    }
}

/// Two independent words: the service manager's and the data directory's own pid file.
pub(super) async fn refuse_running(context: &JobContext, node: &Node) -> Result<(), Fault> {
    let local = context.local();
    let running = |what: String| {
        Fault::new(FaultCode::Drift, what).remedy("stop the node's server, then retry")
    };
    let service = service::reading(context, node, PostgresqlService::Server).await?;
    if service.state() == ServiceState::Running {
        return Err(running(format!("the server of {} runs", node.name)));
    }
    let file = node.data_dir.as_path().join(PID_FILE);
    let Some((bytes, _)) = local.host.read_guarded(&file, 4096)? else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(&bytes);
    let pid = text.lines().next().and_then(|line| line.trim().parse().ok());
    match pid {
        Some(pid) if local.host.process(pid).is_none() => Ok(()),
        Some(pid) => Err(running(format!("{file} names the living process {pid}"))),
        None => Err(running(format!("{file} is there and cannot be read"))),
    }
}
