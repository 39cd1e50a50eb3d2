//! Answers become an observation. What did not answer stays a hole with its fault; "this host
//! has no such node" is an answer.

use bellows_proto::{
    names::natural,
    v1::{
        Answer, Asked, BookkeeperAnswer, BookkeeperClusterReading, BookkeeperFoundReading,
        BookkeeperLedgersReading, BookkeeperMember, BookkeeperObservation, BookkeeperPlacement,
        BookkeeperPlacesReading, BookkeeperQuery, BookkeeperReading, BookkeeperShellReading,
        DirectoryState, Fault, FaultCode, NodeRef, Query, Spec, answer, asked, bookkeeper_answer,
        bookkeeper_cluster_reading, bookkeeper_found_reading, bookkeeper_ledgers_reading,
        bookkeeper_member, bookkeeper_places_reading, bookkeeper_query, bookkeeper_shell_reading,
        placement, query,
    },
};

use super::{draft, options};
use crate::systems::host::NodeSeen;

/// The cluster as it answered.
pub fn observation(spec: &Spec, answers: &[Asked]) -> BookkeeperObservation {
    BookkeeperObservation {
        members: members(spec, answers),
        clusters: clusters(answers),
        ledgers: ledgers(answers),
        shells: shells(answers),
        found: found(answers),
        places: places(answers),
        options: (spec.version > 0).then(|| options::of_spec(spec)),
    }
}

/// Every node that was asked for, and those of the spec that were not, in natural order.
fn members(spec: &Spec, answers: &[Asked]) -> Vec<BookkeeperMember> {
    let mut members: Vec<BookkeeperMember> = spec
        .nodes
        .iter()
        .map(|node| BookkeeperMember {
            node: node.node.clone(),
            host: node.host.clone(),
            in_spec: true,
            placement: draft::placed(node).map(|placed| placed.place),
            ..BookkeeperMember::default()
        })
        .collect();
    for asked in answers {
        let Some(bookkeeper_query::Kind::Node(query)) = question(asked) else { continue };
        let Some(node) = query.node.as_ref() else { continue };
        let (outcome, began_at_ms) = (of_node(node, asked), asked.began_at_ms);
        match members.iter_mut().find(|known| known.node == node.node) {
            Some(known) if known.host == asked.host => {
                (known.outcome, known.began_at_ms) = (outcome, began_at_ms);
            }
            // A name that the spec knows at another host: that one is the member.
            Some(_) => {}
            None => members.push(BookkeeperMember {
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

/// Where a node lived that has left: others are still asked whether they see it there.
fn buried(spec: &Spec, node: &str, host: &str) -> Option<BookkeeperPlacement> {
    let mut stones = spec.tombstones.iter();
    let stone = stones.rfind(|stone| stone.node == node && stone.host == host)?;
    let placement::System::Bookkeeper(place) = stone.placement.as_ref()?.system.as_ref()? else {
        return None;
    };
    Some(place.clone())
}

fn question(asked: &Asked) -> Option<&bookkeeper_query::Kind> {
    kind_of(asked.query.as_ref()?)
}

fn kind_of(query: &Query) -> Option<&bookkeeper_query::Kind> {
    let query::Kind::Bookkeeper(BookkeeperQuery { kind }) = query.kind.as_ref()? else {
        return None;
    };
    kind.as_ref()
}

fn answered(answer: &Answer) -> Option<&bookkeeper_answer::Kind> {
    let answer::Kind::Bookkeeper(BookkeeperAnswer { kind }) = answer.kind.as_ref()? else {
        return None;
    };
    kind.as_ref()
}

/// What was asked for, or the fault. `None`: there was no outcome.
fn outcome<T>(
    asked: &Asked,
    wanted: impl Fn(&bookkeeper_answer::Kind) -> Option<T>,
) -> Option<Result<T, Fault>> {
    Some(match asked.outcome.as_ref()? {
        asked::Outcome::Answer(answer) => {
            answered(answer).and_then(wanted).ok_or_else(|| odd(&asked.host))
        }
        asked::Outcome::Fault(fault) => Err(fault.clone()),
    })
}

fn of_node(node: &NodeRef, asked: &Asked) -> Option<bookkeeper_member::Outcome> {
    use bookkeeper_member::Outcome;
    let read = outcome(asked, |answer| {
        let bookkeeper_answer::Kind::Node(reading) = answer else { return None };
        Some(reading.clone())
    })?;
    Some(match read {
        Ok(reading) => Outcome::Reading(reading),
        Err(fault) if fault.code() == FaultCode::NotClaimed => {
            let (node, claimed) = (Some(node.clone()), Some(false));
            Outcome::Reading(BookkeeperReading { node, claimed, ..BookkeeperReading::default() })
        }
        Err(fault) => Outcome::Fault(fault),
    })
}

fn name(node: &Option<NodeRef>) -> String {
    node.as_ref().map(|node| node.node.clone()).unwrap_or_default()
}

/// As members see the cluster, in natural order of whom was asked.
fn clusters(answers: &[Asked]) -> Vec<BookkeeperClusterReading> {
    use bookkeeper_cluster_reading::Outcome;
    let mut readings = Vec::new();
    for asked in answers {
        let Some(bookkeeper_query::Kind::Cluster(query)) = question(asked) else { continue };
        let read = outcome(asked, |answer| {
            let bookkeeper_answer::Kind::Cluster(cluster) = answer else { return None };
            Some(cluster.clone())
        });
        let outcome = read.map(|read| read.map_or_else(Outcome::Fault, Outcome::Cluster));
        readings.push(BookkeeperClusterReading { node: name(&query.at), outcome });
    }
    readings.sort_by(|a, b| natural(&a.node, &b.node));
    readings
}

/// What the metadata of all ledgers say.
fn ledgers(answers: &[Asked]) -> Vec<BookkeeperLedgersReading> {
    use bookkeeper_ledgers_reading::Outcome;
    let mut readings = Vec::new();
    for asked in answers {
        let Some(bookkeeper_query::Kind::Ledgers(query)) = question(asked) else { continue };
        let read = outcome(asked, |answer| {
            let bookkeeper_answer::Kind::Ledgers(ledgers) = answer else { return None };
            Some(ledgers.clone())
        });
        let outcome = read.map(|read| read.map_or_else(Outcome::Fault, Outcome::Ledgers));
        readings.push(BookkeeperLedgersReading { node: name(&query.at), outcome });
    }
    readings.sort_by(|a, b| natural(&a.node, &b.node));
    readings
}

/// What the shell says of bookies, by whom was asked and of whom.
fn shells(answers: &[Asked]) -> Vec<BookkeeperShellReading> {
    use bookkeeper_shell_reading::Outcome;
    let mut readings = Vec::new();
    for asked in answers {
        let Some(bookkeeper_query::Kind::Shell(query)) = question(asked) else { continue };
        let read = outcome(asked, |answer| {
            let bookkeeper_answer::Kind::Shell(shell) = answer else { return None };
            (shell.bookie == query.bookie).then(|| shell.clone())
        });
        let outcome = read.map(|read| read.map_or_else(Outcome::Fault, Outcome::Shell));
        let (node, bookie) = (name(&query.at), query.bookie.clone());
        readings.push(BookkeeperShellReading { node, bookie, outcome });
    }
    readings.sort_by(|a, b| natural(&a.bookie, &b.bookie).then(natural(&a.node, &b.node)));
    readings
}

/// What clients are told of where bookies stand.
fn places(answers: &[Asked]) -> Vec<BookkeeperPlacesReading> {
    use bookkeeper_places_reading::Outcome;
    let mut readings = Vec::new();
    for asked in answers {
        let Some(bookkeeper_query::Kind::Places(query)) = question(asked) else { continue };
        let read = outcome(asked, |answer| {
            let bookkeeper_answer::Kind::Places(places) = answer else { return None };
            Some(places.clone())
        });
        let outcome = read.map(|read| read.map_or_else(Outcome::Fault, Outcome::Places));
        readings.push(BookkeeperPlacesReading { node: name(&query.at), outcome });
    }
    readings.sort_by(|a, b| natural(&a.node, &b.node));
    readings
}

/// What was found on hosts, in natural order of their names.
fn found(answers: &[Asked]) -> Vec<BookkeeperFoundReading> {
    use bookkeeper_found_reading::Outcome;
    let mut readings = Vec::new();
    for asked in answers {
        let Some(bookkeeper_query::Kind::Find(_)) = question(asked) else { continue };
        let read = outcome(asked, |answer| {
            let bookkeeper_answer::Kind::Found(found) = answer else { return None };
            Some(found.clone())
        });
        let outcome = read.map(|read| read.map_or_else(Outcome::Fault, Outcome::Found));
        readings.push(BookkeeperFoundReading { host: asked.host.clone(), outcome });
    }
    readings.sort_by(|a, b| natural(&a.host, &b.host));
    readings
}

fn odd(host: &str) -> Fault {
    Fault::new(FaultCode::Unreadable, "the answer is not one to the question: another version?")
        .at(host)
}

/// Where a node lives, and its directories.
pub fn node_seen(seen: &BookkeeperObservation, node: &str) -> NodeSeen {
    let Some(member) = seen.members.iter().find(|member| member.node == node) else {
        return NodeSeen::default();
    };
    let data_directory = match &member.outcome {
        Some(bookkeeper_member::Outcome::Reading(reading)) => reading.directories(),
        Some(bookkeeper_member::Outcome::Fault(_)) | None => DirectoryState::Unspecified,
    };
    NodeSeen { host: member.host.clone(), data_directory }
}
