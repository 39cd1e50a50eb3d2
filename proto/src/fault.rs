//! Faults: how they are made, and how they travel through gRPC.
//!
//! The encoded [`Fault`] stands in the details of the status, so that a caller never matches
//! on text. The gRPC code is derived from the fault's code by one table and serves only
//! those who do not know our messages.

use std::fmt;

use prost::Message as _;
use tonic::{Code, Status};

use crate::v1::{Fault, FaultCode};

/// At most so many bytes of a tool's standard error travel in a fault.
pub const STDERR_TAIL: usize = 4096;

impl Fault {
    /// A fault with a code and one sentence. No secrets in it.
    pub fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), ..Self::default() }
    }

    /// The same with what to do next.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// The same with the host that it happened on, unless one is named already.
    #[must_use]
    pub fn at(mut self, host: &str) -> Self {
        if self.host.is_empty() {
            host.clone_into(&mut self.host);
        }
        self
    }

    /// The same with the tool's command line and the end of its standard error.
    #[must_use]
    pub fn tool(mut self, command: &[String], exit_status: Option<i32>, stderr: &[u8]) -> Self {
        self.command = command.to_vec();
        self.exit_status = exit_status;
        let (_, tail) = stderr.split_at(stderr.len().saturating_sub(STDERR_TAIL));
        String::from_utf8_lossy(tail).trim_end().clone_into(&mut self.stderr_tail);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.host.is_empty() {
            write!(f, "{}: ", self.host)?;
        }
        f.write_str(&self.message)?;
        if let Some(line) = self.stderr_tail.lines().last() {
            write!(f, " ({line})")?;
        }
        Ok(())
    }
}

/// An error with all its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The gRPC code for a fault's code. Chosen by what the caller does next.
pub fn grpc_code(code: FaultCode) -> Code {
    match code {
        FaultCode::Unspecified | FaultCode::Internal => Code::Internal,
        FaultCode::Unreachable => Code::Unavailable,
        FaultCode::Deadline => Code::DeadlineExceeded,
        FaultCode::Invalid => Code::InvalidArgument,
        FaultCode::Denied => Code::PermissionDenied,
        FaultCode::Fenced | FaultCode::StaleTerm | FaultCode::Conflict | FaultCode::Drift => {
            Code::Aborted
        }
        FaultCode::ToolMissing
        | FaultCode::ToolFailed
        | FaultCode::NotClaimed
        | FaultCode::Secret => Code::FailedPrecondition,
        FaultCode::Unreadable | FaultCode::Lost | FaultCode::Io => Code::DataLoss,
        FaultCode::Cancelled => Code::Cancelled,
        FaultCode::NotFound => Code::NotFound,
    }
}

/// The status that carries a fault.
pub fn to_status(fault: &Fault) -> Status {
    Status::with_details(
        grpc_code(fault.code()),
        fault.message.clone(),
        fault.encode_to_vec().into(),
    )
}

/// The fault that a status carries; else one made from the status itself, as a caller that
/// dialled `host` sees it.
pub fn from_status(status: &Status, host: &str) -> Fault {
    if !status.details().is_empty()
        && let Ok(fault) = Fault::decode(status.details())
        && fault.code() != FaultCode::Unspecified
    {
        return fault.at(host);
    }
    let code = match status.code() {
        // A client without a certificate sees `Cancelled` at its first call (tonic 0.14).
        Code::Unavailable | Code::Cancelled | Code::Unknown => FaultCode::Unreachable,
        Code::DeadlineExceeded => FaultCode::Deadline,
        Code::PermissionDenied | Code::Unauthenticated => FaultCode::Denied,
        Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented => FaultCode::Invalid,
        Code::NotFound => FaultCode::NotFound,
        Code::AlreadyExists | Code::Aborted => FaultCode::Conflict,
        Code::ResourceExhausted | Code::DataLoss => FaultCode::Io,
        Code::Ok | Code::FailedPrecondition | Code::Internal => FaultCode::Internal,
    };
    Fault::new(code, format!("the call failed: {}", reason(status))).at(host)
}

/// The status' message with the chain of its sources: tonic hides "connection refused" there.
fn reason(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_travel_whole() {
        let mut code = 1;
        while let Ok(known) = FaultCode::try_from(code) {
            let fault = Fault::new(known, "no")
                .remedy("do this")
                .tool(&["/bin/x".to_owned()], Some(3), b"bad\n")
                .at("h1");
            assert_eq!(from_status(&to_status(&fault), "h2"), fault);
            code += 1;
        }
        assert!(code > 17);
    }

    #[test]
    fn a_foreign_status_is_still_a_fault() {
        let fault = from_status(&Status::unavailable("nobody there"), "h1");
        assert_eq!(fault.code(), FaultCode::Unreachable);
        assert_eq!(fault.host, "h1");
    }
}
