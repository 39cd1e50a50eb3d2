//! What the agents have of operations, held against the journal: jobs and fences that it does
//! not know are told, and settled at the administrator's word.
//!
//! They come from a store that is not the one under which they were asked for: one that was
//! restored from a backup, a copy, one that lost its tail. Nothing is concluded from them, and
//! nothing of what they did is taken back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bellows_proto::v1::{
    CancelJobRequest, CloseRequest, Fault, FaultCode, GetJobRequest, HostJob, Job, JobKey,
    JobStanding, ListHostJobsReply, ListHostJobsRequest, Plan, SettleJobsReply, SettleJobsRequest,
};
use futures::future::join_all;
use tonic::Status;

use super::{Api, access::Principal, fault};
use crate::{
    engine::{
        World, has_ended, index,
        ports::Agents as _,
        state::{self, OperationState},
    },
    store::{Store, StoreError},
};

/// A job that was asked to end has so long; its agent kills it after half of that.
const TO_END: Duration = Duration::from_secs(60);
/// An agent holds the answer back so long, waiting for the end.
const WAIT_MS: u32 = 2_000;

/// What the last look found.
#[derive(Debug, Default)]
pub(super) struct LastLook {
    /// Milliseconds since 1970; 0: there was none yet.
    at_ms: i64,
    unknown: Vec<HostJob>,
}

/// Shared by all copies of the API.
pub(super) type Seen = Arc<Mutex<LastLook>>;

/// What the journal knows of an operation.
enum Known {
    /// Nothing.
    Nothing,
    /// It is over. The state is missing where its events are gone.
    Over(Option<Box<OperationState>>),
    /// It is open. The state is missing where its record is damaged.
    Open(Option<Box<OperationState>>),
}

impl Known {
    fn of(store: &Store, open: &BTreeSet<String>, operation: &str) -> Result<Self, StoreError> {
        match store.operation(operation) {
            Ok(Some(_)) => {}
            Ok(None) | Err(StoreError::OperationId(_)) => return Ok(Self::Nothing),
            Err(error) => return Err(error),
        }
        let state = match store.events(operation) {
            Ok(read) if read.damage.is_none() => state::fold(&read.events).ok().map(Box::new),
            Ok(_) => None,
            Err(error) if error.is_fatal() => return Err(error),
            Err(_) => None,
        };
        Ok(if open.contains(operation) { Self::Open(state) } else { Self::Over(state) })
    }

    fn state(&self) -> Option<&OperationState> {
        match self {
            Self::Nothing => None,
            Self::Over(state) | Self::Open(state) => state.as_deref(),
        }
    }

    /// `key`: of the job; `None`: a fence alone.
    fn standing(&self, key: Option<&JobKey>) -> JobStanding {
        match self {
            Self::Nothing => JobStanding::Unknown,
            Self::Over(_) => JobStanding::Over,
            Self::Open(None) => JobStanding::Unspecified,
            Self::Open(Some(state)) if key.is_none_or(|key| state.knows(key)) => JobStanding::Known,
            Self::Open(Some(_)) => JobStanding::NotAskedFor,
        }
    }
}

/// Whether the journal lacks it.
fn is_unknown(job: &HostJob) -> bool {
    match job.standing() {
        JobStanding::Known => false,
        JobStanding::NotAskedFor
        | JobStanding::Over
        | JobStanding::Unknown
        | JobStanding::Unspecified => true,
    }
}

impl<W: World> Api<W> {
    /// Why nothing may be changed, as the refusal of a call.
    pub(super) fn may_change(&self) -> Result<(), Status> {
        self.engine.is_read_only().map_or(Ok(()), |reason| Err(fault::read_only(&reason)))
    }

    pub(super) async fn host_jobs(
        &self,
        request: &ListHostJobsRequest,
    ) -> Result<ListHostJobsReply, Status> {
        let hosts = match request.host.as_str() {
            "" => self.host_names()?,
            host => vec![self.enrolled(host)?],
        };
        let mut reply = ListHostJobsReply::default();
        for found in join_all(hosts.iter().map(|host| self.jobs_at(host))).await {
            match found? {
                Ok(jobs) => reply.jobs.extend(jobs),
                Err(fault) => reply.faults.push(fault),
            }
        }
        if request.unknown {
            reply.jobs.retain(is_unknown);
        }
        Ok(reply)
    }

    /// Jobs and fences at a host that the journal does not know; a host that does not answer
    /// has none that can be told.
    pub(super) async fn unknown_at(&self, host: &str) -> Result<Vec<HostJob>, Status> {
        let mut jobs = self.jobs_at(host).await?.unwrap_or_default();
        jobs.retain(is_unknown);
        Ok(jobs)
    }

    /// Asks all agents, and keeps what the journal does not know for `status`. What is new goes
    /// to the log.
    pub async fn look_for_unknown_jobs(&self) {
        let request = ListHostJobsRequest { host: String::new(), unknown: true };
        let reply = match self.host_jobs(&request).await {
            Ok(reply) => reply,
            Err(status) => return tracing::warn!(why = status.message(), "jobs are not known"),
        };
        let away: BTreeSet<&str> = reply.faults.iter().map(|fault| fault.host.as_str()).collect();
        let mut look = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before: BTreeSet<(String, String)> = look.unknown.iter().map(place).collect();
        // No answer is no answer: what was seen at a host that is away now is still told.
        look.unknown.retain(|job| away.contains(job.host.as_str()));
        look.unknown.extend(reply.jobs);
        look.at_ms = (self.now_ms)();
        let places: BTreeSet<_> = look.unknown.iter().map(place).collect();
        for (host, operation) in places.difference(&before) {
            tracing::error!(
                host,
                operation,
                "the journal does not know what this host has of this operation: bellows job list"
            );
        }
    }

    /// What the last look found, and when it was.
    pub(super) fn last_look(&self) -> (Vec<HostJob>, i64) {
        let look = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (look.unknown.clone(), look.at_ms)
    }

    /// All that an agent has, in order of operation, act and attempt.
    async fn jobs_at(&self, host: &str) -> Result<Result<Vec<HostJob>, Fault>, Status> {
        // Before the agent is asked: what is closed in between was known, and still is.
        let open = self.open_operations()?;
        let answers = futures::join!(self.agents.hello(host), self.agents.list_jobs(host, ""));
        let (hello, jobs) = match answers {
            (Ok(hello), Ok(jobs)) => (hello, jobs),
            (Err(fault), _) | (_, Err(fault)) => return Ok(Err(fault.at(host))),
        };
        let mut found: Vec<HostJob> = jobs.into_iter().map(|job| of_job(host, job)).collect();
        for fence in hello.fences {
            let mut held = false;
            let same = |one: &&mut HostJob| {
                let of = one.cluster == fence.cluster || one.cluster.is_empty();
                one.operation == fence.operation && of
            };
            for one in found.iter_mut().filter(same) {
                (one.fenced, held) = (true, true);
                one.cluster.clone_from(&fence.cluster);
            }
            if !held {
                let (host, fenced) = (host.to_owned(), true);
                let (operation, cluster) = (fence.operation, fence.cluster);
                found.push(HostJob { host, operation, cluster, fenced, ..HostJob::default() });
            }
        }
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        for job in &mut found {
            if !known.contains_key(&job.operation) {
                let of = Known::of(&self.store, &open, &job.operation);
                known.insert(job.operation.clone(), of.map_err(|e| fault::store(&e))?);
            }
            if let Some(known) = known.get(&job.operation) {
                judge(job, known);
            }
        }
        found.sort_by_key(|job| (job.operation.clone(), key(job)));
        Ok(Ok(found))
    }

    fn open_operations(&self) -> Result<BTreeSet<String>, Status> {
        let open = self.store.unfinished().map_err(|e| fault::store(&e))?;
        Ok(open.into_iter().collect())
    }

    fn host_names(&self) -> Result<Vec<String>, Status> {
        let hosts = self.inventory.hosts().map_err(|e| fault::store(&e))?;
        Ok(hosts.into_iter().map(|record| record.host).collect())
    }

    pub(super) async fn settle(
        &self,
        request: &SettleJobsRequest,
        who: &Principal,
    ) -> Result<SettleJobsReply, Status> {
        self.may_change()?;
        let host = self.enrolled(&request.host)?;
        let operation = request.operation.as_str();
        self.refuse_open(operation)?;
        let at_host = |fault: Fault| fault::of_agent(fault.at(&host));
        let ours = |jobs: Vec<HostJob>| -> Vec<HostJob> {
            jobs.into_iter().filter(|job| job.operation == operation).collect()
        };
        let mut found = ours(self.jobs_at(&host).await?.map_err(at_host)?);
        if found.is_empty() {
            let what = format!("host {host} has neither a job nor a fence of {operation}");
            return Err(fault::not_found(what, "`bellows job list` shows what hosts have"));
        }
        let running: Vec<JobKey> = found.iter().filter_map(running).collect();
        if !running.is_empty() {
            if !request.end_running {
                let what = format!("{} of its jobs still run at host {host}", running.len());
                return Err(fault::conflict(what, "wait for their end, or add --end-running"));
            }
            for key in &running {
                self.end_job(&host, key).await.map_err(at_host)?;
            }
            found = ours(self.jobs_at(&host).await?.map_err(at_host)?);
        }
        let close = CloseRequest { operation: operation.to_owned(), term: Some(self.store.term()) };
        self.agents.close(&host, close).await.map_err(at_host)?;
        tracing::info!(host, operation, principal = who.name, "what the host had of it is settled");
        let mut look = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        look.unknown.retain(|job| job.host != host || job.operation != operation);
        Ok(SettleJobsReply { jobs: found })
    }

    /// An open operation is ended by itself, not behind its back.
    fn refuse_open(&self, operation: &str) -> Result<(), Status> {
        match self.store.operation(operation) {
            Err(error @ StoreError::OperationId(_)) => return Err(fault::store(&error)),
            Err(error) => return Err(fault::store(&error)),
            Ok(None) => return Ok(()),
            Ok(Some(_)) => {}
        }
        if !self.open_operations()?.contains(operation) {
            return Ok(());
        }
        let what = format!("the journal knows operation {operation}, and it is open");
        let remedy = format!(
            "end it: `bellows op show {operation}` tells how; `bellows op abandon {operation}` \
             gives it up, and its hosts forget it then"
        );
        Err(fault::conflict(what, &remedy))
    }

    async fn end_job(&self, host: &str, key: &JobKey) -> Result<(), Fault> {
        let request = CancelJobRequest { key: Some(key.clone()), term: Some(self.store.term()) };
        let mut job = self.agents.cancel_job(host, request).await?;
        let ending = async {
            while !has_ended(&job) {
                let key = Some(key.clone());
                let request = GetJobRequest { key, after_revision: job.revision, wait_ms: WAIT_MS };
                job = self.agents.get_job(host, request).await?;
            }
            Ok(())
        };
        tokio::time::timeout(TO_END, ending).await.unwrap_or_else(|_| {
            let text = format!("act {} has not ended within {} s", key.act, TO_END.as_secs());
            Err(Fault::new(FaultCode::Deadline, text).remedy("look at the host, then ask again"))
        })
    }

    /// A fence of an operation that the journal does not know, or that is over, would hold the
    /// plan's first act up: told before anything begins. What is open has a lock, which says so.
    pub(super) async fn refuse_fenced(&self, plan: &Plan) -> Result<(), Status> {
        let asked = join_all(plan.fenced_hosts.iter().map(|host| self.jobs_at(host))).await;
        for (host, jobs) in plan.fenced_hosts.iter().zip(asked) {
            // A host that does not answer is the plan's own matter.
            let jobs = jobs?.unwrap_or_default();
            let stray = |job: &&HostJob| match job.standing() {
                JobStanding::Unknown | JobStanding::Over => {
                    job.fenced && job.cluster == plan.cluster
                }
                JobStanding::Known | JobStanding::NotAskedFor | JobStanding::Unspecified => false,
            };
            if let Some(job) = jobs.iter().find(stray) {
                return Err(fault::stray_fence(host, job));
            }
        }
        Ok(())
    }
}

fn place(job: &HostJob) -> (String, String) {
    (job.host.clone(), job.operation.clone())
}

fn key(job: &HostJob) -> (u32, u32) {
    let key = job.job.as_ref().and_then(|job| job.key.as_ref());
    key.map_or((0, 0), |key| (key.act, key.attempt))
}

fn of_job(host: &str, job: Job) -> HostJob {
    HostJob {
        host: host.to_owned(),
        operation: job.key.as_ref().map(|key| key.operation.clone()).unwrap_or_default(),
        cluster: job.cluster.clone(),
        job: Some(job),
        ..HostJob::default()
    }
}

fn running(found: &HostJob) -> Option<JobKey> {
    found.job.as_ref().filter(|job| !has_ended(job))?.key.clone()
}

/// What the journal says of it.
fn judge(found: &mut HostJob, known: &Known) {
    let key = found.job.as_ref().and_then(|job| job.key.clone());
    found.set_standing(known.standing(key.as_ref()));
    let act = known.state().zip(key).and_then(|(state, key)| {
        let act = state.acts.get(&key.act)?;
        Some((act.step, index::step(&state.plan, act.step)?.title.clone()))
    });
    if let Some((step, title)) = act {
        (found.step, found.step_title) = (step, title);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_journal_does_not_know_is_never_taken_for_known() {
        let key = JobKey { operation: "x".into(), act: 1, attempt: 1 };
        assert_eq!(Known::Nothing.standing(None), JobStanding::Unknown);
        assert_eq!(Known::Over(None).standing(Some(&key)), JobStanding::Over);
        // Its record is damaged: it cannot be told.
        assert_eq!(Known::Open(None).standing(Some(&key)), JobStanding::Unspecified);
        for standing in [JobStanding::Unspecified, JobStanding::Unknown, JobStanding::Over] {
            assert!(is_unknown(&HostJob { standing: standing.into(), ..HostJob::default() }));
        }
    }
}
