//! A file system so small that a test can fill it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::process;

/// `mount` takes no longer.
const LIMIT: Duration = Duration::from_secs(60);

/// A tmpfs over a folder, taken away when dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it over a folder. `size`: as `mount` has it, "64m".
    ///
    /// # Errors
    /// Not root.
    pub async fn over(folder: PathBuf, size: &str) -> Result<Self> {
        let mut mount = process::command("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size},mode=755"), "tmpfs"]).arg(&folder);
        process::run(mount, LIMIT).await?.expect_code(0)?;
        Ok(Self(folder))
    }

    /// Where it is mounted.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Writes until nothing fits any more.
    ///
    /// # Errors
    /// The filler cannot be made.
    pub fn fill(&self) -> Result<()> {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.0.join("full")).context("the filler")?;
        for size in [1 << 20, 4096, 1] {
            let block = vec![0; size];
            while file.write_all(&block).is_ok() {}
        }
        Ok(())
    }

    /// Makes room again.
    ///
    /// # Errors
    /// The filler cannot be removed.
    pub fn free(&self) -> Result<()> {
        std::fs::remove_file(self.0.join("full")).context("remove the filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The coordinator's handle was dropped before; lazily, should it still be ending.
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
