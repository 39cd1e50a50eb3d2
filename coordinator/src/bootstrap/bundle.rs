//! The agents that this host has for others: `DIR/VERSION/ARCH/` with program, unit and `SHA256SUMS`
//! (`packaging/BUNDLE.md`). Read once, and held against the digests before anything is copied.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bellows_proto::digest;

const PROGRAM: &str = "bellows-agent";
const UNIT: &str = "bellows-agent.service";
const SUMS: &str = "SHA256SUMS";
/// Where it is beside our own program, and else.
const BESIDE: &str = "../share/bellows/agent";
const USUAL: &str = "/usr/share/bellows/agent";

/// Why there is no agent to be copied.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Not there, or not of this version.
    #[error("{0} has no agents of version {version}", version = env!("CARGO_PKG_VERSION"))]
    None(PathBuf),
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it was when it was installed.
    #[error("{path} is damaged: it does not have the digest in {SUMS}")]
    Damaged {
        /// Which.
        path: PathBuf,
    },
    /// `SHA256SUMS` does not name a file.
    #[error("{path} names no digest of {file}")]
    Unnamed {
        /// The list.
        path: PathBuf,
        /// The file that it lacks.
        file: &'static str,
    },
}

/// One file with its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it is here.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// SHA-256, lower-case hexadecimal.
    pub digest: String,
}

/// The agent for one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The program.
    pub program: File,
    /// Its unit.
    pub unit: File,
}

/// The agents of our version, by architecture as `uname -m` says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    agents: BTreeMap<String, Agent>,
}

impl Bundle {
    /// The folder that is used where none is named.
    pub fn usual_folder() -> PathBuf {
        let own = std::env::current_exe().ok();
        let beside = own.and_then(|own| Some(own.parent()?.join(BESIDE)));
        beside.filter(|folder| folder.is_dir()).unwrap_or_else(|| USUAL.into())
    }

    /// Reads the agents of our version.
    ///
    /// # Errors
    /// If there are none, or one of them is not whole.
    pub fn read(folder: &Path) -> Result<Self, BundleError> {
        let ours = folder.join(env!("CARGO_PKG_VERSION"));
        let read = |source| BundleError::Read { path: ours.clone(), source };
        let entries = match std::fs::read_dir(&ours) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(BundleError::None(folder.to_owned()));
            }
            Err(error) => return Err(read(error)),
        };
        let mut agents = BTreeMap::new();
        for entry in entries {
            let entry = entry.map_err(read)?;
            let name = entry.file_name().into_string().ok();
            if let Some(name) = name.filter(|_| entry.path().is_dir()) {
                agents.insert(name, agent(&entry.path())?);
            }
        }
        if agents.is_empty() {
            return Err(BundleError::None(folder.to_owned()));
        }
        Ok(Self { agents })
    }

    /// The agent for a machine.
    pub fn agent(&self, architecture: &str) -> Option<&Agent> {
        self.agents.get(architecture)
    }

    /// All of them, by architecture.
    pub fn into_agents(self) -> BTreeMap<String, Agent> {
        self.agents
    }

    /// All architectures, for people.
    pub fn architectures(&self) -> String {
        self.agents.keys().cloned().collect::<Vec<_>>().join(" ")
    }
}

fn agent(folder: &Path) -> Result<Agent, BundleError> {
    let list = folder.join(SUMS);
    let sums = read(&list)?;
    let sums = String::from_utf8_lossy(&sums);
    let file = |name: &'static str| {
        let wanted = sums.lines().find_map(|line| {
            let (digest, rest) = line.split_once(' ')?;
            // "*" marks what was read as binary.
            let named = rest.trim_start().trim_start_matches('*').trim_start_matches("./");
            (named == name).then(|| digest.to_lowercase())
        });
        let wanted =
            wanted.ok_or_else(|| BundleError::Unnamed { path: list.clone(), file: name })?;
        let path = folder.join(name);
        let bytes = read(&path)?;
        let digest = digest::hex(&digest::of_bytes(&bytes));
        if digest != wanted {
            return Err(BundleError::Damaged { path });
        }
        Ok(File { path, bytes, digest })
    };
    Ok(Agent { program: file(PROGRAM)?, unit: file(UNIT)? })
}

fn read(path: &Path) -> Result<Vec<u8>, BundleError> {
    std::fs::read(path).map_err(|source| BundleError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join(env!("CARGO_PKG_VERSION")).join("x86_64");
        std::fs::create_dir_all(&folder).unwrap();
        let mut sums = String::new();
        for (name, text) in [(PROGRAM, "program"), (UNIT, "unit")] {
            std::fs::write(folder.join(name), text).unwrap();
            let digest = digest::hex(&digest::of_bytes(text.as_bytes()));
            sums.push_str(&format!("{digest}  {name}\n"));
        }
        std::fs::write(folder.join(SUMS), sums).unwrap();
        (top, folder)
    }

    #[test]
    fn what_is_whole_is_read() {
        let (top, _) = folder();
        let bundle = Bundle::read(top.path()).unwrap();
        assert_eq!(bundle.architectures(), "x86_64");
        assert_eq!(bundle.agent("x86_64").unwrap().program.bytes, b"program");
        assert!(bundle.agent("aarch64").is_none());
    }

    #[test]
    fn what_is_not_is_refused() {
        let (top, folder) = folder();
        std::fs::write(folder.join(PROGRAM), "progrAm").unwrap();
        assert!(matches!(Bundle::read(top.path()), Err(BundleError::Damaged { .. })));
        std::fs::write(folder.join(SUMS), "").unwrap();
        assert!(matches!(Bundle::read(top.path()), Err(BundleError::Unnamed { .. })));
        std::fs::remove_file(folder.join(SUMS)).unwrap();
        assert!(matches!(Bundle::read(top.path()), Err(BundleError::Read { .. })));
        let nowhere = top.path().join("nowhere");
        assert!(matches!(Bundle::read(&nowhere), Err(BundleError::None(_))));
    }
}
