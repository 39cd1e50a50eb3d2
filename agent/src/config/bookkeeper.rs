//! `[systems.bookkeeper]`: where BookKeeper lives on this host. One bookie at most.

use std::net::IpAddr;

use camino::Utf8PathBuf;
use serde::Deserialize;

use super::values::{Checker, absolute};

/// `[systems.bookkeeper]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookkeeperConfig {
    /// `bin/bookkeeper`.
    pub program: Utf8PathBuf,
    /// Owner of the data; bookie and tools run as this user.
    pub os_user: String,
    /// Journals of a new bookie are in `ROOT/CLUSTER/NODE` of each.
    pub journal_roots: Vec<Utf8PathBuf>,
    /// Ledgers of a new bookie are in `ROOT/CLUSTER/NODE` of each.
    pub ledger_roots: Vec<Utf8PathBuf>,
    /// Configurations of new bookies: `conf_root/CLUSTER/NODE`.
    pub conf_root: Utf8PathBuf,
    /// Logs of new bookies: `log_root/CLUSTER/NODE`.
    pub log_root: Utf8PathBuf,
    /// Of new bookies whose intent names no port.
    pub port: u16,
    /// Where the HTTP admin API of new bookies listens: of loopback, or the host's own.
    pub http_host: IpAddr,
    /// ... at this port.
    pub http_port: u16,
    /// The bookie that was there before Bellows and may be taken into its care.
    pub adopted: Option<Adopted>,
}

/// A bookie that somebody else has set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Its configuration.
    pub conf_file: Utf8PathBuf,
    /// The unit that runs it; `None`: it is started by hand.
    pub unit: Option<String>,
}

/// The section as it is written.
#[derive(Debug, Deserialize, Default)]
pub(super) struct Raw {
    program: Option<String>,
    os_user: Option<String>,
    journal_roots: Option<Vec<String>>,
    ledger_roots: Option<Vec<String>>,
    conf_root: Option<String>,
    log_root: Option<String>,
    port: Option<u16>,
    http_host: Option<String>,
    http_port: Option<u16>,
    adopt_conf_file: Option<String>,
    adopt_unit: Option<String>,
}

/// Its keys.
pub(super) const KEYS: &[&str] = &[
    "program",
    "os_user",
    "journal_roots",
    "ledger_roots",
    "conf_root",
    "log_root",
    "port",
    "http_host",
    "http_port",
    "adopt_conf_file",
    "adopt_unit",
];

impl Raw {
    pub(super) fn check(self, checker: &mut Checker) -> Option<BookkeeperConfig> {
        let mut path = |key: &str, value: Option<String>, default: &str| {
            absolute(
                checker,
                &format!("systems.bookkeeper.{key}"),
                value.as_deref().unwrap_or(default),
            )
        };
        let program = path("program", self.program, "/opt/bookkeeper/bin/bookkeeper");
        let conf_root = path("conf_root", self.conf_root, "/etc/bellows/bookkeeper");
        let log_root = path("log_root", self.log_root, "/var/log/bellows/bookkeeper");
        let conf_file = match self.adopt_conf_file {
            Some(file) => Some(path("adopt_conf_file", Some(file), "")?),
            None => None,
        };
        let journal_roots =
            roots(checker, "journal_roots", self.journal_roots, "/var/lib/bookkeeper/journal");
        let ledger_roots =
            roots(checker, "ledger_roots", self.ledger_roots, "/var/lib/bookkeeper/ledgers");
        let os_user = checker
            .user("systems.bookkeeper.os_user", self.os_user.as_deref().unwrap_or("bookkeeper"));
        if let Some(unit) = self.adopt_unit.as_ref().filter(|unit| !super::values::is_unit(unit)) {
            checker.mistake(format!(
                "systems.bookkeeper.adopt_unit: {unit:?} is no unit that can be stopped and started, like \"bookkeeper.service\""
            ));
        }
        if self.adopt_unit.is_some() && conf_file.is_none() {
            checker.mistake(
                "systems.bookkeeper.adopt_unit: without adopt_conf_file no bookie is meant by it"
                    .to_owned(),
            );
        }
        let ports =
            [("port", self.port.unwrap_or(3181)), ("http_port", self.http_port.unwrap_or(8080))];
        for (key, port) in ports {
            if port == 0 {
                checker.mistake(format!("systems.bookkeeper.{key} must be 1 to 65535"));
            }
        }
        let [port, http_port] = ports.map(|(_, port)| port);
        let http_host = self.http_host.as_deref().unwrap_or("127.0.0.1");
        let http_host = checker.keep("systems.bookkeeper.http_host", http_host.parse::<IpAddr>());
        let unit = self.adopt_unit;
        Some(BookkeeperConfig {
            program: program?,
            os_user: os_user?,
            journal_roots: journal_roots?,
            ledger_roots: ledger_roots?,
            conf_root: conf_root?,
            log_root: log_root?,
            port,
            http_host: http_host?,
            http_port,
            adopted: conf_file.map(|conf_file| Adopted { conf_file, unit }),
        })
    }
}

fn roots(
    checker: &mut Checker,
    key: &str,
    given: Option<Vec<String>>,
    default: &str,
) -> Option<Vec<Utf8PathBuf>> {
    let given = given.unwrap_or_else(|| vec![default.to_owned()]);
    if given.is_empty() {
        checker.mistake(format!("systems.bookkeeper.{key} names no directory"));
        return None;
    }
    given.iter().map(|root| absolute(checker, &format!("systems.bookkeeper.{key}"), root)).collect()
}
