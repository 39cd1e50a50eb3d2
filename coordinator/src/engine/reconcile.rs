//! After a start: do the agents have jobs of an operation that its journal does not know? Then the
//! journal is not the whole truth (a lost tail, a copied or restored store), and nothing may be
//! concluded from it.

use bellows_proto::v1::{HoldCause, Job, JobState};

use super::{
    World, observe,
    ports::Agents as _,
    run::{Run, Stop, failed},
};

impl<W: World> Run<W> {
    /// Asks all hosts of the plan for their jobs of this operation.
    ///
    /// # Errors
    /// A hold for a decision, if there is one that the journal does not know; a failure, if a
    /// host does not answer: no answer is no answer.
    pub(super) async fn reconcile(&self, hosts: &[String]) -> Result<(), Stop> {
        let mut unknown = Vec::new();
        for host in hosts {
            let jobs = self
                .patiently(|| self.world.agents().list_jobs(host, &self.id))
                .await
                .map_err(|fault| observe::stop_of(fault, HoldCause::Unknown))?;
            let strange = self.look(|state| {
                let known = |job: &&Job| job.key.as_ref().is_some_and(|key| state.knows(key));
                let strange = jobs.iter().filter(|job| !known(job));
                strange.map(|job| told(host, job)).collect::<Vec<_>>()
            });
            unknown.extend(strange);
        }
        if unknown.is_empty() {
            return Ok(());
        }
        Err(failed(
            HoldCause::Decision,
            format!(
                "the journal does not know all that was done: {}; the store has lost its last \
                 events, or is a copy or a restored one. Abandon this operation, look at the \
                 hosts, and plan anew; nothing is taken back by itself",
                unknown.join(", ")
            ),
        ))
    }
}

fn told(host: &str, job: &Job) -> String {
    let key = job.key.clone().unwrap_or_default();
    let state = how(job.state());
    format!("act {} attempt {} at host {host} {state}", key.act, key.attempt)
}

/// How a job is, after "act 3 attempt 1 at host h1".
pub(crate) fn how(state: JobState) -> &'static str {
    match state {
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "was cancelled",
        JobState::Lost => "was lost",
        JobState::Accepted | JobState::Running => "runs",
        JobState::Unspecified => "is in an unknown state",
    }
}
