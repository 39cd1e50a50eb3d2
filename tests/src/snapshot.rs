//! A cluster as it is, for "as it was before": asked from PostgreSQL and read from the hosts'
//! files. Two snapshots are compared line by line, so that a difference speaks for itself.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use crate::sql::{self, Login, Server};

/// Facts in words, by subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    facts: BTreeMap<String, Vec<String>>,
}

impl Snapshot {
    /// What the members at these addresses say: who is a member, who streams, which slots
    /// there are, who is let in.
    ///
    /// # Errors
    /// A member does not answer, or there is not exactly one primary.
    pub async fn of_members(addresses: &[String], login: &Login) -> Result<Self> {
        let mut facts = BTreeMap::new();
        let primary = sql::primary(addresses, login).await?;
        let streams = primary.senders().await?;
        // The lag moves all the time, and a slot of a standby that streams is always active.
        let streams = streams.iter().map(|one| format!("{} {}", one.name, one.state));
        facts.insert("streams".to_owned(), streams.collect());
        let slots = primary.slots().await?;
        let slots = slots.iter().map(|one| format!("{} active={}", one.name, one.active));
        facts.insert("slots".to_owned(), slots.collect());
        for address in addresses {
            let server = Server::connect(address, login).await?;
            let members = server.members().await?;
            let members = members.iter().map(|one| format!("{one:?}"));
            facts.insert(format!("{address} members"), members.collect());
            facts.insert(format!("{address} pg_hba"), server.hba().await?);
        }
        Ok(Self { facts })
    }

    /// Adds all files below a folder, with their digests. A folder that is not there has none.
    ///
    /// # Errors
    /// Something below it cannot be read.
    pub fn add_files(&mut self, subject: &str, folder: &Path) -> Result<()> {
        let mut lines = Vec::new();
        for path in below(folder, usize::MAX)?.into_iter().filter(|path| path.is_file()) {
            let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            let digest = Sha256::digest(&bytes);
            let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            lines.push(format!("{} {digest}", relative(folder, &path)));
        }
        self.facts.insert(subject.to_owned(), lines);
        Ok(())
    }

    /// Adds the paths exactly so deep below a folder: its nodes, whose parents may stay when
    /// they are empty.
    ///
    /// # Errors
    /// It cannot be listed.
    pub fn add_names(&mut self, subject: &str, folder: &Path, depth: usize) -> Result<()> {
        let shallow = below(folder, depth - 1)?;
        let mut paths = below(folder, depth)?;
        paths.retain(|path| !shallow.contains(path));
        let lines = paths.iter().map(|path| relative(folder, path)).collect();
        self.facts.insert(subject.to_owned(), lines);
        Ok(())
    }

    /// Adds facts of the caller's own.
    pub fn add(&mut self, subject: &str, lines: Vec<String>) {
        self.facts.insert(subject.to_owned(), lines);
    }

    /// What is different in `after`, in words; empty: nothing.
    pub fn differences(&self, after: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let subjects: std::collections::BTreeSet<_> =
            self.facts.keys().chain(after.facts.keys()).collect();
        let none = Vec::new();
        for subject in subjects {
            let was = self.facts.get(subject).unwrap_or(&none);
            let is = after.facts.get(subject).unwrap_or(&none);
            found.extend(
                was.iter()
                    .filter(|line| !is.contains(line))
                    .map(|line| format!("{subject}: gone: {line}")),
            );
            found.extend(
                is.iter()
                    .filter(|line| !was.contains(line))
                    .map(|line| format!("{subject}: new: {line}")),
            );
        }
        found
    }
}

fn relative(top: &Path, path: &Path) -> String {
    path.strip_prefix(top).unwrap_or(path).display().to_string()
}

/// All paths below a folder, down to a depth, in their order.
fn below(folder: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if depth == 0 || !folder.is_dir() {
        return Ok(found);
    }
    let list = std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    for entry in list {
        let path = entry.with_context(|| format!("list {}", folder.display()))?.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(below(&path, depth - 1)?);
        }
        found.push(path);
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn a_difference_is_named_and_equality_is_silent() {
        let folder = crate::site::temporary("snapshot").unwrap();
        std::fs::create_dir(folder.join("pg1")).unwrap();
        std::fs::write(folder.join("pg1/a.conf"), "x").unwrap();
        let take = || {
            let mut snapshot = Snapshot::default();
            snapshot.add_files("h1 conf", &folder).unwrap();
            snapshot.add_names("h1 names", &folder, 1).unwrap();
            snapshot
        };
        let before = take();
        assert!(before.differences(&take()).is_empty());
        std::fs::write(folder.join("pg1/a.conf"), "y").unwrap();
        std::fs::create_dir(folder.join("pg2")).unwrap();
        let differences = before.differences(&take());
        assert_eq!(differences.len(), 3, "{differences:?}");
        assert!(differences[0].starts_with("h1 conf: gone: pg1/a.conf "));
        assert_eq!(differences[2], "h1 names: new: pg2");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
