//! `[systems.postgresql]`: where PostgreSQL with repmgr lives on this host.

use camino::Utf8PathBuf;
use serde::Deserialize;

use super::values::{Checker, absolute};

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
}

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
        Some(PostgresqlConfig {
            bin_dir: bin_dir?,
            os_user: os_user?,
            data_root: data_root?,
            conf_root: conf_root?,
            log_root: log_root?,
            socket_root: socket_root?,
            passfile: passfile?,
            port,
        })
    }
}
