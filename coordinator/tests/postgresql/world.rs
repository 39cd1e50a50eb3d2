//! A model of hosts with PostgreSQL: what is on each of them, and nothing that takes time.

use std::collections::{BTreeMap, BTreeSet};

use bellows::{
    plan::Systems as _,
    spec,
    systems::{
        AllSystems,
        postgresql::{Front, Policy},
    },
};
use bellows_proto::v1::{
    AcceptedGuard, Adopt, AdoptFrom, Asked, Create, Expand, FrontBackend, FrontKind, Intent,
    KeyValue, NodeAt, NodeRef, Observation, PostgresqlFront, PostgresqlPlacement, Reconfigure,
    Rejoin, Replace, RepmgrNode, Restart, Shrink, Spec, Switchover, System, WriteConfiguration,
    asked, intent::Verb,
};

pub const CLUSTER: &str = "orders";
pub const OPERATION: &str = "op-1";
pub const SYSTEM_ID: &str = "7300000000000000001";

/// What a data directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    Absent,
    Primary,
    Copy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Service {
    pub running: bool,
    pub enabled: bool,
    pub masked: bool,
}

/// What an agent remembers of a node, and what is there of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub claimed_by: String,
    pub tombstone: bool,
    pub resources: BTreeSet<String>,
    pub place: PostgresqlPlacement,
    pub data: Data,
    pub configuration: Option<WriteConfiguration>,
    pub changed_file: bool,
    pub server: Service,
    pub repmgrd: Service,
    /// Slots here while it is not the primary.
    pub kept_slots: BTreeSet<String>,
    /// Of its repmgrd.
    pub paused: bool,
    /// Somebody paused its replay.
    pub replay_paused: bool,
    /// What its data directory is written on.
    pub timeline: u32,
    /// Bytes that it wrote, as a primary, after another one took over.
    pub beyond: u64,
    /// Its server ended without a shutdown.
    pub crashed: bool,
    /// What lies in its data directory was there before Bellows.
    pub foreign: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    pub answers: bool,
    pub mode: &'static str,
    pub allowed: bool,
    pub clock_ahead_ms: i64,
    pub answer_ms: i64,
    pub architecture: &'static str,
    pub c_library: &'static str,
    pub postgres: &'static str,
    pub repmgr: &'static str,
    pub free_bytes: u64,
    pub passfile: &'static str,
    /// Data directory that is somebody's already.
    pub occupied: bool,
    pub port_holder: &'static str,
    pub service_holder: &'static str,
    pub vacancy_claimed_by: &'static str,
    pub vacancy_answers: bool,
    /// A login of this host's passfile works once it is let in.
    pub login_file: bool,
    /// agent.toml allows the servers that are there to be adopted.
    pub declared: bool,
    /// Why the services of an adopted server may not be stopped.
    pub left_alone: &'static str,
    /// Why a server that is there cannot be adopted.
    pub obstacle: &'static str,
    /// The system identifier in the control file of a server that is there.
    pub identifier: &'static str,
    pub nodes: BTreeMap<String, Node>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            answers: true,
            mode: "manage",
            allowed: true,
            clock_ahead_ms: 3,
            answer_ms: 20,
            architecture: "x86_64",
            c_library: "glibc 2.36",
            postgres: "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)",
            repmgr: "repmgr 5.3.3",
            free_bytes: 100 << 30,
            passfile: "/etc/bellows-agent/passfile",
            occupied: false,
            port_holder: "",
            service_holder: "",
            vacancy_claimed_by: "",
            vacancy_answers: true,
            login_file: true,
            declared: true,
            left_alone: "",
            obstacle: "",
            identifier: SYSTEM_ID,
            nodes: BTreeMap::new(),
        }
    }
}

/// All hosts, and what the cluster's servers share by replication.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    pub hosts: BTreeMap<String, Host>,
    pub repmgr_database: bool,
    pub registered: Vec<RepmgrNode>,
    /// Slots at the primary, by name.
    pub slots: BTreeSet<String>,
    pub settings: BTreeMap<&'static str, String>,
    pub created_with: &'static str,
    pub database_bytes: u64,
    /// Standbys that are connected to another standby, by name.
    pub below: BTreeMap<String, String>,
    /// These run and are not connected to anything.
    pub disconnected: BTreeSet<String>,
    /// Clients by node: user, application, how many. All of database "shop", from 10.9.0.7.
    pub clients: BTreeMap<String, Vec<(&'static str, &'static str, u32)>>,
    /// Sessions at each server of which repmgr's role may not see whose they are.
    pub hidden_sessions: u32,
    /// The rules of adopted members let these hosts' addresses in.
    pub let_in_by_hand: BTreeSet<String>,
    pub tablespaces: Vec<String>,
    /// The oldest WAL at the primary.
    pub oldest_wal: u64,
    /// What stands in front, by host: its name there, and what it serves.
    pub fronts: BTreeMap<String, (String, PostgresqlFront)>,
}

impl World {
    /// Empty hosts h1, h2, ...
    pub fn empty(hosts: usize) -> Self {
        let settings = [
            ("wal_level", "replica"),
            ("hot_standby", "on"),
            ("wal_log_hints", "on"),
            ("data_checksums", "on"),
            ("shared_preload_libraries", "repmgr"),
            ("max_connections", "100"),
            ("superuser_reserved_connections", "3"),
            ("max_wal_senders", "20"),
            ("max_replication_slots", "20"),
            ("synchronous_standby_names", ""),
        ];
        Self {
            hosts: (1..=hosts).map(|n| (format!("h{n}"), Host::default())).collect(),
            repmgr_database: false,
            registered: Vec::new(),
            slots: BTreeSet::new(),
            settings: settings.into_iter().map(|(name, value)| (name, value.to_owned())).collect(),
            created_with: "2.36",
            database_bytes: 3 << 30,
            below: BTreeMap::new(),
            disconnected: BTreeSet::new(),
            clients: BTreeMap::new(),
            hidden_sessions: 0,
            let_in_by_hand: BTreeSet::new(),
            tablespaces: Vec::new(),
            oldest_wal: 0,
            fronts: BTreeMap::new(),
        }
    }

    pub fn host(&mut self, name: &str) -> &mut Host {
        self.hosts.get_mut(name).unwrap()
    }

    /// Pgpool-II on a host of its own, that serves the members as they are.
    pub fn stand_in_front(&mut self, host: &str) {
        self.hosts.insert(host.to_owned(), Host::default());
        let primary = self.primary().unwrap().0.to_owned();
        let mut serving: Vec<FrontBackend> = Vec::new();
        for (name, node) in self.hosts.values().flat_map(|host| &host.nodes) {
            serving.push(FrontBackend {
                node: String::new(),
                address: node.place.address.clone(),
                port: node.place.port,
                attached: Some(true),
                primary: Some(*name == primary),
            });
        }
        let front = PostgresqlFront {
            kind: FrontKind::Pgpool.into(),
            address: crate::answers::address("h9"),
            port: 9999,
            configured: serving.clone(),
            serving,
        };
        self.fronts.insert(host.to_owned(), ("pool".to_owned(), front));
    }

    /// The site that has these fronts.
    pub fn site(&self) -> AllSystems {
        let front = |(host, (name, _)): (&String, &(String, PostgresqlFront))| Front {
            cluster: CLUSTER.to_owned(),
            name: name.clone(),
            host: host.clone(),
        };
        let fronts = self.fronts.iter().map(front).collect();
        AllSystems { postgresql: Policy { fronts, ..Policy::default() } }
    }

    /// So many clients of a user at a node.
    pub fn connect(&mut self, node: &str, user: &'static str, count: u32) {
        self.clients.entry(node.to_owned()).or_default().push((user, "web", count));
    }

    /// Its power fails.
    pub fn dies(&mut self, name: &str) {
        let host = self.host(name);
        host.answers = false;
        for node in host.nodes.values_mut() {
            (node.server.running, node.repmgrd.running) = (false, false);
        }
    }

    /// The server of the primary ends, repmgrd promotes a standby and leads the others to it.
    pub fn fails_over(&mut self, old: &str, new: &str, crashed: bool) {
        let node = self.node(old);
        (node.server, node.repmgrd, node.crashed) =
            (Service::default(), Service::default(), crashed);
        let id = self.node(new).place.node_id;
        let others = self.registered.iter_mut().filter(|row| row.name != old && row.name != new);
        let slots: Vec<String> = others
            .map(|row| {
                row.upstream_id = id;
                row.slot.clone()
            })
            .collect();
        self.node(new).kept_slots.extend(slots);
        self.promote(new);
    }

    /// A former primary comes up as it was, and takes writes.
    pub fn starts_again(&mut self, old: &str) {
        let node = self.node(old);
        let runs = Service { running: true, enabled: true, masked: false };
        (node.server, node.repmgrd, node.crashed, node.beyond) = (runs, runs, false, 4096);
    }

    /// The node, wherever it is.
    pub fn node(&mut self, name: &str) -> &mut Node {
        self.hosts.values_mut().find_map(|host| host.nodes.get_mut(name)).unwrap()
    }

    pub fn find(&self, name: &str) -> Option<(&str, &Node)> {
        self.hosts.iter().find_map(|(host, found)| Some((host.as_str(), found.nodes.get(name)?)))
    }

    /// The primary that runs.
    pub fn primary(&self) -> Option<(&str, &Node)> {
        let nodes = self.hosts.values().flat_map(|host| &host.nodes);
        nodes
            .map(|(name, node)| (name.as_str(), node))
            .filter(|(_, node)| node.data == Data::Primary && node.server.running)
            .max_by_key(|(_, node)| node.timeline)
    }

    /// A server that a standby can stream from runs, and the standby does too.
    pub fn streams(&self, name: &str) -> bool {
        let runs =
            self.find(name).is_some_and(|(_, node)| node.data == Data::Copy && node.server.running);
        let Some((_, primary)) = self.primary() else { return false };
        // One that is recorded as a standby goes where its record says.
        let row = self.registered.iter().find(|row| row.name == name && row.kind == "standby");
        let led = row.is_none_or(|row| row.upstream_id == primary.place.node_id);
        runs && (led || self.below.contains_key(name)) && !self.disconnected.contains(name)
    }

    pub fn setting(&mut self, name: &'static str, value: &str) {
        self.settings.insert(name, value.to_owned());
    }

    /// Asks everybody, as the engine does.
    pub fn observe(&self, spec: &Spec, intent: Option<&Intent>) -> Observation {
        let site = self.site();
        let mut answers: Vec<Asked> = Vec::new();
        for _ in 0..3 {
            let questions = site.next_queries(spec, intent, &answers);
            if questions.is_empty() {
                return AllSystems::default().observation(spec, &answers);
            }
            for question in questions {
                let began_at_ms = 1_000_000;
                let took = self.hosts.get(&question.host).map_or(0, |host| host.answer_ms);
                let outcome =
                    match self.answer(&question.host, &question.query, began_at_ms + took / 2) {
                        Ok(answer) => asked::Outcome::Answer(answer),
                        Err(fault) => asked::Outcome::Fault(fault),
                    };
                answers.push(Asked {
                    host: question.host,
                    query: Some(question.query),
                    outcome: Some(outcome),
                    began_at_ms,
                    ended_at_ms: began_at_ms + took,
                });
            }
        }
        assert_eq!(site.next_queries(spec, intent, &answers), [], "at most three rounds");
        AllSystems::default().observation(spec, &answers)
    }
}

pub fn node_ref(node: &str) -> NodeRef {
    NodeRef { cluster: CLUSTER.to_owned(), node: node.to_owned() }
}

fn pairs(nodes: &[(&str, &str)]) -> Vec<NodeAt> {
    nodes
        .iter()
        .map(|(node, host)| NodeAt { node: (*node).to_owned(), host: (*host).to_owned() })
        .collect()
}

fn intent(verb: &str, kind: Verb, options: &[(&str, &str)]) -> Intent {
    let options: Vec<KeyValue> = options
        .iter()
        .map(|(key, value)| KeyValue { key: (*key).to_owned(), value: (*value).to_owned() })
        .collect();
    let typed = AllSystems::default().options(System::Postgresql, verb, &options).unwrap();
    let system = System::Postgresql.into();
    let (cluster, options) = (CLUSTER.to_owned(), Some(typed));
    Intent { cluster, system, verb: Some(kind), options, ..Intent::default() }
}

pub fn create(nodes: &[(&str, &str)], options: &[(&str, &str)]) -> Intent {
    intent("create", Verb::Create(Create { nodes: pairs(nodes) }), options)
}

pub fn expand(nodes: &[(&str, &str)], options: &[(&str, &str)]) -> Intent {
    intent("expand", Verb::Expand(Expand { nodes: pairs(nodes) }), options)
}

/// The same, with a guard's no accepted.
pub fn accepting(intent: Intent, code: &str) -> Intent {
    let reason = "CHG-4711: agreed".to_owned();
    Intent { accepted: vec![AcceptedGuard { code: code.to_owned(), reason }], ..intent }
}

/// From each of these hosts; 0: whatever port.
pub fn adopt(from: &[(&str, u32)], options: &[(&str, &str)]) -> Intent {
    let from = from.iter().map(|(host, port)| AdoptFrom { host: (*host).to_owned(), port: *port });
    intent("adopt", Verb::Adopt(Adopt { from: from.collect() }), options)
}

/// A cluster of pg1 on h1, pg2 on h2, ... that somebody else built; `spare` hosts follow.
pub fn foreign(members: usize, spare: usize) -> (World, Spec) {
    let (mut world, _) = cluster(members, spare, &[]);
    for node in world.hosts.values_mut().flat_map(|host| host.nodes.values_mut()) {
        node.claimed_by.clear();
        node.resources.clear();
        node.configuration = None;
        let main = "/etc/postgresql/15/main";
        node.place = PostgresqlPlacement {
            data_dir: "/var/lib/postgresql/15/main".to_owned(),
            conf_dir: main.to_owned(),
            socket_dir: "/var/run/postgresql".to_owned(),
            log_dir: "/var/log/postgresql".to_owned(),
            port: 5433,
            server_service: "postgresql@15-main.service".to_owned(),
            repmgrd_service: String::new(),
            adopted: true,
            repmgr_conf: "/etc/repmgr.conf".to_owned(),
            config_file: format!("{main}/postgresql.conf"),
            hba_file: format!("{main}/pg_hba.conf"),
            ..node.place.clone()
        };
    }
    let addresses = (1..=members + spare).map(|n| crate::answers::address(&format!("h{n}")));
    world.let_in_by_hand = addresses.collect();
    (world, spec::blank(CLUSTER, System::Postgresql))
}

pub fn shrink(nodes: &[&str], options: &[(&str, &str)]) -> Intent {
    let nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
    intent("shrink", Verb::Shrink(Shrink { nodes, by: 0 }), options)
}

pub fn shrink_by(by: u32) -> Intent {
    intent("shrink", Verb::Shrink(Shrink { nodes: Vec::new(), by }), &[])
}

pub fn replace(node: &str, with: (&str, &str), dead: bool, options: &[(&str, &str)]) -> Intent {
    let with = pairs(&[with]).pop();
    let verb = Verb::Replace(Replace { node: node.to_owned(), with, dead });
    intent("replace", verb, options)
}

pub fn switchover(to: &str) -> Intent {
    intent("switchover", Verb::Switchover(Switchover { to: to.to_owned() }), &[])
}

pub fn rejoin(node: &str, discard_data: bool) -> Intent {
    intent("rejoin", Verb::Rejoin(Rejoin { node: node.to_owned(), discard_data }), &[])
}

pub fn reconfigure(options: &[(&str, &str)]) -> Intent {
    intent("reconfigure", Verb::Reconfigure(Reconfigure {}), options)
}

pub fn restart(nodes: &[&str], in_place: bool) -> Intent {
    let nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
    intent("restart", Verb::Restart(Restart { nodes, in_place }), &[])
}

/// A cluster of pg1 on h1, pg2 on h2, ... made by playing its create; `spare` hosts follow.
pub fn cluster(members: usize, spare: usize, options: &[(&str, &str)]) -> (World, Spec) {
    let mut world = World::empty(members + spare);
    let names: Vec<(String, String)> =
        (1..=members).map(|n| (format!("pg{n}"), format!("h{n}"))).collect();
    let nodes: Vec<(&str, &str)> =
        names.iter().map(|(node, host)| (node.as_str(), host.as_str())).collect();
    let mut spec = spec::blank(CLUSTER, System::Postgresql);
    let intent = create(&nodes, options);
    let plan =
        AllSystems::default().plan(&spec, &world.observe(&spec, Some(&intent)), &intent).unwrap();
    crate::play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    (world, spec)
}
