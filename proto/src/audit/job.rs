//! The end of a job as both sides tell it: the same words from the same message, so that one can
//! be held against the other.

use crate::v1::{AuditJobEnded, Fault, FaultCode, Job};

/// All that a job ran and how it ended.
pub fn job_ended(job: &Job) -> AuditJobEnded {
    AuditJobEnded {
        key: job.key.clone(),
        action_digest: job.digest.clone(),
        state: job.state,
        code: job.fault.as_ref().map(|fault| fault.code).unwrap_or_default(),
        text: job.fault.as_ref().map(words).unwrap_or_default(),
        ended_at_ms: job.ended_at_ms,
        output_bytes: job.output_bytes,
        output_digest: job.output_digest.clone(),
        tool_runs: job.tool_runs.clone(),
    }
}

/// A fault in words, without what a tool printed.
pub fn words(fault: &Fault) -> String {
    match fault.code() {
        FaultCode::Unreadable => "the output of a tool cannot be read".to_owned(),
        FaultCode::Unspecified
        | FaultCode::Unreachable
        | FaultCode::Deadline
        | FaultCode::Invalid
        | FaultCode::Denied
        | FaultCode::Fenced
        | FaultCode::Conflict
        | FaultCode::ToolMissing
        | FaultCode::ToolFailed
        | FaultCode::Drift
        | FaultCode::NotClaimed
        | FaultCode::Cancelled
        | FaultCode::Lost
        | FaultCode::Secret
        | FaultCode::Io
        | FaultCode::NotFound
        | FaultCode::Internal
        | FaultCode::StaleTerm
        | FaultCode::Surveying => fault.message.clone(),
    }
}
