//! Guards on nodes that are to be added, and on their hosts.

use bellows_proto::v1::{DirectoryState, NodeAt, Vacancy};

use super::{
    super::{
        draft::Placed,
        view::{View, proposed, reading, server},
    },
    Findings, Rule, cluster,
};
use crate::{plan::sizes, systems::host::newcomers};

/// Journals and the first entry logs need this much, whatever the cluster holds.
const LEAST_BYTES: u64 = 1 << 30;

/// Judges the new nodes and their hosts. Their places, where the hosts propose one.
pub(super) fn places(findings: &mut Findings<'_>, nodes: &[NodeAt]) -> Vec<Placed> {
    newcomers::named_well(findings, nodes, Rule::ValidIntent, Rule::NameFree);
    newcomers::apart(findings, nodes, Rule::OneNodePerHost);
    let mut places = Vec::new();
    for node in nodes {
        cluster::host_is_well(findings, &node.node, &node.host);
        let facts = findings.view.host(&node.host);
        if let Some(value) = newcomers::buried(findings.spec, facts, node) {
            findings.say(Rule::NoTombstone, &node.node, &node.host, value);
        }
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
