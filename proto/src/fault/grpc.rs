//! How faults travel through gRPC.
//!
//! The encoded [`Fault`] stands in the details of the status, so that a caller never matches
//! on text. The gRPC code is derived from the fault's code by one table and serves only
//! those who do not know our messages.

use prost::Message as _;
use tonic::{Code, Status};

use crate::v1::{Fault, FaultCode};

/// The gRPC code for a fault's code. Chosen by what the caller does next.
pub fn grpc_code(code: FaultCode) -> Code {
    match code {
        FaultCode::Unspecified | FaultCode::Internal => Code::Internal,
        FaultCode::Unreachable | FaultCode::Surveying => Code::Unavailable,
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
