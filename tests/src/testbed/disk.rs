//! Disks of hosts that can be full: never the host's own one, which is this machine's.

use anyhow::{Context, Result, bail};

use super::Host;

/// What fills a disk.
const FILLER: &str = ".testbed-filler";

impl Host {
    /// Mounts a file system of `mib` MiB over a folder of the host, which is made if it is not there. It is empty, and a power
    /// cut takes it away with all that is in it.
    ///
    /// # Errors
    /// The host is off, or refuses.
    pub fn small_disk(&self, folder: &str, mib: u32) -> Result<()> {
        let options = format!("size={mib}m,mode=755");
        self.succeed(&["mkdir", "-p", "--", folder])?;
        self.succeed(&["mount", "-t", "tmpfs", "-o", &options, "tmpfs", folder]).map(drop)
    }

    /// Fills the file system of a folder to its last byte.
    ///
    /// # Errors
    /// The host is off; or the file system is the host's root, which lies on this machine's disk.
    pub fn fill(&self, folder: &str) -> Result<()> {
        let shown = self.succeed(&["stat", "--file-system", "--format=%T", "--", folder])?;
        if shown.trim() != "tmpfs" {
            bail!(
                "{folder} on {} is on {}, this machine's disk: mount a small one over it first",
                self.name(),
                shown.trim()
            );
        }
        let filler = format!("of={}", self.filler(folder));
        // It ends when nothing more can be written, by an error.
        let wrote = self.exec(&["dd", "if=/dev/zero", "bs=64k", &filler])?;
        let said = String::from_utf8_lossy(&wrote.stderr).into_owned();
        if wrote.status.success() || !said.contains("No space left") {
            bail!("{folder} on {} is not full: {said}", self.name());
        }
        Ok(())
    }

    /// Takes away what [`Host::fill`] wrote. Nothing to do is fine.
    ///
    /// # Errors
    /// The host is off.
    pub fn free(&self, folder: &str) -> Result<()> {
        self.succeed(&["rm", "-f", "--", &self.filler(folder)])
            .map(drop)
            .with_context(|| format!("make room in {folder}"))
    }

    fn filler(&self, folder: &str) -> String {
        format!("{}/{FILLER}", folder.trim_end_matches('/'))
    }
}
