//! Plans a rolling restart: each standby's server stopped and started, one after the other, then
//! the primary. Its role moves to a standby first, unless it is to be restarted where it is.
//!
//! Stop and start are steps of their own: whether a server was restarted cannot be read from it,
//! whether it runs can.

use bellows_proto::v1::{
    Condition, Intent, NoteKind, Observation, Plan, PostgresqlService, Refusal, Restart, Spec,
};

use super::{
    actions, conditions,
    describe::describe,
    draft::{self, Draft, Placed, Task, back},
    fronts::Fronts,
    guards::{self, Last, Restarting},
    join, predict, switchover,
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
    let guarded = guards::restart(spec, view, wanted)?;
    let Restarting { members, primary, standbys, last } = &guarded;
    let names = draft::names(members.iter());
    let mut draft = Draft::new(&spec.cluster);
    let mut fronts = Fronts::of(view, members, &primary.node);
    draft.check(
        "check that the cluster is healthy",
        "a server is only stopped where the others can do without it",
        needs(&guarded),
    );
    for standby in standbys {
        one_standby(&mut draft, primary, standby);
    }
    let mut point_of_no_return = 0;
    let mut end = primary;
    match last {
        Last::Untouched => {}
        Last::Moves(moving) => {
            switchover::make_room(&mut draft, moving, [primary].into_iter().chain(&moving.others));
            switchover::hold_still(&mut draft, primary, moving.survivors());
            point_of_no_return = switchover::hand_over(&mut draft, moving);
            fronts.follow(&mut draft, &moving.old, &moving.new);
            switchover::lead_others(&mut draft, moving);
            switchover::come_back(&mut draft, moving);
            switchover::tidy_up(&mut draft, moving);
            switchover::let_decide(&mut draft, moving.survivors());
            end = &moving.new;
        }
        Last::InPlace => in_place(&mut draft, primary, members),
    }
    fronts.lead_to_all(&mut draft, &end.node, &[]);
    join::conclude(&mut draft, names.clone(), &[]);
    notes(&mut draft, &guarded, point_of_no_return);
    let mut plan = draft.finish(spec, intent, members);
    plan.point_of_no_return = point_of_no_return;
    plan.premises = premises(&guarded, names.clone());
    plan.premises.extend(fronts.premises());
    plan.invariants = vec![invariant(&guarded, names)];
    plan.prediction = Some(predict::prediction(&end.node, members, &[]));
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(&end.node, members);
    Ok(plan)
}

/// What the plan rests on.
fn needs(guarded: &Restarting) -> Vec<Condition> {
    let mut needs = vec![conditions::healthy(), conditions::primary_is(&guarded.primary.node)];
    if let Last::Moves(moving) = &guarded.last {
        needs.push(conditions::can_take_over(&moving.new.node));
    }
    let away = guarded.standbys.iter();
    needs.extend(away.map(|standby| conditions::sync_satisfiable(vec![standby.node.clone()])));
    needs
}

fn premises(guarded: &Restarting, names: Vec<String>) -> Vec<Condition> {
    let mut premises = needs(guarded);
    premises.push(conditions::members_are(names));
    premises.extend(guarded.members.iter().map(|member| conditions::clock_within(&member.host)));
    premises
}

/// Nobody else becomes primary meanwhile.
fn invariant(guarded: &Restarting, names: Vec<String>) -> Condition {
    let primary = guarded.primary.node.as_str();
    match &guarded.last {
        Last::Moves(moving) => {
            conditions::role_moves(&[primary, &moving.new.node], names.clone(), names)
        }
        Last::Untouched | Last::InPlace => conditions::role_moves(&[primary], names.clone(), names),
    }
}

/// Stopped, started, and back before the next one goes.
fn one_standby(draft: &mut Draft, primary: &Placed, standby: &Placed) {
    let host = || standby.host.clone();
    let node = draft.node(&standby.node);
    draft.act(Task {
        title: format!("stop and disable repmgrd of {} on {}", standby.node, standby.host),
        reason: "it would report the stop of its server as a failure",
        host: host(),
        action: actions::stop(node.clone(), PostgresqlService::Repmgrd),
        requires: vec![],
        undo: vec![back(&host(), actions::start(node.clone(), PostgresqlService::Repmgrd))],
    });
    draft.act(Task {
        title: format!("stop and disable the server of {} on {}", standby.node, standby.host),
        reason: "disabled until its start: nobody else starts it in between",
        host: host(),
        action: actions::stop(node.clone(), PostgresqlService::Server),
        requires: vec![
            conditions::primary_is(&primary.node),
            conditions::sync_satisfiable(vec![standby.node.clone()]),
        ],
        undo: vec![back(&host(), actions::start(node.clone(), PostgresqlService::Server))],
    });
    start_server(draft, standby);
    draft.wait(
        format!("wait until {} streams and has replayed", standby.node),
        "it is a copy again before the next one is stopped",
        vec![conditions::streaming(&standby.node)],
        draft::STREAMING,
    );
    start_repmgrd(draft, standby);
    draft.wait(
        format!("wait until all members are healthy with {} back", standby.node),
        "one at a time: the next one only goes when nobody is missing",
        vec![conditions::healthy()],
        draft::SHORT,
    );
}

/// Nothing to take back: a server that runs is what there was before.
fn start_server(draft: &mut Draft, member: &Placed) {
    draft.act(Task {
        title: format!("start the server of {} on {}", member.node, member.host),
        reason: "this ends its restart",
        host: member.host.clone(),
        action: actions::start(draft.node(&member.node), PostgresqlService::Server),
        requires: vec![],
        undo: vec![],
    });
}

fn start_repmgrd(draft: &mut Draft, member: &Placed) {
    draft.act(Task {
        title: format!("start repmgrd of {} on {}", member.node, member.host),
        reason: "from now on it takes part in failover again",
        host: member.host.clone(),
        action: actions::start(draft.node(&member.node), PostgresqlService::Repmgrd),
        requires: vec![],
        undo: vec![],
    });
}

/// The primary stays primary; nobody takes its stop for a failure.
fn in_place(draft: &mut Draft, primary: &Placed, members: &[Placed]) {
    let others = || members.iter().filter(|member| member.node != primary.node);
    switchover::hold_still(draft, primary, others());
    let host = || primary.host.clone();
    let node = draft.node(&primary.node);
    let mut requires: Vec<Condition> =
        others().map(|member| conditions::repmgrd_is(&member.node, true)).collect();
    requires.push(conditions::primary_is(&primary.node));
    draft.act(Task {
        title: format!("stop and disable the server of {} on {}", primary.node, primary.host),
        reason: "writers pause from here on, until it is started",
        host: host(),
        action: actions::stop_primary(node.clone()),
        requires,
        undo: vec![back(&host(), actions::start(node, PostgresqlService::Server))],
    });
    let stopped = draft.last_number();
    start_server(draft, primary);
    draft.writers_pause(stopped, draft::WRITE_PAUSE_MS);
    if others().next().is_some() {
        draft.wait(
            format!("wait until every standby streams from {} again", primary.node),
            "only what the primary sends to counts as a copy",
            others().map(|member| conditions::streaming(&member.node)).collect(),
            draft::STREAMING,
        );
    }
    start_repmgrd(draft, primary);
    switchover::let_decide(draft, others());
}

fn notes(draft: &mut Draft, guarded: &Restarting, point_of_no_return: u32) {
    let Restarting { primary, standbys, last, .. } = guarded;
    for standby in standbys {
        draft.note(
            NoteKind::Impact,
            format!(
                "clients that are connected to {} ({} port {}) are cut off when its server stops",
                standby.node, standby.place.address, standby.place.port
            ),
        );
    }
    if !standbys.is_empty() {
        draft.note(
            NoteKind::Risk,
            "one standby at a time is away: one copy of the data fewer for that while".to_owned(),
        );
    }
    match last {
        Last::Untouched => {}
        Last::Moves(moving) => {
            switchover::notes(draft, moving, point_of_no_return);
            draft.note(
                NoteKind::Impact,
                format!(
                    "{} is the primary afterwards, {} a standby: the role does not move back by itself",
                    moving.new.node, primary.node
                ),
            );
        }
        Last::InPlace => in_place_notes(draft, primary),
    }
}

fn in_place_notes(draft: &mut Draft, primary: &Placed) {
    draft.note(
        NoteKind::Impact,
        format!(
            "writers pause for as long as the restart of {} takes: from its stop, with a checkpoint before it, until it \
             has started. Their connections to {} port {} end",
            primary.node, primary.place.address, primary.place.port
        ),
    );
    draft.note(
        NoteKind::Risk,
        format!(
            "repmgrd is paused meanwhile: if {} does not start again, nobody takes its role over by itself",
            primary.node
        ),
    );
}
