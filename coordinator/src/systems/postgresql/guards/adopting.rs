//! Guards on a cluster that somebody else built and that is to be taken into care: what its hosts found is
//! one whole cluster that can be read, and root allows it.

use std::collections::BTreeSet;

use bellows_proto::{
    names::natural,
    v1::{
        Adopt, AdoptFrom, NodeRef, PostgresqlFoundServer, PostgresqlServer, RepmgrNode,
        postgresql_found_server::Server,
    },
};

use super::{
    super::{
        draft::Placed,
        observation::{answers, is_meant},
        view::{self, slot_name},
    },
    Findings, Rule, cluster, newcomers,
};

/// A cluster that may be adopted.
pub(in super::super) struct Adopting<'a> {
    /// In natural order.
    pub(in super::super) members: Vec<Member<'a>>,
    /// Name of the primary.
    pub(in super::super) primary: String,
    /// What repmgr at the primary has records of.
    pub(in super::super) records: &'a [RepmgrNode],
    /// Slots that are no member's, with the members that keep them.
    pub(in super::super) foreign_slots: Vec<(String, String)>,
}

/// A server that was found.
#[derive(Clone)]
pub(in super::super) struct Member<'a> {
    pub(in super::super) placed: Placed,
    pub(in super::super) server: &'a PostgresqlServer,
    pub(in super::super) found: &'a PostgresqlFoundServer,
}

/// Judges what was found on the hosts.
pub(super) fn judge<'a>(findings: &mut Findings<'a>, wanted: &Adopt) -> Option<Adopting<'a>> {
    if findings.spec.version != 0 {
        let value = format!("the cluster {} exists already", findings.spec.cluster);
        findings.say(Rule::ClusterKnown, "", "", value);
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for from in &wanted.from {
        if !seen.insert(from.host.as_str()) {
            let value = format!("{} is named twice", from.host);
            findings.say(Rule::ValidIntent, "", &from.host, value);
            continue;
        }
        cluster::host_is_well(findings, "", &from.host);
        // A host that is silent or without PostgreSQL has said so already.
        if matches!(findings.view.system_facts(&from.host), Ok(Some(_))) {
            found.extend(member(findings, from));
        }
    }
    found.sort_by(|a, b| natural(&a.placed.node, &b.placed.node));
    let hosts: Vec<&str> = wanted.from.iter().map(|from| from.host.as_str()).collect();
    cluster::alike(findings, &hosts);
    let places: Vec<Placed> = found.iter().map(|member| member.placed.clone()).collect();
    newcomers::login_files(findings, &[], &places);
    let (witnesses, members): (Vec<Member<'_>>, Vec<Member<'_>>) =
        found.into_iter().partition(is_witness);
    let all_found = members.len() + witnesses.len() == wanted.from.len();
    let primary = primary(findings, &members, all_found)?;
    let records = primary.server.registered.as_slice();
    one_cluster(findings, &primary, &members);
    same_records(findings, &primary, members.iter().chain(&witnesses));
    all_named(findings, &primary, &members);
    for standby in members.iter().filter(|member| member.placed.node != primary.placed.node) {
        streams(findings, &primary, &members, standby);
    }
    let foreign_slots = foreign_slots(&members, records);
    Some(Adopting { primary: primary.placed.node, members, records, foreign_slots })
}

/// The one server of a host that is meant, if nothing of its own stands in the way.
fn member<'a>(findings: &mut Findings<'a>, from: &AdoptFrom) -> Option<Member<'a>> {
    let host = from.host.as_str();
    let servers = findings.view.found(host);
    let servers = findings.known("", host, servers)?;
    let found = chosen(findings, from, servers)?;
    let node = found.node.as_str();
    // A record of this very node is of a cluster that was forgotten: it is taken up again.
    let cluster = findings.spec.cluster.as_str();
    let other = |known: &&NodeRef| known.cluster != cluster || known.node != node;
    if let Some(known) = found.claimed.as_ref().filter(other) {
        let value = format!("it is node {}/{} already", known.cluster, known.node);
        findings.say(Rule::NotClaimed, node, host, value);
        return None;
    }
    for obstacle in &found.obstacles {
        findings.say(Rule::Adoptable, node, host, format!("{}: {obstacle}", where_it_is(found)));
    }
    let server = match &found.server {
        Some(Server::Up(server)) => server,
        Some(Server::Down(fault)) => {
            let value = format!("{}: {}", where_it_is(found), fault.message);
            findings.say(Rule::Adoptable, node, host, value);
            return None;
        }
        None => return None,
    };
    if !server.repmgr_installed {
        let value =
            format!("{}: it has no database repmgr with repmgr's tables", where_it_is(found));
        findings.say(Rule::Adoptable, node, host, value);
        return None;
    }
    if node.is_empty() {
        return None;
    }
    if !found.declared {
        let value =
            format!("agent.toml of {host} needs under [systems.postgresql]: {}", found.declaration);
        findings.say(Rule::DeclaredByRoot, node, host, value);
    }
    let place = found.placement.clone()?;
    let placed = Placed { node: node.to_owned(), host: host.to_owned(), place };
    Some(Member { placed, server, found })
}

/// Where several servers run, the one of the port that was named, or the only one that answers and has
/// repmgr.
fn chosen<'a>(
    findings: &mut Findings<'_>,
    from: &AdoptFrom,
    servers: &'a [PostgresqlFoundServer],
) -> Option<&'a PostgresqlFoundServer> {
    let meant: Vec<&PostgresqlFoundServer> =
        servers.iter().filter(|server| is_meant(from, server)).collect();
    if let [only] = meant.as_slice() {
        return Some(only);
    }
    let able = |server: &&&PostgresqlFoundServer| answers(server) && !server.node.is_empty();
    let able: Vec<&&PostgresqlFoundServer> = meant.iter().filter(able).collect();
    if let [only] = able.as_slice() {
        return Some(only);
    }
    let list: Vec<String> = servers
        .iter()
        .map(|server| {
            let state = if server.running { "" } else { ", does not run" };
            format!("{}{state}", where_it_is(server))
        })
        .collect();
    let list = if list.is_empty() { "none".to_owned() } else { list.join("; ") };
    let value = match meant.as_slice() {
        [] => format!("no server of that kind runs on {}; found: {list}", from.host),
        _ => format!("several servers are meant by {}; found: {list}", from.host),
    };
    findings.say(Rule::OneServerFound, "", &from.host, value);
    None
}

fn where_it_is(server: &PostgresqlFoundServer) -> String {
    let place = server.placement.as_ref();
    let data_dir = place.map_or("", |place| place.data_dir.as_str());
    match place.map_or(0, |place| place.port) {
        0 => data_dir.to_owned(),
        port => format!("{data_dir}, port {port}"),
    }
}

fn own_row<'a>(member: &Member<'a>) -> Option<&'a RepmgrNode> {
    let id = member.placed.id();
    member.server.registered.iter().find(|row| row.node_id == id)
}

fn is_witness(member: &Member<'_>) -> bool {
    own_row(member).is_some_and(view::is_witness)
}

/// `all_found`: whoever is missing has been told of otherwise.
fn primary<'a>(
    findings: &mut Findings<'_>,
    members: &[Member<'a>],
    all_found: bool,
) -> Option<Member<'a>> {
    let of_role = |member: &&Member<'a>| member.server.in_recovery == Some(false);
    let primaries: Vec<&Member<'a>> = members.iter().filter(of_role).collect();
    match primaries.as_slice() {
        [one] => Some((*one).clone()),
        [] if !all_found => None,
        [] => {
            let value = "none of the servers that were found is primary";
            findings.say(Rule::OnePrimary, "", "", value);
            None
        }
        several => {
            let list: Vec<String> = several
                .iter()
                .map(|one| format!("{} on {}", one.placed.node, one.placed.host))
                .collect();
            let value = format!("{} each say that they are primary", list.join(" and "));
            findings.say(Rule::OnePrimary, "", "", value);
            None
        }
    }
}

/// Two readings: the server's own word, and its control file.
fn one_cluster(findings: &mut Findings<'_>, primary: &Member<'_>, members: &[Member<'_>]) {
    let wanted = primary.server.system_identifier.as_str();
    let mut names = BTreeSet::new();
    for member in members {
        let Placed { node, host, .. } = &member.placed;
        for (what, identifier) in [
            ("says", member.server.system_identifier.as_str()),
            ("has in its control file", member.found.system_identifier.as_str()),
        ] {
            if identifier != wanted {
                let value = format!(
                    "{node} on {host} {what} system identifier {identifier:?}, the primary {} {wanted}",
                    primary.placed.node
                );
                findings.say(Rule::OneCluster, node, host, value);
            }
        }
        if !names.insert(node.as_str()) {
            let value = format!("two servers say that they are node {node}");
            findings.say(Rule::OneCluster, node, host, value);
        }
    }
}

/// All name the same members, and each itself as its own `repmgr.conf` does.
fn same_records<'m>(
    findings: &mut Findings<'_>,
    primary: &Member<'_>,
    all: impl Iterator<Item = &'m Member<'m>>,
) {
    let list = |rows: &[RepmgrNode]| {
        let rows = rows.iter().map(|row| {
            let state = if row.active { "" } else { ", inactive" };
            format!(
                "{} (id {}, {}, below {}{state})",
                row.name, row.node_id, row.kind, row.upstream_id
            )
        });
        rows.collect::<Vec<_>>().join(", ")
    };
    let wanted = list(&primary.server.registered);
    for member in all {
        let Placed { node, host, .. } = &member.placed;
        let own = list(&member.server.registered);
        if own != wanted {
            let value = format!(
                "repmgr at {node} names {own}; at the primary {}: {wanted}",
                primary.placed.node
            );
            findings.say(Rule::OneCluster, node, host, value);
        } else if own_row(member).is_none_or(|row| row.name != *node) {
            let value = format!(
                "repmgr.conf on {host} says {node} with id {}; repmgr has no such record",
                member.placed.id()
            );
            findings.say(Rule::OneCluster, node, host, value);
        }
    }
}

/// Every member that repmgr has a record of was found on a host that is named.
fn all_named(findings: &mut Findings<'_>, primary: &Member<'_>, members: &[Member<'_>]) {
    for row in primary.server.registered.iter().filter(|row| !view::is_witness(row)) {
        if members.iter().any(|member| member.placed.id() == row.node_id) {
            continue;
        }
        let address = primary.found.addresses.iter().find(|known| known.node_id == row.node_id);
        let address = address.map_or("", |known| known.host.as_str());
        let at = if address.is_empty() { String::new() } else { format!(" at {address}") };
        let state = if row.active { "" } else { ", whose record is inactive," };
        let value = format!(
            "repmgr has a record of {}{at}{state} and no host that is named has it",
            row.name
        );
        findings.say(Rule::EveryMemberNamed, &row.name, "", value);
    }
}

/// Its source sends to it, and its record is right.
fn streams(
    findings: &mut Findings<'_>,
    primary: &Member<'_>,
    members: &[Member<'_>],
    standby: &Member<'_>,
) {
    let Placed { node, host, .. } = &standby.placed;
    let Some(row) = primary.server.registered.iter().find(|row| row.name == *node) else { return };
    // One that was not found is told of as such.
    let above = members.iter().find(|member| member.placed.id() == row.upstream_id);
    let Some(above) = above.or_else(|| (row.upstream_id == 0).then_some(primary)) else { return };
    let sender = above.server.senders.iter().find(|sender| sender.application_name == *node);
    if sender.is_none_or(|sender| sender.state != "streaming") {
        let value = format!("{node} does not stream from {}", above.placed.node);
        findings.say(Rule::MembersHealthy, node, host, value);
    }
    if row.kind != "standby" || !row.active {
        let state = if row.active { "active" } else { "inactive" };
        let value =
            format!("the repmgr record of {node} says {}, {state}; it is a standby", row.kind);
        findings.say(Rule::MembersHealthy, node, host, value);
    }
}

/// Slots of backups, other tools, other clusters: never a member's.
fn foreign_slots(members: &[Member<'_>], records: &[RepmgrNode]) -> Vec<(String, String)> {
    let own =
        |name: &str| records.iter().any(|row| row.slot == name || slot_name(row.node_id) == name);
    let slots = members.iter().flat_map(|member| {
        let slots = member.server.slots.iter().filter(|slot| !own(&slot.name));
        slots.map(|slot| (slot.name.clone(), member.placed.node.clone()))
    });
    slots.collect()
}
