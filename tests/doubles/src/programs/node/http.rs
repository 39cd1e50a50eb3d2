//! HTTP on `--http-addr` (facts sections 4.1, 4.4, 5): `/health`, `/health?ready=1`, `/_admin/v1/liveness`, `/_admin/v1/settings`; with TLS in a secure cluster.
//!
//! Unconfirmed: that the last two need a login in secure mode (here 401), and the exact documents.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::core::Core;
use crate::kwdb::Cluster;

pub(crate) fn listen(listener: TcpListener, core: &Arc<Core>, tls: Option<&Arc<ServerConfig>>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let (core, tls) = (Arc::clone(core), tls.cloned());
        thread::spawn(move || {
            // A connection that breaks is its client's affair.
            let _ = take(stream, &core, tls.as_ref());
        });
    }
}

fn take(stream: TcpStream, core: &Core, tls: Option<&Arc<ServerConfig>>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    match tls {
        None => serve(stream, core, false),
        Some(config) => {
            let tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
            serve(StreamOwned::new(tls, stream), core, true)
        }
    }
}

fn serve(stream: impl Read + Write, core: &Core, secure: bool) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    (&mut reader).take(8_192).read_line(&mut first)?;
    let mut line = String::new();
    while (&mut reader).take(8_192).read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, body) =
        if method == "GET" { page(core, target, secure) } else { (405, json!({})) };
    let body = body.to_string();
    let phrase = match status {
        200 => "OK",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        _ => "Service Unavailable",
    };
    write!(
        reader.get_mut(),
        "HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    reader.get_mut().flush()
}

fn page(core: &Core, target: &str, secure: bool) -> (u16, Value) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path {
        "/health" if query.split('&').any(|pair| matches!(pair, "ready=1" | "ready=true")) => {
            match ready(core) {
                Ok(()) => (200, json!({})),
                Err(why) => (503, json!({ "error": why, "code": 14 })),
            }
        }
        "/health" => (200, json!({})),
        "/_admin/v1/liveness" | "/_admin/v1/settings" if secure => {
            (401, json!({ "error": "a valid authentication cookie is required" }))
        }
        "/_admin/v1/liveness" => {
            (200, core.view(|cluster, _| liveness(cluster)).unwrap_or_default())
        }
        "/_admin/v1/settings" => {
            (200, core.view(|cluster, _| settings(cluster)).unwrap_or_default())
        }
        _ => (404, json!({})),
    }
}

fn ready(core: &Core) -> Result<(), &'static str> {
    {
        let inner = core.lock();
        if inner.draining {
            return Err("node is shutting down");
        }
        if !inner.joined {
            return Err("node is not ready: waiting for initialization");
        }
    }
    let alive = core.view(|cluster, me| {
        cluster.nodes.get(&me).map(|node| (cluster.alive(node), node.draining))
    });
    match alive.flatten() {
        Some((true, false)) => Ok(()),
        Some((_, true)) => Err("node is shutting down"),
        Some((false, false)) | None => Err("node is not live"),
    }
}

fn liveness(cluster: &Cluster) -> Value {
    let records: Vec<Value> = cluster
        .nodes
        .values()
        .map(|node| {
            json!({
                "nodeId": node.id,
                "epoch": node.epoch.to_string(),
                "expiration": { "wallTime": (cluster.expires_ms(node) * 1_000_000).to_string(), "logical": 0 },
                "draining": node.draining,
                "decommissioning": node.decommissioning,
            })
        })
        .collect();
    let statuses: serde_json::Map<String, Value> = cluster
        .nodes
        .values()
        .map(|node| (node.id.to_string(), number(cluster.state(node)).into()))
        .collect();
    json!({ "livenesses": records, "statuses": statuses })
}

/// States are numbers in this document, in the order of section 4.4.
fn number(state: &str) -> u32 {
    let order = [
        "UNKNOWN",
        "DEAD",
        "UNAVAILABLE",
        "LIVE",
        "DECOMMISSIONING",
        "DECOMMISSIONED",
        "UPGRADING",
    ];
    order.iter().position(|name| *name == state).and_then(|at| u32::try_from(at).ok()).unwrap_or(0)
}

fn settings(cluster: &Cluster) -> Value {
    let values: serde_json::Map<String, Value> = cluster
        .settings_shown()
        .map(|(name, value)| (name.to_owned(), json!({ "value": value, "type": "s" })))
        .collect();
    json!({ "keyValues": values })
}
