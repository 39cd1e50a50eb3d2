//! How refusals and failures of engine and store become statuses. One place, so that the
//! same mistake always has the same code.

use bellows_proto::{
    fault::{chain, to_status},
    names::InvalidName,
    v1::{Fault, FaultCode, HostJob, JobStanding, OperationSummary},
};
use tonic::Status;

use crate::{
    audit::AuditError,
    engine::{
        ControlError,
        ports::{BeginError, JournalError},
    },
    store::StoreError,
};

/// The request itself is wrong.
pub fn invalid(what: impl Into<String>, remedy: &str) -> Status {
    to_status(&Fault::new(FaultCode::Invalid, what).remedy(remedy))
}

/// A name that is none.
pub fn bad_name(error: &InvalidName) -> Status {
    invalid(error.to_string(), "correct the name")
}

/// There is no such thing.
pub fn not_found(what: impl Into<String>, remedy: &str) -> Status {
    to_status(&Fault::new(FaultCode::NotFound, what).remedy(remedy))
}

/// Nothing may be changed by this coordinator.
pub fn read_only(reason: &str) -> Status {
    let text = format!("this coordinator is read-only: {reason}");
    to_status(&Fault::new(FaultCode::StaleTerm, text).remedy(
        "if no other coordinator of this site is alive, restart this one with `bellows serve --take-over`",
    ))
}

/// A bug.
pub fn internal(what: impl Into<String>) -> Status {
    let fault = Fault::new(FaultCode::Internal, what);
    to_status(&fault.remedy("this is a bug: look at the coordinator's log and report it"))
}

/// The journal failed: the coordinator is about to end.
pub fn journal(error: &JournalError) -> Status {
    disk(error.to_string())
}

/// The disk of the coordinator failed.
pub fn disk(text: String) -> Status {
    to_status(
        &Fault::new(FaultCode::Io, text)
            .remedy("look at the disk of the coordinator and at its log, then start it again"),
    )
}

/// The audit log failed.
pub fn audit(error: &AuditError) -> Status {
    disk(error.to_string())
}

/// A file of the audit log cannot be read.
pub fn unreadable_audit(error: &std::io::Error) -> Status {
    disk(format!("the audit log cannot be read: {error}"))
}

/// The store refused or failed.
pub fn store(error: &StoreError) -> Status {
    match error {
        StoreError::OperationId(_) => {
            invalid(error.to_string(), "`bellows op list` shows the ids of operations")
        }
        StoreError::OperationUnknown(_) => {
            not_found(error.to_string(), "`bellows op list` shows the operations")
        }
        StoreError::Locked { resource, operation, .. } => locked(resource, operation),
        StoreError::SpecVersion { .. } => conflict(error.to_string(), "plan anew"),
        StoreError::Absent(_)
        | StoreError::Exists(_)
        | StoreError::Occupied { .. }
        | StoreError::InUse(_)
        | StoreError::Corrupt { .. }
        | StoreError::Emptied(_)
        | StoreError::Format { .. }
        | StoreError::Damaged { .. }
        | StoreError::TooLarge { .. }
        | StoreError::Io { .. }
        | StoreError::Sled(_)
        | StoreError::Failed(_)
        | StoreError::Begin { .. }
        | StoreError::Backup { .. }
        | StoreError::Sequence { .. } => disk(chain(error)),
    }
}

/// It does not fit what is there.
pub fn conflict(what: impl Into<String>, remedy: &str) -> Status {
    to_status(&Fault::new(FaultCode::Conflict, what).remedy(remedy))
}

/// An agent refused, or could not be asked.
pub fn of_agent(fault: Fault) -> Status {
    if fault.remedy.is_empty() {
        return to_status(&fault.remedy("look at bellows-agent's log on the host"));
    }
    to_status(&fault)
}

/// A fence that no open operation of the journal has planted holds a cluster.
pub fn stray_fence(host: &str, found: &HostJob) -> Status {
    let HostJob { operation, cluster, .. } = found;
    let whose = match found.standing() {
        JobStanding::Over => "is over",
        JobStanding::Unspecified
        | JobStanding::Known
        | JobStanding::NotAskedFor
        | JobStanding::Unknown => "the journal does not know",
    };
    let text = format!("operation {operation}, which {whose}, holds cluster {cluster} at {host}");
    to_status(&Fault::new(FaultCode::Fenced, text).at(host).remedy(format!(
        "see `bellows job list --unknown`, look at the host, then: bellows job settle {host} {operation}"
    )))
}

fn locked(resource: &str, operation: &str) -> Status {
    let text = format!("{resource} is held by operation {operation}");
    to_status(&Fault::new(FaultCode::Fenced, text).remedy(format!(
        "see `bellows op show {operation}`; wait for it with `bellows op watch {operation}`, or end it"
    )))
}

/// An operation cannot begin.
pub fn begin(error: &BeginError) -> Status {
    match error {
        BeginError::Locked(holder) => locked(&holder.resource, &holder.operation),
        BeginError::SpecVersion { .. } => conflict(error.to_string(), "plan anew"),
        BeginError::Journal(error) => journal(error),
    }
}

/// An operation whose record is damaged cannot be followed.
pub fn damaged(one: &OperationSummary) -> Status {
    conflict(
        format!("operation {} is held: its record is damaged: {}", one.operation, one.damage),
        &one.damage_remedy,
    )
}

/// Something cannot be asked of an operation.
pub fn control(error: &ControlError) -> Status {
    match error {
        ControlError::NotFound(_) => {
            not_found(error.to_string(), "`bellows op list` shows the operations")
        }
        ControlError::NotNow(_) => {
            conflict(error.to_string(), "`bellows op show` tells where the operation is")
        }
        ControlError::Damaged { damage, remedy } => {
            conflict(format!("its record in the store is damaged: {damage}"), remedy)
        }
        ControlError::ReadOnly(reason) => read_only(reason),
        ControlError::Journal(error) => journal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ports::Holder;
    use tonic::Code;

    #[test]
    fn refused_invalid_and_not_found_have_codes_of_their_own() {
        let holder = Holder { resource: "cluster/orders".into(), operation: "0190".into() };
        let codes = [
            invalid("x", "y").code(),
            not_found("x", "y").code(),
            begin(&BeginError::Locked(holder)).code(),
            internal("x").code(),
        ];
        assert_eq!(codes, [Code::InvalidArgument, Code::NotFound, Code::Aborted, Code::Internal]);
    }

    #[test]
    fn the_holder_of_a_lock_is_named() {
        let holder = Holder { resource: "cluster/orders".into(), operation: "0190".into() };
        let status = begin(&BeginError::Locked(holder));
        let fault = bellows_proto::fault::from_status(&status, "");
        assert_eq!(fault.code(), FaultCode::Fenced);
        assert!(fault.message.contains("0190") && fault.remedy.contains("op show 0190"));
    }
}
