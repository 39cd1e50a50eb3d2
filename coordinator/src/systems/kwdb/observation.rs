//! Answers become an observation. What did not answer stays a hole with its fault; "this host
//! has no such node" is an answer.

use bellows_proto::{
    names::natural,
    v1::{
        Answer, Asked, DirectoryState, Fault, FaultCode, KwdbAnswer, KwdbClusterReading,
        KwdbFoundReading, KwdbMember, KwdbObservation, KwdbPlacement, KwdbQuery, KwdbReading,
        NodeRef, Query, Spec, answer, asked, kwdb_answer, kwdb_cluster_reading, kwdb_found_reading,
        kwdb_member, kwdb_query, placement, query,
    },
};

use super::{draft, options};
use crate::systems::host::NodeSeen;

/// The cluster as it answered.
pub fn observation(spec: &Spec, answers: &[Asked]) -> KwdbObservation {
    KwdbObservation {
        members: members(spec, answers),
        clusters: clusters(answers),
        found: found(answers),
        options: (spec.version > 0).then(|| options::of_spec(spec)),
    }
}

/// Every node that was asked for, and those of the spec that were not, in natural order.
pub(super) fn members(spec: &Spec, answers: &[Asked]) -> Vec<KwdbMember> {
    let mut members: Vec<KwdbMember> = spec
        .nodes
        .iter()
        .map(|node| KwdbMember {
            node: node.node.clone(),
            host: node.host.clone(),
            in_spec: true,
            placement: draft::placed(node).map(|placed| placed.place),
            ..KwdbMember::default()
        })
        .collect();
    for asked in answers {
        let Some(kwdb_query::Kind::Node(query)) = question(asked.query.as_ref()) else { continue };
        let Some(node) = query.node.as_ref() else { continue };
        let (outcome, began_at_ms) = (outcome(node, asked), asked.began_at_ms);
        match members.iter_mut().find(|known| known.node == node.node) {
            Some(known) if known.host == asked.host => {
                (known.outcome, known.began_at_ms) = (outcome, began_at_ms);
            }
            // A name that the spec knows at another host: that one is the member.
            Some(_) => {}
            None => members.push(KwdbMember {
                node: node.node.clone(),
                host: asked.host.clone(),
                in_spec: false,
                outcome,
                began_at_ms,
                placement: buried(spec, &node.node, &asked.host),
            }),
        }
    }
    members.sort_by(|a, b| natural(&a.node, &b.node));
    members
}

/// Where a node lived that has left: others are still asked whether they list it there.
fn buried(spec: &Spec, node: &str, host: &str) -> Option<KwdbPlacement> {
    let mut stones = spec.tombstones.iter();
    let stone = stones.rfind(|stone| stone.node == node && stone.host == host)?;
    let placement::System::Kwdb(place) = stone.placement.as_ref()?.system.as_ref()? else {
        return None;
    };
    Some(place.clone())
}

fn question(query: Option<&Query>) -> Option<&kwdb_query::Kind> {
    let query::Kind::Kwdb(KwdbQuery { kind }) = query?.kind.as_ref()? else { return None };
    kind.as_ref()
}

fn answered(answer: &Answer) -> Option<&kwdb_answer::Kind> {
    let answer::Kind::Kwdb(KwdbAnswer { kind }) = answer.kind.as_ref()? else { return None };
    kind.as_ref()
}

fn outcome(node: &NodeRef, asked: &Asked) -> Option<kwdb_member::Outcome> {
    match asked.outcome.as_ref()? {
        asked::Outcome::Answer(answer) => Some(match answered(answer) {
            Some(kwdb_answer::Kind::Node(reading)) => {
                kwdb_member::Outcome::Reading(reading.clone())
            }
            Some(kwdb_answer::Kind::Cluster(_) | kwdb_answer::Kind::Found(_)) | None => {
                kwdb_member::Outcome::Fault(odd(&asked.host))
            }
        }),
        asked::Outcome::Fault(fault) if fault.code() == FaultCode::NotClaimed => {
            let (node, claimed) = (Some(node.clone()), Some(false));
            let reading = KwdbReading { node, claimed, ..KwdbReading::default() };
            Some(kwdb_member::Outcome::Reading(reading))
        }
        asked::Outcome::Fault(fault) => Some(kwdb_member::Outcome::Fault(fault.clone())),
    }
}

/// As members see the cluster, in natural order of whom was asked.
fn clusters(answers: &[Asked]) -> Vec<KwdbClusterReading> {
    use kwdb_cluster_reading::Outcome;
    let mut readings = Vec::new();
    for asked in answers {
        let Some(kwdb_query::Kind::Cluster(query)) = question(asked.query.as_ref()) else {
            continue;
        };
        let outcome = match asked.outcome.as_ref() {
            Some(asked::Outcome::Answer(answer)) => Some(match answered(answer) {
                Some(kwdb_answer::Kind::Cluster(cluster)) => Outcome::Cluster(cluster.clone()),
                Some(kwdb_answer::Kind::Node(_) | kwdb_answer::Kind::Found(_)) | None => {
                    Outcome::Fault(odd(&asked.host))
                }
            }),
            Some(asked::Outcome::Fault(fault)) => Some(Outcome::Fault(fault.clone())),
            None => None,
        };
        let node = query.at.as_ref().map(|node| node.node.clone()).unwrap_or_default();
        readings.push(KwdbClusterReading { node, outcome });
    }
    readings.sort_by(|a, b| natural(&a.node, &b.node));
    readings
}

/// What was found on hosts, in natural order of their names.
fn found(answers: &[Asked]) -> Vec<KwdbFoundReading> {
    use kwdb_found_reading::Outcome;
    let mut readings = Vec::new();
    for asked in answers {
        let Some(kwdb_query::Kind::Find(_)) = question(asked.query.as_ref()) else { continue };
        let outcome = match asked.outcome.as_ref() {
            Some(asked::Outcome::Answer(answer)) => Some(match answered(answer) {
                Some(kwdb_answer::Kind::Found(found)) => Outcome::Found(found.clone()),
                Some(kwdb_answer::Kind::Node(_) | kwdb_answer::Kind::Cluster(_)) | None => {
                    Outcome::Fault(odd(&asked.host))
                }
            }),
            Some(asked::Outcome::Fault(fault)) => Some(Outcome::Fault(fault.clone())),
            None => None,
        };
        readings.push(KwdbFoundReading { host: asked.host.clone(), outcome });
    }
    readings.sort_by(|a, b| natural(&a.host, &b.host));
    readings
}

fn odd(host: &str) -> Fault {
    Fault::new(FaultCode::Unreadable, "the answer is not one to the question: another version?")
        .at(host)
}

/// Where a node lives, and its data directory.
pub fn node_seen(seen: &KwdbObservation, node: &str) -> NodeSeen {
    let Some(member) = seen.members.iter().find(|member| member.node == node) else {
        return NodeSeen::default();
    };
    let data_directory = match &member.outcome {
        Some(kwdb_member::Outcome::Reading(reading)) => reading.data_directory(),
        Some(kwdb_member::Outcome::Fault(_)) | None => DirectoryState::Unspecified,
    };
    NodeSeen { host: member.host.clone(), data_directory }
}
