//! Typed values that command lines and the unit's drop-in are made of.
//!
//! Nothing here needs quoting anywhere: not in a unit, not in an argument list.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroU16,
};

use bellows_proto::{
    names::{ClusterName, NodeName},
    v1::{KwdbPlacement, KwdbSecurity, KwdbStartMode, NodeRef},
};

pub use crate::tools::values::{Invalid, QuietPath, address, endpoint, port, user};

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
        let container = &placement.container;
        if container.len() > 128 || !quiet(container) || container.starts_with('-') {
            return Err(named("container", container));
        }
        Ok(Self {
            cluster: node.cluster.parse().map_err(|_| named("cluster", &node.cluster))?,
            name: node.node.parse().map_err(|_| named("node", &node.node))?,
            os_user: user(&placement.os_user)?,
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
