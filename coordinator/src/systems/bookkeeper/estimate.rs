//! How long each step will take, about: for the eyes and for a maintenance window. A pure function of
//! the plan and of what was read. Nothing is decided by it in the plan itself.

use bellows_proto::v1::{
    Action, BookkeeperAction, BookkeeperBudget, HostAction, Observation, Plan, Step, action,
    bookkeeper_action::Kind, host_action, step,
};

use super::{
    moving::{self, Load},
    view::View,
};

const SECOND: u64 = 1000;
/// Files go faster than they come. Bytes per second.
const WIPE_RATE: u64 = 1024 << 20;
/// Every host is asked, some twice, and a survey reads all ledgers' metadata.
const CHECK_MS: u64 = 5 * SECOND;
/// A reading shows what is waited for a few seconds later.
const WAIT_MS: u64 = 15 * SECOND;

/// Says of every step how long it will take.
pub(super) fn fill(plan: &mut Plan, observation: &Observation) {
    let view = View::of(observation);
    for step in &mut plan.steps {
        step.expected_ms = one_step(step, view);
    }
}

fn one_step(step: &Step, view: View<'_>) -> u64 {
    match &step.kind {
        Some(step::Kind::Check(_) | step::Kind::Group(_)) => CHECK_MS,
        // The reading that finds it done comes once in a pause.
        Some(step::Kind::Wait(wait)) => WAIT_MS.saturating_add(wait.interval_ms),
        Some(step::Kind::Act(act)) => one_act(act.action.as_ref(), view),
        None => 0,
    }
}

fn one_act(action: Option<&Action>, view: View<'_>) -> u64 {
    match action.and_then(|action| action.kind.as_ref()) {
        Some(action::Kind::Host(action)) => on_host(action),
        Some(action::Kind::Bookkeeper(action)) => bookkeeper(action, view),
        _ => 0,
    }
}

fn on_host(action: &HostAction) -> u64 {
    match &action.kind {
        Some(host_action::Kind::Tombstone(stone)) if stone.wipe_data => 10 * SECOND,
        Some(
            host_action::Kind::Tombstone(_)
            | host_action::Kind::ClaimNode(_)
            | host_action::Kind::ReleaseNode(_)
            | host_action::Kind::ClaimResource(_)
            | host_action::Kind::ReleaseResource(_)
            | host_action::Kind::LiftTombstone(_),
        ) => SECOND,
        None => 0,
    }
}

fn bookkeeper(action: &BookkeeperAction, view: View<'_>) -> u64 {
    match &action.kind {
        Some(Kind::Drain(drain)) => moved(view, &drain.bookie, &drain.budgets),
        // It takes 35 s at the least.
        Some(Kind::Decommission(of)) => {
            moved(view, &of.bookie, &of.budgets).saturating_add(35 * SECOND)
        }
        Some(Kind::DiscardData(discard)) => {
            let node = discard.node.as_ref().map_or("", |node| node.node.as_str());
            let server = view.server(node).ok();
            let used = server.map_or(0, |one| one.total_bytes.saturating_sub(one.free_bytes));
            SECOND.saturating_add(used / WIPE_RATE * SECOND)
        }
        Some(Kind::StartBookie(_) | Kind::StopBookie(_)) => 15 * SECOND,
        Some(Kind::Audit(_)) => 30 * SECOND,
        // The shell starts a JVM.
        Some(
            Kind::SaveCookie(_)
            | Kind::DeleteCookie(_)
            | Kind::RestoreCookie(_)
            | Kind::TellPlace(_),
        ) => 5 * SECOND,
        Some(
            Kind::WriteConfig(_)
            | Kind::RemoveConfig(_)
            | Kind::SetReadOnly(_)
            | Kind::SetAutorecovery(_),
        ) => 2 * SECOND,
        None => 0,
    }
}

/// At the longest: what ends earlier harms nobody.
fn moved(view: View<'_>, bookie: &str, budgets: &[BookkeeperBudget]) -> u64 {
    let Ok(held) = view.held(bookie) else { return 0 };
    let load = Load { ledgers: held.ledgers, bytes: held.bytes };
    moving::lasts(load, budgets).map_or(0, |times| *times.end())
}
