//! Where the end is not as predicted. Only what was predicted is compared.

use std::collections::BTreeSet;

use bellows_proto::v1::{
    DirectoryState, Observation, PostgresqlMember, PostgresqlObservation, PostgresqlReading,
    PostgresqlServer, PostgresqlService, ServiceState, postgresql_reading,
};

use super::{
    health::service_state,
    view::{self, View, reading, state_text},
};

/// One sentence per difference.
pub fn drift(predicted: &PostgresqlObservation, observation: &Observation) -> Vec<String> {
    let view = View::of(observation);
    let mut found = Vec::new();
    for member in &predicted.members {
        let Ok(expected) = reading(member) else { continue };
        match view.member(&member.node).map(|seen| (seen, reading(seen))) {
            None => found.push(format!("{} was not looked at", member.node)),
            Some((_, Err(why))) => found.push(why),
            Some((seen, Ok(read))) => compare(member, expected, seen, read, &mut found),
        }
    }
    for member in view.in_spec() {
        if !predicted.members.iter().any(|known| known.node == member.node) {
            found.push(format!("{} is a member and was not expected to be one", member.node));
        }
    }
    found
}

fn compare(
    member: &PostgresqlMember,
    expected: &PostgresqlReading,
    seen: &PostgresqlMember,
    read: &PostgresqlReading,
    found: &mut Vec<String>,
) {
    let node = &member.node;
    if member.in_spec != seen.in_spec {
        let is = if seen.in_spec { "still" } else { "not" };
        found.push(format!("{node} is {is} a member of the spec"));
    }
    if member.host != seen.host {
        found.push(format!("{node} is on {}, not on {}", seen.host, member.host));
    }
    for (what, wanted, is) in [
        ("claim", expected.claimed, read.claimed),
        ("tombstone", expected.tombstone, read.tombstone),
    ] {
        if wanted.is_some() && wanted != is {
            let has = if is == Some(true) { "a" } else { "no" };
            found.push(format!("{node} has {has} {what} on {}", seen.host));
        }
    }
    for service in [PostgresqlService::Server, PostgresqlService::Repmgrd] {
        let (wanted, is) = (service_state(expected, service), service_state(read, service));
        if wanted != ServiceState::Unspecified && wanted != is {
            let name = super::join::service_name(service);
            found.push(format!(
                "{name} of {node} is {}, not {}",
                state_text(is),
                state_text(wanted)
            ));
        }
    }
    directory(node, expected.data_directory(), read.data_directory(), found);
    if let Some(postgresql_reading::Server::Up(wanted)) = &expected.server {
        match view::server(node, read) {
            Ok(is) => servers(node, wanted, is, found),
            Err(why) => found.push(why),
        }
    }
}

fn directory(node: &str, wanted: DirectoryState, is: DirectoryState, found: &mut Vec<String>) {
    match (wanted, is) {
        (DirectoryState::Unspecified, _) => {}
        (DirectoryState::Occupied, DirectoryState::Occupied) => {}
        (
            DirectoryState::Absent | DirectoryState::Empty,
            DirectoryState::Absent | DirectoryState::Empty,
        ) => {}
        (_, DirectoryState::Occupied) => {
            found.push(format!("the data directory of {node} is still there"))
        }
        (_, DirectoryState::Absent | DirectoryState::Empty) => {
            found.push(format!("the data directory of {node} is gone"));
        }
        (_, DirectoryState::Unspecified) => {
            found.push(format!("the data directory of {node} could not be looked at"))
        }
    }
}

fn servers(node: &str, wanted: &PostgresqlServer, is: &PostgresqlServer, found: &mut Vec<String>) {
    if wanted.in_recovery.is_some() && wanted.in_recovery != is.in_recovery {
        let role = if wanted.in_recovery == Some(true) { "a standby" } else { "the primary" };
        found.push(format!("{node} is not {role}"));
    }
    if wanted.repmgrd_running.is_some() && wanted.repmgrd_running != is.repmgrd_running {
        found.push(format!("repmgrd does not run for {node}"));
    }
    if wanted.registered.is_empty() {
        return;
    }
    let records = |server: &PostgresqlServer| -> BTreeSet<(u32, String, String)> {
        server
            .registered
            .iter()
            .filter(|row| !view::is_witness(row))
            .map(|row| (row.node_id, row.name.clone(), row.kind.clone()))
            .collect()
    };
    let (wanted, is) = (records(wanted), records(is));
    for (id, name, kind) in wanted.difference(&is) {
        found.push(format!("{node} has no repmgr record of {name} with id {id} as {kind}"));
    }
    for (id, name, kind) in is.difference(&wanted) {
        found.push(format!("{node} has a repmgr record of {name} with id {id} as {kind}"));
    }
}
