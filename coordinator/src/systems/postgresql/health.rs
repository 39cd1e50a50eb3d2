//! What is wrong with the members, by name. One judgment for status, guards and conditions.

use std::collections::BTreeSet;

use bellows_proto::v1::{
    ManagedFileState, PostgresqlMember, PostgresqlReading, PostgresqlServer, PostgresqlService,
    ReplicationSlot, ServiceState, Spec, WalSender,
};

use super::options;
use super::view::{self, Primary, Role, View, role, row, slot_name, state_of, state_text};

/// Something that is not as it should be at one member.
pub(super) struct Problem {
    pub(super) node: String,
    pub(super) host: String,
    pub(super) text: String,
}

/// What is known to be wrong with the members of the spec. What is not known is in
/// [`View::unknown_members`].
pub(super) fn problems(view: View<'_>) -> Vec<Problem> {
    problems_under(view, view.primary().ok())
}

/// The same, by the word of this primary.
pub(super) fn problems_under(view: View<'_>, primary: Option<Primary<'_>>) -> Vec<Problem> {
    let names: BTreeSet<&str> = view.in_spec().map(|member| member.node.as_str()).collect();
    let mut problems = Vec::new();
    for member in view.in_spec() {
        let mut texts = Vec::new();
        match role(member) {
            Role::Unknown(_) => continue,
            Role::Down(why) => texts.push(why),
            Role::Primary(server) => records(&names, server, &mut texts),
            Role::Standby(server) => {
                // What the primary says wrongly, its standbys repeat: it is told once.
                if primary.is_none_or(|primary| primary.server.registered != server.registered) {
                    records(&names, server, &mut texts);
                }
                if let Some(primary) = primary {
                    follows(view, primary, member, &mut texts);
                }
            }
        }
        if let Ok(reading) = view::reading(member) {
            services(member, reading, &mut texts);
        }
        if let Some(primary) = primary {
            texts.extend(record(primary, member));
        }
        problems.extend(texts.into_iter().map(|text| Problem {
            node: member.node.clone(),
            host: member.host.clone(),
            text,
        }));
    }
    problems
}

/// Its services, as the host sees them, and repmgrd as its server sees it.
fn services(member: &PostgresqlMember, reading: &PostgresqlReading, texts: &mut Vec<String>) {
    let server = state_of(reading.server_service.as_ref());
    if server != ServiceState::Running {
        texts.push(format!("the service of the server is {}", state_text(server)));
    }
    let repmgrd = state_of(reading.repmgrd_service.as_ref());
    if repmgrd != ServiceState::Running {
        texts.push(format!("no failover: repmgrd is {}", state_text(repmgrd)));
        return;
    }
    let Ok(server) = view::server(&member.node, reading) else { return };
    match (server.repmgrd_running, server.repmgrd_paused) {
        (Some(true), Some(true)) => texts.push("no failover: repmgrd is paused".to_owned()),
        (Some(true), Some(false) | None) => {}
        (Some(false) | None, _) => {
            texts.push("no failover: repmgrd does not report to its server".to_owned());
        }
    }
}

/// Whether a member names the members of the spec, all and only them.
fn records(names: &BTreeSet<&str>, server: &PostgresqlServer, texts: &mut Vec<String>) {
    let rows = server.registered.iter().filter(|row| !view::is_witness(row));
    let registered: BTreeSet<&str> = rows.map(|row| row.name.as_str()).collect();
    for stranger in registered.difference(names) {
        texts.push(format!("repmgr has a record of {stranger}, which is no member of the spec"));
    }
    for missing in names.difference(&registered) {
        texts.push(format!("repmgr has no record of {missing}"));
    }
}

/// Its record at the primary says what it is.
fn record(primary: Primary<'_>, member: &PostgresqlMember) -> Option<String> {
    let row = row(primary.server, &member.node)?;
    let kind = if member.node == primary.member.node { "primary" } else { "standby" };
    if !row.active {
        Some("its repmgr record is inactive".to_owned())
    } else if row.kind != kind {
        Some(format!("its repmgr record says {}, it is {kind}", row.kind))
    } else {
        None
    }
}

fn follows(
    view: View<'_>,
    primary: Primary<'_>,
    member: &PostgresqlMember,
    texts: &mut Vec<String>,
) {
    let (upstream, server) = upstream(view, primary, &member.node);
    match sender(server, &member.node) {
        Some(sender) if sender.state == "streaming" => {}
        Some(sender) => {
            texts.push(format!("it does not stream from {upstream} yet: {}", sender.state))
        }
        None => texts.push(format!("it is not connected to {upstream}")),
    }
    if let Some(slot) = slot_of(server, &member.node, primary)
        && slot.wal_status == "lost"
    {
        texts.push(format!(
            "its slot {} at {upstream} has lost WAL: it must be cloned again",
            slot.name
        ));
    }
}

/// The member that a standby is to stream from, by its record; the primary where that is not known.
pub(super) fn upstream<'a>(
    view: View<'a>,
    primary: Primary<'a>,
    node: &str,
) -> (&'a str, &'a PostgresqlServer) {
    let above = row(primary.server, node)
        .and_then(|record| {
            primary.server.registered.iter().find(|above| above.node_id == record.upstream_id)
        })
        .and_then(|above| {
            view.server(&above.name).ok().map(|server| (above.name.as_str(), server))
        });
    above.unwrap_or((primary.member.node.as_str(), primary.server))
}

/// The WAL sender that serves a node.
pub(super) fn sender<'a>(server: &'a PostgresqlServer, node: &str) -> Option<&'a WalSender> {
    server.senders.iter().find(|sender| sender.application_name == node)
}

/// A slot by its name.
pub(super) fn slot<'a>(server: &'a PostgresqlServer, name: &str) -> Option<&'a ReplicationSlot> {
    server.slots.iter().find(|slot| slot.name == name)
}

/// The name of a node's slot: by its record at the primary, else as repmgr would name it.
pub(super) fn recorded_slot(primary: Primary<'_>, node: &str, node_id: u32) -> String {
    match row(primary.server, node) {
        Some(record) if !record.slot.is_empty() => record.slot.clone(),
        Some(_) | None => slot_name(node_id),
    }
}

fn slot_of<'a>(
    server: &'a PostgresqlServer,
    node: &str,
    primary: Primary<'_>,
) -> Option<&'a ReplicationSlot> {
    let record = row(primary.server, node)?;
    slot(
        server,
        &if record.slot.is_empty() { slot_name(record.node_id) } else { record.slot.clone() },
    )
}

/// Physical slots at the primary that nobody reads and that are no member's, nor of those others who were
/// known when the cluster was adopted.
pub(super) fn leftover_slots<'a>(spec: &Spec, primary: Primary<'a>) -> Vec<&'a ReplicationSlot> {
    let foreign = options::of_spec(spec).foreign_slots;
    let owned = |slot: &&ReplicationSlot| {
        primary
            .server
            .registered
            .iter()
            .any(|row| row.slot == slot.name || slot_name(row.node_id) == slot.name)
    };
    primary
        .server
        .slots
        .iter()
        .filter(|slot| !slot.active && slot.kind == "physical" && !owned(slot))
        .filter(|slot| !foreign.contains(&slot.name))
        .collect()
}

/// Managed files that somebody else changed.
pub(super) fn changed_files(reading: &PostgresqlReading) -> Vec<&str> {
    let changed = reading.files.iter().filter(|file| file.state() == ManagedFileState::Changed);
    changed.map(|file| file.name.as_str()).collect()
}

/// The reading of one of a node's services.
pub(super) fn service_state(
    reading: &PostgresqlReading,
    service: PostgresqlService,
) -> ServiceState {
    match service {
        PostgresqlService::Server => state_of(reading.server_service.as_ref()),
        PostgresqlService::Repmgrd => state_of(reading.repmgrd_service.as_ref()),
        PostgresqlService::Unspecified => ServiceState::Unspecified,
    }
}
