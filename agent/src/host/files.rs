//! Durable files of the real machine.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    },
};

use camino::Utf8Path;
use rustix::fs::OFlags;

use super::{Access, FileKind, HostError, Metadata, Owner, Space};
use crate::exec::launch;

pub(super) fn failed(
    operation: &'static str,
    path: &Utf8Path,
) -> impl FnOnce(io::Error) -> HostError {
    let path = path.to_owned();
    move |source| HostError { operation, path, source }
}

fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

pub(super) fn read(path: &Utf8Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    match absent(File::open(path))? {
        Some(file) => limited(&file, limit).map(Some),
        None => Ok(None),
    }
}

pub(super) fn read_guarded(path: &Utf8Path, limit: u64) -> io::Result<Option<(Vec<u8>, Metadata)>> {
    // Not to wait for the writer of a pipe.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let Some(file) = absent(opened)? else {
        return Ok(None);
    };
    let found = facts(&file.metadata()?);
    if found.kind != FileKind::File {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    Ok(Some((limited(&file, limit)?, found)))
}

fn limited(file: &File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

pub(super) fn read_at(path: &Utf8Path, offset: u64, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let Some(mut file) = absent(File::open(path))? else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(u64::try_from(limit).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

pub(super) fn write(path: &Utf8Path, bytes: &[u8], access: &Access) -> io::Result<()> {
    publish(path, bytes, access, |temporary| fs::rename(temporary, path))
}

pub(super) fn create(path: &Utf8Path, bytes: &[u8], access: &Access) -> io::Result<bool> {
    let linked = publish(path, bytes, access, |temporary| {
        fs::hard_link(temporary, path)?;
        fs::remove_file(temporary)
    });
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a temporary file durably, then gives it its name.
fn publish(
    path: &Utf8Path,
    bytes: &[u8],
    access: &Access,
    rename: impl FnOnce(&Utf8Path) -> io::Result<()>,
) -> io::Result<()> {
    let directory = parent(path)?;
    let name = path.file_name().unwrap_or_default();
    // One writer per process at a time; a left-over of a crash is overwritten.
    let temporary = directory.join(format!(".{name}.{}.tmp", std::process::id()));
    absent(fs::remove_file(&temporary))?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| apply(&file, access))
        .and_then(|()| file.sync_all())
        .and_then(|()| rename(&temporary));
    if let Err(error) = written {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_directory(directory)
}

pub(super) fn append(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)?.write_all(bytes)
}

pub(super) fn sync(path: &Utf8Path) -> io::Result<()> {
    if let Some(file) = absent(File::open(path))? {
        file.sync_all()?;
    }
    sync_directory(parent(path)?)
}

pub(super) fn create_directory(path: &Utf8Path, access: &Access) -> io::Result<()> {
    if absent(fs::symlink_metadata(path))?.is_some() {
        return apply(&directory(path)?, access);
    }
    let above = parent(path)?;
    if absent(fs::metadata(above))?.is_none() {
        let plain = Access { mode: 0o755, owner: None };
        create_directory(above, &plain)?;
    }
    fs::DirBuilder::new().mode(0o700).create(path)?;
    let made = directory(path)?;
    apply(&made, access)?;
    made.sync_all()?;
    sync_directory(above)
}

/// Opens a directory; a symbolic link in its place is refused.
fn directory(path: &Utf8Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// Owner and mode, through the open file: the folder may be writable for its user, who could
/// put a link in the path's place. Owner first: a change of owner may clear mode bits.
fn apply(file: &File, access: &Access) -> io::Result<()> {
    let wanted = match &access.owner {
        Some(Owner::User(name)) => {
            let user = launch::user(name)?.ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, format!("no user {name:?}"))
            })?;
            Some((user.uid, user.gid))
        }
        Some(Owner::Ids { uid, gid }) => Some((*uid, *gid)),
        None => None,
    };
    if let Some((uid, gid)) = wanted {
        let found = file.metadata()?;
        if (found.uid(), found.gid()) != (uid, gid) {
            std::os::unix::fs::fchown(file, Some(uid), Some(gid))?;
        }
    }
    file.set_permissions(fs::Permissions::from_mode(access.mode))
}

pub(super) fn remove_file(path: &Utf8Path) -> io::Result<()> {
    match absent(fs::remove_file(path))? {
        Some(()) => sync_directory(parent(path)?),
        None => Ok(()),
    }
}

pub(super) fn remove_directory(path: &Utf8Path) -> io::Result<()> {
    match absent(fs::symlink_metadata(path))? {
        None => Ok(()),
        Some(found) if !found.is_dir() => Err(io::Error::from(io::ErrorKind::NotADirectory)),
        Some(_) => {
            fs::remove_dir_all(path)?;
            sync_directory(parent(path)?)
        }
    }
}

pub(super) fn remove_empty_directory(path: &Utf8Path) -> io::Result<bool> {
    match absent(fs::remove_dir(path)) {
        Ok(Some(())) => sync_directory(parent(path)?).map(|()| true),
        Ok(None) if absent(fs::symlink_metadata(path))?.is_some() => {
            Err(io::Error::from(io::ErrorKind::NotADirectory))
        }
        Ok(None) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn list(directory: &Utf8Path) -> io::Result<Vec<String>> {
    let Some(entries) = absent(fs::read_dir(directory))? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

pub(super) fn metadata(path: &Utf8Path) -> io::Result<Option<Metadata>> {
    Ok(absent(fs::symlink_metadata(path))?.map(|found| facts(&found)))
}

fn facts(found: &fs::Metadata) -> Metadata {
    let kind = found.file_type();
    Metadata {
        kind: if kind.is_file() {
            FileKind::File
        } else if kind.is_dir() {
            FileKind::Directory
        } else if kind.is_symlink() {
            FileKind::Link
        } else {
            FileKind::Other
        },
        length: found.len(),
        mode: found.permissions().mode() & 0o7777,
        uid: found.uid(),
        gid: found.gid(),
        changed_at_ms: found.ctime() * 1000 + found.ctime_nsec() / 1_000_000,
    }
}

/// The nearest directory above that exists.
pub(super) fn existing(path: &Utf8Path) -> &Utf8Path {
    path.ancestors().find(|candidate| candidate.exists()).unwrap_or(Utf8Path::new("/"))
}

pub(super) fn space(path: &Utf8Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(existing(path).as_std_path())?;
    Ok(Space {
        free: found.f_bavail.saturating_mul(found.f_frsize),
        total: found.f_blocks.saturating_mul(found.f_frsize),
    })
}

pub(super) fn is_tmpfs(path: &Utf8Path) -> io::Result<bool> {
    /// From linux/magic.h.
    const TMPFS: u64 = 0x0102_1994;
    const RAMFS: u64 = 0x8584_58f6;
    let found = rustix::fs::statfs(existing(path).as_std_path())?;
    // The field's type differs between architectures.
    #[allow(clippy::unnecessary_cast)]
    let magic = (found.f_type as u64) & 0xffff_ffff;
    Ok(matches!(magic, TMPFS | RAMFS))
}

fn parent(path: &Utf8Path) -> io::Result<&Utf8Path> {
    path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

fn sync_directory(path: &Utf8Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
