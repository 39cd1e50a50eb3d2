//! Starting a job: all that is asked before it is accepted, its record, its launch.

use std::{
    collections::BTreeSet,
    sync::{MutexGuard, PoisonError},
};

use bellows_proto::{
    defect::{Defect, is_seeded},
    digest,
    v1::{Action, Fault, FaultCode, Job, StartJobRequest},
};

use super::{
    Jobs,
    audited::accepted,
    launch,
    store::{JobDir, Record, unit, word},
};
use crate::tools;

impl Jobs {
    /// Starts a job once: the same key returns the same job.
    ///
    /// # Errors
    /// Why it was refused; then nothing runs. A job that was accepted but could not be started
    /// is no error: it has failed.
    pub async fn start(&self, request: StartJobRequest) -> Result<Job, Fault> {
        let dir = self.dir(request.key.as_ref())?;
        let key = request.key.clone().unwrap_or_default();
        self.refuse_observer()?;
        self.0.ledger.accept(request.term.as_ref())?;
        self.0.ledger.refuse_closed(&key.operation)?;
        let action = request.action.clone().unwrap_or_default();
        if digest::of(&action)[..] != request.digest[..] {
            let message = "the digest is not that of the action";
            return Err(Fault::new(FaultCode::Invalid, message));
        }
        if let Some(job) = self.current(&dir)?
            && !is_seeded(Defect::KnownJobStartedAgain)
        {
            return if job.digest == request.digest {
                Ok(job)
            } else {
                let message = format!("job {} exists with another action", word(&key));
                Err(Fault::new(FaultCode::Conflict, message))
            };
        }
        if self.0.local.host.metadata(&dir.never())?.is_some() {
            let message = format!("job {} is sealed: it never was and never will be", word(&key));
            return Err(Fault::new(FaultCode::Fenced, message));
        }
        self.0.ledger.require(&request.cluster, &key.operation)?;
        refuse_others(&action, &request.cluster)?;
        tools::permitted(&action, &self.0.local)?;
        // No await between the checks and the record: of two starts the second sees it.
        let record = Record {
            unit: unit(self.0.local.form, &key),
            key: request.key,
            digest: request.digest,
            action: request.action,
            term: request.term,
            cluster: request.cluster,
            accepted_at_ms: self.0.local.clock.now_ms(),
            deadline_ms: request.deadline_ms,
            principal: self.1.principal.clone(),
            asked_from: self.1.head.clone(),
        };
        dir.make(self.0.local.host.as_ref())?;
        dir.put(self.0.local.host.as_ref(), "record", &record)?;
        // From now on another caller sees it as being launched, not as lost.
        self.launching().insert(word(&key));
        // A task of its own: a caller that goes away does not stop the launch half-way.
        let launch = tokio::spawn(self.clone().launch(dir.clone(), record));
        launch.await.map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))??;
        self.required(&dir)
    }

    async fn launch(self, dir: JobDir, record: Record) -> Result<(), Fault> {
        let key = word(&record.key.clone().unwrap_or_default());
        let operation = key.split('/').next().unwrap_or_default();
        tracing::info!(job = key, operation, cluster = record.cluster, "job accepted");
        let started = match self.0.audit.accepted(accepted(&record)) {
            Ok(()) => launch::start(&self.0.local, &self.0.shim, &record, &dir).await,
            Err(fault) => Err(fault),
        };
        self.launching().remove(&key);
        if let Err(fault) = started {
            tracing::warn!(job = key, %fault, "job could not be started");
            self.fail_unstarted(&dir, &record, &launch::not_started(&fault))?;
        }
        Ok(())
    }

    pub(super) fn launching(&self) -> MutexGuard<'_, BTreeSet<String>> {
        let launching = self.0.launching.lock();
        launching.unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fence that was asked for must be that of the nodes that are touched.
fn refuse_others(action: &Action, cluster: &str) -> Result<(), Fault> {
    match tools::nodes(action).into_iter().find(|node| node.cluster != cluster) {
        Some(node) => Err(Fault::new(
            FaultCode::Fenced,
            format!(
                "the fence is of cluster {cluster}, but the action is about node {} of cluster {}",
                node.node, node.cluster
            ),
        )),
        None => Ok(()),
    }
}
