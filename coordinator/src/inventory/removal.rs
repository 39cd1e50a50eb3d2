//! Hosts that leave the site for good, and clusters that are forgotten.

use bellows_proto::v1::{Fault, FaultCode, Spec, SpecTombstone};

use super::Inventory;
use crate::store::{HostRecord, Revocation, StoreError};

/// Why a host is not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// No such host is enrolled.
    #[error("no host {0} is enrolled at this site")]
    Unknown(String),
    /// A spec names it.
    #[error("node {node} of cluster {cluster} is on host {host}")]
    HasNode {
        /// The host.
        host: String,
        /// The cluster.
        cluster: String,
        /// The node.
        node: String,
    },
    /// It has not got the tombstone of a node that was removed while it was dead.
    #[error(
        "host {host} is owed the tombstone of node {node} of cluster {cluster}: if it comes back, that node may start"
    )]
    Owed {
        /// The host.
        host: String,
        /// The cluster.
        cluster: String,
        /// The node.
        node: String,
    },
    /// An open operation holds it, or the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a cluster is not forgotten.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// There is none.
    #[error("there is no cluster {0}")]
    Unknown(String),
    /// It has nodes.
    #[error("cluster {cluster} has {nodes} node(s): they would be left to themselves")]
    HasNodes {
        /// The cluster.
        cluster: String,
        /// How many.
        nodes: usize,
    },
    /// A host was dead when a node left it.
    #[error(
        "host {host} is owed the tombstone of node {node}: if it comes back, that node may start"
    )]
    Owes {
        /// The host.
        host: String,
        /// The node.
        node: String,
    },
    /// An open operation holds it, it is at another version, or the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// It was not put in its operation, and nobody has seen it at its host since.
fn is_owed(stone: &SpecTombstone, delivered: &[SpecTombstone]) -> bool {
    stone.owed_act != 0 && !delivered.contains(stone)
}

impl Inventory {
    /// Forgets a cluster that is at `version`, and returns its last spec. `forget_nodes`: also one that
    /// has nodes or owes tombstones; those that are `delivered` it does not owe any more. Nothing is
    /// done on any host.
    ///
    /// # Errors
    /// If it is unknown or still needed; nothing was changed then.
    pub fn delete_cluster(
        &self,
        cluster: &str,
        version: u64,
        forget_nodes: bool,
        delivered: &[SpecTombstone],
    ) -> Result<Spec, DeleteError> {
        let spec = self.store.spec(cluster)?;
        let spec = spec.ok_or_else(|| DeleteError::Unknown(cluster.to_owned()))?;
        if !forget_nodes && !spec.nodes.is_empty() {
            let (cluster, nodes) = (cluster.to_owned(), spec.nodes.len());
            return Err(DeleteError::HasNodes { cluster, nodes });
        }
        let owed = spec.tombstones.iter().find(|stone| is_owed(stone, delivered));
        if let Some(stone) = owed.filter(|_| !forget_nodes) {
            let (host, node) = (stone.host.clone(), stone.node.clone());
            return Err(DeleteError::Owes { host, node });
        }
        self.store.remove_cluster(cluster, version)?;
        Ok(spec)
    }

    /// Forgets a host and revokes its key: from now on it is neither dialled nor let in with that
    /// key. Returns what was known of it. Nothing is done on the host itself. `never_back`: somebody said
    /// so of the machine; then it may still be owed tombstones. Those that are `delivered` it is not owed.
    ///
    /// # Errors
    /// If it is unknown or still needed; nothing was changed then.
    pub fn remove_host(
        &self,
        host: &str,
        principal: &str,
        now_ms: i64,
        never_back: bool,
        delivered: &[SpecTombstone],
    ) -> Result<HostRecord, RemoveError> {
        let record = self.store.host(host)?.ok_or_else(|| RemoveError::Unknown(host.to_owned()))?;
        let specs = self.store.clusters()?;
        for spec in &specs {
            if let Some(node) = spec.nodes.iter().find(|node| node.host == host) {
                return Err(RemoveError::HasNode {
                    host: host.to_owned(),
                    cluster: spec.cluster.clone(),
                    node: node.node.clone(),
                });
            }
            let owed = |stone: &&SpecTombstone| stone.host == host && is_owed(stone, delivered);
            if let Some(stone) = spec.tombstones.iter().find(owed).filter(|_| !never_back) {
                return Err(RemoveError::Owed {
                    host: host.to_owned(),
                    cluster: spec.cluster.clone(),
                    node: stone.node.clone(),
                });
            }
        }
        let versions: Vec<_> = specs.into_iter().map(|spec| (spec.cluster, spec.version)).collect();
        let removed = self.store.remove_host(host, principal, now_ms, &versions)?;
        Ok(removed.unwrap_or(record))
    }

    /// Revokes a host's key: neither it nor the one that is about to take its place is accepted, and no
    /// token lets it in that was made before. All that is known of it stays.
    ///
    /// # Errors
    /// If it is unknown, or an open operation holds it; nothing was changed then.
    pub fn revoke_host(&self, host: &str, why: &Revocation) -> Result<HostRecord, RemoveError> {
        let revoked = self.store.revoke_host(host, why)?;
        revoked.ok_or_else(|| RemoveError::Unknown(host.to_owned()))
    }

    /// Whether a key is not accepted any more, by its SHA-256.
    ///
    /// # Errors
    /// If the store failed: then nobody can tell.
    pub fn is_revoked(&self, key_fingerprint: &[u8]) -> Result<bool, StoreError> {
        Ok(self.store.revoked(key_fingerprint)?.is_some())
    }
}

/// Why a revoked host is not dialled. Nothing is known of it then, as of one that does not answer.
pub fn revoked(host: &str, why: &Revocation) -> Fault {
    let reason = &why.reason;
    Fault::new(FaultCode::Unreachable, format!("revoked by {}: {reason}", why.principal))
        .at(host)
        .remedy(format!(
            "once the machine is safe: bellows host token {host}, then enrol there with a new key; or replace its nodes"
        ))
}
