//! Clients are told where bookies stand, where the spec says that this is Bellows' to do.

use bellows_proto::v1::{BookkeeperSpecOptions, BookkeeperToldPlace};

use super::{
    actions,
    draft::{Draft, Placed, Task, back},
    places,
    view::View,
};

/// What clients are told of a bookie, and what they are to be told. An empty rack: nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stand {
    node: String,
    before: BookkeeperToldPlace,
    after: BookkeeperToldPlace,
}

/// What is to be told of these who are there, or come; of those whose rack is not named nothing changes.
pub(super) fn staying(
    view: View<'_>,
    options: &BookkeeperSpecOptions,
    nodes: &[Placed],
) -> Vec<Stand> {
    stands(view, options, nodes, |node, before| {
        match places::of(&options.places, &node.node).filter(|place| !place.rack.is_empty()) {
            Some(place) => BookkeeperToldPlace {
                bookie: before.bookie.clone(),
                rack: place.rack.clone(),
                group: place.group.clone(),
            },
            None => before.clone(),
        }
    })
}

/// Of these who leave nothing is told any more.
pub(super) fn leaving(
    view: View<'_>,
    options: &BookkeeperSpecOptions,
    nodes: &[Placed],
) -> Vec<Stand> {
    stands(view, options, nodes, |_, before| nothing(before.bookie.clone()))
}

fn stands(
    view: View<'_>,
    options: &BookkeeperSpecOptions,
    nodes: &[Placed],
    after: impl Fn(&Placed, &BookkeeperToldPlace) -> BookkeeperToldPlace,
) -> Vec<Stand> {
    if !options.places_in_zookeeper {
        return Vec::new();
    }
    let mut stands = Vec::new();
    for node in nodes {
        // Guards have said no where it was not read.
        let before = view.told(&node.id()).ok().flatten().cloned();
        let before = before.unwrap_or_else(|| nothing(node.id()));
        let after = after(node, &before);
        if before != after {
            stands.push(Stand { node: node.node.clone(), before, after });
        }
    }
    stands
}

fn nothing(bookie: String) -> BookkeeperToldPlace {
    BookkeeperToldPlace { bookie, ..BookkeeperToldPlace::default() }
}

/// The step for one, if anything changes. `at`: a member that stays, whose host runs the tool.
pub(super) fn of_one(draft: &mut Draft, at: &Placed, stands: &[Stand], node: &str) {
    let Some(stand) = stands.iter().find(|stand| stand.node == node) else { return };
    let (helper, named) = (draft.node(&at.node), draft.node(node));
    let (title, reason) = match stand.after.rack.as_str() {
        "" => (
            format!("tell clients nothing of {node} any more"),
            "where a bookie stood that has left is nobody's business, and another one may get its address",
        ),
        rack => (
            format!("tell clients that {node} is in {}", with_group(rack, &stand.after.group)),
            "by it clients put the copies of an entry into different racks, and into their isolation groups",
        ),
    };
    draft.act(Task {
        title,
        reason,
        host: at.host.clone(),
        action: actions::tell_place(helper.clone(), named.clone(), &stand.after),
        requires: vec![],
        undo: vec![back(&at.host, actions::tell_place(helper, named, &stand.before))],
    });
}

fn with_group(rack: &str, group: &str) -> String {
    match group {
        "" => format!("rack {rack}"),
        group => format!("rack {rack}, isolation group {group}"),
    }
}

/// For all of them, in their order.
pub(super) fn all(draft: &mut Draft, at: &Placed, stands: &[Stand]) {
    for stand in stands {
        of_one(draft, at, stands, &stand.node);
    }
}
