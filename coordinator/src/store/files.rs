//! The files around sled: the directory, the lock against a second process, the handle that
//! makes writes durable, and the one repair that is safe.
//!
//! ```text
//! STORE/lock    held while open
//! STORE/sled/   sled's own: conf, db, snap.*, blobs/
//! STORE/aside/  snapshots that sled could not read
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{FlockOperation, flock};

use super::StoreError;

/// sled's page cache. Its own default is 1 GiB.
const CACHE_BYTES: u64 = 64 << 20;

/// sled's own lock on its log is waited for so long. Threads of sled outlive a store that was
/// just closed for a moment, and so does what a child process inherited before its exec.
const LOG_LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// Our own: a process that was just started holds all our files until its exec.
const OWN_LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Where sled keeps its files.
pub(super) fn sled_dir(store: &Path) -> PathBuf {
    store.join("sled")
}

/// sled's log: what must be synced.
pub(super) fn log_path(store: &Path) -> PathBuf {
    sled_dir(store).join("db")
}

/// Makes the store's directory, for its owner only.
pub(super) fn make_dir(store: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(store)
        .map_err(StoreError::io("make directory", store))
}

/// Takes the lock against a second process; held until the file is dropped.
pub(super) fn lock(store: &Path) -> Result<File, StoreError> {
    let path = store.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(StoreError::io("open", &path))?;
    match lock_patiently(&file, OWN_LOCK_PATIENCE) {
        Ok(true) => Ok(file),
        Ok(false) => Err(StoreError::InUse(store.to_owned())),
        Err(error) => Err(StoreError::io("lock", &path)(error)),
    }
}

/// Opens sled. Where its snapshot is damaged, moves that aside and tries once more: sled makes
/// it anew from the log. The log is never touched.
pub(super) fn open_sled(store: &Path) -> Result<sled::Db, StoreError> {
    let corrupt = |reason: sled::Error| StoreError::Corrupt {
        path: store.to_owned(),
        reason: reason.to_string(),
    };
    match try_open(store) {
        Err(reason @ sled::Error::Corruption { .. }) => {
            let moved = move_snapshots_aside(store)?;
            if moved.is_empty() {
                return Err(corrupt(reason));
            }
            tracing::error!(
                store = %store.display(),
                ?moved,
                "the store's snapshot was damaged and is moved aside; its log is read from the beginning"
            );
            try_open(store).map_err(corrupt)
        }
        other => other.map_err(StoreError::Sled),
    }
}

fn try_open(store: &Path) -> sled::Result<sled::Db> {
    wait_for_log(store)?;
    sled::Config::new().path(sled_dir(store)).cache_capacity(CACHE_BYTES).open()
}

/// Waits until nobody holds sled's own lock. Our lock is held already, so that whoever still has
/// sled's is on its way out. Still held at the end: sled says so itself.
fn wait_for_log(store: &Path) -> io::Result<()> {
    match File::open(log_path(store)) {
        // Released again as the handle is dropped.
        Ok(log) => lock_patiently(&log, LOG_LOCK_PATIENCE).map(|_| ()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// `false`: somebody else has held it all the time.
#[allow(clippy::disallowed_methods)] // the store has no clock: it blocks, by its contract
fn lock_patiently(file: &File, patience: Duration) -> io::Result<bool> {
    let began = Instant::now();
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) if began.elapsed() < patience => {
                thread::sleep(LOCK_PAUSE);
            }
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(false),
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn move_snapshots_aside(store: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let from = sled_dir(store);
    let aside = store.join("aside");
    let mut moved = Vec::new();
    for entry in fs::read_dir(&from).map_err(StoreError::io("list", &from))? {
        let path = entry.map_err(StoreError::io("list", &from))?.path();
        let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|name| name.starts_with("snap."))
        else {
            continue;
        };
        make_dir(&aside)?;
        let to = free_name(&aside, name);
        fs::rename(&path, &to).map_err(StoreError::io("move aside", &path))?;
        moved.push(to);
    }
    sync_dir(&from)?;
    Ok(moved)
}

/// A name that nothing has yet, so that no earlier evidence is overwritten.
fn free_name(dir: &Path, name: &str) -> PathBuf {
    (0_u32..)
        .map(|number| dir.join(format!("{name}.{number}")))
        .find(|path| !path.exists())
        .unwrap_or_else(|| dir.join(name))
}

/// Makes a directory's entries durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(StoreError::io("sync directory", dir))
}

/// After making a store: what sled wrote once and did not sync, and all directories up to its
/// parent.
pub(super) fn sync_made(store: &Path) -> Result<(), StoreError> {
    let sled = sled_dir(store);
    // Without it sled opens nothing any more.
    let conf = sled.join("conf");
    File::open(&conf).and_then(|file| file.sync_all()).map_err(StoreError::io("sync", &conf))?;
    let blobs = sled.join("blobs");
    if blobs.exists() {
        sync_dir(&blobs)?;
    }
    sync_dir(&sled)?;
    sync_dir(store)?;
    match store.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        Some(_) => sync_dir(Path::new(".")),
        None => Ok(()),
    }
}

/// The handle that makes the log durable.
pub(super) fn open_log(store: &Path) -> Result<File, StoreError> {
    let path = log_path(store);
    File::open(&path).map_err(StoreError::io("open", &path))
}

/// Whether sled has ever been there.
pub(super) fn has_log(store: &Path) -> Result<bool, StoreError> {
    let path = log_path(store);
    match fs::metadata(&path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("look at", &path)(error)),
    }
}
