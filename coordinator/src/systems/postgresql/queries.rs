//! What is asked: first all hosts and nodes, then, once the primary is known, whether the new
//! hosts can log in there. Two rounds, then nothing more.

use bellows_proto::v1::{
    Asked, HostFactsQuery, HostQuery, Intent, NodeRef, PostgresqlLoginQuery, PostgresqlNodeQuery,
    PostgresqlQuery, Query, Spec, VacancyQuery, host_query, intent::Verb, postgresql_query, query,
};

use super::{
    observation::members,
    options,
    view::{Role, SYSTEM, reading, role},
};
use crate::plan::{Question, added};

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
    let port = intent.map_or(0, options::port);
    let known = spec.nodes.iter().map(|node| (node.host.as_str(), node.node.as_str()));
    let gone = left(spec, intent).into_iter();
    let new = wanted.iter().map(|node| (node.host.as_str(), node.node.as_str()));
    for (host, node) in known.chain(gone).chain(new) {
        ask(host, facts());
        ask(host, node_query(spec, node));
    }
    for node in wanted {
        ask(&node.host, vacancy(spec, &node.node, port));
    }
    if let Some((primary, address, port)) = primary(spec, answers) {
        for node in wanted.iter().filter(|node| node.node != primary) {
            ask(&node.host, login(&address, port));
        }
    }
    questions
}

/// Nodes of a shrink that have their tombstones already: their end is still looked at.
fn left<'a>(spec: &'a Spec, intent: Option<&Intent>) -> Vec<(&'a str, &'a str)> {
    let leaving: &[String] = match intent.and_then(|intent| intent.verb.as_ref()) {
        Some(Verb::Shrink(shrink)) => &shrink.nodes,
        Some(Verb::Replace(replace)) => std::slice::from_ref(&replace.node),
        Some(Verb::Create(_) | Verb::Expand(_) | Verb::Switchover(_) | Verb::Restart(_)) | None => {
            &[]
        }
    };
    let member = |name: &str| spec.nodes.iter().any(|node| node.node == name);
    leaving
        .iter()
        .filter(|name| !member(name))
        .filter_map(|name| spec.tombstones.iter().rfind(|stone| stone.node == **name))
        .map(|stone| (stone.host.as_str(), stone.node.as_str()))
        .collect()
}

/// The one member that takes writes: its name, address and port.
fn primary(spec: &Spec, answers: &[Asked]) -> Option<(String, String, u32)> {
    let members = members(spec, answers);
    let mut found = members.iter().filter(|member| matches!(role(member), Role::Primary(_)));
    let (one, None) = (found.next()?, found.next()) else { return None };
    let place = reading(one).ok()?.placement.as_ref()?;
    Some((one.node.clone(), place.address.clone(), place.port))
}

fn named(spec: &Spec, node: &str) -> Option<NodeRef> {
    Some(NodeRef { cluster: spec.cluster.clone(), node: node.to_owned() })
}

fn host(kind: host_query::Kind) -> Query {
    Query { kind: Some(query::Kind::Host(HostQuery { kind: Some(kind) })) }
}

fn postgresql(kind: postgresql_query::Kind) -> Query {
    Query { kind: Some(query::Kind::Postgresql(PostgresqlQuery { kind: Some(kind) })) }
}

fn facts() -> Query {
    host(host_query::Kind::Facts(HostFactsQuery {}))
}

fn vacancy(spec: &Spec, node: &str, port: u32) -> Query {
    host(host_query::Kind::Vacancy(VacancyQuery {
        node: named(spec, node),
        system: SYSTEM.to_owned(),
        port,
    }))
}

fn node_query(spec: &Spec, node: &str) -> Query {
    postgresql(postgresql_query::Kind::Node(PostgresqlNodeQuery { node: named(spec, node) }))
}

fn login(address: &str, port: u32) -> Query {
    postgresql(postgresql_query::Kind::Login(PostgresqlLoginQuery {
        address: address.to_owned(),
        port,
    }))
}
