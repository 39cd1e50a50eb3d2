//! Judges whether an action has had its effect, by what was seen afterwards. No exit status is
//! looked at.

use bellows_proto::v1::{
    CloneStandby, DirectoryState, ManagedFileState, NodeRef, Observation, PostgresqlAction,
    PostgresqlReading, PostgresqlServer, PostgresqlService, RegisterStandby, ServiceReading,
    ServiceState, StartService, StopService, UnregisterStandby, WriteConfiguration, WriteHba,
    postgresql_action::Kind, postgresql_reading,
};

use super::{
    health, join,
    view::{View, row, server, slot_name, state_of, state_text},
};
use crate::plan::Probe;

/// The files that a node's configuration is made of.
const FILES: [&str; 4] = ["postgresql.conf", "pg_hba.conf", "pg_ident.conf", "repmgr.conf"];

/// Judges an action.
pub fn probe(action: &PostgresqlAction, observation: &Observation) -> Probe {
    let view = View::of(observation);
    let judged = match &action.kind {
        Some(Kind::WriteConfiguration(action)) => write_configuration(view, action),
        Some(Kind::RemoveConfiguration(action)) => {
            remove_configuration(view, node(action.node.as_ref()))
        }
        Some(Kind::WriteHba(action)) => write_hba(view, action),
        Some(Kind::InitDatabase(action)) => init_database(view, node(action.node.as_ref())),
        Some(Kind::CreateRepmgrDatabase(action)) => {
            create_repmgr_database(view, node(action.node.as_ref()))
        }
        Some(Kind::RegisterPrimary(action)) => register_primary(view, node(action.node.as_ref())),
        Some(Kind::CloneStandby(action)) => clone_standby(view, action),
        Some(Kind::RegisterStandby(action)) => register_standby(view, action),
        Some(Kind::UnregisterStandby(action)) => unregister_standby(view, action),
        Some(Kind::CreateSlot(action)) => {
            slot_there(view, node(action.at.as_ref()), &action.slot).map(done_if)
        }
        Some(Kind::DropSlot(action)) => {
            slot_there(view, node(action.at.as_ref()), &action.slot).map(|there| done_if(!there))
        }
        Some(Kind::StartService(action)) => start_service(view, action),
        Some(Kind::StopService(action)) => stop_service(view, action),
        Some(Kind::DiscardData(action)) => discard_data(view, node(action.node.as_ref())),
        None => Err("the action is empty: written by a newer version".to_owned()),
    };
    judged.unwrap_or_else(Probe::Unknown)
}

/// What it came to, or why nothing can be said.
type Judged = Result<Probe, String>;

fn node(node: Option<&NodeRef>) -> &str {
    node.map_or("", |node| node.node.as_str())
}

fn done_if(done: bool) -> Probe {
    if done { Probe::Done } else { Probe::NotDone }
}

/// The reading of a node that the host holds a claim for; `None`: the host has no such node, so
/// nothing of it is there.
fn claimed<'a>(view: View<'a>, node: &str) -> Result<Option<&'a PostgresqlReading>, String> {
    let reading = view.reading(node)?;
    match reading.claimed {
        Some(true) => Ok(Some(reading)),
        // A tombstone's directories and services are still looked at.
        Some(false) if reading.tombstone == Some(true) => Ok(Some(reading)),
        Some(false) => Ok(None),
        None => Err(format!("the host does not say whether {node} is claimed")),
    }
}

fn write_configuration(view: View<'_>, action: &WriteConfiguration) -> Judged {
    let name = node(action.node.as_ref());
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::NotDone) };
    let lacks = lacking(reading);
    if lacks.len() == FILES.len() + SERVICES.len() {
        return Ok(Probe::NotDone);
    }
    if !lacks.is_empty() {
        return Ok(Probe::Partial(format!("{name} lacks {}", lacks.join(", "))));
    }
    let same = reading.hba == action.hba
        && reading.configured == action.server
        && reading.clone_rate_kib == Some(action.clone_rate_kib);
    Ok(if same {
        Probe::Done
    } else {
        Probe::Partial(format!("the files of {name} say something else"))
    })
}

const SERVICES: [&str; 2] = ["the server's service", "repmgrd's service"];

/// Files and services of a configuration that are not there as Bellows makes them.
fn lacking(reading: &PostgresqlReading) -> Vec<&'static str> {
    let ours = |name: &str| {
        reading.files.iter().any(|file| file.name == name && file.state() == ManagedFileState::Ours)
    };
    let mut lacks: Vec<&'static str> = FILES.into_iter().filter(|name| !ours(name)).collect();
    let services = SERVICES.into_iter().zip([&reading.server_service, &reading.repmgrd_service]);
    lacks.extend(services.filter(|(_, service)| !exists(service.as_ref())).map(|(name, _)| name));
    lacks
}

fn exists(service: Option<&ServiceReading>) -> bool {
    match state_of(service) {
        ServiceState::Stopped
        | ServiceState::Running
        | ServiceState::Failed
        | ServiceState::Masked => true,
        ServiceState::Absent | ServiceState::Unspecified => false,
    }
}

fn remove_configuration(view: View<'_>, name: &str) -> Judged {
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::Done) };
    let mut left: Vec<String> = reading
        .files
        .iter()
        .filter(|file| match file.state() {
            ManagedFileState::Ours | ManagedFileState::Changed => true,
            ManagedFileState::Absent | ManagedFileState::Unspecified => false,
        })
        .map(|file| file.name.clone())
        .collect();
    let services = SERVICES.into_iter().zip([&reading.server_service, &reading.repmgrd_service]);
    left.extend(
        services.filter(|(_, service)| exists(service.as_ref())).map(|(name, _)| name.to_owned()),
    );
    if left.is_empty() {
        return Ok(Probe::Done);
    }
    let all = left.len() == FILES.len() + SERVICES.len();
    Ok(if all {
        Probe::NotDone
    } else {
        Probe::Partial(format!("{name} still has {}", left.join(", ")))
    })
}

/// The file says it, and a server that runs has read it.
fn write_hba(view: View<'_>, action: &WriteHba) -> Judged {
    let name = node(action.node.as_ref());
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::NotDone) };
    if reading.hba != action.hba {
        return Ok(Probe::NotDone);
    }
    match &reading.server {
        Some(postgresql_reading::Server::Up(server)) if server.hba_loaded == action.hba => {
            Ok(Probe::Done)
        }
        Some(postgresql_reading::Server::Up(server)) if server.hba_errors.is_empty() => {
            Ok(Probe::Partial(format!("the server of {name} has not loaded the new rules yet")))
        }
        Some(postgresql_reading::Server::Up(server)) => Ok(Probe::Partial(format!(
            "the server of {name} refuses the rules: {}",
            server.hba_errors.join("; ")
        ))),
        Some(postgresql_reading::Server::Down(_)) | None => {
            match state_of(reading.server_service.as_ref()) {
                // It reads them when it starts.
                ServiceState::Stopped
                | ServiceState::Failed
                | ServiceState::Absent
                | ServiceState::Masked => Ok(Probe::Done),
                ServiceState::Running | ServiceState::Unspecified => Err(format!(
                    "whether the server of {name} has loaded the new rules cannot be said: it does not answer"
                )),
            }
        }
    }
}

fn init_database(view: View<'_>, name: &str) -> Judged {
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::NotDone) };
    match reading.data_directory() {
        DirectoryState::Absent | DirectoryState::Empty => Ok(Probe::NotDone),
        DirectoryState::Unspecified => {
            Err(format!("the data directory of {name} could not be looked at"))
        }
        DirectoryState::Occupied if server(name, reading).is_ok() => Ok(Probe::Done),
        DirectoryState::Occupied => {
            let whole =
                !reading.system_identifier.is_empty() && reading.control_state == "shut down";
            let text = format!(
                "the data directory of {name} is begun, its state is {:?}",
                reading.control_state
            );
            Ok(if whole { Probe::Done } else { Probe::Partial(text) })
        }
    }
}

fn create_repmgr_database(view: View<'_>, name: &str) -> Judged {
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::NotDone) };
    let server = server(name, reading)?;
    Ok(done_if(server.objects.iter().any(|object| object == "database:repmgr")))
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

fn clone_standby(view: View<'_>, action: &CloneStandby) -> Judged {
    let name = node(action.node.as_ref());
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::NotDone) };
    match reading.data_directory() {
        DirectoryState::Unspecified => {
            Err(format!("the data directory of {name} could not be looked at"))
        }
        DirectoryState::Absent | DirectoryState::Empty => {
            let primary = view.primary().map_err(|why| why.text())?;
            let slot = reading
                .placement
                .as_ref()
                .map(|place| slot_name(place.node_id))
                .unwrap_or_default();
            let left = health::slot(primary.server, &slot).is_some();
            let text = format!("the slot {slot} is there, the data are not");
            Ok(if left { Probe::Partial(text) } else { Probe::NotDone })
        }
        DirectoryState::Occupied => copied(view, action, name, reading),
    }
}

/// Whether what lies there is a whole copy of the right cluster.
fn copied(
    view: View<'_>,
    action: &CloneStandby,
    name: &str,
    reading: &PostgresqlReading,
) -> Judged {
    let wanted = if action.system_identifier.is_empty() {
        let primary = view.primary().map_err(|why| why.text())?;
        primary.server.system_identifier.clone()
    } else {
        action.system_identifier.clone()
    };
    let (identity, runs) = match server(name, reading) {
        Ok(server) if server.in_recovery == Some(false) => {
            return Ok(Probe::Partial(format!("{name} runs as a primary")));
        }
        Ok(server) => (&server.system_identifier, true),
        Err(_) => (&reading.system_identifier, false),
    };
    if *identity != wanted {
        return Ok(Probe::Partial(format!(
            "the data of {name} have the identity {identity:?}, not {wanted:?}"
        )));
    }
    let recovers =
        matches!(reading.control_state.as_str(), "in archive recovery" | "shut down in recovery");
    let whole = runs || recovers || reading.standby_configured == Some(true);
    if !whole {
        return Ok(Probe::Partial(format!("the copy of {name} is not complete")));
    }
    let copies = view.primary().ok().and_then(|primary| health::sender(primary.server, name));
    if copies.is_some_and(|sender| sender.state == "backup") {
        return Ok(Probe::Partial(format!("a base backup for {name} still runs")));
    }
    Ok(Probe::Done)
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
    Ok(done_if(!server.registered.iter().any(|row| row.node_id == action.node_id)))
}

fn slot_there(view: View<'_>, at: &str, slot: &str) -> Result<bool, String> {
    Ok(health::slot(view.server(at)?, slot).is_some())
}

/// Whether services of this node's host start at boot: elsewhere they are processes of ours.
fn at_boot(view: View<'_>, node: &str) -> Result<bool, String> {
    let host = view.member(node).map_or("", |member| member.host.as_str());
    Ok(view.host(host)?.launch_form == "systemd")
}

fn reading_of(
    reading: &PostgresqlReading,
    service: PostgresqlService,
) -> Result<ServiceReading, String> {
    let found = match service {
        PostgresqlService::Server => reading.server_service,
        PostgresqlService::Repmgrd => reading.repmgrd_service,
        PostgresqlService::Unspecified => None,
    };
    found
        .filter(|service| service.state() != ServiceState::Unspecified)
        .ok_or_else(|| format!("the state of {} was not read", join::service_name(service)))
}

fn start_service(view: View<'_>, action: &StartService) -> Judged {
    let name = node(action.node.as_ref());
    let what = join::service_name(action.service());
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::NotDone) };
    let service = reading_of(reading, action.service())?;
    if service.state() != ServiceState::Running {
        return Ok(Probe::NotDone);
    }
    if at_boot(view, name)? && !service.enabled {
        return Ok(Probe::Partial(format!("{what} of {name} runs, and would not start at boot")));
    }
    let answer = server(name, reading);
    Ok(match (action.service(), answer) {
        (PostgresqlService::Server, Err(why)) => Probe::Partial(why),
        (PostgresqlService::Server, Ok(_))
        | (PostgresqlService::Repmgrd | PostgresqlService::Unspecified, _) => Probe::Done,
    })
}

fn stop_service(view: View<'_>, action: &StopService) -> Judged {
    let name = node(action.node.as_ref());
    let what = join::service_name(action.service());
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::Done) };
    let service = reading_of(reading, action.service())?;
    match service.state() {
        ServiceState::Running => return Ok(Probe::NotDone),
        ServiceState::Absent | ServiceState::Masked => {}
        ServiceState::Stopped | ServiceState::Failed | ServiceState::Unspecified => {
            if service.enabled {
                return Ok(Probe::Partial(format!(
                    "{what} of {name} is {}, and would start at boot",
                    state_text(service.state())
                )));
            }
        }
    }
    if action.service() == PostgresqlService::Server && server(name, reading).is_ok() {
        return Ok(Probe::Partial(format!(
            "the service of {name} is stopped, yet a server answers in its place"
        )));
    }
    Ok(Probe::Done)
}

fn discard_data(view: View<'_>, name: &str) -> Judged {
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::Done) };
    match reading.data_directory() {
        DirectoryState::Absent | DirectoryState::Empty => Ok(Probe::Done),
        DirectoryState::Occupied => Ok(Probe::NotDone),
        DirectoryState::Unspecified => {
            Err(format!("the data directory of {name} could not be looked at"))
        }
    }
}
