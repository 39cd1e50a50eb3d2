//! Plans a new standby in the place of a member whose host is dead. Everything of the new one that
//! can be taken back comes first; then the dead one is forgotten, which cannot; then the new one
//! copies. The dead host is not asked for anything: it gets its tombstone when it comes back.

use bellows_proto::v1::{Condition, Lock, NoteKind, Plan, RemoveNode, spec_change};

use super::{
    actions, conditions,
    draft::{self, Draft, Task, back},
    expand, health, join, options, predict,
    replace::Change,
    shrink, view,
};

/// The plan.
pub(super) fn plan(change: &Change<'_>) -> Plan {
    let Change { spec, intent, old, new, .. } = change;
    let (primary, staying) = (change.primary(), change.staying());
    let after = change.after();
    let mut draft = Draft::new(&spec.cluster);
    let mut fronts = change.fronts();
    let mut first = whole(change);
    first.push(conditions::sync_satisfiable(vec![old.node.clone()]));
    first.extend(still_dead(change));
    draft.check(
        &format!("check that {} is dead and the others are healthy", old.node),
        "two readings: its agent is silent, and no survivor has a connection of it",
        first,
    );
    change.prepare(&mut draft, &after, |draft| swap_rules(draft, change));
    join::log_in(&mut draft, primary, std::slice::from_ref(new));
    let point_of_no_return = forget(&mut draft, change);
    fronts.lead_away_for_good(&mut draft, old);
    join::copy(&mut draft, primary, std::slice::from_ref(new));
    fronts.swap(&mut draft, old, new);
    join::conclude(&mut draft, draft::names(after.iter()), &[]);
    notes(&mut draft, change, point_of_no_return);
    let mut plan = draft.finish(spec, intent, &after);
    // Nobody takes the host away, or upgrades it, meanwhile.
    plan.locks.push(Lock { resource: format!("host/{}", old.host), exclusive: false });
    plan.dead_hosts = vec![old.host.clone()];
    plan.point_of_no_return = point_of_no_return;
    plan.premises = premises(change);
    plan.premises.extend(fronts.premises());
    plan.invariants = vec![
        conditions::primary_is_without(&primary.node, std::slice::from_ref(&old.node)),
        conditions::stays_away(&old.node, &old.host),
        conditions::members_between(
            draft::names(staying.iter()),
            draft::names(change.all().iter()),
        ),
        conditions::versions_match(staying.iter().map(|member| member.host.clone()).collect()),
    ];
    plan.prediction = Some(predict::prediction(&primary.node, &after, &[]));
    plan
}

/// All is well but for the dead one.
fn whole(change: &Change<'_>) -> Vec<Condition> {
    let without = std::slice::from_ref(&change.old.node);
    vec![
        conditions::healthy_without(without),
        conditions::primary_is_without(&change.primary().node, without),
    ]
}

/// Two readings that do not depend on each other.
fn still_dead(change: &Change<'_>) -> Vec<Condition> {
    let old = &change.old;
    vec![
        conditions::stays_away(&old.node, &old.host),
        conditions::not_streaming(&old.node, &change.guarded.shrinking.slot_of(old)),
    ]
}

fn premises(change: &Change<'_>) -> Vec<Condition> {
    let without = std::slice::from_ref(&change.old.node);
    let new = std::slice::from_ref(&change.new);
    let mut premises = whole(change);
    premises.push(conditions::members_are_without(draft::names(change.before().iter()), without));
    premises.push(conditions::sync_satisfiable(without.to_vec()));
    premises.extend(still_dead(change));
    premises.extend(expand::room(change.primary(), new));
    premises.extend(expand::hosts_alike(change.staying(), new));
    premises
}

/// In one write: an address of a dead host must not open the database, whoever has it next.
fn swap_rules(draft: &mut Draft, change: &Change<'_>) {
    let networks = options::of_spec(change.spec).client_networks;
    let (before, after) = (change.before(), change.after());
    for member in change.staying() {
        if shrink::is_left_to_hand(draft, member) {
            continue;
        }
        let node = draft.node(&member.node);
        draft.act(Task {
            title: format!(
                "let {} in and {} out at {} on {}",
                change.new.node, change.old.node, member.node, member.host
            ),
            reason: "any member may become primary; the dead one's address opens nothing any more",
            host: member.host.clone(),
            action: actions::write_hba(node.clone(), draft::hba(after.iter(), &networks)),
            requires: vec![],
            undo: vec![back(
                &member.host,
                actions::write_hba(node, draft::hba(before.iter(), &networks)),
            )],
        });
    }
}

/// The dead one leaves records, slots and spec. Returns the number of the first step of it.
fn forget(draft: &mut Draft, change: &Change<'_>) -> u32 {
    let (primary, old) = (change.primary(), &change.old);
    let shrinking = &change.guarded.shrinking;
    let slot = shrinking.slot_of(old);
    let there = health::slot(change.guarded.seen.server, &slot).is_some();
    if there && shrinking.unclaimed_slots.contains(&slot) {
        let what = format!("slot {slot} of {}", old.node);
        join::claim_at_primary(draft, primary, join::slot_resource(&slot), &what);
    }
    let (at, named) = (draft.node(&primary.node), draft.node(&old.node));
    let mut requires =
        vec![conditions::primary_is_without(&primary.node, std::slice::from_ref(&old.node))];
    requires.extend(still_dead(change));
    // After a failover its record is still that of a primary.
    let record = view::row(change.guarded.seen.server, &old.node);
    let unregister = match record.is_some_and(|row| row.kind == "primary") {
        true => actions::unregister_former_primary,
        false => actions::unregister_standby,
    };
    draft.act(Task {
        title: format!("unregister {} at {} on {}", old.node, primary.node, primary.host),
        reason: "the others must not count on it in a failover",
        host: primary.host.clone(),
        action: unregister(at.clone(), named.clone(), old.id()),
        requires: requires.clone(),
        // Only its own host could register it again.
        undo: vec![],
    });
    let first = draft.last_number();
    if there {
        draft.act(Task {
            title: format!("drop the slot {slot} at {} on {}", primary.node, primary.host),
            reason: "it keeps WAL for a node that never comes for it",
            host: primary.host.clone(),
            action: actions::drop_slot(at, named, slot.clone()),
            requires,
            undo: vec![],
        });
    }
    draft.wait(
        format!("wait until every survivor has forgotten {}", old.node),
        "from then on it is no member, and its host is owed a tombstone",
        vec![conditions::absent_everywhere(&old.node, old.id(), &slot)],
        draft::SHORT,
    );
    let owed_act = draft.spare_act();
    draft.changing(spec_change::Kind::RemoveNode(RemoveNode { node: old.node.clone(), owed_act }));
    first
}

fn notes(draft: &mut Draft, change: &Change<'_>, point_of_no_return: u32) {
    let (old, new) = (&change.old, &change.new);
    draft.note(
        NoteKind::Risk,
        format!(
            "{} is named dead and is not asked for anything. Were it not off, {} would go on answering the clients that still reach it, with data that grow old; had it been primary, it might take writes that nobody else has, and those would be lost. Say that it is off only when it is: power, or its port at the switch",
            old.host, old.node
        ),
    );
    draft.note(
        NoteKind::Impact,
        format!(
            "when {} comes back, its agent gets a tombstone for {} before anything else: its services are stopped, disabled and masked. Until the coordinator reaches that agent its server may run for a moment",
            old.host, old.node
        ),
    );
    if old.place.adopted {
        draft.note(
            NoteKind::Risk,
            format!(
                "{} was adopted: if agent.toml of {} does not name its units, the agent there refuses the tombstone: mask them by hand before that host is used again",
                old.node, old.host
            ),
        );
    }
    draft.note(
        NoteKind::Data,
        format!(
            "the data directory of {} is kept: {} on {}",
            old.node, old.place.data_dir, old.host
        ),
    );
    change.notes_of_new(draft);
    draft.note(
        NoteKind::Risk,
        format!(
            "there is no way back from step {point_of_no_return} on: {} is forgotten, and {} has not been copied yet",
            old.node, new.node
        ),
    );
}
