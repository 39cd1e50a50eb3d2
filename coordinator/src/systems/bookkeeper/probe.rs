//! Judges whether an action has had its effect, by what was seen afterwards. No exit status is
//! looked at.

use bellows_proto::v1::{
    BookkeeperAction, BookkeeperAudit, BookkeeperDecommission, BookkeeperDrain, BookkeeperReading,
    BookkeeperSaveCookie, BookkeeperSetReadOnly, BookkeeperTellPlace, DirectoryState,
    ManagedFileState, NodeRef, Observation, ServiceState, bookkeeper_action::Kind,
};

use super::{
    autorecovery,
    view::{self, View},
};
use crate::plan::Probe;

/// Judges an action.
pub fn probe(action: &BookkeeperAction, observation: &Observation) -> Probe {
    let view = View::of(observation);
    let judged = match &action.kind {
        Some(Kind::WriteConfig(action)) => write_config(view, name(&action.node)),
        Some(Kind::RemoveConfig(action)) => remove_config(view, name(&action.node)),
        Some(Kind::StartBookie(action)) => runs(view, name(&action.node)).map(done_if),
        Some(Kind::StopBookie(action)) => runs(view, name(&action.node)).map(|runs| done_if(!runs)),
        Some(Kind::SetReadOnly(action)) => set_read_only(view, action),
        Some(Kind::Audit(action)) => audit(view, action),
        Some(Kind::Drain(action)) => drain(view, action),
        Some(Kind::Decommission(action)) => decommission(view, action),
        Some(Kind::SaveCookie(action)) => save_cookie(view, action),
        Some(Kind::DeleteCookie(action)) => {
            view.cookie(&action.bookie).map(|cookie| done_if(cookie.is_none()))
        }
        Some(Kind::RestoreCookie(action)) => {
            view.cookie(&action.bookie).map(|cookie| done_if(cookie.is_some()))
        }
        Some(Kind::SetAutorecovery(action)) => {
            autorecovery::is(view).map(|is| done_if(is == action.enabled))
        }
        Some(Kind::DiscardData(action)) => discard_data(view, name(&action.node)),
        Some(Kind::TellPlace(action)) => tell_place(view, action),
        None => Err("the action is empty: written by a newer version".to_owned()),
    };
    judged.unwrap_or_else(Probe::Unknown)
}

/// Its probe needs what is slow to tell.
pub fn needs_surveys(action: &BookkeeperAction) -> bool {
    match &action.kind {
        Some(
            Kind::Drain(_)
            | Kind::Decommission(_)
            | Kind::DeleteCookie(_)
            | Kind::RestoreCookie(_)
            | Kind::TellPlace(_),
        ) => true,
        Some(
            Kind::WriteConfig(_)
            | Kind::RemoveConfig(_)
            | Kind::StartBookie(_)
            | Kind::StopBookie(_)
            | Kind::SetReadOnly(_)
            | Kind::Audit(_)
            | Kind::SaveCookie(_)
            | Kind::SetAutorecovery(_)
            | Kind::DiscardData(_),
        )
        | None => false,
    }
}

/// What it came to, or why nothing can be said.
type Judged = Result<Probe, String>;

fn name(node: &Option<NodeRef>) -> &str {
    node.as_ref().map_or("", |node| node.node.as_str())
}

fn done_if(done: bool) -> Probe {
    if done { Probe::Done } else { Probe::NotDone }
}

/// The reading of a node that the host holds a claim for; `None`: the host has no such node, so
/// nothing of it is there.
fn claimed<'a>(view: View<'a>, node: &str) -> Result<Option<&'a BookkeeperReading>, String> {
    let reading = view.reading(node)?;
    match reading.claimed {
        Some(true) => Ok(Some(reading)),
        // A tombstone's directories and services are still looked at.
        Some(false) if reading.tombstone == Some(true) => Ok(Some(reading)),
        Some(false) => Ok(None),
        None => Err(format!("the host does not say whether {node} is claimed")),
    }
}

/// Whether all files are as Bellows left them, and whether there is any.
fn files(reading: &BookkeeperReading) -> Result<(bool, bool), String> {
    let state = |wanted: ManagedFileState| move |is: ManagedFileState| is == wanted;
    let mut states = reading.files.iter().map(|file| file.state());
    if states.clone().any(state(ManagedFileState::Unspecified)) {
        return Err("bookie.conf could not be looked at".to_owned());
    }
    let all_ours = states.clone().all(state(ManagedFileState::Ours)) && states.len() > 0;
    let any = states.any(|is| is != ManagedFileState::Absent);
    Ok((all_ours, any))
}

/// Whether there is a service at all.
fn service(reading: &BookkeeperReading, node: &str) -> Result<bool, String> {
    match view::state_of(reading.service.as_ref()) {
        ServiceState::Absent => Ok(false),
        ServiceState::Running
        | ServiceState::Stopped
        | ServiceState::Failed
        | ServiceState::Masked => Ok(true),
        ServiceState::Unspecified => Err(format!("the service of {node} was not read")),
    }
}

fn write_config(view: View<'_>, node: &str) -> Judged {
    let Some(reading) = claimed(view, node)? else { return Ok(Probe::NotDone) };
    let (ours, any) = files(reading)?;
    Ok(match (ours, any, service(reading, node)?) {
        (true, _, true) => Probe::Done,
        (false, false, false) => Probe::NotDone,
        (true, _, false) => Probe::Partial(format!("{node} has its bookie.conf and no service")),
        (false, false, true) => {
            Probe::Partial(format!("{node} has its service and no bookie.conf"))
        }
        (false, true, _) => Probe::Partial(format!("bookie.conf of {node} is half written")),
    })
}

fn remove_config(view: View<'_>, node: &str) -> Judged {
    let Some(reading) = claimed(view, node)? else { return Ok(Probe::Done) };
    let (_, any) = files(reading)?;
    Ok(done_if(!any && !service(reading, node)?))
}

/// Whether its service runs. Where the host has no such node it does not.
fn runs(view: View<'_>, node: &str) -> Result<bool, String> {
    let Some(reading) = claimed(view, node)? else { return Ok(false) };
    match view::state_of(reading.service.as_ref()) {
        ServiceState::Running => Ok(true),
        ServiceState::Absent
        | ServiceState::Stopped
        | ServiceState::Failed
        | ServiceState::Masked => Ok(false),
        ServiceState::Unspecified => Err(format!("the service of {node} was not read")),
    }
}

/// One that does not run takes nothing: it need not be told.
fn set_read_only(view: View<'_>, action: &BookkeeperSetReadOnly) -> Judged {
    let node = name(&action.node);
    if !runs(view, node)? {
        return Ok(done_if(action.read_only));
    }
    Ok(done_if(view.server(node)?.read_only == action.read_only))
}

/// One that ended after the one that was known before.
fn audit(view: View<'_>, action: &BookkeeperAudit) -> Judged {
    Ok(done_if(view.reading(name(&action.at))?.audited_at_ms > action.after_ms))
}

/// By the metadata and by the shell.
fn drain(view: View<'_>, action: &BookkeeperDrain) -> Judged {
    let lost = if action.skip_lost { view.ledgers()?.lost_count } else { 0 };
    is_empty(view, &action.bookie, lost).map(done_if)
}

fn is_empty(view: View<'_>, bookie: &str, lost: u64) -> Result<bool, String> {
    if view.held(bookie)?.ledgers > lost {
        return Ok(false);
    }
    Ok(view.shells(bookie)?.into_iter().all(|shell| shell.ledgers <= lost))
}

fn decommission(view: View<'_>, action: &BookkeeperDecommission) -> Judged {
    if !is_empty(view, &action.bookie, 0)? {
        return Ok(Probe::NotDone);
    }
    Ok(done_if(view.cookie(&action.bookie)?.is_none()))
}

/// Where there is none, none is to be kept: a bookie that is to go again may never have come.
fn save_cookie(view: View<'_>, action: &BookkeeperSaveCookie) -> Judged {
    let saved = &view.reading(name(&action.at))?.saved_cookies;
    let kept = saved.iter().any(|cookie| cookie.bookie == action.bookie);
    Ok(done_if(kept || has_no_cookie(view, name(&action.node), &action.bookie)?))
}

/// Nobody sees it, and of the bookies that have a cookie and are seen nowhere none is left over for it.
fn has_no_cookie(view: View<'_>, node: &str, bookie: &str) -> Result<bool, String> {
    for witness in view.witnesses()? {
        let others = view.in_spec().filter(|member| member.node != node);
        let ids = others.filter_map(|member| view.id(&member.node).ok());
        let missing = ids.filter(|id| !witness.is_registered(id)).count();
        let unavailable = usize::try_from(witness.cluster.unavailable).unwrap_or(usize::MAX);
        if witness.is_registered(bookie) || unavailable > missing {
            return Ok(false);
        }
    }
    Ok(true)
}

fn tell_place(view: View<'_>, action: &BookkeeperTellPlace) -> Judged {
    let told = view.told(&action.bookie)?;
    Ok(done_if(match told {
        Some(told) => told.rack == action.rack && told.group == action.group,
        None => action.rack.is_empty(),
    }))
}

fn discard_data(view: View<'_>, node: &str) -> Judged {
    let Some(reading) = claimed(view, node)? else { return Ok(Probe::Done) };
    match reading.directories() {
        DirectoryState::Absent | DirectoryState::Empty => Ok(Probe::Done),
        DirectoryState::Occupied => Ok(Probe::NotDone),
        DirectoryState::Unspecified => {
            Err(format!("the directories of {node} could not be looked at"))
        }
    }
}
