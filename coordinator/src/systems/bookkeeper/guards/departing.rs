//! Guards on bookies that are to leave. The tools ask for none of this: what cannot be copied is waited for
//! without end.

use std::collections::BTreeSet;

use bellows_proto::{
    names::natural,
    v1::{BookkeeperSpecOptions, BookkeeperWay, Intent, NoteKind, Refusal, Spec, intent::Verb},
};

use super::{
    super::{
        budget,
        draft::{self, Placed, in_order},
        options,
        view::View,
        ways::{self, Choice, Possible},
    },
    Findings, Rule, cluster,
    leaving_by::{self, Going},
    placing, soft,
};
use crate::plan::sizes;

/// A cluster that may lose these bookies.
pub(in super::super) struct Leaving {
    /// In natural order, in which they leave.
    pub(in super::super) leaving: Vec<Placed>,
    /// In natural order.
    pub(in super::super) staying: Vec<Placed>,
    /// The first of them: it is asked for what a bookie that is stopped cannot do.
    pub(in super::super) at: Placed,
    pub(in super::super) way: BookkeeperWay,
    /// All ways, side by side, a sentence each.
    pub(in super::super) ways: Vec<String>,
    /// What was found that is to be known.
    pub(in super::super) notes: Vec<(NoteKind, String)>,
    /// Ledgers that were lost with a dead bookie and are not waited for, in order.
    pub(in super::super) lost: Vec<u64>,
}

/// Whether these bookies may leave.
pub(in super::super) fn shrink(
    spec: &Spec,
    view: View<'_>,
    intent: &Intent,
) -> Result<Leaving, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let names = named(&mut findings, wanted(intent));
    let members = cluster::members(&mut findings);
    if members.is_empty() {
        return findings.end(None);
    }
    cluster::sound(&mut findings);
    let going = Going { names: &names, members: &members, coming: &[] };
    let good = judge(&mut findings, intent, &going);
    findings.end(good)
}

/// The bookies that a shrink names.
fn wanted(intent: &Intent) -> &[String] {
    match &intent.verb {
        Some(Verb::Shrink(shrink)) => &shrink.nodes,
        Some(
            Verb::Create(_)
            | Verb::Expand(_)
            | Verb::Replace(_)
            | Verb::Switchover(_)
            | Verb::Rejoin(_)
            | Verb::Restart(_)
            | Verb::Adopt(_)
            | Verb::Reconfigure(_),
        )
        | None => &[],
    }
}

/// Members, each named once, in natural order.
pub(super) fn named(findings: &mut Findings<'_>, names: &[String]) -> Vec<String> {
    if names.is_empty() {
        findings.say(Rule::ValidIntent, "", "", "no node is named");
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for name in names {
        if !seen.insert(name.as_str()) {
            findings.say(Rule::ValidIntent, name, "", format!("{name} is named twice"));
            continue;
        }
        if findings.spec.nodes.iter().any(|node| node.node == *name) {
            found.push(name.clone());
            continue;
        }
        let buried = findings.spec.tombstones.iter().rfind(|stone| stone.node == *name);
        let value = match buried {
            Some(stone) => {
                format!("{name} is no member any more: {} holds its tombstone", stone.host)
            }
            None => format!("{name} is not a member of {}", findings.spec.cluster),
        };
        findings.say(Rule::ValidIntent, name, "", value);
    }
    found.sort_by(|a, b| natural(a, b));
    found
}

/// Of living ones: everything but what is said of the cluster as a whole.
pub(super) fn judge(
    findings: &mut Findings<'_>,
    intent: &Intent,
    going: &Going<'_>,
) -> Option<Leaving> {
    let spec_options = options::grown(findings.spec, intent);
    let asked = options::of_intent(intent);
    let (leaving, staying) = parted(going);
    at_least(findings, staying.len() + going.coming.len(), &spec_options);
    for node in &leaving {
        can_be_stopped(findings, node);
    }
    theirs(findings, &leaving, asked.wipe_data);
    let (lost, agreed) = whole(findings, intent);
    if leaving.is_empty() {
        return None;
    }
    leaving_by::enough(findings, going, &spec_options);
    let ids: Vec<String> = leaving.iter().map(Placed::id).collect();
    placing::told(findings, &spec_options, &ids, &[]);
    let chosen = match asked.way() {
        BookkeeperWay::Unspecified => BookkeeperWay::Drain,
        way @ (BookkeeperWay::Drain | BookkeeperWay::Stop | BookkeeperWay::Expire) => way,
    };
    leaving_by::say(findings, going, chosen, &spec_options.budgets);
    let possible: Vec<Possible> = ways::ALL
        .into_iter()
        .map(|way| (way, leaving_by::possible(findings.view, going, way, &spec_options.budgets)))
        .collect();
    let load = leaving_by::load(findings.view, &leaving);
    let names = draft::names(leaving.iter()).join(", ");
    let choice = Choice {
        chosen,
        load: load.unwrap_or_default(),
        leaving: &names,
        budgets: &spec_options.budgets,
        wipe: asked.wipe_data,
    };
    let ways = ways::side_by_side(choice, &possible);
    let mut notes = leaving_by::notes(findings.view, &leaving, chosen);
    notes.extend(obeyed(findings, intent, chosen, &spec_options));
    notes.extend(agreed);
    let at = staying.first()?.clone();
    Some(Leaving { leaving, staying, at, way: chosen, ways, notes, lost })
}

/// Those who leave and those who stay, each in natural order.
pub(super) fn parted(going: &Going<'_>) -> (Vec<Placed>, Vec<Placed>) {
    let leaves = |member: &&Placed| going.names.contains(&member.node);
    let leaving = in_order(going.members.iter().filter(leaves));
    let staying = in_order(going.members.iter().filter(|member| !leaves(member)));
    (leaving, staying)
}

/// `left`: members at the end.
pub(super) fn at_least(findings: &mut Findings<'_>, left: usize, options: &BookkeeperSpecOptions) {
    let least = usize::try_from(options.min_bookies).unwrap_or(usize::MAX);
    if left < least {
        let value =
            format!("{} would be left, the minimum is {least}", sizes::count(left, "bookie"));
        findings.say(Rule::MinimumBookies, "", "", value);
    }
}

/// As its host says.
fn can_be_stopped(findings: &mut Findings<'_>, node: &Placed) {
    let reading = findings.view.reading(&node.node);
    let Some(reading) = findings.known(&node.node, &node.host, reading) else { return };
    for why in &reading.left_alone {
        findings.say(Rule::HostTakesIt, &node.node, &node.host, why.clone());
    }
}

fn theirs(findings: &mut Findings<'_>, leaving: &[Placed], wipe: bool) {
    for node in leaving.iter().filter(|node| wipe && node.place.adopted) {
        let value = format!(
            "{} was adopted: its directories on {} are not Bellows' to empty",
            node.node, node.host
        );
        findings.say(Rule::TheirsToKeep, &node.node, &node.host, value);
    }
}

/// As the last audit left it: a fresh one is the plan's first act. Ledgers that were lost with a dead bookie lack a copy
/// for ever: that only these do is agreed to by name. Which they are then, in order.
fn whole(findings: &mut Findings<'_>, intent: &Intent) -> (Vec<u64>, Option<(NoteKind, String)>) {
    let view = findings.view;
    let Some(witnesses) = findings.known("", "", view.witnesses()) else {
        return Default::default();
    };
    // Of several the first.
    let Some(worst) = witnesses.iter().rev().max_by_key(|one| one.cluster.underreplicated_count)
    else {
        return Default::default();
    };
    let (lacking, listed) = (worst.cluster.underreplicated_count, &worst.cluster.underreplicated);
    if lacking == 0 {
        return Default::default();
    }
    let lost = view.ledgers().map_or(&[][..], |ledgers| ledgers.lost.as_slice());
    let all_lost = u64::try_from(listed.len()).is_ok_and(|listed| listed == lacking)
        && witnesses
            .iter()
            .all(|one| one.cluster.underreplicated.iter().all(|ledger| lost.contains(ledger)));
    let value = format!(
        "{} for {}: {}",
        sizes::many(lacking, "ledger"),
        worst.node,
        leaving_by::shown(listed, lacking)
    );
    if !all_lost {
        findings.say(Rule::NothingLacking, "", "", value);
        return Default::default();
    }
    let value = format!("{value}; lost with bookies that were replaced as dead");
    let note = soft::unless_accepted(findings, intent, Rule::NothingLacking, "", value);
    (lost.to_vec(), note)
}

/// Autorecovery keeps to no rate: that is agreed to by name.
fn obeyed(
    findings: &mut Findings<'_>,
    intent: &Intent,
    chosen: BookkeeperWay,
    options: &BookkeeperSpecOptions,
) -> Option<(NoteKind, String)> {
    if chosen != BookkeeperWay::Stop || !budget::limits(&options.budgets) {
        return None;
    }
    let value = format!(
        "way=stop moves data by autorecovery, whose rate is set in each bookie's configuration alone: of {} only hours of 0 are kept",
        budget::text(&options.budgets)
    );
    soft::unless_accepted(findings, intent, Rule::BudgetKept, "", value)
}
