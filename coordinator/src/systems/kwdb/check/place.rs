//! Conditions on hosts and on what lies there.

use bellows_proto::v1::{
    DirectoryState, KwdbDiskFree, KwdbRuns, KwdbStartMode, KwdbVacant, ServiceState,
};

use super::{
    super::{
        certificates, guards, kinds, sizes, versions,
        view::{self, View},
    },
    Judged,
};
use crate::plan::Verdict;

pub(super) fn vacant(view: View<'_>, wanted: &KwdbVacant) -> Judged {
    let obstacles = guards::obstacles(view.vacancy(&wanted.host, &wanted.node)?);
    if obstacles.is_empty() {
        return Ok(Verdict::Holds);
    }
    let texts: Vec<String> = obstacles.into_iter().map(|(_, value)| value).collect();
    let (node, host, texts) = (&wanted.node, &wanted.host, texts.join("; "));
    Ok(Verdict::Refused(format!("no place for {node} on {host}: {texts}")))
}

pub(super) fn disk_free(view: View<'_>, wanted: &KwdbDiskFree) -> Judged {
    let facts = view
        .system_facts(&wanted.host)?
        .ok_or_else(|| format!("{} does not list kwdb", wanted.host))?;
    if facts.data_free_bytes >= wanted.bytes {
        return Ok(Verdict::Holds);
    }
    let (free, needed) = (sizes::text(facts.data_free_bytes), sizes::text(wanted.bytes));
    Ok(Verdict::Refused(format!("{free} free on {}, {needed} needed", wanted.host)))
}

pub(super) fn versions_match(view: View<'_>, hosts: &[String]) -> Judged {
    match versions::one_version(view, hosts)? {
        Ok(_) => Ok(Verdict::Holds),
        Err(difference) => Ok(Verdict::Refused(difference)),
    }
}

pub(super) fn requested(view: View<'_>, node: &str) -> Judged {
    let found = certificates::of(view, node)?;
    let mut missing = Vec::new();
    for (request, what) in [(&found.node_request, "node"), (&found.client_request, "client")] {
        if request.is_empty() {
            missing.push(format!("{node} has no request for its {what} certificate"));
        }
    }
    Ok(Verdict::unless(&missing))
}

pub(super) fn certified(view: View<'_>, node: &str) -> Judged {
    let authority = certificates::authority(view, &[node.to_owned()])?;
    let wrong = certificates::wrong(
        view,
        node,
        certificates::of(view, node)?,
        view.place(node)?,
        authority,
    );
    Ok(match wrong.as_slice() {
        [] => Verdict::Holds,
        wrong => Verdict::not_yet(format!("certificates of {node}: {}", wrong.join("; "))),
    })
}

pub(super) fn can_sign(view: View<'_>, node: &str) -> Judged {
    if certificates::of(view, node)?.has_authority_key {
        return Ok(Verdict::Holds);
    }
    Ok(Verdict::Refused(format!("the host of {node} has no ca.key")))
}

/// Its service, and that it answers.
pub(super) fn runs(view: View<'_>, wanted: &KwdbRuns) -> Judged {
    let node = &wanted.node;
    let reading = view.reading(node)?;
    let state = view::state_of(reading.service.as_ref());
    let answers = view::server(node, reading);
    let text = || format!("the service of {node} is {}", view::state_text(state));
    Ok(match (state, wanted.runs) {
        (ServiceState::Unspecified, _) => {
            return Err(format!("the service of {node} was not read"));
        }
        (ServiceState::Running, true) => match answers {
            Ok(_) => Verdict::Holds,
            Err(why) => Verdict::not_yet(why),
        },
        (ServiceState::Failed, true) => Verdict::Refused(format!("{}: see its log", text())),
        (ServiceState::Absent | ServiceState::Stopped | ServiceState::Masked, true)
        | (ServiceState::Running, false) => Verdict::not_yet(text()),
        (
            ServiceState::Absent
            | ServiceState::Stopped
            | ServiceState::Masked
            | ServiceState::Failed,
            false,
        ) => match answers {
            Ok(_) => Verdict::not_yet(format!("{node} still answers")),
            Err(_) => Verdict::Holds,
        },
    })
}

/// Start mode and security are as the spec has them.
pub(super) fn same_kind(view: View<'_>) -> Judged {
    let options = view.options.ok_or_else(|| "there is no cluster yet".to_owned())?;
    for witness in view.witnesses(&[])? {
        for row in witness.server.active.iter().filter(|row| !row.start_mode.is_empty()) {
            let mode = kinds::mode(&row.start_mode);
            if mode != options.start_mode() {
                return Ok(Verdict::Refused(format!(
                    "node {} was started as {:?}, the cluster is one of {:?}",
                    row.id,
                    row.start_mode,
                    kinds::mode_text(options.start_mode())
                )));
            }
        }
    }
    for member in view.in_spec() {
        let store = view::reading(member)?.store_mode();
        if store != KwdbStartMode::Unspecified && store != options.start_mode() {
            let text = format!("the store of {} is of another start mode", member.node);
            return Ok(Verdict::Refused(text));
        }
    }
    Ok(Verdict::Holds)
}

pub(super) fn emptied(view: View<'_>, node: &str) -> Judged {
    let reading = view.reading(node)?;
    let state = view::state_of(reading.service.as_ref());
    match state {
        ServiceState::Unspecified => return Err(format!("the service of {node} was not read")),
        ServiceState::Running => return Ok(Verdict::not_yet(format!("{node} runs"))),
        ServiceState::Absent
        | ServiceState::Stopped
        | ServiceState::Failed
        | ServiceState::Masked => {}
    }
    match reading.data_directory() {
        DirectoryState::Absent | DirectoryState::Empty => Ok(Verdict::Holds),
        DirectoryState::Occupied => {
            Ok(Verdict::not_yet(format!("the data directory of {node} is not empty")))
        }
        DirectoryState::Unspecified => {
            Err(format!("the data directory of {node} could not be looked at"))
        }
    }
}
