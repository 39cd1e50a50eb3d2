//! Typed values that command lines and the unit's drop-in are made of.
//!
//! Nothing here needs quoting anywhere: not in a unit, not in an argument list. What would, is refused here, once.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroU16,
};

use bellows_proto::{
    names::{ClusterName, NodeName},
    v1::{Fault, FaultCode, KwdbPlacement, KwdbSecurity, KwdbStartMode, NodeRef},
};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

/// Why a value is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} {reason}")]
pub struct Invalid {
    what: &'static str,
    text: String,
    reason: &'static str,
}

impl Invalid {
    fn new(what: &'static str, text: &str, reason: &'static str) -> Self {
        Self { what, text: text.chars().take(120).collect(), reason }
    }
}

impl From<Invalid> for Fault {
    fn from(invalid: Invalid) -> Self {
        Self::new(FaultCode::Invalid, invalid.to_string())
    }
}

/// An absolute path of quiet characters, without `.` and `..`, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietPath(Utf8PathBuf);

impl QuietPath {
    /// Checks a path. `what` names it in the error.
    ///
    /// # Errors
    /// If it is relative, not in plain form, or has characters besides A-Z a-z 0-9 / . _ - +
    pub fn new(what: &'static str, text: &str) -> Result<Self, Invalid> {
        let path = Utf8Path::new(text);
        let plain = path.components().all(|component| {
            matches!(component, Utf8Component::RootDir | Utf8Component::Normal(_))
        });
        let quiet = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-' | b'+'));
        let tidy = !text.ends_with('/') && !text.contains("//") && !text.contains("/./");
        if !path.is_absolute() || !plain || !quiet || !tidy {
            let reason = "is not an absolute path of A-Z a-z 0-9 / . _ - +";
            return Err(Invalid::new(what, text, reason));
        }
        Ok(Self(path.to_owned()))
    }

    /// The path of a file of ours in this folder.
    pub fn file(&self, name: &str) -> Utf8PathBuf {
        self.0.join(name)
    }

    /// As a path.
    pub fn as_path(&self) -> &Utf8Path {
        &self.0
    }
}

impl fmt::Display for QuietPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Reads an IP address. Names are refused: a name may point elsewhere tomorrow.
///
/// # Errors
/// If it is something else.
pub fn address(what: &'static str, text: &str) -> Result<IpAddr, Invalid> {
    text.parse().map_err(|_| Invalid::new(what, text, "is not an IP address"))
}

/// Reads ADDRESS:PORT.
///
/// # Errors
/// If it is something else.
pub fn endpoint(what: &'static str, text: &str) -> Result<SocketAddr, Invalid> {
    let found: Option<SocketAddr> = text.parse().ok();
    found
        .filter(|found| found.port() != 0)
        .ok_or_else(|| Invalid::new(what, text, "is not of the form ADDRESS:PORT"))
}

/// Reads a port.
///
/// # Errors
/// If it is not 1 to 65535.
pub fn port(what: &'static str, number: u32) -> Result<NonZeroU16, Invalid> {
    u16::try_from(number)
        .ok()
        .and_then(NonZeroU16::new)
        .ok_or_else(|| Invalid::new(what, &number.to_string(), "is not 1 to 65535"))
}

/// The word after `kwbase` that starts a node of this mode; `None`: no mode.
pub fn verb(mode: KwdbStartMode) -> Option<&'static str> {
    match mode {
        KwdbStartMode::MultiReplica => Some("start"),
        KwdbStartMode::SingleReplica => Some("start-single-replica"),
        KwdbStartMode::SingleNode => Some("start-single-node"),
        KwdbStartMode::Unspecified => None,
    }
}

/// The mode of such a word.
pub fn mode(verb: &str) -> KwdbStartMode {
    match verb {
        "start" => KwdbStartMode::MultiReplica,
        "start-single-replica" => KwdbStartMode::SingleReplica,
        "start-single-node" => KwdbStartMode::SingleNode,
        _ => KwdbStartMode::Unspecified,
    }
}

/// A node with its placement, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its name.
    pub name: NodeName,
    /// Owner of the data; the node and its tools run as this user.
    pub os_user: String,
    /// `kwbase`.
    pub program: QuietPath,
    /// `--store`
    pub data_dir: QuietPath,
    /// What Bellows keeps of its start.
    pub conf_dir: QuietPath,
    /// Its output in the process form.
    pub log_dir: QuietPath,
    /// Certificates and keys.
    pub certs_dir: QuietPath,
    /// Where all members reach it.
    pub address: IpAddr,
    /// ... at this port.
    pub port: NonZeroU16,
    /// Of HTTP.
    pub http_port: NonZeroU16,
    /// Of brpc.
    pub brpc_port: NonZeroU16,
    /// The unit that runs it.
    pub unit: String,
    /// Of its cluster.
    pub security: KwdbSecurity,
    /// In which it is; empty: bare metal.
    pub container: String,
    /// It was there before Bellows: its configuration and data are not Bellows' own.
    pub adopted: bool,
}

impl Node {
    /// Checks a placement.
    ///
    /// # Errors
    /// The first value that is refused.
    pub fn new(node: &NodeRef, placement: &KwdbPlacement) -> Result<Self, Invalid> {
        let named = |kind, text: &str| Invalid::new(kind, text, "is not a name");
        let quiet = |text: &str| {
            text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        let user = &placement.os_user;
        if user.is_empty() || user.len() > 32 || !quiet(user) || user.starts_with('-') {
            return Err(Invalid::new("user", user, "is no name of a user"));
        }
        let container = &placement.container;
        if container.len() > 128 || !quiet(container) || container.starts_with('-') {
            return Err(named("container", container));
        }
        Ok(Self {
            cluster: node.cluster.parse().map_err(|_| named("cluster", &node.cluster))?,
            name: node.node.parse().map_err(|_| named("node", &node.node))?,
            os_user: user.clone(),
            program: QuietPath::new("program", &placement.program)?,
            data_dir: QuietPath::new("data directory", &placement.data_dir)?,
            conf_dir: QuietPath::new("configuration directory", &placement.conf_dir)?,
            log_dir: QuietPath::new("log directory", &placement.log_dir)?,
            certs_dir: QuietPath::new("certificates' folder", &placement.certs_dir)?,
            address: address("address", &placement.address)?,
            port: port("port", placement.port)?,
            http_port: port("HTTP port", placement.http_port)?,
            brpc_port: port("brpc port", placement.brpc_port)?,
            unit: placement.unit.clone(),
            security: placement.security(),
            container: container.clone(),
            adopted: placement.adopted,
        })
    }

    /// The node as messages name it.
    pub fn reference(&self) -> NodeRef {
        NodeRef { cluster: self.cluster.to_string(), node: self.name.to_string() }
    }

    /// Where it listens.
    pub fn endpoint(&self) -> SocketAddr {
        (self.address, self.port.get()).into()
    }

    /// What its service is called at this agent.
    pub fn service(&self) -> String {
        service_name(&self.cluster, &self.name)
    }
}

/// What the service of a node is called at its agent.
pub fn service_name(cluster: impl fmt::Display, node: impl fmt::Display) -> String {
    format!("bellows-{cluster}-{node}-kwdb")
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A placement for tests.
    pub(in crate::tools::kwdb) fn placement() -> KwdbPlacement {
        KwdbPlacement {
            os_user: "kaiwudb".into(),
            program: "/usr/local/kaiwudb/bin/kwbase".into(),
            data_dir: "/var/lib/kaiwudb/meters/n4".into(),
            conf_dir: "/etc/bellows/kwdb/meters/n4".into(),
            log_dir: "/var/log/bellows/kwdb/meters/n4".into(),
            certs_dir: "/etc/kaiwudb/certs".into(),
            address: "10.0.0.4".into(),
            port: 26257,
            http_port: 8080,
            brpc_port: 27257,
            unit: "kaiwudb.service".into(),
            service: "bellows-meters-n4-kwdb".into(),
            security: KwdbSecurity::Tls.into(),
            container: String::new(),
            adopted: false,
        }
    }

    /// A node for tests.
    pub(in crate::tools::kwdb) fn node() -> Node {
        let reference = NodeRef { cluster: "meters".into(), node: "n4".into() };
        Node::new(&reference, &placement()).unwrap()
    }

    #[test]
    fn what_needs_quoting_is_refused() {
        for bad in ["", "a", "/", "/a/", "/a/../b", "/a b", "/a'b", "/a\nb", "/a$b", "/a;b", "/é"]
        {
            assert!(QuietPath::new("path", bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a", "10.0.0.1", "10.0.0.1:0", "host:26257", "10.0.0.1:70000"] {
            assert!(endpoint("member", bad).is_err(), "{bad:?}");
        }
        let reference = node().reference();
        for bad in [
            KwdbPlacement { os_user: "a b".into(), ..placement() },
            KwdbPlacement { container: "-it".into(), ..placement() },
            KwdbPlacement { brpc_port: 0, ..placement() },
            KwdbPlacement { address: "h1".into(), ..placement() },
        ] {
            assert!(Node::new(&reference, &bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn verbs_and_modes_belong_together() {
        for word in ["start", "start-single-replica", "start-single-node"] {
            assert_eq!(verb(mode(word)), Some(word));
        }
        assert_eq!(verb(mode("init")), None);
    }
}
