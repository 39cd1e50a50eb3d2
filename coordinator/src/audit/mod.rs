//! The coordinator's audit log: one record per changing call that was let in, refused or
//! answered, per event of an operation, per job that an agent told of, and of how far the
//! agents' own logs went. It lives beside the store, not in it: a store that lost its tail, or
//! was restored, does not take the log along.
//!
//! After a failed write nothing more is written: the journal fails with it, the program ends,
//! and the next start looks at what is there. Must not know the network or any system.

mod disk;
mod facts;
mod record;
mod verify;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bellows_proto::{
    audit::{Entry, Limits, Log, Refusals},
    v1::{
        AuditAcceptance, AuditAnswer, AuditCall, AuditHead, AuditJobReported, AuditOpened,
        AuditRecord, AuditWitness, Event, Job, audit_record::Kind, event,
    },
};

use disk::Folder;
pub use disk::Pieces;
pub use facts::{BURY, HostFacts, OwnFacts, RAISE_TERM};
pub use verify::{Verification, verify};

/// The audit log cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit log in {path}: {reason}")]
pub struct AuditError {
    /// Its folder.
    pub path: PathBuf,
    /// What the disk said.
    pub reason: String,
}

/// The log of a site. One writer at a time: whoever holds the store.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    now_ms: fn() -> i64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    log: Log<Folder>,
    failed: Option<AuditError>,
    known: Known,
    refusals: Refusals,
}

/// What the log tells already, so that nothing is told twice.
#[derive(Debug, Default)]
struct Known {
    /// Operations that are not closed, with the last event.
    events: BTreeMap<String, u64>,
    /// Jobs of such operations.
    jobs: BTreeSet<(String, String)>,
    /// How far each agent's log went.
    heads: BTreeMap<String, AuditHead>,
}

impl AuditLog {
    /// Opens the log in a folder, or begins one. Damage in it is logged and told by `audit
    /// verify`; it is no reason not to serve.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn open(path: &Path, limits: Limits, now_ms: fn() -> i64) -> Result<Self, AuditError> {
        let failed = |error: std::io::Error| failure(path, &error);
        let folder = Folder::make(path).map_err(failed)?;
        let mut known = Known::default();
        let log = Log::open(folder, limits, now_ms(), &mut |entry| known.learn(entry));
        let state =
            State { log: log.map_err(failed)?, failed: None, known, refusals: Refusals::default() };
        let audit = Self { path: path.to_owned(), now_ms, state: Mutex::new(state) };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let opened = AuditOpened { name: "coordinator".to_owned(), version };
        audit.append(&mut audit.state(), Kind::Opened(opened))?;
        Ok(audit)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, state: &mut State, kind: Kind) -> Result<u64, AuditError> {
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        match state.log.append((self.now_ms)(), kind) {
            Ok(head) => Ok(head.number),
            Err(error) => {
                let error = failure(&self.path, &error);
                tracing::error!(%error, "nothing is changed any more");
                state.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Why nothing is written any more; `None`: it is.
    pub fn failure(&self) -> Option<AuditError> {
        self.state().failed.clone()
    }

    /// How far the log goes.
    pub fn head(&self) -> AuditHead {
        self.state().log.head()
    }

    /// A changing call was let in and is about to be carried out. Returns the record's number.
    ///
    /// # Errors
    /// If it cannot be written: then it must not be carried out.
    pub fn call(&self, call: AuditCall) -> Result<u64, AuditError> {
        self.append(&mut self.state(), Kind::Call(call))
    }

    /// A call was answered.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn answer(&self, answer: AuditAnswer) -> Result<(), AuditError> {
        self.append(&mut self.state(), Kind::Answer(answer)).map(|_| ())
    }

    /// A call was refused before it was let in. The same again and again, or too many of them,
    /// are counted only.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn refused(&self, refusal: AuditAnswer) -> Result<(), AuditError> {
        let mut state = self.state();
        match state.refusals.take(refusal, (self.now_ms)()) {
            Some(refusal) => self.append(&mut state, Kind::Answer(refusal)).map(|_| ()),
            None => Ok(()),
        }
    }

    /// An event was journalled. One that the log has already is not written again.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn event(&self, operation: &str, event: &Event) -> Result<(), AuditError> {
        let mut state = self.state();
        self.append(&mut state, Kind::Event(record::event(operation, event)))?;
        state.known.event(operation, event);
        Ok(())
    }

    /// Operations that the log has not seen closed, with the number of the last event in it.
    pub fn open_operations(&self) -> BTreeMap<String, u64> {
        self.state().known.events.clone()
    }

    /// An agent told that a job has ended, and how far its own log went then. Once per job.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn job_ended(
        &self,
        host: &str,
        job: &Job,
        agent: Option<AuditHead>,
    ) -> Result<(), AuditError> {
        let key = job.key.as_ref().map(record::word).unwrap_or_default();
        let place = (host.to_owned(), key);
        let mut state = self.state();
        if state.known.jobs.contains(&place) {
            return Ok(());
        }
        let reported = AuditJobReported {
            host: host.to_owned(),
            job: Some(bellows_proto::audit::job_ended(job)),
            agent: agent.clone(),
        };
        self.append(&mut state, Kind::JobReported(reported))?;
        state.known.jobs.insert(place);
        state.known.heads.extend(agent.map(|head| (host.to_owned(), head)));
        Ok(())
    }

    /// An agent told how far its log goes; written where that is news.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn witness(&self, host: &str, agent: AuditHead) -> Result<(), AuditError> {
        let mut state = self.state();
        if agent.number == 0 || state.known.heads.get(host) == Some(&agent) {
            return Ok(());
        }
        let witness = AuditWitness { host: host.to_owned(), agent: Some(agent.clone()) };
        self.append(&mut state, Kind::Witness(witness))?;
        state.known.heads.insert(host.to_owned(), agent);
        Ok(())
    }

    /// An administrator took an agent's log as it is, up to `acceptance.agent`. Returns the
    /// record's number.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn accept(&self, acceptance: AuditAcceptance) -> Result<u64, AuditError> {
        let mut state = self.state();
        let (host, agent) = (acceptance.host.clone(), acceptance.agent.clone());
        let number = self.append(&mut state, Kind::Acceptance(acceptance))?;
        state.known.heads.extend(agent.map(|head| (host, head)));
        Ok(number)
    }

    /// What is there now, to be read segment by segment.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn pieces(&self) -> Result<Pieces, AuditError> {
        // Nobody writes meanwhile: every piece ends with a whole record.
        let state = self.state();
        state.log.disk().pieces().map_err(|error| failure(&self.path, &error))
    }
}

impl Known {
    fn learn(&mut self, entry: Entry) {
        if !entry.damage.is_empty() {
            let (number, damage) = (entry.number, entry.damage);
            tracing::error!(number, damage, "the audit log is damaged: see bellows audit verify");
        }
        let Some(AuditRecord { kind: Some(kind), .. }) = entry.record else { return };
        match kind {
            Kind::Event(told) => {
                if let Some(event) = &told.event {
                    self.event(&told.operation, event);
                }
            }
            Kind::JobReported(told) => {
                let key = told.job.as_ref().and_then(|job| job.key.as_ref()).map(record::word);
                self.jobs.extend(key.map(|key| (told.host.clone(), key)));
                self.heads.extend(told.agent.map(|head| (told.host, head)));
            }
            Kind::Witness(told) => self.heads.extend(told.agent.map(|head| (told.host, head))),
            Kind::Acceptance(told) => self.heads.extend(told.agent.map(|head| (told.host, head))),
            Kind::Opened(_)
            | Kind::Torn(_)
            | Kind::Pruned(_)
            | Kind::Call(_)
            | Kind::Answer(_)
            | Kind::JobAccepted(_)
            | Kind::JobEnded(_) => {}
        }
    }

    fn event(&mut self, operation: &str, event: &Event) {
        if matches!(event.kind, Some(event::Kind::Closed(_))) {
            self.events.remove(operation);
            self.jobs.retain(|(_, key)| key.split('/').next() != Some(operation));
            return;
        }
        let last = self.events.entry(operation.to_owned()).or_default();
        *last = event.sequence.max(*last);
    }
}

fn failure(path: &Path, error: &std::io::Error) -> AuditError {
    AuditError { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests;
