//! Typed values of a bookie. Nothing here needs quoting: not in its configuration, not in an argument list.

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroU16,
};

use bellows_proto::{
    names::{ClusterName, NodeName},
    v1::{BookkeeperPlacement, NodeRef},
};
use camino::{Utf8Path, Utf8PathBuf};

use crate::tools::values::{Invalid, QuietPath, address, endpoint, port, user};

/// A bookie has at most so many directories of a kind.
const MOST_DIRECTORIES: usize = 64;

/// Reads the id of a bookie: "ADDRESS:PORT".
///
/// # Errors
/// If it is something else.
pub fn bookie_id(text: &str) -> Result<SocketAddr, Invalid> {
    endpoint("bookie", text)
}

/// A bookie with its placement, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its name.
    pub name: NodeName,
    /// Owner of the data; bookie and tools run as this user.
    pub os_user: String,
    /// `bin/bookkeeper`.
    pub program: QuietPath,
    /// In the order of the configuration.
    pub journal_dirs: Vec<QuietPath>,
    /// In the order of the configuration.
    pub ledger_dirs: Vec<QuietPath>,
    /// Empty: in the ledger directories.
    pub index_dirs: Vec<QuietPath>,
    /// Its configuration.
    pub conf_file: QuietPath,
    /// Its output in the process form, and what the tool logs.
    pub log_dir: QuietPath,
    /// Where all members reach it.
    pub address: IpAddr,
    /// ... at this port.
    pub port: NonZeroU16,
    /// Where its HTTP admin API is asked: of loopback, or its own address.
    pub http: SocketAddr,
    /// What its service is called at this agent.
    pub service: String,
    /// Of an adopted bookie: the unit that runs it; empty: none.
    pub unit: String,
    /// It was there before Bellows: its configuration and data are not Bellows' own.
    pub adopted: bool,
}

impl Node {
    /// Checks a placement.
    ///
    /// # Errors
    /// The first value that is refused.
    pub fn new(node: &NodeRef, placement: &BookkeeperPlacement) -> Result<Self, Invalid> {
        let named = |kind, text: &str| Invalid::new(kind, text, "is not a name");
        let http_port = port("HTTP port", placement.http_port)?;
        let http = (address("HTTP address", &placement.http_address)?, http_port.get());
        let ledger_dirs = directories("ledger directory", &placement.ledger_dirs)?;
        let journal_dirs = directories("journal directory", &placement.journal_dirs)?;
        if ledger_dirs.is_empty() || journal_dirs.is_empty() {
            return Err(Invalid::new("bookie", &node.node, "has no directory of its own"));
        }
        Ok(Self {
            cluster: node.cluster.parse().map_err(|_| named("cluster", &node.cluster))?,
            name: node.node.parse().map_err(|_| named("node", &node.node))?,
            os_user: user(&placement.os_user)?,
            program: QuietPath::new("program", &placement.program)?,
            journal_dirs,
            ledger_dirs,
            index_dirs: directories("index directory", &placement.index_dirs)?,
            conf_file: QuietPath::new("configuration", &placement.conf_file)?,
            log_dir: QuietPath::new("log directory", &placement.log_dir)?,
            address: address("address", &placement.address)?,
            port: port("port", placement.port)?,
            http: http.into(),
            service: service_name(&node.cluster, &node.node),
            unit: placement.unit.clone(),
            adopted: placement.adopted,
        })
    }

    /// The bookie as messages name it.
    pub fn reference(&self) -> NodeRef {
        NodeRef { cluster: self.cluster.to_string(), node: self.name.to_string() }
    }

    /// "ADDRESS:PORT", as the cluster knows it.
    pub fn id(&self) -> String {
        SocketAddr::from((self.address, self.port.get())).to_string()
    }

    /// All directories with its data, each once: ledgers first, then journals, then indexes.
    pub fn directories(&self) -> Vec<&Utf8Path> {
        let all = self.ledger_dirs.iter().chain(&self.journal_dirs).chain(&self.index_dirs);
        let mut seen = BTreeSet::new();
        all.map(QuietPath::as_path).filter(|path| seen.insert(*path)).collect()
    }

    /// Where its configuration is.
    pub fn conf_dir(&self) -> Utf8PathBuf {
        folder_of(self.conf_file.as_path())
    }
}

/// The folder of a file.
pub(super) fn folder_of(file: &Utf8Path) -> Utf8PathBuf {
    file.parent().unwrap_or(Utf8Path::new("/")).to_owned()
}

fn directories(what: &'static str, texts: &[String]) -> Result<Vec<QuietPath>, Invalid> {
    if texts.len() > MOST_DIRECTORIES {
        return Err(Invalid::new(what, &texts.len().to_string(), "are too many"));
    }
    texts.iter().map(|text| QuietPath::new(what, text)).collect()
}

/// What the service of a bookie is called at its agent.
pub fn service_name(cluster: impl fmt::Display, node: impl fmt::Display) -> String {
    format!("bellows-{cluster}-{node}-bookie")
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A placement for tests: what a host proposes by itself.
    pub(in crate::tools::bookkeeper) fn placement() -> BookkeeperPlacement {
        BookkeeperPlacement {
            os_user: "bookkeeper".into(),
            program: "/opt/bookkeeper/bin/bookkeeper".into(),
            journal_dirs: vec!["/var/lib/bookkeeper/journal/events/b4".into()],
            ledger_dirs: vec!["/var/lib/bookkeeper/ledgers/events/b4".into()],
            index_dirs: Vec::new(),
            conf_file: "/etc/bellows/bookkeeper/events/b4/bookie.conf".into(),
            log_dir: "/var/log/bellows/bookkeeper/events/b4".into(),
            address: "10.0.0.4".into(),
            port: 3181,
            http_address: "127.0.0.1".into(),
            http_port: 8080,
            service: "bellows-events-b4-bookie".into(),
            unit: String::new(),
            adopted: false,
        }
    }

    /// A bookie for tests.
    pub(in crate::tools::bookkeeper) fn node() -> Node {
        let reference = NodeRef { cluster: "events".into(), node: "b4".into() };
        Node::new(&reference, &placement()).unwrap()
    }

    #[test]
    fn directories_come_once_and_in_order() {
        let mut node = node();
        assert_eq!(node.id(), "10.0.0.4:3181");
        node.index_dirs = node.ledger_dirs.clone();
        assert_eq!(
            node.directories(),
            ["/var/lib/bookkeeper/ledgers/events/b4", "/var/lib/bookkeeper/journal/events/b4"]
        );
    }

    #[test]
    fn what_cannot_be_a_bookie_is_refused() {
        let reference = node().reference();
        for bad in [
            BookkeeperPlacement { ledger_dirs: Vec::new(), ..placement() },
            BookkeeperPlacement { journal_dirs: vec!["a b".into()], ..placement() },
            BookkeeperPlacement { address: "h4".into(), ..placement() },
            BookkeeperPlacement { http_address: "localhost".into(), ..placement() },
            BookkeeperPlacement { http_port: 70_000, ..placement() },
            BookkeeperPlacement { os_user: "a;b".into(), ..placement() },
        ] {
            assert!(Node::new(&reference, &bad).is_err(), "{bad:?}");
        }
        for bad in ["", "h1:3181", "10.0.0.4", "10.0.0.4:0", "-l", "10.0.0.4:3181,10.0.0.5:3181"] {
            assert!(bookie_id(bad).is_err(), "{bad:?}");
        }
    }
}
