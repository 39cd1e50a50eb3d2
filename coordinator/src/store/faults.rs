//! What does not fit together in a store: indexes against events, locks against operations,
//! specs against their index. Looks, never mends, invents nothing. Cheap enough for a start:
//! of an operation that is over it looks at the last event only; [`Store::operation_faults`]
//! reads all.

use std::{collections::BTreeSet, ops::Bound};

use bellows_proto::v1::Spec;
use prost::Message as _;

use super::{
    Store, StoreError, chain, get,
    keys::{self, OperationKey},
    pieces,
    records::{
        AccessRecord, EventRecord, HostRecord, LockRecord, NewestSpec, OperationRecord,
        RevokedRecord, TokenRecord,
    },
};

/// More are not listed at a start.
const MOST_FAULTS: usize = 20;

impl Store {
    /// What is wrong beyond the record of a single operation, in words. `indexed`: the index
    /// of unfinished operations is there.
    pub(super) fn faults(&self, indexed: bool) -> Result<Vec<String>, StoreError> {
        let mut faults = Vec::new();
        let open = self.open_faults(indexed, &mut faults)?;
        self.stray_events(&mut faults)?;
        self.lock_faults(indexed.then_some(&open), &mut faults)?;
        self.spec_faults(&mut faults)?;
        self.inventory_faults(&mut faults)?;
        if faults.len() > MOST_FAULTS {
            let more = faults.len() - MOST_FAULTS;
            faults.truncate(MOST_FAULTS);
            faults.push(format!("and {more} more: `bellows store check` lists them all"));
        }
        Ok(faults)
    }

    /// What is wrong with the records of single operations, in words, by reading all events of
    /// all of them.
    ///
    /// # Errors
    /// If the store failed.
    pub fn operation_faults(&self) -> Result<Vec<String>, StoreError> {
        let mut faults = Vec::new();
        for key in self.operation_keys() {
            let id = keys::operation_id(&key?);
            match self.events(&id) {
                Ok(read) => {
                    faults.extend(read.damage.map(|text| format!("operation {id}: {text}")));
                }
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => faults.push(format!("operation {id}: {error}")),
            }
        }
        Ok(faults)
    }

    /// The index of unfinished operations against the operations; returns what it lists.
    fn open_faults(
        &self,
        indexed: bool,
        faults: &mut Vec<String>,
    ) -> Result<BTreeSet<OperationKey>, StoreError> {
        let open: BTreeSet<OperationKey> = self.open_keys()?.into_iter().collect();
        let mut listed = open.clone();
        for key in self.operation_keys() {
            let key = key?;
            let id = keys::operation_id(&key);
            let entry =
                get::<OperationRecord>(&self.operations, &key, &|| "its index entry".into());
            let entry = match entry {
                Ok(Some(entry)) => entry,
                Ok(None) => continue,
                // Held, or over: told, and of no other operation's concern.
                Err(error) if !error.is_fatal() => {
                    listed.remove(&key);
                    tracing::error!(operation = id, %error, "the record of an operation is damaged");
                    continue;
                }
                Err(error) => return Err(error),
            };
            match (indexed, entry.closed, listed.remove(&key)) {
                (false, ..) | (true, true, false) | (true, false, true) => {}
                (true, true, true) => {
                    faults.push(format!("operation {id} is over and listed as unfinished"));
                }
                (true, false, false) => {
                    faults.push(format!("operation {id} is unfinished and not listed as such"));
                }
            }
            if let Some(text) = self.end_fault(&key, &entry)? {
                tracing::error!(operation = id, "the record of an operation is damaged: {text}");
            }
        }
        for key in listed {
            let id = keys::operation_id(&key);
            faults.push(format!(
                "operation {id} is listed as unfinished, and its index entry is lost"
            ));
        }
        Ok(open)
    }

    /// What is wrong with the end of an operation's record.
    fn end_fault(
        &self,
        key: &OperationKey,
        entry: &OperationRecord,
    ) -> Result<Option<String>, StoreError> {
        if entry.pruned {
            return Ok(None);
        }
        let number = entry.last_sequence;
        let place = keys::event(key, number);
        let what = || format!("event {number}");
        let bytes = match pieces::read(|key| Ok(self.events.get(key)?), &place, &what) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Some(format!("event {number}, its last, is missing"))),
            Err(error @ (StoreError::Damaged { .. } | StoreError::Format { .. })) => {
                return Ok(Some(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        let right = EventRecord::decode(bytes.as_slice()).ok().is_some_and(|record| {
            record.previous_hash.as_slice().try_into().is_ok_and(|previous: chain::Hash| {
                chain::next(&previous, &bytes).as_slice() == entry.last_hash
            })
        });
        Ok((!right).then(|| format!("event {number}, its last, is not what was written")))
    }

    /// Events of operations that the index does not know. One look per operation.
    fn stray_events(&self, faults: &mut Vec<String>) -> Result<(), StoreError> {
        let mut place = self.events.first()?;
        while let Some((key, _)) = place {
            let Some(operation) = key.first_chunk::<16>() else {
                faults.push("an event has no operation".to_owned());
                place = self.events.get_gt(&key)?;
                continue;
            };
            if self.operations.get(operation)?.is_none() {
                let id = keys::operation_id(operation);
                faults.push(format!("operation {id} has events, and its index entry is lost"));
            }
            place = self.events.get_gt(keys::after_events(operation))?;
        }
        Ok(())
    }

    fn lock_faults(
        &self,
        open: Option<&BTreeSet<OperationKey>>,
        faults: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        for item in self.locks.iter().keys() {
            let key = item?;
            if !keys::is_whole_text(&key) {
                continue;
            }
            let resource = keys::read_text(&key);
            let what = || format!("the lock of {resource}");
            match get::<LockRecord>(&self.locks, &key, &what) {
                Ok(record) => {
                    for holder in record.into_iter().flat_map(|record| record.holders) {
                        let known = keys::operation(&holder.operation).ok();
                        let unfinished =
                            known.is_some_and(|key| open.is_none_or(|open| open.contains(&key)));
                        if !unfinished {
                            let id = holder.operation;
                            faults.push(format!(
                                "{resource} is locked by operation {id}, which is not under way"
                            ));
                        }
                    }
                }
                Err(error) if !error.is_fatal() => faults.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn spec_faults(&self, faults: &mut Vec<String>) -> Result<(), StoreError> {
        for item in self.specs.scan_prefix([keys::SPEC_NEWEST]).keys() {
            let key = item?;
            if !keys::is_whole_text(&key) {
                continue;
            }
            let cluster = keys::read_text(&key);
            let what = || format!("the spec of {cluster}");
            match get::<NewestSpec>(&self.specs, &key, &what) {
                Ok(newest) => {
                    for version in newest.unwrap_or_default().versions() {
                        self.spec_fault(&cluster, version, faults)?;
                    }
                }
                Err(error) if !error.is_fatal() => faults.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn spec_fault(
        &self,
        cluster: &str,
        version: u64,
        faults: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        let what = || format!("version {version} of the spec of {cluster}");
        match get::<Spec>(&self.specs, &keys::spec_version(cluster, version), &what) {
            Ok(Some(spec)) if spec.cluster == cluster && spec.version == version => {}
            Ok(Some(_)) => faults.push(format!("{} is that of another", what())),
            Ok(None) => faults.push(format!("{} is missing", what())),
            Err(error) if !error.is_fatal() => faults.push(error.to_string()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn inventory_faults(&self, faults: &mut Vec<String>) -> Result<(), StoreError> {
        for item in self.inventory.iter().keys() {
            let key = item?;
            if !keys::is_whole_text(&key) {
                continue;
            }
            let name = keys::read_text(&key);
            let what = || format!("the entry of host {name}");
            let read = match key.first() {
                Some(&keys::HOST) => get::<HostRecord>(&self.inventory, &key, &what).map(|_| ()),
                Some(&keys::TOKEN) => get::<TokenRecord>(&self.inventory, &key, &what).map(|_| ()),
                Some(&keys::ACCESS) => {
                    let what = || format!("the access of key {}", keys::read_text(&key));
                    get::<AccessRecord>(&self.inventory, &key, &what).map(|_| ())
                }
                Some(&keys::REVOKED) => {
                    let what = || format!("the entry of the revoked key {name}");
                    get::<RevokedRecord>(&self.inventory, &key, &what).map(|_| ())
                }
                // Observations can be asked again.
                Some(_) | None => Ok(()),
            };
            match read {
                Ok(()) => {}
                Err(error) if !error.is_fatal() => faults.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The keys of all operations, oldest first.
    pub(super) fn operation_keys(
        &self,
    ) -> impl DoubleEndedIterator<Item = Result<OperationKey, StoreError>> + use<'_> {
        self.operation_keys_after(None)
    }

    /// Those behind one of them; `None`: all.
    pub(super) fn operation_keys_after(
        &self,
        after: Option<OperationKey>,
    ) -> impl DoubleEndedIterator<Item = Result<OperationKey, StoreError>> + use<'_> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = self.operations.range((from, Bound::<OperationKey>::Unbounded)).keys();
        keys.filter_map(|item| match item {
            Ok(key) => <OperationKey>::try_from(key.as_ref()).ok().map(Ok),
            Err(error) => Some(Err(StoreError::Sled(error))),
        })
    }

    /// The keys of the operations whose last event is not `closed`, oldest first.
    pub(super) fn open_keys(&self) -> Result<Vec<OperationKey>, StoreError> {
        let mut found = Vec::new();
        for item in self.meta.scan_prefix(keys::OPEN).keys() {
            let key = item?;
            let id = key.strip_prefix(keys::OPEN);
            found.extend(id.and_then(|id| <OperationKey>::try_from(id).ok()));
        }
        Ok(found)
    }
}
