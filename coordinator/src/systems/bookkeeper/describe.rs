//! For the eyes: one row per member, and every problem in a sentence.

use bellows_proto::v1::{BookkeeperMember, MemberView, Observation, Spec};

use super::{
    autorecovery, health, metadata,
    view::{self, View},
};
use crate::plan::{Description, sizes};

/// Members of the spec, and what is wrong with them.
pub fn describe(spec: &Spec, observation: &Observation) -> Description {
    let view = View::of(observation);
    let mut problems = Vec::new();
    let mut members = Vec::new();
    for member in view.in_spec() {
        let own = match health::of_one(view, member) {
            Ok(texts) => texts.into_iter().map(|text| format!("{}: {text}", member.node)).collect(),
            Err(why) => vec![why],
        };
        members.push(row_of(view, member, own.is_empty()));
        for problem in own {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    if spec.version > 0 && !spec.nodes.is_empty() {
        problems.extend(of_cluster(view));
    }
    problems.extend(changed(view));
    Description { members, problems, ..Description::default() }
}

fn of_cluster(view: View<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let witnesses = match view.witnesses() {
        Ok(witnesses) => witnesses,
        // Each member's own row says why.
        Err(why) => return vec![why],
    };
    match autorecovery::is(view) {
        Ok(true) => problems.extend(autorecovery::auditor(view).err()),
        Ok(false) => problems.push("autorecovery is off: no lost copy is made anew".to_owned()),
        Err(why) => problems.push(why),
    }
    let lacking = witnesses.iter().map(|witness| witness.cluster.underreplicated_count).max();
    if let Some(lacking) = lacking.filter(|lacking| *lacking > 0) {
        let lack = if lacking == 1 { "lacks" } else { "lack" };
        problems.push(format!("{} {lack} a copy", sizes::many(lacking, "ledger")));
    }
    if let Ok(Err(slow)) = autorecovery::metadata_fast(view) {
        problems.push(slow);
    }
    let ids: Vec<String> =
        view.in_spec().filter_map(|member| Some(view::id(member.placement.as_ref()?))).collect();
    for id in view.registered().unwrap_or_default() {
        if !ids.iter().any(|known| known == id) {
            problems.push(format!("{id} is registered, and is no member here"));
        }
    }
    problems.extend(health::missing(view, &[]).unwrap_or_default());
    let nodes: Vec<&str> = view
        .in_spec()
        .filter(|member| view::reading(member).is_ok())
        .map(|member| member.node.as_str())
        .collect();
    if let Ok(Err(difference)) = metadata::one_cluster(view, &nodes) {
        problems.push(difference);
    }
    problems
}

fn changed(view: View<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for member in view.in_spec() {
        let files = view::reading(member).map(health::changed_files).unwrap_or_default();
        let text = |file: &&str| format!("{}: {file} was changed by somebody else", member.node);
        texts.extend(files.iter().map(text));
    }
    texts
}

fn row_of(view: View<'_>, member: &BookkeeperMember, healthy: bool) -> MemberView {
    let (state, detail) = state(view, member);
    let place = member.placement.as_ref();
    let adopted = if place.is_some_and(|place| place.adopted) { ", adopted" } else { "" };
    MemberView {
        node: member.node.clone(),
        host: member.host.clone(),
        role: "bookie".to_owned(),
        state: state.to_owned(),
        detail: format!("{detail}{adopted}"),
        healthy,
    }
}

/// In the eyes of those who were asked; where it does not answer, it is down.
fn state(view: View<'_>, member: &BookkeeperMember) -> (&'static str, String) {
    let reading = match view::reading(member) {
        Ok(reading) => reading,
        Err(why) => return ("unknown", why),
    };
    let id = view.id(&member.node).unwrap_or_default();
    let mut parts = vec![id.clone()];
    if !reading.version.is_empty() {
        parts.push(reading.version.clone());
    }
    let Ok(server) = view::server(&member.node, reading) else {
        return ("down", parts.join(", "));
    };
    if server.total_bytes > 0 {
        let (free, total) = (sizes::text(server.free_bytes), sizes::text(server.total_bytes));
        parts.push(format!("{free} of {total} free"));
    }
    let witnesses = view.witnesses().unwrap_or_default();
    if witnesses.iter().any(|witness| witness.cluster.auditor == id) {
        parts.push("auditor".to_owned());
    }
    let state = if witnesses.is_empty() {
        "unknown"
    } else if witnesses.iter().any(|witness| !witness.is_registered(&id)) {
        "not registered"
    } else if witnesses.iter().any(|witness| witness.is_read_only(&id)) {
        "read-only"
    } else {
        "writable"
    };
    (state, parts.join(", "))
}
