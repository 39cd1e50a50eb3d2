//! Typed values that configuration files, connection strings and command lines are made of.
//!
//! Nothing here needs quoting anywhere: not in `postgresql.conf`, `repmgr.conf`,
//! `pg_hba.conf`, a libpq connection string or a shell line (repmgr runs some). What would,
//! is refused here, once.

use std::{fmt, net::IpAddr, num::NonZeroU16};

use bellows_proto::{
    names::{ClusterName, NodeName},
    v1::{Fault, FaultCode, NodeRef, PostgresqlPlacement},
};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::render::REPMGR_CONF;

/// A unix socket's path is at most so long (`sun_path`, with the closing NUL).
const SOCKET_PATH_LIMIT: usize = 107;
/// The longest name that the server gives its socket.
const SOCKET_NAME: &str = ".s.PGSQL.65535";

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
pub struct PlainPath(Utf8PathBuf);

impl PlainPath {
    /// Checks a path. `what` names it in the error.
    ///
    /// # Errors
    /// If it is relative, not in plain form, or has characters besides A-Z a-z 0-9 / . _ - +
    pub fn new(what: &'static str, text: &str) -> Result<Self, Invalid> {
        let path = Utf8Path::new(text);
        let plain = path.components().all(|component| match component {
            Utf8Component::RootDir | Utf8Component::Normal(_) => true,
            Utf8Component::Prefix(_) | Utf8Component::CurDir | Utf8Component::ParentDir => false,
        });
        let quiet = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-' | b'+'));
        let tidy = !text.ends_with('/') && !text.contains("//") && !text.contains("/./");
        if !path.is_absolute() || !plain || !quiet || !tidy {
            return Err(Invalid::new(
                what,
                text,
                "is not an absolute path of A-Z a-z 0-9 / . _ - +",
            ));
        }
        Ok(Self(path.to_owned()))
    }

    /// The path of a file of ours in this folder.
    pub fn file(&self, name: &'static str) -> Self {
        Self(self.0.join(name))
    }

    /// As a path.
    pub fn as_path(&self) -> &Utf8Path {
        &self.0
    }
}

impl fmt::Display for PlainPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Addresses of hosts, or networks in CIDR form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// Bits that all its addresses share.
    pub prefix: u8,
}

impl Network {
    /// One host.
    pub fn host(address: IpAddr) -> Self {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self { address, prefix }
    }

    /// Reads `ADDRESS/PREFIX`.
    ///
    /// # Errors
    /// If it is something else.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("network", text, "is not of the form ADDRESS/PREFIX");
        let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let address = address.parse().map_err(|_| invalid())?;
        let prefix = prefix.parse().map_err(|_| invalid())?;
        if prefix > Self::host(address).prefix {
            return Err(invalid());
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Reads an IP address. Names are refused: a name may point elsewhere tomorrow.
///
/// # Errors
/// If it is something else.
pub fn address(what: &'static str, text: &str) -> Result<IpAddr, Invalid> {
    text.parse().map_err(|_| Invalid::new(what, text, "is not an IP address"))
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

fn os_user(text: &str) -> Result<String, Invalid> {
    let good = text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if good { Ok(text.to_owned()) } else { Err(Invalid::new("user", text, "is no name of a user")) }
}

/// A node with its placement, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its name; repmgr's `node_name`.
    pub name: NodeName,
    /// Owner of everything; tools run as this user.
    pub os_user: String,
    /// Programs.
    pub bin_dir: PlainPath,
    /// Data directory.
    pub data_dir: PlainPath,
    /// Configuration files.
    pub conf_dir: PlainPath,
    /// Unix sockets.
    pub socket_dir: PlainPath,
    /// Logs.
    pub log_dir: PlainPath,
    /// Login of the repmgr role.
    pub passfile: PlainPath,
    /// Where all members reach it.
    pub address: IpAddr,
    /// ... at this port.
    pub port: NonZeroU16,
    /// repmgr's id; 0: not given yet.
    pub node_id: u32,
    /// Service of the server.
    pub server_service: String,
    /// Service of repmgrd.
    pub repmgrd_service: String,
    /// Its `repmgr.conf`.
    pub repmgr_conf: PlainPath,
    /// Of an adopted one: the server's main configuration file, as the server named it.
    pub config_file: String,
    /// It was there before Bellows: its files and data are not Bellows' own.
    pub adopted: bool,
}

impl Node {
    /// Checks a placement.
    ///
    /// # Errors
    /// The first value that is refused.
    pub fn new(node: &NodeRef, placement: &PostgresqlPlacement) -> Result<Self, Invalid> {
        let socket_dir = PlainPath::new("socket directory", &placement.socket_dir)?;
        if placement.socket_dir.len() + 1 + SOCKET_NAME.len() > SOCKET_PATH_LIMIT {
            return Err(Invalid::new(
                "socket directory",
                &placement.socket_dir,
                "is too long for a unix socket: choose a shorter socket_root",
            ));
        }
        let named = |kind, text: &str| Invalid::new(kind, text, "is not a name");
        let conf_dir = PlainPath::new("configuration directory", &placement.conf_dir)?;
        let repmgr_conf = match placement.adopted {
            true => PlainPath::new("repmgr.conf", &placement.repmgr_conf)?,
            false => conf_dir.file(REPMGR_CONF),
        };
        Ok(Self {
            cluster: node.cluster.parse().map_err(|_| named("cluster", &node.cluster))?,
            name: node.node.parse().map_err(|_| named("node", &node.node))?,
            os_user: os_user(&placement.os_user)?,
            bin_dir: PlainPath::new("program directory", &placement.bin_dir)?,
            data_dir: PlainPath::new("data directory", &placement.data_dir)?,
            conf_dir,
            socket_dir,
            log_dir: PlainPath::new("log directory", &placement.log_dir)?,
            passfile: PlainPath::new("passfile", &placement.passfile)?,
            address: address("address", &placement.address)?,
            port: port("port", placement.port)?,
            node_id: placement.node_id,
            server_service: placement.server_service.clone(),
            repmgrd_service: placement.repmgrd_service.clone(),
            repmgr_conf,
            config_file: placement.config_file.clone(),
            adopted: placement.adopted,
        })
    }

    /// The node as messages name it.
    pub fn reference(&self) -> NodeRef {
        NodeRef { cluster: self.cluster.to_string(), node: self.name.to_string() }
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// A placement for tests.
    pub(in crate::tools::postgresql) fn placement() -> PostgresqlPlacement {
        PostgresqlPlacement {
            os_user: "postgres".into(),
            bin_dir: "/usr/lib/postgresql/15/bin".into(),
            data_dir: "/srv/data/orders/pg1".into(),
            conf_dir: "/etc/bellows/postgresql/orders/pg1".into(),
            socket_dir: "/run/bellows-postgresql/orders/pg1".into(),
            log_dir: "/var/log/bellows/orders/pg1".into(),
            address: "10.1.2.3".into(),
            port: 5432,
            node_id: 7,
            server_service: "bellows-postgresql-orders-pg1.service".into(),
            repmgrd_service: "bellows-repmgrd-orders-pg1.service".into(),
            passfile: "/etc/bellows/repmgr.pgpass".into(),
            ..PostgresqlPlacement::default()
        }
    }

    /// A node for tests.
    pub(in crate::tools::postgresql) fn node() -> Node {
        let reference = NodeRef { cluster: "orders".into(), node: "pg1".into() };
        Node::new(&reference, &placement()).unwrap()
    }

    #[test]
    fn what_needs_quoting_is_refused() {
        for bad in [
            "", "a", "/", "/a/", "/a/../b", "/a/./b", "/a//b", "/a b", "/a'b", "/a\"b", "/a\nb",
            "/a\\b", "/a$b", "/a;b", "/a#b", "/é",
        ] {
            assert!(PlainPath::new("path", bad).is_err(), "{bad:?}");
        }
        assert!(PlainPath::new("path", "/srv/pg-15/x_y.z+1").is_ok());
        let long =
            PostgresqlPlacement { socket_dir: format!("/{}", "a".repeat(100)), ..placement() };
        assert!(Node::new(&node().reference(), &long).is_err());
        for bad in ["", "1a", "a b", "a,b", "-a"] {
            assert!(os_user(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn networks() {
        for good in ["10.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::1/128"] {
            assert_eq!(Network::new(good).unwrap().to_string(), good);
        }
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "::/129", "all", "10.0.0.0/8 x", "10.0.0.0/-1"] {
            assert!(Network::new(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn accepted_paths_are_quiet(text in any::<String>()) {
            if let Ok(path) = PlainPath::new("path", &text) {
                let quiet = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
                prop_assert!(path.to_string().chars().all(quiet));
            }
        }
    }
}
