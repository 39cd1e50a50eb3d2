//! Every condition of the planners, made in one place.

use crate::systems::host::conditions as host_conditions;
pub(super) use crate::systems::host::conditions::answers as host_answers;
use bellows_proto::v1::{
    AbsentEverywhere, Action, CanFollow, CanTakeOver, Condition, DiskFree, FrontBackend,
    FrontServes, HasTombstone, Healthy, Leads, LoginWorks, MayDiscard, MembersAre, MembersBetween,
    NodeRef, NotStreaming, PostgresqlCondition, PostgresqlPlacement, PostgresqlService, PrimaryIs,
    ReceivedAll, RegisteredEverywhere, RepmgrdIs, RoleMoves, SenderHeadroom, ServiceRuns,
    SlotHeadroom, StaysAway, Streaming, SyncSatisfiable, Vacant, VersionsMatch, action, condition,
    postgresql_action, postgresql_condition::Kind,
};

/// A host's clock may be so far off: logs and timeouts of several hosts are read together.
pub(super) const CLOCK_LIMIT_MS: i64 = 2000;
/// A standby that is at most one WAL segment behind is caught up.
pub(super) const LAG_LIMIT_BYTES: u64 = 16 << 20;

fn postgresql(kind: Kind) -> Condition {
    Condition { kind: Some(condition::Kind::Postgresql(PostgresqlCondition { kind: Some(kind) })) }
}

pub(super) fn clock_within(host: &str) -> Condition {
    host_conditions::clock_within(host, CLOCK_LIMIT_MS)
}

pub(super) fn healthy() -> Condition {
    healthy_without(&[])
}

/// `without`: members on hosts that are named dead.
pub(super) fn healthy_without(without: &[String]) -> Condition {
    postgresql(Kind::Healthy(Healthy { without: without.to_vec() }))
}

pub(super) fn primary_is(node: &str) -> Condition {
    primary_is_without(node, &[])
}

/// `without`: members on hosts that are named dead.
pub(super) fn primary_is_without(node: &str, without: &[String]) -> Condition {
    let (node, without) = (node.to_owned(), without.to_vec());
    postgresql(Kind::PrimaryIs(PrimaryIs { node, without }))
}

pub(super) fn members_are(nodes: Vec<String>) -> Condition {
    members_are_without(nodes, &[])
}

/// `without`: members on hosts that are named dead.
pub(super) fn members_are_without(nodes: Vec<String>, without: &[String]) -> Condition {
    postgresql(Kind::MembersAre(MembersAre { nodes, without: without.to_vec() }))
}

/// A node whose host is named dead takes no part.
pub(super) fn stays_away(node: &str, host: &str) -> Condition {
    let (node, host) = (node.to_owned(), host.to_owned());
    postgresql(Kind::StaysAway(StaysAway { node, host }))
}

pub(super) fn members_between(at_least: Vec<String>, at_most: Vec<String>) -> Condition {
    postgresql(Kind::MembersBetween(MembersBetween { at_least, at_most }))
}

pub(super) fn login_works(host: &str, to: &PostgresqlPlacement) -> Condition {
    let (address, port) = (to.address.clone(), to.port);
    postgresql(Kind::LoginWorks(LoginWorks { host: host.to_owned(), address, port }))
}

pub(super) fn sender_headroom(node: &str, needed: u32) -> Condition {
    postgresql(Kind::SenderHeadroom(SenderHeadroom { node: node.to_owned(), needed }))
}

pub(super) fn slot_headroom(node: &str, needed: u32) -> Condition {
    postgresql(Kind::SlotHeadroom(SlotHeadroom { node: node.to_owned(), needed }))
}

pub(super) fn disk_for_clones(host: &str, clones: u32) -> Condition {
    postgresql(Kind::DiskFree(DiskFree { host: host.to_owned(), bytes: 0, clones }))
}

pub(super) fn disk_free(host: &str, bytes: u64) -> Condition {
    postgresql(Kind::DiskFree(DiskFree { host: host.to_owned(), bytes, clones: 0 }))
}

pub(super) fn vacant(host: &str, node: &str) -> Condition {
    postgresql(Kind::Vacant(Vacant { host: host.to_owned(), node: node.to_owned() }))
}

pub(super) fn streaming(node: &str) -> Condition {
    streaming_from(node, "")
}

/// From this member, whatever its record says.
pub(super) fn streaming_from(node: &str, from: &str) -> Condition {
    let (node, from) = (node.to_owned(), from.to_owned());
    postgresql(Kind::Streaming(Streaming { node, max_lag_bytes: LAG_LIMIT_BYTES, from }))
}

/// `besides`: the member that comes back, whatever it is.
pub(super) fn leads(
    node: &str,
    besides: &str,
    at_least: Vec<String>,
    at_most: Vec<String>,
) -> Condition {
    let (node, besides) = (node.to_owned(), besides.to_owned());
    postgresql(Kind::Leads(Leads { node, besides, at_least, at_most }))
}

pub(super) fn can_follow(node: &str, primary: &str) -> Condition {
    let (node, primary) = (node.to_owned(), primary.to_owned());
    postgresql(Kind::CanFollow(CanFollow { node, primary }))
}

pub(super) fn may_discard(node: &str, primary: &str) -> Condition {
    let (node, primary) = (node.to_owned(), primary.to_owned());
    postgresql(Kind::MayDiscard(MayDiscard { node, primary }))
}

pub(super) fn can_take_over(node: &str) -> Condition {
    let max_lag_bytes = LAG_LIMIT_BYTES;
    postgresql(Kind::CanTakeOver(CanTakeOver { node: node.to_owned(), max_lag_bytes }))
}

pub(super) fn received_all(node: &str, from: &str) -> Condition {
    let (node, from) = (node.to_owned(), from.to_owned());
    postgresql(Kind::ReceivedAll(ReceivedAll { node, from }))
}

pub(super) fn repmgrd_is(node: &str, paused: bool) -> Condition {
    postgresql(Kind::RepmgrdIs(RepmgrdIs { node: node.to_owned(), paused }))
}

pub(super) fn role_moves(among: &[&str], at_least: Vec<String>, at_most: Vec<String>) -> Condition {
    let among = among.iter().map(|node| (*node).to_owned()).collect();
    postgresql(Kind::RoleMoves(RoleMoves { among, at_least, at_most }))
}

pub(super) fn not_streaming(node: &str, slot: &str) -> Condition {
    not_streaming_at("", node, slot)
}

/// At one member; empty: at any.
fn not_streaming_at(at: &str, node: &str, slot: &str) -> Condition {
    let (node, slot, at) = (node.to_owned(), slot.to_owned(), at.to_owned());
    postgresql(Kind::NotStreaming(NotStreaming { node, slot, at }))
}

pub(super) fn registered_everywhere(node: &str, node_id: u32) -> Condition {
    postgresql(Kind::RegisteredEverywhere(RegisteredEverywhere { node: node.to_owned(), node_id }))
}

pub(super) fn absent_everywhere(node: &str, node_id: u32, slot: &str) -> Condition {
    let (node, slot) = (node.to_owned(), slot.to_owned());
    postgresql(Kind::AbsentEverywhere(AbsentEverywhere { node, node_id, slot }))
}

pub(super) fn service_runs(node: &str, service: PostgresqlService) -> Condition {
    postgresql(Kind::ServiceRuns(ServiceRuns { node: node.to_owned(), service: service.into() }))
}

pub(super) fn versions_match(hosts: Vec<String>) -> Condition {
    postgresql(Kind::VersionsMatch(VersionsMatch { hosts }))
}

pub(super) fn sync_satisfiable(without: Vec<String>) -> Condition {
    postgresql(Kind::SyncSatisfiable(SyncSatisfiable { without }))
}

pub(super) fn has_tombstone(node: &str, host: &str) -> Condition {
    postgresql(Kind::HasTombstone(HasTombstone { node: node.to_owned(), host: host.to_owned() }))
}

/// A front lists these, in the states that are set.
pub(super) fn front_serves(host: &str, front: &str, backends: Vec<FrontBackend>) -> Condition {
    let (host, front) = (host.to_owned(), front.to_owned());
    postgresql(Kind::FrontServes(FrontServes { host, front, backends }))
}

/// What an action waits for when it takes another back: a walsender outlives its client for a
/// moment, and a slot that is in use cannot be dropped.
pub(super) fn of_undo(action: &Action) -> Vec<Condition> {
    let Some(action::Kind::Postgresql(action)) = &action.kind else { return Vec::new() };
    match &action.kind {
        Some(postgresql_action::Kind::DropSlot(drop)) => {
            let named = |node: &Option<NodeRef>| node.as_ref().map(|node| node.node.clone());
            let (at, node) = (named(&drop.at), named(&drop.node));
            vec![not_streaming_at(&at.unwrap_or_default(), &node.unwrap_or_default(), &drop.slot)]
        }
        Some(
            postgresql_action::Kind::WriteConfiguration(_)
            | postgresql_action::Kind::RemoveConfiguration(_)
            | postgresql_action::Kind::WriteHba(_)
            | postgresql_action::Kind::InitDatabase(_)
            | postgresql_action::Kind::CreateRepmgrDatabase(_)
            | postgresql_action::Kind::RegisterPrimary(_)
            | postgresql_action::Kind::CloneStandby(_)
            | postgresql_action::Kind::RegisterStandby(_)
            | postgresql_action::Kind::UnregisterStandby(_)
            | postgresql_action::Kind::CreateSlot(_)
            | postgresql_action::Kind::StartService(_)
            | postgresql_action::Kind::StopService(_)
            | postgresql_action::Kind::DiscardData(_)
            | postgresql_action::Kind::PauseRepmgrd(_)
            | postgresql_action::Kind::PromoteStandby(_)
            | postgresql_action::Kind::FollowUpstream(_)
            | postgresql_action::Kind::DemotePrimary(_)
            | postgresql_action::Kind::SetFront(_),
        )
        | None => Vec::new(),
    }
}
