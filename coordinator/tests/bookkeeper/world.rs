//! A model of hosts with bookies: what is on each of them, what the metadata say, and nothing that takes time.

use std::collections::BTreeMap;

use bellows::{plan::Systems as _, spec, systems::AllSystems};
use bellows_proto::v1::{
    AcceptedGuard, Adopt, AdoptFrom, Asked, BookkeeperPlacement, Expand, Intent, KeyValue, NodeAt,
    NodeRef, Observation, Reconfigure, Replace, Shrink, Spec, System, asked, intent::Verb,
};

pub const CLUSTER: &str = "events";
pub const OPERATION: &str = "op-1";
pub const INSTANCE: &str = "6f1c8a3e";
pub const METADATA: &str = "zk+hierarchical://10.0.1.1:2181/ledgers";

/// What an agent remembers of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub claimed_by: String,
    pub tombstone: bool,
    pub place: BookkeeperPlacement,
}

/// A host; at most one bookie is on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    pub answers: bool,
    pub mode: &'static str,
    pub allowed: bool,
    pub clock_ahead_ms: i64,
    /// Of the program; empty: not installed.
    pub version: &'static str,
    /// Under the data root.
    pub free_bytes: u64,
    pub occupied: bool,
    pub port_holder: &'static str,
    pub service_holder: &'static str,
    pub vacancy_claimed_by: &'static str,
    pub declared: bool,
    pub obstacle: &'static str,
    pub http_obstacle: &'static str,
    pub left_alone: &'static str,
    /// Somebody else's bookie, with what its configuration says besides the metadata service.
    pub foreign: bool,
    /// Of a bookie that Bellows made: its configuration was written.
    pub written: bool,
    pub settings: BTreeMap<String, String>,
    /// Keys that nobody takes over.
    pub other_keys: Vec<String>,
    pub changed_file: bool,
    /// The cookie in its directories; `None`: they are empty.
    pub stamped: Option<String>,
    pub running: bool,
    pub read_only: bool,
    /// Of its ledger disks.
    pub disk_free: u64,
    pub disk_total: u64,
    /// The HTTP API does not answer.
    pub mute: bool,
    pub saved: BTreeMap<String, String>,
    pub audited_at_ms: u64,
    pub records: BTreeMap<String, Record>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            answers: true,
            mode: "manage",
            allowed: true,
            clock_ahead_ms: 3,
            version: "4.17.3",
            free_bytes: 100 << 30,
            occupied: false,
            port_holder: "",
            service_holder: "",
            vacancy_claimed_by: "",
            declared: true,
            obstacle: "",
            http_obstacle: "",
            left_alone: "",
            foreign: false,
            written: false,
            settings: BTreeMap::new(),
            other_keys: Vec::new(),
            changed_file: false,
            stamped: None,
            running: false,
            read_only: false,
            disk_free: 80 << 30,
            disk_total: 100 << 30,
            mute: false,
            saved: BTreeMap::new(),
            audited_at_ms: 0,
            records: BTreeMap::new(),
        }
    }
}

/// A ledger by its metadata: one ensemble, every entry on `copies` of its bookies.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    pub ensemble: Vec<String>,
    pub copies: u32,
    pub bytes: u64,
    pub open: bool,
}

/// All hosts, and what is in the metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    pub hosts: BTreeMap<String, Host>,
    pub ledgers: BTreeMap<u64, Ledger>,
    pub cookies: BTreeMap<String, String>,
    pub autorecovery: bool,
    /// Host of the auditor; empty: none is elected.
    pub auditor: String,
    /// Lack a copy, besides what a dead bookie had.
    pub lacking: Vec<u64>,
    pub metadata_ms: u64,
    /// The metadata of the ledgers cannot be read.
    pub no_ledgers: bool,
    /// This host sees that bookie as gone.
    pub odd_witness: Option<(String, String)>,
    /// Counts audits.
    pub audits: u64,
    /// What clients are told of bookies: rack and group.
    pub told: BTreeMap<String, (String, String)>,
    /// What clients are told cannot be read.
    pub no_places: bool,
}

#[allow(dead_code)]
impl World {
    pub fn host(&mut self, name: &str) -> &mut Host {
        self.hosts.get_mut(name).unwrap()
    }

    /// Its power fails; its session has ended.
    pub fn dies(&mut self, name: &str) {
        let host = self.host(name);
        (host.answers, host.running) = (false, false);
        if self.auditor == name {
            let next = self.hosts.iter().find(|(_, host)| host.running);
            self.auditor = next.map(|(name, _)| name.clone()).unwrap_or_default();
        }
    }

    /// Ids of the bookies that run, writable or read-only.
    pub fn registered(&self, read_only: bool) -> Vec<String> {
        let hosts = self.hosts.iter();
        let these = hosts.filter(|(_, host)| host.running && host.read_only == read_only);
        these.map(|(name, _)| id(name)).collect()
    }

    /// Ledgers that name this bookie.
    pub fn on(&self, bookie: &str) -> Vec<u64> {
        let named = |(ledger, one): (&u64, &Ledger)| {
            one.ensemble.iter().any(|id| id == bookie).then_some(*ledger)
        };
        self.ledgers.iter().filter_map(named).collect()
    }

    /// Entries of it have no copy on any but these.
    pub fn lost_with(&self, gone: &[String]) -> Vec<u64> {
        let lost = |(ledger, one): (&u64, &Ledger)| {
            let size = one.ensemble.len();
            let copies = usize::try_from(one.copies).unwrap();
            let alone = |at: usize| {
                (0..copies).all(|next| gone.contains(&one.ensemble[(at + next) % size]))
            };
            (0..size).any(alone).then_some(*ledger)
        };
        self.ledgers.iter().filter_map(lost).collect()
    }

    /// Asks everybody, as the engine does.
    pub fn observe(&self, spec: &Spec, intent: Option<&Intent>) -> Observation {
        let site = AllSystems::default();
        let mut answers: Vec<Asked> = Vec::new();
        for _ in 0..5 {
            let questions = site.next_queries(spec, intent, &answers);
            if questions.is_empty() {
                break;
            }
            for question in questions {
                let began_at_ms = 1_000_000;
                let outcome = match self.answer(&question.host, &question.query, began_at_ms + 10) {
                    Ok(answer) => asked::Outcome::Answer(answer),
                    Err(fault) => asked::Outcome::Fault(fault),
                };
                answers.push(Asked {
                    host: question.host,
                    query: Some(question.query),
                    outcome: Some(outcome),
                    began_at_ms,
                    ended_at_ms: began_at_ms + 20,
                });
            }
        }
        assert!(site.next_queries(spec, intent, &answers).is_empty(), "at most five rounds");
        site.observation(spec, &answers)
    }
}

pub fn address(host: &str) -> String {
    format!("10.0.0.{}", host.trim_start_matches('h'))
}

/// The id of the bookie on a host.
pub fn id(host: &str) -> String {
    format!("{}:3181", address(host))
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
    let typed = AllSystems::default().options(System::Bookkeeper, verb, &options).unwrap();
    let (cluster, options) = (CLUSTER.to_owned(), Some(typed));
    let system = System::Bookkeeper.into();
    Intent { cluster, system, verb: Some(kind), options, ..Intent::default() }
}

/// The same, with a guard accepted.
pub fn accepting(mut intent: Intent, code: &str) -> Intent {
    let accepted = AcceptedGuard { code: code.to_owned(), reason: "it is known".to_owned() };
    intent.accepted.push(accepted);
    intent
}

pub fn expand(nodes: &[(&str, &str)]) -> Intent {
    expand_with(nodes, &[])
}

pub fn expand_with(nodes: &[(&str, &str)], options: &[(&str, &str)]) -> Intent {
    intent("expand", Verb::Expand(Expand { nodes: pairs(nodes) }), options)
}

pub fn adopt(hosts: &[&str], options: &[(&str, &str)]) -> Intent {
    let from = hosts.iter().map(|host| AdoptFrom { host: (*host).to_owned(), port: 0 });
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

pub fn reconfigure(options: &[(&str, &str)]) -> Intent {
    intent("reconfigure", Verb::Reconfigure(Reconfigure {}), options)
}

/// Bookies on h1, h2, ... that somebody else set up; `spare` hosts have the program and no bookie. Each bookie is in
/// the ensembles of some ledgers of two copies; every third ledger is open.
pub fn installed(members: usize, spare: usize) -> World {
    let mut world = World {
        hosts: BTreeMap::new(),
        ledgers: BTreeMap::new(),
        cookies: BTreeMap::new(),
        autorecovery: true,
        auditor: "h1".to_owned(),
        lacking: Vec::new(),
        metadata_ms: 4,
        no_ledgers: false,
        odd_witness: None,
        audits: 0,
        told: BTreeMap::new(),
        no_places: false,
    };
    for n in 1..=members + spare {
        let name = format!("h{n}");
        let mut host = Host::default();
        if n <= members {
            (host.foreign, host.running) = (true, true);
            host.stamped = Some(id(&name));
            for (key, value) in [
                ("autoRecoveryDaemonEnabled", "true"),
                ("persistBookieStatusEnabled", "true"),
                ("zkTimeout", "30000"),
            ] {
                host.settings.insert(key.to_owned(), value.to_owned());
            }
            world.cookies.insert(id(&name), cookie(&name));
        }
        world.hosts.insert(name, host);
    }
    for ledger in 0..members * 3 {
        let at = |next: usize| id(&format!("h{}", (ledger + next) % members + 1));
        let one = Ledger {
            ensemble: vec![at(0), at(1)],
            copies: 2,
            bytes: 64 << 20,
            open: ledger % 3 == 2,
        };
        world.ledgers.insert(u64::try_from(ledger).unwrap() + 10, one);
    }
    world
}

pub fn cookie(host: &str) -> String {
    format!("4\nbookieHost: \"{}\"\ninstanceId: \"{INSTANCE}\"\n", id(host))
}

/// The same, adopted: nodes are called as their hosts.
pub fn cluster(members: usize, spare: usize, options: &[(&str, &str)]) -> (World, Spec) {
    let mut world = installed(members, spare);
    let mut spec = spec::blank(CLUSTER, System::Bookkeeper);
    let names: Vec<String> = (1..=members).map(|n| format!("h{n}")).collect();
    let from: Vec<&str> = names.iter().map(String::as_str).collect();
    let plan = crate::play::plan(&world, &spec, &adopt(&from, options));
    crate::play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    (world, spec)
}

/// Adopted members, and after them bk4 on h4 and so on that Bellows made, with ledgers of their own; then spare hosts.
pub fn grown(members: usize, new: usize, spare: usize, options: &[(&str, &str)]) -> (World, Spec) {
    let (mut world, mut spec) = cluster(members, new + spare, options);
    let names: Vec<(String, String)> =
        (members + 1..=members + new).map(|n| (format!("bk{n}"), format!("h{n}"))).collect();
    let nodes: Vec<(&str, &str)> =
        names.iter().map(|(node, host)| (node.as_str(), host.as_str())).collect();
    let plan = crate::play::plan(&world, &spec, &expand(&nodes));
    crate::play::steps(&mut world, &mut spec, &plan, plan.steps.len());
    for (turn, (_, host)) in names.iter().enumerate() {
        let ledger = 100 + u64::try_from(turn).unwrap();
        let one =
            Ledger { ensemble: vec![id(host), id("h1")], copies: 2, bytes: 64 << 20, open: false };
        world.ledgers.insert(ledger, one);
    }
    (world, spec)
}
