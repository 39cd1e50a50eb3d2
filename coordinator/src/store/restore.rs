//! A store out of a backup. The whole file is verified before anything is written; the store
//! is made beside its place and put there by one rename, so that nothing is half-done.
//!
//! It keeps the site and gets a store id of its own: it cannot pass for the store that it was
//! copied from, and the agents see another coordinator. It stands in doubt: what happened
//! after the backup is not in it.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::{
    Store, StoreError,
    backup::{Entry, FORMAT_NAME, Head, Tail, VERSION, beside, hex, unhex},
    doubt::{self, DoubtKind},
    files, open,
    records::StoreRecord,
};

/// A line is never longer: one value of 64 KiB and its key, in hexadecimal.
const LONGEST_LINE: usize = 1 << 20;

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The UUID of the site.
    pub site_id: String,
    /// The UUID of the store that the backup was made of.
    pub from_store: String,
    /// The new store's UUID.
    pub store_id: String,
    /// When the backup was made: milliseconds since 1970.
    pub made_at_ms: i64,
    /// How many values there are.
    pub entries: u64,
}

/// Makes a store at `path`, which is missing or an empty directory, out of the backup `file`,
/// for the site of this id.
///
/// # Errors
/// [`StoreError::Backup`] if the file is not a whole backup of this site, or something is wrong
/// with what is in it; [`StoreError::Exists`] if there is a store. Nothing is left behind then.
pub fn restore(path: &Path, file: &Path, site_id: &str) -> Result<Restored, StoreError> {
    let occupied = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(StoreError::Exists(path.to_owned()));
    }
    let (head, tail) = verify(file)?;
    if head.site_id != site_id {
        let reason = format!("it is of site {}, this is site {site_id}", head.site_id);
        return Err(StoreError::Backup { file: file.to_owned(), reason });
    }
    let new = beside(path, "restoring");
    clear(&new)?;
    let made = build(&new, file, &head);
    let placed = made.and_then(|store_id| place(&new, path).map(|()| store_id));
    match placed {
        Ok(store_id) => Ok(Restored {
            site_id: head.site_id,
            from_store: head.store_id,
            store_id,
            made_at_ms: head.at_ms,
            entries: tail.entries,
        }),
        Err(error) => {
            clear(&new)?;
            Err(error)
        }
    }
}

/// Whether a file is a whole backup: how many values it has.
///
/// # Errors
/// [`StoreError::Backup`]: it is not.
pub fn verify_backup(file: &Path) -> Result<u64, StoreError> {
    verify(file).map(|(_, tail)| tail.entries)
}

/// Reads the whole file once and believes nothing of it.
fn verify(file: &Path) -> Result<(Head, Tail), StoreError> {
    let wrong =
        |reason: &str| StoreError::Backup { file: file.to_owned(), reason: reason.to_owned() };
    let mut lines = Lines::open(file)?;
    let mut sum = Sha256::new();
    let first = lines.next()?.ok_or_else(|| wrong("it is empty"))?;
    let head: Head = parse(&first).ok_or_else(|| wrong("it is no backup of a store"))?;
    if head.format != FORMAT_NAME || head.version != VERSION {
        return Err(wrong("it is of another version: use the bellows that made it"));
    }
    sum.update(&first);
    let mut entries = 0_u64;
    let mut tail: Option<Tail> = None;
    while let Some(line) = lines.next()? {
        if tail.is_some() {
            return Err(wrong("something stands behind its end"));
        }
        if let Some(entry) = parse::<Entry>(&line) {
            if unhex(&entry.key).is_none() || unhex(&entry.value).is_none() {
                return Err(wrong("a value in it is not hexadecimal"));
            }
            entries = entries.saturating_add(1);
            sum.update(&line);
        } else {
            tail = Some(parse(&line).ok_or_else(|| wrong("a line of it is not whole"))?);
        }
    }
    let tail = tail.ok_or_else(|| wrong("its end is missing"))?;
    if tail.entries != entries || tail.sha256 != hex(&sum.finalize()) {
        return Err(wrong("its digest is wrong: it is not what was written"));
    }
    Ok((head, tail))
}

fn build(new: &Path, file: &Path, head: &Head) -> Result<String, StoreError> {
    let wrong = |reason: String| StoreError::Backup { file: file.to_owned(), reason };
    let own = StoreRecord {
        store_id: super::random_uuid(new)?,
        site_id: head.site_id.clone(),
        term: head.term,
        revision: open::REVISION,
        incarnation: String::new(),
    };
    let store = Store::create_with(new, own)?;
    let mut lines = Lines::open(file)?;
    while let Some(line) = lines.next()? {
        let Some(entry) = parse::<Entry>(&line) else { continue };
        let tree =
            store.tree(&entry.tree).ok_or_else(|| wrong(format!("no tree {:?}", entry.tree)))?;
        let (Some(key), Some(value)) = (unhex(&entry.key), unhex(&entry.value)) else { continue };
        tree.insert(key, value)?;
    }
    let text = format!(
        "the store was restored from a backup of store {} at commit {}: what was done after that is not in it",
        head.store_id, head.commit
    );
    store.take_stored_doubt()?;
    store.raise_doubt(DoubtKind::Restored, &text, doubt::now_ms())?;
    Ok(store.term().store_id)
}

/// Makes every file durable, then puts the directory in its place.
fn place(new: &Path, path: &Path) -> Result<(), StoreError> {
    let sled = files::sled_dir(new);
    for entry in fs::read_dir(&sled).map_err(StoreError::io("list", &sled))? {
        let file = entry.map_err(StoreError::io("list", &sled))?.path();
        File::open(&file)
            .and_then(|file| file.sync_all())
            .map_err(StoreError::io("sync", &file))?;
    }
    files::sync_made(new)?;
    // Replaces an empty directory.
    fs::rename(new, path).map_err(StoreError::io("rename", new))?;
    files::sync_made(path)
}

fn clear(dir: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(dir) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io("remove", dir)(error)),
    }
}

fn parse<T: serde::de::DeserializeOwned>(line: &[u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}

/// The lines of a file, with their ends; none is too long.
struct Lines {
    path: PathBuf,
    file: BufReader<File>,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, StoreError> {
        let wrong = |error: std::io::Error| StoreError::Backup {
            file: path.to_owned(),
            reason: format!("it cannot be read: {error}"),
        };
        let file = BufReader::new(File::open(path).map_err(wrong)?);
        Ok(Self { path: path.to_owned(), file })
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let wrong = |reason: String| StoreError::Backup { file: self.path.clone(), reason };
        let mut line = Vec::new();
        let most = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
        let mut part = std::io::Read::take(&mut self.file, most);
        part.read_until(b'\n', &mut line).map_err(|e| wrong(format!("it cannot be read: {e}")))?;
        match line.last() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) => Err(wrong("its last line is not whole".to_owned())),
        }
    }
}
