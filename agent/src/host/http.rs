//! HTTP to servers of this host, as data: what is asked, what came back, why nothing did. The one edge
//! of all HTTP: this host's addresses alone, no redirect followed, a deadline, a bounded reply.
//!
//! A target is built by typed code: no value can end the line, begin a header or add a parameter.
//! It is recorded and shown, so that no secret may stand in it.

use std::{net::SocketAddr, time::Duration};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Host, HostError, net};

/// A reply's body may be so long, bytes.
pub const REPLY_LIMIT: usize = 1024 * 1024;
/// A request's body may be so long, bytes.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Changes.
    Put,
    /// Removes.
    Delete,
}

impl Method {
    /// As it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    /// Whether it may change the server.
    pub fn changes(self) -> bool {
        match self {
            Self::Get => false,
            Self::Put | Self::Delete => true,
        }
    }
}

/// Path and query. What is not a letter, a digit or one of `-._~` is percent-encoded in a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    path: String,
    query: String,
}

impl Target {
    /// A path that stands in the code, with its slashes: "/api/v1/bookie/state".
    pub fn new(path: &'static str) -> Self {
        let mut encoded = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            encoded.push('/');
            encode(&mut encoded, part);
        }
        Self { path: encoded, query: String::new() }
    }

    /// One more part of the path. A slash in it is no slash of the path.
    #[must_use]
    pub fn segment(mut self, value: &str) -> Self {
        self.path.push('/');
        encode(&mut self.path, value);
        self
    }

    /// One more parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push(if self.query.is_empty() { '?' } else { '&' });
        encode(&mut self.query, name);
        self.query.push('=');
        encode(&mut self.query, value);
        self
    }

    /// As it is sent; begins with a slash, and is visible ASCII without a space.
    pub fn text(&self) -> String {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        format!("{path}{}", self.query)
    }
}

/// What stays as it is in a value.
const PLAIN: &AsciiSet = &NAMES_NOTHING.remove(b'.');
/// The same where a dot would name another place.
const NAMES_NOTHING: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

fn encode(into: &mut String, value: &str) {
    let set = if matches!(value, "." | "..") { NAMES_NOTHING } else { PLAIN };
    into.extend(utf8_percent_encode(value, set));
}

/// One request, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// What is to be done.
    pub method: Method,
    /// Of loopback or of this host; anything else is refused.
    pub address: SocketAddr,
    /// Path and query.
    pub target: Target,
    /// At most [`BODY_LIMIT`]; JSON, where there is one. Never shown.
    pub body: Vec<u8>,
    /// From the connection to the last byte of the reply.
    pub deadline: Duration,
}

impl HttpRequest {
    /// Reads.
    pub fn get(address: SocketAddr, target: Target, deadline: Duration) -> Self {
        Self { method: Method::Get, address, target, body: Vec::new(), deadline }
    }

    /// Changes, with a body of JSON, or none.
    pub fn put(address: SocketAddr, target: Target, body: Vec<u8>, deadline: Duration) -> Self {
        Self { method: Method::Put, address, target, body, deadline }
    }

    /// Removes.
    pub fn delete(address: SocketAddr, target: Target, deadline: Duration) -> Self {
        Self { method: Method::Delete, address, target, body: Vec::new(), deadline }
    }

    /// For records, errors and logs: `["PUT", "http://127.0.0.1:8080/api/v1/..."]`.
    pub fn command(&self) -> Vec<String> {
        let url = format!("http://{}{}", self.address, self.target.text());
        vec![self.method.as_str().to_owned(), url]
    }

    /// The error of this request.
    pub fn failed(&self, cause: Cause) -> HttpError {
        HttpError { command: self.command(), cause }
    }
}

/// What the server said. Every status is a reply, a redirect as well: what it means is for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// 100 to 999.
    pub status: u16,
    /// The whole body, as it came; at most [`REPLY_LIMIT`].
    pub body: Vec<u8>,
}

/// Why there is no reply. A request that changes may have had its effect all the same, unless it was refused.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", command.join(" "))]
pub struct HttpError {
    /// Method and address.
    pub command: Vec<String>,
    /// What happened.
    #[source]
    pub cause: Cause,
}

/// What happened instead of a reply.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The address is not of this host.
    #[error("the address is not of this host")]
    Foreign,
    /// The addresses of this host cannot be told.
    #[error("the addresses of this host cannot be told: {0}")]
    Addresses(HostError),
    /// The request's body is too long.
    #[error("the body to send is longer than {BODY_LIMIT} bytes")]
    TooLongBody,
    /// Nothing listens there. Nothing was sent.
    #[error("nothing listens there")]
    Refused,
    /// No whole reply in this time.
    #[error("no whole reply within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// The connection failed or ended too early.
    #[error("the connection failed: {0}")]
    Connection(String),
    /// The reply's body is too long.
    #[error("the reply is longer than {REPLY_LIMIT} bytes")]
    TooLongReply,
    /// What came is no HTTP, or compressed.
    #[error("the reply cannot be read: {0}")]
    Garbled(String),
    /// Ended by request.
    #[error("cancelled")]
    Cancelled,
}

/// Refuses what is not for this host, and what is too long.
///
/// # Errors
/// Why the request is not sent.
pub fn refuse_foreign(host: &dyn Host, request: &HttpRequest) -> Result<(), HttpError> {
    if request.body.len() > BODY_LIMIT {
        return Err(request.failed(Cause::TooLongBody));
    }
    let address = request.address.ip().to_canonical();
    if address.is_loopback() {
        return Ok(());
    }
    let own = net::addresses(host).map_err(|error| request.failed(Cause::Addresses(error)))?;
    if own.contains(&address) { Ok(()) } else { Err(request.failed(Cause::Foreign)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_target_is_what_was_meant() {
        let target = Target::new("/api/v1/ledger/list").query("print_metadata", "true");
        assert_eq!(target.text(), "/api/v1/ledger/list?print_metadata=true");
        let odd = Target::new("/a").segment("../b c").segment("..").query("x", "1&y=2\r\nH: v");
        assert_eq!(odd.text(), "/a/..%2Fb%20c/%2E%2E?x=1%26y%3D2%0D%0AH%3A%20v");
        assert_eq!(Target::new("").text(), "/");
    }

    #[test]
    fn a_record_names_method_and_address() {
        let target = Target::new("/state").query("type", "ro");
        let put =
            HttpRequest::put("[::1]:8080".parse().unwrap(), target, b"x".into(), Duration::ZERO);
        assert_eq!(put.command(), ["PUT", "http://[::1]:8080/state?type=ro"]);
        assert!(put.method.changes() && !Method::Get.changes());
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_place(part in ".{0,40}", name in ".{0,20}", value in ".{0,40}") {
            let text = Target::new("/fixed").segment(&part).query(&name, &value).text();
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
            prop_assert_eq!(text.matches('/').count(), 2);
            prop_assert_eq!(text.matches(['?', '&', '=']).count(), 2);
        }
    }
}
