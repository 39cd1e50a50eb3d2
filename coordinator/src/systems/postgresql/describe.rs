//! For the eyes: one row per member, and every problem in a sentence.

use bellows_proto::v1::{
    FrontBackend, MemberView, Observation, PostgresqlMember, PostgresqlServer, Spec,
};

use super::{
    check, connections, draft, fronts, health,
    view::{self, NoPrimary, Primary, Role, View, role, row},
};
use crate::plan::Description;

/// Members of the spec, and what is wrong with them.
pub fn describe(spec: &Spec, observation: &Observation) -> Description {
    let view = View::of(observation);
    let primary = view.primary().ok();
    let wrong = health::problems(view);
    let members = view
        .in_spec()
        .map(|member| {
            let healthy = !wrong.iter().any(|problem| problem.node == member.node);
            row_of(member, primary, healthy)
        })
        .collect();
    let mut problems: Vec<String> = Vec::new();
    match view.primary() {
        Err(why @ (NoPrimary::None | NoPrimary::Several(_))) if spec.version != 0 => {
            problems.push(why.text())
        }
        Ok(_) | Err(NoPrimary::None | NoPrimary::Several(_) | NoPrimary::Unknown(_)) => {}
    }
    problems.extend(view.unknown_members());
    problems.extend(wrong.into_iter().map(|problem| format!("{}: {}", problem.node, problem.text)));
    problems.extend(changed(view));
    problems.extend(fronts(spec, view, primary));
    if let Some(primary) = primary {
        problems.extend(health::leftover_slots(spec, primary).into_iter().map(|slot| {
            format!(
                "{}: slot {} is inactive and no member's: it keeps WAL",
                primary.member.node, slot.name
            )
        }));
    }
    let connections = connections::of(spec, view.fronts);
    Description { members, problems, connections }
}

/// What stands in front does not answer, or would lead clients wrong.
fn fronts(spec: &Spec, view: View<'_>, primary: Option<Primary<'_>>) -> Vec<String> {
    let members: Vec<_> = spec.nodes.iter().filter_map(draft::placed).collect();
    let leads = |node: &str| primary.map(|primary| primary.member.node == node);
    let wanted: Vec<_> = members
        .iter()
        .map(|member| FrontBackend {
            attached: Some(true),
            primary: leads(&member.node),
            ..fronts::bare(member)
        })
        .collect();
    let wrong = |reading| match view::front(reading) {
        Err(why) => Some(why),
        Ok(seen) => check::front_difference(seen, &wanted)
            .map(|text| format!("{} on {}: {text}", reading.front, reading.host)),
    };
    view.fronts.iter().filter_map(wrong).collect()
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

fn row_of(member: &PostgresqlMember, primary: Option<Primary<'_>>, healthy: bool) -> MemberView {
    let (role, state, detail, known) = match role(member) {
        Role::Primary(server) => {
            ("primary", "running".to_owned(), primary_detail(server, &member.node), true)
        }
        Role::Standby(server) => {
            let (state, detail) = standby_detail(server, primary, &member.node);
            ("standby", state, detail, true)
        }
        Role::Down(why) => ("", "down".to_owned(), why, true),
        Role::Unknown(why) => ("", "unknown".to_owned(), why, false),
    };
    let place = view::reading(member).ok().and_then(|reading| reading.placement.as_ref());
    let adopted = if place.is_some_and(|place| place.adopted) { ", adopted" } else { "" };
    MemberView {
        node: member.node.clone(),
        host: member.host.clone(),
        role: role.to_owned(),
        state,
        detail: format!("{detail}{adopted}"),
        healthy: healthy && known,
    }
}

fn primary_detail(server: &PostgresqlServer, node: &str) -> String {
    let id = row(server, node)
        .map_or_else(|| "not registered".to_owned(), |row| format!("id {}", row.node_id));
    format!("{id}, PostgreSQL {}", server.version)
}

/// State and detail of a standby: what its upstream says of it.
fn standby_detail(
    server: &PostgresqlServer,
    primary: Option<Primary<'_>>,
    node: &str,
) -> (String, String) {
    let Some(primary) = primary else {
        let receiver = if server.receiver_status.is_empty() {
            "no WAL receiver"
        } else {
            &server.receiver_status
        };
        return ("running".to_owned(), receiver.to_owned());
    };
    let record = row(primary.server, node);
    let id =
        record.map_or_else(|| "not registered".to_owned(), |row| format!("id {}", row.node_id));
    let sender = health::sender(primary.server, node);
    match sender {
        Some(sender) => {
            let lag = sender
                .lag_bytes
                .map_or_else(|| "lag not known".to_owned(), |lag| format!("lag {lag} bytes"));
            (sender.state.clone(), format!("{id}, {lag}"))
        }
        None if server.receiver_status == "streaming" => {
            ("streaming".to_owned(), format!("{id}, from another standby"))
        }
        None => ("not connected".to_owned(), id),
    }
}
