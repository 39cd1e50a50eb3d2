//! Plans new nodes for a cluster that runs.

use bellows_proto::v1::{
    Condition, Intent, KwdbRebalance, NoteKind, Observation, Plan, Refusal, Spec,
};

use super::{
    conditions,
    describe::describe,
    draft::{self, Draft, Placed},
    guards::{self, Rule},
    join::{self, Joining},
    notes, options, predict,
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
    let asked = options::of_intent(intent);
    let joining = Joining {
        options: &guarded.options,
        members: &guarded.members,
        new: &guarded.new,
        certifying: guarded.certifying.as_ref(),
        amid_loss: false,
    };
    let Some(helper) = joining.helper() else {
        return Err(vec![
            Rule::ClusterKnown.refusal(format!("there is no cluster {}", spec.cluster)),
        ]);
    };
    let all = draft::in_order(guarded.members.iter().chain(&guarded.new));
    let mut draft = Draft::new(&spec.cluster);
    draft.check(
        "check that the cluster is healthy",
        "a cluster that is not healthy is not made busier",
        sound(&guarded.members),
    );
    join::prepare(&mut draft, &joining);
    let moves = joining.moves_data();
    let before = match moves {
        true => join::set_rebalance(&mut draft, helper, asked.rebalance(), guarded.rebalance),
        false => None,
    };
    join::admit_all(&mut draft, &joining);
    // Where the data are to stay, nothing is waited for.
    let spreads = match asked.rebalance() {
        KwdbRebalance::On => true,
        KwdbRebalance::Off => false,
        KwdbRebalance::Keep | KwdbRebalance::Unspecified => guarded.rebalance,
    };
    if moves && !asked.skip_balance && spreads {
        join::balance(&mut draft, &joining);
    }
    if let Some(before) = before {
        join::restore_rebalance(&mut draft, helper, before);
    }
    join::conclude(&mut draft, draft::names(all.iter()), &[]);
    notes::expand(&mut draft, view, &joining, guarded.rebalance, &asked);
    let mut plan = draft.finish(spec, intent, &all);
    plan.premises = premises(view, &joining, guarded.rebalance);
    plan.invariants = invariants(&joining);
    plan.prediction = Some(predict::prediction(&all, &[]));
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(&all);
    Ok(plan)
}

/// What holds before anything begins.
pub(super) fn sound(members: &[Placed]) -> Vec<Condition> {
    vec![
        conditions::healthy(&[]),
        conditions::members_are(draft::names(members.iter()), vec![]),
        conditions::quiet(vec![], 0),
        conditions::same_kind(),
    ]
}

/// What holds in between too.
pub(super) fn invariants(joining: &Joining<'_>) -> Vec<Condition> {
    let hosts = joining.members.iter().map(|member| member.host.clone()).collect();
    vec![
        conditions::members_are(
            draft::names(joining.members.iter()),
            draft::names(joining.new.iter()),
        ),
        conditions::versions_match(hosts),
    ]
}

/// What must hold when it is applied.
pub(super) fn premises(view: View<'_>, joining: &Joining<'_>, rebalance: bool) -> Vec<Condition> {
    let mut premises = Vec::new();
    for node in joining.members.iter().chain(joining.new) {
        premises.push(conditions::host_answers(&node.host));
        premises.push(conditions::clock_within(&node.host));
    }
    // What it takes is an estimate: half of it must be there still.
    let needed = guards::needed_bytes(view).unwrap_or(0) / 2;
    for node in joining.new {
        premises.push(conditions::vacant(&node.host, &node.node));
        premises.push(conditions::disk_free(&node.host, needed));
    }
    if let Some((signer, _)) = joining.certifying.and_then(|one| one.signer.as_ref()) {
        premises.push(conditions::can_sign(signer));
    }
    let hosts = joining.members.iter().chain(joining.new).map(|node| node.host.clone()).collect();
    premises.push(conditions::versions_match(hosts));
    premises.push(conditions::rebalance_is(rebalance));
    premises
}

/// Says that an option has no effect here.
pub(super) fn without_effect(draft: &mut Draft, what: &str) {
    draft.note(
        NoteKind::Impact,
        format!("{what} has no effect: a single-replica cluster moves no data"),
    );
}
