//! A site that is made from the offline bundle alone: what an administrator carries to a host without a network, and types
//! there. The tests' own eyes are PostgreSQL's answers and systemd's.

mod orders;
mod site;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub use orders::Orders;
pub use site::Site;

/// The folder of the bundle: that of `make package` in `make test-package`, else the one of `make dev-bundle`.
const FOLDER: &str = "BELLOWS_BUNDLE";
const DEV: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/package-dev/bundle");

/// A bundle, as it lies beside its public key.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The archive.
    pub archive: PathBuf,
    /// The key that signed it.
    pub key: PathBuf,
    /// Its folder's name once it is unpacked.
    pub folder: String,
}

impl Bundle {
    /// The bundle that this run is about.
    ///
    /// # Errors
    /// There is none of this version in its folder.
    pub fn given() -> Result<Self> {
        let place = std::env::var_os(FOLDER).map_or_else(|| PathBuf::from(DEV), PathBuf::from);
        Self::of(&place, env!("CARGO_PKG_VERSION"))
    }

    /// The bundle of a version in a folder.
    ///
    /// # Errors
    /// It is not there.
    pub fn of(place: &Path, version: &str) -> Result<Self> {
        let folder = format!("bellows-{version}-{}", std::env::consts::ARCH);
        let archive = place.join(format!("{folder}.tar.gz"));
        let key = place.join(format!("{folder}.pub"));
        if !archive.is_file() || !key.is_file() {
            bail!(
                "no bundle {}: make it by `make dev-bundle` or `make package`",
                archive.display()
            );
        }
        Ok(Self { archive, key, folder })
    }

    /// The bytes of the archive, and those of the key.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn bytes(&self) -> Result<(Vec<u8>, Vec<u8>)> {
        let read =
            |path: &Path| std::fs::read(path).with_context(|| format!("read {}", path.display()));
        Ok((read(&self.archive)?, read(&self.key)?))
    }
}
