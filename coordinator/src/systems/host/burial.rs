//! Nodes that left for good, and hosts that are named dead.

use bellows_proto::v1::{NodeRecord, NodeRef};

use super::Hosts;
use crate::plan::Verdict;

/// Whether the host has the tombstone of a node. `named`: the node as its host's records name it.
///
/// # Errors
/// The host's records are not known.
pub fn has_tombstone(
    hosts: Hosts<'_>,
    named: Option<&NodeRef>,
    node: &str,
    host: &str,
) -> Result<Verdict, String> {
    let of_node = |record: &NodeRecord| record.node.as_ref() == named;
    let stone = hosts.facts(host)?.nodes.iter().any(|record| record.tombstone && of_node(record));
    let missing = || Verdict::not_yet(format!("{host} has no tombstone for {node}"));
    Ok(if stone { Verdict::Holds } else { missing() })
}

/// Whether a host that is named dead takes no part: it is silent, or its node is buried. Once the node is no member
/// any more its tombstone is on its way to it. `named`: as above, or why the host did not answer for the node.
///
/// # Errors
/// The tombstone is not there yet.
pub fn stays_away(
    hosts: Hosts<'_>,
    named: Result<Option<&NodeRef>, String>,
    (node, is_member): (&str, bool),
    host: &str,
) -> Result<Verdict, String> {
    let facts = hosts.facts(host);
    if facts.is_err() && named.is_err() {
        return Ok(Verdict::Holds);
    }
    let text = format!("{host}, which the plan names dead, answers");
    if is_member {
        return Ok(Verdict::Refused(format!("{text}: switch it off, or plan for a living host")));
    }
    let named = named?;
    let of_node = |record: &&NodeRecord| record.node.as_ref() == named;
    if facts?.nodes.iter().filter(of_node).all(|record| record.tombstone) {
        return Ok(Verdict::Holds);
    }
    Err(format!("{text}, and {node} has not got its tombstone yet"))
}
