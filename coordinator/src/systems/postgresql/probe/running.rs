//! Probes of services: started and enabled, stopped and disabled.

use bellows_proto::v1::{
    PostgresqlReading, PostgresqlService, ServiceReading, ServiceState, StartService, StopService,
};

use super::{
    super::{
        join,
        view::{View, server, state_text},
    },
    Judged, claimed, node,
};
use crate::plan::Probe;

/// Whether services of this node's host start at boot: elsewhere they are processes of ours.
fn at_boot(view: View<'_>, node: &str) -> Result<bool, String> {
    let host = view.member(node).map_or("", |member| member.host.as_str());
    Ok(matches!(view.host(host)?.launch_form.as_str(), "systemd" | "user"))
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

pub(super) fn start_service(view: View<'_>, action: &StartService) -> Judged {
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
        // A fresh copy replays the WAL of its backup before it lets anybody in. That it does so
        // is the effect of the start; the next step waits until it streams.
        (PostgresqlService::Server, Err(_)) if reading.control_state == "in archive recovery" => {
            Probe::Done
        }
        (PostgresqlService::Server, Err(why)) => Probe::Partial(why),
        (PostgresqlService::Server, Ok(_))
        | (PostgresqlService::Repmgrd | PostgresqlService::Unspecified, _) => Probe::Done,
    })
}

pub(super) fn stop_service(view: View<'_>, action: &StopService) -> Judged {
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
