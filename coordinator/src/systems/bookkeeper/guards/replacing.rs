//! Guards on a bookie that is replaced, alive or dead, and on other options of a cluster.

use bellows_proto::v1::{
    BookkeeperSpecOptions, BookkeeperWay, Intent, NodeAt, NoteKind, Refusal, Replace, Spec,
};

use super::{
    super::{
        autorecovery, budget,
        draft::{self, Placed},
        enough, moving, options,
        room::{Disk, WARNS_AT},
        view::View,
    },
    Findings, Rule, cluster,
    departing::{self, parted},
    judge::{Expanding, growing},
    leaving_by::{self, Going},
    placing, soft,
};
use crate::plan::sizes;

/// A cluster of which one bookie may be replaced.
pub(in super::super) struct Replacing {
    pub(in super::super) growing: Expanding,
    pub(in super::super) old: Placed,
    pub(in super::super) new: Placed,
    /// In natural order.
    pub(in super::super) staying: Vec<Placed>,
    /// The first of them.
    pub(in super::super) at: Placed,
    /// Of a living one.
    pub(in super::super) way: BookkeeperWay,
    /// All ways, side by side, a sentence each; none where it is dead.
    pub(in super::super) ways: Vec<String>,
    pub(in super::super) notes: Vec<(NoteKind, String)>,
    /// Ledgers that are lost, with it or before, and were agreed to be, in order.
    pub(in super::super) lost: Vec<u64>,
}

/// Whether this bookie may be replaced by that one.
pub(in super::super) fn replace(
    spec: &Spec,
    view: View<'_>,
    intent: &Intent,
    wanted: &Replace,
) -> Result<Replacing, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let names = departing::named(&mut findings, std::slice::from_ref(&wanted.node));
    if wanted.dead {
        findings.dead.clone_from(&names);
        only_for_the_living(&mut findings, intent, &wanted.node);
    }
    let good = replacing(&mut findings, intent, &names, wanted.dead);
    findings.end(good)
}

/// What cannot be asked of a host that is off.
fn only_for_the_living(findings: &mut Findings<'_>, intent: &Intent, node: &str) {
    let given = options::of_intent(intent);
    if given.wipe_data {
        let value = "data=wipe: a host that is off empties nothing; do it there by hand later";
        findings.say(Rule::ValidIntent, node, "", value);
    }
    if given.way() != BookkeeperWay::Unspecified {
        let value = "way is for a bookie that lives: the ledgers of a dead one are copied from their other copies";
        findings.say(Rule::ValidIntent, node, "", value);
    }
}

fn replacing(
    findings: &mut Findings<'_>,
    intent: &Intent,
    names: &[String],
    dead: bool,
) -> Option<Replacing> {
    let growing = growing(findings, intent)?;
    let members = growing.members.clone();
    let old = members.iter().find(|member| names.contains(&member.node))?.clone();
    let view = findings.view;
    let added = crate::plan::added(intent).iter();
    let coming: Vec<Disk> = added.filter_map(|new| disk_of(view, new)).collect();
    let going = Going { names, members: &members, coming: &coming };
    let [new] = growing.new.as_slice() else { return None };
    let new = new.clone();
    if !dead {
        let leaving = departing::judge(findings, intent, &going)?;
        let departing::Leaving { staying, at, way, ways, notes, lost, .. } = leaving;
        return Some(Replacing { growing, old, new, staying, at, way, ways, notes, lost });
    }
    is_dead(findings, &old);
    without_it(findings, &going, &growing.options);
    let (lost, notes) = lost(findings, intent, &old);
    let (_, staying) = parted(&going);
    let at = staying.first()?.clone();
    let (way, ways) = (BookkeeperWay::Unspecified, Vec::new());
    Some(Replacing { growing, old, new, staying, at, way, ways, notes, lost })
}

/// What a new bookie's host has free.
fn disk_of(view: View<'_>, new: &NodeAt) -> Option<Disk> {
    let free = view.system_facts(&new.host).ok().flatten()?.data_free_bytes;
    // Of the whole disk nothing is told: what is free counts as all of it.
    Some(Disk { node: new.node.clone(), free, total: free, warns_at: WARNS_AT })
}

/// Two readings that do not depend on each other: its agent is silent, and nobody sees it registered.
fn is_dead(findings: &mut Findings<'_>, old: &Placed) {
    let view = findings.view;
    let (node, host) = (&old.node, &old.host);
    if view.host(host).is_ok() || view.reading(node).is_ok() {
        findings.say(Rule::DeadIsSilent, node, host, format!("{host} answers"));
    }
    let id = old.id();
    let Some(witnesses) = findings.known("", "", view.witnesses()) else { return };
    let sees = witnesses.iter().filter(|witness| witness.is_registered(&id));
    let sees: Vec<&str> = sees.map(|witness| witness.node).collect();
    if !sees.is_empty() {
        let value = format!("{id} is registered for {}", sees.join(", "));
        findings.say(Rule::DeadIsGone, node, host, value);
    }
}

/// The others, and the new one, can take over what it had.
fn without_it(findings: &mut Findings<'_>, going: &Going<'_>, options: &BookkeeperSpecOptions) {
    let (view, budgets) = (findings.view, &options.budgets);
    leaving_by::enough(findings, going, options);
    let autorecovers = autorecovery::judge(view, going.names);
    if let Some(Err(value)) = findings.known("", "", autorecovers) {
        findings.say(Rule::Autorecovers, "", "", value);
    }
    let no_room = leaving_by::no_room(view, going);
    if let Some(Some((rule, node, value))) = findings.known("", "", no_room) {
        findings.say(rule, &node, "", value);
    }
    let (leaving, _) = parted(going);
    let no_hours = leaving_by::no_hours(view, &leaving, budgets);
    if let Some(Some((rule, node, value))) = findings.known("", "", no_hours) {
        findings.say(rule, &node, "", value);
    }
}

/// Ledgers of which no copy is left: listed before anybody agrees.
fn lost(
    findings: &mut Findings<'_>,
    intent: &Intent,
    old: &Placed,
) -> (Vec<u64>, Vec<(NoteKind, String)>) {
    let ledgers = findings.view.ledgers();
    let Some(ledgers) = findings.known("", "", ledgers) else { return Default::default() };
    let count = ledgers.lost_count;
    if count == 0 {
        return Default::default();
    }
    let listed = u64::try_from(ledgers.lost.len()).unwrap_or(u64::MAX);
    if listed < count {
        let value = format!("{count} ledgers are lost, {listed} can be listed");
        findings.say(Rule::LostListed, &old.node, &old.host, value);
        return Default::default();
    }
    let value = format!(
        "{} {} entries of which no copy is left without {}: {}",
        sizes::many(count, "ledger"),
        if count == 1 { "has" } else { "have" },
        old.node,
        ranges(&ledgers.lost)
    );
    let note = soft::unless_accepted(findings, intent, Rule::LostLedgers, &old.node, value);
    (ledgers.lost.clone(), note.into_iter().collect())
}

/// All of them, runs as "7-12". In order.
fn ranges(ids: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for id in ids {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*id) => *last = *id,
            _ => runs.push((*id, *id)),
        }
    }
    let told = |(first, last): &(u64, u64)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    runs.iter().map(told).collect::<Vec<_>>().join(" ")
}

/// Whether the cluster may have these options.
pub(in super::super) fn reconfigure(
    spec: &Spec,
    view: View<'_>,
    before: &BookkeeperSpecOptions,
    after: &BookkeeperSpecOptions,
) -> Result<Vec<Placed>, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let members = cluster::members(&mut findings);
    if members.is_empty() {
        return findings.end(None);
    }
    if before == after {
        findings.say(Rule::ValidIntent, "", "", "nothing would be changed");
    }
    cluster::every_bookie_known(&mut findings);
    departing::at_least(&mut findings, members.len(), after);
    let names = draft::names(members.iter());
    placing::known(&mut findings, after.places.iter().map(|place| place.node.as_str()), &names);
    placing::groups_have_somebody(&mut findings, after);
    let ids: Vec<String> = members.iter().map(Placed::id).collect();
    placing::told(&mut findings, after, &ids, &[]);
    for quorum in &after.quorums {
        if let Some(value) = enough::odd(quorum) {
            findings.say(Rule::ValidIntent, "", "", value);
        }
    }
    let one = moving::Load { ledgers: 1, bytes: 1 };
    if moving::lasts(one, &after.budgets).is_none() {
        let value = format!("nothing may move at any hour: {}", budget::text(&after.budgets));
        findings.say(Rule::HoursToMove, "", "", value);
    }
    findings.end(Some(members))
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn lost_ledgers_are_all_named() {
        assert_eq!(ranges(&[]), "");
        assert_eq!(ranges(&[7]), "7");
        assert_eq!(ranges(&[1, 2, 3, 9, 11, 12, u64::MAX]), "1-3 9 11-12 18446744073709551615");
    }
}
