//! Every condition of the planners, made in one place.

use bellows_proto::v1::{
    BookkeeperAutorecovers, BookkeeperAutorecoveryIs, BookkeeperCondition, BookkeeperCookieClean,
    BookkeeperCookieSaved, BookkeeperDiskFree, BookkeeperEmptied, BookkeeperEnough,
    BookkeeperHasCookie, BookkeeperHasTombstone, BookkeeperHealthy, BookkeeperMembersAre,
    BookkeeperMetadataFast, BookkeeperNoSoleCopies, BookkeeperRegistered, BookkeeperRegistration,
    BookkeeperReplicated, BookkeeperRoom, BookkeeperRuns, BookkeeperSameCluster,
    BookkeeperStateKept, BookkeeperStaysAway, BookkeeperVacant, BookkeeperVersionsMatch,
    ClockWithin, Condition, HostAnswers, HostCondition, bookkeeper_condition::Kind, condition,
    host_condition,
};

/// A host's clock may be so far off: logs and audits of several hosts are compared.
pub(super) const CLOCK_LIMIT_MS: i64 = 2000;

fn bookkeeper(kind: Kind) -> Condition {
    Condition { kind: Some(condition::Kind::Bookkeeper(BookkeeperCondition { kind: Some(kind) })) }
}

fn host(kind: host_condition::Kind) -> Condition {
    Condition { kind: Some(condition::Kind::Host(HostCondition { kind: Some(kind) })) }
}

pub(super) fn host_answers(host_name: &str) -> Condition {
    host(host_condition::Kind::Answers(HostAnswers { host: host_name.to_owned() }))
}

pub(super) fn clock_within(host_name: &str) -> Condition {
    let limit_ms = CLOCK_LIMIT_MS;
    host(host_condition::Kind::ClockWithin(ClockWithin { host: host_name.to_owned(), limit_ms }))
}

/// Every member but these runs and is writable, and no bookie is missing but these.
pub(super) fn healthy(without: &[String]) -> Condition {
    bookkeeper(Kind::Healthy(BookkeeperHealthy { without: without.to_vec() }))
}

pub(super) fn members_are(nodes: Vec<String>, besides: Vec<String>) -> Condition {
    bookkeeper(Kind::MembersAre(BookkeeperMembersAre { nodes, besides }))
}

fn registered(node: &str, registration: BookkeeperRegistration) -> Condition {
    let (node, r#as) = (node.to_owned(), registration.into());
    bookkeeper(Kind::Registered(BookkeeperRegistered { node, r#as }))
}

pub(super) fn writable(node: &str) -> Condition {
    registered(node, BookkeeperRegistration::Writable)
}

pub(super) fn read_only(node: &str) -> Condition {
    registered(node, BookkeeperRegistration::ReadOnly)
}

/// Registered nowhere.
pub(super) fn gone(node: &str) -> Condition {
    registered(node, BookkeeperRegistration::Gone)
}

pub(super) fn vacant(host_name: &str, node: &str) -> Condition {
    let (host, node) = (host_name.to_owned(), node.to_owned());
    bookkeeper(Kind::Vacant(BookkeeperVacant { host, node }))
}

pub(super) fn cookie_clean(node: &str) -> Condition {
    bookkeeper(Kind::CookieClean(BookkeeperCookieClean { node: node.to_owned() }))
}

pub(super) fn disk_free(host_name: &str, bytes: u64) -> Condition {
    bookkeeper(Kind::DiskFree(BookkeeperDiskFree { host: host_name.to_owned(), bytes }))
}

pub(super) fn versions_match(nodes: Vec<String>) -> Condition {
    bookkeeper(Kind::VersionsMatch(BookkeeperVersionsMatch { nodes }))
}

pub(super) fn autorecovers(without: &[String]) -> Condition {
    bookkeeper(Kind::Autorecovers(BookkeeperAutorecovers { without: without.to_vec() }))
}

/// `lost`: ledgers that were agreed to be lost.
pub(super) fn replicated(lost: &[u64]) -> Condition {
    bookkeeper(Kind::Replicated(BookkeeperReplicated { lost: lost.to_vec() }))
}

pub(super) fn enough(without: &[String]) -> Condition {
    bookkeeper(Kind::Enough(BookkeeperEnough { without: without.to_vec() }))
}

pub(super) fn room(without: &[String]) -> Condition {
    bookkeeper(Kind::Room(BookkeeperRoom { without: without.to_vec() }))
}

pub(super) fn no_sole_copies(node: &str) -> Condition {
    bookkeeper(Kind::NoSoleCopies(BookkeeperNoSoleCopies { node: node.to_owned() }))
}

/// `lost`: ledgers that were agreed to be lost.
pub(super) fn emptied(node: &str, lost: &[u64]) -> Condition {
    let (node, lost) = (node.to_owned(), lost.to_vec());
    bookkeeper(Kind::Emptied(BookkeeperEmptied { node, lost }))
}

pub(super) fn runs(node: &str, runs: bool) -> Condition {
    bookkeeper(Kind::Runs(BookkeeperRuns { node: node.to_owned(), runs }))
}

pub(super) fn has_cookie(node: &str, present: bool) -> Condition {
    bookkeeper(Kind::HasCookie(BookkeeperHasCookie { node: node.to_owned(), present }))
}

/// `at`: the node whose host has it.
pub(super) fn cookie_saved(node: &str, at: &str) -> Condition {
    let (node, at) = (node.to_owned(), at.to_owned());
    bookkeeper(Kind::CookieSaved(BookkeeperCookieSaved { node, at }))
}

pub(super) fn autorecovery_is(enabled: bool) -> Condition {
    bookkeeper(Kind::AutorecoveryIs(BookkeeperAutorecoveryIs { enabled }))
}

pub(super) fn metadata_fast() -> Condition {
    bookkeeper(Kind::MetadataFast(BookkeeperMetadataFast {}))
}

pub(super) fn has_tombstone(node: &str, host_name: &str) -> Condition {
    let (node, host) = (node.to_owned(), host_name.to_owned());
    bookkeeper(Kind::HasTombstone(BookkeeperHasTombstone { node, host }))
}

pub(super) fn stays_away(node: &str, host_name: &str) -> Condition {
    let (node, host) = (node.to_owned(), host_name.to_owned());
    bookkeeper(Kind::StaysAway(BookkeeperStaysAway { node, host }))
}

pub(super) fn state_kept(node: &str) -> Condition {
    bookkeeper(Kind::StateKept(BookkeeperStateKept { node: node.to_owned() }))
}

pub(super) fn same_cluster() -> Condition {
    bookkeeper(Kind::SameCluster(BookkeeperSameCluster {}))
}
