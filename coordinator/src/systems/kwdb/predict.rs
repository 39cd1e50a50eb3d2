//! The end that a plan leads to. What is not set is not predicted.

use bellows_proto::{
    names::natural,
    v1::{
        DirectoryState, KwdbMember, KwdbObservation, KwdbReading, KwdbServer, KwdbStatus,
        MemberView, NodeRef, Observation, ServiceReading, ServiceState, kwdb_member, kwdb_reading,
        observation,
    },
};

use super::draft::{Placed, in_order};

/// A member that will have left.
pub(super) struct Gone {
    node: String,
    host: String,
    data: DirectoryState,
}

/// Members that will have left; their data kept or wiped.
pub(super) fn gone(leaving: &[Placed], wiped: bool) -> Vec<Gone> {
    let data = if wiped { DirectoryState::Absent } else { DirectoryState::Occupied };
    leaving
        .iter()
        .map(|node| Gone { node: node.node.clone(), host: node.host.clone(), data })
        .collect()
}

/// Members that run and list each other; the gone ones with their tombstones.
pub(super) fn prediction(members: &[Placed], gone: &[Gone]) -> Observation {
    let members = in_order(members.iter());
    let active: Vec<KwdbStatus> = members
        .iter()
        .map(|member| KwdbStatus {
            address: member.endpoint(),
            is_available: true,
            is_live: true,
            ..KwdbStatus::default()
        })
        .collect();
    let mut predicted: Vec<KwdbMember> =
        members.iter().map(|member| staying(member, &active)).collect();
    predicted.extend(gone.iter().map(left));
    predicted.sort_by(|a, b| natural(&a.node, &b.node));
    let seen = KwdbObservation { members: predicted, ..KwdbObservation::default() };
    Observation { hosts: Vec::new(), system: Some(observation::System::Kwdb(seen)) }
}

/// Members that were there before: that they are recorded and list each other.
pub(super) fn adopted(members: &[Placed]) -> Observation {
    prediction(members, &[])
}

fn staying(member: &Placed, active: &[KwdbStatus]) -> KwdbMember {
    let runs =
        Some(ServiceReading { state: ServiceState::Running.into(), ..ServiceReading::default() });
    let server = KwdbServer { active: active.to_vec(), ..KwdbServer::default() };
    let reading = KwdbReading {
        claimed: Some(true),
        data_directory: DirectoryState::Occupied.into(),
        service: runs,
        server: Some(kwdb_reading::Server::Up(server)),
        ..KwdbReading::default()
    };
    named(&member.node, &member.host, true, reading)
}

fn left(gone: &Gone) -> KwdbMember {
    let reading = KwdbReading {
        tombstone: Some(true),
        data_directory: gone.data.into(),
        ..KwdbReading::default()
    };
    named(&gone.node, &gone.host, false, reading)
}

fn named(node: &str, host: &str, in_spec: bool, mut reading: KwdbReading) -> KwdbMember {
    reading.node = Some(NodeRef { cluster: String::new(), node: node.to_owned() });
    KwdbMember {
        node: node.to_owned(),
        host: host.to_owned(),
        in_spec,
        outcome: Some(kwdb_member::Outcome::Reading(reading)),
        began_at_ms: 0,
        placement: None,
    }
}

/// For the eyes: the members as they will be.
pub(super) fn views(members: &[Placed]) -> Vec<MemberView> {
    in_order(members.iter())
        .into_iter()
        .map(|member| MemberView {
            detail: format!("at {}", member.endpoint()),
            role: "node".to_owned(),
            node: member.node,
            host: member.host,
            state: "live".to_owned(),
            healthy: true,
        })
        .collect()
}
