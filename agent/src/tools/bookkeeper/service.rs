//! A bookie's service, whoever made it: how it is, stopped, started.
//!
//! A bookie of ours is a service of ours: a unit, or a process. One that was there before is the unit that `agent.toml` names,
//! or where there are no units a process, stopped by its number and started again by its own command line.
//! Must not know what a stop or start is for.

use std::time::Duration;

use bellows_proto::v1::{Fault, FaultCode, ServiceReading, ServiceState};
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    place, processes,
    session::{CONF, LOG_DIR, environment, placement_of},
    values::Node,
};
use crate::{
    config::LaunchForm,
    facilities::{
        Runner, services,
        services::{Foreign, ServiceSpec, UnitState},
    },
    host::{Access, ProcessId, Signal},
    tools::{JobContext, proc},
};

/// A bookie needs some ten seconds to end, more with much in memory; then KILL.
const STOP: Duration = Duration::from_secs(180);
/// How long a start waits for a process.
const START_WAIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);
/// Finds a program by `PATH`, as the script does that starts a bookie.
const ENV: &str = "/usr/bin/env";
const LOG_FILE: &str = "bookie.out";

/// Starts a bookie's service and lets it start at boot. That it answers is for the caller to read back.
///
/// # Errors
/// If it does not start.
pub(super) async fn start(context: &JobContext, node: &Node) -> Result<(), Fault> {
    if node.adopted {
        take_over(context, node).await?;
    }
    services(context).start(&node.service).await?;
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
    let unit = match node.adopted {
        true => node.unit.clone(),
        false => format!("{}.service", node.service),
    };
    let log = match context.local().form {
        LaunchForm::Process => format!("read {}", log_file(context, node)),
        LaunchForm::Systemd | LaunchForm::User => format!("read journalctl -u {unit} and its logs"),
    };
    Fault::new(FaultCode::ToolFailed, format!("the bookie {} has ended again", node.name))
        .remedy(log)
}

/// Stops a bookie's service and lets nothing start it. Stopped is fine.
///
/// # Errors
/// If it does not stop.
pub(super) async fn stop(context: &JobContext, node: &Node) -> Result<(), Fault> {
    if node.adopted {
        take_over(context, node).await?;
    }
    services(context).stop(&node.service).await?;
    match process(context, node)? {
        None => Ok(()),
        Some(process) => Err(Fault::new(
            FaultCode::ToolFailed,
            format!(
                "{} is stopped, and process {} of its configuration still runs",
                node.name, process.pid
            ),
        )
        .remedy("see who started it, end it by hand, then retry")),
    }
}

/// How it is now: a process with its configuration counts, whoever started it.
///
/// # Errors
/// If the service manager or the processes cannot be asked.
pub(super) async fn reading(runner: &dyn Runner, node: &Node) -> Result<ServiceReading, Fault> {
    let process = process(runner, node)?;
    let mut reading = match node.adopted && runner.local().form.has_units() {
        true => of_unit(runner, node).await?,
        false => services(runner).reading(&node.service).await?,
    };
    if let Some(process) = process {
        reading.set_state(ServiceState::Running);
        reading.pid = process.pid;
    } else if reading.state() == ServiceState::Absent && node.adopted {
        // Not taken over yet, and no process: there is nothing that runs it.
        reading.set_state(ServiceState::Stopped);
    }
    Ok(reading)
}

async fn of_unit(runner: &dyn Runner, node: &Node) -> Result<ServiceReading, Fault> {
    if node.unit.is_empty() {
        return Ok(ServiceReading { state: ServiceState::Absent.into(), ..Default::default() });
    }
    let unit = services(runner).unit(&node.unit, &node.service).await?;
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

fn process(runner: &dyn Runner, node: &Node) -> Result<Option<ProcessId>, Fault> {
    let found = processes::of_conf(runner.local().host.as_ref(), node.conf_file.as_path())?;
    Ok(found.map(|(_, process)| process))
}

/// By the service manager, and by the processes of the host.
///
/// # Errors
/// `DRIFT` if it runs.
pub(super) async fn refuse_running(context: &JobContext, node: &Node) -> Result<(), Fault> {
    let service = reading(context, node).await?;
    if service.state() != ServiceState::Running {
        return Ok(());
    }
    Err(Fault::new(
        FaultCode::Drift,
        format!("the bookie {} runs (process {})", node.name, service.pid),
    )
    .remedy("stop it, then retry"))
}

/// Remembers the service of a bookie that was there before as what it is now.
///
/// # Errors
/// `DENIED` if `agent.toml` does not allow it, or names another unit than it was started by.
pub(super) async fn take_over(context: &JobContext, node: &Node) -> Result<(), Fault> {
    let local = context.local();
    place::still_allowed(local, node.conf_file.as_path().as_str())?;
    if let Some(why) = obstacles(context, node).await?.into_iter().next() {
        return Err(Fault::new(FaultCode::Denied, why)
            .remedy("mend it on the host, restart its agent if agent.toml changed, then retry"));
    }
    let mut spec = spec(context, node);
    let mut process = None;
    let host = local.host.as_ref();
    if let Some((running, id)) = processes::of_conf(host, node.conf_file.as_path())? {
        // As it runs now: heap, class path and logs are in its command line.
        (spec.program, spec.arguments) = again(&running.command);
        process = Some(id);
    }
    if local.form == LaunchForm::Process {
        let folder = log_folder(context, node);
        host.create_directory(&folder, &Access::owned(0o700, &node.os_user))?;
    }
    let unit = if local.form.has_units() { node.unit.clone() } else { String::new() };
    services(context).take_over(&Foreign { spec, unit, process })
}

/// What starts a process of this command line once more.
fn again(command: &[String]) -> (Utf8PathBuf, Vec<String>) {
    match command.split_first() {
        Some((program, arguments)) if Utf8Path::new(program).is_absolute() => {
            (program.into(), arguments.to_vec())
        }
        _ => (ENV.into(), command.to_vec()),
    }
}

/// Where its output is in the process form. An adopted one shares its log directory with others of the host.
fn log_folder(runner: &dyn Runner, node: &Node) -> Utf8PathBuf {
    match (node.adopted, place::section(runner.local())) {
        (true, Ok(section)) => {
            section.log_root.join(node.cluster.as_str()).join(node.name.as_str())
        }
        _ => node.log_dir.as_path().to_owned(),
    }
}

fn log_file(runner: &dyn Runner, node: &Node) -> Utf8PathBuf {
    log_folder(runner, node).join(LOG_FILE)
}

/// A bookie as a service of ours.
pub(super) fn spec(runner: &dyn Runner, node: &Node) -> ServiceSpec {
    let mut environment = environment(runner.local());
    environment.insert(CONF.to_owned(), node.conf_file.to_string());
    let logs = log_folder(runner, node).into_string();
    environment.entry(LOG_DIR.to_owned()).or_insert(logs);
    ServiceSpec {
        name: node.service.clone(),
        description: format!("Bookie {} of cluster {}", node.name, node.cluster),
        user: node.os_user.clone(),
        program: node.program.as_path().to_owned(),
        arguments: vec!["bookie".to_owned()],
        environment,
        stop_signal: Signal::Term,
        stop_timeout: STOP,
        log_file: log_file(runner, node),
        directories: Vec::new(),
        restart: false,
    }
}

/// Why a bookie that was there before cannot be stopped and started from here, a sentence each.
///
/// # Errors
/// If the service manager or the processes cannot be asked.
pub(super) async fn obstacles(runner: &dyn Runner, node: &Node) -> Result<Vec<String>, Fault> {
    let local = runner.local();
    if !local.form.has_units() {
        return Ok(Vec::new());
    }
    let unit = &node.unit;
    if unit.is_empty() {
        let why = "agent.toml names no unit that runs it (adopt_unit under [systems.bookkeeper])";
        return Ok(vec![why.to_owned()]);
    }
    if let Some(why) = services(runner).refused_by_sudo(unit).await? {
        return Ok(vec![why]);
    }
    let known = services(runner).unit(unit, &node.service).await?;
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

/// Why this host cannot take a new bookie, a sentence each.
///
/// # Errors
/// If files or claims cannot be read.
pub(super) fn no_room(runner: &dyn Runner, node: &Node) -> Result<Vec<String>, Fault> {
    let local = runner.local();
    let mut found = Vec::new();
    if local.host.metadata(node.program.as_path())?.is_none() {
        found.push(format!(
            "there is no {}: install BookKeeper of the cluster's version on the host, and start no bookie",
            node.program
        ));
    }
    let reference = node.reference();
    for other in local.claims().all()? {
        let theirs = other.node.clone().filter(|theirs| *theirs != reference);
        if let Some(theirs) = theirs.filter(|_| !other.tombstone && placement_of(&other).is_some())
        {
            found.push(format!(
                "the bookie {}/{} lives on the host already, and one at most does",
                theirs.cluster, theirs.node
            ));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_started_again_as_it_was() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (program, arguments) = again(&words("/usr/bin/java -Xmx1g Main --conf /c"));
        assert_eq!(
            (program.as_str(), arguments),
            ("/usr/bin/java", words("-Xmx1g Main --conf /c"))
        );
        let (program, arguments) = again(&words("java Main --conf /c"));
        assert_eq!((program.as_str(), arguments), ("/usr/bin/env", words("java Main --conf /c")));
    }
}
