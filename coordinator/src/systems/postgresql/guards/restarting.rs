//! Guards on a restart of servers: who is restarted, in which order, and what becomes of the
//! primary's role meanwhile.

use std::collections::BTreeSet;

use bellows_proto::v1::Restart;

use super::{
    super::{
        draft::{Placed, in_order},
        view::Primary,
    },
    Findings, Rule, adopted, leaving,
    moving::{self, Moving},
};

/// A cluster of which some servers may be restarted.
pub(in super::super) struct Restarting {
    pub(in super::super) members: Vec<Placed>,
    pub(in super::super) primary: Placed,
    /// The standbys that are restarted, in natural order.
    pub(in super::super) standbys: Vec<Placed>,
    /// What is done with the primary, after them.
    pub(in super::super) last: Last,
}

/// The end of a restart: the primary's turn.
pub(in super::super) enum Last {
    /// It is not restarted.
    Untouched,
    /// Its role moves, and it comes back as a standby.
    Moves(Box<Moving>),
    /// It is restarted as primary.
    InPlace,
}

/// Whose servers: those that are named, or all.
pub(super) fn names<'a>(
    findings: &mut Findings<'_>,
    members: &'a [Placed],
    wanted: &'a Restart,
) -> BTreeSet<&'a str> {
    match wanted.nodes.as_slice() {
        [] => members.iter().map(|member| member.node.as_str()).collect(),
        named => leaving::named(findings, named),
    }
}

/// Judges the restart of these.
pub(super) fn judge(
    findings: &mut Findings<'_>,
    members: &[Placed],
    seen: Primary<'_>,
    names: &BTreeSet<&str>,
    wanted: &Restart,
) -> Option<Restarting> {
    let members = in_order(members.iter());
    let primary = members.iter().find(|member| member.node == seen.member.node)?.clone();
    let named = |member: &&Placed| names.contains(member.node.as_str());
    let (last, standbys): (Vec<Placed>, Vec<Placed>) =
        members.iter().filter(named).cloned().partition(|member| member.node == primary.node);
    adopted::stoppable(findings, standbys.iter().chain(&last));
    for standby in &standbys {
        let others = members.iter().filter(|other| other.node != standby.node);
        let others: Vec<Placed> = others.cloned().collect();
        let how_long = format!("while {} is away", standby.node);
        leaving::still_synchronous(findings, seen, &others, &how_long);
    }
    let last = match (last.is_empty(), wanted.in_place) {
        (true, false) => Last::Untouched,
        (true, true) => {
            let value = format!("{} is the primary, and is not among the nodes", primary.node);
            let value = format!("--in-place is about the primary: {value}");
            findings.say(Rule::ValidIntent, &primary.node, &primary.host, value);
            return None;
        }
        (false, true) => Last::InPlace,
        (false, false) => Last::Moves(Box::new(moves(findings, &members, seen, &standbys)?)),
    };
    Some(Restarting { members, primary, standbys, last })
}

/// To one that has just been restarted, where there is one that can: it need not be restarted after it.
fn moves(
    findings: &mut Findings<'_>,
    members: &[Placed],
    seen: Primary<'_>,
    standbys: &[Placed],
) -> Option<Moving> {
    if let [only] = members {
        let value = format!(
            "{} is the only member, nobody can take its role over: restart it as primary, with --in-place",
            only.node
        );
        findings.say(Rule::CanTakeOver, &only.node, &only.host, value);
        return None;
    }
    let to = moving::first_that_can(findings.view, standbys);
    let to = to.map_or("", |standby| standby.node.as_str());
    let moving = moving::judge(findings, members, seen, to, members, &[])?;
    Some(Moving { chosen: true, ..moving })
}
