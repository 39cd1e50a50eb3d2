//! Writing a chain: append, turn to a new segment, let the oldest go.

use prost::Message as _;

use super::{
    frame::{self, Hash, Header},
    reader::{Entry, Reader},
};
use crate::v1::{AuditHead, AuditPruned, AuditRecord, AuditTorn, audit_record::Kind};

/// A segment that has grown to this many bytes is followed by the next.
pub const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// So many segments are kept unless the configuration says otherwise: 64 MiB.
pub const KEEP_DEFAULT: u32 = 16;
/// Fewer are not enough: the record that tells of a removal must outlive it.
pub const KEEP_LEAST: u32 = 2;

const PREFIX: &str = "segment.";

/// The folder of a log. Calls are durable when they return.
pub trait Disk {
    /// Why the disk fails.
    type Error;
    /// Names in the folder, in any order.
    ///
    /// # Errors
    /// If it cannot be read.
    fn list(&self) -> Result<Vec<String>, Self::Error>;
    /// All bytes of a file.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read(&self, name: &str) -> Result<Vec<u8>, Self::Error>;
    /// Makes a file, whole or not at all.
    ///
    /// # Errors
    /// If it is there already or the disk fails.
    fn create(&self, name: &str, bytes: &[u8]) -> Result<(), Self::Error>;
    /// Appends to a file. After an error a part of it may be there.
    ///
    /// # Errors
    /// If the disk fails.
    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), Self::Error>;
    /// Removes a file.
    ///
    /// # Errors
    /// If the disk fails.
    fn remove(&self, name: &str) -> Result<(), Self::Error>;
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A segment of so many bytes is followed by the next.
    pub segment_bytes: u64,
    /// So many segments are kept, the one being written included; at least [`KEEP_LEAST`].
    pub keep: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES, keep: KEEP_DEFAULT }
    }
}

/// The name of a segment's file.
pub fn segment_name(index: u64) -> String {
    format!("{PREFIX}{index:010}")
}

/// The index of a segment by the name of its file; `None`: it is no segment.
pub fn index_of(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.parse().ok()
}

/// A log that one program writes.
#[derive(Debug)]
pub struct Log<D> {
    disk: D,
    limits: Limits,
    /// Indices, in order; the last one is written.
    segments: Vec<u64>,
    length: u64,
    number: u64,
    hash: Hash,
}

impl<D: Disk> Log<D> {
    /// Opens a log, or begins one in an empty folder. Every record that is kept goes to `each`,
    /// with what is wrong with it: damage is told, and never a reason not to go on. Where the last
    /// segment ends in something else than a record, the next one begins with telling so.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn open(
        disk: D,
        limits: Limits,
        now_ms: i64,
        each: &mut dyn FnMut(Entry),
    ) -> Result<Self, D::Error> {
        let mut segments: Vec<u64> = disk.list()?.iter().filter_map(|n| index_of(n)).collect();
        segments.sort_unstable();
        let mut reader = Reader::default();
        let mut length = 0;
        for index in &segments {
            let bytes = disk.read(&segment_name(*index))?;
            length = size(bytes.len());
            reader.segment(*index, &bytes, each);
        }
        let at = reader.position();
        let turns = reader.left().is_some();
        let untold: Vec<AuditTorn> = reader.untold().cloned().collect();
        let mut log = Self {
            disk,
            limits,
            segments,
            length,
            number: at.map_or(0, |at| at.number),
            hash: at.map_or([0; 32], |at| at.hash),
        };
        // A beginning that cannot be read has no room for records.
        if log.segments.is_empty() || turns || length < size(super::HEADER_BYTES) {
            log.turn()?;
        }
        for torn in untold {
            log.write(now_ms, Kind::Torn(torn))?;
        }
        Ok(log)
    }

    /// The last record.
    pub fn head(&self) -> AuditHead {
        AuditHead { number: self.number, hash: self.hash.to_vec() }
    }

    /// The folder.
    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// Indices of the segments, in order.
    pub fn segments(&self) -> &[u64] {
        &self.segments
    }

    /// Appends a record, durably.
    ///
    /// # Errors
    /// If the disk fails: then nobody knows what is there. Open the log again.
    pub fn append(&mut self, at_ms: i64, kind: Kind) -> Result<AuditHead, D::Error> {
        if self.length >= self.limits.segment_bytes {
            self.turn()?;
            self.prune(at_ms)?;
        }
        self.write(at_ms, kind)?;
        Ok(self.head())
    }

    fn write(&mut self, at_ms: i64, kind: Kind) -> Result<(), D::Error> {
        let record = AuditRecord { number: self.number + 1, at_ms, kind: Some(kind) };
        let (bytes, hash) = frame::encode(&self.hash, &record.encode_to_vec());
        let name = segment_name(self.segments.last().copied().unwrap_or(1));
        self.disk.append(&name, &bytes)?;
        self.length += size(bytes.len());
        self.number += 1;
        self.hash = hash;
        Ok(())
    }

    /// Begins the next segment.
    fn turn(&mut self) -> Result<(), D::Error> {
        let index = self.segments.last().map_or(1, |last| last + 1);
        let header = Header { index, first: self.number + 1, previous: self.hash };
        let bytes = header.encode();
        self.disk.create(&segment_name(index), &bytes)?;
        self.segments.push(index);
        self.length = size(bytes.len());
        Ok(())
    }

    /// Removes the oldest segments where there are too many, after the chain has told so.
    fn prune(&mut self, at_ms: i64) -> Result<(), D::Error> {
        let keep = usize::try_from(self.limits.keep.max(KEEP_LEAST)).unwrap_or(usize::MAX);
        let surplus = self.segments.len().saturating_sub(keep);
        if surplus == 0 {
            return Ok(());
        }
        let mut stays = None;
        for (place, index) in self.segments.iter().enumerate().skip(surplus) {
            // One whose beginning was damaged says nothing to go on from, and goes with the others.
            let bytes = self.disk.read(&segment_name(*index))?;
            if let Some((header, _)) = Header::decode(&bytes) {
                stays = Some((place, header));
                break;
            }
        }
        let Some((place, header)) = stays else { return Ok(()) };
        let before = header.first.saturating_sub(1);
        let through = AuditHead { number: before, hash: header.previous.to_vec() };
        self.write(at_ms, Kind::Pruned(AuditPruned { through: Some(through) }))?;
        for gone in self.segments.drain(..place) {
            self.disk.remove(&segment_name(gone))?;
        }
        Ok(())
    }
}

fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
