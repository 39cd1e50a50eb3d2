//! The files of one simulated host.

use std::{collections::BTreeMap, io};

use bellows_agent::host::{FileKind, Metadata};
use camino::{Utf8Path, Utf8PathBuf};

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory,
    /// A file; the first so many bytes of it survive a power cut.
    File {
        /// All of it.
        bytes: Vec<u8>,
        /// So much is on the disk.
        synced: usize,
    },
}

/// With its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub node: Node,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Simulated time of the last change.
    pub changed_at_ms: i64,
}

/// All files of a host, by path. `/` is always there.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// By path, as text: comparing paths part by part takes long.
    entries: BTreeMap<String, Entry>,
}

fn not_found() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Disk {
    /// What is there.
    pub fn entry(&self, path: &Utf8Path) -> Option<&Entry> {
        self.entries.get(path.as_str())
    }

    /// What is there, to change it.
    pub fn entry_mut(&mut self, path: &Utf8Path) -> Option<&mut Entry> {
        self.entries.get_mut(path.as_str())
    }

    /// The bytes of a file.
    pub fn bytes(&self, path: &Utf8Path) -> Option<&[u8]> {
        match self.entries.get(path.as_str()).map(|entry| &entry.node) {
            Some(Node::File { bytes, .. }) => Some(bytes),
            Some(Node::Directory) | None => None,
        }
    }

    /// Whether a directory is there.
    pub fn is_directory(&self, path: &Utf8Path) -> bool {
        path == "/"
            || self.entries.get(path.as_str()).is_some_and(|entry| entry.node == Node::Directory)
    }

    /// Puts a whole file, durably.
    ///
    /// # Errors
    /// If its directory is not there, or it is one.
    pub fn put(
        &mut self,
        path: &Utf8Path,
        bytes: &[u8],
        mode: u32,
        owner: (u32, u32),
        now: i64,
    ) -> io::Result<()> {
        if !path.parent().is_some_and(|above| self.is_directory(above)) {
            return Err(not_found());
        }
        if self.is_directory(path) {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let node = Node::File { bytes: bytes.to_vec(), synced: bytes.len() };
        self.entries.insert(path.to_string(), Entry { node, mode, owner, changed_at_ms: now });
        Ok(())
    }

    /// Appends, not durably; makes the file with mode 0600.
    ///
    /// # Errors
    /// If its directory is not there, or it is one.
    pub fn append(&mut self, path: &Utf8Path, more: &[u8], now: i64) -> io::Result<()> {
        if !self.entries.contains_key(path.as_str()) {
            self.put(path, b"", 0o600, (0, 0), now)?;
        }
        match self.entries.get_mut(path.as_str()).map(|entry| &mut entry.node) {
            Some(Node::File { bytes, .. }) => {
                bytes.extend_from_slice(more);
                Ok(())
            }
            Some(Node::Directory) | None => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        }
    }

    /// What was appended is durable.
    pub fn sync(&mut self, path: &Utf8Path) {
        if let Some(Entry { node: Node::File { bytes, synced }, .. }) =
            self.entries.get_mut(path.as_str())
        {
            *synced = bytes.len();
        }
    }

    /// Makes a directory and those above it.
    ///
    /// # Errors
    /// If a file is in the way.
    pub fn make_directory(
        &mut self,
        path: &Utf8Path,
        mode: u32,
        owner: (u32, u32),
        now: i64,
    ) -> io::Result<()> {
        if path == "/" {
            return Ok(());
        }
        match self.entries.get_mut(path.as_str()) {
            Some(entry) if entry.node == Node::Directory => {
                (entry.mode, entry.owner) = (mode, owner);
                return Ok(());
            }
            Some(_) => return Err(io::Error::from(io::ErrorKind::NotADirectory)),
            None => {}
        }
        if let Some(above) = path.parent()
            && !self.is_directory(above)
        {
            self.make_directory(above, 0o755, (0, 0), now)?;
        }
        let entry = Entry { node: Node::Directory, mode, owner, changed_at_ms: now };
        self.entries.insert(path.to_string(), entry);
        Ok(())
    }

    /// Removes what is at the path and all below it; absent is fine.
    pub fn remove(&mut self, path: &Utf8Path) {
        let below = format!("{path}/");
        let inside: Vec<String> = self.inside(&below).map(|(found, _)| found.clone()).collect();
        for found in inside {
            self.entries.remove(&found);
        }
        self.entries.remove(path.as_str());
    }

    /// All whose path begins with this text.
    fn inside<'a>(&'a self, below: &'a str) -> impl Iterator<Item = (&'a String, &'a Entry)> {
        let from = self.entries.range(below.to_owned()..);
        from.take_while(move |(found, _)| found.starts_with(below))
    }

    /// Names in a directory, sorted.
    pub fn list(&self, directory: &Utf8Path) -> Vec<String> {
        let below = format!("{}/", directory.as_str().trim_end_matches('/'));
        let names = self.inside(&below).filter_map(|(path, _)| path.strip_prefix(&below));
        names.filter(|name| !name.contains('/')).map(str::to_owned).collect()
    }

    /// Facts of what is at the path.
    pub fn metadata(&self, path: &Utf8Path) -> Option<Metadata> {
        let entry = self.entries.get(path.as_str())?;
        let (kind, length) = match &entry.node {
            Node::Directory => (FileKind::Directory, 4096),
            Node::File { bytes, .. } => (FileKind::File, u64::try_from(bytes.len()).unwrap_or(0)),
        };
        let (uid, gid) = entry.owner;
        let changed_at_ms = entry.changed_at_ms;
        Some(Metadata { kind, length, mode: entry.mode, uid, gid, changed_at_ms })
    }

    /// What was not synced is gone, and all that was in memory only.
    pub fn power_cut(&mut self) {
        self.remove(Utf8Path::new("/run"));
        for entry in self.entries.values_mut() {
            if let Node::File { bytes, synced } = &mut entry.node {
                bytes.truncate(*synced);
            }
        }
    }

    /// All below a path.
    pub fn below(&self, path: &Utf8Path) -> BTreeMap<Utf8PathBuf, Node> {
        let below = format!("{path}/");
        let inside = self.inside(&below);
        inside.map(|(path, entry)| (path.into(), entry.node.clone())).collect()
    }
}
