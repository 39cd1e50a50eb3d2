//! For the eyes: one row per member, and every problem in a sentence.

use bellows_proto::v1::{KwdbMember, KwdbReading, KwdbStatus, MemberView, Observation, Spec};

use super::{
    check, health, ids, sizes,
    view::{self, View, endpoint, known},
};
use crate::plan::Description;

/// Members of the spec, and what is wrong with them.
pub fn describe(spec: &Spec, observation: &Observation) -> Description {
    let view = View::of(observation);
    let mut problems = Vec::new();
    let mut members = Vec::new();
    for member in view.in_spec() {
        let own = match view::reading(member) {
            Ok(_) => problems_of(view, member),
            Err(why) => vec![why],
        };
        members.push(row_of(view, member, own.is_empty()));
        problems.extend(own);
    }
    if spec.version > 0 && !spec.nodes.is_empty() {
        problems.extend(of_cluster(view));
    }
    problems.extend(changed(view));
    Description { members, problems, ..Description::default() }
}

fn problems_of(view: View<'_>, member: &KwdbMember) -> Vec<String> {
    match health::problems_of(view, member) {
        Ok(texts) => texts.into_iter().map(|text| format!("{}: {text}", member.node)).collect(),
        Err(why) => vec![why],
    }
}

fn of_cluster(view: View<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    match view.cluster() {
        Ok(cluster) => match check::broken(cluster) {
            Ok((unavailable, under)) => {
                if unavailable > 0 {
                    problems.push(format!("{} unavailable", sizes::many(unavailable, "range")));
                }
                if under > 0 {
                    problems.push(format!("{} under-replicated", sizes::many(under, "range")));
                }
            }
            Err(why) => problems.push(why),
        },
        Err(why) => problems.push(why),
    }
    let endpoints: Vec<String> =
        view.in_spec().filter_map(|member| Some(endpoint(member.placement.as_ref()?))).collect();
    for witness in view.answering(&[]) {
        for row in &witness.server.active {
            if !row.address.is_empty() && !endpoints.contains(&row.address) {
                let text =
                    format!("the cluster lists node {} at {}, no member here", row.id, row.address);
                if !problems.contains(&text) {
                    problems.push(text);
                }
            }
        }
    }
    problems
}

fn changed(view: View<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for member in view.in_spec() {
        let files = view::reading(member).map(health::changed_files).unwrap_or_default();
        texts.extend(
            files
                .iter()
                .map(|file| format!("{}: {file} was changed by somebody else", member.node)),
        );
    }
    texts
}

fn row_of(view: View<'_>, member: &KwdbMember, healthy: bool) -> MemberView {
    let (state, detail) = match view::reading(member) {
        Ok(reading) => state(view, member, reading),
        Err(why) => ("unknown", why),
    };
    let place = member.placement.as_ref();
    let adopted = if place.is_some_and(|place| place.adopted) { ", adopted" } else { "" };
    MemberView {
        node: member.node.clone(),
        host: member.host.clone(),
        role: "node".to_owned(),
        state: state.to_owned(),
        detail: format!("{detail}{adopted}"),
        healthy,
    }
}

/// In the eyes of those who answer; where nobody does, of its host.
fn state(view: View<'_>, member: &KwdbMember, reading: &KwdbReading) -> (&'static str, String) {
    let id = ids::id_of(view, &member.node, 0);
    let Ok(Some(id)) = id else {
        let detail = match id {
            Ok(_) => "no member lists it".to_owned(),
            Err(why) => why,
        };
        return (if view::runs(reading) { "unknown" } else { "down" }, detail);
    };
    let detail = detail(view, id, reading);
    // Whoever of the others sees it worst.
    let mut worst = "live";
    for witness in view.answering(&[]) {
        let seen = known(witness.server, id).map_or("not listed", word);
        if rank(seen) > rank(worst) {
            worst = seen;
        }
    }
    (if view::server(&member.node, reading).is_err() { "down" } else { worst }, detail)
}

fn word(row: &KwdbStatus) -> &'static str {
    if !row.is_live || !row.is_available {
        "not live"
    } else if row.is_decommissioning == Some(true) {
        "decommissioning"
    } else if row.is_draining == Some(true) {
        "draining"
    } else {
        "live"
    }
}

fn rank(word: &str) -> u8 {
    match word {
        "live" => 0,
        "draining" => 1,
        "decommissioning" => 2,
        "not live" => 3,
        _ => 4,
    }
}

fn detail(view: View<'_>, id: u32, reading: &KwdbReading) -> String {
    let mut parts = vec![format!("id {id}")];
    if let Some(bellows_proto::v1::kwdb_reading::Server::Up(server)) = &reading.server {
        parts.push(server.version.clone());
    }
    if let Ok(cluster) = view.cluster() {
        if let Ok(ranges) = check::ranges(cluster, id) {
            parts.push(sizes::many(ranges, "range"));
        }
        let used = cluster.stores.iter().filter(|store| store.node_id == id);
        let used = used.fold(0_u64, |sum, store| sum.saturating_add(store.used));
        if used > 0 {
            parts.push(format!("{} used", sizes::text(used)));
        }
    }
    parts.join(", ")
}
