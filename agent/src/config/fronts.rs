//! `[[systems.postgresql.fronts]]`: what stands in front of clusters on this host, and how it is
//! turned. Programs and paths are the host's root's: no message names any.

use std::net::IpAddr;

use bellows_proto::names::{ClusterName, NodeName};
use camino::Utf8PathBuf;
use serde::Deserialize;

use super::values::{Checker, absolute};

/// A front of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// Its name on this host.
    pub name: String,
    /// Whose clients it leads.
    pub cluster: String,
    /// Where clients reach it; `None`: at the host's own address.
    pub address: Option<IpAddr>,
    /// Likewise.
    pub port: u16,
    /// What it is.
    pub kind: Kind,
}

/// What a front is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Pgpool-II.
    Pgpool(Pgpool),
    /// A program that knows a proxy of another kind.
    Hook {
        /// The program and its first arguments; a verb follows.
        command: Vec<String>,
        /// Runs as this user; `None`: as the agent.
        user: Option<String>,
    },
}

/// How Pgpool-II is reached and turned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pgpool {
    /// Its `pgpool.conf`.
    pub config: Utf8PathBuf,
    /// Folder of the PCP commands.
    pub bin_dir: Utf8PathBuf,
    /// Where PCP listens.
    pub pcp_address: IpAddr,
    /// Likewise.
    pub pcp_port: u16,
    /// A user of its `pcp.conf`.
    pub pcp_user: String,
    /// The login of that user, for the PCP commands.
    pub pcp_passfile: Utf8PathBuf,
    /// PCP commands run as this user; `None`: as the agent.
    pub user: Option<String>,
    /// Restarts it. Runs as the agent, and ends when it is under way.
    pub restart: Vec<String>,
    /// A detach waits until all clients have gone, as long as Pgpool-II's `recovery_timeout` lets it.
    pub waits_for_clients: bool,
}

/// A front as it is written.
#[derive(Debug, Deserialize, Default)]
pub(super) struct Raw {
    name: Option<String>,
    cluster: Option<String>,
    kind: Option<String>,
    address: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    config: Option<String>,
    bin_dir: Option<String>,
    pcp_address: Option<String>,
    pcp_port: Option<u16>,
    pcp_user: Option<String>,
    pcp_passfile: Option<String>,
    restart: Option<Vec<String>>,
    waits_for_clients: Option<bool>,
    command: Option<Vec<String>>,
}

/// The keys of `[[systems.postgresql.fronts]]`.
pub(super) const KEYS: &[&str] = &[
    "name",
    "cluster",
    "kind",
    "address",
    "port",
    "user",
    "config",
    "bin_dir",
    "pcp_address",
    "pcp_port",
    "pcp_user",
    "pcp_passfile",
    "restart",
    "waits_for_clients",
    "command",
];

/// Checks all of them.
pub(super) fn check(raw: Vec<Raw>, checker: &mut Checker) -> Vec<Front> {
    let mut fronts: Vec<Front> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let place = format!("systems.postgresql.fronts {}", index + 1);
        let Some(front) = one(raw, &place, checker) else { continue };
        let same = |known: &Front| known.name == front.name && known.cluster == front.cluster;
        if fronts.iter().any(same) {
            let (name, cluster) = (&front.name, &front.cluster);
            checker.mistake(format!("{place}: {name} of cluster {cluster} is listed twice"));
            continue;
        }
        fronts.push(front);
    }
    fronts
}

fn one(mut raw: Raw, place: &str, checker: &mut Checker) -> Option<Front> {
    let name = required(raw.name.take(), &format!("{place}, name"), checker);
    // A front's name is a plain word, like a node's.
    let name = name.and_then(|name| {
        checker.keep(&format!("{place}, name"), name.parse::<NodeName>().map(|n| n.to_string()))
    });
    let cluster = required(raw.cluster.take(), &format!("{place}, cluster"), checker);
    let cluster = cluster.and_then(|name| {
        let parsed = name.parse::<ClusterName>().map(|name| name.to_string());
        checker.keep(&format!("{place}, cluster"), parsed)
    });
    let address = match raw.address.take() {
        Some(text) => Some(parsed_address(&text, &format!("{place}, address"), checker)?),
        None => None,
    };
    let port = raw.port;
    if port == Some(0) {
        checker.mistake(format!("{place}, port must be 1 to 65535"));
    }
    let user = match raw.user.take() {
        Some(user) => Some(checker.user(&format!("{place}, user"), &user)?),
        None => None,
    };
    let (kind, usual) = match raw.kind.as_deref() {
        Some("pgpool") => (Kind::Pgpool(pgpool(raw, user, place, checker)?), 9999),
        Some("hook") => (hook(raw, user, place, checker)?, 5432),
        Some(other) => {
            checker.mistake(format!("{place}, kind: {other:?} is not pgpool or hook"));
            return None;
        }
        None => {
            checker.mistake(format!("{place}, kind: missing; pgpool or hook"));
            return None;
        }
    };
    Some(Front { name: name?, cluster: cluster?, address, port: port.unwrap_or(usual), kind })
}

fn pgpool(raw: Raw, user: Option<String>, place: &str, checker: &mut Checker) -> Option<Pgpool> {
    if raw.command.is_some() {
        checker.mistake(format!("{place}, command: only of a hook"));
    }
    let mut path = |key: &str, value: Option<String>, usual: &str| {
        absolute(checker, &format!("{place}, {key}"), value.as_deref().unwrap_or(usual))
    };
    let config = path("config", raw.config, "/etc/pgpool2/pgpool.conf");
    let bin_dir = path("bin_dir", raw.bin_dir, "/usr/sbin");
    let pcp_passfile = path("pcp_passfile", raw.pcp_passfile, "/etc/bellows/pcppass");
    let pcp_address = raw.pcp_address.as_deref().unwrap_or("127.0.0.1");
    let pcp_address = parsed_address(pcp_address, &format!("{place}, pcp_address"), checker);
    let pcp_user = raw.pcp_user.as_deref().unwrap_or("bellows");
    let pcp_user = checker.user(&format!("{place}, pcp_user"), pcp_user);
    let usual = ["/usr/bin/systemctl", "restart", "pgpool2.service"].map(str::to_owned);
    let restart = raw.restart.unwrap_or(usual.into());
    let restart = command(restart, &format!("{place}, restart"), checker);
    Some(Pgpool {
        config: config?,
        bin_dir: bin_dir?,
        pcp_address: pcp_address?,
        pcp_port: raw.pcp_port.unwrap_or(9898),
        pcp_user: pcp_user?,
        pcp_passfile: pcp_passfile?,
        user,
        restart: restart?,
        waits_for_clients: raw.waits_for_clients.unwrap_or(false),
    })
}

fn hook(raw: Raw, user: Option<String>, place: &str, checker: &mut Checker) -> Option<Kind> {
    let of_pgpool = [
        ("config", raw.config.is_some()),
        ("bin_dir", raw.bin_dir.is_some()),
        ("pcp_address", raw.pcp_address.is_some()),
        ("pcp_port", raw.pcp_port.is_some()),
        ("pcp_user", raw.pcp_user.is_some()),
        ("pcp_passfile", raw.pcp_passfile.is_some()),
        ("restart", raw.restart.is_some()),
        ("waits_for_clients", raw.waits_for_clients.is_some()),
    ];
    for (key, _) in of_pgpool.iter().filter(|(_, given)| *given) {
        checker.mistake(format!("{place}, {key}: only of pgpool"));
    }
    let given = raw.command.unwrap_or_default();
    let command = command(given, &format!("{place}, command"), checker)?;
    Some(Kind::Hook { command, user })
}

fn required(value: Option<String>, key: &str, checker: &mut Checker) -> Option<String> {
    if value.is_none() {
        checker.mistake(format!("{key}: missing"));
    }
    value
}

fn parsed_address(text: &str, key: &str, checker: &mut Checker) -> Option<IpAddr> {
    checker.keep(key, text.parse::<IpAddr>().map_err(|_| format!("{text:?} is no IP address")))
}

/// A program and its arguments: no shell reads them.
fn command(words: Vec<String>, key: &str, checker: &mut Checker) -> Option<Vec<String>> {
    let Some(program) = words.first() else {
        checker
            .mistake(format!("{key}: a program is wanted, and its arguments: [\"/path/to/it\"]"));
        return None;
    };
    absolute(checker, key, program)?;
    if words.iter().any(|word| word.contains('\0')) {
        checker.mistake(format!("{key}: a word has a zero byte in it"));
        return None;
    }
    Some(words)
}
