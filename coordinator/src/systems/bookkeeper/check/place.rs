//! Conditions on hosts and on what lies and runs there.

use bellows_proto::v1::{
    BookkeeperDiskFree, BookkeeperHasTombstone, BookkeeperRuns, BookkeeperStaysAway,
    BookkeeperVacant, NodeRecord, ServiceState,
};

use super::{
    super::{
        guards, state,
        view::{self, View},
    },
    Judged, not_yet, refused_unless,
};
use crate::plan::{Verdict, sizes};

pub(super) fn vacant(view: View<'_>, wanted: &BookkeeperVacant) -> Judged {
    let (node, host) = (&wanted.node, &wanted.host);
    let obstacles = guards::obstacles(view.vacancy(host, node)?);
    if obstacles.is_empty() {
        return Ok(Verdict::Holds);
    }
    let texts: Vec<String> = obstacles.into_iter().map(|(_, value)| value).collect();
    Ok(Verdict::Refused(format!("no place for {node} on {host}: {}", texts.join("; "))))
}

pub(super) fn disk_free(view: View<'_>, wanted: &BookkeeperDiskFree) -> Judged {
    let facts = view
        .system_facts(&wanted.host)?
        .ok_or_else(|| format!("{} does not list bookkeeper", wanted.host))?;
    if facts.data_free_bytes >= wanted.bytes {
        return Ok(Verdict::Holds);
    }
    let (free, needed) = (sizes::text(facts.data_free_bytes), sizes::text(wanted.bytes));
    Ok(Verdict::Refused(format!("{free} free on {}, {needed} needed", wanted.host)))
}

/// Its service, and that it answers.
pub(super) fn runs(view: View<'_>, wanted: &BookkeeperRuns) -> Judged {
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
            Ok(server) if server.running => Verdict::Holds,
            Ok(_) => not_yet(format!("{node} is not ready yet")),
            Err(why) => not_yet(why),
        },
        (ServiceState::Failed, true) => Verdict::Refused(format!("{}: see its log", text())),
        (ServiceState::Absent | ServiceState::Stopped | ServiceState::Masked, true)
        | (ServiceState::Running, false) => not_yet(text()),
        (
            ServiceState::Absent
            | ServiceState::Stopped
            | ServiceState::Masked
            | ServiceState::Failed,
            false,
        ) => match answers {
            Ok(_) => not_yet(format!("{node} still answers")),
            Err(_) => Verdict::Holds,
        },
    })
}

pub(super) fn has_tombstone(view: View<'_>, wanted: &BookkeeperHasTombstone) -> Judged {
    let (node, host) = (&wanted.node, &wanted.host);
    let named = view.reading(node)?.node.as_ref();
    let of_node = |record: &NodeRecord| record.node.as_ref() == named;
    let stone = view.host(host)?.nodes.iter().any(|record| record.tombstone && of_node(record));
    Ok(if stone { Verdict::Holds } else { not_yet(format!("{host} has no tombstone for {node}")) })
}

/// It is named dead, and takes no part: registered nowhere, its host silent, or buried. Once it is no
/// member any more its tombstone is on its way to it.
pub(super) fn stays_away(view: View<'_>, wanted: &BookkeeperStaysAway) -> Judged {
    let (node, host) = (&wanted.node, &wanted.host);
    let id = view.id(node)?;
    for witness in view.witnesses()? {
        if witness.is_registered(&id) {
            let text = format!("{} sees {node}, which the plan names dead", witness.node);
            return Ok(Verdict::Refused(format!("{text}: stop it, or plan for a living one")));
        }
    }
    let (facts, reading) = (view.host(host), view.reading(node));
    if facts.is_err() && reading.is_err() {
        return Ok(Verdict::Holds);
    }
    let text = format!("{host}, which the plan names dead, answers");
    if view.in_spec().any(|member| member.node == *node) {
        return Ok(Verdict::Refused(format!("{text}: switch it off, or plan for a living host")));
    }
    let named = reading?.node.as_ref();
    let of_node = |record: &&NodeRecord| record.node.as_ref() == named;
    if facts?.nodes.iter().filter(of_node).all(|record| record.tombstone) {
        return Ok(Verdict::Holds);
    }
    Err(format!("{text}, and {node} has not got its tombstone yet"))
}

pub(super) fn state_kept(view: View<'_>, node: &str) -> Judged {
    state::kept(view, node).map(refused_unless)
}
