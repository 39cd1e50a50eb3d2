//! KWDB in the list: its hosts and what is tried on them.

use std::{net::Ipv4Addr, sync::Arc};

use bellows::systems::AllSystems;
use bellows_proto::v1::{
    Adopt, AdoptFrom, Expand, Intent, KeyValue, NodeAt, Rejoin, Replace, Restart, Shrink,
    System as Kind, intent::Verb,
};
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    kwdb,
    listed::{Model, Operation, System, Wish},
};

/// KWDB, of which three members were there before Bellows.
pub struct Kwdb {
    /// With certificates.
    pub secure: bool,
}

const CLUSTER: &str = "metrics";
/// Where its stores, certificates and what starts it are.
const ROOTS: &[&str] =
    &["/var/lib/kaiwudb", "/etc/bellows/kwdb", "/var/log/bellows/kwdb", "/etc/kaiwudb/certs"];

fn wish(verb: Verb, options: &[(&str, &str)]) -> Wish {
    let options = options
        .iter()
        .map(|(key, value)| KeyValue { key: (*key).to_owned(), value: (*value).to_owned() });
    let intent = Intent {
        cluster: CLUSTER.to_owned(),
        system: Kind::Kwdb.into(),
        verb: Some(verb),
        ..Intent::default()
    };
    Wish { intent, options: options.collect() }
}

/// The three that are there.
fn adopt() -> Wish {
    let from = ["h1", "h2", "h3"].map(|host| AdoptFrom { host: host.to_owned(), port: 0 });
    wish(Verb::Adopt(Adopt { from: from.to_vec() }), &[])
}

/// Node `kN` on host `hN`.
fn nodes(numbers: &[u8]) -> Vec<NodeAt> {
    let node = |number: &u8| NodeAt { node: format!("k{number}"), host: format!("h{number}") };
    numbers.iter().map(node).collect()
}

fn expand(numbers: &[u8]) -> Wish {
    wish(Verb::Expand(Expand { nodes: nodes(numbers) }), &[("rebalance", "off")])
}

fn shrink(node: &str, data: &str) -> Wish {
    wish(Verb::Shrink(Shrink { nodes: vec![node.to_owned()], by: 0 }), &[("data", data)])
}

fn replace(node: &str, new: u8, dead: bool) -> Wish {
    wish(Verb::Replace(Replace { node: node.to_owned(), with: nodes(&[new]).pop(), dead }), &[])
}

fn rejoin(node: &str) -> Wish {
    wish(Verb::Rejoin(Rejoin { node: node.to_owned(), discard_data: true }), &[])
}

fn restart() -> Wish {
    wish(Verb::Restart(Restart::default()), &[])
}

impl System for Kwdb {
    fn name(&self) -> &'static str {
        if self.secure { "kwdb-secure" } else { "kwdb" }
    }

    fn hosts(&self) -> u8 {
        if self.secure { 4 } else { 5 }
    }

    fn agent_toml(&self, host: &str, address: Ipv4Addr) -> String {
        let security = if self.secure { "tls" } else { "insecure" };
        format!(
            "[agent]\nhost = \"{host}\"\naddress = \"{address}\"\nlaunch = \"process\"\n\
             [systems.kwdb]\nsecurity = \"{security}\"\nadopt = true\n"
        )
    }

    fn model(&self) -> Arc<dyn Model> {
        Arc::new(kwdb::Model::new(self.secure))
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
        let three = [adopt()];
        let four = [adopt(), expand(&[4])];
        if self.secure {
            return vec![operation("expand-secure", &three, expand(&[4]), None)];
        }
        let dead = |operation: Operation| Operation { dies: Some("h2"), ..operation };
        let meddled = |deed, operation: Operation| Operation { meddles: Some(deed), ..operation };
        let refused = |operation: Operation| Operation { refused: true, ..operation };
        vec![
            operation("adopt", &[], adopt(), None),
            operation("expand-two", &three, expand(&[4, 5]), None),
            operation("expand-cancelled", &three, expand(&[4]), Some(20)),
            operation("shrink", &four, shrink("k4", "wipe"), None),
            // Somebody waits for the decommission, and would undo what the cancel does.
            meddled(
                kwdb::waiter::WAITS,
                operation("shrink-cancelled", &four, shrink("h3", "keep"), Some(8)),
            ),
            refused(operation("shrink-refused", &three, shrink("h3", "keep"), None)),
            operation("replace", &three, replace("h3", 4, false), None),
            dead(operation("replace-dead", &three, replace("h2", 4, true), None)),
            meddled("decommissions 10.0.0.4:26257", operation("rejoin", &four, rejoin("k4"), None)),
            operation("restart", &three, restart(), None),
        ]
    }

    /// How a node that was there before is started, from its first stop on, and a folder for its output.
    fn is_only_remembered(&self, path: &Utf8Path) -> bool {
        let adopted = |name: &str| ["h1", "h2", "h3"].iter().any(|host| name.contains(host));
        path.starts_with("/var/log/bellows/kwdb") && path.file_name().is_some_and(adopted)
            || path.parent() == Some(Utf8Path::new("/var/lib/bellows-agent/services"))
                && path.file_name().is_some_and(adopted)
    }

    fn is_left_to_hand(&self, _: &str) -> bool {
        false
    }

    fn is_moved_by_failover(&self) -> bool {
        false
    }

    fn roots(&self) -> Vec<Utf8PathBuf> {
        ROOTS.iter().map(Utf8PathBuf::from).collect()
    }
}
