//! Who is a member, and whether it is well, as the members themselves see it.

use std::collections::BTreeSet;

use bellows_proto::v1::{
    KwdbAbsentEverywhere, KwdbFlagged, KwdbMembersAre, KwdbQuiet, KwdbServer, Progress,
    ServiceState,
};

use super::{
    super::{
        health, ids,
        view::{self, View, Witness, active, known},
    },
    Judged,
};
use crate::plan::Verdict;

pub(super) fn healthy(view: View<'_>, without: &[String]) -> Judged {
    let problems = health::problems(view, without)?;
    // What a dead one held is under-replicated, and goes on being served.
    let whole = match without {
        [] => super::ranges::replicated(view)?,
        _ => super::ranges::available(view)?,
    };
    if problems.is_empty() {
        return Ok(whole);
    }
    let ailing: BTreeSet<&str> = problems.iter().map(|problem| problem.node.as_str()).collect();
    let all = view.in_spec().filter(|member| !without.contains(&member.node)).count();
    let texts: Vec<String> =
        problems.iter().map(|problem| format!("{}: {}", problem.node, problem.text)).collect();
    Ok(Verdict::NotYet {
        reason: texts.join("; "),
        progress: Some(Progress {
            done: u64::try_from(all.saturating_sub(ailing.len())).unwrap_or(0),
            total: u64::try_from(all).ok(),
            unit: "members".to_owned(),
            ..Progress::default()
        }),
    })
}

/// As every one of them sees it that runs. One whose host is silent is asked for in vain, unless it may be
/// missing.
pub(super) fn members_are(view: View<'_>, wanted: &KwdbMembersAre) -> Judged {
    let mut seen = Vec::new();
    let mut silent = Vec::new();
    for node in &wanted.nodes {
        let reading = view.reading(node)?;
        match view::server(node, reading) {
            Ok(server) => seen.push(Witness { node, server }),
            // Its neighbours tell what it is; it is no witness as long as it does not answer.
            Err(why) => silent.push(why),
        }
    }
    if seen.is_empty() {
        return Err(silent.join("; "));
    }
    let mut wrong = Vec::new();
    for witness in seen {
        as_seen(view, wanted, witness, &mut wrong)?;
    }
    Ok(Verdict::unless(&wrong))
}

fn as_seen(
    view: View<'_>,
    wanted: &KwdbMembersAre,
    witness: Witness<'_>,
    wrong: &mut Vec<String>,
) -> Result<(), String> {
    let mut missing: BTreeSet<&str> = BTreeSet::new();
    let mut endpoints = Vec::new();
    for node in wanted.nodes.iter().chain(&wanted.besides) {
        let endpoint = view.endpoint(node)?;
        if !witness.server.active.iter().any(|row| row.address == endpoint) {
            missing.insert(node);
        }
        endpoints.push(endpoint);
    }
    // A row without an address is one of those that are missing, as long as there are enough of these.
    let nameless = witness.server.active.iter().filter(|row| row.address.is_empty()).count();
    if nameless > missing.len() {
        let text = format!("{} lists nodes without an address that are no members", witness.node);
        wrong.push(text);
    }
    missing.retain(|node| wanted.nodes.iter().any(|wanted| wanted == node));
    if missing.len() > nameless {
        let names: Vec<&str> = missing.into_iter().collect();
        wrong.push(format!("{} does not list {}", witness.node, names.join(", ")));
    }
    for row in &witness.server.active {
        if !row.address.is_empty() && !endpoints.contains(&row.address) {
            wrong.push(format!(
                "{} lists node {} at {}, which is no member",
                witness.node, row.id, row.address
            ));
        }
    }
    Ok(())
}

/// Every existing member sees it, with its own version.
pub(super) fn joined(view: View<'_>, node: &str) -> Judged {
    let reading = view.reading(node)?;
    if view::state_of(reading.service.as_ref()) == ServiceState::Failed {
        return Ok(Verdict::Refused(format!("the service of {node} has failed: see its log")));
    }
    let endpoint = view.endpoint(node)?;
    let mut missing = Vec::new();
    // Whoever is silent is no witness: it may be named dead.
    let witnesses = view.answering(&[node.to_owned()]);
    if witnesses.is_empty() {
        return Err(format!("no other member tells whether {node} has joined"));
    }
    for witness in witnesses {
        match seen(witness, &endpoint) {
            Seen::Well => {}
            Seen::NotYet(why) => missing.push(format!("{}: {why}", witness.node)),
            Seen::Never(why) => return Ok(Verdict::Refused(format!("{node} {why}"))),
        }
    }
    Ok(Verdict::unless(&missing))
}

enum Seen {
    Well,
    NotYet(String),
    Never(String),
}

fn seen(witness: Witness<'_>, endpoint: &str) -> Seen {
    let rows = witness.server.active.iter().filter(|row| row.address == endpoint);
    let Some(row) = rows.max_by_key(|row| row.id) else {
        return Seen::NotYet(format!("nobody at {endpoint} yet"));
    };
    if known(witness.server, row.id).and_then(|row| row.is_decommissioning) == Some(true) {
        let text = format!(
            "came up as node {}, which is being decommissioned: its data directory is an old one",
            row.id
        );
        return Seen::Never(text);
    }
    if !row.is_live || !row.is_available {
        let (available, live) = (row.is_available, row.is_live);
        return Seen::NotYet(format!("node {}: available {available}, live {live}", row.id));
    }
    let other = witness.server.active.iter().find(|one| one.id != row.id && !one.build.is_empty());
    match other {
        Some(other) if other.build != row.build => {
            Seen::Never(format!("has version {}, the others have {}", row.build, other.build))
        }
        Some(_) | None => Seen::Well,
    }
}

/// As all who answer see it.
pub(super) fn flagged(view: View<'_>, wanted: &KwdbFlagged) -> Judged {
    let besides = std::slice::from_ref(&wanted.node);
    let id = ids::id_of(view, &wanted.node, wanted.node_id)?;
    let is_new = view.in_spec().all(|member| member.node != wanted.node);
    let witnesses = match is_new {
        true => view.answering(besides),
        false => view.witnesses(besides)?,
    };
    let Some(id) = id else {
        return match is_new && !witnesses.is_empty() {
            // It never came: it has no flag, and needs none.
            true => Ok(Verdict::Holds),
            false => Err(format!("no member lists {}", wanted.node)),
        };
    };
    if witnesses.is_empty() {
        return Err(format!("no other member tells whether {} is to leave", wanted.node));
    }
    let mut others = Vec::new();
    for witness in witnesses {
        match is_flagged(witness.server, id) {
            Some(flag) if flag == wanted.decommissioning => {}
            Some(flag) => {
                let is = if flag { "is" } else { "is not" };
                others.push(format!("for {} node {id} {is} being decommissioned", witness.node));
            }
            None => return Err(format!("{} does not tell of node {id}", witness.node)),
        }
    }
    Ok(Verdict::unless(&others))
}

pub(in super::super) fn is_flagged(server: &KwdbServer, id: u32) -> Option<bool> {
    known(server, id)?.is_decommissioning
}

/// No survivor lists it; every survivor must say so.
pub(super) fn absent_everywhere(view: View<'_>, wanted: &KwdbAbsentEverywhere) -> Judged {
    let id = ids::id_of(view, &wanted.node, wanted.node_id)?;
    let endpoint = view.endpoint(&wanted.node)?;
    let mut still = Vec::new();
    for witness in view.witnesses(std::slice::from_ref(&wanted.node))? {
        let by_id = id.is_some_and(|id| active(witness.server, id).is_some());
        // Where the id is said, another one may be at its address by now.
        let by_address =
            wanted.node_id == 0 && witness.server.active.iter().any(|row| row.address == endpoint);
        if by_id || by_address {
            still.push(format!("{} still lists {}", witness.node, wanted.node));
        }
    }
    Ok(Verdict::unless(&still))
}

/// A node that left long ago keeps its flag: it counts as long as it is listed.
pub(super) fn quiet(view: View<'_>, wanted: &KwdbQuiet) -> Judged {
    let KwdbQuiet { besides, node_id } = wanted;
    let mut allowed = vec![*node_id];
    for node in besides {
        match ids::id_of(view, node, 0) {
            Ok(id) => allowed.extend(id),
            // The one whose id is said is not found in another way.
            Err(why) if *node_id == 0 => return Err(why),
            Err(_) => {}
        }
    }
    let mut busy = Vec::new();
    // Those who leave are no witnesses: they may be silent.
    for witness in view.witnesses(besides)? {
        for row in &witness.server.active {
            if is_flagged(witness.server, row.id) == Some(true) && !allowed.contains(&row.id) {
                busy.push(format!("node {} is being decommissioned", row.id));
            }
        }
    }
    for node in view.cluster()?.liveness.iter().filter(|node| node.upgrading) {
        busy.push(format!("node {} is being upgraded", node.node_id));
    }
    busy.sort();
    busy.dedup();
    Ok(match busy.as_slice() {
        [] => Verdict::Holds,
        busy => Verdict::not_yet(busy.join("; ")),
    })
}
