//! Judges conditions. What could not be read is unknown: never "holds", never "does not hold".

mod cookies;
mod ledgers;
mod membership;
mod place;

use bellows_proto::v1::{BookkeeperCondition, Observation, bookkeeper_condition::Kind};

use super::{autorecovery, staying, view::View};
use crate::plan::Verdict;

/// Judges a condition.
pub fn check(condition: &BookkeeperCondition, observation: &Observation) -> Verdict {
    let view = View::of(observation);
    let judged = match &condition.kind {
        Some(Kind::Healthy(wanted)) => membership::healthy(view, &wanted.without),
        Some(Kind::MembersAre(wanted)) => membership::members_are(view, wanted),
        Some(Kind::Registered(wanted)) => membership::registered(view, wanted),
        Some(Kind::VersionsMatch(wanted)) => membership::versions_match(view, &wanted.nodes),
        Some(Kind::SameCluster(_)) => membership::same_cluster(view),
        Some(Kind::Vacant(wanted)) => place::vacant(view, wanted),
        Some(Kind::DiskFree(wanted)) => place::disk_free(view, wanted),
        Some(Kind::Runs(wanted)) => place::runs(view, wanted),
        Some(Kind::HasTombstone(wanted)) => place::has_tombstone(view, wanted),
        Some(Kind::StaysAway(wanted)) => place::stays_away(view, wanted),
        Some(Kind::StateKept(wanted)) => place::state_kept(view, &wanted.node),
        Some(Kind::CookieClean(wanted)) => cookies::clean(view, &wanted.node),
        Some(Kind::HasCookie(wanted)) => cookies::has(view, wanted),
        Some(Kind::CookieSaved(wanted)) => cookies::saved(view, wanted),
        Some(Kind::Autorecovers(wanted)) => {
            autorecovery::judge(view, &wanted.without).map(refused_unless)
        }
        Some(Kind::AutorecoveryIs(wanted)) => {
            autorecovery::is(view).map(|is| unless_one(autorecovery::differs(is, wanted.enabled)))
        }
        Some(Kind::MetadataFast(_)) => autorecovery::metadata_fast(view)
            .map(|seen| seen.map_or_else(not_yet, |_| Verdict::Holds)),
        Some(Kind::Enough(wanted)) => {
            staying::enough(view, &wanted.without, view.options).map(refused_unless)
        }
        Some(Kind::Room(wanted)) => staying::room(view, &wanted.without)
            .map(|room| if room.fits() { Verdict::Holds } else { Verdict::Refused(room.text()) }),
        Some(Kind::Replicated(wanted)) => ledgers::replicated(view, &wanted.lost),
        Some(Kind::NoSoleCopies(wanted)) => ledgers::no_sole_copies(view, &wanted.node),
        Some(Kind::Emptied(wanted)) => ledgers::emptied(view, wanted),
        None => {
            Ok(Verdict::Refused("the condition is empty: written by a newer version".to_owned()))
        }
    };
    judged.unwrap_or_else(Verdict::Unknown)
}

/// The condition needs what is slow to tell.
pub fn needs_surveys(condition: &BookkeeperCondition) -> bool {
    match &condition.kind {
        Some(
            Kind::Enough(_)
            | Kind::Room(_)
            | Kind::NoSoleCopies(_)
            | Kind::Emptied(_)
            | Kind::CookieClean(_)
            | Kind::HasCookie(_),
        ) => true,
        Some(
            Kind::Healthy(_)
            | Kind::MembersAre(_)
            | Kind::Registered(_)
            | Kind::VersionsMatch(_)
            | Kind::SameCluster(_)
            | Kind::Vacant(_)
            | Kind::DiskFree(_)
            | Kind::Runs(_)
            | Kind::HasTombstone(_)
            | Kind::StaysAway(_)
            | Kind::StateKept(_)
            | Kind::CookieSaved(_)
            | Kind::Autorecovers(_)
            | Kind::AutorecoveryIs(_)
            | Kind::MetadataFast(_)
            | Kind::Replicated(_),
        )
        | None => false,
    }
}

/// A verdict, or why nothing can be said.
type Judged = Result<Verdict, String>;

fn not_yet(reason: String) -> Verdict {
    Verdict::NotYet { reason, progress: None }
}

/// Holds if nothing is missing.
fn unless(missing: Vec<String>) -> Verdict {
    if missing.is_empty() { Verdict::Holds } else { not_yet(missing.join("; ")) }
}

fn unless_one(missing: Option<String>) -> Verdict {
    missing.map_or(Verdict::Holds, not_yet)
}

/// Holds by what was seen, or waiting will not help.
fn refused_unless(judged: Result<String, String>) -> Verdict {
    judged.map_or_else(Verdict::Refused, |_| Verdict::Holds)
}
