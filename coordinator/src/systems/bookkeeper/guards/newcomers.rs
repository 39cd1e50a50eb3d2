//! Guards on nodes that are to be added, and on their hosts.

use bellows_proto::v1::{DirectoryState, NodeAt, Vacancy};

use super::{
    super::{draft::Placed, view::proposed},
    Findings, Rule, cluster,
};
use crate::{plan::sizes, systems::host::newcomers};

/// A journal file and two entry logs, each as large as the tool makes them (2 GiB and 1.2 GiB), fit into this. What members
/// have on their disks says nothing: no data move to a new bookie by themselves, and their disks hold other things too.
pub(in super::super) const NEEDED_BYTES: u64 = 4 << 30;

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
    disk(findings, new);
}

fn disk(findings: &mut Findings<'_>, new: &Placed) {
    let Ok(Some(facts)) = findings.view.system_facts(&new.host) else { return };
    if facts.data_free_bytes < NEEDED_BYTES {
        let (free, needed) = (sizes::text(facts.data_free_bytes), sizes::text(NEEDED_BYTES));
        let value = format!("{free} free on {}, {needed} needed", new.host);
        findings.say(Rule::FreeDisk, &new.node, &new.host, value);
    }
}
