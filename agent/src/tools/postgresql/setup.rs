//! Actions on one node by itself: its configuration, data directory and services.
//!
//! Each may be repeated. None says "done" from an exit status alone: the coordinator reads
//! the node again. Must not know other members.

use std::time::Duration;

use bellows_proto::v1::{
    CreateRepmgrDatabase, DirectoryState, DiscardData, Fault, FaultCode, HbaSettings, InitDatabase,
    NodeRef, PostgresqlService, RemoveConfiguration, ServiceState, StartService, StopService,
    WriteConfiguration, WriteHba,
};

use super::{
    pgpass, place, reading,
    render::{
        FILES, PG_HBA_CONF, PG_IDENT_CONF, POSTGRESQL_CONF, REPMGR_CONF, pg_hba, pg_ident,
        postgresql_conf, repmgr_conf,
    },
    session::{Client, claimed, required},
    values::Node,
};
use crate::{
    facilities::{Local, Runner, claims, fault, secrets, services},
    host::{Access, Signal},
    tools::{
        JobContext, Note,
        initdb::{Initdb, initdb},
        repmgr::{DATABASE, ROLE},
    },
};

const CREATE_DATABASE: &str = include_str!("create_database.sql");
/// How long a start waits for the server to let somebody in. A standby may need longer to
/// become consistent: the coordinator waits for that.
const START_WAIT: Duration = Duration::from_secs(20);
/// How long a change of `pg_hba.conf` waits for the server to have loaded it.
const LOAD_WAIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(250);
/// First line: the postmaster's process id.
const PID_FILE: &str = "postmaster.pid";

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
    let (node, _) = claimed(local, required(action.node.as_ref())?)?;
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
    let private = Access::owned(0o700, &node.os_user);
    for folder in [&node.conf_dir, &node.log_dir] {
        local.host.create_directory(folder.as_path(), &private)?;
    }
    for (name, text) in rendered {
        managed(local, &node, name, &text)?;
    }
    let services = services(context);
    services.install(&place::server(&node)).await?;
    services.install(&place::repmgrd(&node)).await?;
    Ok(format!("configuration of {} is in {}", node.name, node.conf_dir))
}

/// Takes back what [`write_configuration`] made. Refused while the server runs.
pub(super) async fn remove_configuration(
    action: &RemoveConfiguration,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, _) = claimed(local, required(action.node.as_ref())?)?;
    refuse_running(context, &node).await?;
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
    let (node, _) = claimed(local, required(action.node.as_ref())?)?;
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
            Some(bellows_proto::v1::postgresql_reading::Server::Up(up)) => {
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
            Some(bellows_proto::v1::postgresql_reading::Server::Down(fault)) => fault,
            None => Fault::new(FaultCode::Internal, "the reading says nothing of the server"),
        };
        waited += POLL;
        if waited >= LOAD_WAIT {
            return Err(fault);
        }
    }
}

/// The data directory, empty and the node's own. Occupied: refused.
pub(super) fn prepare_data_directory(local: &Local, node: &Node) -> Result<(), Fault> {
    let path = node.data_dir.as_path();
    if claims::directory_state(local, path)? == DirectoryState::Occupied {
        return Err(Fault::new(
            FaultCode::Drift,
            format!("the data directory {path} is not empty"),
        )
        .remedy("undo the step: it empties the directory, if Bellows made it; then retry"));
    }
    let private = Access::owned(0o700, &node.os_user);
    Ok(local.host.create_directory(path, &private)?)
}

/// `initdb`, with the password of the repmgr role from the host's passfile.
pub(super) async fn init_database(
    action: &InitDatabase,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, _) = claimed(local, required(action.node.as_ref())?)?;
    let password_file = password_file(context, &node)?;
    prepare_data_directory(local, &node)?;
    let invocation = initdb(&Initdb {
        bin_dir: node.bin_dir.as_path(),
        data_dir: node.data_dir.as_path(),
        superuser: ROLE,
        password_file: &password_file,
    })
    .user(&node.os_user);
    let command = invocation.command();
    let finished = context.run(invocation).await?;
    if !finished.success() {
        return Err(fault::tool_failed(&command, &finished, "make the data directory"));
    }
    Ok(format!("initdb made {}", node.data_dir))
}

fn password_file(context: &JobContext, node: &Node) -> Result<camino::Utf8PathBuf, Fault> {
    let path = node.passfile.as_path();
    let passfile = secrets::read(context.local(), path)?;
    let wanted = pgpass::Wanted {
        host: &node.address.to_string(),
        port: node.port.get(),
        database: DATABASE,
        user: ROLE,
    };
    let password = pgpass::find(&passfile, &wanted).ok_or_else(|| {
        Fault::new(
            FaultCode::Secret,
            format!("{path} has no password of role {ROLE} for {}", node.address),
        )
        .remedy(format!("add a line like *:*:*:{ROLE}:PASSWORD to it, the same on all hosts"))
    })?;
    context.secret_file("password", &node.os_user, &password)
}

/// The database of repmgr, and the role that the owner of the node has locally.
pub(super) async fn create_repmgr_database(
    action: &CreateRepmgrDatabase,
    context: &JobContext,
) -> Result<Note, Fault> {
    let (node, _) = claimed(context.local(), required(action.node.as_ref())?)?;
    let (command, finished) =
        Client::of_node(&node).change(context, node.endpoint(), &[], CREATE_DATABASE).await?;
    if !finished.success() {
        return Err(fault::tool_failed(&command, &finished, "create the repmgr database"));
    }
    Ok("database repmgr and role postgres are there".to_owned())
}

fn service_name(node: &Node, service: PostgresqlService) -> Result<&str, Fault> {
    match service {
        PostgresqlService::Server => Ok(&node.server_service),
        PostgresqlService::Repmgrd => Ok(&node.repmgrd_service),
        PostgresqlService::Unspecified => {
            Err(Fault::new(FaultCode::Invalid, "the action names no service"))
        }
    }
}

/// Starts and enables a service; for the server, waits until it lets somebody in.
pub(super) async fn start_service(
    action: &StartService,
    context: &JobContext,
) -> Result<Note, Fault> {
    let (node, _) = claimed(context.local(), required(action.node.as_ref())?)?;
    let name = service_name(&node, action.service())?;
    services(context).start(name).await?;
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
                let service = services(context).reading(&node.server_service).await?;
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
    let (node, _) = claimed(context.local(), required(action.node.as_ref())?)?;
    let name = service_name(&node, action.service())?;
    services(context).stop(name).await?;
    Ok(format!("service {name} is stopped"))
}

/// Empties the data directory of a node that does not run, if Bellows made what is in it.
pub(super) async fn discard_data(
    action: &DiscardData,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (node, claim) = claimed(local, required(action.node.as_ref())?)?;
    let path = node.data_dir.as_path();
    let ours = claim.directories.iter().any(|directory| {
        let was_free = matches!(directory.prior(), DirectoryState::Absent | DirectoryState::Empty);
        directory.data && was_free && directory.path == path.as_str()
    });
    if !ours {
        return Err(Fault::new(
            FaultCode::NotClaimed,
            format!("{path} was not free when it was claimed, so its content is not ours"),
        ));
    }
    refuse_running(context, &node).await?;
    if claims::directory_state(local, path)? == DirectoryState::Occupied {
        local.host.remove_directory(path)?;
        let private = Access::owned(0o700, &node.os_user);
        local.host.create_directory(path, &private)?;
    }
    Ok(format!("{path} is empty"))
}

/// Two independent words: the service manager's and the data directory's own pid file.
async fn refuse_running(context: &JobContext, node: &Node) -> Result<(), Fault> {
    let local = context.local();
    let running = |what: String| {
        Fault::new(FaultCode::Conflict, what).remedy("stop the node's server, then retry")
    };
    let service = services(context).reading(&node.server_service).await?;
    if service.state() == ServiceState::Running {
        let name = &node.server_service;
        return Err(running(format!("service {name} runs")));
    }
    let file = node.data_dir.as_path().join(PID_FILE);
    let Some(bytes) = local.host.read(&file, 4096)? else {
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

/// For actions that name a node of this host besides another.
pub(super) fn at<'a>(reference: Option<&'a NodeRef>, local: &Local) -> Result<Node, Fault> {
    claimed(local, required(reference)?).map(|(node, _)| node)
}
