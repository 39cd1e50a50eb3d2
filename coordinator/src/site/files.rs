//! Files and directories for their owner only, written whole or not at all, and durably.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use zeroize::Zeroizing;

use super::SiteError;

/// Files that are longer are none of ours.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Makes a directory and all above it; one that is there stays as it is.
pub(super) fn make_dirs(dir: &Path) -> Result<(), SiteError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(SiteError::io("make directory", dir))?;
    sync_parent(dir)
}

/// Makes a directory that must not be there.
pub(super) fn make_dir(dir: &Path) -> Result<(), SiteError> {
    DirBuilder::new().mode(0o700).create(dir).map_err(SiteError::io("make directory", dir))?;
    sync_parent(dir)
}

/// Writes a file that is not there yet, with mode 0600.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), SiteError> {
    let temporary = path.with_extension("new");
    let doing = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    doing().map_err(SiteError::io("write", path))?;
    sync_parent(path)
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), SiteError> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(SiteError::io("remove", path)(error)),
    }
}

/// Whether something is there.
pub(super) fn exists(path: &Path) -> Result<bool, SiteError> {
    path.try_exists().map_err(SiteError::io("look at", path))
}

/// Reads a text.
pub(super) fn read(path: &Path) -> Result<String, SiteError> {
    let doing = || -> io::Result<String> {
        let file = File::open(path)?;
        if file.metadata()?.len() > MAX_FILE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        io::read_to_string(file)
    };
    doing().map_err(SiteError::io("read", path))
}

/// Reads a private key, which nobody but its owner can read.
pub(super) fn read_key(path: &Path) -> Result<Zeroizing<String>, SiteError> {
    let mode = fs::metadata(path).map_err(SiteError::io("read", path))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(SiteError::Exposed(path.to_owned()));
    }
    read(path).map(Zeroizing::new)
}

fn sync_parent(path: &Path) -> Result<(), SiteError> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return Ok(());
    };
    File::open(parent)
        .and_then(|dir| dir.sync_all())
        .map_err(SiteError::io("sync directory", parent))
}
