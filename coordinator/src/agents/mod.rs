//! Calls to agents over kept mTLS channels: the engine's `Agents` port in the real world.
//! It knows addresses, deadlines and how a broken call is told; it never looks into
//! queries or actions, and it never retries.

mod fault;
mod programs;
mod renew;
mod witness;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use bellows_proto::{
    audit,
    tls::{self, Live},
    v1::{
        AnnounceTermRequest, AskReply, AskRequest, AuditChunk, AuditHead, CancelJobRequest,
        CloseRequest, Fault, FaultCode, GetJobRequest, HelloReply, HelloRequest, Job, JobState,
        ListJobsRequest, OutputChunk, PlantFenceRequest, Query, ReadAuditRequest,
        ReadOutputRequest, RecallRequest, Recalled, SealRequest, StartJobRequest, Term,
        agent_client::AgentClient, seal_reply::Outcome,
    },
};
use tonic::{
    Request, Response, Status, Streaming,
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use crate::{
    engine::{
        ReadOnly,
        ports::{Agents, Reading},
    },
    term::is_strange,
};

/// A host that does not take the connection within this time is unreachable.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// What a query may take on its host, milliseconds.
const QUERY_MS: u32 = 5_000;
/// A query with the way there and back.
const ASK_DEADLINE: Duration = Duration::from_secs(6);
/// Who is there is answered at once or not at all.
const HELLO_DEADLINE: Duration = Duration::from_secs(5);
/// Everything else: agents write to disk before they answer.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// All that a host keeps: plans and specs, one message each.
const RECALL_DEADLINE: Duration = Duration::from_secs(60);
/// On top of the time that a `GetJob` asks to wait.
const WAIT_MARGIN: Duration = Duration::from_secs(5);

/// Where an agent is dialled.
pub trait Addresses: Send + Sync + 'static {
    /// HOST:PORT of a host's agent; `None`: no such host is enrolled.
    fn address(&self, host: &str) -> Option<String>;

    /// A host's agent has said who it is.
    fn met(&self, host: &str, said: &HelloReply) {
        let _ = (host, said);
    }

    /// Why nothing may be changed at a host although it answers; `None`: it may.
    fn forbidden(&self, host: &str) -> Option<Fault> {
        let _ = host;
        None
    }

    /// Why a host is not dialled although it is enrolled; `None`: it is.
    fn refusal(&self, host: &str) -> Option<Fault> {
        let _ = host;
        None
    }
}

/// The audit log, as far as calls to agents concern it: it goes along with them, and what agents
/// tell of jobs and of their own logs goes into it.
pub trait Witness: Send + Sync + 'static {
    /// How far our own log goes: told with every call.
    fn head(&self) -> AuditHead;
    /// An agent told that a job has ended, and how far its own log goes.
    fn job_ended(&self, host: &str, job: &Job, agent: Option<AuditHead>);
    /// An agent told how far its own log goes.
    fn seen(&self, host: &str, agent: AuditHead);
}

/// Tells with each call how far our audit log goes.
#[derive(Clone)]
struct Carry(Option<Arc<dyn Witness>>);

impl Interceptor for Carry {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(witness) = &self.0 {
            audit::carry(request.metadata_mut(), &witness.head());
        }
        Ok(request)
    }
}

type Client = AgentClient<InterceptedService<Channel, Carry>>;

/// A kept channel and the address that it was made for.
struct Kept {
    address: String,
    client: Client,
}

/// The agents of a site, one kept channel each.
pub struct GrpcAgents {
    site_id: String,
    tls: Live<rustls::ClientConfig>,
    addresses: Box<dyn Addresses>,
    kept: Mutex<BTreeMap<String, Kept>>,
    witness: Option<Arc<dyn Witness>>,
    read_only: ReadOnly,
    /// Under which this coordinator leads; unset: it does not, or not yet.
    leading: OnceLock<Term>,
}

impl GrpcAgents {
    /// No channel is opened before the first call.
    pub fn new(
        site_id: String,
        tls: impl Into<Live<rustls::ClientConfig>>,
        addresses: impl Addresses,
    ) -> Self {
        let tls = tls.into();
        let (addresses, kept) = (Box::new(addresses), Mutex::default());
        let (read_only, leading) = (ReadOnly::default(), OnceLock::new());
        Self { site_id, tls, addresses, kept, witness: None, read_only, leading }
    }

    /// The same, forbidding changes as soon as any agent tells of another leader: by refusing a
    /// term as stale, or, once this coordinator leads, by the term that it has seen.
    #[must_use]
    pub fn forbidding(self, read_only: ReadOnly) -> Self {
        Self { read_only, ..self }
    }

    /// This coordinator leads under this term, until its process ends.
    pub fn lead(&self, term: Term) {
        // A process raises its term once.
        let _ = self.leading.set(term);
    }

    /// The same before a witness.
    #[must_use]
    pub fn before(mut self, witness: Arc<dyn Witness>) -> Self {
        self.witness = Some(witness);
        self
    }

    /// Ends the kept channel to a host that left the site, or has another key now.
    pub fn forget(&self, host: &str) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(host);
    }

    /// A job's captured output, as it comes where `request.follow` is set.
    ///
    /// # Errors
    /// If the agent cannot be reached or does not know the job.
    pub async fn read_output(
        &self,
        host: &str,
        request: ReadOutputRequest,
    ) -> Result<Streaming<OutputChunk>, Fault> {
        self.call(
            host,
            CALL_DEADLINE,
            |mut client| async move { client.read_output(request).await },
        )
        .await
        .map(Response::into_inner)
    }

    /// Tells an agent who leads from now on.
    ///
    /// # Errors
    /// `FAULT_CODE_STALE_TERM` if another one does; if the agent cannot be reached or is too old.
    pub async fn announce_term(&self, host: &str, term: &Term) -> Result<(), Fault> {
        let request = AnnounceTermRequest { term: Some(term.clone()) };
        let reply =
            self.call(host, CALL_DEADLINE, |mut client| async move {
                client.announce_term(request).await
            })
            .await?;
        self.seen(host, reply);
        Ok(())
    }

    /// Asks an agent whom it obeys, and tells it who leads if it has not heard of that yet: it was
    /// away at the start, or was let in since. Nothing on a coordinator that does not lead.
    pub async fn keep_lead(&self, host: &str) {
        let Some(own) = self.leading.get().filter(|_| self.read_only.reason().is_none()) else {
            return;
        };
        let Ok(reply) = self.hello(host).await else { return };
        if reply.term.is_none_or(|seen| seen.number < own.number)
            && let Err(fault) = self.announce_term(host, own).await
        {
            tracing::debug!(host, why = fault.message, "was not told who leads");
        }
    }

    /// An agent's audit log as it is stored there.
    ///
    /// # Errors
    /// If the agent cannot be reached or cannot read it.
    pub async fn read_audit(&self, host: &str) -> Result<Streaming<AuditChunk>, Fault> {
        let request = ReadAuditRequest::default();
        self.call(host, CALL_DEADLINE, |mut client| async move { client.read_audit(request).await })
            .await
            .map(Response::into_inner)
    }

    /// What a host keeps for a coordinator that has lost its store; with `operations` only which of
    /// these are closed there.
    ///
    /// # Errors
    /// If the agent cannot be reached, is too old, or cannot read something that it keeps.
    pub async fn recall(
        &self,
        host: &str,
        operations: Vec<String>,
    ) -> Result<Vec<Recalled>, Fault> {
        let request = RecallRequest { operations };
        let reading = async {
            let reply = self
                .call(host, CALL_DEADLINE, |mut client| async move { client.recall(request).await })
                .await?;
            let mut stream = reply.into_inner();
            let mut told = Vec::new();
            let failed = |status: &Status| fault::from_status(status, host);
            while let Some(piece) = stream.message().await.map_err(|status| failed(&status))? {
                told.push(piece);
            }
            Ok(told)
        };
        let late = |_| fault::deadline(host, RECALL_DEADLINE);
        tokio::time::timeout(RECALL_DEADLINE, reading).await.map_err(late)?
    }

    fn client(&self, host: &str) -> Result<Client, Fault> {
        let address = self.address(host)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(host).filter(|known| known.address == address) {
            return Ok(known.client.clone());
        }
        let channel =
            tls::channel(&address, &self.server_name(host), self.tls.clone(), CONNECT_DEADLINE)
                .map_err(|e| fault::bad_address(host, &e))?;
        let client = AgentClient::with_interceptor(channel, Carry(self.witness.clone()));
        kept.insert(host.to_owned(), Kept { address, client: client.clone() });
        Ok(client)
    }

    async fn call<T, F, Fut>(
        &self,
        host: &str,
        deadline: Duration,
        call: F,
    ) -> Result<Response<T>, Fault>
    where
        F: FnOnce(Client) -> Fut + Send,
        Fut: Future<Output = Result<Response<T>, Status>> + Send,
    {
        let client = self.client(host)?;
        match tokio::time::timeout(deadline, call(client)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(status)) => {
                let fault = fault::from_status(&status, host);
                if fault.code() == FaultCode::StaleTerm {
                    self.forbid(host, &fault.message);
                }
                Err(fault)
            }
            Err(_) => Err(fault::deadline(host, deadline)),
        }
    }

    /// Another coordinator leads.
    fn forbid(&self, host: &str, why: &str) {
        let reason = format!("host {host} obeys another coordinator: {why}");
        if self.read_only.forbid(&reason) {
            tracing::error!(reason, "read-only from now on: nothing is changed, nothing goes on");
        }
    }

    /// What an agent has seen may be news, though it refused nothing.
    fn heard(&self, host: &str, reply: &HelloReply) {
        // At the start it is not decided yet who leads.
        let Some((own, seen)) = self.leading.get().zip(reply.term.as_ref()) else { return };
        if is_strange(own, seen) {
            let whose = if seen.store_id == own.store_id {
                "a copy of this store".to_owned()
            } else {
                format!("store {}", seen.store_id)
            };
            let (number, ours) = (seen.number, own.number);
            self.forbid(host, &format!("it has seen term {number} of {whose}, ours is {ours}"));
        }
    }

    /// How far the agent's audit log goes.
    fn seen<T>(&self, host: &str, response: Response<T>) -> T {
        if let (Some(witness), Some(head)) = (&self.witness, audit::carried(response.metadata())) {
            witness.seen(host, head);
        }
        response.into_inner()
    }

    /// A job: whoever hears of its end, the audit log did before.
    fn job(&self, host: &str, head: Option<AuditHead>, job: Job) -> Job {
        if let Some(witness) = &self.witness
            && has_ended(&job)
        {
            witness.job_ended(host, &job, head);
        }
        job
    }
}

fn has_ended(job: &Job) -> bool {
    match job.state() {
        JobState::Succeeded | JobState::Failed | JobState::Cancelled | JobState::Lost => true,
        JobState::Unspecified | JobState::Accepted | JobState::Running => false,
    }
}

impl Agents for GrpcAgents {
    async fn hello(&self, host: &str) -> Result<HelloReply, Fault> {
        let reply =
            self.call(host, HELLO_DEADLINE, |mut client| async move {
                client.hello(HelloRequest {}).await
            })
            .await?;
        let name = reply.get_ref().host.clone();
        let reply = if name == host { self.seen(host, reply) } else { reply.into_inner() };
        if reply.host != host {
            return Err(fault::other_host(host, &reply.host));
        }
        self.heard(host, &reply);
        self.addresses.met(host, &reply);
        Ok(reply)
    }

    async fn ask(&self, host: &str, query: Query, max_age_ms: u64) -> Result<Reading, Fault> {
        let request = AskRequest { query: Some(query), deadline_ms: QUERY_MS, max_age_ms };
        let reply = self
            .call(host, ASK_DEADLINE, |mut client| async move { client.ask(request).await })
            .await?;
        let AskReply { answer, age_ms } = reply.into_inner();
        let answer = answer.filter(|answer| answer.kind.is_some());
        answer.map(|answer| Reading { answer, age_ms }).ok_or_else(|| fault::empty(host))
    }

    async fn plant_fence(&self, host: &str, request: PlantFenceRequest) -> Result<(), Fault> {
        self.may_change(host)?;
        self.call(
            host,
            CALL_DEADLINE,
            |mut client| async move { client.plant_fence(request).await },
        )
        .await?;
        Ok(())
    }

    async fn start_job(&self, host: &str, request: StartJobRequest) -> Result<Job, Fault> {
        self.may_change(host)?;
        let reply = self
            .call(host, CALL_DEADLINE, |mut client| async move { client.start_job(request).await })
            .await?;
        Ok(self.job(host, audit::carried(reply.metadata()), reply.into_inner()))
    }

    async fn seal(&self, host: &str, request: SealRequest) -> Result<Option<Job>, Fault> {
        let reply = self
            .call(host, CALL_DEADLINE, |mut client| async move { client.seal(request).await })
            .await?;
        let head = audit::carried(reply.metadata());
        match reply.into_inner().outcome {
            Some(Outcome::Job(job)) => Ok(Some(self.job(host, head, job))),
            Some(Outcome::Never(_)) => Ok(None),
            // Neither "it is" nor "it never was": an answer of a newer agent, and no answer.
            None => Err(fault::empty(host)),
        }
    }

    async fn get_job(&self, host: &str, request: GetJobRequest) -> Result<Job, Fault> {
        let deadline = Duration::from_millis(request.wait_ms.into()) + WAIT_MARGIN;
        let reply = self
            .call(host, deadline, |mut client| async move { client.get_job(request).await })
            .await?;
        Ok(self.job(host, audit::carried(reply.metadata()), reply.into_inner()))
    }

    async fn list_jobs(&self, host: &str, operation: &str) -> Result<Vec<Job>, Fault> {
        let request = ListJobsRequest { operation: operation.to_owned() };
        let reply = self
            .call(host, CALL_DEADLINE, |mut client| async move { client.list_jobs(request).await })
            .await?;
        Ok(reply.into_inner().jobs)
    }

    async fn cancel_job(&self, host: &str, request: CancelJobRequest) -> Result<Job, Fault> {
        let reply = self
            .call(host, CALL_DEADLINE, |mut client| async move { client.cancel_job(request).await })
            .await?;
        Ok(self.job(host, audit::carried(reply.metadata()), reply.into_inner()))
    }

    async fn close(&self, host: &str, request: CloseRequest) -> Result<(), Fault> {
        let reply = self
            .call(host, CALL_DEADLINE, |mut client| async move { client.close(request).await })
            .await?;
        self.seen(host, reply);
        Ok(())
    }
}

/// Asked for an address by a function.
impl<F: Fn(&str) -> Option<String> + Send + Sync + 'static> Addresses for F {
    fn address(&self, host: &str) -> Option<String> {
        self(host)
    }
}

/// The fault's code says that nothing is known of the host, not that something is wrong on it.
pub fn is_no_answer(fault: &Fault) -> bool {
    matches!(fault.code(), FaultCode::Unreachable | FaultCode::Deadline)
}
