//! The network between coordinators and agents: the engine's port `Agents`, carried out by the
//! agents' own job logic. Calls can be lost, late, doubled and cut; each is a point at which the
//! caller can die.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bellows::engine::ports::{Agents, Reading};
use bellows_proto::v1::{
    AskRequest, CancelJobRequest, CloseRequest, Fault, FaultCode, GetJobRequest, HelloReply, Job,
    PlantFenceRequest, Query, SealRequest, StartJobRequest,
};

use super::{faults::Fate, process::Process, programs::Agent, world::World};

/// As the real client has them.
const ASK_DEADLINE: Duration = Duration::from_secs(6);
const CALL_DEADLINE: Duration = Duration::from_secs(10);
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
const WAIT_MARGIN: Duration = Duration::from_secs(5);
/// A late request arrives when its caller has given up, has sealed, and has begun anew.
const LATE: Duration = Duration::from_millis(10_200);
/// Nothing that was asked for meanwhile still runs then, as a rule.
const VERY_LATE: Duration = Duration::from_secs(45);
/// One way, at least and at most, milliseconds.
const WAY_MS: (u64, u64) = (1, 4);

/// The agents that run now, by host.
#[derive(Default)]
pub struct Fleet {
    agents: Mutex<BTreeMap<String, Agent>>,
}

impl Fleet {
    /// An agent serves.
    pub fn put(&self, host: &str, agent: Agent) {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        agents.insert(host.to_owned(), agent);
    }

    /// The agent of a host, if one lives.
    pub fn get(&self, host: &str) -> Option<Agent> {
        let agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        agents.get(host).filter(|agent| agent.process.is_alive()).cloned()
    }
}

/// Calls of one coordinator.
pub struct SimAgents {
    /// The world.
    pub world: Arc<World>,
    /// Who calls.
    pub me: Arc<Process>,
    /// Who answers.
    pub fleet: Arc<Fleet>,
}

fn fault(code: FaultCode, host: &str, message: &str) -> Fault {
    Fault {
        code: code.into(),
        host: host.to_owned(),
        message: message.to_owned(),
        ..Fault::default()
    }
}

impl SimAgents {
    async fn call<T, F, Fut>(
        &self,
        (method, reads): (&'static str, bool),
        host: &str,
        deadline: Duration,
        work: F,
    ) -> Result<T, Fault>
    where
        F: Fn(Agent) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<T, Fault>> + Send + 'static,
        T: Send + 'static,
    {
        let label = || format!("coordinator {}: {method} at {host}", self.me.id.pid);
        let Some(number) = self.world.before(&self.me, &label) else {
            return std::future::pending().await;
        };
        if reads {
            self.world.only_reads(number);
        }
        let fate = self.world.next_call(reads, &label);
        let travel = self.travel(host, fate, work);
        let timed = tokio::time::timeout(deadline, travel);
        let result = match self.me.live(timed).await {
            Ok(result) => result.map_err(|fault| {
                if fault.host.is_empty() { Fault { host: host.to_owned(), ..fault } } else { fault }
            }),
            Err(_) => Err(fault(FaultCode::Deadline, host, "no answer in time")),
        };
        if let Err(fault) = &result {
            self.world.tell(|| format!("{} -> {fault}", label()));
        }
        if self.world.after(&self.me, number, &label).is_none() {
            return std::future::pending().await;
        }
        result
    }

    async fn way(&self) {
        let (least, most) = WAY_MS;
        let time = least + self.world.below(most - least + 1);
        self.world.sleep(Duration::from_millis(time)).await;
    }

    async fn travel<T, F, Fut>(&self, host: &str, fate: Option<Fate>, work: F) -> Result<T, Fault>
    where
        F: Fn(Agent) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<T, Fault>> + Send + 'static,
        T: Send + 'static,
    {
        self.way().await;
        let unreachable = |text: &str| Err(fault(FaultCode::Unreachable, host, text));
        if self.world.is_cut(host) {
            self.world.sleep(CONNECT_DEADLINE).await;
            return unreachable("no route");
        }
        let Some(agent) = self.fleet.get(host) else {
            return unreachable("connection refused");
        };
        match fate {
            Some(Fate::RequestLost) => return std::future::pending().await,
            Some(Fate::Late) => {
                self.again(host, LATE, work);
                return std::future::pending().await;
            }
            Some(Fate::VeryLate) => {
                self.again(host, VERY_LATE, work);
                return std::future::pending().await;
            }
            Some(Fate::Twice) => self.again(host, Duration::from_secs(1), work.clone()),
            Some(Fate::AnswerLost) | None => {}
        }
        let answer = tokio::select! {
            biased;
            () = agent.process.died() => return unreachable("connection reset"),
            answer = work(agent.clone()) => answer,
        };
        if !agent.process.is_alive() {
            // It died while it answered: what its code said after that, nobody hears.
            return unreachable("connection reset");
        }
        self.way().await;
        if fate == Some(Fate::AnswerLost) || self.world.is_cut(host) {
            return std::future::pending().await;
        }
        answer
    }

    /// The request arrives once more, or only then; nobody waits for its answer.
    fn again<T, F, Fut>(&self, host: &str, after: Duration, work: F)
    where
        F: Fn(Agent) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Fault>> + Send + 'static,
        T: Send + 'static,
    {
        let (fleet, host) = (Arc::clone(&self.fleet), host.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            if let Some(agent) = fleet.get(&host) {
                let process = Arc::clone(&agent.process);
                // Whatever it answers.
                let _ = process.live(work(agent)).await;
            }
        });
    }
}

impl Agents for SimAgents {
    async fn hello(&self, host: &str) -> Result<HelloReply, Fault> {
        let work = |agent: Agent| async move { agent.jobs.hello() };
        self.call(("Hello", true), host, Duration::from_secs(5), work).await
    }

    async fn ask(&self, host: &str, query: Query, max_age_ms: u64) -> Result<Reading, Fault> {
        let request = AskRequest { query: Some(query), deadline_ms: 0, max_age_ms };
        let work = move |agent: Agent| {
            let request = request.clone();
            async move { Box::pin(agent.surveys.answer(request)).await }
        };
        let reply = self.call(("Ask", true), host, ASK_DEADLINE, work).await?;
        let empty = || fault(FaultCode::Unreadable, host, "the answer is empty");
        Ok(Reading { answer: reply.answer.ok_or_else(empty)?, age_ms: reply.age_ms })
    }

    async fn plant_fence(&self, host: &str, request: PlantFenceRequest) -> Result<(), Fault> {
        let work = move |agent: Agent| {
            let request = request.clone();
            async move { agent.jobs.plant_fence(request) }
        };
        self.call(("PlantFence", false), host, CALL_DEADLINE, work).await
    }

    async fn start_job(&self, host: &str, request: StartJobRequest) -> Result<Job, Fault> {
        let work = move |agent: Agent| {
            let request = request.clone();
            async move { Box::pin(agent.jobs.start(request)).await }
        };
        self.call(("StartJob", false), host, CALL_DEADLINE, work).await
    }

    async fn seal(&self, host: &str, request: SealRequest) -> Result<Option<Job>, Fault> {
        let work = move |agent: Agent| {
            let request = request.clone();
            async move { agent.jobs.seal(&request) }
        };
        self.call(("Seal", false), host, CALL_DEADLINE, work).await
    }

    async fn get_job(&self, host: &str, request: GetJobRequest) -> Result<Job, Fault> {
        let deadline = Duration::from_millis(request.wait_ms.into()) + WAIT_MARGIN;
        let work = move |agent: Agent| {
            let request = request.clone();
            async move { agent.jobs.get(request).await }
        };
        self.call(("GetJob", true), host, deadline, work).await
    }

    async fn list_jobs(&self, host: &str, operation: &str) -> Result<Vec<Job>, Fault> {
        let operation = operation.to_owned();
        let work = move |agent: Agent| {
            let operation = operation.clone();
            async move { agent.jobs.list(&operation) }
        };
        self.call(("ListJobs", true), host, CALL_DEADLINE, work).await
    }

    async fn cancel_job(&self, host: &str, request: CancelJobRequest) -> Result<Job, Fault> {
        let work = move |agent: Agent| {
            let request = request.clone();
            async move { agent.jobs.cancel(&request) }
        };
        self.call(("CancelJob", false), host, CALL_DEADLINE, work).await
    }

    async fn close(&self, host: &str, request: CloseRequest) -> Result<(), Fault> {
        let work = move |agent: Agent| {
            let request = request.clone();
            async move { agent.jobs.close(&request) }
        };
        self.call(("Close", false), host, CALL_DEADLINE, work).await
    }
}
