//! What is asked: first all hosts and nodes, then, at two members that live and stay, the cluster. Two
//! rounds, then nothing more. Of a cluster that is to be adopted: what is on its hosts, and the nodes by the
//! names that they will have.

use bellows_proto::v1::{
    AdoptFrom, Asked, Intent, KwdbClusterQuery, KwdbFindQuery, KwdbNodeQuery, KwdbQuery, Query,
    Spec, intent::Verb, kwdb_query, query,
};

use super::{
    observation::members,
    view::{SYSTEM, endpoint, reading, server},
};
use crate::{
    plan::{self, Question, Questions, added},
    systems::host::queries::{self, named},
};

/// So many members are asked for the state of the cluster: a removal needs two readings.
const ASKED_FOR_THE_CLUSTER: usize = 2;

/// What was not asked yet.
pub fn next_queries(spec: &Spec, intent: Option<&Intent>, answers: &[Asked]) -> Vec<Question> {
    let mut questions = Questions::besides(answers);
    let wanted = intent.map_or(&[][..], added);
    let known = spec.nodes.iter().map(|node| (node.host.as_str(), node.node.as_str()));
    let gone = plan::left(spec, leaving(intent)).into_iter();
    let new = wanted.iter().map(|node| (node.host.as_str(), node.node.as_str()));
    for (host, node) in known.chain(gone).chain(new) {
        questions.ask(host, queries::facts());
        questions.ask(host, node_query(spec, node));
    }
    for AdoptFrom { host, .. } in intent.map_or(&[][..], plan::adopted_from) {
        questions.ask(host, queries::facts());
        questions.ask(host, kwdb(kwdb_query::Kind::Find(KwdbFindQuery {})));
        questions.ask(host, node_query(spec, &adopted_name(host)));
    }
    for node in wanted {
        questions.ask(&node.host, queries::vacancy(named(spec, &node.node), SYSTEM, 0));
    }
    for (host, node) in whom_to_ask(spec, intent, answers) {
        questions.ask(
            &host,
            kwdb(kwdb_query::Kind::Cluster(KwdbClusterQuery { at: named(spec, &node) })),
        );
    }
    questions.all()
}

/// What an adopted node is called: as its host, since the tool knows numbers only.
pub(super) fn adopted_name(host: &str) -> String {
    let name: String = host.chars().take(32).collect();
    name.trim_end_matches('-').to_owned()
}

/// Nodes that leave, by name.
pub(super) fn leaving(intent: Option<&Intent>) -> &[String] {
    if let Some(Verb::Rejoin(rejoin)) = intent.and_then(|intent| intent.verb.as_ref()) {
        return std::slice::from_ref(&rejoin.node);
    }
    intent.map_or(&[], plan::leaving)
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

fn kwdb(kind: kwdb_query::Kind) -> Query {
    Query { kind: Some(query::Kind::Kwdb(KwdbQuery { kind: Some(kind) })) }
}

fn node_query(spec: &Spec, node: &str) -> Query {
    kwdb(kwdb_query::Kind::Node(KwdbNodeQuery { node: named(spec, node) }))
}
