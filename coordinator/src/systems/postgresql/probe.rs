//! Judges whether an action has had its effect, by what was seen afterwards. No exit status is
//! looked at.

mod configuration;
mod data;
mod front;
mod role;
mod running;

use bellows_proto::v1::{
    NodeRef, Observation, PostgresqlAction, PostgresqlReading, PostgresqlServer, RegisterStandby,
    UnregisterStandby, postgresql_action::Kind,
};

use super::{
    health,
    view::{View, row, server},
};
use crate::plan::Probe;
use crate::systems::host::nodes;

/// Judges an action.
pub fn probe(action: &PostgresqlAction, observation: &Observation) -> Probe {
    let view = View::of(observation);
    let judged = match &action.kind {
        Some(Kind::WriteConfiguration(action)) => configuration::write_configuration(view, action),
        Some(Kind::RemoveConfiguration(action)) => {
            configuration::remove_configuration(view, node(action.node.as_ref()))
        }
        Some(Kind::WriteHba(action)) => configuration::write_hba(view, action),
        Some(Kind::InitDatabase(action)) => data::init_database(view, node(action.node.as_ref())),
        Some(Kind::CreateRepmgrDatabase(action)) => {
            create_repmgr_database(view, node(action.node.as_ref()))
        }
        Some(Kind::RegisterPrimary(action)) => register_primary(view, node(action.node.as_ref())),
        Some(Kind::CloneStandby(action)) => data::clone_standby(view, action),
        Some(Kind::RegisterStandby(action)) => register_standby(view, action),
        Some(Kind::UnregisterStandby(action)) => unregister_standby(view, action),
        Some(Kind::CreateSlot(action)) => {
            slot_there(view, node(action.at.as_ref()), &action.slot).map(Probe::done_if)
        }
        Some(Kind::DropSlot(action)) => slot_there(view, node(action.at.as_ref()), &action.slot)
            .map(|there| Probe::done_if(!there)),
        Some(Kind::StartService(action)) => running::start_service(view, action),
        Some(Kind::StopService(action)) => running::stop_service(view, action),
        Some(Kind::DiscardData(action)) => data::discard_data(view, node(action.node.as_ref())),
        Some(Kind::PauseRepmgrd(action)) => role::pause_repmgrd(view, action),
        Some(Kind::PromoteStandby(action)) => role::promote(view, node(action.node.as_ref())),
        Some(Kind::FollowUpstream(action)) => role::follow(view, action),
        Some(Kind::DemotePrimary(action)) => role::demote(view, action),
        Some(Kind::SetFront(action)) => front::set_front(view, action),
        None => Err("the action is empty: written by a newer version".to_owned()),
    };
    judged.unwrap_or_else(Probe::Unknown)
}

/// What it came to, or why nothing can be said.
type Judged = Result<Probe, String>;

fn node(node: Option<&NodeRef>) -> &str {
    node.map_or("", |node| node.node.as_str())
}

/// The reading of a node that the host holds a claim for; `None`: the host has no such node, so
/// nothing of it is there.
fn claimed<'a>(view: View<'a>, node: &str) -> Result<Option<&'a PostgresqlReading>, String> {
    let reading = view.reading(node)?;
    let kept = nodes::is_kept(node, reading.claimed, reading.tombstone)?;
    Ok(kept.then_some(reading))
}

fn create_repmgr_database(view: View<'_>, name: &str) -> Judged {
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::NotDone) };
    let server = server(name, reading)?;
    Ok(Probe::done_if(server.objects.iter().any(|object| object == "database:repmgr")))
}

fn register_primary(view: View<'_>, name: &str) -> Judged {
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::NotDone) };
    let server = server(name, reading)?;
    Ok(match row(server, name) {
        Some(row) if row.kind == "primary" && row.active => Probe::Done,
        Some(row) => Probe::Partial(format!(
            "repmgr has a record of {name} as {}, active: {}",
            row.kind, row.active
        )),
        // An extension without a record is in nobody's way: registering goes on from there.
        None => Probe::NotDone,
    })
}

/// The primary's server, whose word on members counts.
fn primary(view: View<'_>) -> Result<&PostgresqlServer, String> {
    view.primary().map(|primary| primary.server).map_err(|why| why.text())
}

fn register_standby(view: View<'_>, action: &RegisterStandby) -> Judged {
    let name = node(action.node.as_ref());
    let server = primary(view)?;
    Ok(match row(server, name) {
        None => Probe::NotDone,
        // Its record as a primary, which is to be written over.
        Some(row) if action.force && (row.kind != "standby" || !row.active) => Probe::NotDone,
        // In its undo the standby does not run, and its record waits for it.
        Some(row) if row.active || !action.primary_address.is_empty() => {
            let text = format!(
                "the record of {name} has the upstream {}, not {}",
                row.upstream_id, action.upstream_id
            );
            if row.upstream_id == action.upstream_id { Probe::Done } else { Probe::Partial(text) }
        }
        Some(_) => Probe::Partial(format!("the record of {name} is inactive")),
    })
}

fn unregister_standby(view: View<'_>, action: &UnregisterStandby) -> Judged {
    let server = primary(view)?;
    Ok(Probe::done_if(!server.registered.iter().any(|row| row.node_id == action.node_id)))
}

fn slot_there(view: View<'_>, at: &str, slot: &str) -> Result<bool, String> {
    Ok(health::slot(view.server(at)?, slot).is_some())
}
