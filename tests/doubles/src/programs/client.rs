//! Client commands over real connections.

use std::io;
use std::path::Path;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use super::frame::{Ask, NoConn, Tell, dial, timed_out};
use super::{now_ms, say_err, say_out, tls};
use crate::kwdb::cli::{Answer, Connection, Invocation, Turn, Wire, begin};
use crate::kwdb::{Failure, Knobs, Request, Response};

/// How long one connection attempt waits; the command tries again until its own limit.
const DIAL: Duration = Duration::from_secs(2);
/// A node always says something within this, and be it that it knows nothing yet.
const ANSWER: Duration = Duration::from_secs(12);

/// Runs a command to its end; writes as it goes.
pub(crate) fn run(call: &Invocation, knobs: &Knobs) -> i32 {
    let mut client = begin(call, knobs, now_ms());
    let (mut out, mut err) = (0, 0);
    loop {
        let turn = match client.ended() {
            Some(status) => Turn::Ended { status },
            None => client.step(&mut TcpWire, now_ms()),
        };
        say_err(client.stderr.get(err..).unwrap_or_default());
        say_out(client.stdout.get(out..).unwrap_or_default());
        (out, err) = (client.stdout.len(), client.stderr.len());
        match turn {
            Turn::Ended { status } => return status,
            Turn::Again { at_ms } => pause(at_ms - now_ms()),
        }
    }
}

/// Waits; the command's own back-off, not luck.
pub(crate) fn pause(ms: i64) {
    let Ok(ms) = u64::try_from(ms) else { return };
    let (lock, nobody) = (Mutex::new(()), Condvar::new());
    if let Ok(guard) = lock.lock() {
        let _ = nobody.wait_timeout(guard, Duration::from_millis(ms));
    }
}

/// How long a statement may go unanswered on an open connection.
const STATEMENT: Duration = Duration::from_secs(3_600);

struct TcpWire;

impl Wire for TcpWire {
    fn ask(&mut self, connection: &Connection, request: &Request) -> Answer {
        let by_sql =
            matches!(request, Request::Sql { .. } | Request::NodeStatus { .. } | Request::NodeLs);
        let config = if connection.insecure {
            None
        } else {
            let dir = Path::new(&connection.certs_dir);
            match tls::client(dir, &format!("client.{}", connection.user)) {
                Ok(Some(config)) => Some(config),
                // Section 2.1: it would ask for a password on the terminal, and there is none.
                Ok(None) if by_sql => {
                    let text = "inappropriate ioctl for device".to_owned();
                    return Answer::Response(Response::Failed(Failure::plain(text)));
                }
                Ok(None) => {
                    return Answer::Certificates(format!(
                        "problem using security settings: no client certificate found for user {} in {}",
                        connection.user, connection.certs_dir
                    ));
                }
                Err(why) => return Answer::Certificates(why),
            }
        };
        let mut conn = match dial(&connection.address, config.as_ref(), DIAL) {
            Ok(conn) => conn,
            Err(NoConn::Refused(why)) => return Answer::Refused(why),
            Err(NoConn::Unreachable(why)) => return Answer::Unreachable(why),
            Err(NoConn::Handshake(error)) => return handshake(&error),
        };
        // A statement is sent once: whether it was done when nothing is heard, nobody knows.
        let statement = matches!(request, Request::Sql { .. });
        let asked = conn
            .patience(if statement { STATEMENT } else { ANSWER })
            .and_then(|()| conn.send(&Ask::Client(request.clone())))
            .and_then(|()| conn.receive::<Tell>());
        match asked {
            Ok(Tell::Response(response)) => Answer::Response(response),
            Ok(_) => Answer::Silent,
            Err(error) if timed_out(&error) => Answer::Silent,
            // TLS 1.3: that our certificate is refused is heard only now.
            Err(error) if config.is_some() && error.kind() == io::ErrorKind::InvalidData => {
                Answer::Authentication(error.to_string())
            }
            Err(_) if connection.insecure => Answer::SecureServer("EOF".to_owned()),
            Err(_) => Answer::Closed("EOF".to_owned()),
        }
    }
}

fn handshake(error: &io::Error) -> Answer {
    if timed_out(error) {
        return Answer::Unreachable("i/o timeout".to_owned());
    }
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidMessage(_)) => Answer::InsecureServer(
            "tls: first record does not look like a TLS handshake".to_owned(),
        ),
        Some(other) => Answer::Authentication(format!("x509: {other}")),
        None => Answer::Closed(error.to_string()),
    }
}
