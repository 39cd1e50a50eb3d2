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

    /// Adds all paths below a folder, files with their digest. A folder that is not there has
    /// none.
    ///
    /// # Errors
    /// Something below it cannot be read.
    pub fn add_tree(&mut self, subject: &str, folder: &Path) -> Result<()> {
        let mut lines = Vec::new();
        if folder.exists() {
            walk(folder, folder, &mut |path, entry| {
                let name = entry.strip_prefix(path).unwrap_or(entry).display();
                lines.push(if entry.is_file() {
                    let bytes = std::fs::read(entry)
                        .with_context(|| format!("read {}", entry.display()))?;
                    let digest = Sha256::digest(&bytes);
                    let digest: String =
                        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
                    format!("{name} {digest}")
                } else {
                    format!("{name}/")
                });
                Ok(())
            })?;
        }
        self.facts.insert(subject.to_owned(), lines);
        Ok(())
    }

    /// Adds the paths below a folder down to a depth, without their contents: for a data
    /// directory, whose files change all the time.
    ///
    /// # Errors
    /// It cannot be listed.
    pub fn add_names(&mut self, subject: &str, folder: &Path, depth: usize) -> Result<()> {
        let mut lines = Vec::new();
        names(folder, folder, depth, &mut lines)?;
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

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let mut entries: Vec<PathBuf> = list
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()
        .with_context(|| format!("list {}", folder.display()))?;
    entries.sort();
    Ok(entries)
}

fn walk(
    top: &Path,
    folder: &Path,
    visit: &mut impl FnMut(&Path, &Path) -> Result<()>,
) -> Result<()> {
    for entry in entries(folder)? {
        visit(top, &entry)?;
        if entry.is_dir() && !entry.is_symlink() {
            walk(top, &entry, visit)?;
        }
    }
    Ok(())
}

fn names(top: &Path, folder: &Path, depth: usize, lines: &mut Vec<String>) -> Result<()> {
    if depth == 0 || !folder.is_dir() {
        return Ok(());
    }
    for entry in entries(folder)? {
        lines.push(entry.strip_prefix(top).unwrap_or(&entry).display().to_string());
        names(top, &entry, depth - 1, lines)?;
    }
    Ok(())
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
            snapshot.add_tree("h1 conf", &folder).unwrap();
            snapshot.add_names("h1 names", &folder, 1).unwrap();
            snapshot
        };
        let before = take();
        assert!(before.differences(&take()).is_empty());
        std::fs::write(folder.join("pg1/a.conf"), "y").unwrap();
        std::fs::write(folder.join("b"), "").unwrap();
        let differences = before.differences(&take());
        assert_eq!(differences.len(), 4, "{differences:?}");
        assert!(differences[0].starts_with("h1 conf: gone: pg1/a.conf "));
        assert_eq!(differences[3], "h1 names: new: b");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
