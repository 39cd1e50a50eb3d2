//! A node's service, whoever made it: how it is, stopped, started.
//!
//! Under systemd it is the unit of the administrator's package, with a drop-in of ours where the node is ours. Elsewhere it is a
//! process: of ours, or taken over. Must not know what a stop or start is for.

use std::time::Duration;

use bellows_proto::v1::{Fault, FaultCode, ServiceReading, ServiceState};

use super::{place, processes, session::environment, start, values::Node};
use crate::{
    config::LaunchForm,
    facilities::{
        Runner, services,
        services::{Foreign, ServiceSpec, UnitState},
    },
    host::{Access, ProcessId, Signal},
    tools::{JobContext, proc},
};

/// A node that is asked to end hands its leases over first; then KILL.
const STOP: Duration = Duration::from_secs(180);
/// How long a start waits for a process.
const START_WAIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

/// Starts a node's service and lets it start at boot.
///
/// # Errors
/// If it does not start.
pub(super) async fn start(context: &JobContext, node: &Node) -> Result<(), Fault> {
    let services = services(context);
    if node.adopted {
        take_over(context, node).await?;
    } else if context.local().form.has_units() {
        // Whoever wrote the drop-in may have been cut short before it was read.
        services.reload().await?;
        services.enable(&node.service()).await?;
    }
    services.start(&node.service()).await?;
    let mut waited = Duration::ZERO;
    while reading(context, node).await?.state() != ServiceState::Running {
        if waited >= START_WAIT {
            return Err(ended(context, node));
        }
        context.local().clock.sleep(POLL).await;
        waited += POLL;
    }
    Ok(())
}

/// It was started, and is not there.
pub(super) fn ended(context: &JobContext, node: &Node) -> Fault {
    let log = match context.local().form {
        LaunchForm::Process => format!("read {}", log_file(node)),
        LaunchForm::Systemd | LaunchForm::User => {
            format!("read journalctl -u {} and the logs in {}/logs", node.unit, node.data_dir)
        }
    };
    Fault::new(FaultCode::ToolFailed, format!("the node {} has ended again", node.name)).remedy(log)
}

/// Stops a node's service and lets nothing start it. Stopped is fine.
///
/// # Errors
/// If it does not stop.
pub(super) async fn stop(context: &JobContext, node: &Node) -> Result<(), Fault> {
    if node.adopted {
        take_over(context, node).await?;
    }
    services(context).stop(&node.service()).await?;
    match process(context, node)? {
        None => Ok(()),
        Some(process) => Err(Fault::new(
            FaultCode::ToolFailed,
            format!(
                "{} is stopped, and process {} of its store still runs",
                node.name, process.pid
            ),
        )
        .remedy("see who started it, end it by hand, then retry")),
    }
}

/// How it is now: a process of its store counts, whoever started it.
///
/// # Errors
/// If the service manager or the processes cannot be asked.
pub(super) async fn reading(runner: &dyn Runner, node: &Node) -> Result<ServiceReading, Fault> {
    let process = process(runner, node)?;
    let mut reading = if runner.local().form.has_units() {
        of_unit(runner, node).await?
    } else {
        services(runner).reading(&node.service()).await?
    };
    if let Some(process) = process {
        reading.set_state(ServiceState::Running);
        reading.pid = process.pid;
    } else if reading.state() == ServiceState::Running && node.container.is_empty() {
        // A process that is not of this store: another node's, or one that is just ending.
        let own = reading.pid == 0 || ended_or_other(runner, reading.pid, node)?;
        if own {
            reading.set_state(ServiceState::Stopped);
            reading.pid = 0;
        }
    } else if reading.state() == ServiceState::Absent && node.adopted {
        // Not taken over yet, and no process: there is nothing that runs it.
        reading.set_state(ServiceState::Stopped);
    }
    Ok(reading)
}

/// Whether this process cannot be the node: it has ended, or it is one with another store.
fn ended_or_other(runner: &dyn Runner, pid: u32, node: &Node) -> Result<bool, Fault> {
    let host = runner.local().host.as_ref();
    if host.process(pid).is_none() {
        return Ok(true);
    }
    let command = proc::command(host, pid)?.unwrap_or_default();
    let running = processes::Running { pid, command };
    let store = running.started().and_then(|started| started.store().map(str::to_owned));
    Ok(store.is_some_and(|store| store != node.data_dir.as_path().as_str()))
}

async fn of_unit(runner: &dyn Runner, node: &Node) -> Result<ServiceReading, Fault> {
    let unit = services(runner).unit(&node.unit, &node.service()).await?;
    let state = match unit.state {
        _ if unit.pid != 0 => ServiceState::Running,
        UnitState::Free => ServiceState::Stopped,
        UnitState::Failed => ServiceState::Failed,
        UnitState::Held | UnitState::Masked => ServiceState::Masked,
        UnitState::Absent => ServiceState::Absent,
    };
    let barred = matches!(unit.state, UnitState::Held | UnitState::Masked | UnitState::Absent);
    Ok(ServiceReading { state: state.into(), pid: unit.pid, enabled: !barred })
}

/// The process of its store; in a container nobody here can see it.
fn process(runner: &dyn Runner, node: &Node) -> Result<Option<ProcessId>, Fault> {
    if !node.container.is_empty() {
        return Ok(None);
    }
    let found = processes::of_store(runner.local().host.as_ref(), node.data_dir.as_path())?;
    Ok(found.map(|(_, process)| process))
}

/// Remembers the service of a node that was there before as what it is now.
///
/// # Errors
/// `DENIED` if `agent.toml` does not allow it, or names another unit than it was started by.
pub(super) async fn take_over(context: &JobContext, node: &Node) -> Result<(), Fault> {
    let local = context.local();
    place::still_allowed(local)?;
    if let Some(why) = obstacles(context, node).await?.into_iter().next() {
        return Err(Fault::new(FaultCode::Denied, why)
            .remedy("mend it on the host, restart its agent if agent.toml changed, then retry"));
    }
    let mut spec = spec(context, node);
    let mut process = None;
    if node.container.is_empty()
        && let Some((running, id)) =
            processes::of_store(local.host.as_ref(), node.data_dir.as_path())?
    {
        // As it runs now.
        spec.arguments = running.command.into_iter().skip(1).collect();
        process = Some(id);
    }
    let section = place::section(local)?;
    let logs = section.log_root.join(node.cluster.as_str()).join(node.name.as_str());
    spec.log_file = logs.join(LOG_FILE);
    if local.form == LaunchForm::Process {
        local.host.create_directory(&logs, &Access::owned(0o700, &node.os_user))?;
    }
    let unit = if local.form.has_units() { node.unit.clone() } else { String::new() };
    services(context).take_over(&Foreign { spec, unit, process })
}

/// Remembers the unit that a drop-in of ours makes start this node.
///
/// # Errors
/// If the record cannot be written.
pub(super) fn remember(context: &JobContext, node: &Node) -> Result<(), Fault> {
    let found = Foreign { spec: spec(context, node), unit: node.unit.clone(), process: None };
    services(context).take_over(&found)
}

const LOG_FILE: &str = "kwbase.out";

fn log_file(node: &Node) -> camino::Utf8PathBuf {
    node.log_dir.file(LOG_FILE)
}

/// A node as a process. Its arguments are filled in where they are known.
pub(super) fn spec(runner: &dyn Runner, node: &Node) -> ServiceSpec {
    ServiceSpec {
        name: node.service(),
        description: format!("KWDB node {} of cluster {}", node.name, node.cluster),
        user: node.os_user.clone(),
        program: node.program.as_path().to_owned(),
        arguments: Vec::new(),
        environment: environment(runner.local()),
        stop_signal: Signal::Term,
        stop_timeout: STOP,
        log_file: log_file(node),
        directories: Vec::new(),
        restart: false,
    }
}

/// Why a node that was there before cannot be stopped and started from here, a sentence each.
///
/// # Errors
/// If the service manager or the processes cannot be asked.
pub(super) async fn obstacles(runner: &dyn Runner, node: &Node) -> Result<Vec<String>, Fault> {
    let local = runner.local();
    if !local.form.has_units() {
        return Ok(Vec::new());
    }
    let unit = &node.unit;
    if let Some(why) = services(runner).refused_by_sudo(unit).await? {
        return Ok(vec![why]);
    }
    let known = services(runner).unit(unit, &node.service()).await?;
    let mut found = match known.state {
        UnitState::Absent => vec![format!("{unit}, which agent.toml names, is not there")],
        UnitState::Masked => vec![format!("{unit} is masked, and not by Bellows")],
        UnitState::Free | UnitState::Failed | UnitState::Held => Vec::new(),
    };
    if let Some(process) = process(runner, node)?
        && process.pid != known.pid
    {
        let theirs = proc::unit_of(local.host.as_ref(), process.pid)?;
        if theirs != *unit {
            let theirs = if theirs.is_empty() { "no unit".to_owned() } else { theirs };
            let pid = process.pid;
            found.push(format!(
                "its process {pid} was started by {theirs}, not by {unit}, which agent.toml names"
            ));
        }
    }
    Ok(found)
}

/// Why this host cannot take a new node, a sentence each.
///
/// # Errors
/// If the service manager or the files cannot be asked.
pub(super) async fn no_room(runner: &dyn Runner, node: &Node) -> Result<Vec<String>, Fault> {
    let local = runner.local();
    let section = place::section(local)?;
    let mut found = Vec::new();
    if !node.container.is_empty() {
        found.push(format!(
            "kwbase is in the container {} here: its compose file says how it is started, and is not Bellows' to change",
            node.container
        ));
    }
    if local.form == LaunchForm::User {
        found.push(format!(
            "the agent runs without root (launch = \"user\"), and cannot say how {} starts a new node",
            node.unit
        ));
    }
    let mode = local.host.metadata(&section.data_root.join(start::STORE_MODE))?;
    if mode.is_some() {
        found.push(format!(
            "there is a store directly in {}: it is the installer's own node, which is to be adopted or emptied by hand",
            section.data_root
        ));
    }
    if local.form.has_units() && node.container.is_empty() {
        let unit = services(runner).unit(&node.unit, &node.service()).await?;
        match unit.state {
            UnitState::Absent => found.push(format!(
                "there is no {}: install KWDB of the cluster's version on the host, and do not start it",
                node.unit
            )),
            UnitState::Masked => found.push(format!(
                "{0} is masked, by somebody or since a node left: systemctl unmask {0}, if a node may come here",
                node.unit
            )),
            UnitState::Free | UnitState::Failed | UnitState::Held => {}
        }
        if unit.pid != 0 {
            found.push(format!("{} runs already (process {})", node.unit, unit.pid));
        }
    }
    Ok(found)
}
