//! Pruning: the events of operations that ended long ago go. Their entry stays, with id,
//! summary, last number and last hash, so that no id is used twice and the list is whole.

use super::{
    Store, StoreError, get,
    keys::{self, OperationKey},
    pieces, put,
    records::OperationRecord,
};

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

impl Store {
    /// Prunes closed operations that ended before this time (milliseconds since 1970), the
    /// oldest first, at most `most`, each in a transaction of its own. `dry_run`: counts only,
    /// all of them.
    ///
    /// # Errors
    /// If the store failed. A damaged operation is passed over.
    pub fn prune(&self, before_ms: i64, most: u64, dry_run: bool) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        for (key, record) in self.prunable(before_ms)? {
            if !dry_run && pruned.operations >= most {
                pruned.more = true;
                break;
            }
            pruned.operations = pruned.operations.saturating_add(1);
            pruned.events = pruned.events.saturating_add(record.last_sequence);
            if !dry_run {
                self.prune_one(&key, record)?;
            }
        }
        Ok(pruned)
    }

    fn prunable(&self, before_ms: i64) -> Result<Vec<(OperationKey, OperationRecord)>, StoreError> {
        let _guard = self.reading()?;
        let mut found = Vec::new();
        for key in self.operation_keys() {
            let key = key?;
            if keys::made_at_ms(&key) >= before_ms {
                // Ids sort by time: none of the others has ended before.
                break;
            }
            match get::<OperationRecord>(&self.operations, &key, &name) {
                Ok(Some(record)) if record.closed && !record.pruned => {
                    let ended = record.summary.as_ref().map_or(0, |summary| summary.ended_at_ms);
                    if ended > 0 && ended < before_ms {
                        found.push((key, record));
                    }
                }
                Ok(_) => {}
                Err(error) if error.is_fatal() => return Err(error),
                Err(_) => {}
            }
        }
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

fn name() -> String {
    "an operation's index entry".to_owned()
}
