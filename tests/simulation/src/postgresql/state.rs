//! What all servers hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use bellows_agent::host::ProcessId;
use camino::{Utf8Path, Utf8PathBuf};

use super::{super::machine::Machine, super::process::Process, pgpool::Pool, setting};

/// A data directory of a host.
pub(super) type Place = (String, Utf8PathBuf);

/// What is replicated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub roles: BTreeSet<String>,
    pub has_database: bool,
    pub has_extension: bool,
    pub nodes: BTreeMap<u32, NodeRow>,
    /// Rows up to this one.
    pub rows: u64,
}

/// A row of `repmgr.nodes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeRow {
    pub name: String,
    pub upstream: Option<u32>,
    pub active: bool,
    pub kind: &'static str,
    pub slot: String,
    pub conninfo: (Ipv4Addr, u16),
}

/// Where a standby streams from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upstream {
    pub address: Ipv4Addr,
    pub port: u16,
    pub slot: String,
    pub name: String,
}

/// A server that runs.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub process: Arc<Process>,
    pub address: Ipv4Addr,
    pub port: u16,
    /// Accepts connections.
    pub ready: bool,
    /// Who may log in by `pg_hba.conf`, as it was loaded.
    pub members: BTreeSet<Ipv4Addr>,
    pub loaded_at_ms: i64,
    pub settings: BTreeMap<&'static str, String>,
    pub config: Utf8PathBuf,
}

/// What a data directory holds.
#[derive(Clone)]
pub(super) struct Instance {
    pub machine: Arc<Machine>,
    /// Written into its control file, so that one that was removed is not found again.
    pub number: u64,
    pub system_identifier: String,
    pub control: &'static str,
    /// Those that ended before its own, with the place in the WAL where each did.
    pub history: Vec<u64>,
    /// `initdb` or the clone has come to its end.
    pub whole: bool,
    pub upstream: Option<Upstream>,
    pub content: Content,
    pub slots: BTreeSet<String>,
    /// Another one took over after it died: nobody starts it any more.
    pub retired: bool,
    /// Of its repmgrd; kept over restarts.
    pub paused: bool,
    pub server: Option<Server>,
}

/// Where the WAL of so many rows ends.
pub(super) fn lsn(rows: u64) -> u64 {
    (3 << 24) + rows * 0x100
}

/// Nothing follows the checkpoint of a shutdown, which is a record too.
pub(super) fn end(rows: u64) -> u64 {
    lsn(rows) + 0x50
}

impl Instance {
    /// Timelines count from 1.
    pub fn timeline(&self) -> usize {
        self.history.len() + 1
    }

    /// It takes writes from now on, on a timeline of its own.
    pub fn promoted(&mut self) {
        self.history.push(end(self.content.rows));
        self.upstream = None;
        self.control = "in production";
    }

    pub fn running(&self) -> Option<&Server> {
        self.server.as_ref().filter(|server| server.process.is_alive())
    }

    pub fn ready(&self) -> Option<&Server> {
        self.running().filter(|server| server.ready)
    }

    /// Whether its running server's configuration lies in the folder of this file: whose repmgrd it is.
    pub fn reads_beside(&self, config: &str) -> bool {
        let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        self.running().is_some_and(|server| folder(config) == folder(server.config.as_str()))
    }
}

/// All of it.
#[derive(Default)]
pub(super) struct State {
    pub instances: BTreeMap<Place, Instance>,
    /// repmgrd by host and configuration.
    pub repmgrds: BTreeMap<(String, String), Arc<Process>>,
    /// Base backups under way, by the client's name: done and total.
    pub backups: BTreeMap<String, (u64, u64)>,
    /// Rows up to this one were acknowledged.
    pub acknowledged: u64,
    pub next_number: u64,
    pub wrong: Vec<String>,
    /// What stands in front, by its host and the port of its PCP.
    pub pools: BTreeMap<(String, u16), Pool>,
}

/// The control file of a data directory.
pub(super) fn control_file(data: &Utf8Path) -> Utf8PathBuf {
    data.join("global/pg_control")
}

impl State {
    /// Forgets what is not on its disk any more. A server loses its ground then.
    pub fn look_at_disks(&mut self) {
        let mut gone = Vec::new();
        for ((host, data), instance) in &self.instances {
            let file = control_file(data);
            let number = instance.number.to_string();
            let there = instance
                .machine
                .disk(|disk| disk.bytes(&file).is_some_and(|bytes| bytes == number.as_bytes()));
            if !there {
                gone.push(((host.clone(), data.clone()), instance.running().is_some()));
            }
        }
        for (place, ran) in gone {
            let removed = self.instances.remove(&place);
            let only = removed.is_some_and(|removed| {
                removed.whole
                    && removed.content.rows > 0
                    && !self
                        .instances
                        .values()
                        .any(|i| i.system_identifier == removed.system_identifier)
            });
            if ran {
                self.wrong.push(format!("{} at {} was removed under its server", place.1, place.0));
            }
            if only {
                self.wrong.push(format!("{} at {} was the last copy", place.1, place.0));
            }
        }
    }

    /// Standbys that stream have all that their upstream has.
    pub fn replicate(&mut self) {
        self.look_at_disks();
        // As often as members can follow one another.
        for _ in 0..2 {
            let places: Vec<Place> = self.instances.keys().cloned().collect();
            for place in places {
                if let Some(upstream) = self.streams_from(&place)
                    && let Some(source) = self.instances.get(&upstream)
                    && let (content, history) = (source.content.clone(), source.history.clone())
                    && let Some(instance) = self.instances.get_mut(&place)
                {
                    (instance.content, instance.history) = (content, history);
                }
            }
        }
    }

    /// The upstream that a standby streams from now.
    pub fn streams_from(&self, place: &Place) -> Option<Place> {
        let instance = self.instances.get(place)?;
        instance.ready()?;
        let upstream = instance.upstream.as_ref()?;
        let (at, source) = self.serving(upstream.address, upstream.port)?;
        let same = source.system_identifier == instance.system_identifier;
        let member = source.ready()?.members.contains(&instance.machine.address);
        // Ahead of its upstream it has left the upstream's history.
        let behind = instance.content.rows <= source.content.rows;
        (same && member && behind && source.slots.contains(&upstream.slot)).then_some(at)
    }

    /// The instance whose server listens there and accepts connections.
    pub fn serving(&self, address: Ipv4Addr, port: u16) -> Option<(Place, &Instance)> {
        let found = self.instances.iter().find(|(_, instance)| {
            instance.ready().is_some_and(|s| (s.address, s.port) == (address, port))
        });
        found.map(|(place, instance)| (place.clone(), instance))
    }

    /// Whether the standby of a slot streams now.
    pub fn is_active(&self, at: &Place, slot: &str) -> bool {
        self.instances.iter().any(|(place, instance)| {
            instance.upstream.as_ref().is_some_and(|upstream| upstream.slot == slot)
                && self.streams_from(place).as_ref() == Some(at)
        })
    }

    /// The running server that takes writes.
    pub fn primary(&self) -> Option<Place> {
        let found = self
            .instances
            .iter()
            .find(|(_, instance)| instance.upstream.is_none() && instance.ready().is_some());
        found.map(|(place, _)| place.clone())
    }

    /// One more row at the primary.
    pub fn insert(&mut self) -> Option<u64> {
        let place = self.primary()?;
        let several = self
            .instances
            .values()
            .filter(|i| i.upstream.is_none() && i.content.has_extension && i.ready().is_some())
            .count();
        if several > 1 {
            self.wrong.push("two primaries take writes".to_owned());
        }
        let instance = self.instances.get_mut(&place).filter(|i| i.content.has_database)?;
        if instance.content.rows != self.acknowledged {
            let lost = self.acknowledged.saturating_sub(instance.content.rows);
            self.wrong.push(format!("a primary takes writes that lacks {lost} acknowledged rows"));
        }
        self.acknowledged += 1;
        instance.content.rows = self.acknowledged;
        self.replicate();
        Some(self.acknowledged)
    }

    /// A server's process was ended. Returns each repmgrd that ends too: the paused ones, where it was
    /// the primary.
    pub fn server_ended(
        &mut self,
        machine: &Arc<Machine>,
        id: ProcessId,
        in_order: bool,
    ) -> Vec<(Arc<Machine>, ProcessId)> {
        let mut primary = false;
        for ((host, data), instance) in &mut self.instances {
            let own = |server: &Server| *host == machine.name && server.process.id == id;
            if !instance.server.as_ref().is_some_and(own) {
                continue;
            }
            instance.server = None;
            primary |= instance.upstream.is_none();
            if in_order {
                instance.control =
                    if instance.upstream.is_some() { "shut down in recovery" } else { "shut down" };
                machine.disk(|disk| disk.remove(&data.join("postmaster.pid")));
            }
        }
        self.repmgrds.retain(|_, process| process.is_alive());
        if !primary {
            return Vec::new();
        }
        let paused = self.instances.iter().filter(|(_, instance)| instance.paused);
        paused
            .flat_map(|((host, _), instance)| {
                let of_host = self.repmgrds.iter().filter(move |((at, _), _)| at == host);
                let own = of_host.filter(|((_, config), _)| instance.reads_beside(config));
                own.map(|(_, process)| (Arc::clone(&instance.machine), process.id))
            })
            .collect()
    }

    /// Reads `pg_hba.conf` again.
    pub fn load_hba(&mut self, machine: &Arc<Machine>, id: ProcessId) {
        let now = machine.world().now_ms();
        for ((host, _), instance) in &mut self.instances {
            if let Some(server) = &mut instance.server
                && *host == machine.name
                && server.process.id == id
            {
                server.members = hba_members(machine, &server.config);
                // The file's own time is in milliseconds; a load in the same one is after it.
                server.loaded_at_ms = now + 1;
            }
        }
    }

    /// Servers of a host.
    pub fn listening(&self, host: &str) -> Vec<(Ipv4Addr, u16)> {
        let of_host = self.instances.iter().filter(|((at, _), _)| at == host);
        of_host
            .filter_map(|(_, instance)| instance.running())
            .map(|server| (server.address, server.port))
            .collect()
    }
}

/// The members that `pg_hba.conf` lets in.
pub(super) fn hba_members(machine: &Machine, config: &Utf8Path) -> BTreeSet<Ipv4Addr> {
    let text = |path: &Utf8Path| {
        machine
            .disk(|disk| disk.bytes(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    };
    let hba = text(config).and_then(|conf| setting(&conf, "hba_file"));
    let rules = hba.and_then(|path| text(Utf8Path::new(&path))).unwrap_or_default();
    rules
        .lines()
        .filter_map(|line| {
            let network = line.strip_prefix("host all,replication repmgr ")?;
            network.split('/').next()?.parse().ok()
        })
        .collect()
}
