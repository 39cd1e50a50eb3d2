//! Where programs lie beside the agent's state, and the record of them. Whoever changes the record holds its
//! lock: the agent, a start of it, and the timer that takes a trial back are processes of their own.

use std::{
    fs::{self, File},
    io::{self, Read as _},
};

use bellows_proto::v1::{Fault, FaultCode, Program, ProgramRecord};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{FlockOperation, StatVfsMountFlags};
use sha2::{Digest as _, Sha256};

use super::NAME;
use crate::{facilities::record, host::Host};

/// Characters of a digest in the name of a folder: enough to tell versions apart.
const SHORT: usize = 12;

/// `data_dir/programs`.
#[derive(Debug, Clone)]
pub(super) struct Folder(Utf8PathBuf);

/// The record belongs to whoever holds this.
pub(super) struct Held {
    folder: Folder,
    _lock: File,
}

impl Folder {
    pub fn of(data_dir: &Utf8Path) -> Self {
        Self(data_dir.join("programs"))
    }

    pub fn path(&self) -> &Utf8Path {
        &self.0
    }

    /// Makes it, for the agent alone.
    pub fn make(&self, host: &dyn Host) -> Result<(), Fault> {
        Ok(host.create_directory(&self.0, &crate::host::Access::PRIVATE_DIRECTORY)?)
    }

    /// A program was put here once, and we may see it.
    pub fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.0).is_ok()
    }

    /// No program can be started from it.
    pub fn is_noexec(&self) -> bool {
        let existing = self.0.ancestors().find(|path| path.exists());
        let found = existing.and_then(|path| rustix::fs::statvfs(path.as_std_path()).ok());
        found.is_some_and(|found| found.f_flag.contains(StatVfsMountFlags::NOEXEC))
    }

    fn record_path(&self) -> Utf8PathBuf {
        self.0.join("record")
    }

    /// The record; an empty one if there is none.
    pub fn record(&self, host: &dyn Host) -> Result<ProgramRecord, Fault> {
        Ok(record::read(host, &self.record_path())?.unwrap_or_default())
    }

    /// Waits until nobody else holds the record. The folder must be there.
    pub fn hold(&self) -> Result<Held, Fault> {
        let path = self.0.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|error| unusable(&path, &error))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|errno| unusable(&path, &errno.into()))?;
        Ok(Held { folder: self.clone(), _lock: lock })
    }

    /// Where a program belongs.
    pub fn place(&self, version: &str, digest: &[u8]) -> Utf8PathBuf {
        let hex = bellows_proto::digest::hex(digest);
        let short = hex.get(..SHORT).unwrap_or(&hex);
        self.0.join(format!("{version}-{short}")).join(NAME)
    }

    /// The program with a digest, looked at again; `None`: it is not here.
    pub fn find(&self, host: &dyn Host, wanted: &[u8]) -> Result<Option<Program>, Fault> {
        for name in host.list(&self.0)? {
            let Some((version, _)) = name.rsplit_once('-') else { continue };
            let path = self.place(version, wanted);
            if path.parent().and_then(Utf8Path::file_name) != Some(name.as_str()) {
                continue;
            }
            if path.is_file() && digest(&path)? == wanted {
                let (version, digest) = (version.to_owned(), wanted.to_vec());
                return Ok(Some(Program { version, digest, path: path.to_string() }));
            }
        }
        Ok(None)
    }

    /// Removes programs that nobody needs: not of `needed`, and run by no process.
    pub fn prune(&self, host: &dyn Host, needed: &[&Utf8Path]) -> Result<(), Fault> {
        let run = programs_that_run();
        for name in host.list(&self.0)? {
            let path = self.0.join(&name).join(NAME);
            let used = needed.contains(&path.as_path()) || run.contains(&path);
            if !used && path.is_file() {
                host.remove_directory(&self.0.join(&name))?;
            }
        }
        Ok(())
    }
}

impl Held {
    /// Writes the record, durably.
    pub fn keep(&self, host: &dyn Host, changed: &ProgramRecord) -> Result<(), Fault> {
        record::write(host, &self.folder.record_path(), changed)
    }
}

/// The programs of all processes: a job that began with an older one goes on with it.
fn programs_that_run() -> Vec<Utf8PathBuf> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let link = |entry: fs::DirEntry| fs::read_link(entry.path().join("exe")).ok();
    let links = processes.filter_map(|entry| link(entry.ok()?));
    links.filter_map(|link| Utf8PathBuf::try_from(link).ok()).collect()
}

/// SHA-256 of a file.
pub(super) fn digest(path: &Utf8Path) -> Result<Vec<u8>, Fault> {
    let mut file = File::open(path).map_err(|error| unusable(path, &error))?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 256 * 1024]);
    loop {
        let count = file.read(&mut buffer).map_err(|error| unusable(path, &error))?;
        match buffer.get(..count) {
            None | Some([]) => return Ok(hasher.finalize().to_vec()),
            Some(bytes) => hasher.update(bytes),
        }
    }
}

/// A file of the folder failed.
pub(super) fn unusable(path: &Utf8Path, error: &io::Error) -> Fault {
    Fault::new(FaultCode::Io, format!("{path}: {error}"))
        .remedy("look at the disk and the permissions of that path on the host")
}
