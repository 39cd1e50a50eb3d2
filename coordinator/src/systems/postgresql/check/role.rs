//! Conditions of a change of the primary's role.

use bellows_proto::{
    defect::{Defect, is_seeded},
    v1::{CanTakeOver, ReceivedAll, RepmgrdIs, RoleMoves, ServiceState},
};

use super::{
    super::{
        lineage::SHUT_DOWN,
        view::{self, NoPrimary, Role, View, role, state_of},
    },
    Judged, records, streaming,
};
use crate::plan::Verdict;

/// Two readings: what the former primary's directory says that it wrote last, and how far the
/// standby's own server received.
pub(super) fn received_all(view: View<'_>, wanted: &ReceivedAll) -> Judged {
    if is_seeded(Defect::PromotedUnproven) {
        return Ok(Verdict::Holds);
    }
    let (node, from) = (&wanted.node, &wanted.from);
    let reading = view.reading(from)?;
    let server = view.server(node)?;
    if server.in_recovery == Some(false) {
        // It has taken over: a primary receives nothing.
        return Ok(Verdict::Holds);
    }
    if state_of(reading.server_service.as_ref()) == ServiceState::Running {
        return Ok(Verdict::not_yet(format!("the server of {from} runs still")));
    }
    if reading.control_state != SHUT_DOWN {
        return Ok(Verdict::Refused(format!(
            "{from} was not shut down in order (its directory says {:?}): what it wrote last may be \
             nowhere else",
            reading.control_state
        )));
    }
    let last = reading
        .checkpoint_lsn
        .ok_or_else(|| format!("where the WAL of {from} ends was not read"))?;
    let received = server.received_lsn.unwrap_or(0);
    // The checkpoint of the shutdown begins there: with something after it, it was received.
    if received > last {
        return Ok(Verdict::Holds);
    }
    Ok(Verdict::not_yet(format!(
        "{node} has received WAL up to {received}, {from} wrote beyond {last}"
    )))
}

/// Nobody else is primary. While there is one, its records are as they may be.
pub(super) fn moves(view: View<'_>, wanted: &RoleMoves) -> Judged {
    let primary = match view.primary() {
        Ok(primary) => primary,
        Err(NoPrimary::None) => return Ok(Verdict::Holds),
        Err(why @ NoPrimary::Several(_)) => return Ok(Verdict::Refused(why.text())),
        Err(why @ NoPrimary::Unknown(_)) => return Err(why.text()),
    };
    if !wanted.among.contains(&primary.member.node) {
        return Ok(Verdict::Refused(format!(
            "{} is primary, not {}",
            primary.member.node,
            wanted.among.join(" or ")
        )));
    }
    let unknown = view.unknown_members();
    if !unknown.is_empty() {
        return Err(unknown.join("; "));
    }
    Ok(records::records_between(primary, &wanted.at_least, &wanted.at_most))
}

pub(super) fn can_take_over(view: View<'_>, wanted: &CanTakeOver) -> Judged {
    let node = &wanted.node;
    match view.server(node)?.replay_paused {
        Some(false) => {}
        Some(true) => {
            return Ok(Verdict::Refused(format!(
                "the replay of WAL is paused at {node}: SELECT pg_wal_replay_resume() there"
            )));
        }
        None => return Err(format!("{node} does not say whether its replay is paused")),
    }
    let (node, max_lag_bytes) = (node.clone(), wanted.max_lag_bytes);
    streaming(view, &bellows_proto::v1::Streaming { node, max_lag_bytes, from: String::new() })
}

pub(super) fn repmgrd_is(view: View<'_>, wanted: &RepmgrdIs) -> Judged {
    let node = &wanted.node;
    let member = view.member(node).ok_or_else(|| format!("{node} was not asked"))?;
    let server = match role(member) {
        Role::Primary(server) | Role::Standby(server) => server,
        Role::Down(why) => return Ok(Verdict::not_yet(why)),
        Role::Unknown(why) => return Err(why),
    };
    let reading = view::reading(member)?;
    if state_of(reading.repmgrd_service.as_ref()) != ServiceState::Running {
        // One that does not run decides nothing.
        let text = format!("repmgrd of {node} does not run");
        return Ok(if wanted.paused { Verdict::Holds } else { Verdict::not_yet(text) });
    }
    match server.repmgrd_paused {
        Some(paused) if paused == wanted.paused => Ok(Verdict::Holds),
        Some(true) => Ok(Verdict::not_yet(format!("repmgrd of {node} is paused"))),
        Some(false) => Ok(Verdict::not_yet(format!("repmgrd of {node} is not paused"))),
        None => Err(format!("{node} does not say whether its repmgrd is paused")),
    }
}
