//! The watermark: how far the store has come, in a file of its own beside sled. sled opens a
//! log whose tail is lost without a word; the watermark remembers that there was more.
//!
//! Two slots on two pages of one file, overwritten in place, in turns: a cut while one is
//! written leaves the other. A slot is
//! ```text
//! "BELLOWM1", store id (36 bytes), number of the last durable commit (u64, big-endian), SHA-256 of these
//! ```
//! It is never ahead of what is durable, and behind by what was committed since it was last
//! written: the store writes it at most every [`INTERVAL`], when idle, and at the end.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};

use super::{StoreError, files};

/// It is not written more often than this.
const INTERVAL: Duration = Duration::from_millis(100);

const MAGIC: &[u8; 8] = b"BELLOWM1";
const ID_BYTES: usize = 36;
const SUM_AT: usize = MAGIC.len() + ID_BYTES + 8;
const SLOT_BYTES: usize = SUM_AT + 32;
/// On pages of their own.
const SLOTS_AT: [u64; 2] = [0, 4096];

/// What one slot says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub store_id: String,
    pub commit: u64,
}

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// There is no such file, or it is empty.
    Missing,
    /// No slot can be read.
    Damaged,
    /// The slot of the highest number; whether the other one could be read too.
    Here { slot: Slot, both: bool },
}

/// The file, to be written.
pub(super) struct Watermark {
    path: PathBuf,
    file: File,
    store_id: String,
    /// Which slot comes next.
    next: usize,
    written: u64,
    written_at: Option<Instant>,
}

/// Where it is.
pub(super) fn path(store: &Path) -> PathBuf {
    store.join("watermark")
}

/// Reads it; changes nothing.
pub(super) fn look(store: &Path) -> Result<Seen, StoreError> {
    let path = path(store);
    match File::open(&path) {
        Ok(file) => Ok(judge(&read_slots(&file).map_err(StoreError::io("read", &path))?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Seen::Missing),
        Err(error) => Err(StoreError::io("open", &path)(error)),
    }
}

impl Watermark {
    /// Opens the file, makes it where it is missing, and writes `commit` into it. Whatever it
    /// said before must have been judged, and its doubt be durable.
    pub(super) fn begin(store: &Path, store_id: &str, commit: u64) -> Result<Self, StoreError> {
        let path = path(store);
        let missing = !path.exists();
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        let slots = read_slots(&file).map_err(StoreError::io("read", &path))?;
        let mut own = Self {
            path,
            file,
            store_id: store_id.to_owned(),
            next: 0,
            written: 0,
            written_at: None,
        };
        // The weaker slot first: the better one stays until that is on disk.
        own.next =
            usize::from(strength(slots.first(), store_id) > strength(slots.get(1), store_id));
        own.write(commit)?;
        if slots.iter().any(|slot| slot.as_ref().is_none_or(|slot| slot.store_id != store_id)) {
            own.write(commit)?;
        }
        if missing {
            files::sync_dir(store)?;
        }
        Ok(own)
    }

    /// Writes `commit`, which is durable, if it is time to.
    pub(super) fn pass(&mut self, commit: u64) -> Result<(), StoreError> {
        if self.written_at.is_some_and(|at| at.elapsed() < INTERVAL) {
            return Ok(());
        }
        self.catch_up(commit)
    }

    /// Writes `commit`, which is durable, unless it is written already.
    pub(super) fn catch_up(&mut self, commit: u64) -> Result<(), StoreError> {
        if commit > self.written { self.write(commit) } else { Ok(()) }
    }

    fn write(&mut self, commit: u64) -> Result<(), StoreError> {
        let slot = Slot { store_id: self.store_id.clone(), commit };
        let at = SLOTS_AT.get(self.next).copied().unwrap_or_default();
        self.file
            .write_all_at(&encode(&slot), at)
            .and_then(|()| self.file.sync_data())
            .map_err(StoreError::io("write", &self.path))?;
        self.next = 1 - self.next.min(1);
        self.written = commit;
        self.written_at = Some(Instant::now());
        Ok(())
    }
}

fn strength(slot: Option<&Option<Slot>>, store_id: &str) -> Option<u64> {
    slot?.as_ref().filter(|slot| slot.store_id == store_id).map(|slot| slot.commit)
}

fn judge(slots: &[Option<Slot>; 2]) -> Seen {
    match slots {
        [None, None] => Seen::Damaged,
        [Some(one), None] | [None, Some(one)] => Seen::Here { slot: one.clone(), both: false },
        [Some(one), Some(two)] => {
            let best = if one.commit >= two.commit { one } else { two };
            Seen::Here { slot: best.clone(), both: true }
        }
    }
}

fn read_slots(file: &File) -> io::Result<[Option<Slot>; 2]> {
    let [first, second] = SLOTS_AT;
    Ok([read_slot(file, first)?, read_slot(file, second)?])
}

fn read_slot(file: &File, at: u64) -> io::Result<Option<Slot>> {
    let mut bytes = [0; SLOT_BYTES];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(decode(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn encode(slot: &Slot) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    let mut id = slot.store_id.clone().into_bytes();
    id.resize(ID_BYTES, b' ');
    bytes.extend(id);
    bytes.extend(slot.commit.to_be_bytes());
    let sum = Sha256::digest(&bytes);
    bytes.extend(sum);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Slot> {
    let (body, sum) = bytes.split_at_checked(SUM_AT)?;
    if Sha256::digest(body).as_slice() != sum {
        return None;
    }
    let (id, commit) = body.strip_prefix(MAGIC)?.split_at_checked(ID_BYTES)?;
    let store_id = std::str::from_utf8(id).ok()?.trim_end().to_owned();
    Some(Slot { store_id, commit: u64::from_be_bytes(commit.try_into().ok()?) })
}
