//! How long each step will take, about: for the eyes and for a maintenance window. A pure function of
//! the plan and of what was read. Nothing is decided by it in the plan itself.
//!
//! The fixed times are those of a healthy cluster on common hardware, rounded up: an estimate that is too
//! long lets a window be chosen too wide, one that is too short lets work run into the day.

use bellows_proto::v1::{
    Action, Condition, KwdbAction, Observation, Plan, Step, action, condition, kwdb_action::Kind,
    kwdb_condition, step,
};

use super::{ids, view::View};
use crate::{
    plan::moved_ms,
    systems::host::actions::{self, WIPE_RATE},
};

const SECOND: u64 = 1000;
const MIB: u64 = 1 << 20;
/// Bytes per second that a store sends, where the cluster does not tell another limit: the tool's default.
const USUAL_RATE: u64 = 8 * MIB;
/// Every host is asked, some twice.
const CHECK_MS: u64 = 2 * SECOND;
/// A reading shows what is waited for a few seconds later.
const WAIT_MS: u64 = 15 * SECOND;

/// What the times depend on.
struct Sizes<'a> {
    view: View<'a>,
    /// Bytes per second of one store.
    rate: u64,
    /// Used by all stores together.
    used: u64,
    stores: u64,
}

/// Says of every step how long it will take.
pub(super) fn fill(plan: &mut Plan, observation: &Observation) {
    let view = View::of(observation);
    let cluster = view.cluster().ok();
    let stores = cluster.map(|cluster| cluster.stores.as_slice()).unwrap_or_default();
    let sizes = Sizes {
        view,
        rate: cluster.map(|one| one.rebalance_rate).filter(|rate| *rate > 0).unwrap_or(USUAL_RATE),
        used: stores.iter().fold(0, |sum, store| sum.saturating_add(store.used)),
        stores: u64::try_from(stores.len()).unwrap_or(u64::MAX).max(1),
    };
    for step in &mut plan.steps {
        step.expected_ms = one_step(step, &sizes);
    }
}

fn one_step(step: &Step, sizes: &Sizes<'_>) -> u64 {
    match &step.kind {
        Some(step::Kind::Check(_) | step::Kind::Group(_)) => CHECK_MS,
        Some(step::Kind::Wait(wait)) => {
            let longest = wait.conditions.iter().map(|one| one_wait(one, sizes)).max();
            // The reading that finds it done comes once in a pause.
            longest.unwrap_or(0).saturating_add(wait.interval_ms)
        }
        Some(step::Kind::Act(act)) => one_act(act.action.as_ref(), sizes),
        None => 0,
    }
}

/// Data come from all other stores at once, and arrive at the new ones.
fn one_wait(condition: &Condition, sizes: &Sizes<'_>) -> u64 {
    let Some(condition::Kind::Kwdb(condition)) = &condition.kind else { return WAIT_MS };
    match &condition.kind {
        Some(kwdb_condition::Kind::Balanced(balanced)) => {
            let new = u64::try_from(balanced.nodes.len()).unwrap_or(0).max(1);
            let share = sizes.used / sizes.stores.saturating_add(new);
            WAIT_MS.saturating_add(moved_ms(share, sizes.rate))
        }
        Some(kwdb_condition::Kind::Drained(drained)) => WAIT_MS
            .saturating_add(moved_ms(used_by(sizes, &drained.node, drained.node_id), sizes.rate)),
        Some(_) | None => WAIT_MS,
    }
}

fn used_by(sizes: &Sizes<'_>, node: &str, given: u32) -> u64 {
    let id = ids::id_of(sizes.view, node, given).ok().flatten();
    let stores = sizes.view.cluster().map(|one| one.stores.as_slice()).unwrap_or_default();
    let own = stores.iter().filter(|store| Some(store.node_id) == id);
    own.fold(0, |sum, store| sum.saturating_add(store.used))
}

fn one_act(action: Option<&Action>, sizes: &Sizes<'_>) -> u64 {
    match action.and_then(|action| action.kind.as_ref()) {
        Some(action::Kind::Host(action)) => actions::expected_ms(action, sizes.used / sizes.stores),
        Some(action::Kind::Kwdb(action)) => kwdb(action, sizes),
        _ => 0,
    }
}

fn kwdb(action: &KwdbAction, sizes: &Sizes<'_>) -> u64 {
    match &action.kind {
        Some(Kind::DiscardData(_)) => SECOND + moved_ms(sizes.used / sizes.stores, WIPE_RATE),
        // A drain gives clients and leases their time.
        Some(Kind::StopNode(_)) => 30 * SECOND,
        Some(Kind::RestartNode(_)) => 60 * SECOND,
        Some(Kind::StartNode(_)) => 15 * SECOND,
        Some(
            Kind::WriteStart(_)
            | Kind::RemoveStart(_)
            | Kind::RequestCertificates(_)
            | Kind::SignCertificates(_)
            | Kind::ForgetSigned(_)
            | Kind::PlaceCertificates(_)
            | Kind::RemoveCertificates(_)
            | Kind::Decommission(_)
            | Kind::Recommission(_)
            | Kind::SetRebalance(_)
            | Kind::DeployDecommission(_),
        ) => 5 * SECOND,
        None => 0,
    }
}
