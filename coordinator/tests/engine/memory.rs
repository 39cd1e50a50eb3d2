//! Agents, journal and clock in memory, with crashes and faults on order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use bellows::engine::ports::{
    Agents, BeginError, Clock, Damage, Effects, Holder, Journal, JournalError, Owed, Recorded,
    owed_by,
};
use bellows_proto::v1::{
    Action, Answer, CancelJobRequest, CloseRequest, Event, Fault, FaultCode, Fence, GetJobRequest,
    HelloReply, HostAnswer, HostFacts, Job, JobKey, JobState, Lock, NodeRecord, PlantFenceRequest,
    Query, SealRequest, Spec, StartJobRequest, Term, action, answer, host_action, host_answer,
};

/// What happens to the first attempt of an act that gets to its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Ends with a fault, and has done nothing.
    Fails,
    /// Ends with a fault, although its effect is there.
    FailsAfterEffect,
    /// Ends with a fault, half done.
    FailsHalfWay,
    /// Runs, but the answer to its start is lost.
    AnswerLost,
    /// Never arrives in time; a start that arrives after the seal is refused.
    StartLost,
    /// Says success and has done nothing.
    Lies,
    /// Never ends by itself.
    Hangs,
}

#[derive(Default)]
struct State {
    shelves: BTreeMap<String, BTreeSet<String>>,
    jobs: BTreeMap<(String, u32, u32), Job>,
    never: BTreeSet<(String, u32, u32)>,
    fences: BTreeMap<String, PlantFenceRequest>,
    closed: BTreeSet<(String, String)>,
    term: Term,
}

/// Agents of all hosts, and the hosts themselves.
pub struct MemoryAgents {
    state: Mutex<State>,
    /// Effects that were begun, by act and attempt: nothing may run twice.
    pub runs: Mutex<Vec<(u32, u32)>>,
    pub trouble: Mutex<BTreeMap<u32, Trouble>>,
    /// The first attempt of each act that got here: the one that has the trouble.
    first: Mutex<BTreeMap<u32, u32>>,
    pub unreachable: Mutex<BTreeSet<String>>,
    /// Hosts whose readings cannot be had, though their agents answer.
    pub blind: Mutex<BTreeSet<String>>,
    /// Length of a job.
    pub job_time: Duration,
}

impl Default for MemoryAgents {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            runs: Mutex::default(),
            trouble: Mutex::default(),
            first: Mutex::default(),
            unreachable: Mutex::default(),
            blind: Mutex::default(),
            job_time: Duration::from_millis(300),
        }
    }
}

fn fault(code: FaultCode, host: &str, message: &str) -> Fault {
    Fault { code: code.into(), host: host.into(), message: message.into(), ..Fault::default() }
}

fn id(host: &str, key: &JobKey) -> (String, u32, u32) {
    (host.to_owned(), key.act, key.attempt)
}

impl MemoryAgents {
    /// All things on all shelves.
    pub fn things(&self) -> BTreeSet<(String, String)> {
        let state = self.state.lock().unwrap();
        let all = state.shelves.iter();
        all.flat_map(|(host, things)| things.iter().map(|t| (host.clone(), t.clone()))).collect()
    }

    /// Somebody else puts something on a shelf.
    pub fn intrude(&self, host: &str, thing: &str) {
        self.state.lock().unwrap().shelves.entry(host.into()).or_default().insert(thing.into());
    }

    pub fn remove(&self, host: &str, thing: &str) {
        self.state.lock().unwrap().shelves.entry(host.into()).or_default().remove(thing);
    }

    pub fn fences_left(&self) -> usize {
        self.state.lock().unwrap().fences.len()
    }

    /// The host was put back to a snapshot: its agent does not remember what is closed.
    #[allow(dead_code)] // only the command line tests need it
    pub fn put_back(&self, host: &str) {
        self.state.lock().unwrap().closed.retain(|(at, _)| at != host);
    }

    fn reach(&self, host: &str) -> Result<(), Fault> {
        if self.unreachable.lock().unwrap().contains(host) {
            return Err(fault(FaultCode::Unreachable, host, "no route"));
        }
        Ok(())
    }

    pub fn allow(&self, host: &str, term: Option<&Term>) -> Result<(), Fault> {
        let mut state = self.state.lock().unwrap();
        let term = term.cloned().unwrap_or_default();
        if term.number < state.term.number {
            return Err(fault(FaultCode::StaleTerm, host, "a newer coordinator was here"));
        }
        state.term = term;
        Ok(())
    }

    fn trouble_of(&self, key: &JobKey) -> Option<Trouble> {
        let trouble = self.trouble.lock().unwrap().get(&key.act).copied();
        let mut first = self.first.lock().unwrap();
        trouble.filter(|_| *first.entry(key.act).or_insert(key.attempt) == key.attempt)
    }

    /// Ends a job: its effect and its outcome.
    fn end(&self, host: &str, key: &JobKey, cancelled: bool) {
        let trouble = self.trouble_of(key);
        let mut state = self.state.lock().unwrap();
        let Some(job) = state.jobs.get(&id(host, key)).cloned() else { return };
        if job.state() != JobState::Running {
            return;
        }
        let effect = !cancelled
            && !matches!(trouble, Some(Trouble::Fails | Trouble::FailsHalfWay | Trouble::Lies));
        let shelf = state.shelves.entry(host.to_owned()).or_default();
        let half = cancelled || trouble == Some(Trouble::FailsHalfWay);
        work(shelf, job.action.as_ref(), effect, half);
        let failed = matches!(
            trouble,
            Some(Trouble::Fails | Trouble::FailsAfterEffect | Trouble::FailsHalfWay)
        );
        let job = state.jobs.get_mut(&id(host, key)).unwrap();
        job.revision += 1;
        job.set_state(match (cancelled, failed) {
            (true, _) => JobState::Cancelled,
            (false, true) => JobState::Failed,
            (false, false) => JobState::Succeeded,
        });
        if failed || cancelled {
            job.fault = Some(fault(FaultCode::ToolFailed, host, "the tool failed"));
        }
    }
}

fn work(shelf: &mut BTreeSet<String>, action: Option<&Action>, effect: bool, half: bool) {
    let Some(Action { kind: Some(action::Kind::Host(host)) }) = action else { return };
    match &host.kind {
        Some(host_action::Kind::ClaimResource(it)) => {
            if half {
                shelf.insert(format!("half {}", it.resource));
            } else if effect {
                shelf.insert(it.resource.clone());
            }
        }
        Some(host_action::Kind::ReleaseResource(it)) if effect => {
            shelf.remove(&it.resource);
            shelf.remove(&format!("half {}", it.resource));
        }
        _ => {}
    }
}

/// A round trip, so that members of a group really run side by side.
async fn travel() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

impl Agents for MemoryAgents {
    async fn hello(&self, host: &str) -> Result<HelloReply, Fault> {
        self.reach(host)?;
        let state = self.state.lock().unwrap();
        let term = Some(state.term.clone()).filter(|term| term.number > 0);
        let fences = state.fences.get(host).map(|planted| Fence {
            cluster: planted.cluster.clone(),
            operation: planted.operation.clone(),
            term: planted.term.clone(),
        });
        Ok(HelloReply { term, fences: fences.into_iter().collect(), ..HelloReply::default() })
    }

    async fn ask(&self, host: &str, _: Query) -> Result<Answer, Fault> {
        travel().await;
        self.reach(host)?;
        if self.blind.lock().unwrap().contains(host) {
            return Err(fault(FaultCode::Unreadable, host, "rubbish"));
        }
        let state = self.state.lock().unwrap();
        let things = state.shelves.get(host).cloned().unwrap_or_default();
        let resources = things.into_iter().collect();
        let facts = HostFacts {
            nodes: vec![NodeRecord { resources, ..NodeRecord::default() }],
            ..HostFacts::default()
        };
        let host = HostAnswer { kind: Some(host_answer::Kind::Facts(facts)) };
        Ok(Answer { kind: Some(answer::Kind::Host(host)) })
    }

    async fn plant_fence(&self, host: &str, request: PlantFenceRequest) -> Result<(), Fault> {
        travel().await;
        self.reach(host)?;
        self.allow(host, request.term.as_ref())?;
        let mut state = self.state.lock().unwrap();
        if state.closed.contains(&(host.to_owned(), request.operation.clone())) {
            return Err(fault(FaultCode::Conflict, host, "the operation is closed"));
        }
        state.fences.insert(host.to_owned(), request);
        Ok(())
    }

    async fn start_job(&self, host: &str, request: StartJobRequest) -> Result<Job, Fault> {
        travel().await;
        self.reach(host)?;
        self.allow(host, request.term.as_ref())?;
        let key = request.key.clone().unwrap();
        let trouble = self.trouble_of(&key);
        if trouble == Some(Trouble::StartLost) {
            return Err(fault(FaultCode::Unreachable, host, "lost on the way"));
        }
        {
            let mut state = self.state.lock().unwrap();
            assert!(state.fences.contains_key(host), "an act before its fence");
            if state.never.contains(&id(host, &key)) {
                return Err(fault(FaultCode::Conflict, host, "sealed"));
            }
            if let Some(job) = state.jobs.get(&id(host, &key)) {
                return Ok(job.clone());
            }
            let job = Job {
                key: Some(key.clone()),
                state: JobState::Running.into(),
                action: request.action,
                cluster: request.cluster,
                accepted_at_ms: now_ms(),
                revision: 1,
                ..Job::default()
            };
            state.jobs.insert(id(host, &key), job);
        }
        self.runs.lock().unwrap().push((key.act, key.attempt));
        if trouble == Some(Trouble::AnswerLost) {
            return Err(fault(FaultCode::Deadline, host, "no answer"));
        }
        let state = self.state.lock().unwrap();
        Ok(state.jobs.get(&id(host, &key)).cloned().unwrap())
    }

    async fn seal(&self, host: &str, request: SealRequest) -> Result<Option<Job>, Fault> {
        travel().await;
        self.reach(host)?;
        self.allow(host, request.term.as_ref())?;
        let key = request.key.unwrap();
        let mut state = self.state.lock().unwrap();
        if let Some(job) = state.jobs.get(&id(host, &key)) {
            return Ok(Some(job.clone()));
        }
        state.never.insert(id(host, &key));
        Ok(None)
    }

    async fn get_job(&self, host: &str, request: GetJobRequest) -> Result<Job, Fault> {
        self.reach(host)?;
        let key = request.key.unwrap();
        let job = |state: &State| state.jobs.get(&id(host, &key)).cloned();
        let missing = || fault(FaultCode::NotFound, host, "no such job");
        let known = job(&self.state.lock().unwrap()).ok_or_else(missing)?;
        let left = self.job_time.as_millis() as i64 - (now_ms() - known.accepted_at_ms);
        let wait = i64::from(request.wait_ms);
        if left > wait || self.trouble_of(&key) == Some(Trouble::Hangs) {
            tokio::time::sleep(Duration::from_millis(request.wait_ms.into())).await;
        } else {
            tokio::time::sleep(Duration::from_millis(left.max(0) as u64)).await;
            self.end(host, &key, false);
        }
        self.reach(host)?;
        job(&self.state.lock().unwrap()).ok_or_else(missing)
    }

    async fn list_jobs(&self, host: &str, operation: &str) -> Result<Vec<Job>, Fault> {
        travel().await;
        self.reach(host)?;
        let state = self.state.lock().unwrap();
        let of =
            |job: &Job| operation.is_empty() || job.key.as_ref().unwrap().operation == operation;
        let here = state.jobs.iter().filter(|((at, _, _), job)| at == host && of(job));
        Ok(here.map(|(_, job)| job.clone()).collect())
    }

    async fn cancel_job(&self, host: &str, request: CancelJobRequest) -> Result<Job, Fault> {
        travel().await;
        self.reach(host)?;
        let key = request.key.unwrap();
        self.end(host, &key, true);
        let state = self.state.lock().unwrap();
        state
            .jobs
            .get(&id(host, &key))
            .cloned()
            .ok_or_else(|| fault(FaultCode::NotFound, host, "no such job"))
    }

    async fn close(&self, host: &str, request: CloseRequest) -> Result<(), Fault> {
        travel().await;
        self.reach(host)?;
        let mut state = self.state.lock().unwrap();
        state.fences.remove(host);
        let of = |job: &Job| job.key.as_ref().unwrap().operation == request.operation;
        state.jobs.retain(|(at, _, _), job| at != host || !of(job));
        state.closed.insert((host.to_owned(), request.operation));
        Ok(())
    }
}

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
        Ok(())
    }

    fn term(&self) -> Term {
        Term {
            number: self.book.lock().unwrap().term,
            store_id: "memory".into(),
            ..Term::default()
        }
    }
}

#[derive(Default)]
pub struct PausedClock {
    counter: Mutex<u64>,
}

fn now_ms() -> i64 {
    // Tokio's paused clock, from an arbitrary zero.
    thread_local! { static ZERO: std::cell::OnceCell<tokio::time::Instant> = const { std::cell::OnceCell::new() } }
    ZERO.with(|zero| {
        let zero = *zero.get_or_init(tokio::time::Instant::now);
        1_700_000_000_000 + i64::try_from((tokio::time::Instant::now() - zero).as_millis()).unwrap()
    })
}

impl Clock for PausedClock {
    fn now_ms(&self) -> i64 {
        now_ms()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn random(&self) -> [u8; 16] {
        let mut counter = self.counter.lock().unwrap();
        *counter += 1;
        u128::from(*counter).to_le_bytes()
    }
}
