//! Plans standbys out of a cluster: stopped, forgotten by every survivor, tombstoned.

use bellows_proto::v1::{
    Condition, Intent, NoteKind, Observation, Plan, PostgresqlService, Refusal, RemoveNode, Spec,
    spec_change,
};

use super::{
    actions, conditions,
    describe::describe,
    draft::{self, Draft, Placed, Task, back},
    fronts::Fronts,
    guards::{self, Moving},
    join, options, predict, switchover,
    view::View,
};

mod notes;

pub(super) use notes::leaving_notes;

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(observation);
    let guarded = guards::shrink(spec, view, intent)?;
    let (leaving, staying, primary) = (&guarded.leaving, &guarded.staying, &guarded.primary);
    let wipe = options::wipe_data(intent);
    let all: Vec<Placed> = draft::in_order(staying.iter().chain(leaving));
    let mut draft = Draft::new(&spec.cluster);
    let gone = draft::names(leaving.iter());
    let can_do_without = match &guarded.moving {
        // By the next primary's own setting, which a guard has looked at.
        Some(moving) => conditions::can_take_over(&moving.new.node),
        None => conditions::sync_satisfiable(gone),
    };
    draft.check(
        "check that the cluster is healthy",
        "a member only leaves a cluster that can do without it",
        vec![conditions::healthy(), conditions::primary_is(&primary.node), can_do_without.clone()],
    );
    let mut fronts = Fronts::of(view, &all, &primary.node);
    fronts.lead_away(&mut draft, leaving.iter().filter(|node| node.node != primary.node));
    let mut point_of_no_return = 0;
    // The primary last: until then it is the one who forgets the others.
    for node in leaving.iter().filter(|node| node.node != primary.node) {
        let dropped = remove(&mut draft, &guarded, node, wipe);
        if point_of_no_return == 0 {
            point_of_no_return = dropped;
        }
    }
    if let Some(moving) = &guarded.moving {
        let promoted = remove_primary(&mut draft, &mut fronts, moving, wipe);
        if point_of_no_return == 0 {
            point_of_no_return = promoted;
        }
    }
    let last = guarded.moving.as_ref().map_or(primary, |moving| &moving.new);
    fronts.forget(&mut draft, staying, &last.node);
    shut_out(&mut draft, staying, &all, &options::of_spec(spec).client_networks);
    join::conclude(&mut draft, draft::names(staying.iter()), leaving);
    notes::notes(&mut draft, &guarded, wipe, point_of_no_return);
    let mut plan = draft.finish(spec, intent, &all);
    plan.point_of_no_return = point_of_no_return;
    plan.premises = premises(primary, &all, can_do_without);
    plan.premises.extend(fronts.premises());
    plan.invariants = invariants(&guarded, &all);
    plan.prediction = Some(predict::prediction(&last.node, staying, &predict::gone(leaving, wipe)));
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(&last.node, staying);
    Ok(plan)
}

/// What holds all the while members leave `all`, the primary perhaps among them.
pub(super) fn invariants(guarded: &guards::Shrinking, all: &[Placed]) -> Vec<Condition> {
    let (staying, primary) = (&guarded.staying, &guarded.primary);
    let (at_least, at_most) = (draft::names(staying.iter()), draft::names(all.iter()));
    let alike =
        conditions::versions_match(staying.iter().map(|member| member.host.clone()).collect());
    match &guarded.moving {
        Some(moving) => {
            let among = [primary.node.as_str(), moving.new.node.as_str()];
            vec![conditions::role_moves(&among, at_least, at_most), alike]
        }
        None => vec![
            conditions::primary_is(&primary.node),
            conditions::members_between(at_least, at_most),
            alike,
        ],
    }
}

fn premises(primary: &Placed, all: &[Placed], can_do_without: Condition) -> Vec<Condition> {
    let mut premises = vec![
        conditions::healthy(),
        conditions::primary_is(&primary.node),
        conditions::members_are(draft::names(all.iter())),
        can_do_without,
    ];
    premises.extend(all.iter().map(|member| conditions::clock_within(&member.host)));
    premises
}

/// One standby out, from its first stop to its tombstone. Returns the number of the step that
/// drops its slot.
pub(super) fn remove(
    draft: &mut Draft,
    guarded: &guards::Shrinking,
    node: &Placed,
    wipe: bool,
) -> u32 {
    let primary = &guarded.primary;
    let slot = guarded.slot_of(node);
    if guarded.unclaimed_slots.contains(&slot) {
        // After a failover the slot was made anew by repmgr, here: it is ours all the same.
        join::claim_at_primary(
            draft,
            primary,
            join::slot_resource(&slot),
            &format!("slot {slot} of {}", node.node),
        );
    }
    stop(
        draft,
        node,
        PostgresqlService::Repmgrd,
        "it must not start a failover while its server stops",
    );
    stop(
        draft,
        node,
        PostgresqlService::Server,
        "a member that is forgotten while it runs goes on streaming",
    );
    draft.wait(
        format!("wait until {} streams no more", node.node),
        "the primary itself says that nobody reads that slot",
        vec![conditions::not_streaming(&node.node, &slot)],
        draft::SHORT,
    );
    unregister(draft, primary, node, &slot);
    drop_slot(draft, primary, node, &slot);
    let dropped = draft.last_number();
    draft.wait(
        format!("wait until every survivor has forgotten {}", node.node),
        "a record or a slot that stays would be found as a ghost later, and keeps WAL",
        vec![conditions::absent_everywhere(&node.node, node.id(), &slot)],
        draft::SHORT,
    );
    tombstone(draft, node, wipe, &slot);
    dropped
}

/// The primary out: its role moves first, then it is forgotten like any other. It never comes back
/// as a standby in between. Returns the number of the step that promotes the next one.
pub(super) fn remove_primary(
    draft: &mut Draft,
    fronts: &mut Fronts,
    moving: &Moving,
    wipe: bool,
) -> u32 {
    let (old, new, slot) = (&moving.old, &moving.new, moving.old.slot());
    switchover::make_room(draft, moving, moving.others.iter());
    switchover::hold_still(draft, old, moving.survivors());
    let promoted = switchover::hand_over(draft, moving);
    fronts.follow(draft, old, new);
    switchover::lead_others(draft, moving);
    let (at, named) = (draft.node(&new.node), draft.node(&old.node));
    draft.act(Task {
        title: format!("unregister {} at {} on {}", old.node, new.node, new.host),
        reason: "the others must not count on it in a failover",
        host: new.host.clone(),
        action: actions::unregister_former_primary(at, named, old.id()),
        requires: vec![
            conditions::primary_is(&new.node),
            conditions::not_streaming(&old.node, &slot),
        ],
        undo: vec![],
    });
    draft.wait(
        format!("wait until every survivor has forgotten {}", old.node),
        "a record that stays would be found as a ghost later",
        vec![conditions::absent_everywhere(&old.node, old.id(), &slot)],
        draft::SHORT,
    );
    tombstone(draft, old, wipe, &slot);
    switchover::let_decide(draft, moving.survivors());
    promoted
}

fn stop(draft: &mut Draft, node: &Placed, service: PostgresqlService, reason: &'static str) {
    let named = draft.node(&node.node);
    draft.act(Task {
        title: format!(
            "stop and disable {} of {} on {}",
            join::service_name(service),
            node.node,
            node.host
        ),
        reason,
        host: node.host.clone(),
        action: actions::stop(named.clone(), service),
        requires: vec![],
        undo: vec![back(&node.host, actions::start(named, service))],
    });
}

fn unregister(draft: &mut Draft, primary: &Placed, node: &Placed, slot: &str) {
    let (at, named) = (draft.node(&primary.node), draft.node(&node.node));
    draft.act(Task {
        title: format!("unregister {} at {} on {}", node.node, primary.node, primary.host),
        reason: "the others must not count on it in a failover",
        host: primary.host.clone(),
        action: actions::unregister_standby(at, named.clone(), node.id()),
        requires: vec![conditions::not_streaming(&node.node, slot)],
        undo: vec![back(&node.host, actions::register_stopped_standby(named, &primary.place))],
    });
}

fn drop_slot(draft: &mut Draft, primary: &Placed, node: &Placed, slot: &str) {
    let (at, named) = (draft.node(&primary.node), draft.node(&node.node));
    draft.act(Task {
        title: format!("drop the slot {slot} at {} on {}", primary.node, primary.host),
        reason: "repmgr never drops it, and it would keep WAL until the primary's disk is full",
        host: primary.host.clone(),
        action: actions::drop_slot(at, named, slot.to_owned()),
        requires: vec![
            conditions::primary_is(&primary.node),
            conditions::not_streaming(&node.node, slot),
        ],
        // The point of no return: WAL that the node would need may be gone from now on.
        undo: vec![],
    });
}

fn tombstone(draft: &mut Draft, node: &Placed, wipe: bool, slot: &str) {
    let named = draft.node(&node.node);
    draft.act(Task {
        title: format!("put a tombstone for {} on {}", node.node, node.host),
        reason: "its services never start again, not even after a reboot",
        host: node.host.clone(),
        action: actions::tombstone(named, wipe),
        requires: vec![conditions::absent_everywhere(&node.node, node.id(), slot)],
        undo: vec![],
    });
    draft.changing(spec_change::Kind::RemoveNode(RemoveNode {
        node: node.node.clone(),
        owed_act: 0,
    }));
}

/// Whether the rules of a member are not Bellows' to write; then it is said what to do there.
pub(super) fn is_left_to_hand(draft: &mut Draft, member: &Placed) -> bool {
    if member.place.adopted {
        let still_in = format!(
            "{} was adopted: take the gone nodes out of {} on {} by hand",
            member.node, member.place.hba_file, member.host
        );
        draft.note(NoteKind::Risk, still_in);
    }
    member.place.adopted
}

/// The survivors' rules let the gone nodes in no more.
pub(super) fn shut_out(
    draft: &mut Draft,
    staying: &[Placed],
    all: &[Placed],
    client_networks: &[String],
) {
    for member in staying {
        if is_left_to_hand(draft, member) {
            continue;
        }
        let node = draft.node(&member.node);
        draft.act(Task {
            title: format!(
                "take the gone nodes out of the rules of {} on {}",
                member.node, member.host
            ),
            reason: "an address that is given to another machine must not open the database to it",
            host: member.host.clone(),
            action: actions::write_hba(node.clone(), draft::hba(staying.iter(), client_networks)),
            requires: vec![],
            undo: vec![back(
                &member.host,
                actions::write_hba(node, draft::hba(all.iter(), client_networks)),
            )],
        });
        // A rule that stays lets nobody do harm to the data; it can be taken out by hand.
        draft.skippable();
    }
}
