//! Guards on nodes that are to be added, and on their hosts.

use bellows_proto::v1::{DirectoryState, NodeAt, Vacancy, placement};

use super::{
    super::{
        draft::Placed,
        join, sizes,
        view::{self, Primary},
    },
    Findings, Rule, adopted, cluster,
};
use crate::systems::host::newcomers;

/// Judges the new nodes and their hosts. Their places, where the hosts propose one.
pub(super) fn places(
    findings: &mut Findings<'_>,
    nodes: &[NodeAt],
    members: &[Placed],
) -> Vec<Placed> {
    newcomers::named_well(findings, nodes, Rule::ValidIntent, Rule::NameFree);
    newcomers::apart(findings, nodes, Rule::OneNodePerHost);
    let mut places = Vec::new();
    for node in nodes {
        cluster::host_is_well(findings, &node.node, &node.host);
        let facts = findings.view.host(&node.host);
        if let Some(value) = newcomers::buried(findings.spec, facts, node) {
            findings.say(Rule::NoTombstone, &node.node, &node.host, value);
        }
        // A host that is silent or without PostgreSQL has said so already.
        if !matches!(findings.view.system_facts(&node.host), Ok(Some(_))) {
            continue;
        }
        let Some(vacancy) =
            findings.known(&node.node, &node.host, findings.view.vacancy(&node.host, &node.node))
        else {
            continue;
        };
        vacant(findings, node, vacancy);
        match vacancy.placement.as_ref().and_then(|placement| placement.system.as_ref()) {
            Some(placement::System::Postgresql(place)) => {
                places.push(Placed {
                    node: node.node.clone(),
                    host: node.host.clone(),
                    place: place.clone(),
                });
            }
            _ => findings.say(
                Rule::EverythingRead,
                &node.node,
                &node.host,
                "the host proposes no place for it",
            ),
        }
    }
    let new_hosts: Vec<&str> = nodes.iter().map(|node| node.host.as_str()).collect();
    cluster::alike(findings, &new_hosts);
    login_files(findings, members, &places);
    adopted::let_in(findings, members, &places);
    places
}

fn vacant(findings: &mut Findings<'_>, node: &NodeAt, vacancy: &Vacancy) {
    for (rule, value) in obstacles(vacancy) {
        findings.say(rule, &node.node, &node.host, value);
    }
}

/// What stands in the way of a node at the place that its host proposes.
pub(in super::super) fn obstacles(vacancy: &Vacancy) -> Vec<(Rule, String)> {
    let mut found = Vec::new();
    if !vacancy.claimed_by.is_empty() {
        found.push((Rule::NotClaimed, format!("claimed by {}", vacancy.claimed_by)));
    }
    let place = vacancy.placement.as_ref().and_then(|placement| placement.system.as_ref());
    let (data, conf, port) = match place {
        Some(placement::System::Postgresql(place)) => {
            (place.data_dir.as_str(), place.conf_dir.as_str(), place.port)
        }
        _ => ("", "", 0),
    };
    for (what, path, state) in [
        ("data directory", data, vacancy.data_directory()),
        ("configuration directory", conf, vacancy.config_directory()),
    ] {
        match state {
            DirectoryState::Absent | DirectoryState::Empty => {}
            DirectoryState::Occupied => {
                found.push((Rule::DirectoryVacant, format!("the {what} {path} is not empty")))
            }
            DirectoryState::Unspecified => {
                found.push((
                    Rule::EverythingRead,
                    format!("the {what} {path} could not be looked at"),
                ));
            }
        }
    }
    if !vacancy.port_holder.is_empty() {
        found.push((Rule::PortFree, format!("port {port} is taken: {}", vacancy.port_holder)));
    }
    if !vacancy.service_holder.is_empty() {
        found.push((
            Rule::NameFree,
            format!("there is a service already: {}", vacancy.service_holder),
        ));
    }
    found
}

/// The path stands in every connection string.
pub(super) fn login_files(findings: &mut Findings<'_>, members: &[Placed], new: &[Placed]) {
    let Some(first) = members.iter().chain(new).next() else { return };
    for node in new {
        if node.place.passfile != first.place.passfile {
            let value = format!(
                "{} on {}, {} on {}",
                node.place.passfile, node.host, first.place.passfile, first.host
            );
            findings.say(Rule::SameLoginFile, &node.node, &node.host, value);
        }
    }
}

/// repmgr does not know the names yet.
pub(super) fn names_at_primary(
    findings: &mut Findings<'_>,
    primary: Primary<'_>,
    nodes: &[NodeAt],
) {
    for node in nodes {
        if let Some(row) = view::row(primary.server, &node.node) {
            let value =
                format!("repmgr has a record of {} already, with id {}", node.node, row.node_id);
            findings.say(Rule::NameFree, &node.node, &node.host, value);
        }
    }
}

/// WAL senders, slots and disk for the clones.
pub(super) fn headroom(findings: &mut Findings<'_>, primary: Primary<'_>, new: &[Placed]) {
    let (node, host, server) =
        (primary.member.node.as_str(), primary.member.host.as_str(), primary.server);
    senders_and_slots(findings, primary, new.len());
    // The new standbys' limits are taken from here.
    findings.known(node, host, view::number(server, "max_connections"));
    let one = sizes::clone_bytes(server.database_bytes);
    for (host, clones) in join::clones_by_host(new) {
        disk(findings, host, one.saturating_mul(clones.into()));
    }
}

/// WAL senders and slots for so many clones.
pub(super) fn senders_and_slots(findings: &mut Findings<'_>, primary: Primary<'_>, clones: usize) {
    let (node, host, server) =
        (primary.member.node.as_str(), primary.member.host.as_str(), primary.server);
    for (rule, setting, used, needed) in [
        (
            Rule::SenderHeadroom,
            "max_wal_senders",
            server.senders.len(),
            join::senders_needed(clones),
        ),
        (
            Rule::SlotHeadroom,
            "max_replication_slots",
            server.slots.len(),
            join::slots_needed(clones),
        ),
    ] {
        if let Some(free) = findings.known(node, host, view::free(server, setting, used))
            && free < needed
        {
            let value = format!("{free} free of {setting} at {node}, {needed} needed");
            findings.say(rule, node, host, value);
        }
    }
}

/// Disk for new, empty servers.
pub(super) fn fresh_disk(findings: &mut Findings<'_>, nodes: &[NodeAt]) {
    for node in nodes {
        disk(findings, &node.host, sizes::FRESH_BYTES);
    }
}

fn disk(findings: &mut Findings<'_>, host: &str, needed: u64) {
    // Silent and forbidden hosts have their own refusals.
    let Ok(Some(facts)) = findings.view.system_facts(host) else { return };
    if facts.data_free_bytes < needed {
        let value = format!(
            "{} free on {host}, {} needed",
            sizes::text(facts.data_free_bytes),
            sizes::text(needed)
        );
        findings.say(Rule::FreeDisk, "", host, value);
    }
}
