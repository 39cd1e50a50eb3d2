//! The bytes of a segment.

use sha2::{Digest as _, Sha256};

/// SHA-256.
pub type Hash = [u8; 32];

/// An encoded record is not longer, bytes.
pub const RECORD_LIMIT: usize = 16 * 1024 * 1024;
/// Before the first record of a segment.
pub const HEADER_BYTES: usize = 56;

const MAGIC: [u8; 8] = *b"BELLAUD1";
/// Length and inverted length.
const LENGTH_BYTES: usize = 8;

/// What stands at the beginning of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Of the segment, from 1 without gaps.
    pub(super) index: u64,
    /// Number of its first record.
    pub(super) first: u64,
    /// Of the record before; zeros: there is none.
    pub(super) previous: Hash,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.index.to_be_bytes());
        bytes.extend(self.first.to_be_bytes());
        bytes.extend(self.previous);
        bytes
    }

    /// The header and what comes after it; `None`: it is none.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (index, rest) = rest.split_first_chunk::<8>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (previous, rest) = rest.split_first_chunk::<32>()?;
        let header = Self {
            index: u64::from_be_bytes(*index),
            first: u64::from_be_bytes(*first),
            previous: *previous,
        };
        (*magic == MAGIC).then_some((header, rest))
    }
}

/// A record as it is stored after `previous`, and its hash.
pub(super) fn encode(previous: &Hash, payload: &[u8]) -> (Vec<u8>, Hash) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let hash = chained(previous, length, payload);
    let mut bytes = Vec::with_capacity(payload.len() + LENGTH_BYTES + 32);
    bytes.extend(length.to_be_bytes());
    bytes.extend((!length).to_be_bytes());
    bytes.extend(payload);
    bytes.extend(hash);
    (bytes, hash)
}

fn chained(previous: &Hash, length: u32, payload: &[u8]) -> Hash {
    Sha256::new()
        .chain_update(previous)
        .chain_update(length.to_be_bytes())
        .chain_update(payload)
        .finalize()
        .into()
}

/// What stands next in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Nothing.
    End,
    /// A record with its frame.
    Whole {
        payload: &'a [u8],
        /// The hash that is stored with it.
        stored: Hash,
        /// It is that of `previous` and the payload.
        fits: bool,
        rest: &'a [u8],
    },
    /// The beginning of a record, as a crash in the middle of a write leaves it.
    Torn(&'a [u8]),
    /// Bytes that no record begins with.
    Unreadable(&'a [u8]),
}

pub(super) fn next<'a>(previous: &Hash, bytes: &'a [u8]) -> Piece<'a> {
    if bytes.is_empty() {
        return Piece::End;
    }
    // A power cut may leave a longer file whose new bytes never came.
    if bytes.iter().all(|byte| *byte == 0) {
        return Piece::Torn(bytes);
    }
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return Piece::Torn(bytes);
    };
    let Some((inverted, rest)) = rest.split_first_chunk::<4>() else {
        return Piece::Torn(bytes);
    };
    let (length, inverted) = (u32::from_be_bytes(*length), u32::from_be_bytes(*inverted));
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    if inverted != !length || size > RECORD_LIMIT {
        return Piece::Unreadable(bytes);
    }
    let Some((payload, rest)) = rest.split_at_checked(size) else {
        return Piece::Torn(bytes);
    };
    let Some((stored, rest)) = rest.split_first_chunk::<32>() else {
        return Piece::Torn(bytes);
    };
    let fits = chained(previous, length, payload) == *stored;
    Piece::Whole { payload, stored: *stored, fits, rest }
}
