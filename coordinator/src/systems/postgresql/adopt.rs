//! Plans the care of a cluster that somebody else built: its hosts record where its members are, and
//! nothing else changes. What was there stays somebody else's.

use bellows_proto::v1::{
    Adopt, Condition, Intent, NewCluster, NoteKind, Observation, Plan, PostgresqlService,
    PostgresqlSpecOptions, Refusal, Spec, spec_change,
};

use super::{
    actions, conditions,
    draft::{self, Draft, Placed, Task, back},
    expand,
    guards::{self, Adopting},
    options, predict, sizes, versions,
    view::{self, View},
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
    let mut options = options::for_adopt(intent, members.len());
    let asked = usize::try_from(options.min_members).unwrap_or(usize::MAX);
    if asked > members.len().max(options::LEAST_MEMBERS) {
        let there = sizes::count(members.len(), "member");
        let value = format!("{there} would be there, the minimum is {asked}");
        return Err(vec![guards::Rule::MinimumMembers.refusal(value)]);
    }
    options.foreign_slots = found.foreign_slots.iter().map(|(slot, _)| slot.clone()).collect();
    options.foreign_slots.sort();
    options.foreign_slots.dedup();
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
            conditions::primary_is(&found.primary),
            conditions::members_are(draft::names(members.iter())),
        ],
    );
    draft.changing(draft::ids_used(&members));
    notes(&mut draft, &found, &options);
    let mut plan = draft.finish(spec, intent, &members);
    plan.premises = premises(&members);
    plan.prediction = Some(predict::adopted(&found.primary, &members));
    plan.after = predict::views(&found.primary, &members);
    Ok(plan)
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
        vec![
            conditions::registered_everywhere(&member.node, member.id()),
            conditions::service_runs(&member.node, PostgresqlService::Server),
        ],
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

fn notes(draft: &mut Draft, found: &Adopting<'_>, options: &PostgresqlSpecOptions) {
    let impact = "nothing is changed on any host: the agents only record where the members are";
    draft.note(NoteKind::Impact, impact.to_owned());
    for member in &found.members {
        let Placed { node, host, place } = &member.placed;
        let unit = match place.server_service.as_str() {
            "" => "started by no unit".to_owned(),
            unit => format!("started by {unit}"),
        };
        draft.note(
            NoteKind::Data,
            format!(
                "{node} on {host}: data in {}, settings {}, rules {}, {}, reached at {} port {}, node id {}, {unit}",
                place.data_dir,
                place.config_file,
                place.hba_file,
                place.repmgr_conf,
                place.address,
                place.port,
                place.node_id
            ),
        );
    }
    draft.note(
        NoteKind::Data,
        "nothing of it is ever configured or removed by Bellows; it is stopped and started only by what agent.toml of its host names"
            .to_owned(),
    );
    understood(draft, found);
    draft.note(NoteKind::Guard, format!("never fewer than {} members", options.min_members));
    risks(draft, found);
}

/// What is not as in a cluster that Bellows makes, and stays as it is.
fn understood(draft: &mut Draft, found: &Adopting<'_>) {
    for row in found.records.iter().filter(|row| view::is_witness(row)) {
        let text =
            format!("the witness {} stays as it is: it is no member and is not read", row.name);
        draft.note(NoteKind::Guard, text);
    }
    let name = |id: u32| found.records.iter().find(|row| row.node_id == id);
    for row in found.records.iter().filter(|row| row.kind == "standby") {
        if let Some(above) = name(row.upstream_id).filter(|above| above.kind == "standby") {
            let text =
                format!("{} streams from {}, a standby, and goes on so", row.name, above.name);
            draft.note(NoteKind::Guard, text);
        }
    }
    for (slot, keeper) in &found.foreign_slots {
        let text = format!("slot {slot} at {keeper} is no member's: it is left alone, for ever");
        draft.note(NoteKind::Guard, text);
    }
}

/// What guards will say later.
fn risks(draft: &mut Draft, found: &Adopting<'_>) {
    for member in &found.members {
        let Placed { node, host, .. } = &member.placed;
        for why in &member.found.left_alone {
            draft.note(
                NoteKind::Risk,
                format!("{node} on {host} may be neither stopped nor moved from here: {why}"),
            );
        }
        if member.server.repmgrd_running != Some(true) {
            draft.note(
                NoteKind::Risk,
                format!("no failover: repmgrd of {node} does not report to its server; the cluster may not grow before it does"),
            );
        }
        if node != &found.primary {
            continue;
        }
        for wrong in versions::wrong_settings(member.server).unwrap_or_else(|why| vec![why]) {
            draft.note(NoteKind::Risk, format!("the cluster may not grow as it is: {wrong}"));
        }
        expand::tablespaces(draft, member.server);
    }
}
