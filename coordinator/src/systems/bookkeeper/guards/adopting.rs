//! Guards on a cluster that somebody else built and that is to be taken into care: what its hosts found is
//! one whole cluster that can be read, and root allows it.

use std::collections::BTreeSet;

use bellows_proto::{
    names::{NodeName, natural},
    v1::{
        Adopt, AdoptFrom, BookkeeperCluster, BookkeeperFoundBookie, BookkeeperServer, NodeRef,
        bookkeeper_found_bookie::Server,
    },
};

use super::{
    super::{draft::Placed, metadata, queries, view},
    Findings, Rule, cluster,
};

/// A cluster that may be adopted.
pub(in super::super) struct Adopting {
    /// In natural order.
    pub(in super::super) members: Vec<Found>,
}

/// A bookie that was found.
#[derive(Clone)]
pub(in super::super) struct Found {
    pub(in super::super) placed: Placed,
    pub(in super::super) id: String,
    /// The metadata service, in one form.
    pub(in super::super) service: String,
    pub(in super::super) instance: String,
    cluster: BookkeeperCluster,
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
        // A host that is silent or without BookKeeper has said so already.
        if matches!(findings.view.system_facts(&from.host), Ok(Some(_))) {
            members.extend(member(findings, from, &name));
        }
    }
    members.sort_by(|a, b| natural(&a.placed.node, &b.placed.node));
    let nodes: Vec<String> = members.iter().map(|member| member.placed.node.clone()).collect();
    cluster::one_version(findings, &nodes);
    if members.is_empty() {
        return None;
    }
    one_cluster(findings, &members);
    all_named(findings, &members);
    Some(Adopting { members })
}

/// The one bookie of a host, if nothing of its own stands in the way.
fn member(findings: &mut Findings<'_>, from: &AdoptFrom, name: &str) -> Option<Found> {
    let host = from.host.as_str();
    let found = findings.known(name, host, findings.view.found(host))?;
    let Some(found) = found.filter(|found| is_meant(from, found)) else {
        let port = if from.port == 0 { String::new() } else { format!(" with port {}", from.port) };
        findings.say(Rule::OneBookieFound, name, host, format!("{host} has no bookie{port}"));
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
    for obstacle in &found.http_obstacles {
        findings.say(Rule::HttpOn, name, host, obstacle.clone());
    }
    if !found.declared {
        let value =
            format!("agent.toml of {host} needs under [systems.bookkeeper]: {}", found.declaration);
        findings.say(Rule::DeclaredByRoot, name, host, value);
    }
    let Some(mut place) = found.placement.clone() else {
        findings.say(Rule::Adoptable, name, host, "where it lives could not be read");
        return None;
    };
    place.adopted = true;
    let id = view::id(&place);
    if !found.running {
        let value = format!("the bookie of {host} does not run");
        findings.say(Rule::OneBookieFound, name, host, value);
        return None;
    }
    let server = serves(findings, name, host, found)?;
    if server.read_only {
        findings.say(Rule::MembersHealthy, name, host, "it is read-only");
    }
    let Some(cookie) = &found.cookie else {
        findings.say(Rule::EverythingRead, name, host, "its cookie (VERSION) was not read");
        return None;
    };
    if cookie.bookie != id {
        let value = format!("its id is {}, its address and port are {id}", cookie.bookie);
        findings.say(Rule::IdIsAddress, name, host, value);
    }
    let setting = |key: &str| {
        let found = found.settings.iter().find(|one| one.key == key);
        found.map(|one| one.value.as_str())
    };
    let service = metadata::service_of(
        setting("metadataServiceUri"),
        setting("zkServers"),
        setting("zkLedgersRootPath"),
    );
    let service = findings.known(name, host, service)?;
    let Some(cluster) = found.cluster.clone() else {
        findings.say(Rule::EverythingRead, name, host, "it does not tell how it sees the cluster");
        return None;
    };
    let placed = Placed { node: name.to_owned(), host: host.to_owned(), place };
    Some(Found { placed, id, service, instance: cookie.instance.clone(), cluster })
}

fn serves<'a>(
    findings: &mut Findings<'_>,
    name: &str,
    host: &str,
    found: &'a BookkeeperFoundBookie,
) -> Option<&'a BookkeeperServer> {
    match &found.server {
        Some(Server::Up(server)) => Some(server),
        Some(Server::Down(fault)) => {
            findings.say(Rule::HttpOn, name, host, fault.message.clone());
            None
        }
        None => {
            // An obstacle has said why.
            if found.obstacles.is_empty() {
                findings.say(Rule::EverythingRead, name, host, "the bookie was not asked");
            }
            None
        }
    }
}

fn is_meant(from: &AdoptFrom, found: &BookkeeperFoundBookie) -> bool {
    let port = found.placement.as_ref().map_or(0, |place| place.port);
    from.port == 0 || from.port == port
}

/// One metadata service, one instance, and no id twice.
fn one_cluster(findings: &mut Findings<'_>, members: &[Found]) {
    let Some(first) = members.first() else { return };
    let mut ids = BTreeSet::new();
    for member in members {
        let Placed { node, host, .. } = &member.placed;
        let known = &first.placed.node;
        if member.service != first.service {
            let value = format!("{node} uses {}, {known} uses {}", member.service, first.service);
            findings.say(Rule::OneCluster, node, host, value);
        } else if member.instance != first.instance {
            let (own, others) = (&member.instance, &first.instance);
            let value = format!("{node} is of the instance {own}, {known} of {others}");
            findings.say(Rule::OneCluster, node, host, value);
        }
        if !ids.insert(member.id.as_str()) {
            let value = format!("{} is the id of another one too", member.id);
            findings.say(Rule::OneCluster, node, host, value);
        }
    }
}

/// Every bookie that one of them sees was found on a host that is named, and all of them are seen.
fn all_named(findings: &mut Findings<'_>, members: &[Found]) {
    let mut told = BTreeSet::new();
    for member in members {
        let Placed { node, host, .. } = &member.placed;
        let cluster = &member.cluster;
        for id in cluster.writable.iter().chain(&cluster.read_only) {
            if !members.iter().any(|known| known.id == *id) && told.insert(id.clone()) {
                let value = format!("{node} sees {id}, and no host that is named has it");
                findings.say(Rule::EveryBookieNamed, "", "", value);
            }
        }
        for other in members {
            let seen = cluster.writable.contains(&other.id);
            if !seen {
                let value = format!("{node} does not see {} writable", other.placed.node);
                findings.say(Rule::MembersHealthy, node, host, value);
            }
        }
        if cluster.unavailable > 0 && told.insert(String::new()) {
            let count = crate::plan::sizes::many(cluster.unavailable, "bookie");
            let value = format!("for {node} {count} with a cookie registered nowhere");
            findings.say(Rule::MembersHealthy, "", "", value);
        }
    }
}
