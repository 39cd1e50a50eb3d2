//! What is asked. First all hosts and nodes; then, at every member that answers and stays, the cluster; then,
//! only where an intent needs it, the metadata of all ledgers; last the shell, at another member. Of a cluster
//! that is to be adopted: what is on its hosts, and the bookies by the names that they will have.

use bellows_proto::v1::{
    Asked, BookkeeperClusterQuery, BookkeeperFindQuery, BookkeeperLedgersQuery,
    BookkeeperNodeQuery, BookkeeperPlacesQuery, BookkeeperQuery, BookkeeperShellQuery, Intent,
    Observation, Query, Spec, bookkeeper_query, intent::Verb, observation::System, placement,
    query,
};

use super::{
    observation::observation,
    options,
    view::{self, SYSTEM, View, reading, server},
};
use crate::{
    plan::{Question, Questions, added, adopted_from, leaving, left},
    systems::host::{
        self,
        queries::{facts, named, vacancy},
    },
};

/// So many members are asked at most how they see the cluster.
const WITNESSES: usize = 16;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// A plan: only what guards need.
    Planning,
    /// A step, a check or a probe of an operation, or the eyes.
    Looking,
}

/// What was not asked yet.
pub(super) fn next_queries(
    spec: &Spec,
    intent: Option<&Intent>,
    answers: &[Asked],
    why: For,
) -> Vec<Question> {
    let mut round = Questions::besides(answers);
    let wanted = intent.map_or(&[][..], added);
    let known = spec.nodes.iter().map(|node| (node.host.as_str(), node.node.as_str()));
    let going = intent.map_or(&[][..], leaving);
    let gone = left(spec, going).into_iter();
    let new = wanted.iter().map(|node| (node.host.as_str(), node.node.as_str()));
    for (host, node) in known.chain(gone).chain(new) {
        round.ask(host, facts());
        round.ask(host, node_query(spec, node));
    }
    for host in intent.map_or(&[][..], adopted_from).iter().map(|from| from.host.as_str()) {
        round.ask(host, facts());
        round.ask(host, bookkeeper(bookkeeper_query::Kind::Find(BookkeeperFindQuery {})));
        round.ask(host, node_query(spec, &adopted_name(host)));
    }
    for node in wanted {
        round.ask(&node.host, vacancy(named(spec, &node.node), SYSTEM, 0));
    }
    let seen = Observation {
        hosts: host::readings(answers),
        system: Some(System::Bookkeeper(observation(spec, answers))),
    };
    let view = View::of(&seen);
    let staying = staying(view, going);
    for (host, node) in staying.iter().take(WITNESSES) {
        let at = named(spec, node);
        round.ask(host, bookkeeper(bookkeeper_query::Kind::Cluster(BookkeeperClusterQuery { at })));
    }
    if let Some(intent) = intent {
        surveys(&mut round, spec, view, intent, &staying, why);
    }
    round.all()
}

/// What is slow to tell: asked of members that stay, two different ones where there are two.
fn surveys(
    round: &mut Questions<'_>,
    spec: &Spec,
    view: View<'_>,
    intent: &Intent,
    staying: &[(String, String)],
    why: For,
) {
    let mut staying = staying.iter().filter(|(_, node)| !is_added(intent, node));
    let Some((host, node)) = staying.next() else { return };
    let (other_host, other) = staying.next().unwrap_or(&(host.clone(), node.clone())).clone();
    let leaving = leaving(intent);
    if tells_places(spec, intent) {
        let at = named(spec, node);
        let query = BookkeeperPlacesQuery { at };
        round.survey(host, bookkeeper(bookkeeper_query::Kind::Places(query)));
    }
    let ids = |nodes: &mut dyn Iterator<Item = String>| -> Vec<String> {
        nodes.filter_map(|node| view.id(&node).ok()).collect()
    };
    let going = ids(&mut leaving.iter().cloned());
    let coming = ids(&mut added(intent).iter().map(|node| node.node.clone()));
    let moves = match &intent.verb {
        Some(Verb::Shrink(_) | Verb::Replace(_)) => true,
        // Only what takes it back moves data.
        Some(Verb::Expand(_)) => why == For::Looking,
        Some(
            Verb::Create(_)
            | Verb::Switchover(_)
            | Verb::Rejoin(_)
            | Verb::Restart(_)
            | Verb::Adopt(_)
            | Verb::Reconfigure(_),
        )
        | None => return,
    };
    if moves {
        let mut bookies = going.clone();
        let all = view.members.iter().filter_map(|member| view.id(&member.node).ok());
        for bookie in all.chain(coming.iter().cloned()) {
            if !bookies.contains(&bookie) {
                bookies.push(bookie);
            }
        }
        let at = named(spec, node);
        let mut gone = buried(spec, view);
        if is_dead(intent) {
            gone.extend(going.iter().cloned());
        }
        let query = BookkeeperLedgersQuery { at, bookies, gone };
        round.survey(host, bookkeeper(bookkeeper_query::Kind::Ledgers(query)));
    }
    // What lives and has ledgers by the metadata has them: the shell is not asked. Of one that is stopped or dead the
    // cookie is to be known all the same: a way back begins with it.
    let registered = view.registered().unwrap_or_default();
    let asked = |id: &String| {
        !registered.contains(id.as_str()) || view.held(id).is_ok_and(|held| held.ledgers == 0)
    };
    for bookie in going.into_iter().filter(asked).chain(coming) {
        let at = named(spec, &other);
        let query = BookkeeperShellQuery { at, bookie };
        round.survey(&other_host, bookkeeper(bookkeeper_query::Kind::Shell(query)));
    }
}

/// It is Bellows' to tell clients where bookies stand, or is to be.
fn tells_places(spec: &Spec, intent: &Intent) -> bool {
    let options = match &intent.verb {
        Some(Verb::Expand(_) | Verb::Shrink(_) | Verb::Replace(_)) => options::of_spec(spec),
        Some(Verb::Reconfigure(_)) => options::reconfigured(spec, intent),
        Some(
            Verb::Create(_)
            | Verb::Switchover(_)
            | Verb::Rejoin(_)
            | Verb::Restart(_)
            | Verb::Adopt(_),
        )
        | None => return false,
    };
    options.places_in_zookeeper
}

/// Ids of bookies that were replaced as dead, and that no member has: what only they had is lost.
fn buried(spec: &Spec, view: View<'_>) -> Vec<String> {
    let dead = spec.tombstones.iter().filter(|stone| stone.owed_act != 0);
    let ids = dead.filter_map(|stone| {
        let placement::System::Bookkeeper(place) = stone.placement.as_ref()?.system.as_ref()?
        else {
            return None;
        };
        Some(view::id(place))
    });
    let mut found: Vec<String> = Vec::new();
    for id in ids.filter(|id| view.node_of(id).is_none()) {
        if !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

/// What an adopted bookie is called: as its host.
pub(super) fn adopted_name(host: &str) -> String {
    let name: String = host.chars().take(32).collect();
    name.trim_end_matches('-').to_owned()
}

/// Who leaves is named dead.
pub(super) fn is_dead(intent: &Intent) -> bool {
    matches!(&intent.verb, Some(Verb::Replace(replace)) if replace.dead)
}

fn is_added(intent: &Intent, node: &str) -> bool {
    added(intent).iter().any(|new| new.node == node)
}

/// Members, in natural order, that answer and stay: host and node.
fn staying(view: View<'_>, leaving: &[String]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for member in view.in_spec().filter(|member| !leaving.contains(&member.node)) {
        if reading(member).and_then(|reading| server(&member.node, reading)).is_ok() {
            found.push((member.host.clone(), member.node.clone()));
        }
    }
    found
}

fn bookkeeper(kind: bookkeeper_query::Kind) -> Query {
    Query { kind: Some(query::Kind::Bookkeeper(BookkeeperQuery { kind: Some(kind) })) }
}

fn node_query(spec: &Spec, node: &str) -> Query {
    let node = named(spec, node);
    bookkeeper(bookkeeper_query::Kind::Node(BookkeeperNodeQuery { node }))
}
