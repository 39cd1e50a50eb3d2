//! The folder of the log: files that are only appended to, each write durable when it returns.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use bellows_proto::audit::{Disk, index_of, segment_name};

/// A folder that only its owner sees.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
}

/// What was in the folder at one moment: segments and how long each was.
#[derive(Debug, Clone)]
pub struct Pieces {
    folder: Folder,
    found: Vec<(u64, u64)>,
}

impl Folder {
    pub(super) fn make(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
            sync_folder(above)?;
        }
        Ok(Self { path: path.to_owned() })
    }

    pub(super) fn pieces(&self) -> io::Result<Pieces> {
        let mut found = Vec::new();
        for name in self.list()? {
            if let Some(index) = index_of(&name) {
                found.push((index, fs::metadata(self.path.join(&name))?.len()));
            }
        }
        found.sort_unstable();
        Ok(Pieces { folder: self.clone(), found })
    }
}

impl Pieces {
    /// Indices of the segments, in order.
    pub fn indices(&self) -> Vec<u64> {
        self.found.iter().map(|(index, _)| *index).collect()
    }

    /// The bytes of a segment, as far as they were there; empty: it went meanwhile.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, index: u64) -> io::Result<Vec<u8>> {
        let length = self.found.iter().find(|(known, _)| *known == index).map_or(0, |(_, n)| *n);
        let mut bytes = Vec::new();
        match File::open(self.folder.path.join(segment_name(index))) {
            Ok(file) => file.take(length).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(bytes)
    }
}

impl Disk for Folder {
    type Error = io::Error;

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(name))
    }

    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path.join(name);
        if path.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let temporary = self.path.join(format!(".{name}.new"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        sync_folder(&self.path)
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(self.path.join(name))?;
        file.write_all(bytes)?;
        file.sync_data()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))?;
        sync_folder(&self.path)
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
