//! `agent.toml`: what the host's administrator allows. Text becomes typed values here and is
//! never checked again. Must not know jobs, tools or the network.

use std::collections::BTreeMap;

use bellows_proto::names::HostName;
use camino::{Utf8Path, Utf8PathBuf};

pub mod fronts;
mod keys;
mod load;
pub mod postgresql;
mod values;

pub use load::{ConfigError, check_owner, load, parse};
pub use postgresql::PostgresqlConfig;

/// Where the configuration is looked for.
pub const DEFAULT_PATH: &str = "/etc/bellows/agent.toml";
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

/// `launch = "auto|systemd|process"`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// `systemd` where it is the init system and we run as root, else `process`.
    Auto,
    /// Transient units for jobs, units of ours for services.
    Systemd,
    /// Sessions of their own.
    Process,
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
    /// Decides `auto`: systemd where it runs as init and we may use it.
    pub fn resolve(self) -> LaunchForm {
        let systemd =
            Utf8Path::new("/run/systemd/system").is_dir() && rustix::process::geteuid().is_root();
        match self {
            Self::Systemd => LaunchForm::Systemd,
            Self::Process => LaunchForm::Process,
            Self::Auto if systemd => LaunchForm::Systemd,
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
}

impl LaunchForm {
    /// The word in host facts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Process => "process",
        }
    }
}
