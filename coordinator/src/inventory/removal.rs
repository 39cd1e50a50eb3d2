//! Hosts that leave the site for good.

use bellows_proto::v1::SpecTombstone;

use super::Inventory;
use crate::store::{HostRecord, RevokedRecord, StoreError};

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

impl Inventory {
    /// Forgets a host and revokes its key: from now on it is neither dialled nor let in with that
    /// key. Returns what was known of it. Nothing is done on the host itself. `never_back`: somebody said
    /// so of the machine; then it may still be owed tombstones.
    ///
    /// # Errors
    /// If it is unknown or still needed; nothing was changed then.
    pub fn remove_host(
        &self,
        host: &str,
        principal: &str,
        now_ms: i64,
        never_back: bool,
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
            let owed = |stone: &&SpecTombstone| stone.host == host && stone.owed_act != 0;
            if let Some(stone) = spec.tombstones.iter().find(owed).filter(|_| !never_back) {
                return Err(RemoveError::Owed {
                    host: host.to_owned(),
                    cluster: spec.cluster.clone(),
                    node: stone.node.clone(),
                });
            }
        }
        let versions: Vec<_> = specs.into_iter().map(|spec| (spec.cluster, spec.version)).collect();
        let revoked = RevokedRecord {
            key_fingerprint: record.key_fingerprint.clone(),
            host: host.to_owned(),
            revoked_at_ms: now_ms,
            principal: principal.to_owned(),
        };
        self.store.remove_host(&revoked, &versions)?;
        Ok(record)
    }

    /// Whether a key is not accepted any more, by its SHA-256.
    ///
    /// # Errors
    /// If the store failed: then nobody can tell.
    pub fn is_revoked(&self, key_fingerprint: &[u8]) -> Result<bool, StoreError> {
        Ok(self.store.revoked(key_fingerprint)?.is_some())
    }
}
