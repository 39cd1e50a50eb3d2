//! The journal in memory, with crashes on order.

use std::{collections::BTreeMap, sync::Mutex};

use bellows::engine::ports::{
    BeginError, Damage, Effects, Holder, Journal, JournalError, Owed, Recorded, owed_by,
};
use bellows_proto::v1::{Event, Lock, Spec, StartJobRequest, Term};

/// When the journal is to fail: at the n-th append, before or after it is durable.
#[derive(Debug, Clone, Copy)]
pub struct Crash {
    pub at: usize,
    pub durable: bool,
}

#[derive(Default, Clone)]
struct Book {
    operations: BTreeMap<String, Vec<Event>>,
    specs: BTreeMap<String, Spec>,
    locks: BTreeMap<String, String>,
    term: u64,
    appends: usize,
    crash: Option<Crash>,
    /// Events that the next reader does not find.
    lost: BTreeMap<String, u64>,
}

#[derive(Default)]
pub struct MemoryJournal {
    book: Mutex<Book>,
}

impl MemoryJournal {
    /// A copy of the store, as a snapshot of the coordinator's machine would have it.
    pub fn copy(&self) -> Self {
        Self { book: Mutex::new(self.book.lock().unwrap().clone()) }
    }

    pub fn crash(&self, crash: Option<Crash>) {
        self.book.lock().unwrap().crash = crash;
    }

    pub fn appends(&self) -> usize {
        self.book.lock().unwrap().appends
    }

    /// A coordinator starts: its term goes up.
    pub fn start(&self) {
        self.book.lock().unwrap().term += 1;
    }

    pub fn events(&self, operation: &str) -> Vec<Event> {
        self.book.lock().unwrap().operations.get(operation).cloned().unwrap_or_default()
    }

    /// From now on this event cannot be read.
    pub fn lose(&self, operation: &str, sequence: u64) {
        self.book.lock().unwrap().lost.insert(operation.to_owned(), sequence);
    }

    /// What an earlier operation left.
    #[allow(dead_code)] // only the engine's tests need it
    pub fn put_spec(&self, spec: Spec) {
        self.book.lock().unwrap().specs.insert(spec.cluster.clone(), spec);
    }

    pub fn locks(&self) -> usize {
        self.book.lock().unwrap().locks.len()
    }
}

impl Book {
    fn write(&mut self, apply: impl FnOnce(&mut Self)) -> Result<(), JournalError> {
        self.appends += 1;
        let crash = self.crash.filter(|crash| crash.at == self.appends);
        if crash.is_none_or(|crash| crash.durable) {
            apply(self);
        }
        match crash {
            Some(crash) => Err(JournalError(format!("crash at append {}", crash.at))),
            None => Ok(()),
        }
    }
}

impl Journal for MemoryJournal {
    fn begin(
        &self,
        operation: &str,
        accepted: &Event,
        cluster: &str,
        spec_version: u64,
        locks: &[Lock],
    ) -> Result<(), BeginError> {
        let mut book = self.book.lock().unwrap();
        let found = book.specs.get(cluster).map_or(0, |spec| spec.version);
        if found != spec_version {
            return Err(BeginError::SpecVersion { planned: spec_version, found });
        }
        for lock in locks {
            if let Some(holder) = book.locks.get(&lock.resource) {
                let (resource, operation) = (lock.resource.clone(), holder.clone());
                return Err(BeginError::Locked(Holder { resource, operation }));
            }
        }
        book.write(|book| {
            for lock in locks {
                book.locks.insert(lock.resource.clone(), operation.to_owned());
            }
            book.operations.insert(operation.to_owned(), vec![accepted.clone()]);
        })?;
        Ok(())
    }

    fn append(
        &self,
        operation: &str,
        event: &Event,
        effects: &Effects,
    ) -> Result<(), JournalError> {
        let mut book = self.book.lock().unwrap();
        book.write(|book| {
            let events = book.operations.get_mut(operation).unwrap();
            assert_eq!(event.sequence, events.len() as u64 + 1, "a gap");
            events.push(event.clone());
            if let Some(spec) = &effects.put_spec {
                book.specs.insert(spec.cluster.clone(), spec.clone());
            }
            if let Some(cluster) = &effects.remove_cluster {
                book.specs.remove(cluster);
            }
            if effects.release_locks {
                book.locks.retain(|_, holder| holder != operation);
            }
        })
    }

    fn unfinished(&self) -> Result<Vec<Recorded>, JournalError> {
        use bellows_proto::v1::event::Kind;
        let book = self.book.lock().unwrap();
        let open = |events: &&Vec<Event>| {
            !matches!(events.last().and_then(|e| e.kind.as_ref()), Some(Kind::Closed(_)))
        };
        let all = book.operations.iter().filter(|(_, events)| open(events));
        Ok(all
            .map(|(operation, events)| {
                let (operation, mut events) = (operation.clone(), events.clone());
                let lost = book.lost.get(&operation);
                let damage = lost.map(|lost| {
                    let last = events.last().map(|event| event.sequence);
                    let after = events.iter().filter(|event| event.sequence > *lost).cloned();
                    let after = after.collect();
                    events.retain(|event| event.sequence < *lost);
                    Damage { text: format!("event {lost} is missing"), after, last }
                });
                Recorded { operation, events, damage }
            })
            .collect())
    }

    fn spec(&self, cluster: &str) -> Result<Option<Spec>, JournalError> {
        Ok(self.book.lock().unwrap().specs.get(cluster).cloned())
    }

    fn owed(&self) -> Result<Vec<Owed>, JournalError> {
        Ok(self.book.lock().unwrap().specs.values().flat_map(owed_by).collect())
    }

    fn burying(&self, _: &str, _: &StartJobRequest) -> Result<(), JournalError> {
        self.book.lock().unwrap().write(|_| {})
    }

    fn term(&self) -> Term {
        Term {
            number: self.book.lock().unwrap().term,
            store_id: "memory".into(),
            ..Term::default()
        }
    }
}
