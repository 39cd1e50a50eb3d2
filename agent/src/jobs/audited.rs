//! What jobs tell the audit log: a call before its effect, an acceptance before anything of the
//! job runs, an end before anybody hears of it, all of them before the job is forgotten.

use bellows_proto::{
    digest,
    v1::{
        AuditCall, AuditHead, AuditJobAccepted, CloseRequest, Fault, Fence, Job, JobKey,
        ProgramOutcome, Term,
    },
};

use super::{
    Jobs, has_ended,
    store::{self, JobDir, Record},
};
use crate::audit::{Audit, Caller};

impl Jobs {
    /// The same jobs, for a call of this caller.
    #[must_use]
    pub fn called_by(&self, caller: Caller) -> Self {
        Self(std::sync::Arc::clone(&self.0), caller)
    }

    /// A changing call of the caller was refused or failed.
    pub fn refused(&self, call: &str, operation: &str, fault: &Fault) {
        self.0.audit.refused(&self.1, call, operation, fault);
    }

    /// Another program of the agent was on trial, and that is over.
    pub fn trial_ended(&self, last: &ProgramOutcome) {
        let program = last.program.clone().unwrap_or_default();
        let digest = digest::hex(&program.digest);
        let how =
            if last.kept { "is kept".to_owned() } else { format!("taken back: {}", last.reason) };
        let text = format!("program {} {digest} {how}", program.version);
        if let Err(fault) = self.0.audit.done("SwitchProgram", &text, last.kept) {
            tracing::error!(%fault, text, "the end of an upgrade is not in the audit log");
        }
    }

    /// As [`Jobs::obey`], with more to be told of the call.
    ///
    /// # Errors
    /// As there.
    pub fn obey_in(&self, call: &str, term: Option<&Term>, detail: String) -> Result<(), Fault> {
        self.0.ledger.accept(term)?;
        let (call, term) = (call.to_owned(), term.cloned());
        self.0.audit.call(&self.1, AuditCall { call, term, detail, ..AuditCall::default() })
    }

    /// How far the audit log goes; `None`: it cannot be written.
    pub fn audit_head(&self) -> Option<AuditHead> {
        self.0.audit.head()
    }

    /// The audit log, for its readers.
    pub fn audit(&self) -> &Audit {
        &self.0.audit
    }

    /// A fence that is not planted yet is about to be.
    pub(super) fn audit_fence(&self, fence: &Fence) -> Result<(), Fault> {
        if self.0.ledger.fences()?.contains(fence) {
            return Ok(());
        }
        self.0.audit.call(
            &self.1,
            AuditCall {
                call: "PlantFence".to_owned(),
                operation: fence.operation.clone(),
                cluster: fence.cluster.clone(),
                term: fence.term.clone(),
                ..AuditCall::default()
            },
        )
    }

    pub(super) fn audit_call(
        &self,
        call: &str,
        key: Option<&JobKey>,
        term: Option<&Term>,
    ) -> Result<(), Fault> {
        let call = AuditCall {
            call: call.to_owned(),
            operation: key.map(|key| key.operation.clone()).unwrap_or_default(),
            key: key.cloned(),
            term: term.cloned(),
            ..AuditCall::default()
        };
        self.0.audit.call(&self.1, call)
    }

    /// All jobs of the operation are in the log, and that it is closed.
    pub(super) fn audit_close(&self, request: &CloseRequest) -> Result<(), Fault> {
        let id = store::operation(&request.operation)?;
        for dir in self.dirs(id)? {
            if let Some(job) = dir.job(self.0.local.host.as_ref())? {
                self.audit_job(&dir, &job)?;
            }
        }
        // It was closed before: only its jobs were not forgotten to the end.
        if self.0.ledger.is_closed(id)? {
            return Ok(());
        }
        self.0.audit.call(
            &self.1,
            AuditCall {
                call: "Close".to_owned(),
                operation: id.to_owned(),
                term: request.term.clone(),
                ..AuditCall::default()
            },
        )
    }

    /// What the log lacks of a job: after a crash, or because the disk was full.
    pub(super) fn audit_job(&self, dir: &JobDir, job: &Job) -> Result<(), Fault> {
        let audit = &self.0.audit;
        if job.key.as_ref().is_some_and(|key| !audit.knows(key))
            && let Some(record) = dir.get::<Record>(self.0.local.host.as_ref(), "record")?
        {
            audit.accepted(accepted(&record))?;
        }
        if has_ended(job) { audit.ended(job) } else { Ok(()) }
    }
}

pub(super) fn accepted(record: &Record) -> AuditJobAccepted {
    AuditJobAccepted {
        key: record.key.clone(),
        cluster: record.cluster.clone(),
        term: record.term.clone(),
        action_digest: record.digest.clone(),
        accepted_at_ms: record.accepted_at_ms,
        principal: record.principal.clone(),
        coordinator: record.asked_from.clone(),
    }
}
