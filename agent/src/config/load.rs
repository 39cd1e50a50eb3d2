//! From file to [`Config`]: all mistakes at once.

use std::{collections::BTreeMap, net::IpAddr};

use bellows_proto::audit::{KEEP_DEFAULT, KEEP_LEAST};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use super::{
    AgentConfig, Config, DEFAULT_LISTEN, Launch, Mode, SystemsConfig, bookkeeper, keys, kwdb,
    plain, postgresql,
    values::{Checker, absolute},
};

/// `[agent] data_dir` when it is not given.
const DEFAULT_DATA_DIR: &str = "/var/lib/bellows-agent";
/// `audit_segments` is at most this: 40 GB.
const AUDIT_SEGMENTS_MOST: u32 = 10_000;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// Somebody else than root may write it.
    #[error("{path}: {reason}")]
    Owner {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// What is wrong with it, one line each.
    #[error("{path}: {}", mistakes.join(&format!("\n{path}: ")))]
    Mistakes {
        /// The file.
        path: String,
        /// All of it.
        mistakes: Vec<String>,
    },
}

#[derive(Debug, Deserialize, Default)]
struct RawConfig {
    #[serde(default)]
    agent: RawAgent,
    #[serde(default)]
    systems: RawSystems,
    #[serde(default)]
    profiles: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize, Default)]
struct RawAgent {
    host: Option<String>,
    listen: Option<String>,
    data_dir: Option<String>,
    runtime_dir: Option<String>,
    address: Option<String>,
    launch: Option<String>,
    mode: Option<String>,
    audit_segments: Option<u32>,
}

#[derive(Debug, Deserialize, Default)]
struct RawSystems {
    postgresql: Option<postgresql::Raw>,
    kwdb: Option<kwdb::Raw>,
    bookkeeper: Option<bookkeeper::Raw>,
}

/// Reads and checks the file.
///
/// # Errors
/// If it cannot be read, somebody else than root may write it (when running as root), or it
/// has mistakes: all of them at once.
pub fn load(path: &Utf8Path) -> Result<Config, ConfigError> {
    check_owner(path)?;
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_string(), source })?;
    parse(path, &text)
}

/// Only where the agent's own folder is, of a file that may have more in it than this program knows.
///
/// # Errors
/// If the file cannot be read or is no TOML, or somebody else than root may write it (when running as root).
pub fn data_dir(path: &Utf8Path) -> Result<Utf8PathBuf, ConfigError> {
    check_owner(path)?;
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_string(), source })?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| ConfigError::Mistakes {
        path: path.to_string(),
        mistakes: vec![error.to_string()],
    })?;
    let named = table.get("agent").and_then(|agent| agent.get("data_dir"));
    Ok(named.and_then(toml::Value::as_str).unwrap_or(DEFAULT_DATA_DIR).into())
}

/// Refuses a file that another user than root may write, when running as root: it decides
/// what runs as root.
///
/// # Errors
/// If it is so, or cannot be told.
pub fn check_owner(path: &Utf8Path) -> Result<(), ConfigError> {
    use std::os::unix::fs::MetadataExt as _;
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let found = std::fs::metadata(path)
        .map_err(|source| ConfigError::Read { path: path.to_string(), source })?;
    let reason = if found.uid() != 0 {
        format!("owned by user {}; it must be owned by root", found.uid())
    } else if found.mode() & 0o022 != 0 {
        "others than root may write it; run chmod go-w".to_owned()
    } else {
        return Ok(());
    };
    Err(ConfigError::Owner { path: path.to_string(), reason })
}

/// Checks the text of a configuration.
///
/// # Errors
/// All mistakes at once.
pub fn parse(path: &Utf8Path, text: &str) -> Result<Config, ConfigError> {
    let refused = |mistakes| ConfigError::Mistakes { path: path.to_string(), mistakes };
    let one_line = |error: &toml::de::Error| error.to_string().trim_end().replace('\n', "\n  ");
    let table: toml::Table =
        toml::from_str(text).map_err(|error| refused(vec![one_line(&error)]))?;
    let mut checker = Checker::default();
    keys::check(&table, &mut checker);
    let raw: RawConfig = match toml::from_str(text) {
        Ok(raw) => raw,
        Err(error) => {
            checker.mistake(one_line(&error));
            return Err(refused(checker.finish()));
        }
    };
    let agent = check_agent(raw.agent, &mut checker);
    let systems = SystemsConfig {
        postgresql: raw.systems.postgresql.and_then(|section| section.check(&mut checker)),
        kwdb: raw.systems.kwdb.and_then(|section| section.check(&mut checker)),
        bookkeeper: raw.systems.bookkeeper.and_then(|section| section.check(&mut checker)),
    };
    check_profiles(&raw.profiles, &mut checker);
    if agent.as_ref().is_some_and(|agent| agent.launch == Launch::User) {
        plain::check(&systems, &mut checker);
    }
    let mistakes = checker.finish();
    match agent {
        Some(agent) if mistakes.is_empty() => {
            Ok(Config { path: path.to_owned(), agent, systems, profiles: raw.profiles })
        }
        Some(_) | None => Err(refused(mistakes)),
    }
}

fn check_agent(raw: RawAgent, checker: &mut Checker) -> Option<AgentConfig> {
    let host = match raw.host {
        Some(host) => checker.keep("agent.host", host.parse()),
        None => {
            checker.mistake("agent.host: missing; the host's name within its site");
            None
        }
    };
    let address = match raw.address {
        Some(address) => checker.keep(
            "agent.address",
            address.parse::<IpAddr>().map_err(|_| format!("{address:?} is no IP address")),
        ),
        None => {
            checker.mistake(
                "agent.address: missing; the IP address that nodes of this host are reached at",
            );
            None
        }
    };
    let listen = raw.listen.unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
    let listen = checker.keep(
        "agent.listen",
        listen
            .parse::<std::net::SocketAddr>()
            .map(|_| listen.clone())
            .map_err(|_| format!("{listen:?} is not of the form ADDRESS:PORT")),
    );
    let path = |value: Option<String>, default: &str| value.unwrap_or_else(|| default.to_owned());
    let data_dir = path(raw.data_dir, DEFAULT_DATA_DIR);
    let data_dir = absolute(checker, "agent.data_dir", &data_dir);
    let runtime_dir = path(raw.runtime_dir, "/run/bellows-agent");
    let runtime_dir = absolute(checker, "agent.runtime_dir", &runtime_dir);
    let launch = match raw.launch.as_deref() {
        None | Some("auto") => Ok(Launch::Auto),
        Some("systemd") => Ok(Launch::Systemd),
        Some("process") => Ok(Launch::Process),
        Some("user") => Ok(Launch::User),
        Some(other) => Err(format!("{other:?} is not auto, systemd, process or user")),
    };
    let launch = checker.keep("agent.launch", launch);
    let mode = match raw.mode.as_deref() {
        None | Some("manage") => Ok(Mode::Manage),
        Some("observe") => Ok(Mode::Observe),
        Some(other) => Err(format!("{other:?} is not manage or observe")),
    };
    let mode = checker.keep("agent.mode", mode);
    let segments = raw.audit_segments.unwrap_or(KEEP_DEFAULT);
    let segments = if (KEEP_LEAST..=AUDIT_SEGMENTS_MOST).contains(&segments) {
        Ok(segments)
    } else {
        Err(format!("{segments} is not from {KEEP_LEAST} to {AUDIT_SEGMENTS_MOST}"))
    };
    let audit_segments = checker.keep("agent.audit_segments", segments);
    Some(AgentConfig {
        host: host?,
        listen: listen?,
        data_dir: data_dir?,
        runtime_dir: runtime_dir?,
        address: address?,
        launch: launch?,
        mode: mode?,
        audit_segments: audit_segments?,
    })
}

fn check_profiles(profiles: &BTreeMap<String, BTreeMap<String, String>>, checker: &mut Checker) {
    for (name, variables) in profiles {
        for (key, value) in variables {
            let good = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !value.contains('\0');
            // The loader of programs and the mark of jobs are not the profile's to choose.
            if !good || key.starts_with("LD_") || key.starts_with("BELLOWS_") {
                checker.mistake(format!("profiles.{name}.{key}: not allowed in a profile"));
            }
        }
    }
}
