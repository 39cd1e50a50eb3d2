//! Plans a change of the primary's role: repmgrd held still, the old primary stopped, the new one
//! promoted when it has everything, the others led to it, the old one back as a standby.
//!
//! Each step is an act of its own on its own host, by its own agent. `repmgr standby switchover`
//! does the same in one run over ssh; it is not used: killed in the middle it leaves a cluster
//! without a primary and nothing that says how far it came, and it needs a login of the database's
//! user from host to host.

use bellows_proto::v1::{
    Condition, Intent, NoteKind, Observation, Plan, PostgresqlService, Refusal, Spec,
};

use super::{
    actions, conditions,
    describe::describe,
    draft::{self, Draft, Placed, Task, back},
    fronts::Fronts,
    guards::{self, Moving},
    join, predict,
    view::View,
};

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(observation);
    let moving = guards::switchover(spec, view, intent)?;
    let Moving { old, new, others, .. } = &moving;
    let all = draft::in_order([old, new].into_iter().chain(others));
    let names = draft::names(all.iter());
    let mut draft = Draft::new(&spec.cluster);
    let mut fronts = Fronts::of(view, &all, &old.node);
    healthy(&mut draft, &moving);
    make_room(&mut draft, &moving, [old].into_iter().chain(others));
    hold_still(&mut draft, old, moving.survivors());
    let point_of_no_return = hand_over(&mut draft, &moving);
    fronts.follow(&mut draft, old, new);
    lead_others(&mut draft, &moving);
    come_back(&mut draft, &moving);
    fronts.lead_to_all(&mut draft, &new.node, &[]);
    tidy_up(&mut draft, &moving);
    let_decide(&mut draft, moving.survivors());
    join::conclude(&mut draft, names.clone(), &[]);
    notes(&mut draft, &moving, point_of_no_return);
    let mut plan = draft.finish(spec, intent, &all);
    plan.point_of_no_return = point_of_no_return;
    plan.premises = premises(&moving, &all);
    plan.premises.extend(fronts.premises());
    plan.invariants = vec![conditions::role_moves(&[&old.node, &new.node], names.clone(), names)];
    plan.prediction = Some(predict::prediction(&new.node, &all, &[]));
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(&new.node, &all);
    Ok(plan)
}

fn premises(moving: &Moving, all: &[Placed]) -> Vec<Condition> {
    let mut premises = vec![
        conditions::healthy(),
        conditions::primary_is(&moving.old.node),
        conditions::members_are(draft::names(all.iter())),
        conditions::can_take_over(&moving.new.node),
    ];
    premises.extend(all.iter().map(|member| conditions::clock_within(&member.host)));
    premises
}

/// The first look.
fn healthy(draft: &mut Draft, moving: &Moving) {
    draft.check(
        "check that the cluster is healthy",
        "the primary's role only moves where everybody follows",
        vec![
            conditions::healthy(),
            conditions::primary_is(&moving.old.node),
            conditions::can_take_over(&moving.new.node),
        ],
    );
}

/// Slots for these at the next primary, before anybody needs them.
pub(super) fn make_room<'a>(
    draft: &mut Draft,
    moving: &Moving,
    followers: impl Iterator<Item = &'a Placed>,
) {
    let new = &moving.new;
    for follower in followers {
        let slot = follower.slot();
        if !moving.claimed_at_new.contains(&slot) {
            let what = format!("slot {slot} for {}", follower.node);
            join::claim_at_primary(draft, new, join::slot_resource(&slot), &what);
        }
        let (at, node) = (draft.node(&new.node), draft.node(&follower.node));
        draft.act(Task {
            title: format!("make the slot {slot} at {} on {}", new.node, new.host),
            reason: "whoever follows the next primary finds the WAL that it needs there",
            host: new.host.clone(),
            action: actions::create_slot(at.clone(), node.clone(), slot.clone()),
            requires: vec![],
            undo: vec![back(&new.host, actions::drop_slot(at, node, slot))],
        });
    }
}

/// Nobody decides about the primary but this operation. `others`: all members but the primary.
pub(super) fn hold_still<'a>(
    draft: &mut Draft,
    primary: &Placed,
    others: impl Iterator<Item = &'a Placed>,
) {
    for member in others {
        let node = draft.node(&member.node);
        draft.act(Task {
            title: format!("pause repmgrd of {} on {}", member.node, member.host),
            reason: "it would take the stop of the primary for a failure and promote somebody",
            host: member.host.clone(),
            action: actions::pause_repmgrd(node.clone(), true),
            requires: vec![conditions::repmgrd_is(&member.node, false)],
            undo: vec![back(&member.host, actions::pause_repmgrd(node, false))],
        });
    }
    let node = draft.node(&primary.node);
    draft.act(Task {
        title: format!("stop and disable repmgrd of {} on {}", primary.node, primary.host),
        reason: "its server is about to stop",
        host: primary.host.clone(),
        action: actions::stop(node.clone(), PostgresqlService::Repmgrd),
        requires: vec![],
        undo: vec![back(&primary.host, actions::start(node, PostgresqlService::Repmgrd))],
    });
}

/// The pause for writers: from the stop of the old primary to the promotion of the new one.
/// Returns the number of the step after which there is no way back.
pub(super) fn hand_over(draft: &mut Draft, moving: &Moving) -> u32 {
    let (old, new) = (&moving.old, &moving.new);
    let node = draft.node(&old.node);
    let mut requires: Vec<Condition> =
        moving.survivors().map(|member| conditions::repmgrd_is(&member.node, true)).collect();
    requires.push(conditions::primary_is(&old.node));
    requires.push(conditions::can_take_over(&new.node));
    draft.act(Task {
        title: format!("stop and disable the server of {} on {}", old.node, old.host),
        reason: "writers pause from here on; disabled, because one that comes back by itself would be a second primary",
        host: old.host.clone(),
        action: actions::stop_primary(node.clone()),
        requires,
        undo: vec![back(&old.host, actions::start(node, PostgresqlService::Server))],
    });
    let stopped = draft.last_number();
    draft.wait(
        format!("wait until {} has all that {} wrote", new.node, old.node),
        "what was committed at the old primary is at the new one before it takes over",
        vec![conditions::received_all(&new.node, &old.node)],
        draft::SHORT,
    );
    draft.act(Task {
        title: format!("promote {} on {}", new.node, new.host),
        reason: "writers go on at the new primary",
        host: new.host.clone(),
        action: actions::promote(draft.node(&new.node)),
        requires: vec![conditions::received_all(&new.node, &old.node)],
        // The point of no return: from now on the old primary lacks what is written here.
        undo: vec![],
    });
    draft.writers_pause(stopped, draft::WRITE_PAUSE_MS);
    draft.last_number()
}

/// The standbys that stay leave the old primary for the new one.
pub(super) fn lead_others(draft: &mut Draft, moving: &Moving) {
    let new = &moving.new;
    for other in &moving.others {
        draft.act(Task {
            title: format!("let {} on {} follow {}", other.node, other.host, new.node),
            reason: "it still looks for the old primary",
            host: other.host.clone(),
            action: actions::follow(draft.node(&other.node), new.id()),
            requires: vec![conditions::primary_is(&new.node)],
            undo: vec![],
        });
        streams(draft, other, new);
    }
}

fn streams(draft: &mut Draft, standby: &Placed, new: &Placed) {
    draft.wait(
        format!("wait until {} streams from {}", standby.node, new.node),
        "only what the new primary sends to counts as a copy",
        vec![conditions::streaming(&standby.node)],
        draft::STREAMING,
    );
}

/// The old primary becomes a standby of the new one.
pub(super) fn come_back(draft: &mut Draft, moving: &Moving) {
    let (old, new) = (&moving.old, &moving.new);
    let host = || old.host.clone();
    let node = draft.node(&old.node);
    draft.act(Task {
        title: format!("make {} on {} a standby of {}", old.node, old.host, new.node),
        reason: "it was shut down in order and the new primary has all of it: it can follow as it is",
        host: host(),
        action: actions::demote(node.clone(), &new.place, old.slot()),
        requires: vec![conditions::primary_is(&new.node)],
        undo: vec![],
    });
    draft.act(Task {
        title: format!("start the server of {} on {}", old.node, old.host),
        reason: "it starts as a standby now",
        host: host(),
        action: actions::start(node.clone(), PostgresqlService::Server),
        requires: vec![conditions::primary_is(&new.node)],
        undo: vec![],
    });
    streams(draft, old, new);
    draft.act(Task {
        title: format!("register {} as a standby with repmgr on {}", old.node, old.host),
        reason: "repmgr has it as a primary that is gone",
        host: host(),
        action: actions::register_again(node.clone(), &new.place),
        requires: vec![conditions::streaming(&old.node)],
        undo: vec![],
    });
    draft.act(Task {
        title: format!("start repmgrd of {} on {}", old.node, old.host),
        reason: "from now on it takes part in failover again",
        host: host(),
        action: actions::start(node, PostgresqlService::Repmgrd),
        requires: vec![],
        undo: vec![],
    });
}

/// Slots that the old primary had for its standbys would keep WAL there for ever.
pub(super) fn tidy_up(draft: &mut Draft, moving: &Moving) {
    let old = &moving.old;
    for member in moving.survivors() {
        let slot = member.slot();
        let resource = join::slot_resource(&slot);
        if !moving.slots_at_old.contains(&slot) {
            continue;
        }
        if !moving.claimed_at_old.contains(&slot) {
            // After a failover the slot was made anew by repmgr: it is ours all the same.
            let what = format!("slot {slot} of {}", member.node);
            join::claim_at_primary(draft, old, resource.clone(), &what);
        }
        let (at, node) = (draft.node(&old.node), draft.node(&member.node));
        draft.act(Task {
            title: format!("drop the slot {slot} at {} on {}", old.node, old.host),
            reason: "nobody reads it any more, and it would keep WAL until the disk is full",
            host: old.host.clone(),
            action: actions::drop_slot(at.clone(), node, slot.clone()),
            requires: vec![],
            undo: vec![],
        });
        draft.act(Task {
            title: format!("give the claim of {slot} at {} back", old.host),
            reason: "the slot is at the new primary now",
            host: old.host.clone(),
            action: actions::release_resource(at, resource),
            requires: vec![],
            undo: vec![],
        });
    }
}

/// repmgrd of these watches again.
pub(super) fn let_decide<'a>(draft: &mut Draft, members: impl Iterator<Item = &'a Placed>) {
    let members: Vec<&Placed> = members.collect();
    for member in &members {
        let node = draft.node(&member.node);
        draft.act(Task {
            title: format!("let repmgrd of {} on {} decide again", member.node, member.host),
            reason: "failover works only while it is not paused; started anew, because one that saw the old primary stop may still wait for it",
            host: member.host.clone(),
            action: actions::pause_repmgrd(node, false),
            requires: vec![],
            undo: vec![],
        });
    }
    draft.wait(
        "wait until repmgrd watches on every member".to_owned(),
        "read back from each server: one that stays paused is no failover",
        members.iter().map(|member| conditions::repmgrd_is(&member.node, false)).collect(),
        draft::SHORT,
    );
}

pub(super) fn notes(draft: &mut Draft, moving: &Moving, point_of_no_return: u32) {
    let (old, new) = (&moving.old, &moving.new);
    if moving.chosen {
        draft.note(
            NoteKind::Guard,
            format!(
                "{} is the first standby in natural order that streams and may take over",
                new.node
            ),
        );
    }
    draft.note(
        NoteKind::Impact,
        format!(
            "writers pause for some 1 to 5 seconds: from the stop of {} to the promotion of {}; \
             a checkpoint goes before it. Their connections to {} ({} port {}) end; they find the \
             primary at {} port {}",
            old.node,
            new.node,
            old.node,
            old.place.address,
            old.place.port,
            new.place.address,
            new.place.port
        ),
    );
    draft.note(
        NoteKind::Risk,
        "repmgrd is paused meanwhile: a failure of the new primary in these seconds is not answered by itself".to_owned(),
    );
    draft.note(
        NoteKind::Risk,
        format!(
            "there is no way back from step {point_of_no_return} on: then {} lacks what is written at {}",
            old.node, new.node
        ),
    );
    strangers(draft, moving);
    draft.note(
        NoteKind::Impact,
        "no host needs ssh to another: each step runs through its own agent".to_owned(),
    );
}

/// What is no member's, and nobody leads to the new primary.
fn strangers(draft: &mut Draft, moving: &Moving) {
    let (old, new) = (&moving.old, &moving.new);
    // Those of members have repmgr's names.
    for slot in moving.slots_at_old.iter().filter(|slot| !slot.starts_with("repmgr_slot_")) {
        draft.note(
            NoteKind::Risk,
            format!(
                "slot {slot} at {} is no member's: it stays there, and {} has none of its name; whoever reads it must be told",
                old.node, new.node
            ),
        );
    }
    for witness in &moving.witnesses {
        draft.note(
            NoteKind::Risk,
            format!(
                "the witness {witness} is not led to {}: register it anew with repmgr on its host",
                new.node
            ),
        );
    }
}
