//! How far the own log goes, told with every call and every answer: as metadata, because it is
//! the same for all of them and none of them looks at it.

use prost::Message as _;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::v1::AuditHead;

/// The key of a head in the metadata of a call or an answer.
pub const METADATA: &str = "bellows-audit-bin";

/// Puts a head into metadata.
pub fn carry(metadata: &mut MetadataMap, head: &AuditHead) {
    metadata.insert_bin(METADATA, MetadataValue::from_bytes(&head.encode_to_vec()));
}

/// The head in metadata; `None`: the other side tells none, or something that is none.
pub fn carried(metadata: &MetadataMap) -> Option<AuditHead> {
    let bytes = metadata.get_bin(METADATA)?.to_bytes().ok()?;
    let head = AuditHead::decode(bytes).ok()?;
    (head.hash.len() == 32).then_some(head)
}
