//! The documented way out: the bookie is stopped first, and autorecovery makes its copies anew from the others.
//! Every ledger of it has one copy less meanwhile. The command that waits for it never ends where a copy cannot be
//! made: that is looked at before.

use super::{
    actions, budget, conditions,
    draft::{self, Draft, Placed, Task, back},
    leave::{self, Way},
};

/// Stopped, its copies made anew, forgotten.
pub(super) fn out(draft: &mut Draft, way: &Way<'_>, node: &Placed) {
    let (name, at) = (&node.node, way.at);
    let only = std::slice::from_ref(name);
    leave::save_cookie(draft, at, node);
    let requires = vec![
        conditions::healthy(&[]),
        conditions::enough(only),
        conditions::room(only),
        conditions::no_sole_copies(name),
        conditions::autorecovers(only),
        conditions::replicated(way.lost),
    ];
    leave::stop(
        draft,
        node,
        "from now on its copies are missing, and made anew from the others",
        requires,
    );
    draft.wait(
        format!("wait until nobody sees {name} registered"),
        "the command refuses a bookie that is registered still",
        vec![conditions::gone(name)],
        draft::SHORT,
    );
    decommission(draft, way, node);
    draft.wait(
        format!("wait until {name} holds no ledger, and no ledger lacks a copy"),
        "by the ledgers' metadata and by the shell, two readings: what the command says of itself proves nothing",
        vec![conditions::emptied(name, &[]), conditions::replicated(way.lost)],
        draft::LEDGERS,
    );
    draft.check(
        &format!("check that the cookie of {name} is gone"),
        "the command deletes it in the end, and says so also where it did not",
        vec![conditions::gone(name), conditions::has_cookie(name, false)],
    );
}

fn decommission(draft: &mut Draft, way: &Way<'_>, node: &Placed) {
    let (name, at) = (&node.node, way.at);
    let (keeper, named) = (draft.node(&at.node), draft.node(name));
    let pauses = budget::pauses(way.budgets);
    let mut undo = Vec::new();
    if pauses {
        undo.push(back(&at.host, actions::set_autorecovery(keeper.clone(), true)));
    }
    undo.push(back(&at.host, actions::restore_cookie(keeper.clone(), named.clone(), &node.id())));
    draft.act(Task {
        title: format!("decommission {name}, at {} on {}", at.node, at.host),
        reason: "it has the ledgers audited, waits until the others have made all copies anew, and deletes the cookie",
        host: at.host.clone(),
        action: actions::decommission(keeper.clone(), named, &node.id(), way.budgets),
        requires: vec![
            conditions::gone(name),
            conditions::autorecovers(std::slice::from_ref(name)),
            conditions::cookie_saved(name, &at.node),
        ],
        undo,
    });
    if pauses {
        draft.act(Task {
            title: "switch autorecovery on, as it was".to_owned(),
            reason: "it was switched off in hours in which nothing may move",
            host: at.host.clone(),
            action: actions::set_autorecovery(keeper, true),
            requires: vec![],
            undo: vec![],
        });
    }
}
