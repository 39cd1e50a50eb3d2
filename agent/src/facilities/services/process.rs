//! Services as processes of ours, where there is no systemd to ask: own session, an
//! environment without any job's key, output to a file, known by number and start time.
//! They do not come back after a reboot by themselves.

use std::time::Duration;

use bellows_proto::v1::{Fault, FaultCode, ServiceReading, ServiceState};

use super::{ServiceRecord, get, put, refuse_masked, required};
use crate::{
    exec::{Invocation, Output},
    facilities::Local,
    host::{Access, Mark, ProcessId, Signal},
};

/// Environment variable that finds a service's processes when the record was lost.
const MARK: &str = "BELLOWS_SERVICE";
/// Added to a service's own time for the tool run that starts or stops it.
pub(super) const MARGIN: Duration = Duration::from_secs(20);
/// A service that ends within this time did not start.
const SETTLE: Duration = Duration::from_millis(300);
/// What a killed main process leaves behind ends by itself within this time, or is told.
const BURIAL: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// What finds the processes of a service.
pub fn mark(local: &Local, name: &str) -> Mark {
    Mark { variable: (MARK.to_owned(), mark_value(local, name)), unit: None }
}

/// Names are unique within an agent only, and one machine may have several agents (tests,
/// demonstrations): one must not end the services of another.
fn mark_value(local: &Local, name: &str) -> String {
    local.config.agent.data_dir.join("services").join(name).into_string()
}

/// Starts an installed service, unless it runs: what `bellows-agent service start` does.
///
/// # Errors
/// `FAULT_CODE_NOT_FOUND` if it is not installed, `FAULT_CODE_DENIED` if it is masked,
/// `FAULT_CODE_TOOL_FAILED` if it ends at once, or processes of its former run do not end.
pub async fn start(local: &Local, name: &str) -> Result<(), Fault> {
    let mut known = required(local, name)?;
    refuse_masked(&known)?;
    if running(local, &known)?.is_some() {
        return Ok(());
    }
    // Its main process was killed: what that left behind still has its port and its memory.
    let remnants = marked(local, name)?;
    if !gone(local, &remnants, BURIAL).await {
        let pids: Vec<_> = remnants.iter().map(|process| process.pid.to_string()).collect();
        let message = format!(
            "the main process of service {name} is gone, but processes of it still run (of {}); \
             stop the service, or wait for their end, then start it",
            pids.join(", ")
        );
        return Err(Fault::new(FaultCode::ToolFailed, message));
    }
    // From here to the record of its number the mark alone tells that it runs.
    (known.pid, known.pid_started) = (0, 0);
    put(local, &known)?;
    let spec = known.spec();
    for directory in &spec.directories {
        let access = Access::owned(0o755, spec.user.clone());
        local.host.create_directory(directory, &access)?;
    }
    let invocation = Invocation {
        user: Some(spec.user.clone()),
        environment: spec.environment.clone(),
        output: Output::File(spec.log_file.clone()),
        deadline: None,
        ..Invocation::new(spec.program.clone(), spec.arguments.clone(), Duration::MAX)
    }
    .env(MARK, mark_value(local, name));
    let process = local
        .host
        .detach(&invocation)
        .map_err(|error| crate::facilities::fault::of_exec(&invocation, &error))?;
    known.started = true;
    known.pid = process.pid;
    known.pid_started = process.started;
    put(local, &known)?;
    local.clock.sleep(SETTLE).await;
    if local.host.is_alive(process) {
        return Ok(());
    }
    Err(Fault::new(
        FaultCode::ToolFailed,
        format!("service {name} ended at once; see {}", spec.log_file),
    )
    .tool(&invocation.command(), None, b""))
}

/// Stops a service: its signal, then KILL after its time. Stopped or absent is fine.
///
/// # Errors
/// `FAULT_CODE_DEADLINE` if it survives even KILL.
pub async fn stop(local: &Local, name: &str) -> Result<(), Fault> {
    let Some(mut known) = get(local, name)? else {
        return Ok(());
    };
    let spec = known.spec();
    let main = running(local, &known)?;
    if let Some(process) = main {
        local.host.signal(process, spec.stop_signal)?;
        gone(local, &[process], spec.stop_timeout).await;
    }
    // Its descendants end with it, or are killed.
    let left: Vec<_> = marked(local, name)?.into_iter().chain(main).collect();
    for process in &left {
        local.host.signal(*process, Signal::Kill)?;
    }
    if !gone(local, &left, MARGIN).await {
        let message = format!("service {name} survives KILL");
        return Err(Fault::new(FaultCode::Deadline, message));
    }
    known.started = false;
    known.pid = 0;
    known.pid_started = 0;
    put(local, &known)
}

pub(super) fn reading(local: &Local, name: &str) -> Result<ServiceReading, Fault> {
    let Some(known) = get(local, name)? else {
        return Ok(ServiceReading {
            state: ServiceState::Absent.into(),
            ..ServiceReading::default()
        });
    };
    let process = running(local, &known)?;
    let state = match (process, known.masked, known.started) {
        (Some(_), _, _) => ServiceState::Running,
        (None, true, _) => ServiceState::Masked,
        (None, false, true) => ServiceState::Failed,
        (None, false, false) => ServiceState::Stopped,
    };
    Ok(ServiceReading {
        state: state.into(),
        enabled: false,
        pid: process.map_or(0, |process| process.pid),
    })
}

/// The main process: the recorded one, else (a crash between start and record, which leaves a
/// record without a number) the first that carries the mark. When the recorded one is dead, what
/// carries the mark is what it left behind.
fn running(local: &Local, known: &ServiceRecord) -> Result<Option<ProcessId>, Fault> {
    if known.pid != 0 {
        let recorded = ProcessId { pid: known.pid, started: known.pid_started };
        return Ok(Some(recorded).filter(|process| local.host.is_alive(*process)));
    }
    Ok(marked(local, &known.name)?.into_iter().min_by_key(|process| (process.started, process.pid)))
}

fn marked(local: &Local, name: &str) -> Result<Vec<ProcessId>, Fault> {
    Ok(local.host.marked(&mark(local, name))?)
}

/// Waits until all of them are gone; `false`: they are not.
async fn gone(local: &Local, processes: &[ProcessId], time: Duration) -> bool {
    let mut waited = Duration::ZERO;
    while processes.iter().any(|process| local.host.is_alive(*process)) {
        if waited >= time {
            return false;
        }
        local.clock.sleep(POLL).await;
        waited += POLL;
    }
    true
}
