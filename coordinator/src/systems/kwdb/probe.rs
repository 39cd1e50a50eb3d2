//! Judges whether an action has had its effect, by what was seen afterwards. No exit status is
//! looked at.

use bellows_proto::v1::{
    DirectoryState, KwdbAction, KwdbReading, KwdbRestartNode, KwdbSetRebalance, KwdbWriteStart,
    ManagedFileState, NodeRef, Observation, ServiceState, kwdb_action::Kind,
};

use super::{
    certificates,
    check::is_flagged,
    ids,
    view::{self, View, active},
};
use crate::plan::Probe;
use crate::systems::host::nodes;

/// Judges an action.
pub fn probe(action: &KwdbAction, observation: &Observation) -> Probe {
    let view = View::of(observation);
    let judged = match &action.kind {
        Some(Kind::WriteStart(action)) => write_start(view, action),
        Some(Kind::RemoveStart(action)) => remove_start(view, name(&action.node)),
        Some(Kind::RequestCertificates(action)) => request(view, name(&action.node)),
        Some(Kind::SignCertificates(action)) => {
            signed_at(view, name(&action.at), name(&action.node)).map(Probe::done_if)
        }
        Some(Kind::ForgetSigned(action)) => signed_at(view, name(&action.at), name(&action.node))
            .map(|signed| Probe::done_if(!signed)),
        Some(Kind::PlaceCertificates(action)) => place(view, name(&action.node)),
        Some(Kind::RemoveCertificates(action)) => remove_certificates(view, name(&action.node)),
        Some(Kind::StartNode(action)) => runs(view, name(&action.node)).map(Probe::done_if),
        Some(Kind::StopNode(action)) => {
            runs(view, name(&action.node)).map(|runs| Probe::done_if(!runs))
        }
        Some(Kind::Decommission(action)) => {
            flagged(view, name(&action.at), name(&action.node), action.node_id, true)
        }
        Some(Kind::DeployDecommission(action)) => {
            flagged(view, "", name(&action.node), action.node_id, true)
        }
        Some(Kind::Recommission(action)) => {
            flagged(view, name(&action.at), name(&action.node), action.node_id, false)
        }
        Some(Kind::SetRebalance(action)) => set_rebalance(view, action),
        Some(Kind::DiscardData(action)) => discard_data(view, name(&action.node)),
        Some(Kind::RestartNode(action)) => restart(view, action),
        None => Err("the action is empty: written by a newer version".to_owned()),
    };
    judged.unwrap_or_else(Probe::Unknown)
}

/// What it came to, or why nothing can be said.
type Judged = Result<Probe, String>;

fn name(node: &Option<NodeRef>) -> &str {
    node.as_ref().map_or("", |node| node.node.as_str())
}

/// The reading of a node that the host holds a claim for; `None`: the host has no such node, so
/// nothing of it is there.
fn claimed<'a>(view: View<'a>, node: &str) -> Result<Option<&'a KwdbReading>, String> {
    let reading = view.reading(node)?;
    let kept = nodes::is_kept(node, reading.claimed, reading.tombstone)?;
    Ok(kept.then_some(reading))
}

/// Of the files that start a node: whether all are as Bellows left them, and whether there is any.
fn files(reading: &KwdbReading) -> Result<(bool, bool), String> {
    let state = |wanted: ManagedFileState| move |is: ManagedFileState| is == wanted;
    let mut states = reading.files.iter().map(|file| file.state());
    if states.clone().any(state(ManagedFileState::Unspecified)) {
        return Err("what starts the node could not be looked at".to_owned());
    }
    let all_ours = states.clone().all(state(ManagedFileState::Ours)) && states.len() > 0;
    let any = states.any(|is| is != ManagedFileState::Absent);
    Ok((all_ours, any))
}

fn write_start(view: View<'_>, action: &KwdbWriteStart) -> Judged {
    let Some(reading) = claimed(view, name(&action.node))? else { return Ok(Probe::NotDone) };
    let (ours, any) = files(reading)?;
    Ok(match (&reading.start, any) {
        (is, _) if is == &action.start && is.is_some() && ours => Probe::Done,
        (None, false) => Probe::NotDone,
        (Some(_), _) => Probe::Partial("the node is started in another way".to_owned()),
        (None, true) => Probe::Partial("what starts the node is half written".to_owned()),
    })
}

fn remove_start(view: View<'_>, node: &str) -> Judged {
    let Some(reading) = claimed(view, node)? else { return Ok(Probe::Done) };
    let (_, any) = files(reading)?;
    Ok(Probe::done_if(!any && reading.start.is_none()))
}

fn request(view: View<'_>, node: &str) -> Judged {
    if claimed(view, node)?.is_none() {
        return Ok(Probe::NotDone);
    }
    let found = certificates::of(view, node)?;
    Ok(match (found.node_request.is_empty(), found.client_request.is_empty()) {
        (false, false) => Probe::Done,
        (true, true) => Probe::NotDone,
        (true, false) | (false, true) => {
            Probe::Partial(format!("{node} has only one of its two requests"))
        }
    })
}

/// The keys are those that lie at the node now: requests that were made anew are signed anew.
fn signed_at(view: View<'_>, at: &str, node: &str) -> Result<bool, String> {
    let Some(signed) = certificates::signed_at(&view.reading(at)?.signed, node) else {
        return Ok(false);
    };
    let key = |one: &Option<bellows_proto::v1::KwdbCertificate>| {
        one.as_ref().map(|one| one.key.clone()).unwrap_or_default()
    };
    // Nothing is there to compare with when the node's host is asked for nothing any more.
    let Ok(found) = certificates::of(view, node) else { return Ok(true) };
    let same = |signed: &[u8], is: Vec<u8>| is.is_empty() || signed.is_empty() || signed == is;
    Ok(same(&signed.node_key, key(&found.node)) && same(&signed.client_key, key(&found.client)))
}

fn place(view: View<'_>, node: &str) -> Judged {
    if claimed(view, node)?.is_none() {
        return Ok(Probe::NotDone);
    }
    let authority = certificates::authority(view, &[node.to_owned()])?;
    let found = certificates::of(view, node)?;
    let wrong = certificates::wrong(view, node, found, view.place(node)?, authority);
    let present = |one: &Option<bellows_proto::v1::KwdbCertificate>| {
        one.as_ref().is_some_and(|one| one.present)
    };
    Ok(match wrong.as_slice() {
        [] => Probe::Done,
        _ if !present(&found.node) && !present(&found.client) => Probe::NotDone,
        wrong => Probe::Partial(wrong.join("; ")),
    })
}

fn remove_certificates(view: View<'_>, node: &str) -> Judged {
    if claimed(view, node)?.is_none() {
        return Ok(Probe::Done);
    }
    Ok(Probe::done_if(certificates::are_absent(certificates::of(view, node)?)))
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

/// As everybody sees it who answers. A new one that nobody lists has no flag, and needs none.
fn flagged(view: View<'_>, at: &str, node: &str, given: u32, wanted: bool) -> Judged {
    let Some(id) = ids::id_of(view, node, given)? else {
        return match view.in_spec().any(|member| member.node == node) {
            true => Err(format!("no member lists {node}")),
            false => Ok(Probe::Done),
        };
    };
    // The cluster keeps one flag for all: whoever was asked must tell, others may be silent or dead.
    let witnesses = view.answering(&[node.to_owned()]);
    if witnesses.is_empty() || (!at.is_empty() && witnesses.iter().all(|one| one.node != at)) {
        let who = if at.is_empty() { "a member" } else { at };
        return Err(format!("no answer of {who} tells whether {node} is being decommissioned"));
    }
    for witness in witnesses {
        match is_flagged(witness.server, id) {
            Some(flag) if flag == wanted => {}
            Some(_) => return Ok(Probe::NotDone),
            None => return Err(format!("{} does not tell of node {id}", witness.node)),
        }
    }
    Ok(Probe::Done)
}

fn set_rebalance(view: View<'_>, action: &KwdbSetRebalance) -> Judged {
    match view.cluster()?.rebalance {
        Some(is) => Ok(Probe::done_if(is == action.enabled)),
        None => Err("the setting for rebalancing was not read".to_owned()),
    }
}

fn discard_data(view: View<'_>, node: &str) -> Judged {
    let Some(reading) = claimed(view, node)? else { return Ok(Probe::Done) };
    match reading.data_directory() {
        DirectoryState::Absent | DirectoryState::Empty => Ok(Probe::Done),
        DirectoryState::Occupied => Ok(Probe::NotDone),
        DirectoryState::Unspecified => {
            Err(format!("the data directory of {node} could not be looked at"))
        }
    }
}

/// Another start than the one that was there before.
fn restart(view: View<'_>, action: &KwdbRestartNode) -> Judged {
    let node = name(&action.node);
    let id = ids::must(view, node, 0)?;
    let runs = runs(view, node)?;
    let mut again = true;
    for witness in view.witnesses(&[])? {
        let Some(row) = active(witness.server, id) else { continue };
        again &= row.started_at != action.started_at && row.is_live && row.is_available;
    }
    Ok(match (runs, again) {
        (true, again) => Probe::done_if(again),
        (false, _) => Probe::Partial(format!("{node} was stopped and does not run")),
    })
}
