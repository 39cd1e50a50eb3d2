//! Probes of data directories: made, copied, emptied.

use bellows_proto::v1::{CloneStandby, DirectoryState, PostgresqlReading};

use super::{
    super::{
        health,
        view::{View, server, slot_name},
    },
    Judged, claimed, node,
};
use crate::plan::Probe;

pub(super) fn init_database(view: View<'_>, name: &str) -> Judged {
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

pub(super) fn clone_standby(view: View<'_>, action: &CloneStandby) -> Judged {
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
    // The agent gives the copy's connections a name of their own.
    let clients = [name.to_owned(), format!("bellows-clone-{name}")];
    let copies = view.primary().is_ok_and(|primary| {
        let mut senders =
            clients.iter().filter_map(|client| health::sender(primary.server, client));
        senders.any(|sender| sender.state == "backup")
    });
    if copies {
        return Ok(Probe::Partial(format!("a base backup for {name} still runs")));
    }
    Ok(Probe::Done)
}

pub(super) fn discard_data(view: View<'_>, name: &str) -> Judged {
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::Done) };
    match reading.data_directory() {
        DirectoryState::Absent | DirectoryState::Empty => Ok(Probe::Done),
        DirectoryState::Occupied => Ok(Probe::NotDone),
        DirectoryState::Unspecified => {
            Err(format!("the data directory of {name} could not be looked at"))
        }
    }
}
