//! Answers become an observation. What did not answer stays a hole with its fault; "this host
//! has no such node" is an answer.

use bellows_proto::{
    names::natural,
    v1::{
        AdoptFrom, Answer, Asked, DirectoryState, Fault, FaultCode, NodeRef, PostgresqlAnswer,
        PostgresqlBackupsReading, PostgresqlFound, PostgresqlFoundReading, PostgresqlFoundServer,
        PostgresqlFrontReading, PostgresqlLoginReading, PostgresqlMember, PostgresqlObservation,
        PostgresqlQuery, PostgresqlReading, Query, Spec, answer, asked, postgresql_answer,
        postgresql_backups_reading, postgresql_found_reading, postgresql_found_server,
        postgresql_front_reading, postgresql_login_reading, postgresql_member, postgresql_query,
        query,
    },
};

use crate::systems::host::NodeSeen;

/// The cluster as it answered.
pub fn observation(spec: &Spec, answers: &[Asked]) -> PostgresqlObservation {
    let found = found(answers).into_iter().map(|(host, outcome)| PostgresqlFoundReading {
        host: host.to_owned(),
        outcome: Some(match outcome {
            Ok(found) => postgresql_found_reading::Outcome::Found(found.clone()),
            Err(fault) => postgresql_found_reading::Outcome::Fault(fault),
        }),
    });
    PostgresqlObservation {
        members: members(spec, answers),
        logins: logins(answers),
        found: found.collect(),
        backups: backups(answers),
        fronts: fronts(answers),
    }
}

/// Every node that was asked for, and those of the spec that were not, in natural order.
pub(super) fn members(spec: &Spec, answers: &[Asked]) -> Vec<PostgresqlMember> {
    let mut members: Vec<PostgresqlMember> = spec
        .nodes
        .iter()
        .map(|node| PostgresqlMember {
            node: node.node.clone(),
            host: node.host.clone(),
            in_spec: true,
            ..PostgresqlMember::default()
        })
        .collect();
    for asked in answers {
        let Some(postgresql_query::Kind::Node(query)) = question(asked.query.as_ref()) else {
            continue;
        };
        let Some(node) = query.node.as_ref() else { continue };
        let member = PostgresqlMember {
            node: node.node.clone(),
            host: asked.host.clone(),
            in_spec: spec
                .nodes
                .iter()
                .any(|known| known.node == node.node && known.host == asked.host),
            outcome: outcome(node, asked),
            began_at_ms: asked.began_at_ms,
        };
        match members.iter_mut().find(|known| known.node == member.node) {
            Some(known) if known.host == member.host => *known = member,
            // A name that the spec knows at another host: that one is the member.
            Some(_) => {}
            None => members.push(member),
        }
    }
    members.sort_by(|a, b| natural(&a.node, &b.node));
    members
}

fn question(query: Option<&Query>) -> Option<&postgresql_query::Kind> {
    let query::Kind::Postgresql(PostgresqlQuery { kind }) = query?.kind.as_ref()? else {
        return None;
    };
    kind.as_ref()
}

fn answered(answer: &Answer) -> Option<&postgresql_answer::Kind> {
    let answer::Kind::Postgresql(PostgresqlAnswer { kind }) = answer.kind.as_ref()? else {
        return None;
    };
    kind.as_ref()
}

fn outcome(node: &NodeRef, asked: &Asked) -> Option<postgresql_member::Outcome> {
    match asked.outcome.as_ref()? {
        asked::Outcome::Answer(answer) => match answered(answer) {
            Some(postgresql_answer::Kind::Node(reading)) => {
                Some(postgresql_member::Outcome::Reading(reading.clone()))
            }
            Some(
                postgresql_answer::Kind::Login(_)
                | postgresql_answer::Kind::Found(_)
                | postgresql_answer::Kind::Backups(_)
                | postgresql_answer::Kind::Front(_),
            )
            | None => Some(postgresql_member::Outcome::Fault(odd(&asked.host))),
        },
        asked::Outcome::Fault(fault) if fault.code() == FaultCode::NotClaimed => {
            let reading = PostgresqlReading {
                node: Some(node.clone()),
                claimed: Some(false),
                ..PostgresqlReading::default()
            };
            Some(postgresql_member::Outcome::Reading(reading))
        }
        asked::Outcome::Fault(fault) => Some(postgresql_member::Outcome::Fault(fault.clone())),
    }
}

fn logins(answers: &[Asked]) -> Vec<PostgresqlLoginReading> {
    let mut logins = Vec::new();
    for asked in answers {
        let Some(postgresql_query::Kind::Login(query)) = question(asked.query.as_ref()) else {
            continue;
        };
        let outcome = match asked.outcome.as_ref() {
            Some(asked::Outcome::Answer(answer)) => match answered(answer) {
                Some(postgresql_answer::Kind::Login(login)) => {
                    Some(postgresql_login_reading::Outcome::Login(login.clone()))
                }
                Some(
                    postgresql_answer::Kind::Node(_)
                    | postgresql_answer::Kind::Found(_)
                    | postgresql_answer::Kind::Backups(_)
                    | postgresql_answer::Kind::Front(_),
                )
                | None => Some(postgresql_login_reading::Outcome::Fault(odd(&asked.host))),
            },
            Some(asked::Outcome::Fault(fault)) => {
                Some(postgresql_login_reading::Outcome::Fault(fault.clone()))
            }
            None => None,
        };
        let (address, port) = (query.address.clone(), query.port);
        logins.push(PostgresqlLoginReading { host: asked.host.clone(), address, port, outcome });
    }
    logins.sort_by(|a, b| natural(&a.host, &b.host));
    logins
}

/// What was found on hosts, in natural order of their names.
pub(super) fn found(answers: &[Asked]) -> Vec<(&str, Result<&PostgresqlFound, Fault>)> {
    let mut readings = Vec::new();
    for asked in answers {
        let Some(postgresql_query::Kind::Find(_)) = question(asked.query.as_ref()) else {
            continue;
        };
        let outcome = match asked.outcome.as_ref() {
            Some(asked::Outcome::Answer(answer)) => match answered(answer) {
                Some(postgresql_answer::Kind::Found(found)) => Ok(found),
                Some(
                    postgresql_answer::Kind::Node(_)
                    | postgresql_answer::Kind::Login(_)
                    | postgresql_answer::Kind::Backups(_)
                    | postgresql_answer::Kind::Front(_),
                )
                | None => Err(odd(&asked.host)),
            },
            Some(asked::Outcome::Fault(fault)) => Err(fault.clone()),
            None => continue,
        };
        readings.push((asked.host.as_str(), outcome));
    }
    readings.sort_by(|a, b| natural(a.0, b.0));
    readings
}

/// Whether a server that was found on this host may be the one that is meant.
pub(super) fn is_meant(from: &AdoptFrom, server: &PostgresqlFoundServer) -> bool {
    let port = server.placement.as_ref().map_or(0, |place| place.port);
    server.running && (from.port == 0 || from.port == port)
}

/// Whether it answers where the members of its host are reached.
pub(super) fn answers(server: &PostgresqlFoundServer) -> bool {
    matches!(server.server, Some(postgresql_found_server::Server::Up(_)))
}

fn backups(answers: &[Asked]) -> Vec<PostgresqlBackupsReading> {
    use postgresql_backups_reading::Outcome;
    let mut readings = Vec::new();
    for asked in answers {
        let Some(postgresql_query::Kind::Backups(_)) = question(asked.query.as_ref()) else {
            continue;
        };
        let outcome = match asked.outcome.as_ref() {
            Some(asked::Outcome::Answer(answer)) => match answered(answer) {
                Some(postgresql_answer::Kind::Backups(backups)) => {
                    Some(Outcome::Backups(backups.clone()))
                }
                Some(
                    postgresql_answer::Kind::Node(_)
                    | postgresql_answer::Kind::Login(_)
                    | postgresql_answer::Kind::Found(_)
                    | postgresql_answer::Kind::Front(_),
                )
                | None => Some(Outcome::Fault(odd(&asked.host))),
            },
            Some(asked::Outcome::Fault(fault)) => Some(Outcome::Fault(fault.clone())),
            None => None,
        };
        readings.push(PostgresqlBackupsReading { host: asked.host.clone(), outcome });
    }
    readings.sort_by(|a, b| natural(&a.host, &b.host));
    readings
}

/// What stands in front, in the order in which it was asked.
fn fronts(answers: &[Asked]) -> Vec<PostgresqlFrontReading> {
    use postgresql_front_reading::Outcome;
    let mut readings = Vec::new();
    for asked in answers {
        let Some(postgresql_query::Kind::Front(query)) = question(asked.query.as_ref()) else {
            continue;
        };
        let outcome = match asked.outcome.as_ref() {
            Some(asked::Outcome::Answer(answer)) => Some(match answered(answer) {
                Some(postgresql_answer::Kind::Front(front)) => Outcome::Reading(front.clone()),
                Some(
                    postgresql_answer::Kind::Node(_)
                    | postgresql_answer::Kind::Login(_)
                    | postgresql_answer::Kind::Found(_)
                    | postgresql_answer::Kind::Backups(_),
                )
                | None => Outcome::Fault(odd(&asked.host)),
            }),
            Some(asked::Outcome::Fault(fault)) => Some(Outcome::Fault(fault.clone())),
            None => None,
        };
        let front = query.front.as_ref().map(|front| front.node.clone()).unwrap_or_default();
        readings.push(PostgresqlFrontReading { host: asked.host.clone(), front, outcome });
    }
    readings
}

fn odd(host: &str) -> Fault {
    Fault::new(FaultCode::Unreadable, "the answer is not one to the question: another version?")
        .at(host)
}

/// Where a node lives, and its data directory.
pub fn node_seen(seen: &PostgresqlObservation, node: &str) -> NodeSeen {
    let Some(member) = seen.members.iter().find(|member| member.node == node) else {
        return NodeSeen::default();
    };
    let data_directory = match &member.outcome {
        Some(postgresql_member::Outcome::Reading(reading)) => reading.data_directory(),
        Some(postgresql_member::Outcome::Fault(_)) | None => DirectoryState::Unspecified,
    };
    NodeSeen { host: member.host.clone(), data_directory }
}
