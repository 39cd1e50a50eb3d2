//! Settling what the journal does not know, and keeping plans away from it until then.

use std::{sync::PoisonError, time::Duration};

use bellows_proto::v1::{
    CancelJobRequest, CloseRequest, Fault, FaultCode, GetJobRequest, HostJob, JobKey, JobStanding,
    Plan, SettleJobsReply, SettleJobsRequest,
};
use futures::future::join_all;
use tonic::Status;

use crate::{
    api::{Api, access::Principal, fault},
    engine::{World, has_ended, ports::Agents as _},
};

/// A job that was asked to end has so long; its agent kills it after half of that.
const TO_END: Duration = Duration::from_secs(60);
/// An agent holds the answer back so long, waiting for the end.
const WAIT_MS: u32 = 2_000;

impl<W: World> Api<W> {
    pub(in crate::api) async fn settle(
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
        // Of the cluster's spec nothing is known here.
        let close = CloseRequest {
            operation: operation.to_owned(),
            term: Some(self.store.term()),
            ..CloseRequest::default()
        };
        self.agents.close(&host, close).await.map_err(at_host)?;
        tracing::info!(host, operation, principal = who.name, "what the host had of it is settled");
        let mut look = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        look.unknown.retain(|job| job.host != host || job.operation != operation);
        Ok(SettleJobsReply { jobs: found })
    }

    /// An open operation is ended by itself, not behind its back.
    fn refuse_open(&self, operation: &str) -> Result<(), Status> {
        let known = self.store.operation(operation).map_err(|e| fault::store(&e))?;
        if known.is_none() || !self.open_operations()?.contains(operation) {
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
    pub(in crate::api) async fn refuse_fenced(&self, plan: &Plan) -> Result<(), Status> {
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

fn running(found: &HostJob) -> Option<JobKey> {
    found.job.as_ref().filter(|job| !has_ended(job))?.key.clone()
}
