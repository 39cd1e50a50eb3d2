//! Guards on a change of the primary's role, and the choice of who takes it over.

use bellows_proto::{names::natural, v1::PostgresqlServer};

use super::{
    super::{
        check, conditions,
        draft::{Placed, in_order},
        synchronous,
        view::{self, Primary, View},
    },
    Findings, Rule, adopted, slots,
};
use crate::plan::Verdict;

/// A cluster whose primary may change.
pub(in super::super) struct Moving {
    /// The primary now.
    pub(in super::super) old: Placed,
    /// The primary then.
    pub(in super::super) new: Placed,
    /// The other standbys that stay, in natural order.
    pub(in super::super) others: Vec<Placed>,
    /// Nobody named the new one: the planner chose it.
    pub(in super::super) chosen: bool,
    /// Slots that are there at the old primary.
    pub(in super::super) slots_at_old: Vec<String>,
    /// Of these, the claimed ones.
    pub(in super::super) claimed_at_old: Vec<String>,
    /// Witnesses that repmgr has records of: they are no members, and nobody leads them.
    pub(in super::super) witnesses: Vec<String>,
    /// Slots that are claimed at the new primary's host already.
    pub(in super::super) claimed_at_new: Vec<String>,
}

impl Moving {
    /// Who stays besides the old primary, in natural order.
    pub(in super::super) fn survivors(&self) -> impl Iterator<Item = &Placed> {
        let before = |other: &&Placed| natural(&other.node, &self.new.node).is_lt();
        let first = self.others.iter().take_while(before);
        first.chain([&self.new]).chain(self.others.iter().skip_while(before))
    }
}

/// Judges a change of the role. `to`: who is to take over, empty: the first that can. `staying`:
/// the members of the end that are there, the old primary among them or not. `coming`: standbys that
/// will be there by then and follow too.
pub(super) fn judge(
    findings: &mut Findings<'_>,
    members: &[Placed],
    primary: Primary<'_>,
    to: &str,
    staying: &[Placed],
    coming: &[&str],
) -> Option<Moving> {
    let old = members.iter().find(|member| member.node == primary.member.node)?.clone();
    let standbys: Vec<Placed> =
        in_order(staying.iter()).into_iter().filter(|member| member.node != old.node).collect();
    // The primary is stopped, and repmgrd of the others started anew.
    adopted::stoppable(findings, standbys.iter().chain([&old]));
    adopted::have_slots(findings, primary, standbys.iter());
    flat(findings, primary, &standbys);
    let new = match to {
        "" => choose(findings, &standbys),
        to => named(findings, &old, &standbys, to),
    }?;
    let others: Vec<Placed> =
        standbys.into_iter().filter(|standby| standby.node != new.node).collect();
    let back = staying.iter().any(|member| member.node == old.node);
    let followers = others.iter().map(|other| other.node.as_str());
    let followers = followers.chain(back.then_some(old.node.as_str()));
    let followers: Vec<&str> = followers.chain(coming.iter().copied()).collect();
    room(findings, &new, followers.len());
    commits_go_on(findings, &new, &followers);
    let slots_at_old = primary.server.slots.iter().map(|slot| slot.name.clone()).collect();
    let claimed_at = |keeper: &Placed| {
        let of_it = members
            .iter()
            .filter(|member| slots::claimed(findings, keeper, member, &member.slot()));
        of_it.map(Placed::slot).collect()
    };
    let (claimed_at_old, claimed_at_new) = (claimed_at(&old), claimed_at(&new));
    let chosen = to.is_empty();
    let witnesses = primary.server.registered.iter().filter(|row| view::is_witness(row));
    let witnesses = witnesses.map(|row| row.name.clone()).collect();
    Some(Moving {
        old,
        new,
        others,
        chosen,
        slots_at_old,
        claimed_at_old,
        witnesses,
        claimed_at_new,
    })
}

fn verdict(view: View<'_>, node: &str) -> Result<(), String> {
    match check::can_take_over(view, node, conditions::LAG_LIMIT_BYTES) {
        Verdict::Holds => Ok(()),
        Verdict::NotYet { reason, .. } | Verdict::Refused(reason) | Verdict::Unknown(reason) => {
            Err(reason)
        }
    }
}

/// The first of these that could take over now.
pub(super) fn first_that_can<'p>(view: View<'_>, standbys: &'p [Placed]) -> Option<&'p Placed> {
    standbys.iter().find(|standby| verdict(view, &standby.node).is_ok())
}

/// The first in natural order: the lag of the moment would choose another one each time.
fn choose(findings: &mut Findings<'_>, standbys: &[Placed]) -> Option<Placed> {
    let mut reasons = Vec::new();
    for standby in standbys {
        match verdict(findings.view, &standby.node) {
            Ok(()) => return Some(standby.clone()),
            Err(why) => reasons.push(why),
        }
    }
    if reasons.is_empty() {
        reasons.push("no standby stays".to_owned());
    }
    findings.say(Rule::CanTakeOver, "", "", reasons.join("; "));
    None
}

fn named(
    findings: &mut Findings<'_>,
    old: &Placed,
    standbys: &[Placed],
    to: &str,
) -> Option<Placed> {
    if to == old.node {
        findings.say(Rule::ValidIntent, to, &old.host, format!("{to} is the primary already"));
        return None;
    }
    let Some(new) = standbys.iter().find(|standby| standby.node == to) else {
        let value = format!("{to} is no standby of {} that stays", findings.spec.cluster);
        findings.say(Rule::ValidIntent, to, "", value);
        return None;
    };
    if let Err(why) = verdict(findings.view, to) {
        findings.say(Rule::CanTakeOver, to, &new.host, why);
    }
    Some(new.clone())
}

/// By the primary's records: nobody streams from another standby.
fn flat(findings: &mut Findings<'_>, primary: Primary<'_>, standbys: &[Placed]) {
    let top = view::row(primary.server, &primary.member.node).map(|row| row.node_id);
    for standby in standbys {
        let Some(row) = view::row(primary.server, &standby.node) else { continue };
        if Some(row.upstream_id) != top {
            let value = format!("{} streams from the node with id {}", row.name, row.upstream_id);
            findings.say(Rule::EveryoneFollowsPrimary, &standby.node, &standby.host, value);
        }
        if !row.slot.is_empty() && row.slot != standby.slot() {
            let value = format!(
                "repmgr has the slot {} for {}, not {}",
                row.slot,
                row.name,
                standby.slot()
            );
            findings.say(Rule::EveryoneFollowsPrimary, &standby.node, &standby.host, value);
        }
    }
}

fn room(findings: &mut Findings<'_>, new: &Placed, followers: usize) {
    let (view, node, host) = (findings.view, &new.node, &new.host);
    let Some(server) = findings.known(node, host, view.server(node)) else { return };
    let used = |server: &PostgresqlServer| (server.senders.len(), server.slots.len());
    let (senders, slots) = used(server);
    let needed = u32::try_from(followers).unwrap_or(u32::MAX);
    for (rule, setting, used) in [
        (Rule::SenderHeadroom, "max_wal_senders", senders),
        (Rule::SlotHeadroom, "max_replication_slots", slots),
    ] {
        let Some(free) = findings.known(node, host, view::free(server, setting, used)) else {
            continue;
        };
        if free < needed {
            let value = format!("{setting} at {node} leaves {free}, {needed} will follow it");
            findings.say(rule, node, host, value);
        }
    }
}

/// By the new primary's own setting: its commits must find whom they wait for.
fn commits_go_on(findings: &mut Findings<'_>, new: &Placed, followers: &[&str]) {
    let (view, node, host) = (findings.view, &new.node, &new.host);
    let Some(server) = findings.known(node, host, view.server(node)) else { return };
    let missed = synchronous::unsatisfied(server, followers.iter().copied());
    if let Some(Some(setting)) = findings.known(node, host, missed) {
        let value = format!(
            "synchronous_standby_names is {setting:?} at {node}: as primary its commits would wait for ever"
        );
        findings.say(Rule::SyncSatisfiable, node, host, value);
    }
}
