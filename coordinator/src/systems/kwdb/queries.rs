//! What is asked: first all hosts and nodes, then, at two members that live and stay, the cluster. Two
//! rounds, then nothing more. Of a cluster that is to be adopted: what is on its hosts, and the nodes by the
//! names that they will have.

use bellows_proto::v1::{
    Asked, HostFactsQuery, HostQuery, Intent, KwdbClusterQuery, KwdbFindQuery, KwdbNodeQuery,
    KwdbQuery, NodeRef, Query, Spec, VacancyQuery, host_query, intent::Verb, kwdb_query, query,
};

use super::{
    observation::members,
    view::{SYSTEM, endpoint, reading, server},
};
use crate::plan::{Question, added};

/// So many members are asked for the state of the cluster: a removal needs two readings.
const ASKED_FOR_THE_CLUSTER: usize = 2;

/// What was not asked yet.
pub fn next_queries(spec: &Spec, intent: Option<&Intent>, answers: &[Asked]) -> Vec<Question> {
    let mut questions = Vec::new();
    let mut ask = |host: &str, query: Query| {
        let question = Question { host: host.to_owned(), query };
        let asked = answers
            .iter()
            .any(|one| one.host == question.host && one.query.as_ref() == Some(&question.query));
        if !asked && !questions.contains(&question) {
            questions.push(question);
        }
    };
    let wanted = intent.map_or(&[][..], added);
    let known = spec.nodes.iter().map(|node| (node.host.as_str(), node.node.as_str()));
    let gone = left(spec, intent).into_iter();
    let new = wanted.iter().map(|node| (node.host.as_str(), node.node.as_str()));
    for (host, node) in known.chain(gone).chain(new) {
        ask(host, facts());
        ask(host, node_query(spec, node));
    }
    for host in adopted_from(intent) {
        ask(host, facts());
        ask(host, kwdb(kwdb_query::Kind::Find(KwdbFindQuery {})));
        ask(host, node_query(spec, &adopted_name(host)));
    }
    for node in wanted {
        ask(&node.host, vacancy(spec, &node.node));
    }
    for (host, node) in whom_to_ask(spec, intent, answers) {
        ask(&host, kwdb(kwdb_query::Kind::Cluster(KwdbClusterQuery { at: named(spec, &node) })));
    }
    questions
}

/// What an adopted node is called: as its host, since the tool knows numbers only.
pub(super) fn adopted_name(host: &str) -> String {
    let name: String = host.chars().take(32).collect();
    name.trim_end_matches('-').to_owned()
}

/// Nodes that leave, by name.
pub(super) fn leaving(intent: Option<&Intent>) -> &[String] {
    match intent.and_then(|intent| intent.verb.as_ref()) {
        Some(Verb::Shrink(shrink)) => &shrink.nodes,
        Some(Verb::Replace(replace)) => std::slice::from_ref(&replace.node),
        Some(Verb::Rejoin(rejoin)) => std::slice::from_ref(&rejoin.node),
        Some(
            Verb::Create(_)
            | Verb::Expand(_)
            | Verb::Switchover(_)
            | Verb::Restart(_)
            | Verb::Adopt(_)
            | Verb::Reconfigure(_),
        )
        | None => &[],
    }
}

/// Nodes that left and have their tombstones already: their end is still looked at.
fn left<'a>(spec: &'a Spec, intent: Option<&Intent>) -> Vec<(&'a str, &'a str)> {
    let member = |name: &str| spec.nodes.iter().any(|node| node.node == name);
    leaving(intent)
        .iter()
        .filter(|name| !member(name))
        .filter_map(|name| spec.tombstones.iter().rfind(|stone| stone.node == **name))
        .map(|stone| (stone.host.as_str(), stone.node.as_str()))
        .collect()
}

/// Hosts that a cluster is adopted from.
fn adopted_from(intent: Option<&Intent>) -> Vec<&str> {
    match intent.and_then(|intent| intent.verb.as_ref()) {
        Some(Verb::Adopt(adopt)) => adopt.from.iter().map(|from| from.host.as_str()).collect(),
        Some(
            Verb::Create(_)
            | Verb::Expand(_)
            | Verb::Shrink(_)
            | Verb::Replace(_)
            | Verb::Switchover(_)
            | Verb::Rejoin(_)
            | Verb::Restart(_)
            | Verb::Reconfigure(_),
        )
        | None => Vec::new(),
    }
}

/// The first members, in natural order, that answer, live in their own eyes and stay: host and node.
fn whom_to_ask(spec: &Spec, intent: Option<&Intent>, answers: &[Asked]) -> Vec<(String, String)> {
    let leaving = leaving(intent);
    let mut found = Vec::new();
    for member in members(spec, answers) {
        if !member.in_spec || leaving.contains(&member.node) {
            continue;
        }
        let Some(place) = &member.placement else { continue };
        let Ok(server) = reading(&member).and_then(|reading| server(&member.node, reading)) else {
            continue;
        };
        let own = endpoint(place);
        let lives = |row: &bellows_proto::v1::KwdbStatus| {
            row.address == own && row.is_live && row.is_available
        };
        if server.active.iter().any(lives) {
            found.push((member.host.clone(), member.node.clone()));
        }
    }
    found.truncate(ASKED_FOR_THE_CLUSTER);
    found
}

fn named(spec: &Spec, node: &str) -> Option<NodeRef> {
    Some(NodeRef { cluster: spec.cluster.clone(), node: node.to_owned() })
}

fn host(kind: host_query::Kind) -> Query {
    Query { kind: Some(query::Kind::Host(HostQuery { kind: Some(kind) })) }
}

fn kwdb(kind: kwdb_query::Kind) -> Query {
    Query { kind: Some(query::Kind::Kwdb(KwdbQuery { kind: Some(kind) })) }
}

fn facts() -> Query {
    host(host_query::Kind::Facts(HostFactsQuery {}))
}

fn vacancy(spec: &Spec, node: &str) -> Query {
    let (node, system) = (named(spec, node), SYSTEM.to_owned());
    host(host_query::Kind::Vacancy(VacancyQuery { node, system, port: 0 }))
}

fn node_query(spec: &Spec, node: &str) -> Query {
    kwdb(kwdb_query::Kind::Node(KwdbNodeQuery { node: named(spec, node) }))
}
