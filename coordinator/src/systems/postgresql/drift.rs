//! Where the end is not as predicted. Only what was predicted is compared.

use std::collections::BTreeSet;

use bellows_proto::v1::{
    Observation, PostgresqlMember, PostgresqlObservation, PostgresqlReading, PostgresqlServer,
    PostgresqlService, postgresql_reading,
};

use super::{
    health::service_state,
    view::{self, View, reading},
};
use crate::systems::host::nodes::{self, Common};

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
    nodes::records(common(member, expected), common(seen, read), found);
    for service in [PostgresqlService::Server, PostgresqlService::Repmgrd] {
        let (wanted, is) = (service_state(expected, service), service_state(read, service));
        let name = super::join::service_name(service);
        nodes::service(&format!("{name} of {node}"), wanted, is, found);
    }
    nodes::directory(node, expected.data_directory(), read.data_directory(), found);
    if let Some(postgresql_reading::Server::Up(wanted)) = &expected.server {
        match view::server(node, read) {
            Ok(is) => servers(node, wanted, is, found),
            Err(why) => found.push(why),
        }
    }
}

fn common<'a>(member: &'a PostgresqlMember, reading: &PostgresqlReading) -> Common<'a> {
    let (claimed, tombstone) = (reading.claimed, reading.tombstone);
    Common { node: &member.node, host: &member.host, in_spec: member.in_spec, claimed, tombstone }
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
