//! Who is connected to the servers that a plan stops: told before it is agreed to. Names who they
//! are, never what they ask.

use bellows_proto::v1::{
    NoteKind, Plan, PostgresqlClients, PostgresqlConnections, PostgresqlService, Step, action,
    postgresql_action::Kind, step,
};

use super::{sizes, view::View};

/// So many groups of clients are told of for each server.
const SHOWN: usize = 6;
/// No name of theirs is told longer, characters.
const LONGEST: usize = 40;

/// Adds a note for each server that the plan stops.
pub(super) fn tell(plan: &mut Plan, view: View<'_>) {
    let mut stopped: Vec<&str> = Vec::new();
    for node in plan.steps.iter().filter_map(stops) {
        if !stopped.contains(&node) {
            stopped.push(node);
        }
    }
    let texts: Vec<String> = stopped.into_iter().map(|node| connected(view, node)).collect();
    plan.notes.extend(
        texts
            .into_iter()
            .map(|text| bellows_proto::v1::Note { kind: NoteKind::Impact.into(), text }),
    );
}

/// Whose server a step stops. Planners stop servers one by one, never in a group.
fn stops(step: &Step) -> Option<&str> {
    let Some(step::Kind::Act(act)) = &step.kind else { return None };
    let Some(action::Kind::Postgresql(action)) = &act.action.as_ref()?.kind else { return None };
    let Some(Kind::StopService(stop)) = &action.kind else { return None };
    let node = stop.node.as_ref()?;
    (stop.service() == PostgresqlService::Server).then_some(node.node.as_str())
}

fn connected(view: View<'_>, node: &str) -> String {
    match known(view, node) {
        Ok(connections) if connections.clients == 0 => {
            format!("no client is connected to {node} now")
        }
        Ok(connections) => format!(
            "connected to {node} now, and cut off when it stops: {}",
            listed(connections.clients, &connections.groups)
        ),
        Err(why) => format!("who is connected to {node} is not known: {why}"),
    }
}

/// The connections of a server, all of them.
///
/// # Errors
/// Says why they are not known.
pub(super) fn known<'a>(view: View<'a>, node: &str) -> Result<&'a PostgresqlConnections, String> {
    let server = view.server(node)?;
    let Some(connections) = &server.connections else {
        return Err(format!("the agent of {node} is too old to read it"));
    };
    match connections.hidden {
        0 => Ok(connections),
        hidden => Err(format!(
            "the repmgr role may not see {} of {node}: GRANT pg_monitor TO repmgr",
            sizes::count(usize::try_from(hidden).unwrap_or(usize::MAX), "session")
        )),
    }
}

/// "5 clients: 3 x app@shop from 10.1.2.3 (web); ...; and 1 more".
fn listed(clients: u32, groups: &[PostgresqlClients]) -> String {
    let mut told: u32 = 0;
    let mut texts = Vec::new();
    for group in groups.iter().take(SHOWN) {
        told = told.saturating_add(group.count);
        texts.push(one_group(group));
    }
    let total = sizes::count(usize::try_from(clients).unwrap_or(usize::MAX), "client");
    let texts = texts.join("; ");
    match clients.saturating_sub(told) {
        0 => format!("{total}: {texts}"),
        more => format!("{total}: {texts}; and {more} more"),
    }
}

fn one_group(group: &PostgresqlClients) -> String {
    let user = match group.user.as_str() {
        "" => "?".to_owned(),
        user => short(user),
    };
    let database = match group.database.as_str() {
        "" => String::new(),
        database => format!("@{}", short(database)),
    };
    let from = match group.address.as_str() {
        "" => "[local]".to_owned(),
        address => short(address),
    };
    let application = match group.application.as_str() {
        "" => String::new(),
        application => format!(" ({})", short(application)),
    };
    format!("{} x {user}{database} from {from}{application}", group.count)
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(user: &str, application: &str, count: u32) -> PostgresqlClients {
        PostgresqlClients {
            user: user.to_owned(),
            database: "shop".to_owned(),
            application: application.to_owned(),
            address: "10.1.2.3".to_owned(),
            count,
        }
    }

    #[test]
    fn the_list_has_an_end() {
        let groups: Vec<PostgresqlClients> =
            (0..9).map(|n| group(&format!("app{n}"), "", 9 - n)).collect();
        let text = listed(50, &groups);
        assert_eq!(text.matches(" x ").count(), SHOWN);
        assert!(text.starts_with("50 clients: 9 x app0@shop from 10.1.2.3; "), "{text}");
        assert!(text.ends_with("; and 11 more"), "{text}");
        assert_eq!(listed(1, &[group("a", "", 1)]), "1 client: 1 x a@shop from 10.1.2.3");
    }

    #[test]
    fn names_are_cut() {
        let text = one_group(&group("app", &"名".repeat(60), 2));
        assert_eq!(text, format!("2 x app@shop from 10.1.2.3 ({}…)", "名".repeat(LONGEST)));
        let nobody = PostgresqlClients { count: 1, ..PostgresqlClients::default() };
        assert_eq!(one_group(&nobody), "1 x ? from [local]");
    }
}
