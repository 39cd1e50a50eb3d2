//! The end that a plan leads to. What is not set is not predicted.

use bellows_proto::{
    names::natural,
    v1::{
        DirectoryState, MemberView, NodeRef, Observation, PostgresqlMember, PostgresqlObservation,
        PostgresqlReading, PostgresqlServer, RepmgrNode, ServiceReading, ServiceState, observation,
        postgresql_member, postgresql_reading,
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

/// Members with role, record and services; the gone ones with their tombstones.
pub(super) fn prediction(primary: &str, members: &[Placed], gone: &[Gone]) -> Observation {
    let members = in_order(members.iter());
    let registered: Vec<RepmgrNode> = members
        .iter()
        .map(|member| RepmgrNode {
            node_id: member.id(),
            name: member.node.clone(),
            active: true,
            kind: if member.node == primary { "primary" } else { "standby" }.to_owned(),
            ..RepmgrNode::default()
        })
        .collect();
    let mut predicted: Vec<PostgresqlMember> =
        members.iter().map(|member| staying(member, member.node != primary, &registered)).collect();
    predicted.extend(gone.iter().map(left));
    predicted.sort_by(|a, b| natural(&a.node, &b.node));
    let seen = PostgresqlObservation { members: predicted, ..PostgresqlObservation::default() };
    Observation { hosts: Vec::new(), system: Some(observation::System::Postgresql(seen)) }
}

/// Members that were there before, with their roles: what else is so was not for a plan to bring about.
pub(super) fn adopted(primary: &str, members: &[Placed]) -> Observation {
    let members = in_order(members.iter()).into_iter().map(|member| {
        let server = PostgresqlServer {
            in_recovery: Some(member.node != primary),
            ..PostgresqlServer::default()
        };
        let reading = PostgresqlReading {
            claimed: Some(true),
            data_directory: DirectoryState::Occupied.into(),
            server: Some(postgresql_reading::Server::Up(server)),
            ..PostgresqlReading::default()
        };
        named(&member.node, &member.host, true, reading)
    });
    let members = members.collect();
    let seen = PostgresqlObservation { members, ..PostgresqlObservation::default() };
    Observation { hosts: Vec::new(), system: Some(observation::System::Postgresql(seen)) }
}

fn staying(member: &Placed, in_recovery: bool, registered: &[RepmgrNode]) -> PostgresqlMember {
    let runs =
        Some(ServiceReading { state: ServiceState::Running.into(), ..ServiceReading::default() });
    let server = PostgresqlServer {
        in_recovery: Some(in_recovery),
        registered: registered.to_vec(),
        repmgrd_running: Some(true),
        ..PostgresqlServer::default()
    };
    let reading = PostgresqlReading {
        claimed: Some(true),
        server_service: runs,
        repmgrd_service: runs,
        server: Some(postgresql_reading::Server::Up(server)),
        ..PostgresqlReading::default()
    };
    named(&member.node, &member.host, true, reading)
}

fn left(gone: &Gone) -> PostgresqlMember {
    let reading = PostgresqlReading {
        tombstone: Some(true),
        data_directory: gone.data.into(),
        ..PostgresqlReading::default()
    };
    named(&gone.node, &gone.host, false, reading)
}

fn named(
    node: &str,
    host: &str,
    in_spec: bool,
    mut reading: PostgresqlReading,
) -> PostgresqlMember {
    reading.node = Some(NodeRef { cluster: String::new(), node: node.to_owned() });
    PostgresqlMember {
        node: node.to_owned(),
        host: host.to_owned(),
        in_spec,
        outcome: Some(postgresql_member::Outcome::Reading(reading)),
        began_at_ms: 0,
    }
}

/// For the eyes: the members as they will be.
pub(super) fn views(primary: &str, members: &[Placed]) -> Vec<MemberView> {
    in_order(members.iter())
        .into_iter()
        .map(|member| MemberView {
            detail: format!("id {}", member.id()),
            role: if member.node == primary { "primary" } else { "standby" }.to_owned(),
            node: member.node,
            host: member.host,
            state: "running".to_owned(),
            healthy: true,
        })
        .collect()
}

/// The same without a word on these, which ail and are left as they are: nor on their records.
pub(super) fn without(mut predicted: Observation, ailing: &[String]) -> Observation {
    let Some(observation::System::Postgresql(seen)) = &mut predicted.system else {
        return predicted;
    };
    if ailing.is_empty() {
        return predicted;
    }
    for member in &mut seen.members {
        let Some(postgresql_member::Outcome::Reading(reading)) = &mut member.outcome else {
            continue;
        };
        if ailing.contains(&member.node) {
            *reading = PostgresqlReading { node: reading.node.take(), ..Default::default() };
        } else if let Some(postgresql_reading::Server::Up(server)) = &mut reading.server {
            server.registered.clear();
        }
    }
    predicted
}
