//! Units of ours. They live in `/usr/local/lib/systemd/system`: `systemctl mask` refuses a
//! real file in `/etc/systemd/system`. Those of an agent without root are its own user's, in
//! `~/.local/share/systemd/user`, for the same reason.
//!
//! Works with systemd 239 and later: `Type=simple` (`exec` came with 240), output to the
//! journal (`append:` came with 240), no `show --value` (it came with 230, but not in 219).

use std::time::Duration;

use bellows_proto::v1::{Fault, FaultCode, ServiceReading, ServiceState};
use camino::{Utf8Path, Utf8PathBuf};

use super::{Local, Runner, ServiceSpec, succeeded};
use crate::{
    config::LaunchForm,
    exec::{Invocation, PATH, launch},
    host::{Access, Signal},
};

/// Where our units are, where the agent is root.
const UNIT_DIRECTORY: &str = "/usr/local/lib/systemd/system";
/// Below the user's home, where it is not.
const USER_UNIT_DIRECTORY: &str = ".local/share/systemd/user";
/// `systemctl` answers soon, but a start or stop waits for the service.
pub(super) const ASK: Duration = Duration::from_secs(5);
pub(super) const CHANGE: Duration = Duration::from_secs(300);
const PROPERTIES: &str = "LoadState,ActiveState,SubState,UnitFileState,FragmentPath,MainPID";

/// Which service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// Process 1.
    System,
    /// That of the agent's own user, who lingers.
    User,
}

impl Manager {
    /// That of our jobs and of our own units.
    pub fn of_own(local: &Local) -> Self {
        match local.form {
            LaunchForm::User => Self::User,
            LaunchForm::Systemd | LaunchForm::Process => Self::System,
        }
    }

    /// The folder of the manager of a user with this id.
    pub fn folder(uid: u32) -> Utf8PathBuf {
        Utf8PathBuf::from(format!("/run/user/{uid}"))
    }

    /// A call of `systemctl` or `systemd-run` to it.
    pub fn ask<A: Into<String>>(
        self,
        program: &str,
        arguments: impl IntoIterator<Item = A>,
        deadline: Duration,
    ) -> Invocation {
        let arguments = arguments.into_iter().map(Into::into);
        match self {
            Self::System => Invocation::new(program, arguments, deadline),
            Self::User => {
                let folder = Self::folder(rustix::process::geteuid().as_raw());
                let arguments = std::iter::once("--user".to_owned()).chain(arguments);
                Invocation::new(program, arguments, deadline).env("XDG_RUNTIME_DIR", folder)
            }
        }
    }

    /// Where units of ours lie.
    fn unit_directory(self, spec_user: &str) -> Result<Utf8PathBuf, Fault> {
        match self {
            Self::System => Ok(UNIT_DIRECTORY.into()),
            Self::User => {
                let user = launch::user(spec_user).ok().flatten().ok_or_else(|| {
                    Fault::new(FaultCode::Io, format!("no user {spec_user:?} in /etc/passwd"))
                })?;
                Ok(Utf8Path::new(&user.home).join(USER_UNIT_DIRECTORY))
            }
        }
    }
}

/// The text of a unit. Values are typed and quoted; systemd's `%` and `$` are doubled.
pub fn render(spec: &ServiceSpec, manager: Manager) -> String {
    let mut lines = vec![
        "# Written by Bellows; changes are lost.".to_owned(),
        "[Unit]".to_owned(),
        format!("Description={}", plain(&spec.description)),
    ];
    if manager == Manager::System {
        lines.push("Wants=network-online.target".to_owned());
        lines.push("After=network-online.target".to_owned());
    }
    lines.extend([
        String::new(),
        "[Service]".to_owned(),
        "Type=simple".to_owned(),
        "UMask=0077".to_owned(),
    ]);
    // A user's manager starts nothing as anybody else, and has no networks to wait for.
    if manager == Manager::System {
        lines.push(format!("User={}", plain(&spec.user)));
    }
    let mut environment = spec.environment.clone();
    for (key, value) in [("PATH", PATH), ("LC_ALL", "C")] {
        environment.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }
    for (key, value) in &environment {
        let entry = format!("{key}={value}").replace('%', "%%");
        lines.push(format!("Environment={}", quoted(&entry)));
    }
    for directory in &spec.directories {
        let directory = argument(directory.as_str());
        lines.push(match manager {
            Manager::System => format!(
                "ExecStartPre=+/usr/bin/install -d -m 0755 -o {} {directory}",
                argument(&spec.user),
            ),
            Manager::User => format!("ExecStartPre=/usr/bin/install -d -m 0755 {directory}"),
        });
    }
    let command: Vec<String> = std::iter::once(spec.program.as_str())
        .chain(spec.arguments.iter().map(String::as_str))
        .map(argument)
        .collect();
    lines.push(format!("ExecStart={}", command.join(" ")));
    lines.push("ExecReload=/bin/kill -HUP $MAINPID".to_owned());
    lines.push(format!(
        "KillSignal={}",
        match spec.stop_signal {
            Signal::Int => "SIGINT",
            Signal::Term | Signal::Hup | Signal::Kill => "SIGTERM",
        }
    ));
    // 128 and the signal: how a JVM says that it has ended because it was asked to.
    lines.push("SuccessExitStatus=143".to_owned());
    lines.push("KillMode=mixed".to_owned());
    lines.push(format!("TimeoutStopSec={}", spec.stop_timeout.as_secs()));
    if spec.restart {
        lines.push("Restart=on-failure".to_owned());
        lines.push("RestartSec=5".to_owned());
    }
    let target = match manager {
        Manager::System => "multi-user.target",
        Manager::User => "default.target",
    };
    lines.extend([
        String::new(),
        "[Install]".to_owned(),
        format!("WantedBy={target}"),
        String::new(),
    ]);
    lines.join("\n")
}

/// Without line breaks and specifiers.
fn plain(text: &str) -> String {
    text.replace(['\n', '\r'], " ").replace('%', "%%")
}

fn quoted(text: &str) -> String {
    let inner = text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ");
    format!("\"{inner}\"")
}

fn argument(text: &str) -> String {
    quoted(&text.replace('%', "%%").replace('$', "$$"))
}

/// The unit of a service of ours.
pub(super) fn unit(name: &str) -> String {
    format!("{name}.service")
}

/// The program.
pub(super) fn systemctl() -> &'static str {
    ["/usr/bin/systemctl", "/bin/systemctl"]
        .into_iter()
        .find(|path| Utf8Path::new(path).exists())
        .unwrap_or("/usr/bin/systemctl")
}

/// `systemctl` that waits for what it does to units of ours.
async fn change(runner: &dyn Runner, arguments: &[&str], what: &str) -> Result<(), Fault> {
    let manager = Manager::of_own(runner.local());
    let invocation = manager.ask(systemctl(), arguments.iter().copied(), CHANGE);
    succeeded(runner, invocation, what).await.map(|_| ())
}

/// What may fail where there is nothing to do.
async fn try_change(runner: &dyn Runner, arguments: &[&str]) -> Result<(), Fault> {
    let manager = Manager::of_own(runner.local());
    let invocation = manager.ask(systemctl(), arguments.iter().copied(), ASK);
    runner.read(invocation).await.map(|_| ())
}

pub(super) async fn install(runner: &dyn Runner, spec: &ServiceSpec) -> Result<(), Fault> {
    let host = &runner.local().host;
    let public = |mode| Access { mode, owner: None };
    let manager = Manager::of_own(runner.local());
    let directory = manager.unit_directory(&spec.user)?;
    host.create_directory(&directory, &public(0o755))?;
    let text = render(spec, manager);
    host.write(&directory.join(unit(&spec.name)), text.as_bytes(), &public(0o644))?;
    change(runner, &["daemon-reload"], "read the units again").await
}

/// Reads all units again.
pub(super) async fn reload(runner: &dyn Runner) -> Result<(), Fault> {
    change(runner, &["daemon-reload"], "read the units again").await
}

pub(super) async fn remove(runner: &dyn Runner, name: &str, user: &str) -> Result<(), Fault> {
    let directory = Manager::of_own(runner.local()).unit_directory(user)?;
    runner.local().host.remove_file(&directory.join(unit(name)))?;
    change(runner, &["daemon-reload"], "read the units again").await?;
    // A failed unit would stay in the list without its file; one that is not there is fine.
    try_change(runner, &["reset-failed", &unit(name)]).await
}

pub(super) async fn start(runner: &dyn Runner, name: &str) -> Result<(), Fault> {
    let unit = unit(name);
    // After five failed starts within ten seconds systemd refuses until this.
    try_change(runner, &["reset-failed", &unit]).await?;
    change(runner, &["enable", &unit], "enable the service").await?;
    change(runner, &["start", &unit], "start the service").await
}

pub(super) async fn stop(runner: &dyn Runner, name: &str) -> Result<(), Fault> {
    let unit = unit(name);
    let shown = show(runner, Manager::of_own(runner.local()), &unit).await?;
    // A unit that is masked, or whose file is gone, may run all the same.
    if !matches!(shown.active.as_str(), "inactive" | "failed") {
        change(runner, &["stop", &unit], "stop the service").await?;
    }
    if shown.load == "loaded" {
        change(runner, &["disable", &unit], "disable the service").await?;
    }
    Ok(())
}

pub(super) async fn mask(runner: &dyn Runner, unit: &str, masked: bool) -> Result<(), Fault> {
    let verb = if masked { "mask" } else { "unmask" };
    change(runner, &[verb, unit], &format!("{verb} the service")).await
}

pub(super) async fn reading(
    runner: &dyn Runner,
    manager: Manager,
    unit: &str,
) -> Result<ServiceReading, Fault> {
    let shown = show(runner, manager, unit).await?;
    let state = match (shown.load.as_str(), shown.active.as_str()) {
        // A masked unit that still runs is told as running: that is what matters.
        (_, "active" | "activating" | "reloading" | "deactivating") => ServiceState::Running,
        ("masked", _) => ServiceState::Masked,
        ("not-found", _) => ServiceState::Absent,
        (_, "failed") => ServiceState::Failed,
        _ => ServiceState::Stopped,
    };
    Ok(ServiceReading { state: state.into(), enabled: shown.enabled, pid: shown.pid })
}

pub(super) async fn holder(runner: &dyn Runner, name: &str) -> Result<String, Fault> {
    let manager = Manager::of_own(runner.local());
    Ok(match show(runner, manager, &unit(name)).await?.load.as_str() {
        "not-found" => String::new(),
        other => format!("unit {} ({other})", unit(name)),
    })
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// `loaded`, `not-found`, `masked`, ...
    pub(super) load: String,
    /// `active`, `inactive`, `failed`, ...
    pub(super) active: String,
    /// `running`, `exited`, `dead`, ...
    pub(super) sub: String,
    /// The file that it is made of.
    pub(super) fragment: String,
    pub(super) enabled: bool,
    /// The main process; 0: none, or a script of old started it.
    pub(super) pid: u32,
}

/// What systemd says of a unit.
pub(super) async fn show(
    runner: &dyn Runner,
    manager: Manager,
    unit: &str,
) -> Result<Shown, Fault> {
    let property = format!("--property={PROPERTIES}");
    let invocation = manager.ask(systemctl(), ["show", &property, "--", unit], ASK);
    let command = invocation.command();
    let finished = runner.read(invocation).await?;
    if !finished.success() {
        return Err(crate::facilities::fault::tool_failed(&command, &finished, "show the service"));
    }
    parse(&finished.stdout).ok_or_else(|| {
        crate::facilities::fault::unreadable(&command, "no LoadState in it", &finished.stdout)
    })
}

fn parse(bytes: &[u8]) -> Option<Shown> {
    let mut shown = Shown::default();
    for line in String::from_utf8_lossy(bytes).lines() {
        match line.split_once('=') {
            Some(("LoadState", value)) => value.clone_into(&mut shown.load),
            Some(("ActiveState", value)) => value.clone_into(&mut shown.active),
            Some(("SubState", value)) => value.clone_into(&mut shown.sub),
            Some(("FragmentPath", value)) => value.clone_into(&mut shown.fragment),
            Some(("UnitFileState", value)) => shown.enabled = value == "enabled",
            Some(("MainPID", value)) => shown.pid = value.parse().ok()?,
            Some(_) | None => {}
        }
    }
    (!shown.load.is_empty()).then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_quoted() {
        let spec = ServiceSpec {
            name: "bellows-orders-pg1-server".into(),
            description: "PostgreSQL pg1".into(),
            user: "postgres".into(),
            program: "/usr/bin/postgres".into(),
            arguments: vec!["-D".into(), "/data/100% $HOME \"x\"".into()],
            environment: [("A".to_owned(), "b c".to_owned())].into(),
            stop_signal: Signal::Int,
            stop_timeout: Duration::from_secs(60),
            log_file: "/log/x".into(),
            directories: vec!["/run/x".into()],
            restart: true,
        };
        let text = render(&spec, Manager::System);
        for line in [
            "ExecStart=\"/usr/bin/postgres\" \"-D\" \"/data/100%% $$HOME \\\"x\\\"\"",
            "Environment=\"A=b c\"",
            "KillSignal=SIGINT",
            "TimeoutStopSec=60",
            "Restart=on-failure",
            "ExecStartPre=+/usr/bin/install -d -m 0755 -o \"postgres\" \"/run/x\"",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let text = render(&spec, Manager::User);
        for line in
            ["ExecStartPre=/usr/bin/install -d -m 0755 \"/run/x\"", "WantedBy=default.target"]
        {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("User=") && !text.contains("network-online"), "{text}");
    }

    #[test]
    fn properties_are_read_by_name() {
        let text =
            b"MainPID=42\nLoadState=loaded\nNew=thing\nActiveState=active\nUnitFileState=enabled\n";
        let shown = parse(text).unwrap();
        assert_eq!((shown.pid, shown.enabled, shown.load.as_str()), (42, true, "loaded"));
        assert_eq!(parse(b"rubbish"), None);
        assert_eq!(parse(b"LoadState=loaded\nMainPID=x\n"), None);
    }
}
