//! A node's two services, whoever made them: how they are, stopped, started.
//!
//! Those of an adopted node are somebody else's: `agent.toml` says which units they are, and where there
//! is no systemd they are processes. Must not know what a stop or start is for.

use std::time::Duration;

use bellows_proto::v1::{Fault, FaultCode, PostgresqlService, ServiceReading, ServiceState};

use super::{
    adopted::{self, their_units},
    place::{self, REPMGRD, SERVER},
    session::PROFILE,
    values::{Node, PlainPath},
};
use crate::{
    config::LaunchForm,
    facilities::{
        Runner, services,
        services::{Foreign, ServiceSpec, UnitState},
    },
    host::{Access, ProcessId},
    tools::JobContext,
};

/// How long a start waits for a process.
const START_WAIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);
/// Both of them.
const BOTH: [PostgresqlService; 2] = [PostgresqlService::Server, PostgresqlService::Repmgrd];

/// The name that a service has at this agent.
fn name(node: &Node, service: PostgresqlService) -> Result<String, Fault> {
    let kind = match service {
        PostgresqlService::Server => SERVER,
        PostgresqlService::Repmgrd => REPMGRD,
        PostgresqlService::Unspecified => {
            return Err(Fault::new(FaultCode::Invalid, "the action names no service"));
        }
    };
    Ok(match (node.adopted, service) {
        (true, _) => place::service_name(&node.cluster, &node.name, kind),
        (false, PostgresqlService::Server) => node.server_service.clone(),
        (false, PostgresqlService::Repmgrd | PostgresqlService::Unspecified) => {
            node.repmgrd_service.clone()
        }
    })
}

/// Starts a service and lets it start at boot (one that was adopted: as it did before); returns what it
/// is called.
///
/// # Errors
/// If it does not start; `DENIED` if `agent.toml` does not say how.
pub(super) async fn start(
    context: &JobContext,
    node: &Node,
    service: PostgresqlService,
) -> Result<String, Fault> {
    let name = name(node, service)?;
    if node.adopted {
        foreign(context, node, service).await?;
    }
    services(context).start(&name).await?;
    let called = called(context, node, service, name);
    if node.adopted {
        appears(context, node, service, &called).await?;
    }
    Ok(called)
}

/// A script of old returns before what it starts is there.
async fn appears(
    context: &JobContext,
    node: &Node,
    service: PostgresqlService,
    called: &str,
) -> Result<(), Fault> {
    let mut waited = Duration::ZERO;
    while process(context, node, service)?.is_none() {
        if waited >= START_WAIT {
            let message = format!("{called} is started, and no process of it is there");
            return Err(Fault::new(FaultCode::ToolFailed, message)
                .remedy("see what it says on the host: systemctl status, and its log"));
        }
        context.local().clock.sleep(POLL).await;
        waited += POLL;
    }
    Ok(())
}

/// Stops a service and lets nothing start it; returns what it is called. Stopped is fine.
///
/// # Errors
/// If it does not stop; `DENIED` if `agent.toml` does not say how.
pub(super) async fn stop(
    context: &JobContext,
    node: &Node,
    service: PostgresqlService,
) -> Result<String, Fault> {
    let name = name(node, service)?;
    if node.adopted {
        foreign(context, node, service).await?;
    }
    services(context).stop(&name).await?;
    let called = called(context, node, service, name);
    let left = if node.adopted { process(context, node, service)? } else { None };
    match left {
        None => Ok(called),
        // A script of old that looks for its process in the wrong file, for one.
        Some(process) => Err(Fault::new(
            FaultCode::ToolFailed,
            format!("{called} is stopped, and its process {} still runs", process.pid),
        )
        .remedy("see how it is started and stopped there, end the process by hand, then retry")),
    }
}

fn called(runner: &dyn Runner, node: &Node, service: PostgresqlService, name: String) -> String {
    let unit = if node.adopted { unit(runner, node, service) } else { String::new() };
    if unit.is_empty() { name } else { unit }
}

/// How a service is now.
///
/// # Errors
/// If the service manager or the processes cannot be asked.
pub(super) async fn reading(
    runner: &dyn Runner,
    node: &Node,
    service: PostgresqlService,
) -> Result<ServiceReading, Fault> {
    let name = name(node, service)?;
    if !node.adopted {
        return services(runner).reading(&name).await;
    }
    let unit = unit(runner, node, service);
    let known = match unit.is_empty() && runner.local().form.has_units() {
        true => UnitState::Free,
        false => services(runner).unit(&unit, &name).await?.state,
    };
    // A unit counts as active while its process is gone, or inactive while a process of somebody else runs.
    let process = process(runner, node, service)?;
    let state = match (process, known) {
        (Some(_), _) => ServiceState::Running,
        (None, UnitState::Free) => ServiceState::Stopped,
        (None, UnitState::Failed) => ServiceState::Failed,
        (None, UnitState::Held | UnitState::Masked) => ServiceState::Masked,
        (None, UnitState::Absent) => ServiceState::Absent,
    };
    // What a generator, a person or another unit may start at boot counts as enabled.
    let barred = matches!(known, UnitState::Held | UnitState::Masked | UnitState::Absent);
    let pid = process.map_or(0, |process| process.pid);
    Ok(ServiceReading { state: state.into(), pid, enabled: !unit.is_empty() && !barred })
}

/// Its process: of the server by the data directory's own pid file, of repmgrd by its command line.
fn process(
    runner: &dyn Runner,
    node: &Node,
    service: PostgresqlService,
) -> Result<Option<ProcessId>, Fault> {
    let local = runner.local();
    let pid = match service {
        PostgresqlService::Server => adopted::postmaster(local, node.data_dir.as_path())?,
        PostgresqlService::Repmgrd => {
            adopted::repmgrd(local, &node.repmgr_conf, &unit(runner, node, service))?
        }
        PostgresqlService::Unspecified => None,
    };
    Ok(pid.and_then(|pid| local.host.process(pid)))
}

/// The unit that `agent.toml` names; empty: none, or this host has no systemd.
fn unit(runner: &dyn Runner, node: &Node, service: PostgresqlService) -> String {
    let local = runner.local();
    let units = their_units(local, node.data_dir.as_path());
    match (local.form, service) {
        (LaunchForm::Process, _) | (_, PostgresqlService::Unspecified) => String::new(),
        (LaunchForm::Systemd | LaunchForm::User, PostgresqlService::Server) => units.server,
        (LaunchForm::Systemd | LaunchForm::User, PostgresqlService::Repmgrd) => units.repmgrd,
    }
}

/// Remembers both services of an adopted node.
pub(super) async fn take_over(context: &JobContext, node: &Node) -> Result<(), Fault> {
    for service in BOTH {
        foreign(context, node, service).await?;
    }
    Ok(())
}

/// Remembers a service of an adopted node as what it is now, if `agent.toml` says what starts it.
async fn foreign(
    context: &JobContext,
    node: &Node,
    service: PostgresqlService,
) -> Result<(), Fault> {
    adopted::still_listed(context.local(), node)?;
    if let Some(why) = obstacle(context, node, service).await? {
        return Err(Fault::new(FaultCode::Denied, why)
            .remedy("mend it on the host, restart its agent if agent.toml changed, then retry"));
    }
    let process = process(context, node, service)?;
    let mut spec = spec(context, node, service, process)?;
    spec.name = name(node, service)?;
    let unit = unit(context, node, service);
    if context.local().form == LaunchForm::Process {
        let private = Access::owned(0o700, &node.os_user);
        if let Some(folder) = spec.log_file.parent() {
            context.local().host.create_directory(folder, &private)?;
        }
    }
    services(context).take_over(&Foreign { spec, unit, process })
}

/// How it is started where no unit does it: as it runs now, else in the plain way.
fn spec(
    context: &JobContext,
    node: &Node,
    service: PostgresqlService,
    process: Option<ProcessId>,
) -> Result<ServiceSpec, Fault> {
    let local = context.local();
    let profile = local.config.profile(PROFILE);
    let mut spec = match service {
        PostgresqlService::Server => {
            let mut spec = place::server(node, profile);
            let config = PlainPath::new("configuration file", &node.config_file)?;
            spec.arguments =
                vec!["-D".into(), node.data_dir.to_string(), format!("--config-file={config}")];
            if let Some(process) = process
                && let Some(command) = adopted::command_of(local, process)?
            {
                spec.arguments = command.into_iter().skip(1).collect();
            }
            spec
        }
        PostgresqlService::Repmgrd | PostgresqlService::Unspecified => {
            place::repmgrd(node, profile)
        }
    };
    // Folders that somebody else made are left as they are.
    spec.directories = Vec::new();
    let logs = place::section(local)?.log_root.join(node.cluster.as_str()).join(node.name.as_str());
    let file = spec.log_file.file_name().unwrap_or("service.out").to_owned();
    spec.log_file = logs.join(file);
    Ok(spec)
}

/// Why the services of an adopted node cannot be stopped and started from here, a sentence each.
///
/// # Errors
/// If the service manager or the processes cannot be asked.
pub(super) async fn obstacles(runner: &dyn Runner, node: &Node) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    for service in BOTH {
        found.extend(obstacle(runner, node, service).await?);
    }
    Ok(found)
}

/// The unit whose main process this is, or whose script of old has started it; empty: none. One that a
/// person started in the unit of a login or of another program is not of that unit.
///
/// # Errors
/// If the process or the service manager cannot be asked.
pub(super) async fn unit_of(runner: &dyn Runner, pid: u32) -> Result<String, Fault> {
    let local = runner.local();
    let unit = adopted::unit_of(local.host.as_ref(), pid)?;
    if unit.is_empty() || local.form == LaunchForm::Process {
        return Ok(unit);
    }
    let main = services(runner).unit(&unit, "").await?.pid;
    Ok(if main == 0 || main == pid { unit } else { String::new() })
}

async fn obstacle(
    runner: &dyn Runner,
    node: &Node,
    service: PostgresqlService,
) -> Result<Option<String>, Fault> {
    let local = runner.local();
    if local.form == LaunchForm::Process {
        return Ok(None);
    }
    let (kind, key) = match service {
        PostgresqlService::Server => ("server", "server_unit"),
        PostgresqlService::Repmgrd | PostgresqlService::Unspecified => ("repmgrd", "repmgrd_unit"),
    };
    let unit = unit(runner, node, service);
    let process = process(runner, node, service)?;
    let theirs = match process {
        Some(process) => unit_of(runner, process.pid).await?,
        None => String::new(),
    };
    if unit.is_empty() {
        let line = adopted::declaration_of(local, node, key, &theirs);
        return Ok(Some(format!(
            "agent.toml does not name the unit that starts its {kind}: write {line}"
        )));
    }
    if let Some(process) = process
        && theirs != unit
    {
        let theirs = if theirs.is_empty() { "no unit".to_owned() } else { theirs };
        return Ok(Some(format!(
            "its {kind} (process {}) was started by {theirs}, not by {unit}, which agent.toml names",
            process.pid
        )));
    }
    let name = name(node, service)?;
    if let Some(why) = services(runner).refused_by_sudo(&unit).await? {
        return Ok(Some(why));
    }
    Ok(match services(runner).unit(&unit, &name).await?.state {
        UnitState::Absent => {
            Some(format!("{unit}, which agent.toml names for its {kind}, is not there"))
        }
        UnitState::Masked => Some(format!("{unit} of its {kind} is masked, and not by Bellows")),
        UnitState::Free | UnitState::Failed | UnitState::Held => None,
    })
}
