//! Room for clients at those who stay, when servers go or the primary's role moves. Says no only
//! where it is clear that somebody is turned away; an administrator may accept that.

use bellows_proto::v1::{GuardSeen, MemberView, Plan, PostgresqlServer, Refusal};

use super::{
    super::{
        clients, sizes,
        view::{self, View},
    },
    Rule,
};

/// What a plan does to the members that have clients.
struct Change<'a> {
    /// Members that stay, as they are now.
    staying: Vec<&'a MemberView>,
    /// Members that live and go.
    leaving: Vec<&'a MemberView>,
    /// How many come.
    coming: usize,
    /// The primary now and then, where the role moves.
    moving: Option<(&'a MemberView, &'a MemberView)>,
}

impl<'a> Change<'a> {
    fn of(plan: &'a Plan) -> Self {
        let stays = |view: &&MemberView| plan.after.iter().any(|after| after.node == view.node);
        let lives = |view: &&MemberView| !plan.dead_hosts.contains(&view.host);
        let (staying, leaving): (Vec<_>, Vec<_>) = plan.before.iter().partition(stays);
        let primary = |views: &'a [MemberView]| views.iter().find(|view| view.role == "primary");
        let moving = primary(&plan.before)
            .filter(lives)
            .zip(primary(&plan.after))
            .filter(|(old, new)| old.node != new.node);
        let known = |view: &&MemberView| plan.before.iter().any(|now| now.node == view.node);
        let coming = plan.after.iter().filter(|view| !known(view)).count();
        let leaving = leaving.into_iter().filter(lives).collect();
        Self { staying, leaving, coming, moving }
    }

    /// The room of those who come: their limits are taken from the primary.
    fn newcomers(&self, view: View<'_>) -> impl Iterator<Item = Result<u32, String>> {
        let room = move || {
            let primary = view.primary().map_err(|why| why.text())?;
            Room::of(view, &primary.member.node).map(|room| room.most)
        };
        std::iter::repeat_with(room).take(self.coming)
    }
}

/// Connections of one server that ordinary clients may have.
struct Room {
    used: u32,
    most: u32,
}

impl Room {
    fn of(view: View<'_>, node: &str) -> Result<Self, String> {
        let server = view.server(node)?;
        let used = clients::known(view, node)?.used;
        let most = view::number(server, "max_connections")?;
        // Kept for superusers; servers before 16 have only the first, older agents read neither.
        let kept = |name| view::number(server, name).unwrap_or(0);
        let kept = kept("superuser_reserved_connections") + kept("reserved_connections");
        Ok(Self { used, most: most.saturating_sub(kept) })
    }

    fn free(&self) -> u32 {
        self.most.saturating_sub(self.used)
    }
}

/// Whether those who stay can take the clients of those who go, and the next primary those of
/// this one.
pub(super) fn judge(view: View<'_>, plan: &Plan) -> Vec<Refusal> {
    let change = Change::of(plan);
    let said = [gone(view, &change), moved(view, &change)];
    said.into_iter().flatten().map(|value| Rule::SurvivorsRoom.refusal(value)).collect()
}

fn sum(numbers: impl Iterator<Item = Result<u32, String>>) -> Result<u32, String> {
    numbers.into_iter().try_fold(0_u32, |sum, number| Ok(sum.saturating_add(number?)))
}

fn gone(view: View<'_>, change: &Change<'_>) -> Option<String> {
    if change.leaving.is_empty() {
        return None;
    }
    let coming = sum(change
        .leaving
        .iter()
        .map(|member| clients::known(view, &member.node).map(|connections| connections.clients)));
    let stay = change.staying.iter().map(|member| Room::of(view, &member.node));
    let stay = stay.map(|room| room.map(|room| room.free()));
    let free = sum(stay.chain(change.newcomers(view)));
    match (coming, free) {
        (Ok(coming), Ok(free)) if coming > free => Some(format!(
            "{} of {} would look for another server, and the others have {free} connections left",
            count(coming),
            names(&change.leaving)
        )),
        (Ok(_), Ok(_)) => None,
        (Err(why), _) | (_, Err(why)) => Some(format!("it is not known: {why}")),
    }
}

fn moved(view: View<'_>, change: &Change<'_>) -> Option<String> {
    let (old, new) = change.moving?;
    let coming = clients::known(view, &old.node).map(|connections| connections.clients);
    match (coming, Room::of(view, &new.node)) {
        (Ok(coming), Ok(room)) if coming > room.free() => Some(format!(
            "{} of {} would follow the primary's role to {}, which has {} connections left",
            count(coming),
            old.node,
            new.node,
            room.free()
        )),
        (Ok(_), Ok(_)) => None,
        (Err(why), _) | (_, Err(why)) => Some(format!("it is not known: {why}")),
    }
}

fn count(clients: u32) -> String {
    sizes::count(usize::try_from(clients).unwrap_or(usize::MAX), "client")
}

fn names(members: &[&MemberView]) -> String {
    members.iter().map(|member| member.node.as_str()).collect::<Vec<_>>().join(", ")
}

/// What each of those who stay has left.
pub(in super::super) fn seen(view: View<'_>, plan: &Plan) -> Option<GuardSeen> {
    let change = Change::of(plan);
    let staying = change.staying.iter().filter(|member| !plan.dead_hosts.contains(&member.host));
    let texts: Vec<String> = staying.map(|member| left(view, member)).collect();
    (!texts.is_empty()).then(|| Rule::SurvivorsRoom.seen(texts.join("; ")))
}

fn left(view: View<'_>, member: &MemberView) -> String {
    let node = &member.node;
    let connections = Room::of(view, node).map_or_else(
        |_| "connections not known".to_owned(),
        |room| format!("{} of {} connections", room.used, room.most),
    );
    let disk = match view.system_facts(&member.host) {
        Ok(Some(facts)) => {
            format!("{} free on {}", sizes::text(facts.data_free_bytes), member.host)
        }
        Ok(None) | Err(_) => format!("free disk of {} not known", member.host),
    };
    let replication = view.server(node).map_or_else(|_| String::new(), replication);
    format!("{node}: {connections}, {disk}{replication}")
}

fn replication(server: &PostgresqlServer) -> String {
    let most = |name: &str| view::setting(server, name).unwrap_or("?").to_owned();
    format!(
        ", {} of {} WAL senders, {} of {} slots",
        server.senders.len(),
        most("max_wal_senders"),
        server.slots.len(),
        most("max_replication_slots")
    )
}
