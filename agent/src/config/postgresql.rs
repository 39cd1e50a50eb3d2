//! `[systems.postgresql]`: where PostgreSQL with repmgr lives on this host.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use serde::Deserialize;

use super::{
    fronts::{self, Front},
    values::{Checker, absolute, is_unit},
};

/// The coordinator's `StateDirectory`, mode 0700: a database below it could not be reached by its
/// own user on the host that has both.
const COORDINATOR: &str = "/var/lib/bellows";

/// `[systems.postgresql]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresqlConfig {
    /// Programs: `initdb`, `postgres`, `repmgr`, ...
    pub bin_dir: Utf8PathBuf,
    /// Owner of all nodes; tools run as this user.
    pub os_user: String,
    /// Data directories are `data_root/CLUSTER/NODE`.
    pub data_root: Utf8PathBuf,
    /// Configuration directories are `conf_root/CLUSTER/NODE`.
    pub conf_root: Utf8PathBuf,
    /// Logs are in `log_root/CLUSTER/NODE`.
    pub log_root: Utf8PathBuf,
    /// Unix sockets are in `socket_root/CLUSTER/NODE`.
    pub socket_root: Utf8PathBuf,
    /// The login of the repmgr role, placed by the administrator; the same path on all hosts.
    pub passfile: Utf8PathBuf,
    /// Of a node whose intent names none.
    pub port: u16,
    /// Servers that Bellows did not make and may take into its care.
    pub adopted: Vec<Adopted>,
    /// Where backups are asked for; `None`: this host knows of none.
    pub backups: Option<BackupSource>,
    /// What stands in front of clusters here.
    pub fronts: Vec<Front>,
}

/// `[[systems.postgresql.adopted]]`: a server that was there before Bellows. It is read, and repmgr and
/// SQL are run at it; where its units are named it may be stopped and started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Its data directory: which server is meant.
    pub data_dir: Utf8PathBuf,
    /// Its `repmgr.conf`, with which repmgr is run.
    pub repmgr_conf: Utf8PathBuf,
    /// The unit that starts it, under systemd; `None`: it is never stopped or started from here.
    pub server_unit: Option<String>,
    /// The unit that starts its repmgrd, likewise.
    pub repmgrd_unit: Option<String>,
}

impl PostgresqlConfig {
    /// The units of root's that this host's servers are stopped and started by, each once, sorted.
    pub fn units(&self) -> Vec<&str> {
        let named = self.adopted.iter().flat_map(|entry| [&entry.server_unit, &entry.repmgrd_unit]);
        let units: BTreeSet<&str> = named.filter_map(|unit| unit.as_deref()).collect();
        units.into_iter().collect()
    }
}

/// What tells of backups: pgBackRest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSource {
    /// The program.
    pub program: Utf8PathBuf,
    /// Its configuration; `None`: its usual one.
    pub config: Option<Utf8PathBuf>,
    /// The only stanza that is asked for; `None`: all of them.
    pub stanza: Option<String>,
}

/// The section as it is written.
#[derive(Debug, Deserialize, Default)]
pub(super) struct Raw {
    pub(super) bin_dir: Option<String>,
    pub(super) os_user: Option<String>,
    pub(super) data_root: Option<String>,
    pub(super) conf_root: Option<String>,
    pub(super) log_root: Option<String>,
    pub(super) socket_root: Option<String>,
    pub(super) passfile: Option<String>,
    pub(super) port: Option<u16>,
    #[serde(default)]
    pub(super) adopted: Vec<RawAdopted>,
    pub(super) pgbackrest: Option<String>,
    pub(super) pgbackrest_config: Option<String>,
    pub(super) pgbackrest_stanza: Option<String>,
    #[serde(default)]
    pub(super) fronts: Vec<fronts::Raw>,
}

/// A server that may be adopted, as it is written.
#[derive(Debug, Deserialize, Default)]
pub(super) struct RawAdopted {
    pub(super) data_dir: Option<String>,
    pub(super) repmgr_conf: Option<String>,
    pub(super) server_unit: Option<String>,
    pub(super) repmgrd_unit: Option<String>,
}

/// The keys of `[[systems.postgresql.adopted]]`.
pub(super) const ADOPTED_KEYS: &[&str] =
    &["data_dir", "repmgr_conf", "server_unit", "repmgrd_unit"];

/// Its keys.
pub(super) const KEYS: &[&str] = &[
    "bin_dir",
    "os_user",
    "data_root",
    "conf_root",
    "log_root",
    "socket_root",
    "passfile",
    "port",
    "adopted",
    "pgbackrest",
    "pgbackrest_config",
    "pgbackrest_stanza",
    "fronts",
];

impl Raw {
    pub(super) fn check(self, checker: &mut Checker) -> Option<PostgresqlConfig> {
        let mut path = |key: &str, value: Option<String>, default: &str| {
            absolute(
                checker,
                &format!("systems.postgresql.{key}"),
                value.as_deref().unwrap_or(default),
            )
        };
        let bin_dir = path("bin_dir", self.bin_dir, "/usr/lib/postgresql/15/bin");
        let data_root = path("data_root", self.data_root, "/var/lib/bellows-postgresql");
        let conf_root = path("conf_root", self.conf_root, "/etc/bellows/postgresql");
        let log_root = path("log_root", self.log_root, "/var/log/bellows/postgresql");
        let socket_root = path("socket_root", self.socket_root, "/run/bellows-postgresql");
        let passfile = path("passfile", self.passfile, "/etc/bellows/repmgr.pgpass");
        let roots = [
            ("data_root", &data_root),
            ("conf_root", &conf_root),
            ("log_root", &log_root),
            ("socket_root", &socket_root),
        ];
        for (key, root) in roots {
            if root.as_ref().is_some_and(|root| root.starts_with(COORDINATOR)) {
                checker.mistake(format!(
                    "systems.postgresql.{key}: {COORDINATOR} is the coordinator's own folder, which no other user may enter; choose another"
                ));
            }
        }
        let os_user = checker
            .user("systems.postgresql.os_user", self.os_user.as_deref().unwrap_or("postgres"));
        let port = self.port.unwrap_or(5432);
        if port == 0 {
            checker.mistake("systems.postgresql.port must be 1 to 65535");
        }
        let adopted = adopted(self.adopted, checker);
        let backups =
            backups(checker, self.pgbackrest, self.pgbackrest_config, self.pgbackrest_stanza);
        let fronts = fronts::check(self.fronts, checker);
        Some(PostgresqlConfig {
            bin_dir: bin_dir?,
            os_user: os_user?,
            data_root: data_root?,
            conf_root: conf_root?,
            log_root: log_root?,
            socket_root: socket_root?,
            passfile: passfile?,
            port,
            adopted,
            backups,
            fronts,
        })
    }
}

fn adopted(raw: Vec<RawAdopted>, checker: &mut Checker) -> Vec<Adopted> {
    let mut found: Vec<Adopted> = Vec::new();
    for (index, entry) in raw.into_iter().enumerate() {
        let number = index + 1;
        let mut path = |name: &str, value: Option<String>| {
            let key = format!("systems.postgresql.adopted {number}, {name}");
            match value {
                Some(value) => absolute(checker, &key, &value),
                None => {
                    checker.mistake(format!("{key}: missing"));
                    None
                }
            }
        };
        let data_dir = path("data_dir", entry.data_dir);
        let repmgr_conf = path("repmgr_conf", entry.repmgr_conf);
        let mut unit = |name: &str, value: Option<String>| {
            let unit = value?;
            if is_unit(&unit) {
                return Some(unit);
            }
            checker.mistake(format!(
                "systems.postgresql.adopted {number}, {name}: {unit:?} is no unit that can be stopped and started, like \"postgresql@15-main.service\""
            ));
            None
        };
        let server_unit = unit("server_unit", entry.server_unit);
        let repmgrd_unit = unit("repmgrd_unit", entry.repmgrd_unit);
        let Some((data_dir, repmgr_conf)) = data_dir.zip(repmgr_conf) else { continue };
        if found.iter().any(|known| known.data_dir == data_dir) {
            let key = format!("systems.postgresql.adopted {number}, data_dir");
            checker.mistake(format!("{key}: {data_dir} is listed twice"));
            continue;
        }
        found.push(Adopted { data_dir, repmgr_conf, server_unit, repmgrd_unit });
    }
    found
}

/// The longest stanza.
const LONGEST_STANZA: usize = 64;

fn backups(
    checker: &mut Checker,
    program: Option<String>,
    config: Option<String>,
    stanza: Option<String>,
) -> Option<BackupSource> {
    let Some(program) = program else {
        for (key, given) in
            [("pgbackrest_config", config.is_some()), ("pgbackrest_stanza", stanza.is_some())]
        {
            if given {
                checker.mistake(format!(
                    "systems.postgresql.{key}: without systems.postgresql.pgbackrest, the program, nothing is asked"
                ));
            }
        }
        return None;
    };
    let program = absolute(checker, "systems.postgresql.pgbackrest", &program);
    let config =
        config.map(|path| absolute(checker, "systems.postgresql.pgbackrest_config", &path));
    if let Some(stanza) = &stanza
        && !is_stanza(stanza)
    {
        checker.mistake(format!(
            "systems.postgresql.pgbackrest_stanza: {stanza:?} is no stanza: 1 to {LONGEST_STANZA} letters, digits, '_', '-' and '.', a letter, a digit or '_' first"
        ));
    }
    // A path that is wrong has been noted.
    let config = match config {
        Some(path) => Some(path?),
        None => None,
    };
    Some(BackupSource { program: program?, config, stanza })
}

fn is_stanza(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= LONGEST_STANZA && text.starts_with(first) && text.chars().all(inner)
}
