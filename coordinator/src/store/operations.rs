//! Operations: their events and their index entries.

use bellows_proto::v1::{Event, Lock, OperationSummary, Spec, event::Kind};
use prost::Message as _;

use super::{
    Stop, Store, StoreError, Tables,
    chain::{self, Hash},
    get, get_in,
    keys::{self, OperationKey},
    locks, pieces, put,
    records::{EventRecord, OpenRecord, OperationRecord, StoreRecord},
    specs, summary,
};

/// How an operation begins: all of it or nothing.
#[derive(Debug, Clone, Copy)]
pub struct Begin<'a> {
    /// Its id: a UUIDv7 that was never used before.
    pub operation: &'a str,
    /// Its first event: number 1, kind `accepted`.
    pub accepted: &'a Event,
    /// The cluster that it changes.
    pub cluster: &'a str,
    /// The version of the cluster's spec that the plan starts from; 0: there is no cluster.
    pub spec_version: u64,
    /// Taken in the same transaction.
    pub locks: &'a [Lock],
}

/// What changes in the same transaction as an event.
#[derive(Debug, Clone, Default)]
pub struct Changes<'a> {
    /// The next version of a spec: one more than the newest.
    pub put_spec: Option<&'a Spec>,
    /// This cluster is gone, with all versions of its spec and its last observation.
    pub remove_cluster: Option<&'a str>,
    /// The operation's locks are released.
    pub release_locks: bool,
}

/// The events of an operation, as far as they can be trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct Events {
    /// From number 1, without gaps.
    pub events: Vec<Event>,
    /// Why they are not all, or not what was written; `None`: they are.
    pub damage: Option<String>,
    /// Where there is damage: those behind it, up to the last one, that are what was written.
    pub after: Vec<Event>,
    /// The number of the last event that was written.
    pub last: u64,
    /// They were taken out for their age: there are none, and nothing is damaged.
    pub pruned: bool,
}

/// Which operations are listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct OperationFilter<'a> {
    /// Of this cluster; `None`: of all.
    pub cluster: Option<&'a str>,
    /// Only those whose last event is not `closed`.
    pub unfinished: bool,
}

impl Store {
    /// Begins an operation: checks the spec's version, takes the locks, stores the first event.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::SpecVersion`], [`StoreError::Begin`] or
    /// [`StoreError::OperationId`]: nothing was changed. Else the store failed.
    pub fn begin(&self, begin: Begin<'_>) -> Result<(), StoreError> {
        let key = keys::operation(begin.operation)?;
        let wrong = |reason| StoreError::Begin { operation: begin.operation.to_owned(), reason };
        if begin.accepted.sequence != 1 || !matches!(begin.accepted.kind, Some(Kind::Accepted(_))) {
            return Err(wrong("its first event must be `accepted`, with number 1"));
        }
        let record = first_entry(&key, begin.operation, begin.locks);
        self.commit(|tables| {
            if tables.operations.get(key)?.is_some() {
                return Err(wrong("its id is taken").into());
            }
            specs::expect_version(tables, begin.cluster, begin.spec_version)?;
            for lock in begin.locks {
                locks::take(tables, lock, begin.operation, begin.accepted.at_ms)?;
            }
            add(tables, &key, record.clone(), begin.accepted, None)
        })
    }

    /// Appends the next event of an operation, with what changes along with it.
    ///
    /// # Errors
    /// [`StoreError::Sequence`], [`StoreError::SpecVersion`] or
    /// [`StoreError::OperationUnknown`]: nothing was changed. Else the store failed.
    pub fn append(
        &self,
        operation: &str,
        event: &Event,
        changes: &Changes<'_>,
    ) -> Result<(), StoreError> {
        let key = keys::operation(operation)?;
        let title = self.title_of(&key, event)?;
        self.commit(|tables| {
            let record = index_entry(tables, &key, operation)?;
            if event.sequence != record.last_sequence.saturating_add(1) {
                return Err(Stop::Refused(StoreError::Sequence {
                    operation: operation.to_owned(),
                    last: record.last_sequence,
                    found: event.sequence,
                }));
            }
            if let Some(spec) = changes.put_spec {
                specs::put_next(tables, spec)?;
            }
            if let Some(cluster) = changes.remove_cluster {
                specs::remove(tables, cluster)?;
            }
            if changes.release_locks {
                for lock in &record.locks {
                    locks::release(tables, &lock.resource, operation)?;
                }
            }
            add(tables, &key, record, event, title.as_deref())
        })
    }

    /// The events of an operation, verified: numbers without gaps, and each hash right.
    ///
    /// # Errors
    /// If there is no such operation, a value is of an unknown format, or the store failed.
    pub fn events(&self, operation: &str) -> Result<Events, StoreError> {
        let _guard = self.reading()?;
        let key = keys::operation(operation)?;
        let record: OperationRecord = get(&self.operations, &key, &|| entry_name(operation))?
            .ok_or_else(|| StoreError::OperationUnknown(operation.to_owned()))?;
        let mut read = Events {
            events: Vec::new(),
            damage: None,
            after: Vec::new(),
            last: record.last_sequence,
            pruned: record.pruned,
        };
        if !record.pruned {
            read.damage = self.read_chain(&key, &record, &mut read.events)?;
        }
        if read.damage.is_some() {
            let known = u64::try_from(read.events.len()).unwrap_or(u64::MAX);
            read.after = self.read_back(&key, &record, known)?;
            // The event that the first one behind the damage does not follow was changed itself.
            let first = read.after.first().map_or(u64::MAX, |event| event.sequence);
            if known.checked_add(1) == Some(first) {
                read.events.pop();
            }
        }
        Ok(read)
    }

    /// Walks the chain from its end, whose hash is in the index, back to the damage; `known`:
    /// so many were read from the beginning.
    fn read_back(
        &self,
        key: &OperationKey,
        record: &OperationRecord,
        known: u64,
    ) -> Result<Vec<Event>, StoreError> {
        let mut found = Vec::new();
        let mut hash = record.last_hash.clone();
        for number in (known.saturating_add(1)..=record.last_sequence).rev() {
            let what = || format!("event {number}");
            let place = keys::event(key, number);
            let bytes =
                match pieces::read::<StoreError>(|key| Ok(self.events.get(key)?), &place, &what) {
                    Ok(Some(bytes)) => bytes,
                    Ok(None) => break,
                    Err(error) if error.is_fatal() => return Err(error),
                    Err(_) => break,
                };
            let Some((event, before)) = chain::linked(&bytes, &hash) else { break };
            if event.sequence != number {
                break;
            }
            hash = before.to_vec();
            found.push(event);
        }
        found.reverse();
        Ok(found)
    }

    /// Walks the chain. What could be verified is in `events`; says why it is not all.
    fn read_chain(
        &self,
        key: &OperationKey,
        record: &OperationRecord,
        events: &mut Vec<Event>,
    ) -> Result<Option<String>, StoreError> {
        let mut hash = chain::start(key);
        for number in 1..=record.last_sequence {
            match self.read_link(key, number, &hash)? {
                Ok((event, after)) => {
                    hash = after;
                    events.push(event);
                }
                Err(reason) => {
                    return Ok(Some(format!("event {number} {reason}")));
                }
            }
        }
        if hash.as_slice() != record.last_hash {
            events.pop();
            let last = record.last_sequence;
            return Ok(Some(format!("event {last} is not what was written")));
        }
        let beyond = keys::event(key, record.last_sequence.saturating_add(1));
        Ok(self
            .events
            .contains_key(beyond)?
            .then(|| format!("event {} is the last, and more follow", record.last_sequence)))
    }

    /// One event, if it follows `previous`; else what is wrong with it.
    fn read_link(
        &self,
        key: &OperationKey,
        number: u64,
        previous: &Hash,
    ) -> Result<Result<(Event, Hash), String>, StoreError> {
        let what = || format!("event {number}");
        let place = keys::event(key, number);
        let bytes = match pieces::read(|key| Ok(self.events.get(key)?), &place, &what) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Err("is missing".to_owned())),
            Err(StoreError::Damaged { reason, .. }) => {
                return Ok(Err(format!("is damaged: {reason}")));
            }
            Err(error) => return Err(error),
        };
        let Ok(record) = EventRecord::decode(bytes.as_slice()) else {
            return Ok(Err("cannot be decoded".to_owned()));
        };
        if record.previous_hash != previous.as_slice() {
            return Ok(Err(
                "does not follow the events before it: one of them is not what was written"
                    .to_owned(),
            ));
        }
        match Event::decode(record.event.as_slice()) {
            Ok(event) if event.sequence == number => Ok(Ok((event, chain::next(previous, &bytes)))),
            Ok(event) => Ok(Err(format!("carries the number {}", event.sequence))),
            Err(_) => Ok(Err("cannot be decoded".to_owned())),
        }
    }

    /// The ids of all operations whose last event is not `closed`, oldest first. One whose
    /// record is damaged is among them.
    ///
    /// # Errors
    /// If the store failed.
    pub fn unfinished(&self) -> Result<Vec<String>, StoreError> {
        let _guard = self.reading()?;
        Ok(self.open_keys()?.iter().map(keys::operation_id).collect())
    }

    /// Summaries of operations, newest first, at most `limit`. One whose index entry is
    /// damaged has nothing but its id and the state "damaged", and passes every filter.
    ///
    /// # Errors
    /// If the store failed.
    pub fn operations(
        &self,
        filter: OperationFilter<'_>,
        limit: usize,
    ) -> Result<Vec<OperationSummary>, StoreError> {
        let _guard = self.reading()?;
        let mut found = Vec::new();
        for key in self.operation_keys().rev() {
            if found.len() >= limit {
                break;
            }
            let key = key?;
            let what = || "an operation's index entry".to_owned();
            let record = match get::<OperationRecord>(&self.operations, &key, &what) {
                Ok(Some(record)) => record,
                Ok(None) => continue,
                Err(error) if error.is_fatal() => return Err(error),
                Err(_) => {
                    found.push(OperationSummary {
                        operation: keys::operation_id(&key),
                        state: "damaged".to_owned(),
                        ..OperationSummary::default()
                    });
                    continue;
                }
            };
            let summary = record.summary.unwrap_or_default();
            if filter.cluster.is_none_or(|cluster| cluster == summary.cluster)
                && !(filter.unfinished && record.closed)
            {
                found.push(summary);
            }
        }
        Ok(found)
    }

    /// Notes which operations are unfinished: for a store of a version that did not.
    pub(super) fn index_open_operations(&self, own: StoreRecord) -> Result<(), StoreError> {
        let mut open = Vec::new();
        for key in self.operation_keys() {
            let key = key?;
            let what = || "an operation's index entry".to_owned();
            match get::<OperationRecord>(&self.operations, &key, &what) {
                Ok(Some(record)) if record.closed => {}
                Ok(_) => open.push(key),
                Err(error) if error.is_fatal() => return Err(error),
                // Unknown is not over.
                Err(_) => open.push(key),
            }
        }
        self.change_with(
            |tables| {
                for key in &open {
                    put(tables.meta, &keys::open(key), &OpenRecord {}, &open_name)?;
                }
                put(tables.meta, keys::META, &own, &super::open::own_name)
            },
            |state, ()| state.own = own.clone(),
        )
    }

    /// The summary of one operation.
    ///
    /// # Errors
    /// If the id has no valid form, the store failed or the index entry is damaged.
    pub fn operation(&self, operation: &str) -> Result<Option<OperationSummary>, StoreError> {
        let _guard = self.reading()?;
        let key = keys::operation(operation)?;
        let record: Option<OperationRecord> =
            get(&self.operations, &key, &|| entry_name(operation))?;
        Ok(record.and_then(|record| record.summary))
    }

    /// The title of the step that an event starts, from the plan in the operation's first
    /// event, which never changes.
    fn title_of(&self, key: &OperationKey, event: &Event) -> Result<Option<String>, StoreError> {
        let Some(step) = summary::step_begun(event) else {
            return Ok(None);
        };
        let _guard = self.reading()?;
        let first = self.read_link(key, 1, &chain::start(key))?;
        Ok(first.ok().and_then(|(accepted, _)| summary::title(&accepted, step)))
    }
}

fn open_name() -> String {
    "the index of unfinished operations".to_owned()
}

fn entry_name(operation: &str) -> String {
    format!("the index entry of operation {operation}")
}

pub(super) fn index_entry(
    tables: &Tables<'_>,
    key: &OperationKey,
    operation: &str,
) -> Result<OperationRecord, Stop> {
    get_in(tables.operations, key, &|| entry_name(operation))?
        .ok_or_else(|| Stop::Refused(StoreError::OperationUnknown(operation.to_owned())))
}

/// The index entry of an operation before its first event.
pub(super) fn first_entry(key: &OperationKey, operation: &str, locks: &[Lock]) -> OperationRecord {
    let mut record = OperationRecord {
        locks: locks.to_vec(),
        last_hash: chain::start(key).to_vec(),
        ..OperationRecord::default()
    };
    summary::begin(&mut record, operation);
    record
}

/// Stores an event and brings the index entry up to it.
pub(super) fn add(
    tables: &Tables<'_>,
    key: &OperationKey,
    mut entry: OperationRecord,
    event: &Event,
    title: Option<&str>,
) -> Result<(), Stop> {
    let name = || format!("event {}", event.sequence);
    let previous: Hash = entry.last_hash.as_slice().try_into().map_err(|_| {
        Stop::Refused(StoreError::Damaged {
            what: "the index entry of an operation".to_owned(),
            reason: "its last hash has another length",
        })
    })?;
    let bytes = EventRecord { previous_hash: entry.last_hash, event: event.encode_to_vec() }
        .encode_to_vec();
    pieces::put::<Stop>(tables.events, &keys::event(key, event.sequence), &bytes, &name)?;
    entry.last_hash = chain::next(&previous, &bytes).to_vec();
    entry.last_sequence = event.sequence;
    summary::advance(&mut entry, event, title);
    if entry.closed {
        pieces::remove::<Stop>(tables.meta, &keys::open(key))?;
    } else if event.sequence == 1 {
        put(tables.meta, &keys::open(key), &OpenRecord {}, &open_name)?;
    }
    put(tables.operations, key, &entry, &name)
}
