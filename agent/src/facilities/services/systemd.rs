//! Units of ours. They live in `/usr/local/lib/systemd/system`: `systemctl mask` refuses a
//! real file in `/etc/systemd/system`.
//!
//! Works with systemd 239 and later: `Type=simple` (`exec` came with 240), output to the
//! journal (`append:` came with 240), no `show --value` (it came with 230, but not in 219).

use std::time::Duration;

use bellows_proto::v1::{Fault, ServiceReading, ServiceState};
use camino::{Utf8Path, Utf8PathBuf};

use super::{Runner, ServiceSpec, succeeded};
use crate::{
    exec::{Invocation, PATH},
    host::{Access, Signal},
};

/// Where our units are.
pub const UNIT_DIRECTORY: &str = "/usr/local/lib/systemd/system";
/// `systemctl` answers soon, but a start or stop waits for the service.
pub(super) const ASK: Duration = Duration::from_secs(5);
const CHANGE: Duration = Duration::from_secs(300);
const PROPERTIES: &str = "LoadState,ActiveState,SubState,UnitFileState,FragmentPath,MainPID";

/// The text of a unit. Values are typed and quoted; systemd's `%` and `$` are doubled.
pub fn render(spec: &ServiceSpec) -> String {
    let mut lines = vec![
        "# Written by Bellows; changes are lost.".to_owned(),
        "[Unit]".to_owned(),
        format!("Description={}", plain(&spec.description)),
        "Wants=network-online.target".to_owned(),
        "After=network-online.target".to_owned(),
        String::new(),
        "[Service]".to_owned(),
        "Type=simple".to_owned(),
        "UMask=0077".to_owned(),
        format!("User={}", plain(&spec.user)),
    ];
    let mut environment = spec.environment.clone();
    for (key, value) in [("PATH", PATH), ("LC_ALL", "C")] {
        environment.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }
    for (key, value) in &environment {
        let entry = format!("{key}={value}").replace('%', "%%");
        lines.push(format!("Environment={}", quoted(&entry)));
    }
    for directory in &spec.directories {
        lines.push(format!(
            "ExecStartPre=+/usr/bin/install -d -m 0755 -o {} {}",
            argument(&spec.user),
            argument(directory.as_str())
        ));
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
    lines.push("KillMode=mixed".to_owned());
    lines.push(format!("TimeoutStopSec={}", spec.stop_timeout.as_secs()));
    if spec.restart {
        lines.push("Restart=on-failure".to_owned());
        lines.push("RestartSec=5".to_owned());
    }
    lines.extend([
        String::new(),
        "[Install]".to_owned(),
        "WantedBy=multi-user.target".to_owned(),
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

fn unit_file(name: &str) -> Utf8PathBuf {
    Utf8Path::new(UNIT_DIRECTORY).join(unit(name))
}

pub(super) fn systemctl<'a>(
    arguments: impl IntoIterator<Item = &'a str>,
    deadline: Duration,
) -> Invocation {
    let program = ["/usr/bin/systemctl", "/bin/systemctl"]
        .into_iter()
        .find(|path| Utf8Path::new(path).exists())
        .unwrap_or("/usr/bin/systemctl");
    Invocation::new(program, arguments, deadline)
}

/// `systemctl` that waits for what it does.
pub(super) async fn change(
    runner: &dyn Runner,
    arguments: &[&str],
    what: &str,
) -> Result<(), Fault> {
    let invocation = systemctl(arguments.iter().copied(), CHANGE);
    succeeded(runner, invocation, what).await.map(|_| ())
}

pub(super) async fn install(runner: &dyn Runner, spec: &ServiceSpec) -> Result<(), Fault> {
    let host = &runner.local().host;
    let public = |mode| Access { mode, owner: None };
    host.create_directory(Utf8Path::new(UNIT_DIRECTORY), &public(0o755))?;
    let text = render(spec);
    host.write(&unit_file(&spec.name), text.as_bytes(), &public(0o644))?;
    change(runner, &["daemon-reload"], "read the units again").await
}

pub(super) async fn remove(runner: &dyn Runner, name: &str) -> Result<(), Fault> {
    runner.local().host.remove_file(&unit_file(name))?;
    change(runner, &["daemon-reload"], "read the units again").await?;
    // A failed unit would stay in the list without its file; one that is not there is fine.
    runner.read(systemctl(["reset-failed", &unit(name)], ASK)).await.map(|_| ())
}

pub(super) async fn start(runner: &dyn Runner, name: &str) -> Result<(), Fault> {
    let unit = unit(name);
    // After five failed starts within ten seconds systemd refuses until this.
    let reset = systemctl(["reset-failed", &unit], ASK);
    runner.read(reset).await?;
    change(runner, &["enable", &unit], "enable the service").await?;
    change(runner, &["start", &unit], "start the service").await
}

pub(super) async fn stop(runner: &dyn Runner, name: &str) -> Result<(), Fault> {
    let unit = unit(name);
    let shown = show(runner, &unit).await?;
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

pub(super) async fn reading(runner: &dyn Runner, unit: &str) -> Result<ServiceReading, Fault> {
    let shown = show(runner, unit).await?;
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
    Ok(match show(runner, &unit(name)).await?.load.as_str() {
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
pub(super) async fn show(runner: &dyn Runner, unit: &str) -> Result<Shown, Fault> {
    let property = format!("--property={PROPERTIES}");
    let invocation = systemctl(["show", &property, "--", unit], ASK);
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
        let text = render(&spec);
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
