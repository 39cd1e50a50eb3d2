//! Probes of the steps by which the primary's role moves.

use bellows_proto::v1::{DemotePrimary, FollowUpstream, PauseRepmgrd, StandbyOf};

use super::{
    super::{
        health,
        view::{View, row, server},
    },
    Judged, claimed, node, primary,
};
use crate::plan::Probe;

pub(super) fn pause_repmgrd(view: View<'_>, action: &PauseRepmgrd) -> Judged {
    let name = node(action.node.as_ref());
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::NotDone) };
    let server = server(name, reading)?;
    let paused = server.repmgrd_paused;
    let paused =
        paused.ok_or_else(|| format!("{name} does not say whether its repmgrd is paused"))?;
    // The mark outlives the process: one that ended decides nothing.
    let decides = action.paused || server.repmgrd_running == Some(true);
    Ok(Probe::done_if(paused == action.paused && decides))
}

/// It takes writes, and repmgr has it as the primary.
pub(super) fn promote(view: View<'_>, name: &str) -> Judged {
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::NotDone) };
    let server = server(name, reading)?;
    match server.in_recovery {
        Some(true) => Ok(Probe::NotDone),
        Some(false) => Ok(match row(server, name) {
            Some(row) if row.kind == "primary" && row.active => Probe::Done,
            Some(_) | None => Probe::Partial(format!(
                "{name} takes writes, and its repmgr record does not say primary yet"
            )),
        }),
        None => Err(format!("the server of {name} does not say whether it recovers")),
    }
}

/// Two readings: repmgr's record of it, and the upstream's own WAL sender.
pub(super) fn follow(view: View<'_>, action: &FollowUpstream) -> Judged {
    let name = node(action.node.as_ref());
    let server = primary(view)?;
    let recorded = row(server, name).is_some_and(|row| row.upstream_id == action.upstream_id);
    let above = server.registered.iter().find(|row| row.node_id == action.upstream_id);
    let above = above.ok_or_else(|| format!("no member has the id {}", action.upstream_id))?;
    let connected = health::sender(view.server(&above.name)?, name).is_some();
    Ok(match (recorded, connected) {
        (true, true) => Probe::Done,
        (false, false) => Probe::NotDone,
        (true, false) => {
            Probe::Partial(format!("{name} is recorded below {}, and not connected", above.name))
        }
        (false, true) => {
            Probe::Partial(format!("{name} is connected to {}, and not recorded so", above.name))
        }
    })
}

/// It will start as a standby, and of this primary.
pub(super) fn demote(view: View<'_>, action: &DemotePrimary) -> Judged {
    let name = node(action.node.as_ref());
    let Some(reading) = claimed(view, name)? else { return Ok(Probe::NotDone) };
    let standby = reading.standby_configured;
    let standby =
        standby.ok_or_else(|| format!("whether {name} starts as a standby was not read"))?;
    // What cannot be read of it shows when it starts.
    let led = reading.standby_of.as_ref().is_none_or(|of| leads_to(of, action));
    Ok(Probe::done_if(standby && led))
}

fn leads_to(of: &StandbyOf, action: &DemotePrimary) -> bool {
    let DemotePrimary { primary_address, primary_port, slot, .. } = action;
    of.address == *primary_address && of.port == *primary_port && of.slot == *slot
}
