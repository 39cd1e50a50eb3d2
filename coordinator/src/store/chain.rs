//! The hash chain of an operation's events: each hash covers the one before and the stored
//! bytes, so that no event can be changed, moved or taken out unseen.

use bellows_proto::v1::Event;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use super::{keys::OperationKey, pieces::FORMAT, records::EventRecord};

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

/// The event of a record, and the hash before it, if `after` is the hash after it.
pub(super) fn linked(bytes: &[u8], after: &[u8]) -> Option<(Event, Hash)> {
    let record = EventRecord::decode(bytes).ok()?;
    let before: Hash = record.previous_hash.as_slice().try_into().ok()?;
    let event = Event::decode(record.event.as_slice()).ok()?;
    (next(&before, bytes).as_slice() == after).then_some((event, before))
}
