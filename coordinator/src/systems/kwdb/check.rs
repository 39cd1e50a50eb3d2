//! Judges conditions. What could not be read is unknown: never "holds", never "does not hold".

mod leaving;
mod membership;
mod place;
mod ranges;

pub(super) use membership::is_flagged;
pub(super) use ranges::{broken, ranges};

use bellows_proto::v1::{KwdbCondition, Observation, kwdb_condition::Kind};

use super::view::View;
use crate::plan::Verdict;

/// Judges a condition.
pub fn check(condition: &KwdbCondition, observation: &Observation) -> Verdict {
    let view = View::of(observation);
    let judged = match &condition.kind {
        Some(Kind::Healthy(wanted)) => membership::healthy(view, &wanted.without),
        Some(Kind::MembersAre(wanted)) => membership::members_are(view, wanted),
        Some(Kind::Joined(wanted)) => membership::joined(view, &wanted.node),
        Some(Kind::Vacant(wanted)) => place::vacant(view, wanted),
        Some(Kind::DiskFree(wanted)) => place::disk_free(view, wanted),
        Some(Kind::VersionsMatch(wanted)) => place::versions_match(view, &wanted.hosts),
        Some(Kind::Requested(wanted)) => place::requested(view, &wanted.node),
        Some(Kind::Certified(wanted)) => place::certified(view, &wanted.node),
        Some(Kind::CanSign(wanted)) => place::can_sign(view, &wanted.node),
        Some(Kind::Balanced(wanted)) => ranges::balanced(view, &wanted.nodes),
        Some(Kind::Drained(wanted)) => ranges::drained(view, wanted),
        Some(Kind::Flagged(wanted)) => membership::flagged(view, wanted),
        Some(Kind::Runs(wanted)) => place::runs(view, wanted),
        Some(Kind::AbsentEverywhere(wanted)) => membership::absent_everywhere(view, wanted),
        Some(Kind::RebalanceIs(wanted)) => ranges::rebalance_is(view, wanted.enabled),
        Some(Kind::ZonesSatisfiable(wanted)) => leaving::zones_satisfiable(view, wanted),
        Some(Kind::Room(wanted)) => leaving::room(view, wanted),
        Some(Kind::Quiet(wanted)) => membership::quiet(view, wanted),
        Some(Kind::NoWaiters(wanted)) => leaving::no_waiters(view, &wanted.without),
        Some(Kind::Replicated(_)) => ranges::replicated(view),
        Some(Kind::HasTombstone(wanted)) => {
            leaving::has_tombstone(view, &wanted.node, &wanted.host)
        }
        Some(Kind::StaysAway(wanted)) => leaving::stays_away(view, &wanted.node, &wanted.host),
        Some(Kind::SameKind(_)) => place::same_kind(view),
        Some(Kind::Emptied(wanted)) => place::emptied(view, &wanted.node),
        None => {
            Ok(Verdict::Refused("the condition is empty: written by a newer version".to_owned()))
        }
    };
    judged.unwrap_or_else(Verdict::Unknown)
}

/// A verdict, or why nothing can be said.
type Judged = Result<Verdict, String>;
