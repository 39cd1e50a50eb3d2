//! BookKeeper in the list: its hosts and what is tried on them.

use std::{net::Ipv4Addr, sync::Arc};

use bellows::systems::AllSystems;
use bellows_proto::v1::{
    Adopt, AdoptFrom, Expand, Intent, KeyValue, NodeAt, Reconfigure, Replace, Shrink,
    System as Kind, intent::Verb,
};
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    bookkeeper,
    listed::{Model, Operation, System, Wish},
};

/// BookKeeper, of which three bookies were there before Bellows.
pub struct Bookkeeper;

const CLUSTER: &str = "ledgers";
/// Where its data and configurations are.
const ROOTS: &[&str] = &[
    "/data/bookkeeper",
    "/etc/bookkeeper",
    "/var/lib/bookkeeper",
    "/etc/bellows/bookkeeper",
    "/var/log/bellows/bookkeeper",
];

fn wish(verb: Verb, options: &[(&str, &str)]) -> Wish {
    let options = options
        .iter()
        .map(|(key, value)| KeyValue { key: (*key).to_owned(), value: (*value).to_owned() });
    let intent = Intent {
        cluster: CLUSTER.to_owned(),
        system: Kind::Bookkeeper.into(),
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

/// Node `bN` on host `hN`.
fn nodes(numbers: &[u8]) -> Vec<NodeAt> {
    let node = |number: &u8| NodeAt { node: format!("b{number}"), host: format!("h{number}") };
    numbers.iter().map(node).collect()
}

fn expand(numbers: &[u8]) -> Wish {
    wish(Verb::Expand(Expand { nodes: nodes(numbers) }), &[])
}

fn shrink(node: &str, options: &[(&str, &str)]) -> Wish {
    wish(Verb::Shrink(Shrink { nodes: vec![node.to_owned()], by: 0 }), options)
}

fn replace(node: &str, new: u8, dead: bool, options: &[(&str, &str)]) -> Wish {
    let with = nodes(&[new]).pop();
    wish(Verb::Replace(Replace { node: node.to_owned(), with, dead }), options)
}

/// From then on clients are told where bookies stand.
fn told() -> Wish {
    let options = [("places", "zookeeper"), ("rack.h1", "/r1"), ("rack.h3", "/r3")];
    wish(Verb::Reconfigure(Reconfigure {}), &options)
}

impl System for Bookkeeper {
    fn name(&self) -> &'static str {
        "bookkeeper"
    }

    fn hosts(&self) -> u8 {
        5
    }

    fn agent_toml(&self, host: &str, address: Ipv4Addr) -> String {
        let adopted = match host {
            "h1" | "h2" | "h3" => format!("adopt_conf_file = \"{}\"\n", bookkeeper::CONF),
            _ => String::new(),
        };
        format!(
            "[agent]\nhost = \"{host}\"\naddress = \"{address}\"\nlaunch = \"process\"\n\
             [systems.bookkeeper]\n{adopted}"
        )
    }

    fn model(&self) -> Arc<dyn Model> {
        Arc::new(bookkeeper::Model::default())
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
        let dead = |operation: Operation| Operation { dies: Some("h2"), ..operation };
        let meddled = |deed, operation: Operation| Operation { meddles: Some(deed), ..operation };
        let refused = |operation: Operation| Operation { refused: true, ..operation };
        let way = |way| [("way", way), ("data", "keep")];
        let wipe = [("way", "drain"), ("data", "wipe")];
        vec![
            operation("adopt", &[], adopt(), None),
            operation("expand-cancelled", &three, expand(&[4, 5]), Some(20)),
            operation("shrink-drain", &four, shrink("b4", &wipe), None),
            operation("drain-cancelled", &four, shrink("h3", &way("drain")), Some(16)),
            operation("shrink-stop", &four, shrink("h3", &way("stop")), None),
            operation("stop-cancelled", &four, shrink("b4", &way("stop")), Some(16)),
            meddled(
                "expires 600",
                operation("shrink-expire", &four, shrink("h3", &way("expire")), None),
            ),
            meddled(
                "sole-copy 10.0.0.3:3181",
                refused(operation("stop-refused", &four, shrink("h3", &way("stop")), None)),
            ),
            operation("reconfigure", &three, told(), None),
            operation(
                "replace",
                &[adopt(), told()],
                replace("h3", 4, false, &[("rack.b4", "/r3")]),
                None,
            ),
            dead(operation("replace-dead", &three, replace("h2", 4, true, &[]), None)),
        ]
    }

    /// How a bookie that was there before is started, from its first stop on, what a bookie was told to be, saved
    /// cookies and when an audit has ended.
    fn is_only_remembered(&self, path: &Utf8Path) -> bool {
        let adopted = |name: &str| ["h1", "h2", "h3"].iter().any(|host| name.contains(host));
        path.file_name() == Some("BOOKIE_STATUS")
            || path.starts_with("/var/lib/bellows-agent/bookkeeper")
            || path.starts_with("/var/log/bellows/bookkeeper")
                && path.file_name().is_some_and(adopted)
            || path.parent() == Some(Utf8Path::new("/var/lib/bellows-agent/services"))
                && path.file_name().is_some_and(adopted)
    }

    fn is_left_to_hand(&self, _: &str) -> bool {
        false
    }

    /// For what is surveyed, which is done anew each 20 s at most.
    fn waits_long(&self) -> bool {
        true
    }

    fn is_moved_by_failover(&self) -> bool {
        false
    }

    fn roots(&self) -> Vec<Utf8PathBuf> {
        ROOTS.iter().map(Utf8PathBuf::from).collect()
    }
}
