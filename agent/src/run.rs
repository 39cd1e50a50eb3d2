//! What the program's commands do: `run`, `shim`, `service`, `enrol`. `main` only chooses.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use bellows_proto::v1::Fault;
use camino::{Utf8Path, Utf8PathBuf};
use futures::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{self, Config, ConfigError, LaunchForm, Mode},
    enrol,
    facilities::{Local, services},
    host::{RealHost, SystemClock},
    jobs::{Jobs, ShimProgram, shim, store::JobDir},
    plain,
    programs::{self, Programs},
    server,
    tools::{self, QueryContext},
};

/// At its start the agent buries what carries a tombstone; a service may need so long to stop.
const BURIAL: Duration = Duration::from_secs(300);
/// What could not be buried is tried again so often.
const BURIAL_AGAIN: Duration = Duration::from_secs(30);

/// This host, as `agent.toml` describes it.
///
/// # Errors
/// If our own path is not UTF-8.
pub fn local(config: Config) -> Result<Local> {
    plain::refuse_root(&config)?;
    let own = std::env::current_exe().context("find our own program")?;
    let own = Utf8PathBuf::try_from(own).context("our own path")?;
    let form = config.agent.launch.resolve();
    Ok(Local {
        host: Arc::new(RealHost::new(own.clone())),
        clock: Arc::new(SystemClock),
        config: Arc::new(config),
        form,
        own_program: own,
        versions: Arc::default(),
        sudo: Arc::default(),
    })
}

/// `bellows-agent run`: serves until TERM or INT. Jobs live on.
///
/// # Errors
/// Why it cannot serve.
pub async fn run(config: Config) -> Result<()> {
    let local = local(config)?;
    refuse_to_take_jobs_along(&local)?;
    plain::check(&local)?;
    let stop = stop_on_signals()?;
    local
        .host
        .create_directory(&local.config.agent.data_dir, &crate::host::Access::PRIVATE_DIRECTORY)
        .context("the agent's own folder")?;
    enrol::finish(&local).context("the identity")?;
    bury(&local).await;
    let jobs = Jobs::open(local.clone(), ShimProgram::own(&local)).map_err(failed)?;
    let programs = Programs::new(local.clone());
    tell_of_trials(&jobs, &programs);
    let listening = server::listen(&local).await?;
    tracing::info!(
        host = %local.config.agent.host,
        address = %listening.address,
        launch = local.form.as_str(),
        version = env!("CARGO_PKG_VERSION"),
        "listening"
    );
    // Not under a service manager: nobody to tell.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tokio::spawn(tell_that_it_lives());
    listening.serve(local, jobs, programs, stop).await?;
    tracing::info!("ended");
    Ok(())
}

/// A program that was taken back could not write so itself.
fn tell_of_trials(jobs: &Jobs, programs: &Programs) {
    match programs.untold() {
        Ok(None) => {}
        Ok(Some(last)) => jobs.trial_ended(&last),
        Err(fault) => tracing::error!(%fault, "how the last upgrade ended cannot be told"),
    }
}

/// As often as the unit asks for it (`WatchdogSec=`). All that the agent does is done by one thread: while it
/// hangs, nothing is told, and systemd starts the agent anew. Jobs live on.
async fn tell_that_it_lives() {
    let Some(within) = sd_notify::watchdog_enabled().filter(|within| !within.is_zero()) else {
        return;
    };
    let mut ticks = tokio::time::interval(within / 2);
    loop {
        ticks.tick().await;
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
    }
}

/// A service of systemd takes all processes of its cgroup along when it ends: in the process form
/// those are the jobs and the databases. An agent that may only observe has none.
fn refuse_to_take_jobs_along(local: &Local) -> Result<(), ConfigError> {
    // systemd sets one for services, before 232 only the other; below a service, e.g. in a login, the parent is another.
    let told =
        ["INVOCATION_ID", "NOTIFY_SOCKET"].into_iter().any(|name| std::env::var_os(name).is_some());
    let service = told && rustix::process::getppid() == Some(rustix::process::Pid::INIT);
    // A unit that leaves its processes alone says so: packaging/systemd/process-form.conf.
    let stay = std::env::var_os("BELLOWS_KILL_MODE").is_some_and(|mode| mode == "process");
    let agent = &local.config.agent;
    if !takes_jobs_along(service && !stay, local.form, agent.mode) {
        return Ok(());
    }
    let reason = "this agent is a systemd service in the process form: its restart would kill jobs and databases";
    let remedy = "run it as root with launch = \"auto\" or \"systemd\", as the databases' user with \"user\", or outside of systemd";
    Err(ConfigError::Mistakes {
        path: local.config.path.to_string(),
        mistakes: vec![format!("agent.launch: {reason}; {remedy}")],
    })
}

fn takes_jobs_along(service: bool, form: LaunchForm, mode: Mode) -> bool {
    service && form == LaunchForm::Process && mode == Mode::Manage
}

/// Tombstones first. A host that cannot bury still has to be reachable, so that it is told:
/// it goes on trying while it serves.
async fn bury(local: &Local) {
    if buried(local).await {
        return;
    }
    let local = local.clone();
    tokio::spawn(async move {
        loop {
            local.clock.sleep(BURIAL_AGAIN).await;
            if buried(&local).await {
                return;
            }
        }
    });
}

/// Buries what it can; `false`: something is left.
async fn buried(local: &Local) -> bool {
    let context = QueryContext::unhurried(local.clone(), BURIAL);
    let done = tools::host::enforce(&context).await;
    for service in done.buried {
        tracing::warn!(service, "a service of a node that left for good was stopped");
    }
    for fault in &done.faults {
        tracing::error!(%fault, "a tombstone could not be enforced");
    }
    done.faults.is_empty()
}

/// `bellows-agent shim`: performs one job. How it went stands in its folder.
///
/// # Errors
/// If there is no such job, or its folder cannot be written.
pub async fn shim(config: Config, job: &Utf8Path) -> Result<()> {
    let stop = stop_on_signals()?;
    let perform: shim::Perform = |action, context| tools::perform(action, context).boxed();
    shim::run(local(config)?, JobDir::at(job), stop, perform).await.map_err(failed)
}

/// `bellows-agent take-back`: the end of a trial that nobody confirmed.
///
/// # Errors
/// If the program before it cannot be started again.
pub async fn take_back(config: &Utf8Path, trial: &str, unit: &str) -> Result<()> {
    let own = std::env::current_exe().context("find our own program")?;
    let host = RealHost::new(Utf8PathBuf::try_from(own).context("our own path")?);
    let (seams, data_dir) = ((&host as _, &SystemClock as _), config::data_dir(config)?);
    let done = programs::back::take_back(seams, &data_dir, trial, unit).await.map_err(failed)?;
    println!("{}", if done { "taken back" } else { "nothing to take back" });
    Ok(())
}

/// What to do with a service of ours in the process form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceVerb {
    /// Starts it, unless it runs.
    Start,
    /// Stops it.
    Stop,
    /// Prints how it is.
    Status,
}

/// `bellows-agent service`: what starts and stops services where there is no systemd.
///
/// # Errors
/// Why it did not work.
pub async fn service(config: Config, verb: ServiceVerb, name: &str) -> Result<()> {
    let local = local(config)?;
    match verb {
        ServiceVerb::Start => services::start_process(&local, name).await.map_err(failed),
        ServiceVerb::Stop => services::stop_process(&local, name).await.map_err(failed),
        ServiceVerb::Status => {
            let context = QueryContext::unhurried(local, BURIAL);
            let reading = services(&context).reading(name).await.map_err(failed)?;
            println!("{} {}", reading.state().as_str_name(), reading.pid);
            Ok(())
        }
    }
}

/// `bellows-agent enrol`: gets this host's identity.
///
/// # Errors
/// Why there is none.
pub async fn enrol(config: Config, coordinator: &str, token: &enrol::TokenArgs) -> Result<()> {
    let local = local(config)?;
    let token = token.read(&local)?;
    let own = enrol::enrol(&local, coordinator, &token).await?;
    println!("{} is enrolled at site {}", own.name, own.site);
    println!("an agent that runs here shows its new certificate within seconds, without a restart");
    Ok(())
}

/// `bellows-agent check-config`.
///
/// # Errors
/// All mistakes at once.
pub fn check_config(path: &Utf8Path) -> Result<()> {
    let config = config::load(path)?;
    let runtime = &config.agent.runtime_dir;
    let local = local(config.clone())?;
    refuse_to_take_jobs_along(&local)?;
    plain::check(&local)?;
    if !local.host.is_tmpfs(runtime)? {
        let reason = "is not on a tmpfs: secrets would reach a disk";
        return Err(ConfigError::Mistakes {
            path: path.to_string(),
            mistakes: vec![format!("agent.runtime_dir: {runtime} {reason}")],
        }
        .into());
    }
    println!("{path} is good");
    Ok(())
}

fn stop_on_signals() -> Result<CancellationToken> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let (mut signals, stop) = (signal(kind).context("listen for signals")?, stop.clone());
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                stop.cancel();
            }
        });
    }
    Ok(stop)
}

/// With what to do next: people read it.
pub(crate) fn failed(fault: Fault) -> anyhow::Error {
    if fault.remedy.is_empty() {
        anyhow::anyhow!("{fault}")
    } else {
        anyhow::anyhow!("{fault}; {}", fault.remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_managing_service_in_the_process_form_is_refused() {
        let refused = (true, LaunchForm::Process, Mode::Manage);
        for service in [true, false] {
            for form in [LaunchForm::Systemd, LaunchForm::Process, LaunchForm::User] {
                for mode in [Mode::Manage, Mode::Observe] {
                    let expected = (service, form, mode) == refused;
                    assert_eq!(takes_jobs_along(service, form, mode), expected);
                }
            }
        }
    }
}
