//! How long each step will take, about: for the eyes and for a maintenance window. A pure function of
//! the plan and of the size that was read. Nothing is decided by it in the plan itself.
//!
//! The fixed times are those of a healthy cluster on common hardware, rounded up: an estimate that is too
//! long lets a window be chosen too wide, one that is too short lets work run into the day.

use std::collections::BTreeMap;

use bellows_proto::v1::{
    Act, Action, Group, Observation, Plan, PostgresqlAction, PostgresqlService, Step, action,
    postgresql_action::Kind, step,
};

use super::view::View;
use crate::{
    plan::moved_ms,
    systems::host::actions::{self, WIPE_RATE},
};

const SECOND: u64 = 1000;
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Bytes of a server that was just made.
const FRESH_BYTES: u64 = 40 * MIB;
/// A base backup without a limit, all that run at once together: what one network link of 1 Gbit/s or
/// one slow disk gives beside its other work. Bytes per second.
const CLONE_RATE: u64 = 64 * MIB;
/// A base backup begins with a checkpoint and ends with the last WAL.
const CLONE_OVERHEAD_MS: u64 = 15 * SECOND;
/// Every host is asked, some twice.
const CHECK_MS: u64 = SECOND;
/// A reading shows what is waited for a few seconds later.
const WAIT_MS: u64 = 5 * SECOND;

/// Says of every step how long it will take.
pub(super) fn fill(plan: &mut Plan, observation: &Observation) {
    let primary = View::of(observation).primary();
    let database_bytes =
        primary.map_or(FRESH_BYTES, |primary| primary.server.database_bytes).max(FRESH_BYTES);
    let world = Sizes { database_bytes, limits: limits(plan) };
    for step in &mut plan.steps {
        step.expected_ms = one_step(step, &world);
    }
}

/// What the times depend on.
struct Sizes {
    database_bytes: u64,
    /// KiB/s by node, where a plan writes a node's configuration; 0: no limit.
    limits: BTreeMap<String, u32>,
}

/// The limits that nodes will have for their base backups.
fn limits(plan: &Plan) -> BTreeMap<String, u32> {
    let mut limits = BTreeMap::new();
    for step in &plan.steps {
        if let Some(step::Kind::Act(Act { action: Some(action), .. })) = &step.kind
            && let Some(action::Kind::Postgresql(action)) = &action.kind
            && let Some(Kind::WriteConfiguration(write)) = &action.kind
            && let Some(node) = &write.node
        {
            limits.insert(node.node.clone(), write.clone_rate_kib);
        }
    }
    limits
}

fn one_step(step: &mut Step, sizes: &Sizes) -> u64 {
    match &mut step.kind {
        Some(step::Kind::Check(_)) => CHECK_MS,
        Some(step::Kind::Wait(_)) => WAIT_MS,
        Some(step::Kind::Act(act)) => one_act(act.action.as_ref(), sizes, 1),
        Some(step::Kind::Group(group)) => one_group(group, sizes),
        None => 0,
    }
}

/// Members run in batches, each as long as its longest.
fn one_group(group: &mut Group, sizes: &Sizes) -> u64 {
    let members = group.members.len();
    let at_once = usize::try_from(group.limit).unwrap_or(1).clamp(1, members.max(1));
    let sharing = u64::try_from(at_once).unwrap_or(1);
    for member in &mut group.members {
        member.expected_ms = match &member.kind {
            Some(step::Kind::Act(act)) => one_act(act.action.as_ref(), sizes, sharing),
            Some(step::Kind::Check(_) | step::Kind::Group(_)) => CHECK_MS,
            Some(step::Kind::Wait(_)) => WAIT_MS,
            None => 0,
        };
    }
    let batches = group.members.chunks(at_once);
    batches
        .map(|batch| batch.iter().map(|member| member.expected_ms).max().unwrap_or(0))
        .fold(CHECK_MS, u64::saturating_add)
}

/// `sharing`: how many like it run at once.
fn one_act(action: Option<&Action>, sizes: &Sizes, sharing: u64) -> u64 {
    match action.and_then(|action| action.kind.as_ref()) {
        Some(action::Kind::Host(action)) => actions::expected_ms(action, sizes.database_bytes),
        Some(action::Kind::Postgresql(action)) => postgresql(action, sizes, sharing),
        _ => 0,
    }
}

fn postgresql(action: &PostgresqlAction, sizes: &Sizes, sharing: u64) -> u64 {
    match &action.kind {
        Some(Kind::CloneStandby(clone)) => {
            let node = clone.node.as_ref().map_or("", |node| &node.node);
            let limit = u64::from(sizes.limits.get(node).copied().unwrap_or(0)) * KIB;
            let share = CLONE_RATE / sharing.max(1);
            let rate = if limit == 0 { share } else { limit.min(share) };
            CLONE_OVERHEAD_MS.saturating_add(moved_ms(sizes.database_bytes, rate))
        }
        Some(Kind::DiscardData(_)) => {
            SECOND.saturating_add(moved_ms(sizes.database_bytes, WIPE_RATE))
        }
        Some(Kind::InitDatabase(_)) => 10 * SECOND,
        // A few commands, each with a pause and a look.
        Some(Kind::SetFront(_)) => 15 * SECOND,
        Some(Kind::StartService(start)) => match start.service() {
            PostgresqlService::Server => 10 * SECOND,
            PostgresqlService::Repmgrd | PostgresqlService::Unspecified => 3 * SECOND,
        },
        // Its checkpoint went before it.
        Some(Kind::StopService(stop)) if stop.checkpoint_first => 5 * SECOND,
        // A stop writes a checkpoint.
        Some(Kind::StopService(stop)) => match stop.service() {
            PostgresqlService::Server => 20 * SECOND,
            PostgresqlService::Repmgrd | PostgresqlService::Unspecified => 3 * SECOND,
        },
        Some(
            Kind::WriteConfiguration(_)
            | Kind::RemoveConfiguration(_)
            | Kind::WriteHba(_)
            | Kind::CreateRepmgrDatabase(_)
            | Kind::RegisterPrimary(_)
            | Kind::RegisterStandby(_)
            | Kind::UnregisterStandby(_)
            | Kind::CreateSlot(_)
            | Kind::DropSlot(_)
            | Kind::PauseRepmgrd(_)
            | Kind::PromoteStandby(_)
            | Kind::FollowUpstream(_)
            | Kind::DemotePrimary(_),
        ) => 3 * SECOND,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::v1::{CloneStandby, NodeRef};

    fn clone(node: &str) -> Step {
        let node = Some(NodeRef { cluster: "orders".into(), node: node.into() });
        let kind = Some(Kind::CloneStandby(CloneStandby { node, ..CloneStandby::default() }));
        let action = Action { kind: Some(action::Kind::Postgresql(PostgresqlAction { kind })) };
        let act = Act { action: Some(action), ..Act::default() };
        Step { kind: Some(step::Kind::Act(act)), ..Step::default() }
    }

    #[test]
    fn a_clone_takes_its_bytes_by_its_rate() {
        let limits = [("pg4".to_owned(), 1024)].into();
        let sizes = Sizes { database_bytes: 64 * MIB, limits };
        assert_eq!(one_step(&mut clone("pg4"), &sizes), CLONE_OVERHEAD_MS + 64 * SECOND);
        assert_eq!(one_step(&mut clone("pg5"), &sizes), CLONE_OVERHEAD_MS + SECOND);
    }

    #[test]
    fn members_of_a_group_share_the_rate_and_run_in_batches() {
        let sizes = Sizes { database_bytes: 64 * MIB, limits: BTreeMap::new() };
        let members = vec![clone("a"), clone("b"), clone("c")];
        let mut group = Group { members, limit: 2, checks: Vec::new() };
        let one = CLONE_OVERHEAD_MS + 2 * SECOND;
        assert_eq!(one_group(&mut group, &sizes), CHECK_MS + 2 * one);
        assert!(group.members.iter().all(|member| member.expected_ms == one));
        assert_eq!(moved_ms(u64::MAX, 0), u64::MAX);
    }
}
