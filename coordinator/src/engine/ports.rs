//! The four ports of the engine: calls, pure systems, the journal, the clock. The program
//! puts gRPC, `systems`, sled and the real clock behind them; tests and the simulation put
//! their own. The engine knows nothing else of the world.

use std::{future::Future, time::Duration};

use bellows_proto::v1::{
    Act, Action, Answer, Asked, CancelJobRequest, CloseRequest, Condition, Event, Fault,
    GetJobRequest, HelloReply, Intent, IntentOptions, Job, KeyValue, Lock, MemberView, NodeAt,
    Observation, Plan, PlantFenceRequest, Progress, Query, Refusal, SealRequest, Spec,
    StartJobRequest, System, Term,
};

/// Calls to agents. Each call has its own deadline and answers with a [`Fault`] when it did
/// not get through; an unreachable host is `FAULT_CODE_UNREACHABLE` or `FAULT_CODE_DEADLINE`.
/// Implementations do not retry: the engine decides what is safe to repeat.
pub trait Agents: Send + Sync + 'static {
    /// Who is there.
    fn hello(&self, host: &str) -> impl Future<Output = Result<HelloReply, Fault>> + Send;
    /// Answers a query within 5 s.
    fn ask(&self, host: &str, query: Query) -> impl Future<Output = Result<Answer, Fault>> + Send;
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

/// What a condition is, judged by an observation.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not hold yet, and may by itself. With the number that must reach its goal.
    NotYet {
        /// In words, with the names of what is missing.
        reason: String,
        /// How far it is, where it is measured.
        progress: Option<Progress>,
    },
    /// It does not hold and waiting will not help.
    Refused(String),
    /// It cannot be known: a host did not answer, a reading is missing.
    Unknown(String),
}

/// Whether an action has had its effect, judged by an observation asked for after the seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Its whole effect is there.
    Done,
    /// Nothing of it is there.
    NotDone,
    /// Something of it is there: what.
    Partial(String),
    /// It cannot be known: why.
    Unknown(String),
}

/// A query and the host that is to answer it.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Who.
    pub host: String,
    /// What.
    pub query: Query,
}

/// What `status` shows of an observation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Description {
    /// In natural order of the nodes.
    pub members: Vec<MemberView>,
    /// Empty: healthy. One sentence each.
    pub problems: Vec<String>,
}

/// The systems: pure functions. No clock, no I/O, no order of hash maps in what they decide.
pub trait Systems: Send + Sync + 'static {
    /// What is to be asked next, given what was answered so far; empty: nothing more.
    /// `intent` is `None` for `status`. Never more than a few rounds.
    fn next_queries(
        &self,
        spec: &Spec,
        intent: Option<&Intent>,
        answers: &[Asked],
    ) -> Vec<Question>;
    /// Makes the snapshot. What did not answer stays a hole with its fault.
    fn observation(&self, spec: &Spec, answers: &[Asked]) -> Observation;
    /// The steps to what is wanted, or every guard that says no.
    ///
    /// Everything but `id`, `site` and `planned_at_ms` is set.
    fn plan(
        &self,
        spec: &Spec,
        observation: &Observation,
        intent: &Intent,
    ) -> Result<Plan, Vec<Refusal>>;
    /// Judges a condition. An empty condition is `Refused`.
    fn check(&self, condition: &Condition, observation: &Observation) -> Verdict;
    /// Judges whether an action has had its effect.
    fn probe(&self, action: &Action, observation: &Observation) -> Probe;
    /// Fills in what only can be known just before the act starts, its undo acts included.
    ///
    /// # Errors
    /// Says what is missing.
    fn resolve(&self, act: &Act, observation: &Observation) -> Result<Act, String>;
    /// Where the end is not as predicted, one sentence each; unpredicted fields never are.
    fn drift(&self, prediction: &Observation, observation: &Observation) -> Vec<String>;
    /// For the eyes.
    fn describe(&self, spec: &Spec, observation: &Observation) -> Description;
    /// Types the options of a verb ("create", "expand", "shrink").
    ///
    /// # Errors
    /// All mistakes at once, one sentence each, naming the known keys.
    fn options(
        &self,
        system: System,
        verb: &str,
        options: &[KeyValue],
    ) -> Result<IntentOptions, Vec<String>>;
    /// Revision of the system's planner: plans of another revision are not carried out.
    fn revision(&self, system: System) -> u32;
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
    pub damage: Option<String>,
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
    /// The coordinator's own term.
    fn term(&self) -> Term;
}

/// Time and chance.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
    /// Sleeps.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;
    /// Random bytes: ids and jitter.
    fn random(&self) -> [u8; 16];
}

/// Nodes that an intent adds, with their hosts.
pub fn added(intent: &Intent) -> &[NodeAt] {
    use bellows_proto::v1::intent::Verb;
    match &intent.verb {
        Some(Verb::Create(create)) => &create.nodes,
        Some(Verb::Expand(expand)) => &expand.nodes,
        Some(Verb::Shrink(_)) | None => &[],
    }
}

/// The intent's verb, as the command line and reports call it.
pub fn verb(intent: &Intent) -> &'static str {
    use bellows_proto::v1::intent::Verb;
    match &intent.verb {
        Some(Verb::Create(_)) => "create",
        Some(Verb::Expand(_)) => "expand",
        Some(Verb::Shrink(_)) => "shrink",
        None => "",
    }
}
