//! A cluster as data (facts sections 3, 4.4, 5, 6).
//!
//! Unconfirmed: how many system ranges there are and how large; that a single-replica cluster keeps one replica of its system ranges too.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Knobs;

/// What a cluster calls a node: given out once, rising, never again (section 5).
pub type NodeId = u32;

/// How a cluster was started, and so how each of its nodes must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartMode {
    /// `start`: multi-replica.
    Start,
    /// `start-single-replica`: several nodes, one replica.
    StartSingleReplica,
    /// `start-single-node`.
    StartSingleNode,
}

impl StartMode {
    /// The subcommand's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::StartSingleReplica => "start-single-replica",
            Self::StartSingleNode => "start-single-node",
        }
    }

    /// The mode of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Start, Self::StartSingleReplica, Self::StartSingleNode]
            .into_iter()
            .find(|mode| mode.word() == word)
    }
}

/// What the key-value store keeps of a node's last report; goes on to stand there when the node is dead.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Replicas whose leader is here.
    pub leaders: u64,
    /// Leases held here.
    pub leases: u64,
    /// Replicas here.
    pub ranges: u64,
    /// Ranges that this node reports as unavailable.
    pub unavailable: u64,
    /// Ranges that this node reports as under-replicated.
    pub underreplicated: u64,
    /// Bytes of the replicas here.
    pub bytes: u64,
}

/// A node as the cluster knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Where it says that it can be reached, `ip:port`.
    pub address: String,
    /// The version of its program.
    pub build: String,
    /// Its locality, as set or as it sets it itself: `region=NODE<id>`.
    pub locality: String,
    /// Its process runs and can be reached. Whoever owns the state says so.
    pub up: bool,
    /// The flag of `node decommission`.
    pub decommissioning: bool,
    /// It lets its clients go.
    pub draining: bool,
    /// Its liveness epoch.
    pub epoch: u64,
    /// When its process started.
    pub started_ms: i64,
    /// When its liveness record was last renewed.
    pub heartbeat_ms: i64,
    /// When its gossip was last heard.
    pub gossip_ms: i64,
    /// The count of replicas that is gossiped now: an old one.
    pub gossiped_replicas: u64,
    /// When that count is renewed.
    pub gossiped_next_ms: i64,
    /// Its last report in the key-value store, if there was one.
    pub status: Option<Status>,
    /// When the next report is due.
    pub status_next_ms: i64,
    /// What its store can hold, in bytes.
    pub capacity_bytes: u64,
    /// What else is on that disk, in bytes.
    pub other_bytes: u64,
}

/// What a range holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Where ranges are.
    Meta,
    /// The liveness records.
    Liveness,
    /// The system's tables.
    System,
    /// Time-series data: moves for balance only if `kv.allocator.ts_consider_rebalance.enabled`.
    TimeSeries,
    /// A table that a client made.
    User,
}

/// A copy of a range on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Where it goes.
    pub to: NodeId,
    /// Which replica goes when it is there.
    pub instead_of: Option<NodeId>,
    /// When it is there.
    pub done_ms: i64,
}

/// A range of keys and its replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Its id.
    pub id: u64,
    /// What it holds.
    pub kind: Kind,
    /// Database of its table; empty for what is in none.
    pub database: String,
    /// Its table, or what the range is called.
    pub table: String,
    /// The target of the zone that it is under, a key of [`Cluster::zones`].
    pub zone: String,
    /// The nodes with a replica, in the order of their coming.
    pub replicas: Vec<NodeId>,
    /// Who holds its lease.
    pub lease: NodeId,
    /// Its size.
    pub bytes: u64,
    /// A copy on its way.
    pub underway: Option<Snapshot>,
}

/// What `SHOW ZONE CONFIGURATIONS` tells of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Keys and values in the order in which they are shown; text values are with their quotes.
    pub options: Vec<(String, String)>,
}

impl Zone {
    /// The value of an option.
    #[must_use]
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// A job, such as `CREATE INDEX` makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: u64,
    /// What kind of job, as the tool says it: `SCHEMA CHANGE`.
    pub job_type: String,
    /// The statement.
    pub description: String,
    /// Who asked for it.
    pub user: String,
    /// `running` or `succeeded`.
    pub status: String,
    /// When it was made.
    pub created_ms: i64,
    /// When it ends, or ended.
    pub ends_ms: i64,
}

/// A line of `system.eventlog`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at_ms: i64,
    /// `node_join`, `node_restart`, `node_decommissioned`, `node_recommissioned`, `set_cluster_setting`, ...
    pub kind: String,
    /// The node that it is about.
    pub node: NodeId,
}

/// A column of a table that a client made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, in small letters.
    pub name: String,
    /// Its type, in capitals.
    pub data_type: String,
    /// It is (part of) the primary key.
    pub key: bool,
}

/// A table that a client made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserTable {
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, in the order of their coming; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// The range that it is in.
    pub range: u64,
}

/// A whole cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its id, a UUID.
    pub id: String,
    /// How it was started.
    pub start_mode: StartMode,
    /// Whether it asks for certificates.
    pub secure: bool,
    /// What the test turned.
    pub knobs: Knobs,
    /// The state of the chance.
    pub chance: u64,
    /// Up to when it was moved.
    pub clock_ms: i64,
    /// When the allocator looks next.
    pub scan_next_ms: i64,
    /// The id of the next node.
    pub next_node: NodeId,
    /// All that ever were in it.
    pub nodes: BTreeMap<NodeId, Node>,
    /// All ranges.
    pub ranges: BTreeMap<u64, Range>,
    /// Zones by target.
    pub zones: BTreeMap<String, Zone>,
    /// Settings that were set; others have their default.
    pub settings: BTreeMap<String, String>,
    /// Jobs, oldest first.
    pub jobs: Vec<Job>,
    /// What happened, oldest first.
    pub events: Vec<Event>,
    /// Names of databases.
    pub databases: BTreeSet<String>,
    /// Tables by `database.table`.
    pub tables: BTreeMap<String, UserTable>,
}

/// The settings that the double knows, with their defaults (facts sections 4.3, 4.4, 5).
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("kv.allocator.ts_consider_rebalance.enabled", "true"),
    ("kv.allocator.ts_store_dead_rebalance.enabled", "true"),
    ("kv.snapshot_rebalance.max_rate", "8.0 MiB"),
    ("kv.snapshot_recovery.max_rate", "8.0 MiB"),
    ("server.shutdown.drain_wait", "0s"),
    ("server.shutdown.query_wait", "10s"),
    ("server.time_until_store_dead", "30m0s"),
];

impl Cluster {
    /// A new cluster without nodes, as `kwbase init` makes it; its first node joins next.
    #[must_use]
    pub fn new(id: &str, start_mode: StartMode, secure: bool, knobs: Knobs, now_ms: i64) -> Self {
        let mut cluster = Self {
            id: id.to_owned(),
            start_mode,
            secure,
            chance: knobs.seed,
            knobs,
            clock_ms: now_ms,
            scan_next_ms: now_ms,
            next_node: 1,
            nodes: BTreeMap::new(),
            ranges: BTreeMap::new(),
            zones: BTreeMap::new(),
            settings: BTreeMap::new(),
            jobs: Vec::new(),
            events: Vec::new(),
            databases: ["defaultdb", "postgres", "system"].map(str::to_owned).into(),
            tables: BTreeMap::new(),
        };
        let one = !matches!(start_mode, StartMode::Start);
        for (target, replicas, gc) in [
            ("RANGE default", 3, 90_000),
            ("RANGE liveness", 5, 600),
            ("RANGE meta", 5, 3_600),
            ("RANGE system", 5, 90_000),
            ("DATABASE system", 5, 90_000),
        ] {
            let replicas = if one { 1 } else { replicas };
            cluster.zones.insert(target.to_owned(), zone(replicas, gc));
        }
        for (kind, name, zone) in [
            (Kind::Meta, "meta", "RANGE meta"),
            (Kind::Liveness, "liveness", "RANGE liveness"),
            (Kind::System, "system", "RANGE system"),
            (Kind::System, "descriptor", "DATABASE system"),
            (Kind::System, "eventlog", "DATABASE system"),
            (Kind::System, "jobs", "DATABASE system"),
            (Kind::System, "settings", "DATABASE system"),
            (Kind::System, "zones", "DATABASE system"),
        ] {
            let database = if zone == "DATABASE system" { "system" } else { "" };
            cluster.add_range(kind, database, name, zone, 1 << 20);
        }
        let bytes = cluster.knobs.range_bytes;
        for number in 1..=cluster.knobs.ranges {
            let name = format!("ts_{number}");
            cluster.add_range(Kind::TimeSeries, "defaultdb", &name, "RANGE default", bytes);
        }
        cluster
    }

    /// A range without replicas; the first node, or the least full one, gets it.
    pub(crate) fn add_range(
        &mut self,
        kind: Kind,
        database: &str,
        table: &str,
        zone: &str,
        bytes: u64,
    ) -> u64 {
        let id = self.ranges.keys().next_back().map_or(1, |last| last + 1);
        let range = Range {
            id,
            kind,
            database: database.to_owned(),
            table: table.to_owned(),
            zone: zone.to_owned(),
            replicas: Vec::new(),
            lease: 0,
            bytes,
            underway: None,
        };
        self.ranges.insert(id, range);
        id
    }

    /// A setting's value, or its default; `None` for a setting that there is not.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        let (_, default) = SETTINGS.iter().find(|(known, _)| *known == name)?;
        Some(self.settings.get(name).map_or(*default, String::as_str))
    }

    /// All settings with their values.
    pub fn settings_shown(&self) -> impl Iterator<Item = (&str, &str)> {
        SETTINGS.iter().map(|(name, default)| {
            (*name, self.settings.get(*name).map_or(*default, String::as_str))
        })
    }

    /// How many replicas a node has by the range descriptors: the exact number.
    #[must_use]
    pub fn replicas(&self, node: NodeId) -> u64 {
        self.ranges.values().filter(|range| range.replicas.contains(&node)).count() as u64
    }

    /// The bytes of the replicas of a node.
    #[must_use]
    pub fn bytes(&self, node: NodeId) -> u64 {
        self.ranges
            .values()
            .filter(|range| range.replicas.contains(&node))
            .map(|range| range.bytes)
            .sum()
    }

    /// The next number of the chance.
    pub(crate) fn random(&mut self, below: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below.max(1)
    }

    /// A line of the event log.
    pub(crate) fn note(&mut self, kind: &str, node: NodeId) {
        self.events.push(Event { at_ms: self.clock_ms, kind: kind.to_owned(), node });
    }
}

/// A zone with all its options; the byte limits are CockroachDB 20.1's, unconfirmed for KWDB.
fn zone(replicas: u32, gc_seconds: u32) -> Zone {
    let option = |key: &str, value: String| (key.to_owned(), value);
    Zone {
        options: vec![
            option("range_min_bytes", "134217728".to_owned()),
            option("range_max_bytes", "536870912".to_owned()),
            option("gc.ttlseconds", gc_seconds.to_string()),
            option("num_replicas", replicas.to_string()),
            option("constraints", "'[]'".to_owned()),
            option("lease_preferences", "'[]'".to_owned()),
        ],
    }
}
