//! How a client reaches a node, and what it says when it does not (facts section 2.3).
//!
//! After each text stands what the real one's libraries say: unconfirmed, not to be matched.

use super::Connection;
use crate::kwdb::{Cluster, Failure, NodeId, Request, Response};

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The node answered.
    Response(Response),
    /// It took the request, and says nothing (yet).
    Silent,
    /// Nobody listens there.
    Refused(String),
    /// Nothing comes back from there at all.
    Unreachable(String),
    /// The certificates cannot be loaded.
    Certificates(String),
    /// The server has no TLS and the client wants it.
    InsecureServer(String),
    /// The server has TLS and the client does not.
    SecureServer(String),
    /// The certificates do not fit each other.
    Authentication(String),
    /// The connection broke before an answer.
    Closed(String),
}

/// Brings requests to nodes.
pub trait Wire {
    /// Asks the node at the connection's address.
    fn ask(&mut self, connection: &Connection, request: &Request) -> Answer;
}

/// The wire of a simulation: one cluster, seen from one host.
pub struct LocalWire<'a> {
    /// The cluster.
    pub cluster: &'a mut Cluster,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
    /// What stands for `localhost` and `127.0.0.1` in `--host`; the host part of a node's address.
    pub local: &'a str,
    /// Whether the host reaches the node.
    pub reaches: &'a dyn Fn(NodeId) -> bool,
    /// Whether a directory has certificates that the cluster accepts.
    pub certificates: &'a dyn Fn(&str) -> bool,
}

impl Wire for LocalWire<'_> {
    fn ask(&mut self, connection: &Connection, request: &Request) -> Answer {
        let dialled = &connection.address;
        let (host, port) = dialled.rsplit_once(':').unwrap_or((dialled, "26257"));
        let host = if matches!(host, "localhost" | "127.0.0.1") { self.local } else { host };
        let wanted = format!("{host}:{port}");
        // An address may have had several nodes: the last one is there now.
        let found = self.cluster.nodes.values().rev().find(|node| node.address == wanted);
        let Some(node) = found else {
            return Answer::Refused(format!("dial tcp {dialled}: connect: connection refused"));
        };
        let id = node.id;
        if !(self.reaches)(id) {
            return Answer::Unreachable(format!("dial tcp {dialled}: i/o timeout"));
        }
        if !node.up {
            return Answer::Refused(format!("dial tcp {dialled}: connect: connection refused"));
        }
        if !connection.insecure && !(self.certificates)(&connection.certs_dir) {
            return Answer::Certificates(
                "problem using security settings: no certificates found; does certs dir exist?"
                    .to_owned(),
            );
        }
        match (self.cluster.secure, connection.insecure) {
            (true, true) => Answer::SecureServer("EOF".to_owned()),
            (false, false) => Answer::InsecureServer(
                "tls: first record does not look like a TLS handshake".to_owned(),
            ),
            (true, false) | (false, true) => self
                .cluster
                .serve(id, request, self.now_ms)
                .map_or(Answer::Silent, Answer::Response),
        }
    }
}

/// What the client says of it; `None` for an answer, or silence.
pub(crate) fn failure(answer: &Answer, connection: &Connection, by_sql: bool) -> Option<Failure> {
    // Said only to who came without certificates.
    let extra = if connection.insecure {
        "\nIf the node is configured to require secure connections,\nremove --insecure and configure secure credentials instead.\n"
    } else {
        ""
    };
    let text = match answer {
        Answer::Response(_) | Answer::Silent => return None,
        // Which of both it is for a host that sends nothing back is unconfirmed.
        Answer::Unreachable(why) if !by_sql => format!("operation timed out.\n\n{why}"),
        Answer::Refused(why) | Answer::Unreachable(why) => format!(
            "cannot dial server.\nIs the server running?\nIf the server is running, check --host client-side and --advertise server-side.\n\n{why}"
        ),
        Answer::Certificates(why) => format!(
            "cannot load certificates.\nCheck your certificate settings, set --certs-dir, or use --insecure for insecure clusters.\n\n{why}"
        ),
        Answer::InsecureServer(why) => format!(
            "cannot establish secure connection to insecure server.\nMaybe use --insecure?\n\n{why}"
        ),
        Answer::Authentication(why) => {
            format!("SSL authentication error while connecting.\n{extra}\n{why}")
        }
        Answer::SecureServer(why) if by_sql => {
            format!("SSL authentication error while connecting.\n{extra}\n{why}")
        }
        Answer::SecureServer(why) | Answer::Closed(why) => {
            format!("server closed the connection.\nIs this a KwDB node?\n{extra}\n{why}")
        }
    };
    Some(Failure::plain(text))
}
