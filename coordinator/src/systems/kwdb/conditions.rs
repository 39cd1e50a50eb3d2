//! Every condition of the planners, made in one place.

use crate::systems::host::conditions as host_conditions;
pub(super) use crate::systems::host::conditions::answers as host_answers;
use bellows_proto::v1::{
    Condition, KwdbAbsentEverywhere, KwdbBalanced, KwdbCanSign, KwdbCertified, KwdbCondition,
    KwdbDiskFree, KwdbDrained, KwdbEmptied, KwdbFlagged, KwdbHasTombstone, KwdbHealthy, KwdbJoined,
    KwdbMembersAre, KwdbNoWaiters, KwdbQuiet, KwdbRebalanceIs, KwdbReplicated, KwdbRequested,
    KwdbRoom, KwdbRuns, KwdbSameKind, KwdbStaysAway, KwdbVacant, KwdbVersionsMatch,
    KwdbZonesSatisfiable, condition, kwdb_condition::Kind,
};

/// A host's clock may be so far off for certain: KWDB's own limit between its nodes.
pub(super) const CLOCK_LIMIT_MS: i64 = 500;
/// Where an answer took too long to judge that, at least this is wanted.
pub(super) const CLOCK_AT_MOST_MS: i64 = 2000;

fn kwdb(kind: Kind) -> Condition {
    Condition { kind: Some(condition::Kind::Kwdb(KwdbCondition { kind: Some(kind) })) }
}

pub(super) fn clock_within(host: &str) -> Condition {
    host_conditions::clock_within(host, CLOCK_AT_MOST_MS)
}

/// Every member but these is available and live for all others, takes SQL, and every range is whole.
pub(super) fn healthy(without: &[String]) -> Condition {
    kwdb(Kind::Healthy(KwdbHealthy { without: without.to_vec() }))
}

pub(super) fn members_are(nodes: Vec<String>, besides: Vec<String>) -> Condition {
    kwdb(Kind::MembersAre(KwdbMembersAre { nodes, besides }))
}

pub(super) fn joined(node: &str) -> Condition {
    kwdb(Kind::Joined(KwdbJoined { node: node.to_owned() }))
}

pub(super) fn vacant(host_name: &str, node: &str) -> Condition {
    kwdb(Kind::Vacant(KwdbVacant { host: host_name.to_owned(), node: node.to_owned() }))
}

pub(super) fn disk_free(host_name: &str, bytes: u64) -> Condition {
    kwdb(Kind::DiskFree(KwdbDiskFree { host: host_name.to_owned(), bytes }))
}

pub(super) fn versions_match(hosts: Vec<String>) -> Condition {
    kwdb(Kind::VersionsMatch(KwdbVersionsMatch { hosts }))
}

pub(super) fn requested(node: &str) -> Condition {
    kwdb(Kind::Requested(KwdbRequested { node: node.to_owned() }))
}

pub(super) fn certified(node: &str) -> Condition {
    kwdb(Kind::Certified(KwdbCertified { node: node.to_owned() }))
}

pub(super) fn can_sign(node: &str) -> Condition {
    kwdb(Kind::CanSign(KwdbCanSign { node: node.to_owned() }))
}

pub(super) fn balanced(nodes: Vec<String>) -> Condition {
    kwdb(Kind::Balanced(KwdbBalanced { nodes }))
}

/// `node_id`: where the tool tells no address any more; 0: by its address.
pub(super) fn drained(node: &str, node_id: u32) -> Condition {
    kwdb(Kind::Drained(KwdbDrained { node: node.to_owned(), node_id }))
}

pub(super) fn flagged(node: &str, decommissioning: bool, node_id: u32) -> Condition {
    kwdb(Kind::Flagged(KwdbFlagged { node: node.to_owned(), decommissioning, node_id }))
}

pub(super) fn runs(node: &str, runs: bool) -> Condition {
    kwdb(Kind::Runs(KwdbRuns { node: node.to_owned(), runs }))
}

pub(super) fn absent_everywhere(node: &str, node_id: u32) -> Condition {
    kwdb(Kind::AbsentEverywhere(KwdbAbsentEverywhere { node: node.to_owned(), node_id }))
}

pub(super) fn rebalance_is(enabled: bool) -> Condition {
    kwdb(Kind::RebalanceIs(KwdbRebalanceIs { enabled }))
}

/// `node_id`: of the one whose address the tool does not tell any more; 0: all by their addresses.
pub(super) fn zones_satisfiable(without: Vec<String>, node_id: u32) -> Condition {
    kwdb(Kind::ZonesSatisfiable(KwdbZonesSatisfiable { without, node_id }))
}

pub(super) fn room(without: Vec<String>, node_id: u32) -> Condition {
    kwdb(Kind::Room(KwdbRoom { without, node_id }))
}

/// Nobody is being decommissioned but these, and nobody upgrades.
pub(super) fn quiet(besides: Vec<String>, node_id: u32) -> Condition {
    kwdb(Kind::Quiet(KwdbQuiet { besides, node_id }))
}

/// `without`: members on hosts that are named dead.
pub(super) fn no_waiters(without: &[String]) -> Condition {
    kwdb(Kind::NoWaiters(KwdbNoWaiters { without: without.to_vec() }))
}

pub(super) fn replicated() -> Condition {
    kwdb(Kind::Replicated(KwdbReplicated {}))
}

pub(super) fn has_tombstone(node: &str, host_name: &str) -> Condition {
    let (node, host) = (node.to_owned(), host_name.to_owned());
    kwdb(Kind::HasTombstone(KwdbHasTombstone { node, host }))
}

pub(super) fn stays_away(node: &str, host_name: &str) -> Condition {
    let (node, host) = (node.to_owned(), host_name.to_owned());
    kwdb(Kind::StaysAway(KwdbStaysAway { node, host }))
}

pub(super) fn same_kind() -> Condition {
    kwdb(Kind::SameKind(KwdbSameKind {}))
}

pub(super) fn emptied(node: &str) -> Condition {
    kwdb(Kind::Emptied(KwdbEmptied { node: node.to_owned() }))
}
