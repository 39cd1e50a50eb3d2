//! The four ports of the engine: calls, pure systems, the journal, the clock. The program
//! puts gRPC, `systems`, sled and the real clock behind them; tests and the simulation put
//! their own. The engine knows nothing else of the world.

use std::{future::Future, time::Duration};

use bellows_proto::v1::{
    Answer, CancelJobRequest, CloseRequest, Event, Fault, GetJobRequest, HelloReply, Job, Lock,
    PlantFenceRequest, Query, SealRequest, Spec, SpecTombstone, StartJobRequest, Term,
};

pub use crate::plan::{Description, Probe, Question, Systems, Verdict, added};

/// Calls to agents. Each call has its own deadline and answers with a [`Fault`] when it did
/// not get through; an unreachable host is `FAULT_CODE_UNREACHABLE` or `FAULT_CODE_DEADLINE`.
/// Implementations do not retry: the engine decides what is safe to repeat.
pub trait Agents: Send + Sync + 'static {
    /// Who is there.
    fn hello(&self, host: &str) -> impl Future<Output = Result<HelloReply, Fault>> + Send;
    /// Answers a query within 5 s. The reading of a survey began at most `max_age_ms` ago; one that is not
    /// there yet is `FAULT_CODE_SURVEYING`.
    fn ask(
        &self,
        host: &str,
        query: Query,
        max_age_ms: u64,
    ) -> impl Future<Output = Result<Reading, Fault>> + Send;
    /// Plants a fence, durably. Idempotent.
    fn plant_fence(
        &self,
        host: &str,
        request: PlantFenceRequest,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Starts a job once; the same key returns the same job.
    fn start_job(
        &self,
        host: &str,
        request: StartJobRequest,
    ) -> impl Future<Output = Result<Job, Fault>> + Send;
    /// The job of a key, or `None`: it never was and never will be.
    fn seal(
        &self,
        host: &str,
        request: SealRequest,
    ) -> impl Future<Output = Result<Option<Job>, Fault>> + Send;
    /// A job; waits for a change where asked to.
    fn get_job(
        &self,
        host: &str,
        request: GetJobRequest,
    ) -> impl Future<Output = Result<Job, Fault>> + Send;
    /// All jobs that the host has of an operation.
    fn list_jobs(
        &self,
        host: &str,
        operation: &str,
    ) -> impl Future<Output = Result<Vec<Job>, Fault>> + Send;
    /// Ends a job. Idempotent.
    fn cancel_job(
        &self,
        host: &str,
        request: CancelJobRequest,
    ) -> impl Future<Output = Result<Job, Fault>> + Send;
    /// The operation is over. Idempotent.
    fn close(
        &self,
        host: &str,
        request: CloseRequest,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// An answer to a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The answer.
    pub answer: Answer,
    /// How long ago the reading of a survey began, milliseconds; 0 for what is no survey.
    pub age_ms: u64,
}

impl From<Answer> for Reading {
    /// Of what is no survey.
    fn from(answer: Answer) -> Self {
        Self { answer, age_ms: 0 }
    }
}

/// What changes in the same transaction as an event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effects {
    /// This version of the spec is stored, with all before it.
    pub put_spec: Option<Spec>,
    /// The cluster of this name is gone.
    pub remove_cluster: Option<String>,
    /// The operation's locks are released.
    pub release_locks: bool,
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// e.g. "cluster/orders"
    pub resource: String,
    /// The operation's id.
    pub operation: String,
}

/// Why an operation cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// Another operation holds a lock.
    #[error("{} is held by operation {}", .0.resource, .0.operation)]
    Locked(Holder),
    /// The spec is at another version than the plan was made for.
    #[error("the spec is at version {found}, the plan starts from {planned}")]
    SpecVersion {
        /// The plan's.
        planned: u64,
        /// The store's.
        found: u64,
    },
    /// The journal itself failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The journal cannot be written or read. The program ends: recovery runs at restart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("journal: {0}")]
pub struct JournalError(pub String);

/// An operation as the journal has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its id.
    pub operation: String,
    /// From sequence 1, without gaps.
    pub events: Vec<Event>,
    /// Why its record cannot be trusted (a gap, a wrong hash); `None`: it can.
    pub damage: Option<Damage>,
}

/// What is known of an operation whose record is damaged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Damage {
    /// What is wrong, and where.
    pub text: String,
    /// Events behind the damage that can be trusted, up to the last one.
    pub after: Vec<Event>,
    /// The number of the last event that was written; `None`: it is lost, and nothing can be
    /// appended any more.
    pub last: Option<u64>,
}

/// The journal. When a call returns, what it wrote is durable (after `fdatasync`).
pub trait Journal: Send + Sync + 'static {
    /// Begins an operation: its first event, its locks and the check of the spec version, in
    /// one transaction.
    ///
    /// # Errors
    /// If a lock is held, the spec has moved on, or the journal fails; nothing is changed then.
    fn begin(
        &self,
        operation: &str,
        accepted: &Event,
        cluster: &str,
        spec_version: u64,
        locks: &[Lock],
    ) -> Result<(), BeginError>;
    /// Appends an event with its effects, in one transaction. `event.sequence` must be the
    /// next number.
    ///
    /// # Errors
    /// If the journal fails or the number is not the next.
    fn append(&self, operation: &str, event: &Event, effects: &Effects)
    -> Result<(), JournalError>;
    /// All operations whose last event is not `closed`.
    ///
    /// # Errors
    /// If the journal cannot be read.
    fn unfinished(&self) -> Result<Vec<Recorded>, JournalError>;
    /// The newest version of a cluster's spec.
    ///
    /// # Errors
    /// If the journal cannot be read.
    fn spec(&self, cluster: &str) -> Result<Option<Spec>, JournalError>;
    /// All tombstones that their hosts did not get in their operations, because they were named
    /// dead; delivered since or not.
    ///
    /// # Errors
    /// If the journal cannot be read.
    fn owed(&self) -> Result<Vec<Owed>, JournalError>;
    /// A tombstone that is owed is about to be asked for: told to the audit log.
    ///
    /// # Errors
    /// If that cannot be told: then it must not be asked for.
    fn burying(&self, host: &str, request: &StartJobRequest) -> Result<(), JournalError>;
    /// The coordinator's own term.
    fn term(&self) -> Term;
}

/// A tombstone that a host must get when it comes back.
#[derive(Debug, Clone, PartialEq)]
pub struct Owed {
    /// The newest spec of its cluster.
    pub spec: Spec,
    /// The tombstone.
    pub stone: SpecTombstone,
}

/// Those of a spec.
pub fn owed_by(spec: &Spec) -> Vec<Owed> {
    let owed = spec.tombstones.iter().filter(|stone| stone.owed_act != 0);
    owed.map(|stone| Owed { spec: spec.clone(), stone: stone.clone() }).collect()
}

/// Time and chance.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
    /// Since a moment that is the same for this clock: never goes back, whoever sets the time of day. Clocks
    /// of tests and simulations, which nobody sets, take the time of day for it.
    fn elapsed(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now_ms()).unwrap_or(0))
    }
    /// Seconds that local time is ahead of UTC at a moment: for maintenance windows. UTC unless a clock
    /// knows better.
    fn utc_offset_s(&self, at_ms: i64) -> i32 {
        let _ = at_ms;
        0
    }
    /// Sleeps.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;
    /// Random bytes: ids and jitter.
    fn random(&self) -> [u8; 16];
}
