//! Versions of tools, remembered for a minute: facts are asked for many times in an operation,
//! and a tool does not change its version without its file being another.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use camino::Utf8Path;

use super::Local;

/// Asked again after this: what a link or a script points at may change unseen.
const AGE_MS: i64 = 60_000;

/// A version with the file that it was read from.
#[derive(Debug, Clone)]
struct Known {
    changed_at_ms: i64,
    length: u64,
    read_at_ms: i64,
    version: String,
}

/// What is remembered.
#[derive(Debug, Default)]
pub struct Versions(Mutex<BTreeMap<String, Known>>);

impl Versions {
    /// The remembered version of a program whose file is as it was; `None`: ask it.
    pub fn of(&self, local: &Local, program: &Utf8Path) -> Option<String> {
        let file = local.host.metadata(program).ok()??;
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(program.as_str())?;
        let age_ms = local.clock.now_ms().checked_sub(known.read_at_ms)?;
        let fresh = (0..AGE_MS).contains(&age_ms);
        let same = known.changed_at_ms == file.changed_at_ms && known.length == file.length;
        (fresh && same).then(|| known.version.clone())
    }

    /// Remembers what a program printed. What could not be read is not remembered.
    pub fn put(&self, local: &Local, program: &Utf8Path, version: &str) {
        let Ok(Some(file)) = local.host.metadata(program) else { return };
        if version.is_empty() {
            return;
        }
        let known = Known {
            changed_at_ms: file.changed_at_ms,
            length: file.length,
            read_at_ms: local.clock.now_ms(),
            version: version.to_owned(),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(program.to_string(), known);
    }
}
