//! Services that somebody else made. Under systemd a unit of theirs: stopped and masked (disabled, where
//! its file is in the mask's place), then let go of and started, so that nothing starts it in between. Elsewhere a process:
//! stopped by its number, started as a process of ours. Never installed, changed or removed.

use bellows_proto::v1::{Fault, ServiceReading, ServiceState};

use super::{
    Manager, Runner, ServiceRecord, ServiceSpec, get, path, put,
    sudo::{self, Verb},
    systemd,
};
use crate::{config::LaunchForm, facilities::Local, host::ProcessId};

/// systemd's word.
const MASKED: &str = "masked";

/// A service that somebody else made.
#[derive(Debug, Clone)]
pub struct Foreign {
    /// The name that it has here, and how it is started where no unit does it.
    pub spec: ServiceSpec,
    /// Its unit under systemd, with its suffix; empty elsewhere.
    pub unit: String,
    /// Its process, if it runs.
    pub process: Option<ProcessId>,
}

/// A unit, as the service manager has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// How it is.
    pub state: UnitState,
    /// Its main process; 0: none, or nobody knows, as with a script of old.
    pub pid: u32,
}

/// How a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitState {
    /// It can be started.
    Free,
    /// Its last start or run failed.
    Failed,
    /// Stopped and masked by us, until we start it or for good.
    Held,
    /// Masked by somebody else.
    Masked,
    /// There is no such unit.
    Absent,
}

pub(super) fn take_over(local: &Local, found: &Foreign) -> Result<(), Fault> {
    let known = get(local, &found.spec.name)?;
    let mut wanted =
        ServiceRecord { foreign: true, unit: found.unit.clone(), ..ServiceRecord::of(&found.spec) };
    if let Some(known) = &known {
        wanted.masked = known.masked;
        wanted.held = known.held;
        wanted.disabled = known.disabled;
        wanted.started = known.started;
        wanted.pid = known.pid;
        wanted.pid_started = known.pid_started;
        if found.process.is_none() && known.foreign {
            // As it was started when it was seen running.
            wanted.program.clone_from(&known.program);
            wanted.arguments.clone_from(&known.arguments);
        }
    }
    if let Some(process) = found.process {
        wanted.started = true;
        wanted.pid = process.pid;
        wanted.pid_started = process.started;
    }
    if known.as_ref() == Some(&wanted) {
        return Ok(());
    }
    put(local, &wanted)
}

pub(super) fn give_back(local: &Local, name: &str) -> Result<(), Fault> {
    match get(local, name)? {
        Some(known) if known.foreign && !known.held && !known.masked => {
            Ok(local.host.remove_file(&path(local, name)?)?)
        }
        Some(_) | None => Ok(()),
    }
}

/// Let go of if we hold it, then started, whoever ended it before.
pub(super) async fn start(runner: &dyn Runner, known: ServiceRecord) -> Result<(), Fault> {
    let known = let_go(runner, known).await?;
    let unit = known.unit();
    sudo::try_change(runner, Verb::ResetFailed, &unit).await?;
    // One that a script of old starts counts as active when its process is gone.
    let shown = systemd::show(runner, Manager::System, &unit).await?;
    let verb = if shown.sub == "exited" { Verb::Restart } else { Verb::Start };
    sudo::change(runner, verb, &unit).await
}

/// Stopped, and held: nothing starts it, whatever it was enabled by.
pub(super) async fn stop(runner: &dyn Runner, mut known: ServiceRecord) -> Result<(), Fault> {
    let unit = known.unit();
    let shown = systemd::show(runner, Manager::System, &unit).await?;
    // Remembered first: a mask that nobody remembers would stay.
    if !known.held && shown.load != MASKED {
        known.held = true;
        known.disabled = !maskable(&shown, &unit) && shown.enabled;
        put(runner.local(), &known)?;
    }
    if !matches!(shown.active.as_str(), "inactive" | "failed") {
        sudo::change(runner, Verb::Stop, &unit).await?;
    }
    hold(runner, &shown, &unit).await
}

async fn hold(runner: &dyn Runner, shown: &systemd::Shown, unit: &str) -> Result<(), Fault> {
    if maskable(shown, unit) {
        // Disabling would not hold what a generator or another unit starts.
        return sudo::change(runner, Verb::Mask, unit).await;
    }
    sudo::change(runner, Verb::Disable, unit).await
}

/// Takes back what [`stop`] did, and nothing that somebody else did.
async fn let_go(runner: &dyn Runner, mut known: ServiceRecord) -> Result<ServiceRecord, Fault> {
    if !known.held {
        return Ok(known);
    }
    let unit = known.unit();
    sudo::change(runner, Verb::Unmask, &unit).await?;
    if known.disabled {
        sudo::change(runner, Verb::Enable, &unit).await?;
    }
    known.held = false;
    known.disabled = false;
    put(runner.local(), &known)?;
    Ok(known)
}

/// No longer held; disabled as it is. The caller removes the record.
pub(super) async fn forget(runner: &dyn Runner, known: &ServiceRecord) -> Result<(), Fault> {
    let unit = known.unit();
    let shown = systemd::show(runner, Manager::System, &unit).await?;
    if (known.held || known.masked) && shown.load == MASKED {
        sudo::change(runner, Verb::Unmask, &unit).await?;
    }
    if shown.enabled {
        sudo::change(runner, Verb::Disable, &unit).await?;
    }
    Ok(())
}

/// Let go of if we hold it, and enabled.
pub(super) async fn enable(runner: &dyn Runner, known: ServiceRecord) -> Result<(), Fault> {
    let known = let_go(runner, known).await?;
    sudo::change(runner, Verb::Enable, &known.unit()).await
}

/// For good, or no longer. The record has been written.
pub(super) async fn set_masked(
    runner: &dyn Runner,
    known: ServiceRecord,
    masked: bool,
) -> Result<(), Fault> {
    if !masked {
        return let_go(runner, known).await.map(|_| ());
    }
    let unit = known.unit();
    let shown = systemd::show(runner, Manager::System, &unit).await?;
    hold(runner, &shown, &unit).await
}

/// `systemctl mask` makes a link in `/etc/systemd/system`: a real file there is in its way.
fn maskable(shown: &systemd::Shown, unit: &str) -> bool {
    shown.load == MASKED || shown.fragment != format!("/etc/systemd/system/{unit}")
}

pub(super) async fn unit(runner: &dyn Runner, unit: &str, name: &str) -> Result<Unit, Fault> {
    let local = runner.local();
    let known = if name.is_empty() { None } else { get(local, name)? };
    let ours = known.is_some_and(|known| known.held || known.masked);
    match local.form {
        LaunchForm::Process if ours => return Ok(Unit { state: UnitState::Held, pid: 0 }),
        LaunchForm::Process => return Ok(Unit { state: UnitState::Free, pid: 0 }),
        LaunchForm::Systemd | LaunchForm::User => {}
    }
    let shown = systemd::show(runner, Manager::System, unit).await?;
    let barred = shown.load == MASKED || !maskable(&shown, unit) && !shown.enabled;
    let state = match (shown.load.as_str(), shown.active.as_str()) {
        _ if ours && barred => UnitState::Held,
        (MASKED, _) => UnitState::Masked,
        ("not-found", _) => UnitState::Absent,
        (_, "failed") => UnitState::Failed,
        _ => UnitState::Free,
    };
    Ok(Unit { state, pid: shown.pid })
}

/// By its unit alone: whether a process of it runs outside of it is for the system to say.
pub(super) async fn reading(
    runner: &dyn Runner,
    known: &ServiceRecord,
) -> Result<ServiceReading, Fault> {
    let unit = known.unit();
    let reading = systemd::reading(runner, Manager::System, &unit).await?;
    let held = match self::unit(runner, &unit, &known.name).await?.state {
        UnitState::Held => true,
        UnitState::Free | UnitState::Failed | UnitState::Masked | UnitState::Absent => false,
    };
    if held && reading.state() != ServiceState::Running {
        return Ok(ServiceReading { state: ServiceState::Masked.into(), ..reading });
    }
    Ok(reading)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{collections::BTreeMap, sync::Mutex, time::Duration};

    use bellows_proto::v1::FaultCode;
    use camino::{Utf8Path, Utf8PathBuf};
    use futures::future::BoxFuture;

    use super::*;
    use crate::{
        exec::{Finished, Invocation},
        facilities::services,
        host::{HttpError, HttpReply, HttpRequest, Signal},
    };

    const NAME: &str = "bellows-shop-pg1-server";
    const UNIT: &str = "postgresql@15-main.service";

    #[derive(Default)]
    struct Shown {
        masked: bool,
        enabled: bool,
        running: bool,
        fragment: String,
        /// A script of old that counts as active without a process.
        exited: bool,
        said: Vec<String>,
        /// What was run by `sudo`, program and arguments.
        as_root: Vec<String>,
    }

    /// A service manager with one unit.
    struct Manager {
        local: Local,
        unit: Mutex<Shown>,
        _folder: tempfile::TempDir,
    }

    impl Manager {
        fn new(fragment: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let data = Utf8PathBuf::try_from(folder.path().to_owned()).unwrap();
            let text = format!(
                "[agent]\nhost = \"h1\"\naddress = \"127.0.0.1\"\ndata_dir = \"{data}\"\nlaunch = \"systemd\"\n"
            );
            let config = crate::config::parse(Utf8Path::new("agent.toml"), &text).unwrap();
            let local = crate::run::local(config).unwrap();
            let fragment = fragment.to_owned();
            let unit = Shown { enabled: true, running: true, fragment, ..Shown::default() };
            Self { local, unit: Mutex::new(unit), _folder: folder }
        }

        fn answer(&self, words: &[String]) -> String {
            let mut unit = self.unit.lock().unwrap();
            let sudo = words.iter().position(|word| word == sudo::SUDO);
            let words = match sudo {
                Some(at) => {
                    assert_eq!(words.get(at + 1..at + 3).unwrap(), ["-n", "--"]);
                    unit.as_root.push(words.get(at + 3..).unwrap().join(" "));
                    words.get(at + 4..).unwrap()
                }
                None => words,
            };
            let verb = words.first().unwrap().clone();
            match verb.as_str() {
                "mask" => unit.masked = true,
                "unmask" => unit.masked = false,
                "enable" => unit.enabled = true,
                "disable" => unit.enabled = false,
                "start" | "restart" => unit.running = true,
                "stop" => unit.running = false,
                "show" => {
                    let load = if unit.masked { "masked" } else { "loaded" };
                    let active = if unit.running { "active" } else { "inactive" };
                    let file = if unit.enabled { "enabled" } else { "disabled" };
                    let sub = if unit.exited { "exited" } else { "running" };
                    return format!(
                        "LoadState={load}\nActiveState={active}\nSubState={sub}\nUnitFileState={file}\nFragmentPath={}\nMainPID=7\n",
                        unit.fragment
                    );
                }
                _ => {}
            }
            unit.said.push(verb);
            String::new()
        }

        /// What was asked for since the last time.
        fn said(&self) -> String {
            std::mem::take(&mut self.unit.lock().unwrap().said).join(" ")
        }

        fn remember(&self) {
            let spec = ServiceSpec {
                name: NAME.to_owned(),
                description: String::new(),
                user: "postgres".to_owned(),
                program: "/bin/false".into(),
                arguments: Vec::new(),
                environment: BTreeMap::new(),
                stop_signal: Signal::Int,
                stop_timeout: Duration::from_secs(1),
                log_file: "/dev/null".into(),
                directories: Vec::new(),
                restart: false,
            };
            let found = Foreign { spec, unit: UNIT.to_owned(), process: None };
            services(self).take_over(&found).unwrap();
        }

        async fn state(&self) -> UnitState {
            services(self).unit(UNIT, NAME).await.unwrap().state
        }
    }

    impl Runner for Manager {
        fn local(&self) -> &Local {
            &self.local
        }

        fn run(&self, invocation: Invocation) -> BoxFuture<'_, Result<Finished, Fault>> {
            self.read(invocation)
        }

        fn read(&self, invocation: Invocation) -> BoxFuture<'_, Result<Finished, Fault>> {
            let stdout = self.answer(&invocation.arguments).into_bytes();
            let finished = Finished { status: Some(0), stdout, ..Finished::default() };
            Box::pin(async move { Ok(finished) })
        }

        fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpReply, HttpError>> {
            self.local.host.http(request)
        }
    }

    #[tokio::test]
    async fn a_unit_is_masked_while_it_is_stopped_and_then_as_it_was() {
        let manager = Manager::new("/lib/systemd/system/postgresql@.service");
        manager.remember();
        let services = services(&manager);
        services.stop(NAME).await.unwrap();
        assert_eq!(manager.said(), "stop mask");
        assert_eq!(manager.state().await, UnitState::Held);
        assert_eq!(services.reading(NAME).await.unwrap().state(), ServiceState::Masked);
        // Remembered anew in between, as by every action.
        manager.remember();
        services.start(NAME).await.unwrap();
        assert_eq!(manager.said(), "unmask reset-failed start");
        assert_eq!(manager.state().await, UnitState::Free);
        assert!(manager.unit.lock().unwrap().enabled);
        services.start(NAME).await.unwrap();
        assert_eq!(manager.said(), "reset-failed start");
        services.give_back(NAME).unwrap();
        assert!(get(&manager.local, NAME).unwrap().is_none());
    }

    /// The unit of somebody's package, started for a node of ours, and given up with it.
    #[tokio::test]
    async fn a_unit_is_enabled_for_a_node_of_ours_and_disabled_with_its_end() {
        for (fragment, held, end) in [
            (format!("/etc/systemd/system/{UNIT}"), "stop disable", ""),
            (format!("/lib/systemd/system/{UNIT}"), "stop mask", "unmask disable"),
        ] {
            let manager = Manager::new(&fragment);
            manager.unit.lock().unwrap().enabled = false;
            manager.remember();
            let services = services(&manager);
            services.enable(NAME).await.unwrap();
            services.start(NAME).await.unwrap();
            assert_eq!(manager.said(), "enable reset-failed start");
            services.stop(NAME).await.unwrap();
            assert_eq!(manager.said(), held);
            services.forget(NAME).await.unwrap();
            assert_eq!(manager.said(), end);
            {
                let unit = manager.unit.lock().unwrap();
                assert!(!unit.enabled && !unit.masked && !unit.running);
            }
            assert!(get(&manager.local, NAME).unwrap().is_none());
            services.forget(NAME).await.unwrap();
            services.reload().await.unwrap();
            assert_eq!(manager.said(), "daemon-reload");
        }
    }

    #[tokio::test]
    async fn a_unit_whose_file_is_in_the_way_of_a_mask_is_disabled() {
        for enabled in [true, false] {
            let manager = Manager::new(&format!("/etc/systemd/system/{UNIT}"));
            manager.unit.lock().unwrap().enabled = enabled;
            manager.remember();
            let services = services(&manager);
            services.stop(NAME).await.unwrap();
            assert_eq!(manager.said(), "stop disable");
            assert_eq!(manager.state().await, UnitState::Held);
            services.start(NAME).await.unwrap();
            assert_eq!(manager.unit.lock().unwrap().enabled, enabled);
        }
    }

    /// Of an agent without root: `sudo` gets exactly what root was shown.
    #[tokio::test]
    async fn what_is_run_as_root_is_what_the_sudoers_lines_allow() {
        let mut ran = std::collections::BTreeSet::new();
        for fragment in ["/lib/systemd/system/x.service", &format!("/etc/systemd/system/{UNIT}")] {
            let mut manager = Manager::new(fragment);
            manager.local.form = LaunchForm::User;
            manager.remember();
            let services = services(&manager);
            services.stop(NAME).await.unwrap();
            services.start(NAME).await.unwrap();
            manager.unit.lock().unwrap().exited = true;
            services.start(NAME).await.unwrap();
            services.mask(NAME).await.unwrap();
            services.unmask(NAME).await.unwrap();
            // The words before it are systemd-run's: nothing else was asked to change it.
            let mut unit = manager.unit.lock().unwrap();
            assert_eq!(unit.as_root.len(), unit.said.len());
            ran.extend(std::mem::take(&mut unit.as_root));
        }
        let text = format!(
            "[agent]\nhost = \"h1\"\naddress = \"127.0.0.1\"\nlaunch = \"user\"\n[systems.postgresql]\n\
             adopted = [{{ data_dir = \"/d\", repmgr_conf = \"/r\", server_unit = \"{UNIT}\" }}]\n"
        );
        let config = crate::config::parse(Utf8Path::new("agent.toml"), &text).unwrap();
        let printed = services::sudoers(config.systems.postgresql.as_ref().unwrap());
        let allowed = printed.lines().filter_map(|line| line.split_once("(root) NOPASSWD: "));
        let allowed = allowed.map(|(user, command)| {
            assert_eq!(user, "postgres ALL=");
            command.to_owned()
        });
        assert_eq!(ran, allowed.collect());
    }

    #[tokio::test]
    async fn a_mask_of_somebody_else_stays() {
        let manager = Manager::new("");
        manager.unit.lock().unwrap().masked = true;
        manager.remember();
        assert_eq!(manager.state().await, UnitState::Masked);
        services(&manager).stop(NAME).await.unwrap();
        services(&manager).start(NAME).await.unwrap();
        assert!(!manager.said().contains("unmask"));
    }

    #[tokio::test]
    async fn a_node_that_left_for_good_starts_again_only_when_that_is_taken_back() {
        let manager = Manager::new("");
        manager.remember();
        let services = services(&manager);
        services.stop(NAME).await.unwrap();
        services.mask(NAME).await.unwrap();
        assert_eq!(services.start(NAME).await.unwrap_err().code(), FaultCode::Denied);
        // Only its record says whose mask it is.
        services.give_back(NAME).unwrap();
        assert_eq!(manager.state().await, UnitState::Held);
        services.unmask(NAME).await.unwrap();
        assert_eq!(manager.state().await, UnitState::Free);
    }
}
