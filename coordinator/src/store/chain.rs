//! The hash chain of an operation's events: each hash covers the one before and the stored
//! bytes, so that no event can be changed, moved or taken out unseen.

use sha2::{Digest as _, Sha256};

use super::{keys::OperationKey, pieces::FORMAT};

/// SHA-256.
pub(super) type Hash = [u8; 32];

/// Before the first event: binds the chain to its operation.
pub(super) fn start(operation: &OperationKey) -> Hash {
    Sha256::digest(operation).into()
}

/// After one more record.
pub(super) fn next(previous: &Hash, record: &[u8]) -> Hash {
    Sha256::new()
        .chain_update(previous)
        .chain_update([FORMAT])
        .chain_update(record)
        .finalize()
        .into()
}
