//! Claims: the agent's durable record that an operation made a node's directories, services
//! or a named resource here, and what was there before. Undo and wipe touch claimed things
//! only; what was adopted is not ours. Tombstones live in the same records.

use std::net::SocketAddr;

use bellows_proto::{
    names::{ClusterName, NodeName},
    v1::{DirectoryState, Fault, FaultCode, NodeRecord, NodeRef, Placement},
};
use camino::{Utf8Path, Utf8PathBuf};

use super::{Local, record};
use crate::host::{Access, FileKind};

/// What the agent remembers of a node: its claim, its tombstone, and resources that are
/// claimed at this host for it (the node itself may live elsewhere).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Remembered {
    /// Which node.
    #[prost(message, optional, tag = "1")]
    pub node: Option<NodeRef>,
    /// The claim of the node's place on this host; unset: it does not live here by our doing.
    #[prost(message, optional, tag = "2")]
    pub claim: Option<NodeClaim>,
    /// The node is to have left for good: written before anything is stopped, so that a crash
    /// in between is made good at the agent's next start.
    #[prost(bool, tag = "3")]
    pub tombstone: bool,
    /// Slots, node ids and the like.
    #[prost(message, repeated, tag = "4")]
    pub resources: Vec<ClaimedResource>,
    /// The node has left for good: its services are masked, and what was to be wiped is.
    /// Readings tell this one: an intention proves nothing.
    #[prost(bool, tag = "5")]
    pub buried: bool,
    /// Its data still are to be wiped.
    #[prost(bool, tag = "6")]
    pub wipe: bool,
}

/// A node's place on this host.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NodeClaim {
    /// The operation that claimed it.
    #[prost(string, tag = "1")]
    pub operation: String,
    /// Where everything is.
    #[prost(message, optional, tag = "2")]
    pub placement: Option<Placement>,
    /// Directories with what was there before.
    #[prost(message, repeated, tag = "3")]
    pub directories: Vec<ClaimedDirectory>,
    /// Names of its services.
    #[prost(string, repeated, tag = "4")]
    pub services: Vec<String>,
}

/// A directory of a claim.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ClaimedDirectory {
    /// Where.
    #[prost(string, tag = "1")]
    pub path: String,
    /// What was there before the claim.
    #[prost(enumeration = "DirectoryState", tag = "2")]
    pub prior: i32,
    /// It holds the node's data.
    #[prost(bool, tag = "3")]
    pub data: bool,
    /// The folder above it, of all nodes of the cluster, was not there before the claim.
    #[prost(bool, tag = "4")]
    pub parent_made: bool,
}

/// A named resource that is claimed at this host.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ClaimedResource {
    /// e.g. `postgresql:slot:repmgr_slot_4`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What was there before; empty: nothing.
    #[prost(string, tag = "2")]
    pub prior: String,
    /// The operation that claimed it.
    #[prost(string, tag = "3")]
    pub operation: String,
}

/// What a placement takes on its host, as its system says: [`crate::tools`] asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holdings {
    /// The data directory: the one that grows.
    pub data: Utf8PathBuf,
    /// Further directories with the node's data, each once.
    pub more_data: Vec<Utf8PathBuf>,
    /// Where rendered configuration lives.
    pub config: Utf8PathBuf,
    /// Other directories (logs, sockets).
    pub others: Vec<Utf8PathBuf>,
    /// Names of services.
    pub services: Vec<String>,
    /// Where it listens.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// TCP ports that it needs besides.
    pub other_ports: Vec<u16>,
    /// Where it listens besides, at other addresses.
    pub elsewhere: Vec<SocketAddr>,
    /// It was there before, and nothing of it is ours: it is recorded, and never removed.
    pub adopted: bool,
}

impl Holdings {
    /// All directories with data.
    pub fn all_data(&self) -> impl Iterator<Item = &Utf8PathBuf> {
        std::iter::once(&self.data).chain(&self.more_data)
    }

    /// Its TCP ports at its own address.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        std::iter::once(self.port).chain(self.other_ports.iter().copied())
    }

    /// Addresses with all its TCP ports.
    pub fn endpoints(&self) -> impl Iterator<Item = (String, u16)> {
        let own = self.ports().map(|port| (self.address.clone(), port));
        own.chain(self.elsewhere.iter().map(|found| (found.ip().to_string(), found.port())))
    }
}

/// The claims that this agent holds.
pub struct Claims<'a> {
    local: &'a Local,
}

impl<'a> Claims<'a> {
    pub(super) fn new(local: &'a Local) -> Self {
        Self { local }
    }

    /// What is remembered of a node; `None`: nothing.
    ///
    /// # Errors
    /// `FAULT_CODE_INVALID` if the reference is no node's name; `FAULT_CODE_IO` if the record
    /// cannot be read.
    pub fn get(&self, node: &NodeRef) -> Result<Option<Remembered>, Fault> {
        record::read(self.local.host.as_ref(), &self.path(node)?)
    }

    /// The claim of a node that lives here, with its placement.
    ///
    /// # Errors
    /// `FAULT_CODE_NOT_CLAIMED` if there is none; else as [`Claims::get`].
    pub fn node(&self, node: &NodeRef) -> Result<NodeClaim, Fault> {
        self.get(node)?
            .and_then(|remembered| remembered.claim)
            .ok_or_else(|| not_claimed(&format!("node {}/{}", node.cluster, node.node)))
    }

    /// Whether a resource is claimed here for a node.
    ///
    /// # Errors
    /// As [`Claims::get`].
    pub fn holds(&self, node: &NodeRef, resource: &str) -> Result<bool, Fault> {
        Ok(self.get(node)?.is_some_and(|found| found.resources.iter().any(|r| r.name == resource)))
    }

    /// Refuses unless a resource is claimed here for a node.
    ///
    /// # Errors
    /// `FAULT_CODE_NOT_CLAIMED` if it is not; else as [`Claims::get`].
    pub fn require(&self, node: &NodeRef, resource: &str) -> Result<(), Fault> {
        if self.holds(node, resource)? {
            return Ok(());
        }
        Err(not_claimed(resource))
    }

    /// Writes what is to be remembered of a node, durably; nothing left: forgets it.
    ///
    /// # Errors
    /// As [`Claims::get`].
    pub fn put(&self, node: &NodeRef, remembered: &Remembered) -> Result<(), Fault> {
        let path = self.path(node)?;
        let host = &self.local.host;
        if remembered.claim.is_none() && !remembered.tombstone && remembered.resources.is_empty() {
            return Ok(host.remove_file(&path)?);
        }
        host.create_directory(&self.folder(), &Access::PRIVATE_DIRECTORY)?;
        let folder = path.parent().unwrap_or(Utf8Path::new("/"));
        host.create_directory(folder, &Access::PRIVATE_DIRECTORY)?;
        record::write(host.as_ref(), &path, remembered)
    }

    /// Everything that is remembered, in order of names.
    ///
    /// # Errors
    /// If a record cannot be read.
    pub fn all(&self) -> Result<Vec<Remembered>, Fault> {
        self.each()?.into_iter().collect()
    }

    /// As [`Claims::all`], with a fault in the place of each record that cannot be read.
    ///
    /// # Errors
    /// If the records cannot be listed.
    pub fn each(&self) -> Result<Vec<Result<Remembered, Fault>>, Fault> {
        let host = self.local.host.as_ref();
        let mut found = Vec::new();
        for cluster in host.list(&self.folder())? {
            let folder = self.folder().join(cluster);
            for name in host.list(&folder)? {
                // A temporary file of a write that a crash cut short.
                if !name.starts_with('.') {
                    found.extend(record::read(host, &folder.join(name)).transpose());
                }
            }
        }
        Ok(found)
    }

    fn folder(&self) -> Utf8PathBuf {
        self.local.config.agent.data_dir.join("claims")
    }

    /// Names are checked here, so that no reference leads out of the folder.
    fn path(&self, node: &NodeRef) -> Result<Utf8PathBuf, Fault> {
        let (cluster, node) = names(node)?;
        Ok(self.folder().join(cluster.as_str()).join(node.as_str()))
    }
}

/// The checked names of a reference.
///
/// # Errors
/// `FAULT_CODE_INVALID` if one is no name.
pub fn names(node: &NodeRef) -> Result<(ClusterName, NodeName), Fault> {
    let invalid = |error: bellows_proto::names::InvalidName| {
        Fault::new(FaultCode::Invalid, error.to_string())
    };
    Ok((node.cluster.parse().map_err(invalid)?, node.node.parse().map_err(invalid)?))
}

/// What is at a directory's path. Something else than a directory counts as occupied.
///
/// # Errors
/// If it cannot be read.
pub fn directory_state(local: &Local, path: &Utf8Path) -> Result<DirectoryState, Fault> {
    Ok(match local.host.metadata(path)? {
        None => DirectoryState::Absent,
        Some(found) if found.kind != FileKind::Directory => DirectoryState::Occupied,
        Some(_) if local.host.list(path)?.is_empty() => DirectoryState::Empty,
        Some(_) => DirectoryState::Occupied,
    })
}

/// The worst of several directories: occupied, then empty, then absent.
///
/// # Errors
/// As [`directory_state`].
pub fn worst_state<'a>(
    local: &Local,
    paths: impl IntoIterator<Item = &'a Utf8PathBuf>,
) -> Result<DirectoryState, Fault> {
    let mut worst = DirectoryState::Absent;
    for path in paths {
        worst = match (directory_state(local, path)?, worst) {
            (DirectoryState::Occupied, _) | (_, DirectoryState::Occupied) => {
                DirectoryState::Occupied
            }
            (DirectoryState::Empty, _) => DirectoryState::Empty,
            (DirectoryState::Absent | DirectoryState::Unspecified, before) => before,
        };
    }
    Ok(worst)
}

/// For host facts.
pub fn to_record(remembered: &Remembered) -> NodeRecord {
    let claim = remembered.claim.as_ref();
    NodeRecord {
        node: remembered.node.clone(),
        claimed_by: claim
            .filter(|_| !remembered.tombstone)
            .map(|claim| claim.operation.clone())
            .unwrap_or_default(),
        tombstone: remembered.tombstone && remembered.buried,
        burial_begun: remembered.tombstone,
        resources: remembered.resources.iter().map(|r| r.name.clone()).collect(),
    }
}

fn not_claimed(what: &str) -> Fault {
    Fault::new(
        FaultCode::NotClaimed,
        format!("{what} is not claimed on this host, so Bellows does not touch it"),
    )
}
