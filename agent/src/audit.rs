//! The agent's audit log: one record per changing call that was let in or refused, per job that
//! was accepted, and per job that ended, with every program that it ran. The agent is the only
//! writer: what a shim did stands in its job's folder, and comes into the log from there, once,
//! before the job is told as ended to anybody and before it is forgotten.
//!
//! Must not know what an action does. Secrets do not come here: arguments have none, and of
//! output there are digests only.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bellows_proto::{
    audit::{
        Disk, Limits, Log, RECORD_LIMIT, Refusals, SEGMENT_BYTES, index_of, job_ended,
        segment_name, words,
    },
    v1::{
        AuditAnswer, AuditCall, AuditChunk, AuditHead, AuditJobAccepted, AuditOpened, Fault,
        FaultCode, Job, JobKey, audit_record::Kind,
    },
};
use camino::Utf8PathBuf;

use crate::{
    facilities::Local,
    host::{Access, Host, HostError},
};

/// Bytes per chunk for a reader.
const CHUNK: usize = 64 * 1024;

/// Who makes a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Caller {
    /// The identity in its certificate, e.g. "coordinator (coordinator)".
    pub principal: String,
    /// How far its own log goes.
    pub head: Option<AuditHead>,
}

/// The log of this host. Lives on one thread, as the jobs do.
pub struct Audit {
    local: Local,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None`: to be opened (again): after an error nobody knows what is there.
    log: Option<Log<Folder>>,
    /// Jobs whose acceptance the log has.
    accepted: BTreeSet<String>,
    /// Jobs whose end the log has.
    ended: BTreeSet<String>,
    refusals: Refusals,
}

/// A place in the log, for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    segment: u64,
    /// Bytes of it that are whole records.
    length: u64,
}

impl Audit {
    /// The log in the data folder. Where it cannot be opened now, that is logged, and tried again
    /// before anything is changed.
    pub fn open(local: Local) -> Self {
        let audit = Self { local, state: Mutex::default() };
        let opened = AuditOpened {
            name: audit.local.config.agent.host.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        if let Err(fault) = audit.append(Kind::Opened(opened)) {
            tracing::error!(%fault, "nothing is changed before the audit log can be written");
        }
        audit
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folder(&self) -> Utf8PathBuf {
        self.local.config.agent.data_dir.join("audit")
    }

    /// Opens the log where it is not open, and learns which jobs it tells of.
    fn ready<'a>(&self, state: &'a mut State) -> Result<&'a mut Log<Folder>, Fault> {
        if state.log.is_none() {
            let folder = Folder { host: Arc::clone(&self.local.host), path: self.folder() };
            folder.host.create_directory(&folder.path, &Access::PRIVATE_DIRECTORY)?;
            let limits =
                Limits { keep: self.local.config.agent.audit_segments, ..Limits::default() };
            let (accepted, ended) = (&mut state.accepted, &mut state.ended);
            let log = Log::open(folder, limits, self.local.clock.now_ms(), &mut |entry| {
                if !entry.damage.is_empty() {
                    let (number, damage) = (entry.number, &entry.damage);
                    tracing::error!(number, damage, "the audit log is damaged");
                }
                match entry.record.and_then(|record| record.kind) {
                    Some(Kind::JobAccepted(job)) => accepted.extend(job.key.as_ref().map(word)),
                    Some(Kind::JobEnded(job)) => ended.extend(job.key.as_ref().map(word)),
                    Some(
                        Kind::Opened(_)
                        | Kind::Torn(_)
                        | Kind::Pruned(_)
                        | Kind::Call(_)
                        | Kind::Answer(_)
                        | Kind::Event(_)
                        | Kind::JobReported(_)
                        | Kind::Witness(_)
                        | Kind::Acceptance(_),
                    )
                    | None => {}
                }
            });
            state.log = Some(log.map_err(|error| unwritten(&error))?);
        }
        state.log.as_mut().ok_or_else(|| Fault::new(FaultCode::Internal, "no audit log"))
    }

    fn append(&self, kind: Kind) -> Result<(), Fault> {
        self.append_to(&mut self.state(), kind)
    }

    fn append_to(&self, state: &mut State, kind: Kind) -> Result<(), Fault> {
        let appended = self.ready(state)?.append(self.local.clock.now_ms(), kind);
        if appended.is_err() {
            state.log = None;
        }
        appended.map(|_| ()).map_err(|error| unwritten(&error))
    }

    /// How far the log goes; `None`: it cannot be written.
    pub fn head(&self) -> Option<AuditHead> {
        self.state().log.as_ref().map(Log::head)
    }

    /// A call that is about to change something.
    ///
    /// # Errors
    /// If it cannot be written: then nothing may be changed.
    pub fn call(&self, caller: &Caller, call: AuditCall) -> Result<(), Fault> {
        let (principal, coordinator) = (caller.principal.clone(), caller.head.clone());
        self.append(Kind::Call(AuditCall { principal, coordinator, ..call }))
    }

    /// What a call has led to, that was not known when it was answered.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn done(&self, call: &str, text: &str, good: bool) -> Result<(), Fault> {
        let code = if good { FaultCode::Unspecified } else { FaultCode::ToolFailed };
        let (call, text) = (call.to_owned(), text.to_owned());
        let answer = AuditAnswer { call, text, code: code.into(), ..AuditAnswer::default() };
        self.append(Kind::Answer(answer))
    }

    /// A changing call that was refused, or failed. The same again and again, or too many, are
    /// counted only. That it cannot be written is only logged: nothing was changed.
    pub fn refused(&self, caller: &Caller, call: &str, operation: &str, fault: &Fault) {
        let mut state = self.state();
        let now = self.local.clock.now_ms();
        let refusal = AuditAnswer {
            principal: caller.principal.clone(),
            call: call.to_owned(),
            operation: operation.chars().take(60).collect(),
            code: fault.code,
            text: words(fault),
            ..AuditAnswer::default()
        };
        let Some(refusal) = state.refusals.take(refusal, now) else { return };
        let kind = Kind::Answer(refusal);
        if let Err(fault) = self.append_to(&mut state, kind) {
            tracing::error!(%fault, call, "a refused call is not in the audit log");
        }
    }

    /// A job was accepted. Again: fine.
    ///
    /// # Errors
    /// If it cannot be written: then nothing of the job may run.
    pub fn accepted(&self, job: AuditJobAccepted) -> Result<(), Fault> {
        let key = job.key.as_ref().map(word).unwrap_or_default();
        let mut state = self.state();
        self.ready(&mut state)?;
        if state.accepted.contains(&key) {
            return Ok(());
        }
        self.append_to(&mut state, Kind::JobAccepted(job))?;
        state.accepted.insert(key);
        Ok(())
    }

    /// Whether the log has the acceptance of a job.
    pub fn knows(&self, key: &JobKey) -> bool {
        self.state().accepted.contains(&word(key))
    }

    /// A job has ended. Again: fine; the log has each end once, whatever crashed.
    ///
    /// # Errors
    /// If it cannot be written: then the job may not be forgotten.
    pub fn ended(&self, job: &Job) -> Result<(), Fault> {
        let key = job.key.as_ref().map(word).unwrap_or_default();
        let mut state = self.state();
        if state.log.is_some() && state.ended.contains(&key) {
            return Ok(());
        }
        self.ready(&mut state)?;
        if state.ended.contains(&key) {
            return Ok(());
        }
        self.append_to(&mut state, Kind::JobEnded(job_ended(job)))?;
        state.ended.insert(key);
        Ok(())
    }

    /// The operation is over and its jobs are gone.
    pub fn forget(&self, operation: &str) {
        let of = |key: &String| key.split_once('/').is_some_and(|(id, _)| id == operation);
        let mut state = self.state();
        state.accepted.retain(|key| !of(key));
        state.ended.retain(|key| !of(key));
    }

    /// What is there now from a segment on, to be read piece by piece.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn pieces(&self, from_segment: u64) -> Result<Vec<Piece>, Fault> {
        let host = self.local.host.as_ref();
        let mut pieces = Vec::new();
        for name in host.list(&self.folder())? {
            let Some(segment) = index_of(&name).filter(|index| *index >= from_segment) else {
                continue;
            };
            let length = host.metadata(&self.folder().join(&name))?.map_or(0, |found| found.length);
            pieces.push(Piece { segment, length });
        }
        Ok(pieces)
    }

    /// Bytes of a piece from `offset`; `None`: this was all.
    ///
    /// # Errors
    /// If they cannot be read, or were removed meanwhile.
    pub fn read(&self, piece: Piece, offset: u64) -> Result<Option<AuditChunk>, Fault> {
        let left = piece.length.saturating_sub(offset);
        if left == 0 {
            return Ok(None);
        }
        let path = self.folder().join(segment_name(piece.segment));
        let limit = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let bytes = self.local.host.read_at(&path, offset, limit)?;
        match bytes.filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => Ok(Some(AuditChunk { segment: piece.segment, offset, bytes })),
            None => Err(Fault::new(FaultCode::Io, "the audit log changed while it was read")
                .remedy("read it again")),
        }
    }
}

fn word(key: &JobKey) -> String {
    format!("{}/{}/{}", key.operation, key.act, key.attempt)
}

fn unwritten(error: &HostError) -> Fault {
    Fault::new(FaultCode::Io, format!("the audit log cannot be written: {error}")).remedy(
        "look at the disk of the agent's data_dir: without its audit log it changes nothing",
    )
}

/// The log's folder through the host.
struct Folder {
    host: Arc<dyn Host>,
    path: Utf8PathBuf,
}

impl Disk for Folder {
    type Error = HostError;

    fn list(&self) -> Result<Vec<String>, HostError> {
        self.host.list(&self.path)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, HostError> {
        let longest = u64::try_from(RECORD_LIMIT).unwrap_or(u64::MAX).saturating_mul(2);
        let found = self.host.read(&self.path.join(name), SEGMENT_BYTES.saturating_add(longest))?;
        // One that went meanwhile is missing, and the reader says so.
        Ok(found.unwrap_or_default())
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<(), HostError> {
        let path = self.path.join(name);
        if self.host.create(&path, bytes, &Access::PRIVATE)? {
            return Ok(());
        }
        let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        Err(HostError { operation: "create", path, source })
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), HostError> {
        let path = self.path.join(name);
        self.host.append(&path, bytes)?;
        self.host.sync(&path)
    }

    fn remove(&self, name: &str) -> Result<(), HostError> {
        self.host.remove_file(&self.path.join(name))
    }
}
