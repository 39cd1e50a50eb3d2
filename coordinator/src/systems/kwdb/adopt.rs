//! Plans the care of a cluster that KWDB's installer made: its hosts record where its members are, and
//! nothing else changes. What was there stays somebody else's.

use bellows_proto::v1::{
    Adopt, Condition, Intent, KwdbSpecOptions, KwdbStartMode, NewCluster, NoteKind, Observation,
    Plan, Refusal, Spec, spec_change,
};

use super::{
    actions, conditions,
    draft::{self, Draft, Placed, Task, back},
    guards::{self, Adopting, Rule},
    kinds, options, predict, sizes,
    view::View,
};

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
    wanted: &Adopt,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(observation);
    let found = guards::adopt(spec, view, wanted)?;
    let members: Vec<Placed> = found.members.iter().map(|member| member.placed.clone()).collect();
    let options = options::for_adopt(intent, found.mode, found.security);
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
            conditions::members_are(draft::names(members.iter()), vec![]),
            conditions::same_kind(),
        ],
    );
    notes(&mut draft, &found, &options);
    let mut plan = draft.finish(spec, intent, &members);
    plan.premises = premises(&members);
    plan.prediction = Some(predict::adopted(&members));
    plan.after = predict::views(&members);
    Ok(plan)
}

/// A minimum that the cluster does not have already would refuse every change.
fn enough(options: &KwdbSpecOptions, members: usize) -> Result<(), Vec<Refusal>> {
    let least = usize::try_from(options.min_members).unwrap_or(usize::MAX);
    // In a single-replica cluster nobody leaves: nothing is to be kept.
    if options.start_mode() != KwdbStartMode::MultiReplica || members >= least {
        return Ok(());
    }
    let there = sizes::count(members, "member");
    let value = format!("{there} would be there, the minimum is {least}");
    Err(vec![Rule::MinimumMembers.refusal(value)])
}

/// The host remembers where the member is: from then on it can be read by its name.
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
    let hosts = members.iter().map(|member| member.host.clone()).collect();
    premises.push(conditions::versions_match(hosts));
    premises
}

fn notes(draft: &mut Draft, found: &Adopting, options: &KwdbSpecOptions) {
    let impact = "nothing is changed on any host: the agents only record where the members are";
    draft.note(NoteKind::Impact, impact.to_owned());
    for member in &found.members {
        let Placed { node, host, place } = &member.placed;
        let container = match place.container.as_str() {
            "" => String::new(),
            name => format!(", in the container {name}"),
        };
        draft.note(
            NoteKind::Data,
            format!(
                "{node} on {host}: data in {}, reached at {} port {}, started by {}, node id {} now{container}",
                place.data_dir, place.address, place.port, place.unit, member.id
            ),
        );
    }
    let text = format!(
        "a {} cluster, {}",
        kinds::mode_text(found.mode),
        kinds::security_text(found.security)
    );
    draft.note(NoteKind::Guard, text);
    draft.note(
        NoteKind::Data,
        "nothing of it is ever configured or removed by Bellows; it is stopped and started only by its unit"
            .to_owned(),
    );
    if options.start_mode() == KwdbStartMode::MultiReplica {
        let text = format!("never fewer than {} members", options.min_members);
        draft.note(NoteKind::Guard, text);
    } else {
        draft.note(
            NoteKind::Risk,
            "a single-replica cluster may grow and be restarted, and lets no node go".to_owned(),
        );
    }
}
