//! Whether the data of a member are a part of the primary's past: only then it can follow with them.
//!
//! A timeline is written by one server; when another one takes over it begins the next, at a place
//! that its history keeps. What lies on the old timeline beyond that place is nowhere else.

use bellows_proto::{
    defect::{Defect, is_seeded},
    v1::{DirectoryState, PostgresqlReading, PostgresqlServer},
};

use super::{
    health,
    view::{self, Primary, Role, View},
};
use crate::plan::Verdict;

/// The state of a data directory whose server ended in order, as a primary.
pub(super) const SHUT_DOWN: &str = "shut down";

/// How the data of a member stand to the primary's.
pub(super) enum Past {
    /// All that they hold, the primary has too.
    Part,
    /// They hold what the primary has not, or lack what it does not give any more.
    Apart {
        why: String,
        /// Bytes of WAL that are nowhere else; unset: not known.
        lost: Option<u64>,
    },
    /// It cannot be said. Why.
    Unknown(String),
}

fn apart(why: String) -> Past {
    Past::Apart { why, lost: None }
}

/// A place in the WAL as PostgreSQL writes it.
fn place(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff)
}

/// Judges the data of `node`, which follows with a slot of this name.
pub(super) fn past(node: &str, slot: &str, reading: &PostgresqlReading, to: Primary<'_>) -> Past {
    if is_seeded(Defect::ForeignDataAccepted) {
        return Past::Part;
    }
    let own = to.server.system_identifier.as_str();
    let identity = reading.system_identifier.as_str();
    if !identity.is_empty() && !own.is_empty() && identity != own {
        return apart(format!("the data of {node} are of cluster {identity}, not {own}"));
    }
    if let Ok(server) = view::server(node, reading) {
        match server.in_recovery {
            Some(true) => {}
            Some(false) => return second_primary(node, server, to),
            None => return Past::Unknown(format!("{node} does not say whether it recovers")),
        }
    }
    match reading.data_directory() {
        DirectoryState::Occupied => {}
        DirectoryState::Absent | DirectoryState::Empty => {
            return apart(format!("the data directory of {node} is empty"));
        }
        DirectoryState::Unspecified => {
            return Past::Unknown(format!("the data directory of {node} could not be looked at"));
        }
    }
    match reading.control_state.as_str() {
        SHUT_DOWN => {
            on_timeline(node, reading.checkpoint_timeline, reading.checkpoint_lsn, true, to)
        }
        "in archive recovery" | "shut down in recovery" => as_standby(node, slot, reading, to),
        "" => apart(format!("the data directory of {node} is not whole: it has no control file")),
        state => Past::Apart {
            why: format!(
                "the server of {node} was not shut down in order (its directory says {state:?}): what it wrote last may be nowhere else"
            ),
            lost: None,
        },
    }
}

fn second_primary(node: &str, server: &PostgresqlServer, to: Primary<'_>) -> Past {
    let ended = to.server.history.iter().find(|end| Some(end.timeline) == server.timeline);
    let lost = ended.zip(server.written_lsn);
    Past::Apart {
        why: format!("{node} runs as a primary"),
        lost: lost.map(|(end, written)| written.saturating_sub(end.ends_lsn)),
    }
}

/// Data of a standby end where its recovery came to, and need the WAL from there on.
fn as_standby(node: &str, slot: &str, reading: &PostgresqlReading, to: Primary<'_>) -> Past {
    let known = reading.recovery_end_lsn.filter(|lsn| *lsn > 0);
    let (timeline, lsn) = match known {
        Some(lsn) => (reading.recovery_end_timeline, Some(lsn)),
        None => (reading.checkpoint_timeline, reading.checkpoint_lsn),
    };
    match health::slot(to.server, slot) {
        Some(slot) if slot.wal_status == "lost" => {
            return apart(format!("the slot {} of {node} has lost WAL", slot.name));
        }
        // What a slot keeps is there.
        Some(_) => {}
        None => {
            let received = view::server(node, reading).ok().and_then(|server| server.received_lsn);
            let needed = lsn.max(received);
            if let Some((needed, oldest)) = needed.zip(to.server.oldest_wal_lsn)
                && oldest > needed
            {
                return apart(format!(
                    "{node} needs WAL from {} on, and has no slot; the oldest at {} is {}",
                    place(needed),
                    to.member.node,
                    place(oldest)
                ));
            }
        }
    }
    on_timeline(node, timeline, lsn, false, to)
}

/// `begins`: a record begins at this place, so the primary's past must go on after it.
fn on_timeline(
    node: &str,
    timeline: Option<u32>,
    lsn: Option<u64>,
    begins: bool,
    to: Primary<'_>,
) -> Past {
    let (Some(timeline), Some(lsn)) = (timeline, lsn) else {
        return Past::Unknown(format!("where the WAL of {node} ends was not read"));
    };
    let primary = &to.member.node;
    let (Some(own), Some(written)) = (to.server.timeline, to.server.written_lsn) else {
        return Past::Unknown(format!("{primary} does not say which timeline it writes"));
    };
    if timeline == own {
        return match (begins, lsn <= written) {
            (true, _) => Past::Unknown(format!(
                "{node} was a primary on timeline {timeline}, which is the one that {primary} writes: which of them is right cannot be told"
            )),
            (false, true) => Past::Part,
            (false, false) => apart(format!(
                "the data of {node} go on to {}, {primary} wrote up to {}",
                place(lsn),
                place(written)
            )),
        };
    }
    let Some(end) = to.server.history.iter().find(|end| end.timeline == timeline) else {
        return apart(format!(
            "the data of {node} are of timeline {timeline}, which is not in the past of {primary} (timeline {own})"
        ));
    };
    if lsn < end.ends_lsn || (!begins && lsn == end.ends_lsn) {
        return Past::Part;
    }
    Past::Apart {
        why: format!(
            "the data of {node} go on to {} on timeline {timeline}, {primary} took over at {}",
            place(lsn),
            place(end.ends_lsn)
        ),
        lost: Some(lsn - end.ends_lsn),
    }
}

/// Judges whether the data of `node` may be discarded: the primary comes after it, and nobody has
/// it as a source.
pub(super) fn may_discard(view: View<'_>, node: &str, primary: &str) -> Result<Verdict, String> {
    let followers = followers(view, node);
    if followers.is_empty() {
        return comes_after(view, node, primary);
    }
    Ok(Verdict::Refused(format!("{} streams from {node}", followers.join(", "))))
}

/// Judges whether the primary took over from `node`: two readings, its own and the primary's.
pub(super) fn comes_after(view: View<'_>, node: &str, primary: &str) -> Result<Verdict, String> {
    let to = view.primary_besides(node).map_err(|why| why.text())?;
    if to.member.node != primary {
        return Ok(Verdict::Refused(format!("{} is primary, not {primary}", to.member.node)));
    }
    let reading = view.reading(node)?;
    let (own, theirs) = (&to.server.system_identifier, &reading.system_identifier);
    if own.is_empty() {
        return Err(format!("{primary} does not tell its system identifier"));
    }
    if !theirs.is_empty() && own != theirs {
        let text = format!("the data of {node} are of cluster {theirs}, not {own}");
        return Ok(Verdict::Refused(text));
    }
    let Some(leads) = to.server.timeline else {
        return Err(format!("{primary} does not say which timeline it writes"));
    };
    let runs = view.member(node).map(view::role);
    let (timeline, later) = match runs {
        // Two that write at once: only the later one can be the one that took over.
        Some(Role::Primary(server)) => {
            let own = server.timeline;
            (
                own,
                own.ok_or_else(|| format!("{node} does not say which timeline it writes"))?
                    >= leads,
            )
        }
        Some(Role::Standby(_) | Role::Down(_) | Role::Unknown(_)) | None => {
            let own = reading.checkpoint_timeline;
            (own, own.is_some_and(|own| own > leads))
        }
    };
    Ok(match timeline {
        Some(timeline) if later => Verdict::Refused(format!(
            "the data of {node} are of timeline {timeline}, {primary} writes timeline {leads}: it does not come after {node}"
        )),
        Some(_) | None => Verdict::Holds,
    })
}

/// Members that stream from this one.
pub(super) fn followers(view: View<'_>, node: &str) -> Vec<String> {
    let Ok(server) = view.server(node) else { return Vec::new() };
    let members = view.in_spec().filter(|member| member.node != node);
    let streams = members.filter(|member| health::sender(server, &member.node).is_some());
    streams.map(|member| member.node.clone()).collect()
}
