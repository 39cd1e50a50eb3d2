//! Conditions on a node that leaves, and on those who stay.

use bellows_proto::v1::{KwdbRoom, KwdbZonesSatisfiable};

use super::{
    super::{
        departure::Departure,
        view::{self, View},
    },
    Judged,
};
use crate::plan::Verdict;
use crate::systems::host;

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
    Ok(Verdict::unless(&waiting))
}

pub(super) fn has_tombstone(view: View<'_>, node: &str, at: &str) -> Judged {
    host::has_tombstone(view.hosts, view.reading(node)?.node.as_ref(), node, at)
}

pub(super) fn stays_away(view: View<'_>, node: &str, at: &str) -> Judged {
    let named = view.reading(node).map(|reading| reading.node.as_ref());
    let is_member = view.in_spec().any(|member| member.node == node);
    host::stays_away(view.hosts, named, (node, is_member), at)
}
