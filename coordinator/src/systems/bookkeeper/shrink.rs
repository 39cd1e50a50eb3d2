//! Plans bookies out of a cluster, one after another in natural order, each to its end. Two at once would leave
//! ledgers with two copies less, and nobody who knows where the third one is.

use bellows_proto::v1::{
    BookkeeperWay, Condition, Intent, NoteKind, Observation, Plan, Refusal, Spec,
};

use super::{
    conditions,
    describe::describe,
    draft::{self, Draft, Placed},
    guards::{self, Leaving},
    join,
    leave::{self, Way},
    options, placing, predict, telling,
    view::View,
};
use crate::plan::sizes;

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(observation);
    let guarded = guards::shrink(spec, view, intent)?;
    let Leaving { leaving, staying, at, lost, .. } = &guarded;
    let (options, asked) = (options::of_spec(spec), options::of_intent(intent));
    let (budgets, wipe) = (options.budgets.as_slice(), asked.wipe_data);
    let stands = telling::leaving(view, &options, leaving);
    let way = Way { way: guarded.way, at, budgets, wipe, lost, stands: &stands };
    let all = draft::in_order(staying.iter().chain(leaving));
    let mut draft = Draft::new(&spec.cluster);
    draft.check(
        "check that the cluster is healthy and can do without them",
        "the tools check nothing: where bookies or room are too few, copies are waited for without end",
        leave::needs(way.way, leaving),
    );
    leave::audit(&mut draft, at);
    leave::whole(&mut draft, lost);
    for (turn, node) in leaving.iter().enumerate() {
        if turn > 0 {
            again(&mut draft, &way, node);
        }
        leave::one(&mut draft, &way, node);
    }
    join::conclude(&mut draft, draft::names(staying.iter()), leaving);
    said(&mut draft, &guarded, &way);
    placing::leaving(&mut draft, &placing::source(view), &options, leaving);
    let mut plan = draft.finish(spec, intent, &all);
    plan.premises = premises(way.way, &all, leaving);
    plan.invariants = invariants(way.way, staying, draft::names(leaving.iter()));
    plan.prediction = Some(predict::prediction(staying, &predict::gone(leaving, way.wipe)));
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(staying);
    Ok(plan)
}

/// The one before has changed what there is.
fn again(draft: &mut Draft, way: &Way<'_>, node: &Placed) {
    draft.check(
        &format!("check again that the cluster can do without {}", node.node),
        "the one before has changed where ledgers are and what is free",
        leave::needs(way.way, std::slice::from_ref(node)),
    );
    leave::audit(draft, way.at);
    leave::whole(draft, way.lost);
}

fn premises(way: BookkeeperWay, all: &[Placed], leaving: &[Placed]) -> Vec<Condition> {
    let mut premises = leave::needs(way, leaving);
    premises.push(conditions::same_cluster());
    premises.push(conditions::members_are(draft::names(all.iter()), Vec::new()));
    premises.extend(all.iter().map(|member| conditions::clock_within(&member.host)));
    premises
}

/// What holds all the while. `either`: those who may be there or not.
pub(super) fn invariants(
    way: BookkeeperWay,
    staying: &[Placed],
    either: Vec<String>,
) -> Vec<Condition> {
    match way {
        BookkeeperWay::Drain | BookkeeperWay::Unspecified | BookkeeperWay::Stop => vec![
            conditions::members_are(draft::names(staying.iter()), either),
            conditions::versions_match(draft::names(staying.iter())),
        ],
        // It waits for weeks, in which others are restarted and upgraded: each step says itself what it needs.
        BookkeeperWay::Expire => Vec::new(),
    }
}

fn said(draft: &mut Draft, guarded: &Leaving, way: &Way<'_>) {
    for text in &guarded.ways {
        draft.note(NoteKind::Impact, text.clone());
    }
    leave::notes(draft, way, &guarded.leaving);
    for (kind, text) in &guarded.notes {
        draft.note(*kind, text.clone());
    }
    let staying = &guarded.staying;
    draft.note(
        NoteKind::Risk,
        format!(
            "{} stay: {}",
            sizes::count(staying.len(), "member"),
            draft::names(staying.iter()).join(", ")
        ),
    );
}
