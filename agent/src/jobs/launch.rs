//! Starts a job's shim so that it outlives the agent: a transient unit, or a session of its
//! own.

use std::time::Duration;

use bellows_proto::v1::Fault;
use camino::Utf8PathBuf;

use super::store::{JobDir, Record, word};
use crate::{
    config::LaunchForm,
    exec::{Invocation, Silent},
    facilities::{Local, fault, services::Manager},
    tools::{JOB_MARK, leaves_daemons},
};

/// `systemd-run` waits for the unit's start only.
const DEADLINE: Duration = Duration::from_secs(30);
/// Between the stop of a job's unit and KILL: the shim's own grace and a margin.
const STOP_SECONDS: u32 = 30;

/// The program that becomes the shim: its path, and what stands before `--job DIR`.
#[derive(Debug, Clone)]
pub struct ShimProgram {
    /// Absolute path.
    pub program: Utf8PathBuf,
    /// e.g. `["shim"]`.
    pub arguments: Vec<String>,
}

impl ShimProgram {
    /// `bellows-agent shim`.
    pub fn own(local: &Local) -> Self {
        Self { program: local.own_program.clone(), arguments: vec!["shim".to_owned()] }
    }

    fn command(&self, local: &Local, dir: &JobDir) -> Vec<String> {
        let mut command = vec![self.program.to_string()];
        command.extend(self.arguments.iter().cloned());
        command.extend(
            ["--job", dir.path().as_str(), "--config", local.config.path.as_str()]
                .map(str::to_owned),
        );
        command
    }
}

/// Starts the shim. When it fails, nothing of the job has run; under systemd a failure of
/// `systemd-run` may leave that unknown: the caller looks for processes before it judges.
///
/// # Errors
/// Why it cannot be started.
pub(super) async fn start(
    local: &Local,
    shim: &ShimProgram,
    record: &Record,
    dir: &JobDir,
) -> Result<(), Fault> {
    let command = shim.command(local, dir);
    let key = word(&record.key.clone().unwrap_or_default());
    match local.form {
        LaunchForm::Process => {
            let mut arguments = command.into_iter();
            let program = arguments.next().unwrap_or_default();
            let invocation = Invocation::new(program, arguments, DEADLINE).env(JOB_MARK, key);
            local
                .host
                .detach(&invocation)
                .map(|_| ())
                .map_err(|error| fault::of_exec(&invocation, &error))
        }
        LaunchForm::Systemd | LaunchForm::User => {
            let manager = Manager::of_own(local);
            let invocation = transient(manager, record, &key, command);
            let finished = local
                .host
                .run(&invocation, &tokio_util::sync::CancellationToken::new(), &mut Silent)
                .await
                .map_err(|error| fault::of_exec(&invocation, &error))?;
            if finished.success() {
                return Ok(());
            }
            Err(fault::tool_failed(&invocation.command(), &finished, "start the job's unit"))
        }
    }
}

fn transient(manager: Manager, record: &Record, key: &str, command: Vec<String>) -> Invocation {
    let daemons = record.action.as_ref().is_some_and(leaves_daemons);
    let kill_mode = if daemons { "process" } else { "control-group" };
    let mut arguments = vec![
        "--quiet".to_owned(),
        "--collect".to_owned(),
        format!("--unit={}", record.unit),
        format!("--description=Bellows job {key}"),
        format!("--property=KillMode={kill_mode}"),
        format!("--property=TimeoutStopSec={STOP_SECONDS}"),
        "--property=UMask=0077".to_owned(),
        format!("--setenv={JOB_MARK}={key}"),
        "--".to_owned(),
    ];
    arguments.extend(command);
    manager.ask("/usr/bin/systemd-run", arguments, DEADLINE)
}

/// The fault of a job whose shim could not be started.
pub(super) fn not_started(cause: &Fault) -> Fault {
    let mut fault = cause.clone();
    fault.message = format!("the job could not be started: {}", cause.message);
    fault
}
