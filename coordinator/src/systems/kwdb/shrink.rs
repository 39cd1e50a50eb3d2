//! Plans nodes out of a cluster, one after another, each to its end: drained, counted, stopped, forgotten by
//! every survivor, tombstoned. Several at once do not converge.

use bellows_proto::v1::{Condition, Intent, NoteKind, Observation, Plan, Refusal, Spec};

use super::{
    conditions,
    describe::describe,
    draft::{self, Draft, Placed},
    guards::{self, Leaving},
    join,
    leave::{self, Way},
    notes, options, predict, sizes,
    view::View,
};

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(observation);
    let guarded = guards::shrink(spec, view, intent)?;
    let Leaving { leaving, staying, at, .. } = &guarded;
    let cluster = options::of_spec(spec);
    let way = Way {
        at,
        front_end: cluster.front_end(),
        poll_s: cluster.poll_s,
        wipe: options::of_intent(intent).wipe_data,
        node_id: 0,
        dead: &[],
    };
    let all = draft::in_order(staying.iter().chain(leaving));
    let mut draft = Draft::new(&spec.cluster);
    draft.check(
        "check that the cluster is healthy and can do without them",
        "the tool checks nothing: a decommission that finds no place for a replica never ends",
        needs(leaving),
    );
    for (turn, node) in leaving.iter().enumerate() {
        if turn > 0 {
            again(&mut draft, &way, node);
        }
        leave::drain(&mut draft, &way, node);
        leave::bury(&mut draft, &way, node);
    }
    join::conclude(&mut draft, draft::names(staying.iter()), leaving);
    said(&mut draft, view, &guarded, &way);
    let mut plan = draft.finish(spec, intent, &all);
    plan.premises = premises(&all, leaving);
    plan.invariants = invariants(staying, leaving);
    plan.prediction = Some(predict::prediction(staying, &predict::gone(leaving, way.wipe)));
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(staying);
    Ok(plan)
}

/// What a departure of these rests on.
fn needs(leaving: &[Placed]) -> Vec<Condition> {
    let names = draft::names(leaving.iter());
    vec![
        conditions::healthy(&[]),
        conditions::quiet(Vec::new(), 0),
        conditions::no_waiters(&[]),
        conditions::zones_satisfiable(names.clone(), 0),
        conditions::room(names, 0),
    ]
}

/// The one before has changed what there is.
fn again(draft: &mut Draft, way: &Way<'_>, node: &Placed) {
    draft.wait(
        "wait until all members are healthy and every range has its replicas".to_owned(),
        "the next one leaves a cluster that has taken in all of the one before",
        vec![conditions::healthy(&[])],
        draft::ranges(way.poll_s),
    );
    draft.check(
        &format!("check again that the cluster can do without {}", node.node),
        "the one before has changed where replicas are and what is free",
        needs(std::slice::from_ref(node)),
    );
}

fn premises(all: &[Placed], leaving: &[Placed]) -> Vec<Condition> {
    let mut premises = needs(leaving);
    premises.push(conditions::same_kind());
    premises.push(conditions::members_are(draft::names(all.iter()), Vec::new()));
    premises.extend(all.iter().map(|member| conditions::clock_within(&member.host)));
    premises
}

/// What holds all the while these leave.
fn invariants(staying: &[Placed], leaving: &[Placed]) -> Vec<Condition> {
    let gone = draft::names(leaving.iter());
    vec![
        conditions::members_are(draft::names(staying.iter()), gone.clone()),
        conditions::quiet(gone, 0),
        conditions::versions_match(staying.iter().map(|member| member.host.clone()).collect()),
    ]
}

fn said(draft: &mut Draft, view: View<'_>, guarded: &Leaving, way: &Way<'_>) {
    let Leaving { leaving, staying, .. } = guarded;
    leave::notes(draft, way, leaving);
    draft.note(
        NoteKind::Risk,
        format!(
            "{} stay: {}",
            sizes::count(staying.len(), "member"),
            draft::names(staying.iter()).join(", ")
        ),
    );
    notes::moving(draft, view);
}
