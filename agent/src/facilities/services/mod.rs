//! Long-lived services of nodes: never a job's descendants. Two forms: units of ours under
//! systemd, and processes that `bellows-agent service start` detaches. A tombstoned service
//! is masked: it never starts again in either form.

use std::{collections::BTreeMap, time::Duration};

use bellows_proto::v1::{Fault, FaultCode, ServiceReading};
use camino::Utf8PathBuf;

use super::{Local, Runner, record};
use crate::{
    config::LaunchForm,
    exec::Finished,
    host::{Access, Signal},
};

mod foreign;
mod kept;
mod process;
mod sudo;
mod systemd;

pub use foreign::{Foreign, Unit, UnitState};
use kept::ServiceRecord;
pub use process::{mark as process_mark, start as start_process, stop as stop_process};
pub use sudo::{Allowed, Verb, command as privileged, fragment as sudoers, question as may_i};
pub use systemd::{Manager, render as render_unit};

/// A service, as data. Everything in it is typed by the system's code; nothing comes from a
/// peer as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSpec {
    /// e.g. `bellows-orders-pg1-server`; becomes `NAME.service` under systemd.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Runs as this user.
    pub user: String,
    /// Absolute path.
    pub program: Utf8PathBuf,
    /// Without the program's name. No secrets.
    pub arguments: Vec<String>,
    /// All of it, besides `PATH`, `LC_ALL=C` and the user's `HOME`.
    pub environment: BTreeMap<String, String>,
    /// What asks it to end.
    pub stop_signal: Signal,
    /// Then KILL.
    pub stop_timeout: Duration,
    /// Where its output goes in the process form; under systemd it goes to the journal.
    pub log_file: Utf8PathBuf,
    /// Made before each start, owned by the user, mode 0755: for folders under `/run`.
    pub directories: Vec<Utf8PathBuf>,
    /// Started again when it fails (systemd only).
    pub restart: bool,
}

/// The services of this host.
pub struct Services<'a> {
    runner: &'a dyn Runner,
}

impl<'a> Services<'a> {
    pub(super) fn new(runner: &'a dyn Runner) -> Self {
        Self { runner }
    }

    /// Installs or replaces a service; does not start it.
    ///
    /// # Errors
    /// `FAULT_CODE_DENIED` if it is masked; else if files cannot be written.
    pub async fn install(&self, spec: &ServiceSpec) -> Result<(), Fault> {
        let local = self.runner.local();
        let mut wanted = ServiceRecord::of(spec);
        if let Some(known) = get(local, &spec.name)? {
            refuse_masked(&known)?;
            wanted.started = known.started;
            wanted.pid = known.pid;
            wanted.pid_started = known.pid_started;
        }
        put(local, &wanted)?;
        match local.form {
            LaunchForm::Systemd | LaunchForm::User => systemd::install(self.runner, spec).await,
            LaunchForm::Process => Ok(()),
        }
    }

    /// Stops a service and removes it; absent is fine.
    ///
    /// # Errors
    /// If it does not stop, or files cannot be removed.
    pub async fn remove(&self, name: &str) -> Result<(), Fault> {
        let local = self.runner.local();
        let Some(known) = get(local, name)? else { return Ok(()) };
        self.stop(name).await?;
        if local.form.has_units() {
            systemd::remove(self.runner, name, &known.user).await?;
        }
        Ok(local.host.remove_file(&path(local, name)?)?)
    }

    /// Remembers a service that somebody else made under a name of ours: from then on it is stopped and
    /// started like those that were installed. Changes nothing of it.
    ///
    /// # Errors
    /// If the record cannot be read or written.
    pub fn take_over(&self, found: &Foreign) -> Result<(), Fault> {
        foreign::take_over(self.runner.local(), found)
    }

    /// Forgets a service of [`Services::take_over`], which goes on as it is; absent is fine. One that is
    /// stopped by us stays remembered: only its record says who masked its unit.
    ///
    /// # Errors
    /// If the record cannot be read or removed.
    pub fn give_back(&self, name: &str) -> Result<(), Fault> {
        foreign::give_back(self.runner.local(), name)
    }

    /// Forgets a service of [`Services::take_over`] whose unit was ours to stop and start: it is no longer held, and does not start at
    /// boot. Absent is fine.
    ///
    /// # Errors
    /// If the service manager or the record fails.
    pub async fn forget(&self, name: &str) -> Result<(), Fault> {
        let local = self.runner.local();
        let Some(known) = get(local, name)?.filter(|known| known.foreign) else { return Ok(()) };
        if local.form.has_units() {
            foreign::forget(self.runner, &known).await?;
        }
        Ok(local.host.remove_file(&path(local, name)?)?)
    }

    /// Lets the unit of a service of [`Services::take_over`] start at boot.
    ///
    /// # Errors
    /// `FAULT_CODE_NOT_FOUND` if it is not remembered, `FAULT_CODE_DENIED` if it is masked; else if the service manager fails.
    pub async fn enable(&self, name: &str) -> Result<(), Fault> {
        let known = required(self.runner.local(), name)?;
        refuse_masked(&known)?;
        foreign::enable(self.runner, known).await
    }

    /// Lets the service manager read its units again: after a drop-in came or went.
    ///
    /// # Errors
    /// If it fails.
    pub async fn reload(&self) -> Result<(), Fault> {
        systemd::reload(self.runner).await
    }

    /// How a unit is, whoever made it, and whether it is the one that is remembered as `name` (empty: as
    /// none); the process form has none.
    ///
    /// # Errors
    /// If the service manager cannot be asked.
    pub async fn unit(&self, unit: &str, name: &str) -> Result<Unit, Fault> {
        foreign::unit(self.runner, unit, name).await
    }

    /// Why a unit of root's cannot be stopped and started from here; `None`: it can, or no `sudo` is needed.
    ///
    /// # Errors
    /// If `sudo` cannot be asked.
    pub async fn refused_by_sudo(&self, unit: &str) -> Result<Option<String>, Fault> {
        sudo::refused(self.runner, unit).await
    }

    /// Starts a service and lets it start at boot; running is fine. That it works is for the
    /// caller to read back.
    ///
    /// # Errors
    /// `FAULT_CODE_NOT_FOUND` if it is not installed, `FAULT_CODE_DENIED` if it is masked,
    /// `FAULT_CODE_TOOL_FAILED` if it does not start.
    pub async fn start(&self, name: &str) -> Result<(), Fault> {
        let local = self.runner.local();
        let known = required(local, name)?;
        refuse_masked(&known)?;
        match local.form {
            LaunchForm::Systemd | LaunchForm::User if known.foreign => {
                foreign::start(self.runner, known).await
            }
            LaunchForm::Systemd | LaunchForm::User => systemd::start(self.runner, name).await,
            LaunchForm::Process => self.own("start", name).await,
        }
    }

    /// Stops a service and lets it not start at boot; stopped or absent is fine.
    ///
    /// # Errors
    /// `FAULT_CODE_TOOL_FAILED` if it does not stop.
    pub async fn stop(&self, name: &str) -> Result<(), Fault> {
        let local = self.runner.local();
        let Some(known) = get(local, name)? else { return Ok(()) };
        match local.form {
            LaunchForm::Systemd | LaunchForm::User if known.foreign => {
                foreign::stop(self.runner, known).await
            }
            LaunchForm::Systemd | LaunchForm::User => systemd::stop(self.runner, name).await,
            LaunchForm::Process => self.own("stop", name).await,
        }
    }

    /// Masks a service for good; one that was never installed is masked too.
    ///
    /// # Errors
    /// If the record or the unit cannot be written.
    pub async fn mask(&self, name: &str) -> Result<(), Fault> {
        self.set_masked(name, true).await
    }

    /// Takes a mask back; does not start it.
    ///
    /// # Errors
    /// As [`Services::mask`].
    pub async fn unmask(&self, name: &str) -> Result<(), Fault> {
        self.set_masked(name, false).await
    }

    async fn set_masked(&self, name: &str, masked: bool) -> Result<(), Fault> {
        let local = self.runner.local();
        let mut known = get(local, name)?.unwrap_or_else(|| ServiceRecord::named(name));
        known.masked = masked;
        put(local, &known)?;
        match local.form {
            LaunchForm::Systemd | LaunchForm::User if known.foreign => {
                foreign::set_masked(self.runner, known, masked).await
            }
            LaunchForm::Systemd | LaunchForm::User => {
                systemd::mask(self.runner, &known.unit(), masked).await
            }
            LaunchForm::Process => Ok(()),
        }
    }

    /// How a service is now.
    ///
    /// # Errors
    /// If the service manager cannot be asked.
    pub async fn reading(&self, name: &str) -> Result<ServiceReading, Fault> {
        let local = self.runner.local();
        match local.form {
            LaunchForm::Systemd | LaunchForm::User => match get(local, name)? {
                Some(known) if known.foreign => foreign::reading(self.runner, &known).await,
                Some(_) | None => {
                    let manager = Manager::of_own(local);
                    systemd::reading(self.runner, manager, &systemd::unit(name)).await
                }
            },
            LaunchForm::Process => process::reading(local, name),
        }
    }

    /// A service of that name is there already: who says so; empty: nobody.
    ///
    /// # Errors
    /// As [`Services::reading`].
    pub async fn holder(&self, name: &str) -> Result<String, Fault> {
        let local = self.runner.local();
        if get(local, name)?.is_some() {
            return Ok(format!("service {name} of this agent"));
        }
        match local.form {
            LaunchForm::Systemd | LaunchForm::User => systemd::holder(self.runner, name).await,
            LaunchForm::Process => Ok(String::new()),
        }
    }

    /// `bellows-agent service VERB NAME`, as a tool run of its own.
    async fn own(&self, verb: &str, name: &str) -> Result<(), Fault> {
        let local = self.runner.local();
        let known = required(local, name)?;
        let invocation = crate::exec::Invocation::new(
            local.own_program.clone(),
            ["service", verb, name, "--config", local.config.path.as_str()],
            Duration::from_millis(known.stop_timeout_ms) + process::MARGIN,
        );
        succeeded(self.runner, invocation, &format!("{verb} the service {name}")).await.map(|_| ())
    }
}

/// Runs a program that must end with exit status 0.
async fn succeeded(
    runner: &dyn Runner,
    invocation: crate::exec::Invocation,
    what: &str,
) -> Result<Finished, Fault> {
    let command = invocation.command();
    let finished = runner.run(invocation).await?;
    if finished.success() {
        return Ok(finished);
    }
    Err(super::fault::tool_failed(&command, &finished, what))
}

fn refuse_masked(known: &ServiceRecord) -> Result<(), Fault> {
    if !known.masked {
        return Ok(());
    }
    Err(Fault::new(
        FaultCode::Denied,
        format!("service {} is masked: its node has left for good", known.name),
    )
    .remedy("add a node of another name instead"))
}

fn folder(local: &Local) -> Utf8PathBuf {
    local.config.agent.data_dir.join("services")
}

fn path(local: &Local, name: &str) -> Result<Utf8PathBuf, Fault> {
    let good = !name.is_empty()
        && name.len() <= 120
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !good {
        return Err(Fault::new(FaultCode::Invalid, format!("{name:?} is no name of a service")));
    }
    Ok(folder(local).join(name))
}

fn get(local: &Local, name: &str) -> Result<Option<ServiceRecord>, Fault> {
    record::read(local.host.as_ref(), &path(local, name)?)
}

fn required(local: &Local, name: &str) -> Result<ServiceRecord, Fault> {
    get(local, name)?.ok_or_else(|| {
        Fault::new(FaultCode::NotFound, format!("no service {name} is installed on this host"))
    })
}

fn put(local: &Local, known: &ServiceRecord) -> Result<(), Fault> {
    let path = path(local, &known.name)?;
    local.host.create_directory(&folder(local), &Access::PRIVATE_DIRECTORY)?;
    record::write(local.host.as_ref(), &path, known)
}
