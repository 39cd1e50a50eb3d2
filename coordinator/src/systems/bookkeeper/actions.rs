//! Every action of the planners, made in one place; their words and time limits stand in `told`. An
//! undo is idempotent on the host: what is not there is no error.

use bellows_proto::v1::{
    Action, BookkeeperAction, BookkeeperAudit, BookkeeperBudget, BookkeeperDecommission,
    BookkeeperDeleteCookie, BookkeeperDiscardData, BookkeeperDrain, BookkeeperPlacement,
    BookkeeperRemoveConfig, BookkeeperRestoreCookie, BookkeeperSaveCookie,
    BookkeeperSetAutorecovery, BookkeeperSetReadOnly, BookkeeperSetting, BookkeeperStartBookie,
    BookkeeperStopBookie, BookkeeperTellPlace, BookkeeperToldPlace, BookkeeperWriteConfig,
    ClaimNode, HostAction, LiftTombstone, NodeRef, Placement, ReleaseNode, Tombstone, action,
    bookkeeper_action::Kind, host_action, placement,
};

mod told;

pub(super) use told::{limits, summary};

fn host(kind: host_action::Kind) -> Action {
    Action { kind: Some(action::Kind::Host(HostAction { kind: Some(kind) })) }
}

fn bookkeeper(kind: Kind) -> Action {
    Action { kind: Some(action::Kind::Bookkeeper(BookkeeperAction { kind: Some(kind) })) }
}

pub(super) fn claim_node(node: NodeRef, place: BookkeeperPlacement) -> Action {
    let placement = Some(Placement { system: Some(placement::System::Bookkeeper(place)) });
    host(host_action::Kind::ClaimNode(ClaimNode { node: Some(node), placement }))
}

pub(super) fn release_node(node: NodeRef) -> Action {
    host(host_action::Kind::ReleaseNode(ReleaseNode { node: Some(node) }))
}

pub(super) fn tombstone(node: NodeRef, wipe_data: bool) -> Action {
    host(host_action::Kind::Tombstone(Tombstone { node: Some(node), wipe_data }))
}

pub(super) fn lift_tombstone(node: NodeRef) -> Action {
    host(host_action::Kind::LiftTombstone(LiftTombstone { node: Some(node) }))
}

pub(super) fn write_config(node: NodeRef, settings: Vec<BookkeeperSetting>) -> Action {
    bookkeeper(Kind::WriteConfig(BookkeeperWriteConfig { node: Some(node), settings }))
}

pub(super) fn remove_config(node: NodeRef) -> Action {
    bookkeeper(Kind::RemoveConfig(BookkeeperRemoveConfig { node: Some(node) }))
}

pub(super) fn start_bookie(node: NodeRef) -> Action {
    bookkeeper(Kind::StartBookie(BookkeeperStartBookie { node: Some(node) }))
}

pub(super) fn stop_bookie(node: NodeRef) -> Action {
    bookkeeper(Kind::StopBookie(BookkeeperStopBookie { node: Some(node) }))
}

pub(super) fn set_read_only(node: NodeRef, read_only: bool) -> Action {
    bookkeeper(Kind::SetReadOnly(BookkeeperSetReadOnly { node: Some(node), read_only }))
}

/// `at` and what the audit comes after are resolved just before it starts.
pub(super) fn audit(at: NodeRef) -> Action {
    bookkeeper(Kind::Audit(BookkeeperAudit { at: Some(at), after_ms: 0 }))
}

/// A bookie that lives is kept read-only meanwhile.
pub(super) fn drain_alive(node: NodeRef, bookie: &str, budgets: &[BookkeeperBudget]) -> Action {
    bookkeeper(Kind::Drain(BookkeeperDrain {
        at: Some(node.clone()),
        node: Some(node),
        bookie: bookie.to_owned(),
        alive: true,
        budgets: budgets.to_vec(),
        skip_lost: false,
    }))
}

/// `at`: a member that stays. `skip_lost`: what is lost was agreed to be lost.
pub(super) fn drain_dead(
    at: NodeRef,
    node: NodeRef,
    bookie: &str,
    budgets: &[BookkeeperBudget],
    skip_lost: bool,
) -> Action {
    bookkeeper(Kind::Drain(BookkeeperDrain {
        at: Some(at),
        node: Some(node),
        bookie: bookie.to_owned(),
        alive: false,
        budgets: budgets.to_vec(),
        skip_lost,
    }))
}

/// `at`: a member that stays.
pub(super) fn decommission(
    at: NodeRef,
    node: NodeRef,
    bookie: &str,
    budgets: &[BookkeeperBudget],
) -> Action {
    bookkeeper(Kind::Decommission(BookkeeperDecommission {
        at: Some(at),
        node: Some(node),
        bookie: bookie.to_owned(),
        budgets: budgets.to_vec(),
    }))
}

/// It is kept on the host of `at`.
pub(super) fn save_cookie(at: NodeRef, node: NodeRef, bookie: &str) -> Action {
    let (at, node, bookie) = (Some(at), Some(node), bookie.to_owned());
    bookkeeper(Kind::SaveCookie(BookkeeperSaveCookie { at, node, bookie }))
}

pub(super) fn delete_cookie(at: NodeRef, node: NodeRef, bookie: &str) -> Action {
    let (at, node, bookie) = (Some(at), Some(node), bookie.to_owned());
    bookkeeper(Kind::DeleteCookie(BookkeeperDeleteCookie { at, node, bookie }))
}

pub(super) fn restore_cookie(at: NodeRef, node: NodeRef, bookie: &str) -> Action {
    let (at, node, bookie) = (Some(at), Some(node), bookie.to_owned());
    bookkeeper(Kind::RestoreCookie(BookkeeperRestoreCookie { at, node, bookie }))
}

pub(super) fn set_autorecovery(at: NodeRef, enabled: bool) -> Action {
    bookkeeper(Kind::SetAutorecovery(BookkeeperSetAutorecovery { at: Some(at), enabled }))
}

pub(super) fn discard_data(node: NodeRef) -> Action {
    bookkeeper(Kind::DiscardData(BookkeeperDiscardData { node: Some(node) }))
}

/// `at`: whose host runs it. An empty rack: nothing is told any more.
pub(super) fn tell_place(at: NodeRef, node: NodeRef, place: &BookkeeperToldPlace) -> Action {
    let BookkeeperToldPlace { bookie, rack, group } = place.clone();
    let (at, node) = (Some(at), Some(node));
    bookkeeper(Kind::TellPlace(BookkeeperTellPlace { at, node, bookie, rack, group }))
}
