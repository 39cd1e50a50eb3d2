//! Guards on nodes that are to be added, as every system has them. The rules are the system's own.

use std::collections::BTreeSet;

use bellows_proto::{
    names::{ClusterName, HostName, NodeName},
    v1::{HostFacts, NodeAt, NodeRecord, NodeRef, Spec, SpecTombstone},
};

use crate::plan::{Findings, Rules};

/// Names are well-formed, each is named once, and none is a member's: `valid` says no to the first two, `free` to the
/// last.
pub fn named_well<V, R: Rules + Copy>(
    findings: &mut Findings<'_, V, R>,
    nodes: &[NodeAt],
    valid: R,
    free: R,
) {
    let spec = findings.spec;
    let mut seen = BTreeSet::new();
    for node in nodes {
        let mut say = |value: String| findings.say(valid, &node.node, &node.host, value);
        if let Err(why) = node.node.parse::<NodeName>() {
            say(why.to_string());
        }
        if let Err(why) = node.host.parse::<HostName>() {
            say(why.to_string());
        }
        if !seen.insert(&node.node) {
            say(format!("{} is named twice", node.node));
        }
        if spec.nodes.iter().any(|known| known.node == node.node) {
            let value = format!("{} is a member already", node.node);
            findings.say(free, &node.node, &node.host, value);
        }
    }
    if nodes.is_empty() {
        findings.say(valid, "", "", "no node is named");
    }
    if let Err(why) = spec.cluster.parse::<ClusterName>() {
        findings.say(valid, "", "", why.to_string());
    }
}

/// No two members on one host.
pub fn apart<V, R: Rules + Copy>(findings: &mut Findings<'_, V, R>, nodes: &[NodeAt], rule: R) {
    for (at, node) in nodes.iter().enumerate() {
        let in_spec = findings.spec.nodes.iter().find(|known| known.host == node.host);
        let earlier = nodes.iter().take(at).find(|other| other.host == node.host);
        let other = in_spec.map(|known| &known.node).or(earlier.map(|other| &other.node));
        if let Some(other) = other.filter(|other| **other != node.node) {
            let value = format!("{} has {other} of this cluster already", node.host);
            findings.say(rule, &node.node, &node.host, value);
        }
    }
}

/// That a node of this name has left this host for good, by the spec or by what the host tells of itself; `None`: it
/// has not.
pub fn buried(spec: &Spec, facts: Result<&HostFacts, String>, node: &NodeAt) -> Option<String> {
    let stone = |stone: &SpecTombstone| stone.node == node.node && stone.host == node.host;
    let of = |named: &NodeRef| named.cluster == spec.cluster && named.node == node.node;
    let named = |record: &NodeRecord| record.node.as_ref().is_some_and(of);
    let on_host =
        facts.is_ok_and(|facts| facts.nodes.iter().any(|record| record.tombstone && named(record)));
    let there = spec.tombstones.iter().any(stone) || on_host;
    there.then(|| format!("{} was removed from {} for good", node.node, node.host))
}
