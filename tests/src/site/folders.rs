//! The folders of a run: one on disk, one in memory, both removed at the end.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::reap;

/// A new folder below the system's folder for temporary files, which every user may enter.
/// The caller removes it.
///
/// # Errors
/// It cannot be made.
pub fn temporary(purpose: &str) -> Result<PathBuf> {
    unique(&std::env::temp_dir(), purpose)
}

fn unique(parent: &Path, purpose: &str) -> Result<PathBuf> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).context("random bytes")?;
    // Short: the path of a server's socket may have 107 bytes.
    let name = format!("bellows-{purpose}-{:08x}", u32::from_le_bytes(random));
    let folder = parent.join(name);
    make(&folder)?;
    Ok(folder)
}

fn make(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("folder {}", folder.display()))?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
        .with_context(|| format!("mode of {}", folder.display()))
}

/// A run's folders. Dropped: what runs from them is ended, then they are removed.
#[derive(Debug)]
pub struct Folders {
    disk: PathBuf,
    memory: PathBuf,
    removed: bool,
}

impl Folders {
    /// Makes them.
    ///
    /// # Errors
    /// No such file system, or it refuses.
    pub fn make() -> Result<Self> {
        Ok(Self {
            disk: temporary("site")?,
            memory: unique(Path::new("/dev/shm"), "site")?,
            removed: false,
        })
    }

    /// Both.
    pub fn all(&self) -> Vec<PathBuf> {
        vec![self.disk.clone(), self.memory.clone()]
    }

    /// A folder on disk.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn of(&self, name: &str) -> Result<PathBuf> {
        let folder = self.disk.join(name);
        make(&folder)?;
        Ok(folder)
    }

    /// A folder in memory.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn runtime(&self, name: &str) -> Result<PathBuf> {
        let folder = self.memory.join(name);
        make(&folder)?;
        Ok(folder)
    }

    /// Ends all that runs from them and removes them.
    ///
    /// # Errors
    /// Something still runs, or cannot be removed.
    pub fn remove(mut self) -> Result<()> {
        self.removed = true;
        reap::reap_and_remove(&self.all())
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        if self.removed {
            return;
        }
        // For a look at what went wrong, by hand.
        if std::env::var_os("BELLOWS_KEEP").is_some() {
            eprintln!("kept: {}", self.disk.display());
            let _ = reap::reap(&self.all());
        } else if let Err(error) = reap::reap_and_remove(&self.all()) {
            eprintln!("the site left something behind: {error:#}");
        }
    }
}
