//! What is said of an action: its summary, and how long its job may take.

use bellows_proto::v1::{
    Action, BookkeeperAction, HostAction, action, bookkeeper_action::Kind, host_action,
};

use super::super::budget;
use crate::plan::Limits;

const MINUTE: u64 = 60_000;
/// Ledgers that move and of which none became whole for so long are told of.
const STILL: u64 = 120 * MINUTE;
/// No pause of a budget is longer.
const DAY: u64 = 24 * 60 * MINUTE;

/// The time limits of an action.
pub(in super::super) fn limits(action: &Action) -> Limits {
    match &action.kind {
        Some(action::Kind::Host(action)) => within(on_host(action)),
        Some(action::Kind::Bookkeeper(action)) => bookkeeper(action),
        _ => within(MINUTE),
    }
}

fn within(deadline_ms: u64) -> Limits {
    Limits { deadline_ms, stall_ms: 0 }
}

fn on_host(action: &HostAction) -> u64 {
    match &action.kind {
        // Wiping large directories takes its time.
        Some(host_action::Kind::Tombstone(_) | host_action::Kind::ReleaseNode(_)) => 30 * MINUTE,
        Some(
            host_action::Kind::ClaimNode(_)
            | host_action::Kind::ClaimResource(_)
            | host_action::Kind::ReleaseResource(_)
            | host_action::Kind::LiftTombstone(_),
        )
        | None => MINUTE,
    }
}

fn bookkeeper(action: &BookkeeperAction) -> Limits {
    match &action.kind {
        // Data move for hours or days, and of one that hangs nothing else tells. The ledgers of a run may all be whole
        // near its end only; in a day's hours of 0 nothing moves at all.
        Some(Kind::Drain(drain)) => {
            let pause = if budget::pauses(&drain.budgets) { DAY } else { 0 };
            Limits { deadline_ms: 0, stall_ms: STILL + pause }
        }
        Some(Kind::Decommission(_)) => Limits { deadline_ms: 0, stall_ms: STILL },
        // It may replay its journal before it answers.
        Some(Kind::StartBookie(_)) => within(20 * MINUTE),
        // It flushes what it has in memory.
        Some(Kind::StopBookie(_)) => within(15 * MINUTE),
        // An audit looks at every ledger.
        Some(Kind::Audit(_) | Kind::DiscardData(_)) => within(30 * MINUTE),
        Some(
            Kind::WriteConfig(_)
            | Kind::RemoveConfig(_)
            | Kind::SetReadOnly(_)
            | Kind::SaveCookie(_)
            | Kind::DeleteCookie(_)
            | Kind::RestoreCookie(_)
            | Kind::SetAutorecovery(_)
            | Kind::TellPlace(_),
        )
        | None => within(5 * MINUTE),
    }
}

/// An action in a few words.
pub(in super::super) fn summary(action: &Action) -> String {
    match &action.kind {
        Some(action::Kind::Host(action)) => host_summary(action).to_owned(),
        Some(action::Kind::Bookkeeper(action)) => bookkeeper_summary(action),
        _ => String::new(),
    }
}

fn host_summary(action: &HostAction) -> &'static str {
    match &action.kind {
        Some(host_action::Kind::ClaimNode(_)) => "claim directories, ports and the service",
        Some(host_action::Kind::ReleaseNode(_)) => "give the node's claim back",
        Some(host_action::Kind::ClaimResource(_)) => "claim a resource",
        Some(host_action::Kind::ReleaseResource(_)) => "give a resource back",
        Some(host_action::Kind::Tombstone(stone)) if stone.wipe_data => {
            "tombstone, remove the data"
        }
        Some(host_action::Kind::Tombstone(_)) => "tombstone, keep the data",
        Some(host_action::Kind::LiftTombstone(_)) => "take the tombstone back",
        None => "",
    }
}

fn bookkeeper_summary(action: &BookkeeperAction) -> String {
    let text = match &action.kind {
        Some(Kind::WriteConfig(_)) => "make directories, bookie.conf and the service",
        Some(Kind::RemoveConfig(_)) => "remove bookie.conf and the service",
        Some(Kind::StartBookie(_)) => "start and enable the bookie",
        Some(Kind::StopBookie(_)) => "stop and disable the bookie",
        Some(Kind::SetReadOnly(set)) => {
            return format!("PUT /api/v1/bookie/state/readonly {{\"readOnly\":{}}}", set.read_only);
        }
        Some(Kind::Audit(_)) => "PUT /api/v1/autorecovery/trigger_audit, and wait for its end",
        Some(Kind::Drain(drain)) => {
            let skip = if drain.skip_lost { " -sku" } else { "" };
            return format!(
                "bookkeeper shell recover -f{skip} {}, until it has no ledger",
                drain.bookie
            );
        }
        Some(Kind::Decommission(of)) => {
            return format!("bookkeeper shell decommissionbookie -bookieid {}", of.bookie);
        }
        Some(Kind::SaveCookie(of)) => {
            return format!("bookkeeper shell cookie_get {}, and keep it", of.bookie);
        }
        Some(Kind::DeleteCookie(of)) => {
            return format!("bookkeeper shell cookie_delete {}", of.bookie);
        }
        Some(Kind::RestoreCookie(of)) => {
            return format!("bookkeeper shell cookie_create {} as it was", of.bookie);
        }
        Some(Kind::SetAutorecovery(set)) if set.enabled => "switch autorecovery on",
        Some(Kind::SetAutorecovery(_)) => "switch autorecovery off",
        Some(Kind::DiscardData(_)) => "empty the bookie's directories",
        Some(Kind::TellPlace(of)) if of.rack.is_empty() => {
            return format!("take {} out of /bookies in ZooKeeper", of.bookie);
        }
        Some(Kind::TellPlace(of)) => {
            return format!("put {} into rack {} in /bookies in ZooKeeper", of.bookie, of.rack);
        }
        None => "",
    };
    text.to_owned()
}
