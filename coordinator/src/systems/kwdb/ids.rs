//! Which id of the tool a node has. It gives ids out itself, upwards and never twice; a node is known by
//! its address, and where the tool tells none any more, by elimination.

use std::collections::{BTreeMap, BTreeSet};

use bellows_proto::v1::KwdbStatus;

use super::view::{View, Witness};

/// The id of a node. `Ok(None)`: nobody lists it. `given`: what the administrator said; 0: nothing.
pub(super) fn id_of(view: View<'_>, node: &str, given: u32) -> Result<Option<u32>, String> {
    if given != 0 {
        return Ok(Some(given));
    }
    let endpoint = view.endpoint(node)?;
    let witnesses = view.answering(&[]);
    if witnesses.is_empty() {
        return Err(format!("no member answers: the id of {node} is not known"));
    }
    // One that has only just joined knows its own id before the others tell of it.
    let own = view.server(node).ok().map(|server| Witness { node: "", server });
    let all: Vec<Witness<'_>> = witnesses.iter().copied().chain(own).collect();
    if let Some(id) = at(&all, &endpoint) {
        return Ok(Some(id));
    }
    // A new one is told by its address as soon as it is there at all.
    if view.in_spec().all(|member| member.node != node) {
        return Ok(None);
    }
    by_elimination(view, node, &witnesses)
}

/// The same, where it must have one.
pub(super) fn must(view: View<'_>, node: &str, given: u32) -> Result<u32, String> {
    id_of(view, node, given)?.ok_or_else(|| format!("no member lists {node}"))
}

/// The highest id with this address: the older ones were there before it.
fn at(witnesses: &[Witness<'_>], endpoint: &str) -> Option<u32> {
    rows(witnesses).filter(|row| row.address == endpoint).map(|row| row.id).max()
}

fn rows<'a>(witnesses: &[Witness<'a>]) -> impl Iterator<Item = &'a KwdbStatus> {
    let servers: Vec<_> = witnesses.iter().map(|witness| witness.server).collect();
    servers.into_iter().flat_map(|server| server.known.iter().chain(&server.active))
}

/// Ids of which no witness tells an address, and that were not decommissioned.
pub(super) fn nameless(witnesses: &[Witness<'_>]) -> Vec<u32> {
    let mut told: BTreeMap<u32, bool> = BTreeMap::new();
    let mut gone: BTreeSet<u32> = BTreeSet::new();
    for row in rows(witnesses) {
        *told.entry(row.id).or_default() |= !row.address.is_empty();
        if row.is_decommissioning == Some(true) {
            gone.insert(row.id);
        }
    }
    told.into_iter().filter(|(id, told)| !told && !gone.contains(id)).map(|(id, _)| id).collect()
}

/// Exactly one id that nobody tells the address of, and exactly one member that nobody tells the id of.
fn by_elimination(
    view: View<'_>,
    node: &str,
    witnesses: &[Witness<'_>],
) -> Result<Option<u32>, String> {
    let ids = nameless(witnesses);
    let mut others = Vec::new();
    for member in view.in_spec().filter(|member| member.node != node) {
        if at(witnesses, &view.endpoint(&member.node)?).is_none() {
            others.push(member.node.clone());
        }
    }
    match (ids.as_slice(), others.as_slice()) {
        ([], _) => Ok(None),
        ([id], []) => Ok(Some(*id)),
        (several, []) => Err(format!(
            "the cluster tells no address of the nodes {}: which of them is {node}? Say it with --option node_id=N",
            listed(several)
        )),
        (some, others) => Err(format!(
            "the cluster tells no address of {}: it may be {node} or {}. Say it with --option node_id=N",
            listed(some),
            others.join(", ")
        )),
    }
}

fn listed(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
