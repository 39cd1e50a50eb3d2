//! Plans a rolling restart: one node at a time, each read back before the next one goes.

use bellows_proto::v1::{
    Intent, KwdbStartMode, NoteKind, Observation, Plan, Refusal, Restart, Spec,
};

use super::{
    actions, conditions,
    describe::describe,
    draft::{self, Draft, Placed, Task, back},
    guards::{self, Restarting},
    options, predict,
    view::View,
};

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
    wanted: &Restart,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(observation);
    let Restarting { members, nodes } = guards::restart(spec, view, wanted)?;
    let names = draft::names(members.iter());
    let mut draft = Draft::new(&spec.cluster);
    let needs = || vec![conditions::healthy(&[]), conditions::quiet(Vec::new(), 0)];
    draft.check(
        "check that the cluster is healthy",
        "a node is only stopped where the others can do without it",
        needs(),
    );
    for node in &nodes {
        let name = &node.node;
        // One that an attempt before has stopped is not well: the others must be.
        let others = std::slice::from_ref(name);
        draft.act(Task {
            title: format!("restart the node {name} on {}", node.host),
            reason: "it drains first: clients are let finish, leases go to the others",
            host: node.host.clone(),
            action: actions::restart_node(draft.node(name)),
            requires: vec![conditions::healthy(others), conditions::quiet(others.to_vec(), 0)],
            // A node that runs is what there was before.
            undo: vec![back(&node.host, actions::start_node(draft.node(name)))],
        });
        draft.wait(
            format!("wait until {name} is back and every range has its replicas"),
            "available, live, not draining and taking SQL: one at a time, the next one only goes when nobody is missing",
            vec![conditions::runs(name, true), conditions::healthy(&[])],
            draft::SHORT,
        );
    }
    said(&mut draft, spec, &nodes);
    draft.note(NoteKind::Impact, "do it when there is little load".to_owned());
    let mut plan = draft.finish(spec, intent, &members);
    plan.premises = needs();
    plan.premises.push(conditions::same_kind());
    plan.premises.push(conditions::members_are(names, Vec::new()));
    plan.premises.extend(members.iter().map(|member| conditions::clock_within(&member.host)));
    // One that comes up knows nobody for a moment: its list of members is none to go by.
    let hosts = members.iter().map(|member| member.host.clone()).collect();
    plan.invariants = vec![conditions::quiet(Vec::new(), 0), conditions::versions_match(hosts)];
    plan.prediction = Some(predict::prediction(&members, &[]));
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(&members);
    Ok(plan)
}

fn said(draft: &mut Draft, spec: &Spec, nodes: &[Placed]) {
    for node in nodes {
        draft.note(
            NoteKind::Impact,
            format!(
                "clients that are connected to {} ({}) are cut off when it stops",
                node.node,
                node.endpoint()
            ),
        );
    }
    draft.note(
        NoteKind::Risk,
        match options::of_spec(spec).start_mode() {
            KwdbStartMode::SingleReplica | KwdbStartMode::SingleNode => {
                "there is one replica of everything: what a node has cannot be read or written while it is away"
            }
            KwdbStartMode::MultiReplica | KwdbStartMode::Unspecified => {
                "one node at a time is away: one copy of its data fewer for that while"
            }
        }
        .to_owned(),
    );
}
