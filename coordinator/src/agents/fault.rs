//! How a call to an agent that did not get through is told. Pure.

use std::time::Duration;

use bellows_proto::{
    fault,
    tls::TlsError,
    v1::{Fault, FaultCode},
};
use tonic::Status;

/// The agent's own fault, or one that says why the call did not get there.
pub fn from_status(status: &Status, host: &str) -> Fault {
    let own = fault::from_status(status, host);
    if !own.remedy.is_empty() {
        return own;
    }
    let remedy = match own.code() {
        FaultCode::Unreachable => format!(
            "on {host}: is bellows-agent running, is its port open, and is its certificate of this site?"
        ),
        FaultCode::Denied => {
            format!("on {host}: enrol the agent again if it belongs to another site")
        }
        FaultCode::Deadline => look(host),
        FaultCode::Unspecified
        | FaultCode::Invalid
        | FaultCode::Fenced
        | FaultCode::Conflict
        | FaultCode::ToolMissing
        | FaultCode::ToolFailed
        | FaultCode::Unreadable
        | FaultCode::Drift
        | FaultCode::NotClaimed
        | FaultCode::Cancelled
        | FaultCode::Lost
        | FaultCode::Secret
        | FaultCode::Io
        | FaultCode::NotFound
        | FaultCode::Internal
        | FaultCode::StaleTerm => return own,
    };
    own.remedy(remedy)
}

fn look(host: &str) -> String {
    format!("on {host}: look at bellows-agent's log and at the load")
}

/// The agent took the call and did not answer in time.
pub fn deadline(host: &str, deadline: Duration) -> Fault {
    let text = format!("the agent did not answer within {} s", deadline.as_secs());
    Fault::new(FaultCode::Deadline, text).at(host).remedy(look(host))
}

/// Nobody of that name was let in.
pub fn unknown_host(host: &str) -> Fault {
    Fault::new(FaultCode::NotFound, format!("no host {host} is enrolled at this site"))
        .at(host)
        .remedy(format!("let it in: bellows host token {host}, or see bellows host list"))
}

/// The address in the inventory cannot be dialled.
pub fn bad_address(host: &str, error: &TlsError) -> Fault {
    Fault::new(FaultCode::Unreachable, format!("the agent cannot be dialled: {error}"))
        .at(host)
        .remedy(format!("enrol {host} again with its right address"))
}

/// The certificate is right, but the agent calls itself something else.
pub fn other_host(host: &str, said: &str) -> Fault {
    Fault::new(FaultCode::Invalid, format!("the agent of {host} says that it is {said:?}"))
        .at(host)
        .remedy(format!("on {host}: host in agent.toml must be {host}"))
}

/// An answer without content: never read as "nothing there".
pub fn empty(host: &str) -> Fault {
    Fault::new(FaultCode::Unreadable, "the agent answered with an empty message")
        .at(host)
        .remedy(format!("bring the agent on {host} to the coordinator's version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tls_cancelled_is_an_unreachable_host() {
        for status in [Status::cancelled("operation was canceled"), Status::unavailable("refused")]
        {
            let fault = from_status(&status, "h1");
            assert_eq!(fault.code(), FaultCode::Unreachable);
            assert_eq!(fault.host, "h1");
            assert!(fault.remedy.contains("h1"), "{fault:?}");
        }
    }

    #[test]
    fn what_the_agent_says_stays_as_it_is() {
        let said = Fault::new(FaultCode::Fenced, "held by 0190").at("h1").remedy("wait");
        let status = fault::to_status(&said);
        assert_eq!(from_status(&status, "h2"), said);
    }
}
