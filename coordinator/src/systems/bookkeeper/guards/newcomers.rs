//! Guards on nodes that are to be added, and on their hosts.

use std::collections::BTreeSet;

use bellows_proto::{
    names::{ClusterName, HostName, NodeName},
    v1::{DirectoryState, NodeAt, NodeRecord, NodeRef, SpecTombstone, Vacancy},
};

use super::{
    super::{
        draft::Placed,
        view::{View, proposed, reading, server},
    },
    Findings, Rule, cluster,
};
use crate::plan::sizes;

/// Journals and the first entry logs need this much, whatever the cluster holds.
const LEAST_BYTES: u64 = 1 << 30;

/// Judges the new nodes and their hosts. Their places, where the hosts propose one.
pub(super) fn places(findings: &mut Findings<'_>, nodes: &[NodeAt]) -> Vec<Placed> {
    named_well(findings, nodes);
    apart(findings, nodes);
    let mut places = Vec::new();
    for node in nodes {
        cluster::host_is_well(findings, &node.node, &node.host);
        tombstones(findings, node);
        // A host that is silent or without BookKeeper has said so already.
        if !matches!(findings.view.system_facts(&node.host), Ok(Some(_))) {
            continue;
        }
        let vacancy = findings.view.vacancy(&node.host, &node.node);
        let Some(vacancy) = findings.known(&node.node, &node.host, vacancy) else { continue };
        for (rule, value) in obstacles(vacancy) {
            findings.say(rule, &node.node, &node.host, value);
        }
        match proposed(vacancy) {
            Some(place) => {
                let placed = Placed {
                    node: node.node.clone(),
                    host: node.host.clone(),
                    place: place.clone(),
                };
                takes(findings, &placed);
                places.push(placed);
            }
            None => findings.say(
                Rule::EverythingRead,
                &node.node,
                &node.host,
                "the host proposes no place for it",
            ),
        }
    }
    places
}

fn named_well(findings: &mut Findings<'_>, nodes: &[NodeAt]) {
    let spec = findings.spec;
    let mut seen = BTreeSet::new();
    for node in nodes {
        let mut say = |value: String| {
            findings.say(Rule::ValidIntent, &node.node, &node.host, value);
        };
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
            findings.say(Rule::NameFree, &node.node, &node.host, value);
        }
    }
    if nodes.is_empty() {
        findings.say(Rule::ValidIntent, "", "", "no node is named");
    }
    if let Err(why) = spec.cluster.parse::<ClusterName>() {
        findings.say(Rule::ValidIntent, "", "", why.to_string());
    }
}

/// No two members on one host.
fn apart(findings: &mut Findings<'_>, nodes: &[NodeAt]) {
    for (at, node) in nodes.iter().enumerate() {
        let in_spec = findings.spec.nodes.iter().find(|known| known.host == node.host);
        let earlier = nodes.iter().take(at).find(|other| other.host == node.host);
        let other = in_spec.map(|known| &known.node).or(earlier.map(|other| &other.node));
        if let Some(other) = other.filter(|other| **other != node.node) {
            let value = format!("{} has {other} of this cluster already", node.host);
            findings.say(Rule::OneNodePerHost, &node.node, &node.host, value);
        }
    }
}

fn tombstones(findings: &mut Findings<'_>, node: &NodeAt) {
    let stone = |stone: &SpecTombstone| stone.node == node.node && stone.host == node.host;
    let in_spec = findings.spec.tombstones.iter().any(stone);
    let cluster = findings.spec.cluster.as_str();
    let on_host = findings.view.host(&node.host).is_ok_and(|facts| {
        let of = |named: &NodeRef| named.cluster == cluster && named.node == node.node;
        let named = |record: &NodeRecord| record.node.as_ref().is_some_and(of);
        facts.nodes.iter().any(|record| record.tombstone && named(record))
    });
    if in_spec || on_host {
        let value = format!("{} was removed from {} for good", node.node, node.host);
        findings.say(Rule::NoTombstone, &node.node, &node.host, value);
    }
}

/// What stands in the way of a node at the place that its host proposes.
pub(in super::super) fn obstacles(vacancy: &Vacancy) -> Vec<(Rule, String)> {
    let mut found = Vec::new();
    if !vacancy.claimed_by.is_empty() {
        found.push((Rule::NotClaimed, format!("claimed by {}", vacancy.claimed_by)));
    }
    let place = proposed(vacancy).cloned().unwrap_or_default();
    let all = [&place.journal_dirs, &place.ledger_dirs, &place.index_dirs];
    let data: Vec<&str> = all.into_iter().flatten().map(String::as_str).collect();
    for (what, paths, state) in [
        ("data directories", data.join(", "), vacancy.data_directory()),
        ("configuration", place.conf_file.clone(), vacancy.config_directory()),
    ] {
        match state {
            DirectoryState::Absent | DirectoryState::Empty => {}
            DirectoryState::Occupied => {
                found.push((Rule::PlaceFree, format!("not empty: {what} {paths}")));
            }
            DirectoryState::Unspecified => {
                let value = format!("could not be looked at: {what} {paths}");
                found.push((Rule::EverythingRead, value));
            }
        }
    }
    if !vacancy.port_holder.is_empty() {
        let (port, http) = (place.port, place.http_port);
        let value = format!("of the ports {port} and {http} one is taken: {}", vacancy.port_holder);
        found.push((Rule::PortFree, value));
    }
    if !vacancy.service_holder.is_empty() {
        let value = format!("there is a service already: {}", vacancy.service_holder);
        found.push((Rule::PlaceFree, value));
    }
    found
}

/// The host can take it: nothing that its root would not have, no cookie of its id, disk.
fn takes(findings: &mut Findings<'_>, new: &Placed) {
    let Placed { node, host, .. } = new;
    let (view, id) = (findings.view, new.id());
    if let Some(reading) = findings.known(node, host, view.reading(node)) {
        for why in &reading.left_alone {
            findings.say(Rule::HostTakesIt, node, host, why.clone());
        }
    }
    if let Some(cookie) = findings.known(node, host, view.cookie(&id))
        && cookie.is_some()
    {
        let value = format!("the metadata have a cookie of {id} already");
        findings.say(Rule::CookieClean, node, host, value);
    }
    if let Some(registered) = findings.known("", "", view.registered())
        && registered.contains(id.as_str())
    {
        let value = format!("a bookie {id} is registered already");
        findings.say(Rule::CookieClean, node, host, value);
    }
    if let Some(needed) = findings.known(node, host, needed_bytes(view)) {
        disk(findings, new, needed);
    }
}

/// No data move to a new bookie by themselves: it needs room for what it will take, a tenth of what the members have
/// on their disks at the mean.
pub(in super::super) fn needed_bytes(view: View<'_>) -> Result<u64, String> {
    let (mut used, mut bookies) = (0_u64, 0_u64);
    for member in view.in_spec() {
        let Ok(server) = reading(member).and_then(|reading| server(&member.node, reading)) else {
            continue;
        };
        used = used.saturating_add(server.total_bytes.saturating_sub(server.free_bytes));
        bookies += 1;
    }
    if bookies == 0 {
        return Err("what the members have on their disks was not read".to_owned());
    }
    Ok(LEAST_BYTES.saturating_add(used / bookies / 10))
}

fn disk(findings: &mut Findings<'_>, new: &Placed, needed: u64) {
    let Ok(Some(facts)) = findings.view.system_facts(&new.host) else { return };
    if facts.data_free_bytes < needed {
        let (free, needed) = (sizes::text(facts.data_free_bytes), sizes::text(needed));
        let value = format!("{free} free on {}, {needed} needed", new.host);
        findings.say(Rule::FreeDisk, &new.node, &new.host, value);
    }
}
