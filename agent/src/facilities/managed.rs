//! Managed files: rendered by Bellows, changed by nobody else. The digest of what was
//! written is remembered; another digest is drift and is not overwritten. What was there
//! before the first write is kept, and comes back at the undo.

use bellows_proto::{
    digest,
    v1::{Fault, FaultCode, ManagedFileReading, ManagedFileState},
};
use camino::{Utf8Path, Utf8PathBuf};

use super::{Local, record};
use crate::host::{Access, Owner};

/// A configuration file is not longer.
const LIMIT: u64 = 4 * 1024 * 1024;

/// What the agent remembers of a managed file.
#[derive(Clone, PartialEq, prost::Message)]
struct Managed {
    #[prost(string, tag = "1")]
    path: String,
    /// SHA-256 of what we wrote last.
    #[prost(bytes = "vec", tag = "2")]
    digest: Vec<u8>,
    /// What was there before our first write.
    #[prost(message, optional, tag = "3")]
    original: Option<Kept>,
    /// What was there before our last write.
    #[prost(message, optional, tag = "4")]
    previous: Option<Kept>,
    /// SHA-256 of a write that may not have happened yet.
    #[prost(bytes = "vec", tag = "5")]
    intended: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Kept {
    #[prost(bytes = "vec", tag = "1")]
    bytes: Vec<u8>,
    #[prost(uint32, tag = "2")]
    mode: u32,
    /// Unset in records of older agents.
    #[prost(uint32, optional, tag = "3")]
    uid: Option<u32>,
    #[prost(uint32, optional, tag = "4")]
    gid: Option<u32>,
}

/// The files that Bellows renders on this host.
pub struct ManagedFiles<'a> {
    local: &'a Local,
}

impl<'a> ManagedFiles<'a> {
    pub(super) fn new(local: &'a Local) -> Self {
        Self { local }
    }

    /// Whether [`ManagedFiles::write`] would refuse: asked of all files before the first is
    /// written.
    ///
    /// # Errors
    /// As [`ManagedFiles::write`].
    pub fn check_write(&self, path: &Utf8Path, bytes: &[u8]) -> Result<(), Fault> {
        self.writable(path, bytes).map(|_| ())
    }

    fn writable(&self, path: &Utf8Path, bytes: &[u8]) -> Result<(Option<Kept>, Managed), Fault> {
        let there = self.there(path)?;
        let found = there.as_ref().map(|kept| digest::of_bytes(&kept.bytes));
        match self.remembered(path)? {
            None => {
                let path = path.to_string();
                let managed = Managed { path, original: there.clone(), ..Managed::default() };
                Ok((there, managed))
            }
            Some(managed) => {
                let done = found == Some(digest::of_bytes(bytes));
                if done || managed.ours(found.as_ref()) {
                    return Ok((there, managed));
                }
                Err(drift(path))
            }
        }
    }

    /// Writes a managed file: its folder must be there. Writing the same bytes again is fine.
    ///
    /// # Errors
    /// `FAULT_CODE_DRIFT` if somebody else changed or removed it since our last write;
    /// `FAULT_CODE_IO` if the disk fails.
    pub fn write(&self, path: &Utf8Path, bytes: &[u8], access: &Access) -> Result<(), Fault> {
        let host = &self.local.host;
        let wanted = digest::of_bytes(bytes).to_vec();
        let (there, mut managed) = self.writable(path, bytes)?;
        managed.previous = there;
        managed.intended.clone_from(&wanted);
        host.create_directory(&self.folder(), &Access::PRIVATE_DIRECTORY)?;
        record::write(host.as_ref(), &self.record(path), &managed)?;
        host.write(path, bytes, access)?;
        managed.digest = wanted;
        managed.intended.clear();
        record::write(host.as_ref(), &self.record(path), &managed)
    }

    /// Whether [`ManagedFiles::restore`] would refuse: asked of all files before the first is
    /// taken back.
    ///
    /// # Errors
    /// As [`ManagedFiles::write`].
    pub fn check_restore(&self, path: &Utf8Path) -> Result<(), Fault> {
        self.restorable(path).map(|_| ())
    }

    /// With whether what was there before is back already; `None`: it was never ours.
    fn restorable(&self, path: &Utf8Path) -> Result<Option<(Managed, bool)>, Fault> {
        let Some(managed) = self.remembered(path)? else {
            return Ok(None);
        };
        let found = self.there(path)?.map(|kept| digest::of_bytes(&kept.bytes));
        let original = managed.original.as_ref();
        let back = found == original.map(|kept| digest::of_bytes(&kept.bytes));
        if back || found.is_none() || managed.ours(found.as_ref()) {
            return Ok(Some((managed, back)));
        }
        Err(drift(path))
    }

    /// Takes a managed file back: what was there before our first write comes back, with its
    /// owner and mode, or nothing. One that was never ours is left alone.
    ///
    /// # Errors
    /// As [`ManagedFiles::write`].
    pub fn restore(&self, path: &Utf8Path) -> Result<(), Fault> {
        let host = &self.local.host;
        let Some((managed, back)) = self.restorable(path)? else {
            return Ok(());
        };
        match &managed.original {
            Some(kept) if !back => host.write(path, &kept.bytes, &kept.access())?,
            None if !back => host.remove_file(path)?,
            Some(_) | None => {}
        }
        Ok(host.remove_file(&self.record(path))?)
    }

    /// What is there, under the name that readings show.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn reading(&self, name: &str, path: &Utf8Path) -> Result<ManagedFileReading, Fault> {
        let found = self.there(path)?.map(|kept| digest::of_bytes(&kept.bytes));
        let remembered = self.remembered(path)?;
        let known = remembered.is_some();
        let ours = remembered.is_some_and(|managed| managed.ours(found.as_ref()));
        let state = match (&found, known) {
            (None, false) => ManagedFileState::Absent,
            // Removed by somebody, or a removal of ours was cut short before its record went: a
            // record that stays would refuse every later file of this path.
            (None, true) => ManagedFileState::Changed,
            (Some(_), _) if ours => ManagedFileState::Ours,
            (Some(_), _) => ManagedFileState::Changed,
        };
        Ok(ManagedFileReading {
            name: name.to_owned(),
            state: state.into(),
            digest: found.map(|found| digest::hex(&found)).unwrap_or_default(),
        })
    }

    fn there(&self, path: &Utf8Path) -> Result<Option<Kept>, Fault> {
        // The folder may be the node's owner's.
        let found = self.local.host.read_guarded(path, LIMIT)?;
        Ok(found.map(|(bytes, facts)| Kept {
            bytes,
            mode: facts.mode,
            uid: Some(facts.uid),
            gid: Some(facts.gid),
        }))
    }

    fn remembered(&self, path: &Utf8Path) -> Result<Option<Managed>, Fault> {
        record::read(self.local.host.as_ref(), &self.record(path))
    }

    fn folder(&self) -> Utf8PathBuf {
        self.local.config.agent.data_dir.join("files")
    }

    /// Named by the digest of the path: a path is no file name.
    fn record(&self, path: &Utf8Path) -> Utf8PathBuf {
        self.folder().join(digest::hex(&digest::of_bytes(path.as_str().as_bytes())))
    }
}

impl Kept {
    fn access(&self) -> Access {
        let ids = self.uid.zip(self.gid);
        Access { mode: self.mode, owner: ids.map(|(uid, gid)| Owner::Ids { uid, gid }) }
    }
}

impl Managed {
    /// What is there is what we wrote last; or, when a write was cut short, what it was to
    /// write or to replace.
    fn ours(&self, found: Option<&[u8; 32]>) -> bool {
        let cut_short = !self.intended.is_empty();
        let before = self.previous.as_ref().map(|kept| digest::of_bytes(&kept.bytes));
        if cut_short && found == before.as_ref() {
            return true;
        }
        found.is_some_and(|found| found[..] == self.digest[..] || found[..] == self.intended[..])
    }
}

fn drift(path: &Utf8Path) -> Fault {
    Fault::new(FaultCode::Drift, format!("{path} is not as Bellows left it; it is not overwritten"))
        .remedy("look what changed it; put the change back, or move the file away, then retry")
}
