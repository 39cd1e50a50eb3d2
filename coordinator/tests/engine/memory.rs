//! Agents and clock in memory, with faults on order; the journal is beside them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use bellows::engine::ports::{Agents, Clock, Reading};
use bellows_proto::v1::{
    Action, Answer, CancelJobRequest, CloseRequest, Fault, FaultCode, Fence, GetJobRequest,
    HelloReply, HostAnswer, HostFacts, Job, JobKey, JobState, NodeRecord, NodeRef,
    PlantFenceRequest, Query, SealRequest, StartJobRequest, Term, action, answer, host_action,
    host_answer, host_query, query,
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
    /// A node of another cluster that lives here, or its tombstone.
    members: BTreeMap<String, NodeRecord>,
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
    /// The survey of h1.
    pub survey: Mutex<Survey>,
}

/// A survey as an agent has it: it tells what was there when it began, takes its time, and the next one is due
/// ten times as long after its end.
#[derive(Default)]
pub struct Survey {
    /// How long it takes.
    pub length_ms: i64,
    /// The last one, or the one that is under way: when it began, and what was there.
    pub last: Option<(i64, Answer)>,
    /// When they began.
    pub began: Vec<i64>,
    /// When they were asked for.
    pub asked: Vec<i64>,
}

impl Survey {
    fn ask(&mut self, max_age_ms: u64, seen: Answer) -> Result<Reading, Fault> {
        let now = now_ms();
        self.asked.push(now);
        let since = now.saturating_sub_unsigned(max_age_ms);
        let later = Err(fault(FaultCode::Surveying, "h1", "a survey is under way since 1 s"));
        let Some((began, answer)) = self.last.clone() else {
            self.begin(now, seen);
            return later;
        };
        if now >= began + self.length_ms && began >= since {
            return Ok(Reading { answer, age_ms: now.abs_diff(began) });
        }
        if now >= began + 11 * self.length_ms {
            self.begin(now, seen);
        }
        later
    }

    pub fn begin(&mut self, now: i64, seen: Answer) {
        self.began.push(now);
        self.last = Some((now, seen));
    }
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
            survey: Mutex::default(),
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

    /// A node lives on this host.
    #[allow(dead_code)] // only the engine's tests need it
    pub fn settle(&self, host: &str, node: NodeRef) {
        let record =
            NodeRecord { node: Some(node), claimed_by: "o".into(), ..NodeRecord::default() };
        self.state.lock().unwrap().members.insert(host.to_owned(), record);
    }

    /// Whether the node that lived there has its tombstone.
    #[allow(dead_code)] // only the engine's tests need it
    pub fn is_buried(&self, host: &str) -> bool {
        self.state.lock().unwrap().members.get(host).is_some_and(|record| record.tombstone)
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
        if effect
            && is_tombstone(job.action.as_ref())
            && let Some(record) = state.members.get_mut(host)
        {
            record.tombstone = true;
        }
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

fn is_tombstone(action: Option<&Action>) -> bool {
    let Some(Action { kind: Some(action::Kind::Host(host)) }) = action else { return false };
    matches!(host.kind, Some(host_action::Kind::Tombstone(_)))
}

fn is_inventory(query: &Query) -> bool {
    let Some(query::Kind::Host(host)) = &query.kind else { return false };
    matches!(host.kind, Some(host_query::Kind::Inventory(_)))
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

    async fn ask(&self, host: &str, asked: Query, max_age_ms: u64) -> Result<Reading, Fault> {
        travel().await;
        self.reach(host)?;
        if self.blind.lock().unwrap().contains(host) {
            return Err(fault(FaultCode::Unreadable, host, "rubbish"));
        }
        let state = self.state.lock().unwrap();
        let things = state.shelves.get(host).cloned().unwrap_or_default();
        let resources = things.into_iter().collect();
        let shelf = NodeRecord { resources, ..NodeRecord::default() };
        let nodes = state.members.get(host).cloned().into_iter().chain([shelf]).collect();
        let facts = HostFacts { nodes, ..HostFacts::default() };
        let host = HostAnswer { kind: Some(host_answer::Kind::Facts(facts)) };
        let seen = Answer { kind: Some(answer::Kind::Host(host)) };
        match is_inventory(&asked) {
            true => self.survey.lock().unwrap().ask(max_age_ms, seen),
            false => Ok(seen.into()),
        }
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

#[derive(Default)]
pub struct PausedClock {
    counter: Mutex<u64>,
}

pub fn now_ms() -> i64 {
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
