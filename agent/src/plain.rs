//! An agent without root (`launch = "user"`): what must hold on the host before it serves, and
//! `bellows-agent sudoers`. What can be seen in `agent.toml` alone is refused when that is read.

use anyhow::{Result, bail};
use camino::Utf8Path;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, ConfigError, Launch, PostgresqlConfig},
    exec::{Silent, launch},
    facilities::{
        Local,
        services::{self, Manager, Verb},
    },
    host::FileKind,
};

/// Arguments of `bellows-agent sudoers`.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct SudoersArgs {
    /// Print the lines for a file in /etc/sudoers.d
    #[arg(long)]
    print: bool,
    /// As the agent's user: ask sudo for each line whether it is there
    #[arg(long)]
    check: bool,
}

/// `bellows-agent sudoers`. `local` is made for `--check` only: printing is for root.
///
/// # Errors
/// If `agent.toml` has another `launch`; or lines are missing, each by name.
pub async fn sudoers(
    config: Config,
    args: &SudoersArgs,
    local: impl FnOnce(Config) -> Result<Local>,
) -> Result<()> {
    let section = section(&config)?;
    if args.print {
        print!("{}", services::sudoers(section));
        return Ok(());
    }
    let units: Vec<String> = section.units().into_iter().map(str::to_owned).collect();
    let local = local(config)?;
    let mut missing = Vec::new();
    for unit in &units {
        for verb in Verb::ALL {
            let question = services::may_i(verb, unit);
            let told = local.host.run(&question, &CancellationToken::new(), &mut Silent).await?;
            if !told.success() {
                missing.push(services::privileged(verb, unit).join(" "));
            }
        }
    }
    if missing.is_empty() {
        println!("sudo allows all {} lines", units.len() * Verb::ALL.len());
        return Ok(());
    }
    bail!(
        "sudo does not allow:\n  {}\nas root: bellows-agent sudoers --print > /etc/sudoers.d/bellows-agent",
        missing.join("\n  ")
    )
}

fn section(config: &Config) -> Result<&PostgresqlConfig, ConfigError> {
    match (&config.systems.postgresql, config.agent.launch) {
        (Some(section), Launch::User) => Ok(section),
        (_, Launch::Auto | Launch::Systemd | Launch::Process) | (None, Launch::User) => {
            Err(mistakes(
                config,
                vec!["agent.launch is not \"user\": this agent needs no sudo".to_owned()],
            ))
        }
    }
}

fn mistakes(config: &Config, mistakes: Vec<String>) -> ConfigError {
    ConfigError::Mistakes { path: config.path.to_string(), mistakes }
}

/// Refuses root, with `launch = "user"`: files that it made would not be the agent's.
///
/// # Errors
/// If this process is root's.
pub fn refuse_root(config: &Config) -> Result<(), ConfigError> {
    match (&config.systems.postgresql, config.agent.launch) {
        (Some(section), Launch::User) if rustix::process::geteuid().is_root() => Err(mistakes(
            config,
            vec![format!(
                "agent.launch: with \"user\" this agent is user {user}, not root: runuser -u {user} -- bellows-agent ...",
                user = section.os_user
            )],
        )),
        _ => Ok(()),
    }
}

/// All that is missing on the host for an agent without root: its user, the user's service manager, the
/// roots of the system.
///
/// # Errors
/// All of it at once, with the commands that mend it.
pub fn check(local: &Local) -> Result<(), ConfigError> {
    let config = &local.config;
    let (Some(section), Launch::User) = (&config.systems.postgresql, config.agent.launch) else {
        return Ok(());
    };
    let name = &section.os_user;
    let uid = rustix::process::geteuid().as_raw();
    let user = launch::user(name).ok().flatten();
    if user.is_none_or(|user| user.uid != uid) {
        let own =
            format!("systems.postgresql.os_user: {name} is not the user that this agent runs as");
        return Err(mistakes(config, vec![own]));
    }
    let mut wrong = Vec::new();
    if !Manager::folder(uid).join("systemd/private").exists() {
        wrong.push(format!(
            "agent.launch: the service manager of user {name} does not run; as root: loginctl enable-linger {name}"
        ));
    }
    let roots = [
        ("data_root", &section.data_root),
        ("conf_root", &section.conf_root),
        ("log_root", &section.log_root),
        ("socket_root", &section.socket_root),
    ];
    for (key, root) in roots {
        wrong.extend(unowned(local, root, uid).map(|why| {
            format!("systems.postgresql.{key}: {root} {why}; as root: install -d -o {name} -m 0755 {root}")
        }));
    }
    if wrong.is_empty() { Ok(()) } else { Err(mistakes(config, wrong)) }
}

fn unowned(local: &Local, root: &Utf8Path, uid: u32) -> Option<String> {
    match local.host.metadata(root) {
        Ok(Some(found)) if found.kind != FileKind::Directory => Some("is no folder".to_owned()),
        Ok(Some(found)) if found.uid != uid => {
            Some(format!("is of user {}, and this agent may not write there", found.uid))
        }
        Ok(Some(_)) => None,
        Ok(None) => Some("is not there".to_owned()),
        Err(error) => Some(format!("cannot be looked at: {error}")),
    }
}
