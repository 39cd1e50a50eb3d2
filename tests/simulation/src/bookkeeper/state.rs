//! The cluster with the hosts that it lives on: which process is which bookie, and whose disk has which store.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use bellows_agent::host::ProcessId;
use camino::Utf8PathBuf;

use super::{
    super::{machine::Machine, process::Process},
    cluster::Cluster,
    conf::Conf,
    installed,
    ledger::BookieId,
};

/// A bookie that runs.
#[derive(Clone)]
pub(super) struct Running {
    pub process: Arc<Process>,
    pub machine: Arc<Machine>,
    pub conf: Conf,
    pub bookie: BookieId,
    /// It has registered.
    pub registered: bool,
}

/// Where a bookie's store is.
pub(super) struct Home {
    pub machine: Arc<Machine>,
    /// What tells that the store is its own, and what it says.
    pub mark: (Utf8PathBuf, Vec<u8>),
}

/// All of it.
pub(super) struct State {
    pub cluster: Cluster,
    pub running: Vec<Running>,
    pub homes: BTreeMap<BookieId, Home>,
    /// When an entry was last tried.
    pub written_ms: i64,
    /// So many entries were acknowledged.
    pub acknowledged: u64,
    pub wrong: Vec<String>,
}

impl Running {
    /// All that it listens on.
    pub fn listens(&self, now_ms: i64, cluster: &Cluster) -> Vec<(Ipv4Addr, u16)> {
        if !self.registered || !self.process.is_alive() {
            return Vec::new();
        }
        let ready = |_: &(Ipv4Addr, u16)| {
            cluster.servers.get(&self.bookie).is_some_and(|server| server.ready_ms <= now_ms)
        };
        let own = (self.conf.address(&self.machine), self.conf.port());
        [Some(own), self.conf.http().filter(ready)].into_iter().flatten().collect()
    }
}

impl State {
    pub fn new() -> Self {
        Self {
            cluster: installed::cluster(),
            running: Vec::new(),
            homes: BTreeMap::new(),
            written_ms: 0,
            acknowledged: 0,
            wrong: Vec::new(),
        }
    }

    /// Brings all to this time, with what became of hosts and disks since.
    pub fn go_on(&mut self, now: i64) {
        for server in self.running.iter().filter(|server| server.registered) {
            let cut = server.machine.world().is_cut(&server.machine.name);
            self.cluster.connect(&server.bookie, !cut);
        }
        self.look_at_disks();
        self.cluster.go_on(now);
    }

    /// Stores that were removed since.
    fn look_at_disks(&mut self) {
        let is_gone = |home: &Home| {
            let (path, bytes) = &home.mark;
            home.machine.disk(|disk| disk.bytes(path) != Some(bytes.as_slice()))
        };
        let gone = self.homes.iter().filter(|(_, home)| is_gone(home));
        let gone: Vec<BookieId> = gone.map(|(bookie, _)| bookie.clone()).collect();
        for bookie in gone {
            let Some(home) = self.homes.remove(&bookie) else { continue };
            self.cluster.stores.remove(&bookie);
            let at = &home.machine.name;
            let mut wrong = |text: String| {
                self.wrong.push(format!("the data of {bookie} at {at} were removed {text}"));
            };
            if self.running.iter().any(|server| server.bookie == bookie) {
                wrong("while it ran".to_owned());
            }
            if self.cluster.cookies.contains_key(&bookie) {
                wrong("while its cookie was there".to_owned());
            }
            if installed::is_member(&home.machine) {
                wrong("and are not Bellows' own".to_owned());
            }
            let ledgers = self.cluster.ledgers_of(&bookie);
            if !ledgers.is_empty() {
                wrong(format!("while ledgers {ledgers:?} named it"));
            }
        }
    }

    /// The bookie of a host that listens for HTTP there.
    pub fn at(&self, machine: &Machine, port: u16) -> Option<&Running> {
        self.running.iter().find(|server| {
            server.machine.name == machine.name
                && server.process.is_alive()
                && server.conf.http().is_some_and(|(_, own)| own == port)
        })
    }

    /// A process is gone.
    pub fn ended(&mut self, host: &str, process: ProcessId, in_order: bool, now: i64) {
        self.go_on(now);
        let of = |server: &Running| server.process.id == process && server.machine.name == host;
        if let Some(at) = self.running.iter().position(of) {
            let server = self.running.remove(at);
            if server.registered {
                self.cluster.goes_down(&server.bookie, in_order);
            }
        }
    }

    /// Somebody deletes a cookie. `false`: there is none.
    pub fn delete_cookie(&mut self, bookie: &str) -> bool {
        if self.cluster.cookies.remove(bookie).is_none() {
            return false;
        }
        if self.cluster.registered.contains_key(bookie) {
            self.wrong.push(format!("the cookie of {bookie} was deleted while it was registered"));
        }
        let ledgers = self.cluster.ledgers_of(bookie);
        if !ledgers.is_empty() {
            let text =
                format!("the cookie of {bookie} was deleted while ledgers {ledgers:?} named it");
            self.wrong.push(text);
        }
        true
    }
}
