//! PostgreSQL in the list: its hosts and what is tried on them.

use std::{net::Ipv4Addr, sync::Arc};

use bellows::systems::{
    AllSystems,
    postgresql::{Front, Policy},
};
use bellows_proto::v1::{
    Create, Expand, Intent, KeyValue, NodeAt, Reconfigure, Rejoin, Replace, Restart, Shrink,
    Switchover, System as Kind, intent::Verb,
};
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    listed::{Model, Operation, System, Wish},
    postgresql,
};

/// PostgreSQL with repmgr.
pub struct Postgresql;

const CLUSTER: &str = "orders";
/// Roots by `agent.toml`'s own defaults.
const ROOTS: &[&str] = &[
    "/var/lib/bellows-postgresql",
    "/etc/bellows/postgresql",
    "/var/log/bellows/postgresql",
    "/usr/local/lib/systemd/system",
];

fn wish(verb: Verb, options: &[(&str, &str)]) -> Wish {
    let options = options
        .iter()
        .map(|(key, value)| KeyValue { key: (*key).to_owned(), value: (*value).to_owned() });
    let intent = Intent {
        cluster: CLUSTER.to_owned(),
        system: Kind::Postgresql.into(),
        verb: Some(verb),
        ..Intent::default()
    };
    Wish { intent, options: options.collect() }
}

/// Node `pgN` on host `hN`.
fn nodes(numbers: &[u8]) -> Vec<NodeAt> {
    let node = |number: &u8| NodeAt { node: format!("pg{number}"), host: format!("h{number}") };
    numbers.iter().map(node).collect()
}

fn create(numbers: &[u8]) -> Wish {
    wish(Verb::Create(Create { nodes: nodes(numbers) }), &[])
}

fn expand(numbers: &[u8]) -> Wish {
    wish(Verb::Expand(Expand { nodes: nodes(numbers) }), &[])
}

fn shrink(number: u8, data: &str) -> Wish {
    let nodes = vec![format!("pg{number}")];
    wish(Verb::Shrink(Shrink { nodes, by: 0 }), &[("data", data)])
}

fn replace(number: u8, new: u8, dead: bool) -> Wish {
    let with = nodes(&[new]).pop();
    wish(Verb::Replace(Replace { node: format!("pg{number}"), with, dead }), &[])
}

fn switchover(number: u8) -> Wish {
    wish(Verb::Switchover(Switchover { to: format!("pg{number}") }), &[])
}

/// With its data copied anew.
fn rejoin(number: u8) -> Wish {
    wish(Verb::Rejoin(Rejoin { node: format!("pg{number}"), discard_data: true }), &[])
}

/// With the data that are there.
fn rejoin_as_it_is(number: u8) -> Wish {
    wish(Verb::Rejoin(Rejoin { node: format!("pg{number}"), discard_data: false }), &[])
}

/// Of all members. `in_place`: the primary keeps its role.
fn restart(in_place: bool) -> Wish {
    wish(Verb::Restart(Restart { nodes: Vec::new(), in_place }), &[])
}

/// Written at every member, and kept in the spec.
fn other_networks() -> Wish {
    wish(Verb::Reconfigure(Reconfigure {}), &[("client_networks", "10.0.0.0/8")])
}

/// The site that has this in front of its cluster.
fn site(name: &str, host: &str) -> AllSystems {
    let front = Front { cluster: CLUSTER.to_owned(), name: name.to_owned(), host: host.to_owned() };
    AllSystems { postgresql: Policy { fronts: vec![front], ..Policy::default() } }
}

impl System for Postgresql {
    fn name(&self) -> &'static str {
        "postgresql"
    }

    /// The smallest clusters that show everything: each node more makes every run longer.
    fn hosts(&self) -> u8 {
        3
    }

    fn agent_toml(&self, host: &str, address: Ipv4Addr) -> String {
        format!(
            "[agent]\nhost = \"{host}\"\naddress = \"{address}\"\nlaunch = \"process\"\n\
             [systems.postgresql]\n{}",
            postgresql::pgpool::declarations()
        )
    }

    fn model(&self) -> Arc<dyn Model> {
        Arc::new(postgresql::Model::default())
    }

    fn operations(&self) -> Vec<Operation> {
        let operation = |name, before: &[Wish], wish, cancel_after| Operation {
            name,
            before: before.to_vec(),
            wish,
            cancel_after,
            dies: None,
            fails_over: false,
            meddles: None,
            site: AllSystems::default(),
            refused: false,
        };
        let dead = |operation: Operation| Operation { dies: Some("h2"), ..operation };
        let failed = |operation: Operation| Operation { fails_over: true, ..operation };
        let refused = |operation: Operation| Operation { refused: true, ..operation };
        // One cluster with something in front of it for each way in which members change.
        let fronted = |name: &str, host: &str, operation: Operation| Operation {
            site: site(name, host),
            ..operation
        };
        let two = [create(&[1, 2])];
        let three = [create(&[1, 2, 3])];
        // `adopt` changes nothing but the agents' own records, by the acts that `create` begins with, and
        // the model has no clusters of others.
        vec![
            operation("create", &[], create(&[1, 2]), None),
            operation("create-cancelled", &[], create(&[1, 2]), Some(40)),
            fronted("two", "h3", operation("expand", &two, expand(&[3]), None)),
            operation("expand-cancelled", &two, expand(&[3]), Some(24)),
            // Each operation costs minutes: this one wipes the data, the next one keeps them.
            fronted("three", "h1", operation("shrink", &three, shrink(3, "wipe"), None)),
            operation("replace", &two, replace(2, 3, false), None),
            operation("replace-primary", &two, replace(1, 3, false), None),
            dead(operation("replace-dead", &two, replace(2, 3, true), None)),
            operation("shrink-primary", &three, shrink(1, "keep"), None),
            fronted("two", "h3", operation("switchover", &two, switchover(2), None)),
            operation("switchover-cancelled", &two, switchover(2), Some(14)),
            // With the data that are there it is the end of a switchover.
            failed(operation("rejoin", &two, rejoin(1), None)),
            // Its former primary crashed: what it wrote last may be nowhere else.
            refused(failed(operation("rejoin-refused", &two, rejoin_as_it_is(1), None))),
            operation("restart", &two, restart(true), None),
            operation("restart-moving", &two, restart(false), None),
            operation("reconfigure", &two, other_networks(), None),
        ]
    }

    fn is_only_remembered(&self, _: &Utf8Path) -> bool {
        false
    }

    fn is_left_to_hand(&self, fact: &str) -> bool {
        fact.contains(": front ")
    }

    fn is_moved_by_failover(&self) -> bool {
        true
    }

    fn roots(&self) -> Vec<Utf8PathBuf> {
        ROOTS.iter().map(Utf8PathBuf::from).collect()
    }
}
