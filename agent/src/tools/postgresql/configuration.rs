//! Actions on a node's configuration files and the services that they belong to.
//!
//! Each may be repeated. Must not know what is in the data directory.

use std::time::Duration;

use bellows_proto::v1::{
    Fault, FaultCode, HbaSettings, RemoveConfiguration, WriteConfiguration, WriteHba,
    postgresql_reading::Server,
};

use super::{
    place, reading,
    render::{
        FILES, PG_HBA_CONF, PG_IDENT_CONF, POSTGRESQL_CONF, REPMGR_CONF, pg_hba, pg_ident,
        postgresql_conf, repmgr_conf,
    },
    running::refuse_running,
    session::{PROFILE, made, required},
    values::Node,
};
use crate::{
    facilities::{Local, Runner, services},
    host::{Access, Signal},
    tools::{JobContext, Note},
};

/// How long a change of `pg_hba.conf` waits for the server to have loaded it.
const LOAD_WAIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(250);

fn managed(local: &Local, node: &Node, name: &'static str, text: &str) -> Result<(), Fault> {
    let path = node.conf_dir.file(name);
    let access = Access::owned(0o600, &node.os_user);
    local.managed().write(path.as_path(), text.as_bytes(), &access)
}

/// Renders the configuration files and installs both services. Needs nothing that comes later.
pub(super) async fn write_configuration(
    action: &WriteConfiguration,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, _) = made(local, required(action.node.as_ref())?)?;
    let unset = |what| Fault::new(FaultCode::Invalid, format!("the action has no {what}"));
    let settings = action.server.as_ref().ok_or_else(|| unset("server settings"))?;
    let hba = action.hba.as_ref().ok_or_else(|| unset("hba settings"))?;
    // All are rendered before the first is written: a refused value changes nothing.
    let rendered = [
        (POSTGRESQL_CONF, postgresql_conf::render(&node, settings)?),
        (PG_HBA_CONF, pg_hba::render(&node, hba)?),
        (PG_IDENT_CONF, pg_ident(&node)),
        (REPMGR_CONF, repmgr_conf::render(&node, action.clone_rate_kib)),
    ];
    // Likewise one that somebody changed.
    for (name, text) in &rendered {
        local.managed().check_write(node.conf_dir.file(name).as_path(), text.as_bytes())?;
    }
    let private = Access::owned(0o700, &node.os_user);
    for folder in [&node.conf_dir, &node.log_dir] {
        local.host.create_directory(folder.as_path(), &private)?;
    }
    for (name, text) in rendered {
        managed(local, &node, name, &text)?;
    }
    let services = services(context);
    let profile = local.config.profile(PROFILE);
    services.install(&place::server(&node, profile.clone())).await?;
    services.install(&place::repmgrd(&node, profile)).await?;
    Ok(format!("configuration of {} is in {}", node.name, node.conf_dir))
}

/// Takes back what [`write_configuration`] made. Refused while the server runs.
pub(super) async fn remove_configuration(
    action: &RemoveConfiguration,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, _) = made(local, required(action.node.as_ref())?)?;
    refuse_running(context, &node).await?;
    for name in FILES {
        local.managed().check_restore(node.conf_dir.file(name).as_path())?;
    }
    let services = services(context);
    services.remove(&node.repmgrd_service).await?;
    services.remove(&node.server_service).await?;
    for name in FILES.iter().rev() {
        local.managed().restore(node.conf_dir.file(name).as_path())?;
    }
    Ok(format!("configuration of {} is removed", node.name))
}

/// Renders `pg_hba.conf` and has the running server load it.
pub(super) async fn write_hba(action: &WriteHba, context: &JobContext) -> Result<Note, Fault> {
    let local = context.local();
    let (node, _) = made(local, required(action.node.as_ref())?)?;
    let hba = action
        .hba
        .as_ref()
        .ok_or_else(|| Fault::new(FaultCode::Invalid, "the action has no hba settings"))?;
    managed(local, &node, PG_HBA_CONF, &pg_hba::render(&node, hba)?)?;
    load_hba(context, &node, hba).await
}

/// Signals the server until a reading says that the rules are loaded. The signal needs no
/// login, so that rules which let nobody in can be mended.
async fn load_hba(context: &JobContext, node: &Node, wanted: &HbaSettings) -> Result<Note, Fault> {
    let local = context.local();
    let mut waited = Duration::ZERO;
    loop {
        let service = services(context).reading(&node.server_service).await?;
        let Some(server) = local.host.process(service.pid).filter(|_| service.pid != 0) else {
            return Ok("pg_hba.conf is written; the server does not run".to_owned());
        };
        local.host.signal(server, Signal::Hup)?;
        local.clock.sleep(POLL).await;
        let state = reading::node(context, &node.reference()).await?;
        let fault = match state.server {
            Some(Server::Up(up)) => {
                if !up.hba_errors.is_empty() {
                    let errors = up.hba_errors.join("; ");
                    let message = format!("the server refuses pg_hba.conf: {errors}");
                    return Err(Fault::new(FaultCode::Invalid, message));
                }
                if up.hba_loaded.as_ref() == Some(wanted) {
                    return Ok("the server has loaded pg_hba.conf".to_owned());
                }
                Fault::new(FaultCode::ToolFailed, "the server does not load pg_hba.conf")
                    .remedy("read the server's log, then retry")
            }
            Some(Server::Down(fault)) => fault,
            None => Fault::new(FaultCode::Internal, "the reading says nothing of the server"),
        };
        waited += POLL;
        if waited >= LOAD_WAIT {
            return Err(fault);
        }
    }
}
