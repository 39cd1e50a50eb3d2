//! Plans other options for a cluster that is there. Only what Bellows does with a cluster, and who may
//! log in: a parameter of the servers is none of them.

use bellows_proto::v1::{
    Condition, Intent, NoteKind, Observation, OptionsChange, Plan, PostgresqlSpecOptions, Refusal,
    Spec, spec_change,
};

use super::{
    actions, conditions,
    describe::describe,
    draft::{self, Draft, Placed, Task},
    guards, join, options, predict,
    view::View,
};

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
) -> Result<Plan, Vec<Refusal>> {
    let (before, after) = (options::of_spec(spec), options::reconfigured(spec, intent));
    let (members, primary) = guards::reconfigure(spec, View::of(observation), &after)?;
    let names = draft::names(members.iter());
    let mut draft = Draft::new(&spec.cluster);
    draft.check(
        "check that the cluster is healthy",
        "who may log in is only changed where every member can be read",
        vec![conditions::healthy(), conditions::primary_is(&primary.node)],
    );
    if before.client_networks != after.client_networks {
        for member in &members {
            let_in(&mut draft, member, &members, &before, &after);
        }
    }
    join::await_health(&mut draft, names.clone(), &[]);
    let change = OptionsChange {
        before: spec.options.clone(),
        after: Some(options::in_spec(after.clone())),
    };
    draft.changing(spec_change::Kind::Options(change));
    notes(&mut draft, &before, &after);
    let mut plan = draft.finish(spec, intent, &members);
    plan.premises = premises(&primary, &members);
    plan.invariants = vec![
        conditions::primary_is(&primary.node),
        conditions::members_between(names.clone(), names),
    ];
    plan.prediction = Some(predict::prediction(&primary.node, &members, &[]));
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(&primary.node, &members);
    Ok(plan)
}

/// Every member may become primary, so all of them let the same clients in.
fn let_in(
    draft: &mut Draft,
    member: &Placed,
    members: &[Placed],
    before: &PostgresqlSpecOptions,
    after: &PostgresqlSpecOptions,
) {
    if member.place.adopted {
        let text = format!(
            "{} was adopted, its rules are not written by Bellows: change {} by hand",
            member.node, member.place.hba_file
        );
        return draft.note(NoteKind::Impact, text);
    }
    let node = draft.node(&member.node);
    let rules = |options: &PostgresqlSpecOptions| {
        actions::write_hba(node.clone(), draft::hba(members.iter(), &options.client_networks))
    };
    draft.act(Task {
        title: format!("let clients in by the new networks at {} on {}", member.node, member.host),
        reason: "any member may become primary: all of them let the same clients in",
        host: member.host.clone(),
        action: rules(after),
        requires: vec![],
        undo: vec![draft::back(&member.host, rules(before))],
    });
}

fn premises(primary: &Placed, members: &[Placed]) -> Vec<Condition> {
    let mut premises = vec![
        conditions::healthy(),
        conditions::primary_is(&primary.node),
        conditions::members_are(draft::names(members.iter())),
    ];
    premises.extend(members.iter().map(|member| conditions::clock_within(&member.host)));
    premises
}

fn notes(draft: &mut Draft, before: &PostgresqlSpecOptions, after: &PostgresqlSpecOptions) {
    if before.min_members != after.min_members {
        let text = format!(
            "from now on no operation leaves fewer than {} members; until now: {}",
            after.min_members, before.min_members
        );
        draft.note(NoteKind::Impact, text);
    }
    if before.clone_rate_kib != after.clone_rate_kib {
        let rate = match after.clone_rate_kib {
            0 => "without a limit".to_owned(),
            kib => format!("at most {kib} KiB/s each"),
        };
        let text = format!("base backups for members that come from now on: {rate}");
        draft.note(NoteKind::Impact, text);
    }
    let (was, is) = (&before.client_networks, &after.client_networks);
    for network in was.iter().filter(|network| !is.contains(network)) {
        let text = format!(
            "clients in {network} cannot log in any more; connections that they have stay until they end"
        );
        draft.note(NoteKind::Impact, text);
    }
}
