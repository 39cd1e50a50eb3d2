//! What a node keeps under `--store` (facts section 5): its lock, `kwbase.start_mode`, and its share of the state, each change on disk before it
//! is answered (fsync, rename, fsync of the directory).
//!
//! Unconfirmed: the text for a store that another process has.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::kwdb::{StartMode, Store};
use crate::programs::frame::State;

/// The share as it is on disk.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Share {
    pub(crate) store: Store,
    /// The highest term that was promised.
    pub(crate) promised: u64,
    pub(crate) accepted: Option<State>,
}

/// A data directory that this process holds.
pub(crate) struct Disk {
    dir: PathBuf,
    _lock: File,
}

impl Disk {
    /// Takes the directory, made if it is not there, and reads it.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Share), String> {
        let bad = |what: &dyn std::fmt::Display| {
            format!("failed to create engines: could not open store {}: {what}", dir.display())
        };
        fs::create_dir_all(dir).map_err(|error| bad(&error))?;
        let path = dir.join("LOCK");
        let lock = File::create(&path).map_err(|error| bad(&error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            bad(&format!(
                "IO error: While lock file: {}: Resource temporarily unavailable",
                path.display()
            ))
        })?;
        let mut share: Share = match fs::read(dir.join("double.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| bad(&error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Share::default(),
            Err(error) => return Err(bad(&error)),
        };
        if let Ok(word) = fs::read_to_string(dir.join("kwbase.start_mode")) {
            share.store.start_mode = StartMode::of(word.trim());
        }
        Ok((Self { dir: dir.to_owned(), _lock: lock }, share))
    }

    /// Writes down how the node was started.
    pub(crate) fn mode(&self, mode: StartMode) -> std::io::Result<()> {
        self.replace("kwbase.start_mode", mode.word().as_bytes())
    }

    pub(crate) fn keep(&self, share: &Share) -> std::io::Result<()> {
        self.replace("double.json", &serde_json::to_vec(share)?)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let new = self.dir.join(format!("{name}.new"));
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, self.dir.join(name))?;
        File::open(&self.dir)?.sync_all()
    }
}
