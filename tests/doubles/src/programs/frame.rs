//! What goes over the listen port: a length of four bytes, big end first, and a document. The real one speaks gRPC and PostgreSQL's protocol there;
//! nobody but the double's own programs connects to this one.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, ServerConnection, StreamOwned};
use rustls_pki_types::ServerName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::kwdb::{Cluster, Joined, NodeId, Request, Response, StartArgs, Store};

/// No message is longer: its first byte is 0, which no TLS record begins with.
const MOST: u32 = 0x00ff_ffff;

/// The replicated state with what the members need to agree on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// The term in which it was proposed.
    pub(crate) term: u64,
    /// Its number; rises by one with each change.
    pub(crate) version: u64,
    /// The members whose majority decides.
    pub(crate) voters: std::collections::BTreeSet<NodeId>,
    /// The cluster.
    pub(crate) cluster: Cluster,
}

/// What is asked over the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// A client's request.
    Client(Request),
    /// A request that another node was sent, for the leader.
    Forward { at: NodeId, request: Request },
    /// A starting node wants in. `passed`: by a node that is no leader.
    Join { store: Store, args: Box<StartArgs>, passed: bool },
    /// Are you there, and who leads?
    Ping { cluster: String },
    /// A candidate asks for its term.
    Prepare { cluster: String, term: u64 },
    /// The leader's state.
    Accept { from: NodeId, state: Box<State> },
}

/// What is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Tell {
    Response(Response),
    /// Nothing is known yet.
    Silent,
    Joined {
        cluster: String,
        joined: Joined,
    },
    /// The joining node's process has to end.
    NoEntry(String),
    /// Not in a cluster, or no leader is known.
    NotNow,
    Pong {
        node: Option<NodeId>,
        cluster: Option<String>,
        leads: bool,
        leader: Option<NodeId>,
    },
    /// To `Prepare` and `Accept`: yes or no, with the highest term that was promised, and what was accepted.
    Vote {
        yes: bool,
        promised: u64,
        accepted: Option<Box<State>>,
    },
}

/// A connection, with TLS or without.
pub(crate) enum Conn {
    Plain(TcpStream),
    Dialled(Box<StreamOwned<ClientConnection, TcpStream>>),
    Taken(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Read for Conn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Dialled(stream) => stream.read(buffer),
            Self::Taken(stream) => stream.read(buffer),
        }
    }
}

impl Write for Conn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Dialled(stream) => stream.write(bytes),
            Self::Taken(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Dialled(stream) => stream.flush(),
            Self::Taken(stream) => stream.flush(),
        }
    }
}

/// Why no connection came about.
pub(crate) enum NoConn {
    Refused(String),
    Unreachable(String),
    /// TLS was begun and broke.
    Handshake(io::Error),
}

/// Where to, as text with host and port.
pub(crate) fn resolve(address: &str) -> Result<SocketAddr, String> {
    let mut found = address.to_socket_addrs().map_err(|error| error.to_string())?;
    found.next().ok_or_else(|| format!("lookup {address}: no such host"))
}

/// Connects, and shakes hands if there is a configuration for it.
pub(crate) fn dial(
    address: &str,
    tls: Option<&Arc<ClientConfig>>,
    wait: Duration,
) -> Result<Conn, NoConn> {
    let to = resolve(address)
        .map_err(|why| NoConn::Refused(format!("dial tcp: lookup {address}: {why}")))?;
    let stream = TcpStream::connect_timeout(&to, wait).map_err(|error| {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            NoConn::Refused(format!("dial tcp {to}: connect: connection refused"))
        } else {
            NoConn::Unreachable(format!("dial tcp {to}: i/o timeout"))
        }
    })?;
    let limits = stream
        .set_read_timeout(Some(wait))
        .and_then(|()| stream.set_write_timeout(Some(wait)))
        .and_then(|()| stream.set_nodelay(true));
    limits.map_err(NoConn::Handshake)?;
    let Some(config) = tls else { return Ok(Conn::Plain(stream)) };
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned();
    let failed =
        |error: &dyn std::fmt::Display| NoConn::Handshake(io::Error::other(error.to_string()));
    let name = ServerName::try_from(host).map_err(|error| failed(&error))?;
    let tls = ClientConnection::new(Arc::clone(config), name).map_err(|error| failed(&error))?;
    let mut stream = StreamOwned::new(tls, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(NoConn::Handshake)?;
    }
    Ok(Conn::Dialled(Box::new(stream)))
}

/// Nothing came in time.
pub(crate) fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl Conn {
    /// How long a read may take.
    pub(crate) fn patience(&self, wait: Duration) -> io::Result<()> {
        self.socket().set_read_timeout(Some(wait))
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Dialled(stream) => &stream.sock,
            Self::Taken(stream) => &stream.sock,
        }
    }

    pub(crate) fn close(&self) {
        // It may be closed already.
        let _ = self.socket().shutdown(Shutdown::Both);
    }

    /// The other side has gone away.
    pub(crate) fn gone(&self) -> bool {
        let socket = self.socket();
        let mut one = [0_u8; 1];
        if socket.set_nonblocking(true).is_err() {
            return true;
        }
        let peeked = socket.peek(&mut one);
        let blocks = socket.set_nonblocking(false);
        match peeked {
            Ok(0) => true,
            Ok(_) => blocks.is_err(),
            Err(error) => blocks.is_err() || error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= MOST);
        let length = length.ok_or_else(|| io::Error::other("message too long"))?;
        let mut whole = length.to_be_bytes().to_vec();
        whole.extend_from_slice(bytes);
        self.write_all(&whole)?;
        self.flush()
    }

    pub(crate) fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        self.send_bytes(&serde_json::to_vec(message)?)
    }

    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut head = [0_u8; 4];
        self.read_exact(&mut head)?;
        let length = u32::from_be_bytes(head);
        if length > MOST {
            return Err(io::Error::other("not a message of the double"));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.read_exact(&mut bytes)?;
        serde_json::from_slice(&bytes).map_err(io::Error::other)
    }
}
