//! The end that a plan leads to. What is not set is not predicted.

use bellows_proto::{
    names::natural,
    v1::{
        BookkeeperMember, BookkeeperObservation, BookkeeperReading, BookkeeperServer,
        DirectoryState, MemberView, NodeRef, Observation, ServiceReading, ServiceState,
        bookkeeper_member, bookkeeper_reading, observation,
    },
};

use super::draft::{Placed, in_order};

/// A member that will have left.
pub(super) struct Gone {
    node: String,
    host: String,
    directories: DirectoryState,
}

/// Members that will have left; their data kept or wiped.
pub(super) fn gone(leaving: &[Placed], wiped: bool) -> Vec<Gone> {
    let directories = if wiped { DirectoryState::Empty } else { DirectoryState::Occupied };
    leaving
        .iter()
        .map(|node| Gone { node: node.node.clone(), host: node.host.clone(), directories })
        .collect()
}

/// Members that run and are writable; the gone ones with their tombstones.
pub(super) fn prediction(members: &[Placed], gone: &[Gone]) -> Observation {
    let mut predicted: Vec<BookkeeperMember> = members.iter().map(staying).collect();
    predicted.extend(gone.iter().map(left));
    predicted.sort_by(|a, b| natural(&a.node, &b.node));
    let seen = BookkeeperObservation { members: predicted, ..BookkeeperObservation::default() };
    Observation { hosts: Vec::new(), system: Some(observation::System::Bookkeeper(seen)) }
}

fn staying(member: &Placed) -> BookkeeperMember {
    let runs =
        Some(ServiceReading { state: ServiceState::Running.into(), ..ServiceReading::default() });
    let server = BookkeeperServer { running: true, ..BookkeeperServer::default() };
    let reading = BookkeeperReading {
        claimed: Some(true),
        directories: DirectoryState::Occupied.into(),
        service: runs,
        server: Some(bookkeeper_reading::Server::Up(server)),
        ..BookkeeperReading::default()
    };
    named(&member.node, &member.host, true, reading)
}

fn left(gone: &Gone) -> BookkeeperMember {
    let reading = BookkeeperReading {
        tombstone: Some(true),
        directories: gone.directories.into(),
        ..BookkeeperReading::default()
    };
    named(&gone.node, &gone.host, false, reading)
}

fn named(
    node: &str,
    host: &str,
    in_spec: bool,
    mut reading: BookkeeperReading,
) -> BookkeeperMember {
    reading.node = Some(NodeRef { cluster: String::new(), node: node.to_owned() });
    BookkeeperMember {
        node: node.to_owned(),
        host: host.to_owned(),
        in_spec,
        outcome: Some(bookkeeper_member::Outcome::Reading(reading)),
        began_at_ms: 0,
        placement: None,
    }
}

/// For the eyes: the members as they will be.
pub(super) fn views(members: &[Placed]) -> Vec<MemberView> {
    in_order(members.iter())
        .into_iter()
        .map(|member| MemberView {
            detail: format!("at {}", member.id()),
            role: "bookie".to_owned(),
            node: member.node,
            host: member.host,
            state: "writable".to_owned(),
            healthy: true,
        })
        .collect()
}
