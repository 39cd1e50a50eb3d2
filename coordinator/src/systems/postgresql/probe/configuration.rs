//! Probes of what is written on a host: configuration, services, rules of access.

use bellows_proto::v1::{
    ManagedFileState, PostgresqlReading, ServiceReading, ServiceState, WriteConfiguration,
    WriteHba, postgresql_reading,
};

use super::{
    super::{
        health,
        view::{View, state_of},
    },
    Judged, claimed, node,
};
use crate::plan::Probe;

/// The files that a node's configuration is made of.
const FILES: [&str; 4] = ["postgresql.conf", "pg_hba.conf", "pg_ident.conf", "repmgr.conf"];

pub(super) fn write_configuration(view: View<'_>, action: &WriteConfiguration) -> Judged {
    let name = node(action.node.as_ref());
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::NotDone) };
    let lacks = lacking(reading);
    if lacks.len() == FILES.len() + SERVICES.len() {
        let half: Vec<&str> = health::changed_files(reading);
        // Writing is refused over these: what is half taken back is taken back first.
        return Ok(match half.is_empty() {
            true => Probe::NotDone,
            false => Probe::Partial(format!("{} of {name}: not as left", half.join(", "))),
        });
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

pub(super) fn remove_configuration(view: View<'_>, name: &str) -> Judged {
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
pub(super) fn write_hba(view: View<'_>, action: &WriteHba) -> Judged {
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
