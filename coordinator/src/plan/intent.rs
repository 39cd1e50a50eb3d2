//! Small readings of an intent.

use bellows_proto::v1::{AdoptFrom, Intent, NodeAt, Spec, intent::Verb};

/// Nodes that an intent adds, with their hosts.
pub fn added(intent: &Intent) -> &[NodeAt] {
    match &intent.verb {
        Some(Verb::Create(create)) => &create.nodes,
        Some(Verb::Expand(expand)) => &expand.nodes,
        Some(Verb::Replace(replace)) => replace.with.as_slice(),
        Some(
            Verb::Shrink(_)
            | Verb::Switchover(_)
            | Verb::Rejoin(_)
            | Verb::Restart(_)
            | Verb::Adopt(_)
            | Verb::Reconfigure(_),
        )
        | None => &[],
    }
}

/// Nodes that leave for good, by name.
pub fn leaving(intent: &Intent) -> &[String] {
    match &intent.verb {
        Some(Verb::Shrink(shrink)) => &shrink.nodes,
        Some(Verb::Replace(replace)) => std::slice::from_ref(&replace.node),
        Some(
            Verb::Create(_)
            | Verb::Expand(_)
            | Verb::Switchover(_)
            | Verb::Rejoin(_)
            | Verb::Restart(_)
            | Verb::Adopt(_)
            | Verb::Reconfigure(_),
        )
        | None => &[],
    }
}

/// Hosts that a cluster is adopted from.
pub fn adopted_from(intent: &Intent) -> &[AdoptFrom] {
    match &intent.verb {
        Some(Verb::Adopt(adopt)) => &adopt.from,
        Some(
            Verb::Create(_)
            | Verb::Expand(_)
            | Verb::Shrink(_)
            | Verb::Replace(_)
            | Verb::Switchover(_)
            | Verb::Rejoin(_)
            | Verb::Restart(_)
            | Verb::Reconfigure(_),
        )
        | None => &[],
    }
}

/// Of these nodes those that left and have their tombstones already, with their hosts: host, node.
pub fn left<'a>(spec: &'a Spec, names: &[String]) -> Vec<(&'a str, &'a str)> {
    let member = |name: &str| spec.nodes.iter().any(|node| node.node == name);
    names
        .iter()
        .filter(|name| !member(name))
        .filter_map(|name| spec.tombstones.iter().rfind(|stone| stone.node == **name))
        .map(|stone| (stone.host.as_str(), stone.node.as_str()))
        .collect()
}
