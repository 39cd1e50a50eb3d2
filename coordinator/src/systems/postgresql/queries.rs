//! What is asked: first all hosts and nodes, then, once the primary is known, whether the new
//! hosts can log in there. Two rounds, then nothing more. Of a cluster that is to be adopted: first what
//! is on its hosts, then the nodes that were found.

use bellows_proto::v1::{
    AdoptFrom, Asked, Intent, PostgresqlBackupsQuery, PostgresqlFindQuery, PostgresqlFrontQuery,
    PostgresqlLoginQuery, PostgresqlNodeQuery, PostgresqlQuery, Query, Spec, intent::Verb,
    postgresql_query, query,
};

use super::{
    Policy,
    draft::placed,
    observation::{self, members},
    options,
    view::{Role, SYSTEM, reading, role},
};
use crate::{
    plan::{self, Question, Questions, added},
    systems::host::queries::{self, named},
};

/// What was not asked yet.
pub fn next_queries(
    spec: &Spec,
    intent: Option<&Intent>,
    answers: &[Asked],
    policy: &Policy,
) -> Vec<Question> {
    let mut questions = Questions::besides(answers);
    let wanted = intent.map_or(&[][..], added);
    let port = intent.map_or(0, options::port);
    let known = spec.nodes.iter().map(|node| (node.host.as_str(), node.node.as_str()));
    let leaving = intent.map_or(&[][..], plan::leaving);
    let gone = plan::left(spec, leaving).into_iter();
    let new = wanted.iter().map(|node| (node.host.as_str(), node.node.as_str()));
    for (host, node) in known.chain(gone).chain(new) {
        questions.ask(host, queries::facts());
        questions.ask(host, node_query(spec, node));
    }
    // One that is about to come into being has nothing to be led to.
    for front in policy.fronts.iter().filter(|one| spec.version > 0 && one.cluster == spec.cluster)
    {
        questions.ask(&front.host, queries::facts());
        questions.ask(&front.host, front_query(spec, &front.name));
    }
    for (from, nodes) in found(intent, answers) {
        questions.ask(&from.host, queries::facts());
        questions.ask(&from.host, postgresql(postgresql_query::Kind::Find(PostgresqlFindQuery {})));
        for node in nodes {
            questions.ask(&from.host, node_query(spec, node));
        }
    }
    for node in wanted {
        questions.ask(&node.host, queries::vacancy(named(spec, &node.node), SYSTEM, port));
    }
    // Whom Bellows lets in itself needs not be asked beforehand.
    for member in spec.nodes.iter().filter_map(placed).filter(|member| member.place.adopted) {
        for node in wanted {
            questions.ask(&node.host, login(&member.place.address, member.place.port));
        }
    }
    if let Some((primary, address, port)) = primary(spec, answers) {
        for node in wanted.iter().filter(|node| node.node != primary) {
            questions.ask(&node.host, login(&address, port));
        }
        if let Some(host) = copied_anew(spec, intent) {
            questions.ask(host, login(&address, port));
        }
    }
    questions.all()
}

/// The same before a change is planned; what is only judged then is asked only then. A tool that
/// tells of backups may be slow.
pub fn planning_queries(
    spec: &Spec,
    intent: &Intent,
    answers: &[Asked],
    policy: &Policy,
) -> Vec<Question> {
    let mut questions = Questions::besides(answers);
    for question in next_queries(spec, Some(intent), answers, policy) {
        questions.add(question);
    }
    if policy.backup_max_age_ms.is_some() {
        for node in &spec.nodes {
            questions.ask(&node.host, backups());
        }
    }
    questions.all()
}

/// Hosts that a cluster is adopted from, and the nodes that were found there.
fn found<'a>(
    intent: Option<&'a Intent>,
    answers: &'a [Asked],
) -> Vec<(&'a AdoptFrom, Vec<&'a str>)> {
    let from = intent.map_or(&[][..], plan::adopted_from);
    let readings = observation::found(answers);
    let nodes = |from: &AdoptFrom| {
        let here = readings.iter().filter(|(host, _)| *host == from.host);
        here.filter_map(|(_, outcome)| outcome.as_ref().ok())
            .flat_map(|found| &found.servers)
            .filter(|server| observation::is_meant(from, server) && observation::answers(server))
            .filter(|server| !server.node.is_empty())
            .map(|server| server.node.as_str())
            .collect()
    };
    from.iter().map(|from| (from, nodes(from))).collect()
}

/// The host of a member whose data are copied anew.
fn copied_anew<'a>(spec: &'a Spec, intent: Option<&Intent>) -> Option<&'a str> {
    match intent.and_then(|intent| intent.verb.as_ref()) {
        Some(Verb::Rejoin(wanted)) if wanted.discard_data => {
            let node = spec.nodes.iter().find(|node| node.node == wanted.node)?;
            Some(&node.host)
        }
        Some(
            Verb::Create(_)
            | Verb::Expand(_)
            | Verb::Shrink(_)
            | Verb::Replace(_)
            | Verb::Switchover(_)
            | Verb::Rejoin(_)
            | Verb::Restart(_)
            | Verb::Adopt(_)
            | Verb::Reconfigure(_),
        )
        | None => None,
    }
}

/// The one member that takes writes: its name, address and port.
fn primary(spec: &Spec, answers: &[Asked]) -> Option<(String, String, u32)> {
    let members = members(spec, answers);
    let mut found = members.iter().filter(|member| matches!(role(member), Role::Primary(_)));
    let (one, None) = (found.next()?, found.next()) else { return None };
    let place = reading(one).ok()?.placement.as_ref()?;
    Some((one.node.clone(), place.address.clone(), place.port))
}

fn postgresql(kind: postgresql_query::Kind) -> Query {
    Query { kind: Some(query::Kind::Postgresql(PostgresqlQuery { kind: Some(kind) })) }
}

fn node_query(spec: &Spec, node: &str) -> Query {
    postgresql(postgresql_query::Kind::Node(PostgresqlNodeQuery { node: named(spec, node) }))
}

fn front_query(spec: &Spec, front: &str) -> Query {
    let front = named(spec, front);
    postgresql(postgresql_query::Kind::Front(PostgresqlFrontQuery { front }))
}

fn backups() -> Query {
    postgresql(postgresql_query::Kind::Backups(PostgresqlBackupsQuery {}))
}

fn login(address: &str, port: u32) -> Query {
    postgresql(postgresql_query::Kind::Login(PostgresqlLoginQuery {
        address: address.to_owned(),
        port,
    }))
}
