//! A model of hosts with KWDB: what is on each of them, what the cluster knows, and nothing that takes time.

use std::collections::{BTreeMap, BTreeSet};

use bellows::{plan::Systems as _, spec, systems::AllSystems};
use bellows_proto::v1::{
    Adopt, AdoptFrom, Asked, Expand, Intent, KeyValue, KwdbJob, KwdbPlacement, KwdbSecurity,
    KwdbSigned, KwdbStart, KwdbStartMode, KwdbZone, NodeAt, NodeRef, Observation, Reconfigure,
    Rejoin, Replace, Restart, Shrink, Spec, System, asked, intent::Verb,
};

pub const CLUSTER: &str = "metrics";
pub const OPERATION: &str = "op-1";
/// The digest of the cluster's ca.crt.
pub const AUTHORITY: &[u8] = b"authority";

/// What an agent remembers of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub claimed_by: String,
    pub tombstone: bool,
    pub place: KwdbPlacement,
}

/// A certificate with its key, by the number of the key; 0: none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Certificate {
    pub key: u8,
    /// For which key it was signed; 0: there is none.
    pub signed: u8,
    pub hosts: Vec<String>,
    pub authority: Vec<u8>,
    pub ends_ms: i64,
}

/// Long after every question.
pub const ENDS_MS: i64 = 1_000_000_000;

/// What lies in a host's certificates' folder.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Certificates {
    pub authority: Vec<u8>,
    pub has_key: bool,
    pub node: Certificate,
    pub client: Certificate,
    pub requests: bool,
    pub leftovers: Vec<String>,
}

/// A host; at most one node of KWDB is on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    pub answers: bool,
    pub mode: &'static str,
    pub allowed: bool,
    pub clock_ahead_ms: i64,
    pub answer_ms: i64,
    pub kwbase: &'static str,
    pub deploy_sh: bool,
    pub free_bytes: u64,
    pub occupied: bool,
    pub port_holder: &'static str,
    pub service_holder: &'static str,
    pub vacancy_claimed_by: &'static str,
    pub vacancy_answers: bool,
    pub declared: bool,
    pub obstacle: &'static str,
    pub left_alone: &'static str,
    pub container: &'static str,
    pub security: KwdbSecurity,
    /// What the installer has written down; empty: nothing.
    pub installed_security: &'static str,
    /// The node's own: what is installed and made by somebody else.
    pub foreign: bool,
    /// The id in the store; `None`: it is empty.
    pub store: Option<u32>,
    pub running: bool,
    pub sql: bool,
    /// With what Bellows starts it.
    pub start: Option<KwdbStart>,
    pub changed_file: bool,
    pub certificates: Certificates,
    pub signed: Vec<KwdbSigned>,
    pub waiters: Vec<String>,
    /// How the unit of somebody else starts it.
    pub command: Vec<String>,
    pub records: BTreeMap<String, Record>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            answers: true,
            mode: "manage",
            allowed: true,
            clock_ahead_ms: 3,
            answer_ms: 20,
            kwbase: "V3.1.0",
            deploy_sh: false,
            free_bytes: 100 << 30,
            occupied: false,
            port_holder: "",
            service_holder: "",
            vacancy_claimed_by: "",
            vacancy_answers: true,
            declared: true,
            obstacle: "",
            left_alone: "",
            container: "",
            security: KwdbSecurity::Insecure,
            installed_security: "",
            foreign: false,
            store: None,
            running: false,
            sql: true,
            start: None,
            changed_file: false,
            certificates: Certificates::default(),
            signed: Vec::new(),
            waiters: Vec::new(),
            command: Vec::new(),
            records: BTreeMap::new(),
        }
    }
}

/// What the cluster knows of an id.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    pub address: String,
    /// Counts its starts.
    pub starts: u32,
    pub decommissioning: bool,
    pub draining: bool,
    /// Gossip has forgotten its address.
    pub nameless: bool,
    pub replicas: u64,
    /// "region=NODE4"; empty: as the tool sets it.
    pub locality: String,
    pub used: u64,
    pub build: &'static str,
}

/// All hosts, and what the members share.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    pub hosts: BTreeMap<String, Host>,
    pub known: BTreeMap<u32, Known>,
    pub mode: KwdbStartMode,
    pub rebalance: Option<bool>,
    pub unavailable: Option<u64>,
    pub underreplicated: Option<u64>,
    pub upgrading: BTreeSet<u32>,
    pub jobs: Vec<KwdbJob>,
    pub zones: Vec<KwdbZone>,
    /// Nobody can ask the key-value store.
    pub no_quorum: bool,
    /// These rows are seen with another flag by this host, by id.
    pub odd_witness: Option<(String, u32)>,
    /// New replicas arrive only by hand.
    pub slow: bool,
}

#[allow(dead_code)]
impl World {
    pub fn host(&mut self, name: &str) -> &mut Host {
        self.hosts.get_mut(name).unwrap()
    }

    /// The host of a node.
    pub fn of(&mut self, node: &str) -> &mut Host {
        self.hosts.values_mut().find(|host| host.records.contains_key(node)).unwrap()
    }

    /// What the cluster knows of the node on a host.
    pub fn known_at(&mut self, host: &str) -> &mut Known {
        let id = self.hosts[host].store.unwrap();
        self.known.get_mut(&id).unwrap()
    }

    /// Its power fails.
    pub fn dies(&mut self, name: &str) {
        let host = self.host(name);
        (host.answers, host.running) = (false, false);
    }

    /// Whether an id lives.
    pub fn lives(&self, id: u32) -> bool {
        self.hosts.values().any(|host| host.store == Some(id) && host.running)
    }

    /// All replicas, evenly, over those who stay.
    pub fn spread(&mut self) {
        if self.mode != KwdbStartMode::MultiReplica || self.slow {
            return;
        }
        // What a dead one had is made anew only once it is decommissioned.
        let kept: BTreeSet<u32> = self
            .known
            .iter()
            .filter(|(id, known)| !self.lives(**id) && !known.decommissioning)
            .map(|(id, _)| *id)
            .collect();
        let moving = self.known.iter().filter(|(id, _)| !kept.contains(id));
        let all: u64 = moving.map(|(_, known)| known.replicas).sum();
        let living: Vec<u32> = self.known.keys().copied().filter(|id| self.lives(*id)).collect();
        let staying: Vec<u32> =
            living.into_iter().filter(|id| !self.known[id].decommissioning).collect();
        if staying.len() < 3 {
            return;
        }
        let count = u64::try_from(staying.len()).unwrap();
        for (id, known) in self.known.iter_mut().filter(|(id, _)| !kept.contains(id)) {
            let at = staying.iter().position(|staying| staying == id);
            known.replicas = at
                .map_or(0, |at| all / count + u64::from(u64::try_from(at).unwrap() < all % count));
        }
    }

    /// Asks everybody, as the engine does.
    pub fn observe(&self, spec: &Spec, intent: Option<&Intent>) -> Observation {
        let site = AllSystems::default();
        let mut answers: Vec<Asked> = Vec::new();
        for _ in 0..3 {
            let questions = site.next_queries(spec, intent, &answers);
            if questions.is_empty() {
                return site.observation(spec, &answers);
            }
            for question in questions {
                let began_at_ms = 1_000_000;
                let took = self.hosts.get(&question.host).map_or(0, |host| host.answer_ms);
                let now_ms = began_at_ms + took / 2;
                let outcome = match self.answer(&question.host, &question.query, now_ms) {
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
        site.observation(spec, &answers)
    }
}

pub fn address(host: &str) -> String {
    format!("10.0.0.{}", host.trim_start_matches('h'))
}

pub fn node_ref(node: &str) -> NodeRef {
    NodeRef { cluster: CLUSTER.to_owned(), node: node.to_owned() }
}

pub fn pairs(nodes: &[(&str, &str)]) -> Vec<NodeAt> {
    nodes
        .iter()
        .map(|(node, host)| NodeAt { node: (*node).to_owned(), host: (*host).to_owned() })
        .collect()
}

pub fn intent(verb: &str, kind: Verb, options: &[(&str, &str)]) -> Intent {
    let options: Vec<KeyValue> = options
        .iter()
        .map(|(key, value)| KeyValue { key: (*key).to_owned(), value: (*value).to_owned() })
        .collect();
    let typed = AllSystems::default().options(System::Kwdb, verb, &options).unwrap();
    let (cluster, options) = (CLUSTER.to_owned(), Some(typed));
    Intent { cluster, system: System::Kwdb.into(), verb: Some(kind), options, ..Intent::default() }
}

pub fn expand(nodes: &[(&str, &str)], options: &[(&str, &str)]) -> Intent {
    intent("expand", Verb::Expand(Expand { nodes: pairs(nodes) }), options)
}

/// From each of these hosts; 0: whatever port.
pub fn adopt(from: &[(&str, u32)], options: &[(&str, &str)]) -> Intent {
    let from = from.iter().map(|(host, port)| AdoptFrom { host: (*host).to_owned(), port: *port });
    intent("adopt", Verb::Adopt(Adopt { from: from.collect() }), options)
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
    intent("replace", Verb::Replace(Replace { node: node.to_owned(), with, dead }), options)
}

pub fn rejoin(node: &str, discard_data: bool, options: &[(&str, &str)]) -> Intent {
    let verb = Verb::Rejoin(Rejoin { node: node.to_owned(), discard_data });
    intent("rejoin", verb, options)
}

pub fn restart(nodes: &[&str]) -> Intent {
    let nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
    intent("restart", Verb::Restart(Restart { nodes, in_place: false }), &[])
}

pub fn reconfigure(options: &[(&str, &str)]) -> Intent {
    intent("reconfigure", Verb::Reconfigure(Reconfigure {}), options)
}

/// A cluster on h1, h2, ... that KWDB's installer made; `spare` hosts have KWDB and no node.
pub fn installed(
    members: usize,
    spare: usize,
    mode: KwdbStartMode,
    security: KwdbSecurity,
) -> World {
    let hosts = (1..=members + spare).map(|n| {
        let mut host = Host { security, ..Host::default() };
        if n <= members {
            (host.foreign, host.running, host.store) = (true, true, u32::try_from(n).ok());
            if security == KwdbSecurity::Tls {
                host.certificates = whole(&format!("h{n}"), 1);
                host.certificates.has_key = n == 1;
            }
        }
        (format!("h{n}"), host)
    });
    let known = (1..=members).map(|n| {
        let known = Known {
            address: format!("{}:26257", address(&format!("h{n}"))),
            starts: 1,
            decommissioning: false,
            draining: false,
            nameless: false,
            replicas: 60,
            locality: String::new(),
            used: 4 << 30,
            build: "V3.1.0",
        };
        (u32::try_from(n).unwrap(), known)
    });
    let zone = KwdbZone {
        target: "RANGE default".to_owned(),
        num_replicas: Some(3),
        constraints: "[]".to_owned(),
        lease_preferences: "[]".to_owned(),
        raw: "ALTER RANGE default CONFIGURE ZONE USING num_replicas = 3".to_owned(),
    };
    World {
        hosts: hosts.collect(),
        known: known.collect(),
        mode,
        rebalance: Some(true),
        unavailable: Some(0),
        underreplicated: Some(0),
        upgrading: BTreeSet::new(),
        jobs: Vec::new(),
        zones: vec![zone],
        no_quorum: false,
        odd_witness: None,
        slow: false,
    }
}

/// Certificates of the cluster's authority, for a host.
pub fn whole(host: &str, key: u8) -> Certificates {
    let one = |hosts: Vec<String>| Certificate {
        key,
        signed: key,
        hosts,
        authority: AUTHORITY.to_vec(),
        ends_ms: ENDS_MS,
    };
    Certificates {
        authority: AUTHORITY.to_vec(),
        node: one(vec![address(host), "127.0.0.1".to_owned(), "localhost".to_owned()]),
        client: one(Vec::new()),
        ..Certificates::default()
    }
}

/// The same, adopted: nodes are called as their hosts.
pub fn adopted(
    members: usize,
    spare: usize,
    mode: KwdbStartMode,
    security: KwdbSecurity,
    options: &[(&str, &str)],
) -> (World, Spec) {
    let mut world = installed(members, spare, mode, security);
    let mut spec = spec::blank(CLUSTER, System::Kwdb);
    let names: Vec<String> = (1..=members).map(|n| format!("h{n}")).collect();
    let from: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 0)).collect();
    let plan = crate::play::plan(&world, &spec, &adopt(&from, options));
    crate::play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    (world, spec)
}

/// A multi-replica cluster without certificates.
pub fn cluster(members: usize, spare: usize, options: &[(&str, &str)]) -> (World, Spec) {
    adopted(members, spare, KwdbStartMode::MultiReplica, KwdbSecurity::Insecure, options)
}

/// A multi-replica cluster with certificates; h1 has ca.key.
pub fn secure(members: usize, spare: usize) -> (World, Spec) {
    adopted(members, spare, KwdbStartMode::MultiReplica, KwdbSecurity::Tls, &[])
}

/// Members that the installer made, and after them kw4 on h4 and so on that Bellows made; then spare hosts.
pub fn grown(members: usize, new: usize, spare: usize, options: &[(&str, &str)]) -> (World, Spec) {
    let (mut world, mut spec) = cluster(members, new + spare, options);
    let names: Vec<(String, String)> =
        (members + 1..=members + new).map(|n| (format!("kw{n}"), format!("h{n}"))).collect();
    let nodes: Vec<(&str, &str)> =
        names.iter().map(|(node, host)| (node.as_str(), host.as_str())).collect();
    let plan = crate::play::plan(&world, &spec, &expand(&nodes, &[]));
    crate::play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    (world, spec)
}
