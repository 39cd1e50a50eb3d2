//! Plans the care of a cluster that runs: its hosts record where its bookies are, and nothing else changes.
//! What was there stays somebody else's.

use bellows_proto::v1::{
    Adopt, BookkeeperSpecOptions, Condition, Intent, NewCluster, NoteKind, Observation, Plan,
    Refusal, Spec, spec_change,
};

use super::{
    actions, budget, conditions,
    draft::{self, Draft, Placed, Task, back},
    guards::{self, Adopting, Rule},
    options, predict,
    view::View,
};
use crate::plan::sizes;

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
    wanted: &Adopt,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(observation);
    let options = options::for_adopt(intent);
    let found = guards::adopt(spec, view, wanted, &options)?;
    let members: Vec<Placed> = found.members.iter().map(|member| member.placed.clone()).collect();
    enough(&options, members.len())?;
    let mut draft = Draft::new(&spec.cluster);
    for (at, member) in members.iter().enumerate() {
        record(&mut draft, member);
        if at == 0 {
            let options = Some(options::in_spec(options.clone()));
            draft.changing(spec_change::Kind::NewCluster(NewCluster { options }));
        }
    }
    for member in &members {
        read(&mut draft, member);
    }
    draft.check(
        "check that the cluster is as it was found",
        "what is taken into care is what the plan has shown",
        vec![
            conditions::healthy(&[]),
            conditions::members_are(draft::names(members.iter()), vec![]),
            conditions::same_cluster(),
        ],
    );
    notes(&mut draft, &found, &options);
    let mut plan = draft.finish(spec, intent, &members);
    plan.premises = premises(&members);
    plan.prediction = Some(predict::prediction(&members, &[]));
    plan.after = predict::views(&members);
    Ok(plan)
}

/// A minimum that the cluster does not have already would refuse every change.
fn enough(options: &BookkeeperSpecOptions, members: usize) -> Result<(), Vec<Refusal>> {
    let least = usize::try_from(options.min_bookies).unwrap_or(usize::MAX);
    if members >= least {
        return Ok(());
    }
    let there = sizes::count(members, "bookie");
    let value = format!("{there} would be there, the minimum is {least}");
    Err(vec![Rule::MinimumBookies.refusal(value)])
}

/// The host remembers where the bookie is: from then on it can be read by its name.
fn record(draft: &mut Draft, member: &Placed) {
    let node = draft.node(&member.node);
    draft.act(Task {
        title: format!("record where {} is on {}", member.node, member.host),
        reason: "from now on it is read by its name; nothing of it becomes Bellows' own",
        host: member.host.clone(),
        action: actions::claim_node(node.clone(), member.place.clone()),
        requires: vec![conditions::host_answers(&member.host)],
        undo: vec![back(&member.host, actions::release_node(node))],
    });
}

fn read(draft: &mut Draft, member: &Placed) {
    draft.wait(
        format!("read {} by its record on {}", member.node, member.host),
        "only what can be read is taken into care",
        vec![conditions::runs(&member.node, true)],
        draft::SHORT,
    );
    draft.changing(spec_change::Kind::AddNode(member.spec_node()));
}

fn premises(members: &[Placed]) -> Vec<Condition> {
    let mut premises = Vec::new();
    for member in members {
        premises.push(conditions::host_answers(&member.host));
        premises.push(conditions::clock_within(&member.host));
    }
    premises.push(conditions::versions_match(draft::names(members.iter())));
    premises
}

fn notes(draft: &mut Draft, found: &Adopting, options: &BookkeeperSpecOptions) {
    let impact = "nothing is changed on any host: the agents only record where the bookies are";
    draft.note(NoteKind::Impact, impact.to_owned());
    for member in &found.members {
        let Placed { node, host, place } = &member.placed;
        let started = match place.unit.as_str() {
            "" => "started by hand".to_owned(),
            unit => format!("started by {unit}"),
        };
        draft.note(
            NoteKind::Data,
            format!(
                "{node} on {host}: bookie {}, ledgers in {}, journal in {}, configuration {}, {started}",
                member.id,
                place.ledger_dirs.join(", "),
                place.journal_dirs.join(", "),
                place.conf_file
            ),
        );
    }
    if let Some(first) = found.members.first() {
        let text = format!("metadata at {}, instance {}", first.service, first.instance);
        draft.note(NoteKind::Guard, text);
    }
    draft.note(
        NoteKind::Data,
        "nothing of it is ever configured or removed by Bellows; it is stopped and started only by its unit"
            .to_owned(),
    );
    draft.note(NoteKind::Guard, format!("never fewer than {} bookies", options.min_bookies));
    quorums(draft, options);
    if !options.budgets.is_empty() {
        draft.note(NoteKind::Impact, format!("data move: {}", budget::text(&options.budgets)));
    }
}

/// What clients ask for is not to be read anywhere.
fn quorums(draft: &mut Draft, options: &BookkeeperSpecOptions) {
    if options.quorums.iter().all(|quorum| quorum.name != "broker") {
        draft.note(
            NoteKind::Risk,
            "what the brokers ask for is not known: give managedLedgerDefaultEnsembleSize, WriteQuorum and AckQuorum with --option broker=E/Qw/Qa, and policies of namespaces with --option policy.TENANT/NAMESPACE=E/Qw/Qa; without them only the ledgers that are there count when bookies leave"
                .to_owned(),
        );
    }
    for quorum in &options.quorums {
        let mut text = format!(
            "{} asks for {}/{}/{}",
            quorum.name, quorum.ensemble, quorum.write_quorum, quorum.ack_quorum
        );
        if !quorum.groups.is_empty() {
            text.push_str(&format!(" in isolation group {}", quorum.groups.join("+")));
        }
        draft.note(NoteKind::Guard, text);
    }
}
