//! `[systems.kwdb]`: where KWDB lives on this host. One node at most: there is one unit.

use bellows_proto::v1::KwdbSecurity;
use camino::Utf8PathBuf;
use serde::Deserialize;

use super::values::{Checker, absolute};

/// `[systems.kwdb]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KwdbConfig {
    /// `kwbase`; inside of the container where one is named.
    pub program: Utf8PathBuf,
    /// Owner of the data; node and tools run as this user.
    pub os_user: String,
    /// Stores are `data_root/CLUSTER/NODE`; the installer's own is `data_root` itself.
    pub data_root: Utf8PathBuf,
    /// Where Bellows keeps what it renders in the process form: `conf_root/CLUSTER/NODE`.
    pub conf_root: Utf8PathBuf,
    /// Logs of a node of the process form: `log_root/CLUSTER/NODE`.
    pub log_root: Utf8PathBuf,
    /// `ca.crt`, `node.crt`, `node.key`, `client.root.crt`, `client.root.key`.
    pub certs_dir: Utf8PathBuf,
    /// What the installer wrote down: `info/MODE`, `info/.version`.
    pub info_dir: Utf8PathBuf,
    /// The unit that runs the node.
    pub unit: String,
    /// Of new nodes whose intent names no port.
    pub port: u16,
    /// Of the HTTP service.
    pub http_port: u16,
    /// Of brpc.
    pub brpc_port: u16,
    /// Of nodes on this host.
    pub security: KwdbSecurity,
    /// `deploy.sh` of 3.0 and 3.1; `None`: it is not used here.
    pub deploy_sh: Option<Utf8PathBuf>,
    /// The container in which kwbase is, and the program that enters it; `None`: bare metal.
    pub container: Option<Container>,
    /// A node that was there before Bellows may be taken into its care.
    pub adopt: bool,
}

/// Where kwbase is in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// `docker` or what takes the same words.
    pub engine: Utf8PathBuf,
    /// Its name: the installer's is `kaiwudb-container`.
    pub name: String,
}

/// The section as it is written.
#[derive(Debug, Deserialize, Default)]
pub(super) struct Raw {
    pub(super) program: Option<String>,
    pub(super) os_user: Option<String>,
    pub(super) data_root: Option<String>,
    pub(super) conf_root: Option<String>,
    pub(super) log_root: Option<String>,
    pub(super) certs_dir: Option<String>,
    pub(super) info_dir: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) http_port: Option<u16>,
    pub(super) brpc_port: Option<u16>,
    pub(super) security: Option<String>,
    pub(super) deploy_sh: Option<String>,
    pub(super) container: Option<String>,
    pub(super) container_engine: Option<String>,
    pub(super) adopt: Option<bool>,
}

/// Its keys.
pub(super) const KEYS: &[&str] = &[
    "program",
    "os_user",
    "data_root",
    "conf_root",
    "log_root",
    "certs_dir",
    "info_dir",
    "unit",
    "port",
    "http_port",
    "brpc_port",
    "security",
    "deploy_sh",
    "container",
    "container_engine",
    "adopt",
];

impl Raw {
    pub(super) fn check(self, checker: &mut Checker) -> Option<KwdbConfig> {
        let contained = self.container.is_some();
        let mut path = |key: &str, value: Option<String>, default: &str| {
            absolute(checker, &format!("systems.kwdb.{key}"), value.as_deref().unwrap_or(default))
        };
        let usual = |bare, inside| if contained { inside } else { bare };
        let bare_program = usual("/usr/local/kaiwudb/bin/kwbase", "/kaiwudb/bin/kwbase");
        let program = path("program", self.program, bare_program);
        let data_root = path("data_root", self.data_root, "/var/lib/kaiwudb");
        let conf_root = path("conf_root", self.conf_root, "/etc/bellows/kwdb");
        let log_root = path("log_root", self.log_root, "/var/log/bellows/kwdb");
        let certs_dir = path("certs_dir", self.certs_dir, "/etc/kaiwudb/certs");
        let info_dir = path("info_dir", self.info_dir, "/etc/kaiwudb/info");
        let deploy_sh = match self.deploy_sh {
            Some(deploy_sh) => Some(path("deploy_sh", Some(deploy_sh), "")?),
            None => None,
        };
        let engine = path("container_engine", self.container_engine, "/usr/bin/docker");
        let os_user =
            checker.user("systems.kwdb.os_user", self.os_user.as_deref().unwrap_or("kaiwudb"));
        let unit = self.unit.unwrap_or_else(|| "kaiwudb.service".to_owned());
        if !super::values::is_unit(&unit) {
            checker.mistake(format!(
                "systems.kwdb.unit: {unit:?} is no unit that can be stopped and started, like \"kaiwudb.service\""
            ));
        }
        let ports = [
            ("port", self.port.unwrap_or(26257)),
            ("http_port", self.http_port.unwrap_or(8080)),
            ("brpc_port", self.brpc_port.unwrap_or(27257)),
        ];
        for (key, port) in ports {
            if port == 0 {
                checker.mistake(format!("systems.kwdb.{key} must be 1 to 65535"));
            }
        }
        let security = match self.security.as_deref() {
            Some("tls") => KwdbSecurity::Tls,
            Some("insecure") => KwdbSecurity::Insecure,
            Some("tlcp") => KwdbSecurity::Tlcp,
            other => {
                checker.mistake(format!(
                    "systems.kwdb.security: {} is none of \"tls\", \"insecure\" and \"tlcp\"; it must be as the cluster's",
                    other.map_or_else(|| "nothing".to_owned(), |other| format!("{other:?}"))
                ));
                KwdbSecurity::Unspecified
            }
        };
        let container = match self.container {
            Some(name) => Some(Container { engine: engine?, name }),
            None => None,
        };
        let [port, http_port, brpc_port] = ports.map(|(_, port)| port);
        Some(KwdbConfig {
            program: program?,
            os_user: os_user?,
            data_root: data_root?,
            conf_root: conf_root?,
            log_root: log_root?,
            certs_dir: certs_dir?,
            info_dir: info_dir?,
            unit,
            port,
            http_port,
            brpc_port,
            security,
            deploy_sh,
            container,
            adopt: self.adopt.unwrap_or(false),
        })
    }
}
