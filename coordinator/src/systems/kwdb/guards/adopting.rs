//! Guards on a cluster that somebody else built and that is to be taken into care: what its hosts found is
//! one whole cluster that can be read, and root allows it.

use std::collections::BTreeSet;

use bellows_proto::{
    names::{NodeName, natural},
    v1::{
        Adopt, AdoptFrom, KwdbFoundNode, KwdbSecurity, KwdbServer, KwdbStartMode, NodeRef,
        kwdb_found_node::Server,
    },
};

use super::{
    super::{draft::Placed, kinds, queries, view::endpoint},
    Findings, Rule, cluster,
};

/// A cluster that may be adopted.
pub(in super::super) struct Adopting {
    /// In natural order.
    pub(in super::super) members: Vec<Found>,
    pub(in super::super) mode: KwdbStartMode,
    pub(in super::super) security: KwdbSecurity,
}

/// A node that was found.
#[derive(Clone)]
pub(in super::super) struct Found {
    pub(in super::super) placed: Placed,
    pub(in super::super) server: KwdbServer,
    /// Of the tool.
    pub(in super::super) id: u32,
    pub(in super::super) mode: KwdbStartMode,
}

/// Judges what was found on the hosts.
pub(super) fn judge(findings: &mut Findings<'_>, wanted: &Adopt) -> Option<Adopting> {
    if findings.spec.version != 0 {
        let value = format!("the cluster {} exists already", findings.spec.cluster);
        findings.say(Rule::ClusterKnown, "", "", value);
    }
    let mut seen = BTreeSet::new();
    let mut members = Vec::new();
    for from in &wanted.from {
        if !seen.insert(from.host.as_str()) {
            let value = format!("{} is named twice", from.host);
            findings.say(Rule::ValidIntent, "", &from.host, value);
            continue;
        }
        let name = queries::adopted_name(&from.host);
        if let Err(why) = name.parse::<NodeName>() {
            findings.say(Rule::ValidIntent, &name, &from.host, why.to_string());
        }
        cluster::host_is_well(findings, &name, &from.host);
        // A host that is silent or without KWDB has said so already.
        if matches!(findings.view.system_facts(&from.host), Ok(Some(_))) {
            members.extend(member(findings, from, &name));
        }
    }
    members.sort_by(|a, b| natural(&a.placed.node, &b.placed.node));
    let hosts: Vec<String> = wanted.from.iter().map(|from| from.host.clone()).collect();
    cluster::one_version(findings, &hosts);
    let first = members.first()?;
    let (mode, security) = (first.mode, first.placed.place.security());
    alike(findings, &members, mode, security);
    one_cluster(findings, &members);
    all_named(findings, &members);
    Some(Adopting { members, mode, security })
}

/// The one node of a host, if nothing of its own stands in the way.
fn member(findings: &mut Findings<'_>, from: &AdoptFrom, name: &str) -> Option<Found> {
    let host = from.host.as_str();
    let found = findings.known(name, host, findings.view.found(host))?;
    let Some(found) = found.filter(|found| is_meant(from, found)) else {
        let port = if from.port == 0 { String::new() } else { format!(" with port {}", from.port) };
        findings.say(Rule::OneNodeFound, name, host, format!("{host} has no node{port}"));
        return None;
    };
    // A record of this very node is of a cluster that was forgotten: it is taken up again.
    let cluster = findings.spec.cluster.as_str();
    let other = |known: &&NodeRef| known.cluster != cluster || known.node != name;
    if let Some(known) = found.claimed.as_ref().filter(other) {
        let value = format!("it is node {}/{} already", known.cluster, known.node);
        findings.say(Rule::NotClaimed, name, host, value);
        return None;
    }
    for obstacle in &found.obstacles {
        findings.say(Rule::Adoptable, name, host, obstacle.clone());
    }
    if !found.declared {
        let value =
            format!("agent.toml of {host} needs under [systems.kwdb]: {}", found.declaration);
        findings.say(Rule::DeclaredByRoot, name, host, value);
    }
    let Some(mut place) = found.placement.clone() else {
        findings.say(Rule::Adoptable, name, host, "where it lives could not be read");
        return None;
    };
    place.adopted = true;
    cluster::kind(findings, name, host, found.start_mode(), place.security());
    if !found.running {
        findings.say(Rule::OneNodeFound, name, host, format!("the node of {host} does not run"));
        return None;
    }
    let server = match &found.server {
        Some(Server::Up(server)) => server.clone(),
        Some(Server::Down(fault)) => {
            findings.say(Rule::Adoptable, name, host, fault.message.clone());
            return None;
        }
        None => {
            findings.say(Rule::EverythingRead, name, host, "the node was not asked");
            return None;
        }
    };
    let own = endpoint(&place);
    let row = server.active.iter().filter(|row| row.address == own).max_by_key(|row| row.id);
    let Some(row) = row else {
        let value = format!("it does not list itself at {own}, where its unit says that it is");
        findings.say(Rule::OneCluster, name, host, value);
        return None;
    };
    if !row.is_live || !row.is_available {
        let (available, live) = (row.is_available, row.is_live);
        let value = format!("node {}: available {available}, live {live}", row.id);
        findings.say(Rule::MembersHealthy, name, host, value);
    }
    let listed = kinds::mode(&row.start_mode);
    let unknown = listed == KwdbStartMode::Unspecified;
    let mode = if unknown { found.start_mode() } else { listed };
    let id = row.id;
    let placed = Placed { node: name.to_owned(), host: host.to_owned(), place };
    Some(Found { placed, server, id, mode })
}

fn is_meant(from: &AdoptFrom, found: &KwdbFoundNode) -> bool {
    let port = found.placement.as_ref().map_or(0, |place| place.port);
    from.port == 0 || from.port == port
}

fn alike(
    findings: &mut Findings<'_>,
    members: &[Found],
    mode: KwdbStartMode,
    security: KwdbSecurity,
) {
    for member in members {
        let Placed { node, host, place } = &member.placed;
        if member.mode == KwdbStartMode::Unspecified {
            findings.say(Rule::EverythingRead, node, host, "its start mode is not known");
        } else if member.mode != mode {
            let (is, first) = (kinds::mode_text(member.mode), kinds::mode_text(mode));
            let value = format!("{node} is {is}, the first one is {first}");
            findings.say(Rule::SameKind, node, host, value);
        }
        if place.security() == KwdbSecurity::Unspecified {
            findings.say(Rule::EverythingRead, node, host, "its security is not known");
        } else if place.security() != security {
            let (is, first) =
                (kinds::security_text(place.security()), kinds::security_text(security));
            let value = format!("{node} is {is}, the first one is {first}");
            findings.say(Rule::SameKind, node, host, value);
        }
    }
}

/// All list the same ids at the same addresses.
fn one_cluster(findings: &mut Findings<'_>, members: &[Found]) {
    let list = |found: &Found| -> BTreeSet<(u32, String)> {
        found.server.active.iter().map(|row| (row.id, row.address.clone())).collect()
    };
    let text = |rows: &BTreeSet<(u32, String)>| {
        rows.iter().map(|(id, at)| format!("{id} at {at}")).collect::<Vec<_>>().join(", ")
    };
    let Some(first) = members.first() else { return };
    let wanted = list(first);
    for member in members {
        let own = list(member);
        if own != wanted {
            let Placed { node, host, .. } = &member.placed;
            let (own, wanted) = (text(&own), text(&wanted));
            let value = format!("{node} lists {own}; {} lists {wanted}", first.placed.node);
            findings.say(Rule::OneCluster, node, host, value);
        }
    }
}

/// Every member that is listed was found on a host that is named.
fn all_named(findings: &mut Findings<'_>, members: &[Found]) {
    let mut told = BTreeSet::new();
    for row in members.iter().flat_map(|member| &member.server.active) {
        let here = |member: &Found| member.id == row.id;
        if members.iter().any(here) || !told.insert(row.id) {
            continue;
        }
        let at = match row.address.as_str() {
            "" => "whose address the cluster has forgotten".to_owned(),
            address => format!("at {address}"),
        };
        let value = format!("node {} {at} is listed, and no host that is named has it", row.id);
        findings.say(Rule::EveryMemberNamed, "", "", value);
    }
}
