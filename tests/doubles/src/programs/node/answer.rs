//! What a node answers on its listen port.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::core::{Change, Core};
use super::life::Life;
use crate::kwdb::{Cluster, Failure, NodeId, Request, Response, StartArgs, Store};
use crate::programs::frame::{Ask, Conn, Tell};
use crate::programs::now_ms;

/// How long a request waits for a leader before the node says that it knows nothing yet.
const LEADER: Duration = Duration::from_secs(2);
/// A connection over which nothing came for so long is closed.
const IDLE: Duration = Duration::from_secs(30);

/// Takes connections for ever.
pub(crate) fn listen(
    listener: TcpListener,
    core: &Arc<Core>,
    life: &Arc<Life>,
    tls: Option<&Arc<ServerConfig>>,
) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let (core, life, tls) = (Arc::clone(core), Arc::clone(life), tls.cloned());
        thread::spawn(move || {
            // A connection that breaks is its client's affair.
            let _ = serve(stream, &core, &life, tls.as_ref());
        });
    }
}

/// Whoever comes with TLS to a node without it is told so, and the other way round the connection is closed: section 2.3.
fn take(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<Option<Conn>> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_nodelay(true)?;
    let mut first = [0_u8; 1];
    if stream.peek(&mut first)? == 0 {
        return Ok(None);
    }
    let wants_tls = first == [0x16];
    match tls {
        None if wants_tls => {
            // Read what came, so that the answer is not lost with a reset.
            let mut stream = stream;
            let mut hello = [0_u8; 4_096];
            let _ = stream.read(&mut hello)?;
            stream.write_all(b"NNNNNNNN")?;
            Ok(None)
        }
        None => Ok(Some(Conn::Plain(stream))),
        Some(_) if !wants_tls => Ok(None),
        Some(config) => {
            let tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(tls, stream);
            while stream.conn.is_handshaking() {
                stream.conn.complete_io(&mut stream.sock)?;
            }
            Ok(Some(Conn::Taken(Box::new(stream))))
        }
    }
}

fn serve(
    stream: TcpStream,
    core: &Core,
    life: &Life,
    tls: Option<&Arc<ServerConfig>>,
) -> io::Result<()> {
    let Some(mut conn) = take(stream, tls)? else { return Ok(()) };
    loop {
        let ask: Ask = conn.receive()?;
        let last = matches!(&ask, Ask::Client(Request::Shutdown));
        let answered = answer(core, life, ask, &|| conn.gone());
        let Some(tell) = answered else {
            conn.close();
            return Ok(());
        };
        conn.send(&tell)?;
        if last {
            life.end("quit");
        }
    }
}

fn answer(core: &Core, life: &Life, ask: Ask, gone: &dyn Fn() -> bool) -> Option<Tell> {
    Some(match ask {
        Ask::Client(request) => return client(core, life, request, gone),
        Ask::Forward { at, request } => match change(core, at, &request) {
            Change::Done(Some(response)) => Tell::Response(response),
            Change::Done(None) => Tell::Silent,
            Change::NotHere => Tell::NotNow,
            Change::Unclear => unclear(&request),
        },
        Ask::Join { store, args, passed } => join(core, store, &args, passed),
        Ask::Ping { cluster } => ping(core, &cluster),
        Ask::Prepare { cluster, term } => prepare(core, &cluster, term),
        Ask::Accept { from, state } => {
            let mut inner = core.lock();
            let mine = inner.share.store.cluster.as_ref() == Some(&state.cluster.id);
            let term = state.term;
            let yes = mine && inner.accept(*state);
            if yes {
                inner.leader = Some((from, Instant::now()));
                inner.heard.insert(from, Instant::now());
                if inner.leads.is_some_and(|led| led < term) {
                    inner.leads = None;
                }
                core.changed.notify_all();
            }
            Tell::Vote { yes, promised: inner.share.promised, accepted: None }
        }
    })
}

/// A change that was sent out and not agreed on may be there or not.
fn unclear(request: &Request) -> Tell {
    match request {
        Request::Sql { statement, .. } if reads(statement) => Tell::Silent,
        Request::Sql { .. } => Tell::Response(Response::Failed(Failure::coded(
            "40003",
            "result is ambiguous (error=unable to replicate; the outcome is unknown)".to_owned(),
        ))),
        Request::NodeStatus { .. }
        | Request::NodeLs
        | Request::States
        | Request::Decommission { .. }
        | Request::Drain
        | Request::Shutdown
        | Request::Init => Tell::Silent,
    }
}

fn reads(statement: &str) -> bool {
    let word = statement.split_whitespace().next().unwrap_or_default();
    word.eq_ignore_ascii_case("SELECT") || word.eq_ignore_ascii_case("SHOW")
}

fn change(core: &Core, at: NodeId, request: &Request) -> Change<Option<Response>> {
    core.propose(|cluster: &mut Cluster| cluster.serve(at, request, now_ms()))
}

/// `None`: the connection is closed without an answer.
fn client(core: &Core, life: &Life, request: Request, gone: &dyn Fn() -> bool) -> Option<Tell> {
    if core.knobs().hang {
        return Some(Tell::Silent);
    }
    let (me, draining) = {
        let inner = core.lock();
        (inner.share.store.node.filter(|_| inner.share.accepted.is_some()), inner.draining)
    };
    if matches!(request, Request::Shutdown) {
        return Some(Tell::Response(Response::Done));
    }
    let Some(me) = me else { return Some(outside(life, &request)) };
    let by_sql =
        matches!(request, Request::Sql { .. } | Request::NodeStatus { .. } | Request::NodeLs);
    if draining && by_sql {
        return Some(Tell::Response(Response::Failed(Failure::coded(
            "57P01",
            "server is not accepting clients".to_owned(),
        ))));
    }
    if request.gossip_only() {
        return Some(core.by_gossip(&request).map_or(Tell::Silent, Tell::Response));
    }
    // A statement is answered when it is known what became of it; other requests are asked again by the client.
    let statement = matches!(request, Request::Sql { .. });
    loop {
        let answer = once(core, me, &request);
        if matches!(request, Request::Drain) && matches!(answer, Tell::Response(_)) {
            core.lock().draining = true;
        }
        if !statement || !matches!(answer, Tell::Silent) {
            return Some(answer);
        }
        // A statement whose client has gone is not done any more.
        if life.ending() || gone() {
            return None;
        }
    }
}

/// Has the leader do it, be it this node or another.
fn once(core: &Core, me: NodeId, request: &Request) -> Tell {
    let Some(leader) = core.wait_for_leader(LEADER) else { return Tell::Silent };
    if leader == me {
        return match change(core, me, request) {
            Change::Done(Some(response)) => Tell::Response(response),
            Change::Done(None) => {
                // No quorum of some range: look again when the state has changed.
                crate::programs::client::pause(100);
                Tell::Silent
            }
            Change::NotHere => Tell::Silent,
            Change::Unclear => unclear(request),
        };
    }
    let address =
        core.view(|cluster, _| cluster.nodes.get(&leader).map(|node| node.address.clone()));
    let Some(Some(address)) = address else { return Tell::Silent };
    let ask = Ask::Forward { at: me, request: request.clone() };
    match core.peers.ask_once(&address, &ask) {
        Ok(tell @ (Tell::Response(_) | Tell::Silent)) => tell,
        Ok(_) | Err(false) => {
            crate::programs::client::pause(50);
            Tell::Silent
        }
        Err(true) => unclear(request),
    }
}

/// What a node answers that is in no cluster yet.
fn outside(life: &Life, request: &Request) -> Tell {
    match request {
        Request::Init => {
            life.found();
            Tell::Response(Response::Done)
        }
        Request::Drain => Tell::Response(Response::Failed(Failure::plain(
            "node cannot be drained before it has been initialized".to_owned(),
        ))),
        Request::States | Request::Decommission { .. } => {
            Tell::Response(Response::Failed(Failure::plain(
                "rpc error: code = Unavailable desc = node waiting for init; Admin service not available"
                    .to_owned(),
            )))
        }
        Request::NodeStatus { .. } | Request::NodeLs | Request::Sql { .. } | Request::Shutdown => {
            Tell::Silent
        }
    }
}

/// Lets a node in, or passes it on to the leader.
pub(crate) fn join(core: &Core, store: Store, args: &StartArgs, passed: bool) -> Tell {
    let me = core.lock().share.store.node;
    let Some(leader) = core.leader() else { return Tell::NotNow };
    if Some(leader) != me {
        if passed {
            return Tell::NotNow;
        }
        let address =
            core.view(|cluster, _| cluster.nodes.get(&leader).map(|node| node.address.clone()));
        let Some(Some(address)) = address else { return Tell::NotNow };
        let ask = Ask::Join { store, args: Box::new(args.clone()), passed: true };
        return core.peers.ask_once(&address, &ask).unwrap_or(Tell::NotNow);
    }
    let done = core.propose(|cluster| {
        let mut store = store;
        (cluster.id.clone(), cluster.join(&mut store, args, now_ms()))
    });
    match done {
        Change::Done((cluster, Ok(joined))) => {
            // It is up until the first look at it says otherwise.
            core.lock().heard.insert(joined.node, Instant::now());
            Tell::Joined { cluster, joined }
        }
        Change::Done((_, Err(Some(text)))) => Tell::NoEntry(text),
        Change::Done((_, Err(None))) | Change::NotHere | Change::Unclear => Tell::NotNow,
    }
}

fn ping(core: &Core, cluster: &str) -> Tell {
    let inner = core.lock();
    let mine = inner.share.store.cluster.clone();
    if mine.as_deref() != Some(cluster) {
        return Tell::Pong { node: None, cluster: mine, leads: false, leader: None };
    }
    Tell::Pong {
        node: inner.share.store.node,
        cluster: mine,
        leads: inner.leads.is_some(),
        leader: inner.current_leader(),
    }
}

pub(super) fn prepare(core: &Core, cluster: &str, term: u64) -> Tell {
    let mut inner = core.lock();
    if inner.share.store.cluster.as_deref() != Some(cluster) {
        return Tell::NotNow;
    }
    let before = inner.share.promised;
    // A term is of one candidate. Who asks for the same again has not heard the answer.
    if term < before {
        return Tell::Vote { yes: false, promised: before, accepted: None };
    }
    inner.share.promised = term;
    if inner.disk.keep(&inner.share).is_err() {
        inner.share.promised = before;
        return Tell::NotNow;
    }
    inner.leads = None;
    inner.leader = None;
    let accepted = inner.share.accepted.clone().map(Box::new);
    Tell::Vote { yes: true, promised: term, accepted }
}
