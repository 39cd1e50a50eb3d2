//! A backup: one file of JSON lines, independent of sled. The first line says what it is, then
//! comes one line per stored value (tree, key, value, in hexadecimal), and the last line has
//! their number and the SHA-256 of all bytes before it.
//!
//! A running store is backed up without being stopped: everything but the events is read at
//! one moment, and events never change, so that those up to each operation's last number of
//! that moment can be read afterwards, in parts.

use std::{collections::VecDeque, fmt::Write as _, path::Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sled::Tree;

use super::{
    Store, StoreError, doubt, get,
    keys::{self, OperationKey},
    records::OperationRecord,
};

/// What the first line calls itself.
pub(super) const FORMAT_NAME: &str = "bellows store backup";
/// The version of the form.
pub(super) const VERSION: u32 = 1;
/// A part is about so long.
const PART_BYTES: usize = 256 * 1024;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Head {
    pub format: String,
    pub version: u32,
    pub store_id: String,
    pub site_id: String,
    pub term: u64,
    pub commit: u64,
    pub at_ms: i64,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub tree: String,
    pub key: String,
    pub value: String,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tail {
    pub entries: u64,
    pub sha256: String,
}

/// A backup that is being made.
pub struct Backup {
    /// Of one moment.
    first: VecDeque<u8>,
    operations: VecDeque<(OperationKey, u64)>,
    /// The next event of the first operation.
    next: u64,
    entries: u64,
    sum: Sha256,
    ended: bool,
}

impl Store {
    /// Begins a backup: reads everything but the events.
    ///
    /// # Errors
    /// If the store failed.
    pub fn backup(&self) -> Result<Backup, StoreError> {
        let state = self.reading()?;
        let head = Head {
            format: FORMAT_NAME.to_owned(),
            version: VERSION,
            store_id: state.own.store_id.clone(),
            site_id: state.own.site_id.clone(),
            term: state.own.term,
            commit: state.commit,
            at_ms: doubt::now_ms(),
        };
        let mut backup = Backup {
            first: VecDeque::new(),
            operations: VecDeque::new(),
            next: 1,
            entries: 0,
            sum: Sha256::new(),
            ended: false,
        };
        let mut lines = String::new();
        line(&mut lines, &head);
        for (name, tree) in self.small_trees() {
            for item in tree {
                let (key, value) = item?;
                let own = name == super::META_TREE && (key == keys::META || key == keys::COMMIT);
                if !own {
                    backup.entry(&mut lines, name, &key, &value);
                }
            }
        }
        for key in self.operation_keys() {
            let key = key?;
            let what = || "an operation's index entry".to_owned();
            match get::<OperationRecord>(&self.operations, &key, &what) {
                Ok(Some(entry)) if !entry.pruned => {
                    backup.operations.push_back((key, entry.last_sequence));
                }
                Ok(_) => {}
                Err(error) if error.is_fatal() => return Err(error),
                // As many of its events as there are.
                Err(_) => backup.operations.push_back((key, u64::MAX)),
            }
        }
        backup.first = lines.into_bytes().into();
        Ok(backup)
    }

    fn small_trees(&self) -> [(&'static str, &Tree); 5] {
        [
            (super::META_TREE, &self.meta),
            ("operations", &self.operations),
            ("locks", &self.locks),
            ("specs", &self.specs),
            ("inventory", &self.inventory),
        ]
    }

    pub(super) fn tree(&self, name: &str) -> Option<&Tree> {
        if name == "events" {
            return Some(&self.events);
        }
        self.small_trees().into_iter().find(|(known, _)| *known == name).map(|(_, tree)| tree)
    }
}

impl Backup {
    /// The next part of the file, some 100 KiB; `None`: that was all.
    ///
    /// # Errors
    /// If the store failed.
    pub fn next_part(&mut self, store: &Store) -> Result<Option<Vec<u8>>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        if !self.first.is_empty() {
            let bytes = self.first.len().min(PART_BYTES);
            let part: Vec<u8> = self.first.drain(..bytes).collect();
            self.sum.update(&part);
            return Ok(Some(part));
        }
        let _guard = store.reading()?;
        let mut lines = String::new();
        while lines.len() < PART_BYTES {
            let Some((operation, last)) = self.operations.front().copied() else {
                self.ended = true;
                break;
            };
            if self.next > last || !self.event(store, &operation, &mut lines)? {
                self.operations.pop_front();
                self.next = 1;
            } else {
                self.next = self.next.saturating_add(1);
            }
        }
        self.sum.update(&lines);
        if self.ended {
            let sha256 = hex(&self.sum.clone().finalize());
            line(&mut lines, &Tail { entries: self.entries, sha256 });
        }
        Ok(Some(lines.into_bytes()))
    }

    /// All pieces of one event; `false`: it is not there.
    fn event(
        &mut self,
        store: &Store,
        operation: &OperationKey,
        lines: &mut String,
    ) -> Result<bool, StoreError> {
        let mut there = false;
        for item in store.events.scan_prefix(keys::event(operation, self.next)) {
            let (key, value) = item?;
            self.entry(lines, "events", &key, &value);
            there = true;
        }
        Ok(there)
    }

    fn entry(&mut self, lines: &mut String, tree: &str, key: &[u8], value: &[u8]) {
        line(lines, &Entry { tree: tree.to_owned(), key: hex(key), value: hex(value) });
        self.entries = self.entries.saturating_add(1);
    }
}

impl std::fmt::Debug for Backup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backup").field("entries", &self.entries).finish_non_exhaustive()
    }
}

fn line(lines: &mut String, value: &impl Serialize) {
    // Texts and numbers only: this cannot fail.
    lines.push_str(&serde_json::to_string(value).unwrap_or_default());
    lines.push('\n');
}

/// In hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Out of hexadecimal.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    pairs.collect()
}

/// The directory beside `store` in which it is made anew.
pub(super) fn beside(store: &Path, what: &str) -> std::path::PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{what}"));
    store.with_file_name(name)
}
