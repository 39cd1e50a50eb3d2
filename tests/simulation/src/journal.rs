//! The journal of a simulated coordinator: what survives it, and a point before and after each
//! append.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bellows::engine::{
    ports::{BeginError, Effects, Holder, Journal, JournalError, Owed, Recorded, owed_by},
    state,
};
use bellows_proto::v1::{
    Act, ActStarted, Event, Lock, ProbeVerdict, Spec, StartJobRequest, Term, event::Kind,
};

use super::{process::Process, world::World};

/// What is on the coordinator's disk.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// Events by operation.
    pub operations: BTreeMap<String, Vec<Event>>,
    /// Specs by cluster.
    pub specs: BTreeMap<String, Spec>,
    /// Who holds which resource.
    pub locks: BTreeMap<String, String>,
    /// The highest term of its own.
    pub term: u64,
    /// Of the last raise of the term.
    pub incarnation: String,
}

/// The disk of one coordinator's machine; a copy of it is a copy of the machine.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<Book>>);

impl Shelf {
    /// What is on it.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A snapshot of the machine.
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.book().clone())))
    }
}

/// The journal in the name of one process.
pub struct SimJournal {
    /// The world.
    pub world: Arc<World>,
    /// Who writes.
    pub me: Arc<Process>,
    /// Where.
    pub shelf: Shelf,
}

impl SimJournal {
    fn write(
        &self,
        event: &Event,
        operation: &str,
        apply: impl FnOnce(&mut Book),
    ) -> Result<(), JournalError> {
        let name = event.kind.as_ref().map_or("empty", state::name);
        let label = || format!("coordinator {}: append {} {name}", self.me.id.pid, event.sequence);
        let done = self.world.durably(&self.me, &label, || {
            apply(&mut self.shelf.book());
            if let Some(Kind::ActStarted(started)) = &event.kind {
                self.world.attempt_is_journalled(operation, started);
            }
            if let Some(Kind::ActFailed(failed)) = &event.kind
                && failed.verdict() == ProbeVerdict::NotDone
            {
                let me = self.me.id.pid;
                self.world.attempt_shows_nothing(me, operation, failed.act, failed.attempt);
            }
            if let Some(Kind::ActDone(done)) = &event.kind {
                self.world.attempt_is_done(operation, done.act, done.attempt);
            }
            if let Some(Kind::ActNever(never)) = &event.kind {
                self.world.attempt_never_was(operation, never.act, never.attempt);
            }
        });
        done.ok_or_else(|| JournalError("the process is dead".to_owned()))?;
        self.world.tell(|| format!("event {:?}", event.kind.as_ref().map(brief)));
        self.world.next_event(&self.me, &label);
        if self.me.is_alive() {
            Ok(())
        } else {
            Err(JournalError("the process is dead".to_owned()))
        }
    }

    /// The next term, stored before anything is done under it.
    pub fn raise(&self, number: u64) -> Option<()> {
        let label = || format!("coordinator {}: raise the term to {number}", self.me.id.pid);
        self.world.durably(&self.me, &label, || {
            let mut book = self.shelf.book();
            book.term = number;
            // Every start of a run has a number of its own, copies too.
            book.incarnation = format!("start {}", self.me.id.pid);
            self.world.leads(self.me.id.pid);
        })
    }
}

/// An event in a few words.
fn brief(kind: &Kind) -> String {
    match kind {
        Kind::StepStarted(e) => format!("step {} started", e.step),
        Kind::StepSucceeded(e) => format!("step {} succeeded", e.step),
        Kind::StepFailed(e) => format!("step {} failed: {}", e.step, e.text),
        Kind::StepUndone(e) => format!("step {} undone", e.step),
        Kind::StepSkipped(e) => format!("step {} skipped", e.step),
        Kind::ActStarted(e) => {
            let act = e.act.as_ref();
            let what = act.map(|act| format!("{} {} at {}", act.number, act.summary, act.host));
            format!("act {} started, attempt {}", what.unwrap_or_default(), e.attempt)
        }
        Kind::ActDone(e) => format!("act {} done, attempt {}", e.act, e.attempt),
        Kind::ActNever(e) => format!("act {} never was, attempt {}", e.act, e.attempt),
        Kind::ActFailed(e) => {
            format!(
                "act {} failed: {:?}: {:?}",
                e.act,
                e.verdict(),
                e.evidence.as_ref().map(|e| &e.text)
            )
        }
        Kind::Held(e) => format!("held {:?}: {}", e.cause(), e.text),
        Kind::Control(e) => format!("control {:?}", e.kind()),
        Kind::Rested(e) => format!("rested {:?}", e.outcome()),
        Kind::Accepted(_)
        | Kind::Fenced(_)
        | Kind::UndoStarted(_)
        | Kind::Closed(_)
        | Kind::Resumed(_) => state::name(kind).to_owned(),
    }
}

fn apply_effects(book: &mut Book, operation: &str, effects: &Effects) {
    if let Some(spec) = &effects.put_spec {
        book.specs.insert(spec.cluster.clone(), spec.clone());
    }
    if let Some(cluster) = &effects.remove_cluster {
        book.specs.remove(cluster);
    }
    if effects.release_locks {
        book.locks.retain(|_, holder| holder != operation);
    }
}

impl Journal for SimJournal {
    fn begin(
        &self,
        operation: &str,
        accepted: &Event,
        cluster: &str,
        spec_version: u64,
        locks: &[Lock],
    ) -> Result<(), BeginError> {
        {
            let book = self.shelf.book();
            let found = book.specs.get(cluster).map_or(0, |spec| spec.version);
            if found != spec_version {
                return Err(BeginError::SpecVersion { planned: spec_version, found });
            }
            if let Some((lock, holder)) =
                locks.iter().find_map(|lock| Some((lock, book.locks.get(&lock.resource)?)))
            {
                let (resource, operation) = (lock.resource.clone(), holder.clone());
                return Err(BeginError::Locked(Holder { resource, operation }));
            }
        }
        let done = self.write(accepted, operation, |book| {
            for lock in locks {
                book.locks.insert(lock.resource.clone(), operation.to_owned());
            }
            book.operations.insert(operation.to_owned(), vec![accepted.clone()]);
        });
        Ok(done?)
    }

    fn append(
        &self,
        operation: &str,
        event: &Event,
        effects: &Effects,
    ) -> Result<(), JournalError> {
        let known = self.shelf.book().operations.get(operation).map_or(0, Vec::len);
        if u64::try_from(known).ok() != event.sequence.checked_sub(1) {
            return Err(JournalError(format!("event {} does not follow {known}", event.sequence)));
        }
        self.write(event, operation, |book| {
            book.operations.entry(operation.to_owned()).or_default().push(event.clone());
            apply_effects(book, operation, effects);
        })
    }

    fn unfinished(&self) -> Result<Vec<Recorded>, JournalError> {
        let book = self.shelf.book();
        let open = |events: &Vec<Event>| {
            !matches!(events.last().and_then(|event| event.kind.as_ref()), Some(Kind::Closed(_)))
        };
        let all = book.operations.iter().filter(|(_, events)| open(events));
        Ok(all
            .map(|(operation, events)| Recorded {
                operation: operation.clone(),
                events: events.clone(),
                damage: None,
            })
            .collect())
    }

    fn spec(&self, cluster: &str) -> Result<Option<Spec>, JournalError> {
        Ok(self.shelf.book().specs.get(cluster).cloned())
    }

    fn owed(&self) -> Result<Vec<Owed>, JournalError> {
        Ok(self.shelf.book().specs.values().flat_map(owed_by).collect())
    }

    fn burying(&self, host: &str, request: &StartJobRequest) -> Result<(), JournalError> {
        let key = request.key.clone().unwrap_or_default();
        let label = || format!("coordinator {}: tell of a tombstone for {host}", self.me.id.pid);
        let act = Act { number: key.act, host: host.to_owned(), ..Act::default() };
        let (act, attempt, term) = (Some(act), key.attempt, request.term.clone());
        let told = ActStarted { step: 0, act, attempt, term, undo: false };
        let done = self.world.durably(&self.me, &label, || {
            self.world.attempt_is_journalled(&key.operation, &told);
        });
        done.ok_or_else(|| JournalError("the process is dead".to_owned()))
    }

    fn term(&self) -> Term {
        let book = self.shelf.book();
        let incarnation = book.incarnation.clone();
        Term { number: book.term, store_id: "simulated-store".to_owned(), incarnation }
    }
}
