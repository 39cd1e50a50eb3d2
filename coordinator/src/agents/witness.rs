//! The audit log as the witness of calls to agents. What cannot be written is logged: the log
//! itself says no from then on, and the journal with it.

use bellows_proto::v1::{AuditHead, Job};

use super::Witness;
use crate::audit::AuditLog;

impl Witness for AuditLog {
    fn head(&self) -> AuditHead {
        Self::head(self)
    }

    fn job_ended(&self, host: &str, job: &Job, agent: Option<AuditHead>) {
        if let Err(error) = Self::job_ended(self, host, job, agent) {
            tracing::error!(host, %error, "the end of a job is not in the audit log");
        }
    }

    fn seen(&self, host: &str, agent: AuditHead) {
        if let Err(error) = Self::witness(self, host, agent) {
            tracing::error!(host, %error, "an agent's audit head is not in the audit log");
        }
    }
}
