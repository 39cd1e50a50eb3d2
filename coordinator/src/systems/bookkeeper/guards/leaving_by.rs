//! What each way out of a cluster asks for.

use bellows_proto::v1::{BookkeeperBudget, BookkeeperSpecOptions, BookkeeperWay, NoteKind};

use super::{
    super::{
        autorecovery, budget,
        draft::Placed,
        enough,
        moving::{self, Load},
        places::{self, Parting},
        room::{self, Disk},
        state, staying,
        view::View,
    },
    Findings, Rule,
    departing::parted,
};
use crate::plan::sizes;

/// So many ledgers of one kind are named.
const SHOWN: usize = 8;

/// Who goes, out of whom.
pub(super) struct Going<'a> {
    pub(super) names: &'a [String],
    pub(super) members: &'a [Placed],
    /// The disks of those who come before.
    pub(super) coming: &'a [Disk],
}

/// What is in the way: the rule, at whom, and what was seen.
type Obstacle = (Rule, String, String);

/// The bookies that are left are more than any ensemble, and stand in racks enough. `options`: with where those stand
/// who come.
pub(super) fn enough(
    findings: &mut Findings<'_>,
    going: &Going<'_>,
    options: &BookkeeperSpecOptions,
) {
    let view = findings.view;
    let (_, staying) = parted(going);
    let coming = going.coming.iter().map(|disk| disk.node.clone());
    let left: Vec<String> = staying.into_iter().map(|member| member.node).chain(coming).collect();
    let ledgers = findings.known("", "", view.ledgers());
    let short = ledgers.and_then(|ledgers| enough::shortage(left.len(), ledgers, &options.quorums));
    if let Some(value) = short {
        findings.say(Rule::EnoughBookies, "", "", value);
    }
    for value in places::short_groups(Parting { left: &left, going: going.names }, options) {
        findings.say(Rule::EnoughBookies, "", "", value);
    }
    let asked = findings.known("", "", places::asked(view, going.names, options)).flatten();
    let short = asked.and_then(|asked| places::short_racks(&left, &options.places, &asked));
    if let Some(value) = short {
        findings.say(Rule::RacksLeft, "", "", value);
    }
}

/// Says what is in the way that was chosen.
pub(super) fn say(
    findings: &mut Findings<'_>,
    going: &Going<'_>,
    way: BookkeeperWay,
    budgets: &[BookkeeperBudget],
) {
    let obstacles = obstacles(findings.view, going, way, budgets);
    for (rule, node, value) in findings.known("", "", obstacles).unwrap_or_default() {
        let host = going.members.iter().find(|member| member.node == node);
        let host = host.map(|member| member.host.clone()).unwrap_or_default();
        findings.say(rule, &node, &host, value);
    }
}

/// Whether a way could be gone, and if not why.
pub(super) fn possible(
    view: View<'_>,
    going: &Going<'_>,
    way: BookkeeperWay,
    budgets: &[BookkeeperBudget],
) -> Result<(), String> {
    let obstacles = obstacles(view, going, way, budgets)?;
    if obstacles.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = obstacles
        .into_iter()
        .map(|(rule, _, value)| format!("{}: {value}", rule.seen("").code))
        .collect();
    Err(told.join("; "))
}

/// # Errors
/// If something was not read.
fn obstacles(
    view: View<'_>,
    going: &Going<'_>,
    way: BookkeeperWay,
    budgets: &[BookkeeperBudget],
) -> Result<Vec<Obstacle>, String> {
    let (leaving, _) = parted(going);
    let mut found = Vec::new();
    match way {
        BookkeeperWay::Drain | BookkeeperWay::Unspecified => {
            found.extend(no_autorecovery(view, &[])?);
            found.extend(no_room(view, going)?);
            found.extend(no_hours(view, &leaving, budgets)?);
        }
        BookkeeperWay::Stop => {
            found.extend(no_autorecovery(view, going.names)?);
            found.extend(no_room(view, going)?);
            found.extend(no_hours(view, &leaving, budgets)?);
            for node in &leaving {
                found.extend(sole_copies(view, node)?);
            }
        }
        BookkeeperWay::Expire => {
            found.extend(no_autorecovery(view, &[])?);
            for node in &leaving {
                let not = state::kept(view, &node.node)?.err();
                found.extend(not.map(|why| (Rule::StateKept, node.node.clone(), why)));
            }
        }
    }
    Ok(found)
}

fn no_autorecovery(view: View<'_>, without: &[String]) -> Result<Option<Obstacle>, String> {
    let not = autorecovery::judge(view, without)?.err();
    Ok(not.map(|why| (Rule::Autorecovers, String::new(), why)))
}

pub(super) fn no_room(view: View<'_>, going: &Going<'_>) -> Result<Option<Obstacle>, String> {
    let mut disks = staying::disks(view, going.names)?;
    disks.extend(going.coming.iter().cloned());
    let room = room::room(staying::held(view, going.names)?, &disks);
    Ok((!room.fits()).then(|| (Rule::Room, String::new(), room.text())))
}

pub(super) fn no_hours(
    view: View<'_>,
    leaving: &[Placed],
    budgets: &[BookkeeperBudget],
) -> Result<Option<Obstacle>, String> {
    let load = load(view, leaving)?;
    let never = moving::lasts(load, budgets).is_none();
    let value = || format!("nothing may move at any hour: {}", budget::text(budgets));
    Ok(never.then(|| (Rule::HoursToMove, String::new(), value())))
}

fn sole_copies(view: View<'_>, node: &Placed) -> Result<Option<Obstacle>, String> {
    let held = view.held(&node.id())?;
    if held.sole_copies_count == 0 {
        return Ok(None);
    }
    let value = format!(
        "{} {} only copy at {}: {}",
        sizes::many(held.sole_copies_count, "ledger"),
        if held.sole_copies_count == 1 { "has its" } else { "have their" },
        node.node,
        shown(&held.sole_copies, held.sole_copies_count)
    );
    Ok(Some((Rule::NoSoleCopies, node.node.clone(), value)))
}

/// Some of them, and how many more there are.
pub(super) fn shown(ids: &[u64], count: u64) -> String {
    let some: Vec<String> = ids.iter().take(SHOWN).map(u64::to_string).collect();
    let more = count.saturating_sub(u64::try_from(some.len()).unwrap_or(u64::MAX));
    match more {
        0 => some.join(" "),
        more => format!("{} and {more} more", some.join(" ")),
    }
}

/// What these hold.
///
/// # Errors
/// If it was not read.
pub(super) fn load(view: View<'_>, leaving: &[Placed]) -> Result<Load, String> {
    let mut sum = Load::default();
    for node in leaving {
        let held = view.held(&node.id())?;
        sum = sum.and(Load { ledgers: held.ledgers, bytes: held.bytes });
    }
    Ok(sum)
}

/// What was found that is to be known.
pub(super) fn notes(
    view: View<'_>,
    leaving: &[Placed],
    way: BookkeeperWay,
) -> Vec<(NoteKind, String)> {
    let mut notes = Vec::new();
    for node in leaving {
        let Ok(held) = view.held(&node.id()) else { continue };
        let what = format!(
            "{} holds {} of about {}",
            node.node,
            sizes::many(held.ledgers, "ledger"),
            sizes::text(held.bytes)
        );
        notes.push((NoteKind::Data, what));
        if held.open > 0 && way != BookkeeperWay::Expire {
            let text = format!(
                "{} at {}: writers that are idle are cut off from theirs and begin another; the others leave {} with their next entry",
                sizes::many(held.open, "open ledger"),
                node.node,
                node.node
            );
            notes.push((NoteKind::Impact, text));
        }
    }
    notes
}
