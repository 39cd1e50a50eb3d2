//! Plans new bookies for a cluster that runs.

use bellows_proto::v1::{
    Condition, Intent, NoteKind, Observation, Plan, Refusal, Spec, spec_change,
};

use super::{
    conditions,
    describe::describe,
    draft::{self, Draft, Placed},
    guards::{self, Expanding, Rule},
    join::{self, Joining},
    notes, options, predict, telling,
    view::View,
};

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(observation);
    let guarded = guards::expand(spec, view, intent)?;
    let Expanding { options, members, new, settings, .. } = &guarded;
    let Some(helper) = members.first() else {
        return Err(vec![
            Rule::ClusterKnown.refusal(format!("there is no cluster {}", spec.cluster)),
        ]);
    };
    let budgets = &options.budgets;
    let stands = telling::staying(view, options, new);
    let joining = Joining { members, helper, new, settings, budgets, stands: &stands };
    let all = draft::in_order(members.iter().chain(new));
    let mut draft = Draft::new(&spec.cluster);
    draft.check(
        "check that the cluster is healthy",
        "a cluster that is not healthy is not made busier",
        sound(members),
    );
    placed(&mut draft, spec, intent);
    join::prepare(&mut draft, &joining);
    join::admit_all(&mut draft, &joining);
    join::conclude(&mut draft, draft::names(all.iter()), &[]);
    notes::joining(&mut draft, &guarded, view);
    draft.note(
        NoteKind::Data,
        "no data move by themselves: ledgers that are there stay where they are; new ledgers use the new bookies too"
            .to_owned(),
    );
    let mut plan = draft.finish(spec, intent, &all);
    plan.premises = premises(&joining);
    plan.invariants = invariants(&joining);
    plan.prediction = Some(predict::prediction(&all, &[]));
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(&all);
    Ok(plan)
}

/// Where the new ones stand counts from the first step on.
pub(super) fn placed(draft: &mut Draft, spec: &Spec, intent: &Intent) {
    if let Some(change) = options::growth(spec, intent) {
        draft.changing(spec_change::Kind::Options(change));
    }
}

/// What holds before anything begins.
pub(super) fn sound(members: &[Placed]) -> Vec<Condition> {
    vec![
        conditions::healthy(&[]),
        conditions::members_are(draft::names(members.iter()), vec![]),
        conditions::same_cluster(),
        conditions::metadata_fast(),
    ]
}

/// What holds in between too.
pub(super) fn invariants(joining: &Joining<'_>) -> Vec<Condition> {
    vec![conditions::members_are(
        draft::names(joining.members.iter()),
        draft::names(joining.new.iter()),
    )]
}

/// What must hold when it is applied.
pub(super) fn premises(joining: &Joining<'_>) -> Vec<Condition> {
    let mut premises = Vec::new();
    for node in joining.members.iter().chain(joining.new) {
        premises.push(conditions::host_answers(&node.host));
        premises.push(conditions::clock_within(&node.host));
    }
    for node in joining.new {
        premises.push(conditions::vacant(&node.host, &node.node));
        // What it takes is an estimate: half of it must be there still.
        premises.push(conditions::disk_free(&node.host, guards::NEEDED_BYTES / 2));
    }
    let all = draft::in_order(joining.members.iter().chain(joining.new));
    premises.push(conditions::versions_match(draft::names(all.iter())));
    premises
}
