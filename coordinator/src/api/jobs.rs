//! What the agents have of operations, held against the journal: jobs and fences that it does
//! not know are told, and settled at the administrator's word.
//!
//! They come from a store that is not the one under which they were asked for: one that was
//! restored from a backup, a copy, one that lost its tail. Nothing is concluded from them, and
//! nothing of what they did is taken back.

mod known;
mod settle;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use bellows_proto::v1::{Fault, HostJob, Job, ListHostJobsReply, ListHostJobsRequest};
use futures::future::join_all;
use tonic::Status;

use super::{Api, fault};
use crate::engine::{World, ports::Agents as _};
use known::{Known, is_unknown, judge};

/// What the last look found.
#[derive(Debug, Default)]
pub(super) struct LastLook {
    /// Milliseconds since 1970; 0: there was none yet.
    at_ms: i64,
    unknown: Vec<HostJob>,
}

/// Shared by all copies of the API.
pub(super) type Seen = Arc<Mutex<LastLook>>;

impl<W: World> Api<W> {
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

    /// Asks all agents: whom they obey, and what they have. What the journal does not know is kept
    /// for `status`; what is new of it goes to the log.
    pub async fn look_at_hosts(&self) {
        let hosts = self.host_names().unwrap_or_default();
        join_all(hosts.iter().map(|host| self.agents.keep_lead(host))).await;
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
