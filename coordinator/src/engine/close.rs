//! Telling the agents that an operation is over: fences are lifted, job records go.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bellows_proto::{
    defect::{Defect, is_seeded},
    v1::{CancelJobRequest, CloseRequest, Closed, FaultCode, HoldCause, JobKey, event::Kind},
};
use futures::future::join_all;

use super::{
    World, index,
    job::has_ended,
    observe,
    ports::{Agents as _, Clock as _, Journal as _},
    run::{RETRY_PAUSE, Run, Stop},
};

/// Longest pause between tries to reach a host that is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl<W: World> Run<W> {
    /// Tells all hosts; goes on until each has heard it. A host that stays away keeps the
    /// operation in the journal's list of unfinished ones, and nothing else.
    pub(super) async fn close(&self) -> Result<(), Stop> {
        let plan = self.look(|state| Arc::clone(&state.plan));
        let mut left: BTreeSet<String> = index::hosts(&plan).into_iter().collect();
        let mut pause = RETRY_PAUSE;
        loop {
            // Another operation may have changed it since.
            let spec = self.world.journal().spec(&plan.cluster)?;
            let request = CloseRequest {
                operation: self.id.clone(),
                term: Some(self.world.journal().term()),
                cluster: plan.cluster.clone(),
                spec,
            };
            let told = join_all(left.iter().map(|host| self.close_at(host, &request))).await;
            for (host, result) in told {
                match result {
                    Ok(()) => {
                        left.remove(&host);
                    }
                    Err(fault) if fault.code() == FaultCode::StaleTerm => {
                        return Err(observe::stop_of(fault, HoldCause::Unknown));
                    }
                    Err(fault) if fault.code() == FaultCode::Conflict => {
                        self.end_jobs_at(&host).await;
                    }
                    Err(_) if is_seeded(Defect::CloseNotRepeated) => {
                        left.remove(&host);
                    }
                    Err(fault) => {
                        tracing::debug!(host, fault = fault.message, "close: trying again");
                    }
                }
            }
            if left.is_empty() {
                return self.record(Kind::Closed(Closed { hosts: index::hosts(&plan) }));
            }
            self.world.clock().sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A job still runs there, of an operation that was given up: nobody waits for it any more.
    async fn end_jobs_at(&self, host: &str) {
        let listed = self.world.agents().list_jobs(host, &self.id).await;
        // Also those that the journal does not know.
        let keys = listed.unwrap_or_default().into_iter().filter(|job| !has_ended(job));
        let keys: Vec<JobKey> = keys.filter_map(|job| job.key).collect();
        for key in keys {
            let term = Some(self.world.journal().term());
            let request = CancelJobRequest { key: Some(key), term };
            if let Err(fault) = self.world.agents().cancel_job(host, request).await {
                tracing::debug!(host, fault = fault.message, "cancel before close");
            }
        }
    }

    async fn close_at(
        &self,
        host: &str,
        request: &CloseRequest,
    ) -> (String, Result<(), bellows_proto::v1::Fault>) {
        (host.to_owned(), self.world.agents().close(host, request.clone()).await)
    }
}
