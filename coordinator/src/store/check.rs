//! Looking at a store that nobody uses. sled mends what it opens; so a copy is opened, and
//! the store itself is not touched.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Store, StoreError, backup::beside, doubt::Doubt, files, random_uuid};

/// What was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// The UUID of the store; empty: it could not be opened.
    pub store_id: String,
    /// Of how many operations there is an entry.
    pub operations: u64,
    /// How many of them are unfinished.
    pub unfinished: u64,
    /// The doubt that stands, noted at an earlier start.
    pub doubt: Option<Doubt>,
    /// All that is wrong now, in words.
    pub faults: Vec<String>,
}

/// Looks at the store at `path` by a copy that is made in `scratch` (`None`: beside the store)
/// and removed again. Reads every event.
///
/// # Errors
/// If there is no store, another process holds it, or it cannot be copied.
pub fn check(path: &Path, scratch: Option<&Path>) -> Result<Report, StoreError> {
    if !files::has_log(path)? {
        return Err(StoreError::Absent(path.to_owned()));
    }
    let _lock = files::lock(path)?;
    let name = format!("check-{}", random_uuid(path)?);
    let to = scratch.map_or_else(|| beside(path, &name), |dir| dir.join(&name));
    let copy = Copied(to);
    copy_dir(path, &copy.0)?;
    let snapshot_damaged = || copy.0.join("aside").exists() && !path.join("aside").exists();
    match Store::open_unbroken(&copy.0) {
        Ok((store, found)) => {
            let mut faults: Vec<String> =
                found.reasons.into_iter().map(|reason| reason.text).collect();
            if snapshot_damaged() {
                faults.push(
                    "the snapshot of the database is damaged; its log is read instead".into(),
                );
            }
            faults.extend(store.operation_faults()?);
            let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
            Ok(Report {
                store_id: store.term().store_id,
                operations: count(store.operation_keys().count()),
                unfinished: count(store.unfinished()?.len()),
                doubt: store.doubt(),
                faults,
            })
        }
        Err(
            error @ (StoreError::Corrupt { .. }
            | StoreError::Emptied(_)
            | StoreError::Damaged { .. }
            | StoreError::Format { .. }
            | StoreError::Sled(_)),
        ) => {
            // In the words of the store itself, not of its copy.
            let text = error
                .to_string()
                .replace(&copy.0.display().to_string(), &path.display().to_string());
            Ok(Report { faults: vec![text], ..Report::default() })
        }
        Err(error) => Err(error),
    }
}

/// Removed at the end.
struct Copied(PathBuf);

impl Drop for Copied {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(copy = %self.0.display(), %error, "a copy of the store is left");
        }
    }
}

fn copy_dir(from: &Path, to: &Path) -> Result<(), StoreError> {
    files::make_dir(to)?;
    for entry in fs::read_dir(from).map_err(StoreError::io("list", from))? {
        let path = entry.map_err(StoreError::io("list", from))?.path();
        let to = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_dir(&path, &to)?;
        } else {
            fs::copy(&path, &to).map_err(StoreError::io("copy", &path))?;
        }
    }
    Ok(())
}
