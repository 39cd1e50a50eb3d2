//! What all members hold, and where each of them lives.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use bellows_agent::host::ProcessId;
use bellows_doubles::kwdb::{Cluster, NodeId, StartArgs, Store};
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    super::{machine::Machine, process::Process},
    installed,
};

/// What a store remembers, as the double has it.
const REMEMBERED: &str = "NODE.json";
/// As the real one writes it.
const START_MODE: &str = "kwbase.start_mode";
/// Made before a node joins: a directory is no longer empty from then on.
const LOCK: &str = "LOCK";

/// A `kwbase start` that runs.
#[derive(Clone)]
pub(super) struct Server {
    pub process: Arc<Process>,
    pub machine: Arc<Machine>,
    pub args: StartArgs,
    /// Its id, once it is in.
    pub node: Option<NodeId>,
}

/// Where a node's store is.
pub(super) struct Home {
    pub machine: Arc<Machine>,
    /// What tells that the store is its own, and what it says.
    pub mark: (Utf8PathBuf, Vec<u8>),
    /// It was removed, or belongs to another node by now.
    pub gone: bool,
}

/// The whole cluster.
pub(super) struct State {
    pub cluster: Cluster,
    pub servers: Vec<Server>,
    pub homes: BTreeMap<NodeId, Home>,
    pub acknowledged: u64,
    /// When a row was last tried.
    pub written_ms: i64,
    pub wrong: Vec<String>,
    /// Somebody will wait for the next decommission.
    pub waits: bool,
}

/// Address and port of `HOST:PORT`; no host: every address.
pub(super) fn endpoint(text: &str) -> Option<(Ipv4Addr, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let address = match host {
        "" => Ipv4Addr::UNSPECIFIED,
        "localhost" => Ipv4Addr::LOCALHOST,
        host => host.parse().ok()?,
    };
    Some((address, port.parse().ok()?))
}

impl Server {
    /// All that it listens on.
    pub(super) fn listens(&self) -> impl Iterator<Item = (Ipv4Addr, u16)> {
        let StartArgs { listen, http, brpc, .. } = &self.args;
        [listen, http, brpc].into_iter().filter_map(|text| endpoint(text))
    }

    /// Whether it takes a connection that goes to this address of its host.
    fn takes(&self, address: Ipv4Addr, port: u16) -> bool {
        endpoint(&self.args.listen)
            .is_some_and(|(own, at)| at == port && (own.is_unspecified() || own == address))
    }

    pub(super) fn store(&self) -> &Utf8Path {
        Utf8Path::new(&self.args.store)
    }
}

impl State {
    /// The cluster as somebody installed it: it has run for an hour.
    pub(super) fn new(secure: bool) -> Self {
        Self {
            cluster: installed::cluster(secure),
            servers: Vec::new(),
            homes: BTreeMap::new(),
            acknowledged: 0,
            written_ms: 0,
            wrong: Vec::new(),
            waits: false,
        }
    }

    /// Brings the cluster to this time, with what became of processes, hosts and disks since.
    pub(super) fn go_on(&mut self, now: i64) {
        let reached: Vec<(NodeId, bool)> = self
            .servers
            .iter()
            .filter_map(|server| {
                let cut = server.machine.world().is_cut(&server.machine.name);
                Some((server.node?, server.process.is_alive() && !cut))
            })
            .collect();
        for (node, up) in reached {
            if self.cluster.nodes.get(&node).is_some_and(|known| known.up != up) {
                self.cluster.set_up(node, up, now);
            }
        }
        self.cluster.advance(now);
        self.look_at_disks();
    }

    /// Stores that were removed since.
    fn look_at_disks(&mut self) {
        for (node, home) in self.homes.iter_mut().filter(|(_, home)| !home.gone) {
            let (path, mark) = &home.mark;
            if home.machine.disk(|disk| disk.bytes(path) == Some(mark.as_slice())) {
                continue;
            }
            home.gone = true;
            let replicas = self.cluster.replicas(*node);
            if replicas > 0 {
                self.wrong.push(format!(
                    "the store of node {node} at {} was removed, and {replicas} ranges had a replica there",
                    home.machine.name
                ));
            }
            let runs = |server: &Server| server.node == Some(*node) && server.process.is_alive();
            if self.servers.iter().any(runs) {
                self.wrong.push(format!("the store of node {node} was removed while it ran"));
            }
        }
    }

    /// Who listens there, as a program on `from` dials it; `None`: nobody.
    pub(super) fn dialled(
        &self,
        from: &Machine,
        (address, port): (Ipv4Addr, u16),
    ) -> Option<&Server> {
        self.servers.iter().find(|server| {
            let own = server.machine.name == from.name && address.is_loopback();
            (own || server.machine.address == address)
                && server.takes(address, port)
                && server.process.is_alive()
        })
    }

    /// Whether nothing comes back from there: a host that is cut off reaches itself alone, and one without
    /// power nobody.
    pub(super) fn is_unreachable(&self, from: &Machine, address: Ipv4Addr) -> bool {
        let world = from.world();
        if address.is_loopback() || address == from.address {
            return false;
        }
        let to = world.machines().into_iter().find(|machine| machine.address == address);
        world.is_cut(&from.name) || to.is_none_or(|to| to.is_off() || world.is_cut(&to.name))
    }

    /// A process is gone.
    pub(super) fn ended(&mut self, host: &str, process: ProcessId, now: i64) {
        self.go_on(now);
        let of = |server: &Server| server.process.id == process && server.machine.name == host;
        if let Some(at) = self.servers.iter().position(of) {
            let server = self.servers.remove(at);
            if let Some(node) = server.node {
                self.cluster.set_up(node, false, now);
            }
        }
    }
}

/// What lies in a store.
pub(super) fn remembered(machine: &Machine, store: &Utf8Path) -> Store {
    let bytes = machine.disk(|disk| disk.bytes(&store.join(REMEMBERED)).map(<[u8]>::to_vec));
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Makes a store that no node has joined with.
pub(super) fn begin(machine: &Machine, store: &Utf8Path) {
    put(machine, &store.join(LOCK), b"");
}

/// Remembers a node; the file that does, and its bytes.
pub(super) fn remember(machine: &Machine, store: &Utf8Path, of: &Store) -> (Utf8PathBuf, Vec<u8>) {
    if let Some(mode) = of.start_mode {
        put(machine, &store.join(START_MODE), mode.word().as_bytes());
    }
    let bytes = serde_json::to_vec(of).unwrap_or_default();
    let path = store.join(REMEMBERED);
    put(machine, &path, &bytes);
    (path, bytes)
}

fn put(machine: &Machine, path: &Utf8Path, bytes: &[u8]) {
    let id = machine.users.get(installed::USER).copied().unwrap_or(0);
    let now = machine.world().now_ms();
    machine.disk(|disk| {
        if let Some(above) = path.parent()
            && !disk.is_directory(above)
        {
            // Nothing else is in the way.
            let _ = disk.make_directory(above, 0o700, (id, id), now);
        }
        let _ = disk.put(path, bytes, 0o600, (id, id), now);
    });
}
