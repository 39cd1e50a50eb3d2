//! Jobs: one run of an action, once, whatever crashes. The agent writes the record before
//! anything starts; the shim outlives the agent and writes how it went. What the agent knows
//! of a job is always read from disk, so that a restarted agent knows the same.
//!
//! Must not look into actions: fencing, duplicates, deadlines and cancel are written once.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use bellows_proto::{
    defect::{Defect, is_seeded},
    v1::{
        AnnounceTermRequest, CancelJobRequest, CloseRequest, Fault, FaultCode, GetJobRequest,
        HelloReply, Job, JobKey, OutputChunk, PlantFenceRequest, SealRequest,
    },
};
use camino::Utf8PathBuf;

mod audited;
pub mod by_hand;
mod ending;
pub mod kept;
mod launch;
pub mod ledger;
pub mod output;
mod recorder;
pub mod shim;
mod start;
pub mod store;

pub use launch::ShimProgram;

use crate::{
    audit::{Audit, Caller},
    config::Mode,
    facilities::{Local, secrets},
    host::Access,
    tools::host::{boot_id, machine_id},
};
use kept::Kept;
use ledger::Ledger;
use store::{Canceller, JobDir, has_ended, word};

/// A waiting call looks at the disk so often.
const POLL: Duration = Duration::from_millis(100);
/// `GetJob` waits at most so long.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// All jobs of this host. Cheap to clone. Lives on one thread: between two awaits nobody else
/// changes anything.
#[derive(Clone)]
pub struct Jobs(Arc<Inner>, Caller);

struct Inner {
    local: Local,
    shim: ShimProgram,
    ledger: Ledger,
    kept: Kept,
    audit: Audit,
    /// Accepted by this agent and being launched right now: not lost, though no process
    /// is there yet.
    launching: Mutex<BTreeSet<String>>,
}

impl Jobs {
    /// The jobs that the disk knows. Adopts what still runs and goes on ending what was to end.
    ///
    /// # Errors
    /// If the records cannot be read.
    pub fn open(local: Local, shim: ShimProgram) -> Result<Self, Fault> {
        let root = local.config.agent.data_dir.join("jobs");
        local.host.create_directory(&root, &Access::PRIVATE_DIRECTORY)?;
        let inner = Inner {
            ledger: Ledger::new(local.clone()),
            kept: Kept::new(local.clone()),
            audit: Audit::open(local.clone()),
            local,
            shim,
            launching: Mutex::default(),
        };
        let jobs = Self(Arc::new(inner), Caller::default());
        jobs.adopt()?;
        Ok(jobs)
    }

    fn root(&self) -> Utf8PathBuf {
        self.0.local.config.agent.data_dir.join("jobs")
    }

    fn dir(&self, key: Option<&JobKey>) -> Result<JobDir, Fault> {
        let key = key.ok_or_else(|| Fault::new(FaultCode::Invalid, "the job's key is missing"))?;
        JobDir::of(&self.root(), key)
    }

    /// What one damaged record hides is told by the calls that need it, not by refusing to run.
    fn adopt(&self) -> Result<(), Fault> {
        let mut running = BTreeSet::new();
        for dir in self.dirs("")? {
            match self.current(&dir) {
                Ok(Some(job)) if !has_ended(&job) => {
                    let key = job.key.as_ref().map(word).unwrap_or_default();
                    tracing::info!(job = key, "adopted a running job");
                    running.insert(key);
                    if dir.is_cancelled(self.0.local.host.as_ref())? {
                        self.see_it_end(dir);
                    }
                }
                Ok(_) => {}
                Err(fault) => {
                    tracing::error!(%fault, job = %dir.path(), "a job's record cannot be read");
                    running.extend(dir.word());
                }
            }
        }
        secrets::clear_all_but(&self.0.local, &running)
    }

    /// Who is there.
    ///
    /// # Errors
    /// If a record cannot be read.
    pub fn hello(&self) -> Result<HelloReply, Fault> {
        let local = &self.0.local;
        Ok(HelloReply {
            host: local.config.agent.host.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            term: self.0.ledger.term()?,
            fences: self.0.ledger.fences()?,
            boot_id: boot_id(local.host.as_ref())?,
            machine_id: machine_id(local.host.as_ref())?,
            mode: local.config.agent.mode.as_str().to_owned(),
            certificate: None,
            authorities: Vec::new(),
            protocol: bellows_proto::release::PROTOCOL,
        })
    }

    fn refuse_observer(&self) -> Result<(), Fault> {
        match self.0.local.config.agent.mode {
            Mode::Manage => Ok(()),
            Mode::Observe => Err(Fault::new(
                FaultCode::Denied,
                "this host may only be observed: its agent.toml says so",
            )
            .remedy("set agent.mode to \"manage\" on the host")),
        }
    }

    /// Remembers durably who leads from now on. Idempotent.
    ///
    /// # Errors
    /// `FAULT_CODE_STALE_TERM` if another one leads, `FAULT_CODE_INVALID`.
    pub fn announce_term(&self, request: &AnnounceTermRequest) -> Result<(), Fault> {
        let before = self.0.ledger.term()?;
        self.0.ledger.accept(request.term.as_ref())?;
        // The ledger tells who leads; the log tells who said so, and when.
        if before == request.term {
            return Ok(());
        }
        self.audit_call("AnnounceTerm", None, request.term.as_ref())
    }

    /// Whether whoever calls leads; its call is in the audit log then.
    ///
    /// # Errors
    /// `FAULT_CODE_STALE_TERM` if another one leads, `FAULT_CODE_INVALID`, or the log cannot be written.
    pub fn obey(&self, call: &str, term: Option<&bellows_proto::v1::Term>) -> Result<(), Fault> {
        self.0.ledger.accept(term)?;
        self.audit_call(call, None, term)
    }

    /// Plants a fence, durably. Idempotent.
    ///
    /// # Errors
    /// `FAULT_CODE_STALE_TERM`, `FAULT_CODE_FENCED`, `FAULT_CODE_DENIED`, `FAULT_CODE_INVALID`.
    pub fn plant_fence(&self, request: PlantFenceRequest) -> Result<(), Fault> {
        self.refuse_observer()?;
        self.0.ledger.accept(request.term.as_ref())?;
        let fence = bellows_proto::v1::Fence {
            cluster: request.cluster.clone(),
            operation: request.operation.clone(),
            term: request.term.clone(),
        };
        self.0.ledger.may_plant(&fence)?;
        self.audit_fence(&fence)?;
        // First: there is never a fence whose operation nobody could tell.
        self.keep_operation(request)?;
        self.0.ledger.plant(&fence)
    }

    /// The job of a key, or `None` after writing durably that it never was and never will be.
    ///
    /// # Errors
    /// `FAULT_CODE_STALE_TERM`, `FAULT_CODE_INVALID`, `FAULT_CODE_IO`; `FAULT_CODE_CONFLICT` if the
    /// operation is closed: its jobs are forgotten, so what was cannot be told any more.
    pub fn seal(&self, request: &SealRequest) -> Result<Option<Job>, Fault> {
        let dir = self.dir(request.key.as_ref())?;
        self.0.ledger.accept(request.term.as_ref())?;
        let key = request.key.clone().unwrap_or_default();
        self.0.ledger.refuse_closed(&key.operation)?;
        if let Some(job) = self.current(&dir)? {
            return Ok(Some(job));
        }
        let host = self.0.local.host.as_ref();
        let above = dir.never();
        if let Some(folder) = above.parent() {
            host.create_directory(folder, &Access::PRIVATE_DIRECTORY)?;
        }
        if host.metadata(&above)?.is_none() {
            self.audit_call("Seal", request.key.as_ref(), request.term.as_ref())?;
        }
        if !is_seeded(Defect::SealForgotten) {
            // Sealed already is as good.
            host.create(&above, b"", &Access::PRIVATE)?;
        }
        Ok(None)
    }

    /// A job; waits for a higher revision where asked to.
    ///
    /// # Errors
    /// `FAULT_CODE_NOT_FOUND` if there is none.
    pub async fn get(&self, request: GetJobRequest) -> Result<Job, Fault> {
        let dir = self.dir(request.key.as_ref())?;
        let wait = Duration::from_millis(request.wait_ms.into()).min(LONGEST_WAIT);
        let mut waited = Duration::ZERO;
        loop {
            let job = self.required(&dir)?;
            if job.revision > request.after_revision || has_ended(&job) || waited >= wait {
                return Ok(job);
            }
            self.0.local.clock.sleep(POLL).await;
            waited += POLL;
        }
    }

    /// Jobs of an operation, or of all (empty), in order of operation, act and attempt.
    ///
    /// # Errors
    /// If records cannot be read.
    pub fn list(&self, operation: &str) -> Result<Vec<Job>, Fault> {
        let mut jobs = Vec::new();
        for dir in self.dirs(operation)? {
            jobs.extend(self.current(&dir)?);
        }
        jobs.sort_by_key(|job| {
            let key = job.key.clone().unwrap_or_default();
            (key.operation, key.act, key.attempt)
        });
        Ok(jobs)
    }

    /// Output from an offset; waits for more; `None`: the job has ended and this was all.
    ///
    /// # Errors
    /// `FAULT_CODE_NOT_FOUND` if there is no such job.
    pub async fn output(
        &self,
        key: Option<&JobKey>,
        offset: u64,
        follow: bool,
    ) -> Result<Option<OutputChunk>, Fault> {
        let dir = self.dir(key)?;
        loop {
            // Asked before the read: what it wrote before its end is there then.
            let ended = has_ended(&self.required(&dir)?);
            let chunk = output::read(self.0.local.host.as_ref(), &dir, offset)?;
            if chunk.is_some() || ended || !follow {
                return Ok(chunk);
            }
            self.0.local.clock.sleep(POLL).await;
        }
    }

    /// Asks a job to end: TERM, then KILL, to all of it. Returns it as it is now; that it has
    /// ended is for [`Jobs::get`] to wait for. Idempotent.
    ///
    /// # Errors
    /// `FAULT_CODE_STALE_TERM`, `FAULT_CODE_NOT_FOUND`.
    pub fn cancel(&self, request: &CancelJobRequest) -> Result<Job, Fault> {
        let dir = self.dir(request.key.as_ref())?;
        self.0.ledger.accept(request.term.as_ref())?;
        let job = self.required(&dir)?;
        if has_ended(&job) {
            return Ok(job);
        }
        let host = self.0.local.host.as_ref();
        if !dir.is_cancelled(host)? {
            self.audit_call("CancelJob", request.key.as_ref(), request.term.as_ref())?;
        }
        if dir.ask_to_end(host, &Canceller::Coordinator)? {
            self.see_it_end(dir);
        }
        Ok(job)
    }

    /// Closes an operation: its jobs are forgotten, its fences lifted, its id never accepted
    /// again. Idempotent.
    ///
    /// # Errors
    /// `FAULT_CODE_CONFLICT` if a job of it still runs; `FAULT_CODE_STALE_TERM`.
    pub fn close(&self, request: &CloseRequest) -> Result<(), Fault> {
        self.0.ledger.accept(request.term.as_ref())?;
        let id = store::operation(&request.operation)?;
        for job in self.list(id)? {
            if !has_ended(&job) {
                let key = job.key.as_ref().map(word).unwrap_or_default();
                return Err(Fault::new(
                    FaultCode::Conflict,
                    format!("job {key} still runs, so its operation cannot be closed"),
                )
                .remedy("cancel the job and wait for its end"));
            }
        }
        self.audit_close(request)?;
        self.keep_last_spec(request)?;
        self.0.ledger.close(id)?;
        self.0.kept.forget(id)?;
        self.0.local.host.remove_directory(&self.root().join(id))?;
        self.0.audit.forget(id);
        Ok(())
    }

    /// Folders of jobs, sorted by name.
    fn dirs(&self, operation: &str) -> Result<Vec<JobDir>, Fault> {
        let host = &self.0.local.host;
        let operations = if operation.is_empty() {
            host.list(&self.root())?
        } else {
            vec![store::operation(operation)?.to_owned()]
        };
        let mut dirs = Vec::new();
        for operation in operations {
            let folder = self.root().join(operation);
            for name in host.list(&folder)? {
                if !name.starts_with('.') && !name.ends_with(".never") {
                    dirs.push(JobDir::at(folder.join(name)));
                }
            }
        }
        Ok(dirs)
    }

    fn required(&self, dir: &JobDir) -> Result<Job, Fault> {
        self.current(dir)?.ok_or_else(|| {
            let message = format!("there is no job at {}", dir.path().file_name().unwrap_or("?"));
            Fault::new(FaultCode::NotFound, message)
        })
    }

    /// The job as it is: one without an exit record is looked after first.
    fn current(&self, dir: &JobDir) -> Result<Option<Job>, Fault> {
        let mut job = dir.job(self.0.local.host.as_ref())?;
        if job.as_ref().is_some_and(|job| !has_ended(job)) {
            let launching = |key: &str| self.launching().contains(key);
            ending::look_after(&self.0.local, dir, &launching)?;
            job = dir.job(self.0.local.host.as_ref())?;
        }
        if let Some(job) = &job
            && let Err(fault) = self.audit_job(dir, job)
        {
            // It can still be asked for; only it cannot be forgotten.
            tracing::error!(%fault, job = %dir.path(), "a job is not in the audit log yet");
        }
        Ok(job)
    }
}
