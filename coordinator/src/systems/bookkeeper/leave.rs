//! One bookie out of a cluster, from its last ledger to its tombstone: what shrink and replace have in common,
//! and what all ways end with.
//!
//! A bookie is stopped, and stopped for good, before its cookie goes: one that runs without a cookie cannot be
//! started again after the next crash.

use bellows_proto::v1::{
    BookkeeperBudget, BookkeeperWay, Condition, NoteKind, RemoveNode, spec_change,
};

use super::{
    actions, conditions,
    draft::{self, Back, Draft, Placed, Task, back},
    drain, expire, stop,
    telling::{self, Stand},
};

/// How bookies leave a cluster.
pub(super) struct Way<'a> {
    pub(super) way: BookkeeperWay,
    /// A member that stays: cookies are kept on its host, and the shell is run there for one that is stopped.
    pub(super) at: &'a Placed,
    pub(super) budgets: &'a [BookkeeperBudget],
    /// Its directories are emptied in the end.
    pub(super) wipe: bool,
    /// Ledgers that were lost before and lack a copy for ever: not waited for.
    pub(super) lost: &'a [u64],
    /// What clients are told of them.
    pub(super) stands: &'a [Stand],
}

/// What a departure of these rests on. Those leave one after another; each is looked at again when it is its turn.
pub(super) fn needs(way: BookkeeperWay, leaving: &[Placed]) -> Vec<Condition> {
    let names = draft::names(leaving.iter());
    let mut needs =
        vec![conditions::healthy(&[]), conditions::enough(&names), conditions::metadata_fast()];
    match way {
        BookkeeperWay::Drain | BookkeeperWay::Unspecified => {
            needs.push(conditions::autorecovers(&[]));
            needs.push(conditions::room(&names));
        }
        BookkeeperWay::Stop => {
            needs.push(conditions::autorecovers(&names));
            needs.push(conditions::room(&names));
            needs.extend(names.iter().map(|name| conditions::no_sole_copies(name)));
        }
        // Nothing is copied.
        BookkeeperWay::Expire => {
            needs.push(conditions::autorecovers(&[]));
            needs.extend(names.iter().map(|name| conditions::state_kept(name)));
        }
    }
    needs
}

/// An empty list of ledgers that lack a copy means something only after an audit.
pub(super) fn audit(draft: &mut Draft, at: &Placed) {
    let node = draft.node(&at.node);
    draft.act(Task {
        title: "have all ledgers audited".to_owned(),
        reason: "that no ledger lacks a copy is known only after an audit; the auditor does it by itself once in a day or a week",
        host: at.host.clone(),
        action: actions::audit(node),
        requires: vec![conditions::autorecovery_is(true)],
        undo: vec![],
    });
}

/// After an audit.
pub(super) fn whole(draft: &mut Draft, lost: &[u64]) {
    draft.wait(
        "wait until no ledger lacks a copy".to_owned(),
        "what lacks a copy may lose the last one while others move",
        vec![conditions::replicated(lost)],
        draft::LEDGERS,
    );
}

/// Out, by its way, to its tombstone.
pub(super) fn one(draft: &mut Draft, way: &Way<'_>, node: &Placed) {
    match way.way {
        BookkeeperWay::Drain | BookkeeperWay::Unspecified => drain::out(draft, way, node),
        BookkeeperWay::Stop => stop::out(draft, way, node),
        BookkeeperWay::Expire => expire::out(draft, way, node),
    }
    bury(draft, way, node);
}

/// Nothing new comes to it; the others are proven writable.
pub(super) fn read_only(draft: &mut Draft, node: &Placed, requires: Vec<Condition>) {
    let (name, host) = (&node.node, &node.host);
    let named = draft.node(name);
    let mut needed = vec![conditions::healthy(&[])];
    needed.extend(requires);
    draft.act(Task {
        title: format!("make {name} on {host} read-only"),
        reason: "no new ledger comes to it; it goes on serving what it has",
        host: host.clone(),
        action: actions::set_read_only(named.clone(), true),
        requires: needed,
        undo: vec![Back {
            host: host.clone(),
            action: actions::set_read_only(named, false),
            // It is told by its own HTTP server.
            requires: vec![conditions::runs(name, true)],
        }],
    });
    draft.wait(
        format!("wait until all see {name} read-only, and the others writable"),
        "a setting that reached others too would leave nobody to write to",
        vec![conditions::read_only(name), conditions::healthy(std::slice::from_ref(name))],
        draft::SHORT,
    );
}

/// Stops what is read-only and holds nothing any more.
pub(super) fn stop_empty(draft: &mut Draft, node: &Placed) {
    let name = &node.node;
    let requires = vec![conditions::read_only(name), conditions::emptied(name, &[])];
    stop(draft, node, "it holds no ledger any more", requires);
    draft.wait(
        format!("wait until nobody sees {name} registered, and it holds no ledger still"),
        "it was writable for others until they saw it read-only: what came late would be found now",
        vec![conditions::gone(name), conditions::emptied(name, &[])],
        draft::LEDGERS,
    );
}

pub(super) fn stop(
    draft: &mut Draft,
    node: &Placed,
    reason: &'static str,
    requires: Vec<Condition>,
) {
    let (name, host) = (&node.node, &node.host);
    let named = draft.node(name);
    draft.act(Task {
        title: format!("stop and disable the bookie {name} on {host}"),
        reason,
        host: host.clone(),
        action: actions::stop_bookie(named.clone()),
        requires,
        undo: vec![back(host, actions::start_bookie(named))],
    });
}

/// With it the bookie can be started again as it is, whatever becomes of the metadata.
pub(super) fn save_cookie(draft: &mut Draft, at: &Placed, node: &Placed) {
    let (keeper, named) = (draft.node(&at.node), draft.node(&node.node));
    draft.act(Task {
        title: format!("keep the cookie of {} on {}", node.node, at.host),
        reason: "a bookie does not start without its cookie: with this one it can be made again",
        host: at.host.clone(),
        action: actions::save_cookie(keeper, named, &node.id()),
        requires: vec![],
        // It is a record, and does no harm.
        undo: vec![],
    });
}

/// From now on nobody counts with it.
pub(super) fn delete_cookie(draft: &mut Draft, at: &Placed, node: &Placed, lost: &[u64]) {
    let (keeper, named) = (draft.node(&at.node), draft.node(&node.node));
    let name = &node.node;
    draft.act(Task {
        title: format!("delete the cookie of {name}, at {} on {}", at.node, at.host),
        reason: "as long as it is there the bookie counts as one that is missing",
        host: at.host.clone(),
        action: actions::delete_cookie(keeper.clone(), named.clone(), &node.id()),
        requires: vec![
            conditions::gone(name),
            conditions::emptied(name, lost),
            conditions::cookie_saved(name, &at.node),
        ],
        undo: vec![back(&at.host, actions::restore_cookie(keeper, named, &node.id()))],
    });
}

/// Its data, where that was asked for, and its tombstone.
fn bury(draft: &mut Draft, way: &Way<'_>, node: &Placed) {
    let (name, host) = (&node.node, &node.host);
    let named = draft.node(name);
    telling::of_one(draft, way.at, way.stands, name);
    if way.wipe {
        draft.act(Task {
            title: format!("empty the directories of {name} on {host}"),
            reason: "the administrator asks for it; a bookie that comes to this host must find them empty",
            host: host.clone(),
            action: actions::discard_data(named.clone()),
            requires: vec![
                conditions::gone(name),
                conditions::has_cookie(name, false),
                conditions::emptied(name, &[]),
            ],
            undo: vec![],
        });
        draft.no_return();
    }
    draft.act(Task {
        title: format!("put a tombstone for {name} on {host}"),
        reason: "it never starts again, not even after a reboot",
        host: host.clone(),
        action: actions::tombstone(named.clone(), false),
        requires: vec![conditions::gone(name), conditions::has_cookie(name, false)],
        undo: match way.wipe {
            true => vec![],
            false => vec![back(host, actions::lift_tombstone(named))],
        },
    });
    draft.changing(spec_change::Kind::RemoveNode(RemoveNode { node: name.clone(), owed_act: 0 }));
}

/// What is to be known before these leave alive.
pub(super) fn notes(draft: &mut Draft, way: &Way<'_>, leaving: &[Placed]) {
    for node in leaving {
        let Placed { node: name, host, place } = node;
        if place.adopted {
            draft.note(
                NoteKind::Data,
                format!(
                    "{name} was adopted: its files stay as they are; its service on {host} is stopped for good"
                ),
            );
        }
        let what = if way.wipe { "emptied" } else { "kept" };
        let dirs = directories(node).join(", ");
        draft.note(
            NoteKind::Data,
            format!("the directories of {name} are {what}: {dirs} on {host}"),
        );
    }
    if !way.wipe {
        draft.note(
            NoteKind::Data,
            "a bookie comes back to such a host only as a new one: its directories emptied by hand, another name, then bellows expand".to_owned(),
        );
    }
    let names = draft::names(leaving.iter()).join(", ");
    let text = match draft.only_forward_from() {
        0 => format!(
            "a cancel, at any time before the end, puts cookies back, starts what was stopped and makes {names} writable again; ledgers that were copied meanwhile stay where they are, and what is left of them is removed by the bookie itself: that work was in vain"
        ),
        step => format!(
            "there is no way back from step {step} on, which removes data; until then a cancel puts cookies back, starts what was stopped and makes {names} writable again; ledgers that were copied meanwhile stay where they are, and what is left of them is removed by the bookie itself: that work was in vain"
        ),
    };
    draft.note(NoteKind::Risk, text);
}

/// Each once, in the order of the configuration.
pub(super) fn directories(node: &Placed) -> Vec<String> {
    let place = &node.place;
    let mut dirs: Vec<String> = Vec::new();
    for dir in place.journal_dirs.iter().chain(&place.ledger_dirs).chain(&place.index_dirs) {
        if !dirs.contains(dir) {
            dirs.push(dir.clone());
        }
    }
    dirs
}
