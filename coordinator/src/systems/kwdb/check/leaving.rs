//! Conditions on a node that leaves, and on those who stay.

use bellows_proto::v1::{KwdbRoom, KwdbZonesSatisfiable};

use super::{
    super::{
        departure::Departure,
        view::{self, View},
    },
    Judged, not_yet, unless,
};
use crate::plan::Verdict;

pub(super) fn zones_satisfiable(view: View<'_>, wanted: &KwdbZonesSatisfiable) -> Judged {
    let KwdbZonesSatisfiable { without, node_id } = wanted;
    let departure = Departure { view, without, node_id: *node_id, coming: &[] };
    let obstacles = departure.obstacles()?;
    if obstacles.is_empty() {
        return Ok(Verdict::Holds);
    }
    let texts: Vec<String> = obstacles.iter().map(|obstacle| obstacle.text()).collect();
    Ok(Verdict::Refused(texts.join(" ")))
}

pub(super) fn room(view: View<'_>, wanted: &KwdbRoom) -> Judged {
    let KwdbRoom { without, node_id } = wanted;
    let departure = Departure { view, without, node_id: *node_id, coming: &[] };
    let room = departure.room()?;
    Ok(if room.missing == 0 { Verdict::Holds } else { Verdict::Refused(room.text()) })
}

/// A client that waits for a decommission flags the node again on each of its turns.
pub(super) fn no_waiters(view: View<'_>, without: &[String]) -> Judged {
    if view.in_spec().next().is_none() {
        return Err("no member was asked whether somebody waits for a decommission".to_owned());
    }
    let mut waiting = Vec::new();
    for member in view.in_spec().filter(|member| !without.contains(&member.node)) {
        for command in &view::reading(member)?.waiters {
            waiting.push(format!("on {}: {command}", member.host));
        }
    }
    Ok(unless(waiting))
}

pub(super) fn has_tombstone(view: View<'_>, node: &str, host: &str) -> Judged {
    let named = view.reading(node)?.node.as_ref();
    let of_node = |record: &bellows_proto::v1::NodeRecord| record.node.as_ref() == named;
    let stone = view.host(host)?.nodes.iter().any(|record| record.tombstone && of_node(record));
    Ok(if stone { Verdict::Holds } else { not_yet(format!("{host} has no tombstone for {node}")) })
}

/// It is named dead, and takes no part: silent, or buried. Once it is no member any more its
/// tombstone is on its way to it.
pub(super) fn stays_away(view: View<'_>, node: &str, host: &str) -> Judged {
    let (facts, reading) = (view.host(host), view.reading(node));
    if facts.is_err() && reading.is_err() {
        return Ok(Verdict::Holds);
    }
    let text = format!("{host}, which the plan names dead, answers");
    if view.in_spec().any(|member| member.node == node) {
        return Ok(Verdict::Refused(format!("{text}: switch it off, or plan for a living host")));
    }
    let named = reading?.node.as_ref();
    let of_node = |record: &&bellows_proto::v1::NodeRecord| record.node.as_ref() == named;
    if facts?.nodes.iter().filter(of_node).all(|record| record.tombstone) {
        return Ok(Verdict::Holds);
    }
    Err(format!("{text}, and {node} has not got its tombstone yet"))
}
