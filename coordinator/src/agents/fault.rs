//! How a call to an agent that did not get through is told. Pure.

use std::{error::Error, io, time::Duration};

use bellows_proto::{
    fault,
    tls::TlsError,
    v1::{Fault, FaultCode},
};
use rustls::{AlertDescription, CertificateError};
use rustls_pki_types::UnixTime;
use tonic::Status;

/// The agent's own fault, or one that says why the call did not get there.
pub fn from_status(status: &Status, host: &str) -> Fault {
    let own = fault::from_status(status, host);
    if !own.remedy.is_empty() {
        return own;
    }
    if let Some(told) = tls_error(status).and_then(|error| of_certificate(error, host)) {
        return told;
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
        | FaultCode::StaleTerm
        | FaultCode::Surveying => return own,
    };
    own.remedy(remedy)
}

/// What TLS said, wherever it is among the causes.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(found) = inner.or_else(|| error.downcast_ref()) {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// A certificate that one of both ends does not accept, and what mends that.
fn of_certificate(error: &rustls::Error, host: &str) -> Option<Fault> {
    let anew = format!("bellows host token {host}, then on {host}: bellows-agent enrol");
    let told = |text: String, remedy: String| {
        Some(Fault::new(FaultCode::Unreachable, text).at(host).remedy(remedy))
    };
    let rustls::Error::InvalidCertificate(why) = error else {
        let expired = AlertDescription::CertificateExpired;
        if !matches!(error, rustls::Error::AlertReceived(said) if *said == expired) {
            // Not about certificates: as any connection that breaks.
            return None;
        }
        let text =
            "its agent says that the coordinator's certificate has ended, or is not valid yet";
        let remedy = format!("look at the clock of {host}, and at bellows status");
        return told(text.to_owned(), remedy);
    };
    if let CertificateError::ExpiredContext { not_after, .. } = why {
        return told(format!("its certificate ended on {}", date(*not_after)), anew);
    }
    if let CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } = why {
        let remedy = "look at the clock of the coordinator's machine";
        return told("its certificate is not valid yet".to_owned(), remedy.to_owned());
    }
    let text = if *why == CertificateError::Expired {
        "its certificate has ended"
    } else if *why == CertificateError::Revoked {
        "the key that it shows was revoked"
    } else if *why == CertificateError::UnknownIssuer {
        "its certificate is not of this site's authority"
    } else {
        return None;
    };
    told(text.to_owned(), anew)
}

/// "2027-11-20 10:00 UTC".
fn date(at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let shown = jiff::Timestamp::from_second(seconds);
    shown.map_or_else(|_| "?".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
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

/// There is no connection with whom the certificate should name.
pub fn no_handshake(host: &str, error: &TlsError) -> Fault {
    if let Some(told) = tls_error(error).and_then(|error| of_certificate(error, host)) {
        return told;
    }
    let why = error.source().map(|why| format!(": {why}")).unwrap_or_default();
    Fault::new(FaultCode::Unreachable, format!("{error}{why}")).at(host).remedy(look(host))
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
