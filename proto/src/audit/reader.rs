//! Reading a chain: every record, and everything that does not fit.

use std::collections::VecDeque;

use prost::Message as _;

use super::frame::{self, HEADER_BYTES, Hash, Header, Piece};
use crate::{
    digest,
    v1::{AuditHead, AuditRecord, AuditTorn, audit_record::Kind},
};

/// One record, or what stands where one should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number.
    pub number: u64,
    /// As it is stored; zeros where there is no record.
    pub hash: Hash,
    /// `None`: it cannot be read, or `damage` is about no record.
    pub record: Option<AuditRecord>,
    /// Why it cannot be trusted; empty: it fits.
    pub damage: String,
}

/// What was read of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Number of the first record; one more than the last one's where there is none.
    pub first: u64,
    /// The last record.
    pub head: AuditHead,
}

/// A number that is further away from the expected one is rubbish.
const NEAR: u64 = 1 << 32;

/// Where the chain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) index: u64,
    pub(super) number: u64,
    pub(super) hash: Hash,
}

/// Reads a chain, segment after segment.
#[derive(Debug, Default)]
pub struct Reader {
    at: Option<Position>,
    /// The first segment's: number of its first record and the hash before.
    begin: Option<(u64, Hash)>,
    /// What follows the last whole record of the segment that was read last.
    left: Option<AuditTorn>,
    /// The same of segments before, which no record has told of yet.
    untold: VecDeque<AuditTorn>,
    /// The last removal that the chain tells of.
    pruned: Option<AuditHead>,
}

impl Reader {
    /// Reads the next segment, of this index, whole. Everything found goes to `each`, in order.
    pub fn segment(&mut self, index: u64, bytes: &[u8], each: &mut dyn FnMut(Entry)) {
        let header = Header::decode(bytes);
        let expected = self.at.map(|at| Header {
            index: at.index + 1,
            first: at.number.saturating_add(1),
            previous: at.hash,
        });
        let begin = match (expected, header) {
            (Some(expected), Some((found, _))) if found.first <= expected.first => expected,
            // What is missing between the segments is told below; the rest can still be read.
            (_, Some((found, _))) => found,
            (Some(expected), None) => expected,
            (None, None) => Header { index, first: 1, previous: [0; 32] },
        };
        if self.begin.is_none() {
            self.begin = Some((begin.first, begin.previous));
        }
        let told = header.map(|(header, _)| header);
        if let Some(damage) = misfit(index, told, expected) {
            each(lost(begin.first, damage));
        }
        let at = Position { index, number: begin.first.saturating_sub(1), hash: begin.previous };
        self.at = Some(at);
        self.untold.extend(self.left.take());
        let rest = bytes.split_at_checked(HEADER_BYTES).map_or(&[][..], |(_, rest)| rest);
        self.records(bytes.len(), rest, each);
    }

    fn records(&mut self, length: usize, mut rest: &[u8], each: &mut dyn FnMut(Entry)) {
        let Some(mut at) = self.at else { return };
        loop {
            match frame::next(&at.hash, rest) {
                Piece::End => break,
                Piece::Whole { payload, stored, fits, rest: after } => {
                    let expected = at.number.saturating_add(1);
                    let record = AuditRecord::decode(payload).ok();
                    let number = record.as_ref().map(|found| found.number);
                    at.number = number.filter(|n| n.abs_diff(expected) < NEAR).unwrap_or(expected);
                    at.hash = stored;
                    rest = after;
                    let mut damage = if fits && number == Some(expected) {
                        String::new()
                    } else {
                        "it was changed, or what was before it: its hash does not fit".to_owned()
                    };
                    let kind = record.as_ref().and_then(|record| record.kind.as_ref());
                    damage += self.told(kind);
                    each(Entry { number: at.number, hash: stored, record, damage });
                }
                Piece::Torn(bytes) => {
                    self.left = Some(remainder(at.index, length, bytes, false));
                    break;
                }
                Piece::Unreadable(bytes) => {
                    let damage = format!("{} bytes from here on are no records", bytes.len());
                    each(lost(at.number.saturating_add(1), damage));
                    self.left = Some(remainder(at.index, length, bytes, true));
                    break;
                }
            }
        }
        self.at = Some(at);
    }

    /// Holds a record against what was left before it.
    fn told(&mut self, kind: Option<&Kind>) -> &'static str {
        if let Some(Kind::Pruned(pruned)) = kind {
            self.pruned.clone_from(&pruned.through);
        }
        match (self.untold.pop_front(), kind) {
            (Some(left), Some(Kind::Torn(told))) if left == *told => "",
            (_, Some(Kind::Torn(_))) => "it tells of a torn tail that is not there",
            (Some(_), _) => {
                self.untold.clear();
                "bytes at the end of the segment before are not told of"
            }
            (None, _) => "",
        }
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.at
    }

    /// What is after the last whole record of the last segment.
    pub(super) fn left(&self) -> Option<&AuditTorn> {
        self.left.as_ref()
    }

    /// What is after whole records and no record tells of.
    pub(super) fn untold(&self) -> impl Iterator<Item = &AuditTorn> {
        self.untold.iter().chain(&self.left)
    }

    /// The end of the chain: what is missing at its beginning and left at its end goes to `each`.
    pub fn finish(self, each: &mut dyn FnMut(Entry)) -> Chain {
        let (first, before) = self.begin.unwrap_or((1, [0; 32]));
        let pruned = self.pruned.is_some_and(|pruned| {
            pruned.number.saturating_add(1) == first && pruned.hash[..] == before
        });
        if first > 1 && !pruned {
            let damage = format!("records 1 to {} are missing, and not by retention", first - 1);
            each(lost(first, damage));
        }
        let at = self.at.unwrap_or(Position { index: 0, number: 0, hash: [0; 32] });
        // Whoever writes the log tells of a torn tail as soon as it opens it.
        if let Some(left) = self.untold.iter().chain(self.left.iter()).next() {
            let damage = format!("{} bytes at the end are no whole record", left.bytes);
            each(lost(at.number.saturating_add(1), damage));
        }
        Chain { first, head: AuditHead { number: at.number, hash: at.hash.to_vec() } }
    }
}

fn lost(number: u64, damage: impl Into<String>) -> Entry {
    Entry { number, hash: [0; 32], record: None, damage: damage.into() }
}

/// What a segment's beginning says that it must not say.
fn misfit(index: u64, found: Option<Header>, expected: Option<Header>) -> Option<String> {
    let Some(found) = found else {
        return Some(format!("the beginning of segment {index} cannot be read"));
    };
    if found.index != index {
        return Some(format!("segment {index} says that it is segment {}", found.index));
    }
    if found.first == 0 {
        return Some(format!("segment {index} begins before the first record"));
    }
    let expected = expected?;
    if found.index != expected.index {
        return Some(format!("segments {} to {} are missing", expected.index, index - 1));
    }
    (found != expected).then(|| format!("segment {index} does not follow the one before it"))
}

fn remainder(segment: u64, length: usize, bytes: &[u8], damaged: bool) -> AuditTorn {
    let size = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    AuditTorn {
        segment,
        offset: size(length - bytes.len()),
        bytes: size(bytes.len()),
        digest: digest::of_bytes(bytes).to_vec(),
        damaged,
    }
}
