//! Faults from what the lower layers say: one exhaustive table.

use bellows_proto::v1::{Fault, FaultCode};

use crate::{
    exec::{self, Finished, Invocation},
    host::{HostError, HttpError, http::Cause},
};

impl From<HostError> for Fault {
    fn from(error: HostError) -> Self {
        Self::new(FaultCode::Io, error.to_string())
            .remedy("look at the disk and the permissions of that path on the host")
    }
}

impl From<HttpError> for Fault {
    fn from(error: HttpError) -> Self {
        let (code, remedy) = match &error.cause {
            Cause::Foreign => (
                FaultCode::Denied,
                "mend the address in agent.toml or in the configuration of the node",
            ),
            Cause::TooLongBody | Cause::Addresses(_) => (FaultCode::Internal, ""),
            Cause::Refused => (
                FaultCode::ToolFailed,
                "look whether the server runs, and whether it listens at this address and port",
            ),
            Cause::Deadline(_) => (FaultCode::Deadline, ""),
            Cause::Connection(_) => (FaultCode::ToolFailed, "look at the log of the server"),
            Cause::TooLongReply | Cause::Garbled(_) => (
                FaultCode::Unreadable,
                "look whether it is the server that was meant, at this address and port",
            ),
            Cause::Cancelled => (FaultCode::Cancelled, ""),
        };
        let message = error.to_string();
        Self::new(code, message).remedy(remedy).tool(&error.command, None, b"")
    }
}

/// A run without an ending, as a fault.
pub fn of_exec(invocation: &Invocation, error: &exec::Error) -> Fault {
    let message = error.to_string();
    let (code, remedy, stderr): (_, _, &[u8]) = match error {
        exec::Error::Invalid { .. } => (FaultCode::Internal, "", &[]),
        exec::Error::Missing { .. } => {
            (FaultCode::ToolMissing, "install it on the host, or mend the path in agent.toml", &[])
        }
        exec::Error::Start { .. } => (
            FaultCode::ToolMissing,
            "look whether the user of agent.toml exists and may run it",
            &[],
        ),
        exec::Error::Deadline { stderr, .. } => (FaultCode::Deadline, "", stderr),
        exec::Error::Cancelled { .. } => (FaultCode::Cancelled, "", &[]),
        exec::Error::Io { .. } => (FaultCode::Io, "", &[]),
    };
    Fault::new(code, message).remedy(remedy).tool(&invocation.command(), None, stderr)
}

/// A tool that ran and failed. `what` says in words what it was to do: "clone the standby".
pub fn tool_failed(command: &[String], finished: &Finished, what: &str) -> Fault {
    let program = command.first().map(String::as_str).unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    let message = format!("{name} failed to {what}: {}", finished.outcome());
    Fault::new(FaultCode::ToolFailed, message).tool(command, finished.status, &finished.stderr)
}

/// A tool whose output cannot be read. `raw` is shown, cut.
pub fn unreadable(command: &[String], reason: &str, raw: &[u8]) -> Fault {
    let shown: String = String::from_utf8_lossy(raw).chars().take(400).collect();
    Fault::new(
        FaultCode::Unreadable,
        format!("its output cannot be read: {reason}; it printed {shown:?}"),
    )
    .tool(command, Some(0), b"")
}
