//! `agent.toml`: what the host's administrator allows. Text becomes typed values here and is
//! never checked again. Must not know jobs, tools or the network.

use std::collections::BTreeMap;

use bellows_proto::names::HostName;
use camino::{Utf8Path, Utf8PathBuf};

pub mod bookkeeper;
pub mod fronts;
mod keys;
pub mod kwdb;
mod load;
mod plain;
pub mod postgresql;
mod values;

pub use bookkeeper::BookkeeperConfig;
pub use kwdb::KwdbConfig;
pub use load::{ConfigError, check_owner, data_dir, load, parse};
pub use postgresql::PostgresqlConfig;

/// Where the configuration is looked for.
pub const DEFAULT_PATH: &str = "/etc/bellows/agent.toml";
/// Transient units as jobs need them are there from this version of systemd on.
const SYSTEMD_FLOOR: u32 = 239;
/// `[agent] listen` when it is not given.
pub const DEFAULT_LISTEN: &str = "0.0.0.0:7401";

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file that it came from.
    pub path: Utf8PathBuf,
    /// The agent itself.
    pub agent: AgentConfig,
    /// The allowed systems.
    pub systems: SystemsConfig,
    /// Environments of tools, by name.
    pub profiles: BTreeMap<String, BTreeMap<String, String>>,
}

/// `[agent]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentConfig {
    /// The host's name within its site.
    pub host: HostName,
    /// ADDRESS:PORT to listen at; port 0: any free one.
    pub listen: String,
    /// Records, identity. Only for the agent.
    pub data_dir: Utf8PathBuf,
    /// Secrets of running jobs. Must be on a tmpfs.
    pub runtime_dir: Utf8PathBuf,
    /// Where the nodes of this host are reached by other members.
    pub address: std::net::IpAddr,
    /// How jobs and services are launched.
    pub launch: Launch,
    /// Whether anything may be changed.
    pub mode: Mode,
    /// So many segments of the audit log are kept, of about 4 MiB each.
    pub audit_segments: u32,
}

/// `launch = "auto|systemd|process|user"`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// `systemd` where it is the init system, 239 or later, and we run as root, else `process`.
    Auto,
    /// Transient units for jobs, units of ours for services.
    Systemd,
    /// Sessions of their own.
    Process,
    /// Units of the service manager of the agent's own user, who is not root.
    User,
}

/// `mode = "manage|observe"`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Queries and jobs.
    Manage,
    /// Queries only.
    Observe,
}

impl Mode {
    /// The word of `agent.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manage => "manage",
            Self::Observe => "observe",
        }
    }
}

/// `[systems]`: a system that is not named is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SystemsConfig {
    /// `[systems.postgresql]`
    pub postgresql: Option<PostgresqlConfig>,
    /// `[systems.kwdb]`
    pub kwdb: Option<KwdbConfig>,
    /// `[systems.bookkeeper]`
    pub bookkeeper: Option<BookkeeperConfig>,
}

impl Config {
    /// `data_dir/identity`: `agent.crt`, `agent.key`, `authority.crt`.
    pub fn identity_dir(&self) -> Utf8PathBuf {
        self.agent.data_dir.join("identity")
    }

    /// The environment profile of this name; empty if there is none: a profile adds to what
    /// every tool gets, and need not be there.
    pub fn profile(&self, name: &str) -> BTreeMap<String, String> {
        self.profiles.get(name).cloned().unwrap_or_default()
    }
}

impl Launch {
    /// Decides `auto`: systemd where it runs as init, we may use it, and it has transient units as we need them.
    pub fn resolve(self) -> LaunchForm {
        let may =
            Utf8Path::new("/run/systemd/system").is_dir() && rustix::process::geteuid().is_root();
        self.resolve_under(|| may.then(crate::exec::systemd_version).flatten())
    }

    /// The same, where systemd has this version; `None`: there is none, or we may not use it.
    fn resolve_under(self, systemd: impl FnOnce() -> Option<u32>) -> LaunchForm {
        match self {
            Self::Systemd => LaunchForm::Systemd,
            Self::Process => LaunchForm::Process,
            Self::User => LaunchForm::User,
            Self::Auto if systemd().is_some_and(|version| version >= SYSTEMD_FLOOR) => {
                LaunchForm::Systemd
            }
            Self::Auto => LaunchForm::Process,
        }
    }
}

/// How jobs and services are launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaunchForm {
    /// Transient units for jobs, units of ours for services.
    Systemd,
    /// Sessions of their own.
    Process,
    /// As `Systemd`, by the service manager of the agent's own user; units of root's that `agent.toml` names
    /// are stopped and started by `sudo`.
    User,
}

impl LaunchForm {
    /// Whether services are units: these start at boot, and have a cgroup of their own.
    pub fn has_units(self) -> bool {
        match self {
            Self::Systemd | Self::User => true,
            Self::Process => false,
        }
    }

    /// The word in host facts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Process => "process",
            Self::User => "user",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_systemd_starts_no_jobs() {
        for (version, form) in [
            (None, LaunchForm::Process),
            (Some(219), LaunchForm::Process),
            (Some(238), LaunchForm::Process),
            (Some(239), LaunchForm::Systemd),
            (Some(252), LaunchForm::Systemd),
        ] {
            assert_eq!(Launch::Auto.resolve_under(|| version), form, "{version:?}");
            assert_eq!(Launch::Systemd.resolve_under(|| version), LaunchForm::Systemd);
            assert_eq!(Launch::User.resolve_under(|| version), LaunchForm::User);
        }
    }
}
