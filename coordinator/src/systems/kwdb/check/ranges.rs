//! Numbers that move: replicas of ranges, by their descriptors.

use bellows_proto::{
    defect::{Defect, is_seeded},
    v1::{KwdbCluster, KwdbDrained, Progress},
};

use super::{
    super::{
        ids, sizes,
        view::{View, Witness, known},
    },
    Judged,
};
use crate::plan::Verdict;

/// What is told of the ranges that block.
const SHOWN: usize = 8;

/// Replicas of a node, exactly: counted for those that are being decommissioned. Not listed is not known.
fn replicas(cluster: &KwdbCluster, id: u32) -> Result<u64, String> {
    let found = cluster.replicas.iter().find(|one| one.node_id == id);
    found
        .map(|one| one.count)
        .ok_or_else(|| format!("how many replicas node {id} has was not read"))
}

/// Ranges in the stores of a node, by what it last said of itself: seconds old, and no scan.
pub(in super::super) fn ranges(cluster: &KwdbCluster, id: u32) -> Result<u64, String> {
    let mut own = cluster.stores.iter().filter(|store| store.node_id == id).peekable();
    if own.peek().is_none() {
        return Err(format!("how many ranges node {id} has was not read"));
    }
    Ok(own.fold(0, |sum, store| sum.saturating_add(store.ranges)))
}

/// Ranges in all stores together.
fn all_ranges(cluster: &KwdbCluster) -> u64 {
    cluster.stores.iter().fold(0, |sum, store| sum.saturating_add(store.ranges))
}

fn progress(left: u64, all: u64) -> Option<Progress> {
    let done = all.saturating_sub(left);
    Some(Progress { done, total: Some(all), unit: "ranges".to_owned(), ..Progress::default() })
}

/// The new ones have nearly what the others have.
pub(super) fn balanced(view: View<'_>, nodes: &[String]) -> Judged {
    let cluster = view.cluster()?;
    let mut counts = Vec::new();
    for member in view.in_spec() {
        let id = ids::must(view, &member.node, 0)?;
        counts.push((member.node.as_str(), ranges(cluster, id)?));
    }
    let goal = goal(&counts.iter().map(|(_, count)| *count).collect::<Vec<_>>());
    let (mut done, mut total, mut missing) = (0_u64, 0_u64, Vec::new());
    for node in nodes {
        let Some((_, count)) = counts.iter().find(|(name, _)| name == node) else {
            return Ok(Verdict::not_yet(format!("{node} is no member yet")));
        };
        done = done.saturating_add(goal.min(*count));
        total = total.saturating_add(goal);
        if *count < goal {
            missing.push(format!("{node} has {count} of {}", sizes::many(goal, "range")));
        }
    }
    if missing.is_empty() {
        return Ok(Verdict::Holds);
    }
    let progress = Some(Progress {
        done,
        total: Some(total),
        unit: "ranges".to_owned(),
        ..Progress::default()
    });
    Ok(Verdict::NotYet { reason: missing.join("; "), progress })
}

/// 95 % of the mean, less two: the allocator itself stops near there.
pub(in super::super) fn goal(counts: &[u64]) -> u64 {
    let sum = counts.iter().fold(0_u64, |sum, one| sum.saturating_add(*one));
    let nodes = u64::try_from(counts.len()).unwrap_or(u64::MAX).max(1);
    (sum.saturating_mul(95) / nodes / 100).saturating_sub(2)
}

fn counted(view: View<'_>, cluster: &KwdbCluster, id: u32) -> Result<u64, String> {
    if is_seeded(Defect::GossipedCountTrusted) {
        let rows = view.answering(&[]).into_iter().filter_map(|one| known(one.server, id));
        return Ok(rows.filter_map(|row| row.gossiped_replicas).max().unwrap_or(0));
    }
    replicas(cluster, id)
}

/// By the exact count at everybody who was asked: two members where there are two.
pub(super) fn drained(view: View<'_>, wanted: &KwdbDrained) -> Judged {
    let besides = std::slice::from_ref(&wanted.node);
    let Some(id) = ids::id_of(view, &wanted.node, wanted.node_id)? else {
        // It never came: there is nothing of it, as far as everybody says who answers.
        if view.answering(besides).is_empty() {
            return Err(format!("no other member tells whether {} was ever there", wanted.node));
        }
        return Ok(Verdict::Holds);
    };
    if view.in_spec().all(|member| member.node != wanted.node) && wanted.node_id == 0 {
        // A new one that came after its flag was passed over: it is stopped first, and flagged then.
        let unflagged = |one: &Witness<'_>| super::is_flagged(one.server, id) != Some(true);
        let witnesses = view.answering(besides);
        if !witnesses.is_empty() && witnesses.iter().all(unflagged) {
            return Ok(Verdict::Holds);
        }
    }
    let mut most: Option<(u64, &KwdbCluster)> = None;
    for (_, cluster) in view.clusters()? {
        let left = counted(view, cluster, id)?;
        if most.is_none_or(|(known, _)| known < left) {
            most = Some((left, cluster));
        }
    }
    let Some((left, cluster)) = most else { return Err("nobody counted".to_owned()) };
    if left == 0 {
        return Ok(Verdict::Holds);
    }
    let ranges = cluster.left.iter().filter(|one| one.node_id == id).take(SHOWN);
    let named: Vec<String> = ranges
        .map(|one| match one.what.as_str() {
            "" => one.range.to_string(),
            what => format!("{} ({what})", one.range),
        })
        .collect();
    let by_name = match named.is_empty() {
        true => String::new(),
        false => format!(", among them range {}", named.join(", ")),
    };
    let (node, left_text) = (&wanted.node, sizes::many(left, "range"));
    let reason = format!("{left_text} still have a replica at {node} (node {id}){by_name}");
    Ok(Verdict::NotYet { reason, progress: progress(left, all_ranges(cluster).max(left)) })
}

/// NULL is not known, never none.
pub(super) fn replicated(view: View<'_>) -> Judged {
    let cluster = view.cluster()?;
    let (unavailable, under) = broken(cluster)?;
    let mut wrong = Vec::new();
    if unavailable > 0 {
        wrong.push(format!("{} unavailable", sizes::many(unavailable, "range")));
    }
    if under > 0 {
        wrong.push(format!("{} under-replicated", sizes::many(under, "range")));
    }
    if wrong.is_empty() {
        return Ok(Verdict::Holds);
    }
    let left = unavailable.saturating_add(under);
    let progress = progress(left, all_ranges(cluster).max(left));
    Ok(Verdict::NotYet { reason: wrong.join("; "), progress })
}

/// No range is unavailable; with fewer replicas than it should have, it may be.
pub(super) fn available(view: View<'_>) -> Judged {
    let (unavailable, _) = broken(view.cluster()?)?;
    let text = format!("{} unavailable", sizes::many(unavailable, "range"));
    Ok(if unavailable == 0 { Verdict::Holds } else { Verdict::not_yet(text) })
}

/// Ranges that are unavailable, and under-replicated.
pub(in super::super) fn broken(cluster: &KwdbCluster) -> Result<(u64, u64), String> {
    let read = |count: Option<u64>, what: &str| {
        count.ok_or_else(|| format!("the cluster does not tell how many ranges are {what}"))
    };
    let unavailable = read(cluster.ranges_unavailable, "unavailable")?;
    let under = read(cluster.ranges_underreplicated, "under-replicated")?;
    Ok((unavailable, under))
}

pub(super) fn rebalance_is(view: View<'_>, enabled: bool) -> Judged {
    let is = view.cluster()?.rebalance;
    let is = is.ok_or_else(|| "the setting for rebalancing was not read".to_owned())?;
    let value = format!("kv.allocator.ts_consider_rebalance.enabled is {is}");
    Ok(if is == enabled { Verdict::Holds } else { Verdict::not_yet(value) })
}

#[cfg(test)]
mod tests {
    use super::goal;

    #[test]
    fn the_goal_is_a_little_below_the_mean() {
        assert_eq!(goal(&[60, 60, 60, 0]), 40);
        assert_eq!(goal(&[1, 1, 1]), 0);
        assert_eq!(goal(&[]), 0);
        assert!(goal(&[u64::MAX, u64::MAX]) > 0);
    }
}
