//! The way out of a bookie that lives: its ledgers are copied to others while it serves them. No ledger has fewer
//! copies than before at any time, and what has its only copy there moves too.

use super::{
    actions, conditions,
    draft::{self, Draft, Placed, Task},
    leave::{self, Way},
};

/// Read-only, emptied, stopped, forgotten.
pub(super) fn out(draft: &mut Draft, way: &Way<'_>, node: &Placed) {
    let name = &node.node;
    let only = std::slice::from_ref(name);
    leave::read_only(draft, node, vec![conditions::enough(only), conditions::room(only)]);
    let named = draft.node(name);
    draft.act(Task {
        title: format!("copy the ledgers of {name} to the others, at {name} on {}", node.host),
        reason: "it lives and is read from: every ledger keeps all its copies; one that is being written is closed, and its writer goes on with another",
        host: node.host.clone(),
        action: actions::drain_alive(named, &node.id(), way.budgets),
        requires: vec![conditions::read_only(name), conditions::healthy(only)],
        // What was copied is whole where it is.
        undo: vec![],
    });
    draft.wait(
        format!("wait until {name} holds no ledger"),
        "by the ledgers' metadata and by the shell, two readings: what the command says of itself proves nothing",
        vec![conditions::read_only(name), conditions::emptied(name, &[])],
        draft::LEDGERS,
    );
    leave::stop_empty(draft, node);
    leave::save_cookie(draft, way.at, node);
    leave::delete_cookie(draft, way.at, node, &[]);
}
