//! Calls to other nodes. Connections are kept; a call that is heard of nothing is `None`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustls::ClientConfig;

use crate::kwdb::NodeId;
use crate::programs::frame::{Ask, Conn, Tell, dial, timed_out};
use crate::programs::tls;

const DIAL: Duration = Duration::from_millis(500);
const ANSWER: Duration = Duration::from_millis(800);
/// A forwarded request waits for a majority there.
pub(crate) const FORWARD: Duration = Duration::from_secs(6);

#[derive(Clone)]
pub(crate) struct Peers {
    tls: Option<Arc<ClientConfig>>,
    pool: Arc<Mutex<BTreeMap<String, Vec<Conn>>>>,
}

impl Peers {
    /// With the node's certificates, or without any.
    pub(crate) fn new(certs: Option<&Path>) -> Result<Self, String> {
        let tls = match certs {
            None => None,
            Some(dir) => Some(tls::client(dir, "node")?.ok_or_else(|| {
                format!(
                    "problem with node certificate: no node.crt and node.key in {}",
                    dir.display()
                )
            })?),
        };
        Ok(Self { tls, pool: Arc::default() })
    }

    fn kept(&self, address: &str) -> Option<Conn> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.get_mut(address).and_then(Vec::pop)
    }

    fn keep(&self, address: &str, conn: Conn) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let conns = pool.entry(address.to_owned()).or_default();
        if conns.len() < 3 {
            conns.push(conn);
        }
    }

    /// A call that may be made twice: a kept connection may have been closed meanwhile.
    fn ask_bytes(&self, address: &str, bytes: &[u8], wait: Duration) -> Option<Tell> {
        let ask = |mut conn: Conn| {
            conn.patience(wait)?;
            conn.send_bytes(bytes)?;
            let answer = conn.receive()?;
            self.keep(address, conn);
            Ok(answer)
        };
        match self.kept(address).map(ask) {
            Some(Ok(answer)) => return Some(answer),
            // It may be at work on it, and be slow.
            Some(Err(error)) if timed_out(&error) => return None,
            Some(Err(_)) | None => {}
        }
        dial(address, self.tls.as_ref(), DIAL).ok().and_then(|conn| ask(conn).ok())
    }

    pub(crate) fn ask(&self, address: &str, ask: &Ask) -> Option<Tell> {
        self.ask_bytes(address, &serde_json::to_vec(ask).ok()?, ANSWER)
    }

    /// A call that is made once. `Err(false)`: it never left; `Err(true)`: nobody knows what became of it.
    pub(crate) fn ask_once(&self, address: &str, ask: &Ask) -> Result<Tell, bool> {
        let mut conn = dial(address, self.tls.as_ref(), DIAL).map_err(|_| false)?;
        conn.patience(FORWARD).map_err(|_| false)?;
        conn.send(ask).map_err(|_| true)?;
        conn.receive().map_err(|_| true)
    }

    /// Asks all at once; answers come as they come. What is asked has to come to their disks first: `wait` is for that.
    pub(crate) fn ask_all(
        &self,
        ask: &Ask,
        targets: &[(NodeId, String)],
        wait: Duration,
    ) -> Receiver<(NodeId, Option<Tell>)> {
        let (sender, receiver) = mpsc::channel();
        let Ok(bytes) = serde_json::to_vec(ask) else { return receiver };
        let bytes: Arc<[u8]> = bytes.into();
        for (node, address) in targets {
            let (node, address) = (*node, address.clone());
            let (peers, bytes, sender) = (self.clone(), Arc::clone(&bytes), sender.clone());
            thread::spawn(move || {
                // Whoever asked may have enough by now.
                let _ = sender.send((node, peers.ask_bytes(&address, &bytes, wait)));
            });
        }
        receiver
    }
}
