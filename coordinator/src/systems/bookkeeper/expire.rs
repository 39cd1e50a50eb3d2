//! The way out of a bookie that waits: it takes nothing new, and is stopped when those who wrote its ledgers have
//! deleted the last of them. Nothing is copied. It takes days or weeks, over restarts of anything: the bookie itself
//! keeps that it is read-only, and here is only read.

use super::{
    conditions,
    draft::{Draft, Pace, Placed},
    leave::{self, Way},
};

/// Nobody is in a hurry, and nothing need move for days.
const WEEKS: Pace = Pace { interval_ms: 60_000, stall_ms: 0 };

/// Read-only, expired, stopped, forgotten.
pub(super) fn out(draft: &mut Draft, way: &Way<'_>, node: &Placed) {
    let name = &node.node;
    let only = std::slice::from_ref(name);
    let requires = vec![conditions::enough(only), conditions::state_kept(name)];
    leave::read_only(draft, node, requires);
    draft.wait(
        format!("wait until the last ledger of {name} has expired"),
        "those who wrote its ledgers delete them in their own time",
        vec![conditions::emptied(name, &[])],
        WEEKS,
    );
    leave::stop_empty(draft, node);
    leave::save_cookie(draft, way.at, node);
    leave::delete_cookie(draft, way.at, node, &[]);
}
