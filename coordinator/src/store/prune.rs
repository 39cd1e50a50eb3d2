//! Pruning: the events of operations that ended long ago go. Their entry stays, with id,
//! summary, last number and last hash, so that no id is used twice and the list is whole.

use super::{
    Store, StoreError, get,
    keys::{self, OperationKey},
    pieces, put,
    records::OperationRecord,
};

/// Entries that are looked at while others wait.
const LOOKED_AT_ONCE: usize = 200;

/// What was pruned, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Operations whose events go.
    pub operations: u64,
    /// How many events these are.
    pub events: u64,
    /// There are more than `most`: ask again.
    pub more: bool,
}

/// A walk through all operations in small parts, the oldest first. See [`Store::prune_part`].
#[derive(Debug, Clone)]
pub struct Pruning {
    before_ms: i64,
    after: Option<OperationKey>,
    /// What went so far; `more` until all were looked at.
    pub pruned: Pruned,
}

impl Pruning {
    /// Of closed operations that ended before this time (milliseconds since 1970).
    pub fn before(before_ms: i64) -> Self {
        let pruned = Pruned { more: true, ..Pruned::default() };
        Self { before_ms, after: None, pruned }
    }
}

/// An operation that may go.
type Old = (OperationKey, OperationRecord);

impl Store {
    /// Prunes closed operations that ended before this time (milliseconds since 1970), the
    /// oldest first, at most `most`, each in a transaction of its own. `dry_run`: counts only,
    /// all of them.
    ///
    /// # Errors
    /// If the store failed. A damaged operation is passed over.
    pub fn prune(&self, before_ms: i64, most: u64, dry_run: bool) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        let mut walk = Pruning::before(before_ms);
        while walk.pruned.more {
            for (key, record) in self.look_for_old(&mut walk, LOOKED_AT_ONCE)? {
                if !dry_run && pruned.operations >= most {
                    pruned.more = true;
                    return Ok(pruned);
                }
                count(&mut pruned, &record);
                if !dry_run {
                    self.prune_one(&key, record)?;
                }
            }
        }
        Ok(pruned)
    }

    /// Goes on with a walk: looks at some entries, and prunes at most one operation, in a
    /// transaction of its own. Others wait no longer than that; whoever calls lets them have
    /// their turn until `pruned.more` is false.
    ///
    /// # Errors
    /// If the store failed. A damaged operation is passed over.
    pub fn prune_part(&self, walk: &mut Pruning) -> Result<(), StoreError> {
        let before = walk.clone();
        let mut found = self.look_for_old(walk, LOOKED_AT_ONCE)?.into_iter();
        let Some((key, record)) = found.next() else { return Ok(()) };
        if found.next().is_some() {
            // The walk goes on behind the one that goes now.
            *walk = Pruning { after: Some(key), ..before };
        }
        count(&mut walk.pruned, &record);
        self.prune_one(&key, record)
    }

    /// The prunable ones among the next `most` entries of a walk.
    fn look_for_old(&self, walk: &mut Pruning, most: usize) -> Result<Vec<Old>, StoreError> {
        let _guard = self.reading()?;
        let mut found = Vec::new();
        for (looked, key) in self.operation_keys_after(walk.after).enumerate() {
            let key = key?;
            // Ids sort by time: none of the others has ended before.
            if keys::made_at_ms(&key) >= walk.before_ms {
                break;
            }
            if looked == most {
                return Ok(found);
            }
            walk.after = Some(key);
            match get::<OperationRecord>(&self.operations, &key, &name) {
                Ok(Some(record)) if record.closed && !record.pruned => {
                    let ended = record.summary.as_ref().map_or(0, |summary| summary.ended_at_ms);
                    if ended > 0 && ended < walk.before_ms {
                        found.push((key, record));
                    }
                }
                Ok(_) => {}
                Err(error) if error.is_fatal() => return Err(error),
                Err(_) => {}
            }
        }
        walk.pruned.more = false;
        Ok(found)
    }

    fn prune_one(&self, key: &OperationKey, record: OperationRecord) -> Result<(), StoreError> {
        let left = OperationRecord { pruned: true, ..record };
        self.commit(|tables| {
            for sequence in 1..=left.last_sequence {
                pieces::remove::<super::Stop>(tables.events, &keys::event(key, sequence))?;
            }
            put(tables.operations, key, &left, &name)
        })
    }
}

fn count(pruned: &mut Pruned, record: &OperationRecord) {
    pruned.operations = pruned.operations.saturating_add(1);
    pruned.events = pruned.events.saturating_add(record.last_sequence);
}

fn name() -> String {
    "an operation's index entry".to_owned()
}
