//! Units of root's, stopped and started by an agent that is not root: by `sudo`, with exactly the command
//! lines that [`fragment`] prints. Both are made from [`command`], so that they cannot drift apart.
//!
//! `sudo` needs what the agent's own unit forbids (`NoNewPrivileges=`), so it runs in a transient unit of the
//! user's service manager, of which `Type=oneshot` waits for the end.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bellows_proto::v1::{Fault, FaultCode};

use super::{Local, Manager, Runner, succeeded, systemd};
use crate::{
    config::{LaunchForm, PostgresqlConfig},
    exec::Invocation,
};

/// The program.
pub const SUDO: &str = "/usr/bin/sudo";
/// That all is allowed is believed for so long. A refusal is never remembered, and a job asks anew.
const AGE_MS: i64 = 60_000;
/// For each question to `sudo`, through the service manager.
const ASK: Duration = Duration::from_secs(5);

/// What is asked of root's service manager, each with the unit's name and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// After failed starts systemd refuses more until this.
    ResetFailed,
    /// The service starts.
    Start,
    /// Likewise, where a script of old counts as active without a process.
    Restart,
    /// The service stops.
    Stop,
    /// Nothing starts it.
    Mask,
    /// It can be started again.
    Unmask,
    /// Where its file is in the way of a mask: it does not start at boot.
    Disable,
    /// Likewise: it does again.
    Enable,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ResetFailed,
        Self::Start,
        Self::Restart,
        Self::Stop,
        Self::Mask,
        Self::Unmask,
        Self::Disable,
        Self::Enable,
    ];

    /// The word of `systemctl`.
    pub fn word(self) -> &'static str {
        match self {
            Self::ResetFailed => "reset-failed",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Mask => "mask",
            Self::Unmask => "unmask",
            Self::Disable => "disable",
            Self::Enable => "enable",
        }
    }

    /// What needs it, for the one who reads the fragment.
    fn needed_for(self) -> &'static str {
        match self {
            Self::ResetFailed => {
                "StartService: after failed starts systemd refuses more until this"
            }
            Self::Start => "StartService",
            Self::Restart => {
                "StartService, where a script of old counts as active without a process"
            }
            Self::Stop => "StopService",
            Self::Mask => "StopService: nothing starts it while it is stopped by Bellows",
            Self::Unmask => "StartService: takes the mask of StopService back",
            Self::Disable => "StopService, where the unit's file lies in the place of a mask",
            Self::Enable => "StartService: takes the disabling of StopService back",
        }
    }
}

/// What root's service manager is asked with: program and arguments.
pub fn command(verb: Verb, unit: &str) -> [String; 3] {
    [systemd::systemctl().to_owned(), verb.word().to_owned(), unit.to_owned()]
}

/// The lines for a file in `/etc/sudoers.d`: every command that an agent with this section and
/// `launch = "user"` runs as root, and no other.
pub fn fragment(section: &PostgresqlConfig) -> String {
    let user = &section.os_user;
    let mut lines = vec![
        "# Printed by bellows-agent sudoers --print from agent.toml. Print it again when agent.toml changes.".to_owned(),
        "# Each line allows one command with exactly these arguments; none has a wildcard.".to_owned(),
    ];
    let units = section.units();
    if units.is_empty() {
        lines.push("# agent.toml names no unit of root's: this agent needs no sudo.".to_owned());
    } else {
        lines.push(
            "# Where the distribution asks for a terminal by default: the agent has none."
                .to_owned(),
        );
        lines.push(format!("Defaults:{user} !requiretty"));
    }
    for unit in units {
        lines.push(String::new());
        lines.push(format!("# [[systems.postgresql.adopted]]: {unit}"));
        for verb in Verb::ALL {
            let words: Vec<String> = command(verb, unit).iter().map(|word| escaped(word)).collect();
            lines.push(format!("# {}", verb.needed_for()));
            lines.push(format!("{user} ALL=(root) NOPASSWD: {}", words.join(" ")));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The characters that mean something in a command of sudoers. A backslash itself is refused in `agent.toml`.
fn escaped(word: &str) -> String {
    let special = |c: char| matches!(c, ',' | ':' | '=');
    word.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// Changes a unit that is not ours.
///
/// # Errors
/// If that fails; `DENIED` if `sudo` does not allow it.
pub(super) async fn change(runner: &dyn Runner, verb: Verb, unit: &str) -> Result<(), Fault> {
    let invocation = invocation(runner.local(), verb, unit);
    let what = format!("{} {unit}", verb.word());
    let Err(fault) = succeeded(runner, invocation, &what).await else { return Ok(()) };
    match runner.local().form {
        LaunchForm::Systemd | LaunchForm::Process => Err(fault),
        // What sudo said went to the journal: whether it refused is asked.
        LaunchForm::User => match asked(runner, unit).await? {
            Some(why) => Err(Fault::new(FaultCode::Denied, why).remedy(REMEDY)),
            None => {
                Err(fault.remedy(format!("see journalctl and systemctl status {unit} on the host")))
            }
        },
    }
}

/// What may fail where there is nothing to do.
pub(super) async fn try_change(runner: &dyn Runner, verb: Verb, unit: &str) -> Result<(), Fault> {
    runner.read(invocation(runner.local(), verb, unit)).await.map(|_| ())
}

const REMEDY: &str =
    "as root: bellows-agent sudoers --print > /etc/sudoers.d/bellows-agent, then retry";

fn invocation(local: &Local, verb: Verb, unit: &str) -> Invocation {
    let command = command(verb, unit);
    match local.form {
        LaunchForm::Systemd | LaunchForm::Process => {
            let [program, arguments @ ..] = command;
            Invocation::new(program, arguments, systemd::CHANGE)
        }
        LaunchForm::User => {
            let sudo = [SUDO, "-n", "--"].map(str::to_owned).into_iter().chain(command);
            outside(sudo, systemd::CHANGE)
        }
    }
}

/// In a transient unit of the user's service manager; ends with its end.
fn outside(command: impl IntoIterator<Item = String>, deadline: Duration) -> Invocation {
    let words = ["--quiet", "--collect", "--property=Type=oneshot", "--"].map(str::to_owned);
    Manager::User.ask("/usr/bin/systemd-run", words.into_iter().chain(command), deadline)
}

/// Asks `sudo`, as this user, whether it allows a command; nothing is run.
pub fn question(verb: Verb, unit: &str) -> Invocation {
    let words = ["-n", "-l", "--"].map(str::to_owned).into_iter().chain(command(verb, unit));
    Invocation::new(SUDO, words, ASK)
}

/// Since when `sudo` is known to allow all that is needed.
#[derive(Debug, Default)]
pub struct Allowed(Mutex<Option<i64>>);

impl Allowed {
    fn is_fresh(&self, now_ms: i64) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = since.and_then(|since| now_ms.checked_sub(since));
        age.is_some_and(|age| (0..AGE_MS).contains(&age))
    }

    fn put(&self, now_ms: i64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now_ms);
    }
}

/// Why `unit` cannot be stopped and started; `None`: it can, or no `sudo` is needed.
pub(super) async fn refused(runner: &dyn Runner, unit: &str) -> Result<Option<String>, Fault> {
    let local = runner.local();
    match local.form {
        LaunchForm::Systemd | LaunchForm::Process => return Ok(None),
        LaunchForm::User if local.sudo.is_fresh(local.clock.now_ms()) => return Ok(None),
        LaunchForm::User => {}
    }
    let why = asked(runner, unit).await?;
    if why.is_none() {
        local.sudo.put(local.clock.now_ms());
    }
    Ok(why)
}

/// The same, whatever is remembered. All lines at once: they come from one file.
async fn asked(runner: &dyn Runner, unit: &str) -> Result<Option<String>, Fault> {
    let local = runner.local();
    let check =
        [local.own_program.as_str(), "sudoers", "--check", "--config", local.config.path.as_str()];
    let ended = runner.read(outside(check.map(str::to_owned), ASK)).await?;
    if ended.success() {
        return Ok(None);
    }
    Ok(Some(format!(
        "sudo does not let this agent stop and start {unit}: runuser -u {} -- bellows-agent sudoers --check names the lines that are missing, bellows-agent sudoers --print prints all",
        local.config.systems.postgresql.as_ref().map_or("USER", |section| section.os_user.as_str())
    )))
}
