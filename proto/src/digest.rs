//! Digests of messages. prost encodes fields in order and these messages have no maps, so
//! that equal messages have equal bytes.

use prost::Message;
use sha2::{Digest as _, Sha256};

/// SHA-256 of the encoded message.
pub fn of<M: Message>(message: &M) -> [u8; 32] {
    of_bytes(&message.encode_to_vec())
}

/// SHA-256 of bytes.
pub fn of_bytes(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
