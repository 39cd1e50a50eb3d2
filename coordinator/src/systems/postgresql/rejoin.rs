//! Plans the return of a member that is there and does not follow: the former primary after a
//! failover, or a standby that lost its upstream, its slot or its server. First it is held still; a
//! second primary never starts as one again. Then it follows with the data that it has, or they are
//! discarded and copied anew.

mod notes;

use bellows_proto::v1::{
    Condition, Intent, Observation, Plan, PostgresqlService, Refusal, Rejoin, Spec, StandbyOf,
};

use super::{
    actions, conditions,
    describe::describe,
    draft::{self, Draft, Task, back},
    fronts::Fronts,
    guards::{self, Returning},
    join, predict,
    view::{self, View},
};

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
    wanted: &Rejoin,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(observation);
    let guarded = guards::rejoin(spec, view, wanted)?;
    let Returning { members, primary, node, ailing, .. } = &guarded;
    let names = draft::names(members.iter());
    let mut draft = Draft::new(&spec.cluster);
    let mut fronts = Fronts::of(view, members, &primary.node);
    let mut first = needs(&guarded, &names, wanted.discard_data);
    draft.check(
        &format!("check that {} leads and that {} may come back", primary.node, node.node),
        "a member only gives way to a primary that took over from it",
        first.clone(),
    );
    claim_slot(&mut draft, &guarded);
    let whole = guarded.streams && !wanted.discard_data;
    if !whole {
        hold_still(&mut draft, &guarded);
    }
    let no_return = match (wanted.discard_data, whole) {
        (true, _) => copy_anew(&mut draft, &guarded),
        (false, true) => 0,
        (false, false) => follow(&mut draft, &guarded),
    };
    take_part(&mut draft, &guarded, wanted.discard_data);
    fronts.lead_to_all(&mut draft, &primary.node, ailing);
    if wanted.discard_data {
        give_claims_back(&mut draft, &guarded);
    } else {
        drop_own_slots(&mut draft, &guarded);
    }
    draft.wait(
        format!("wait until {} follows and repmgrd watches it", node.node),
        "one primary, it streams, repmgrd runs, all name the same members",
        vec![
            conditions::healthy_without(ailing),
            conditions::members_are_without(names.clone(), ailing),
        ],
        draft::SHORT,
    );
    notes::notes(&mut draft, &guarded, wanted.discard_data, no_return);
    let mut plan = draft.finish(spec, intent, members);
    first.extend(members.iter().map(|member| conditions::clock_within(&member.host)));
    first.extend(fronts.premises());
    plan.premises = first;
    plan.invariants = vec![leads(&guarded, &names)];
    plan.point_of_no_return = no_return;
    let end = predict::prediction(&primary.node, members, &[]);
    plan.prediction = Some(predict::without(end, ailing));
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(&primary.node, members);
    for view in plan.after.iter_mut().filter(|view| ailing.contains(&view.node)) {
        (view.state, view.healthy) = ("as it is".to_owned(), false);
    }
    Ok(plan)
}

/// Nobody but the primary leads, whatever the returning one is.
fn leads(guarded: &Returning<'_>, names: &[String]) -> Condition {
    let node = &guarded.node.node;
    let others = names.iter().filter(|name| *name != node).cloned().collect();
    conditions::leads(&guarded.primary.node, node, others, names.to_vec())
}

/// It is stopped, or a standby: nobody else leads.
fn alone(guarded: &Returning<'_>) -> Condition {
    let node = std::slice::from_ref(&guarded.node.node);
    conditions::primary_is_without(&guarded.primary.node, node)
}

/// What the plan rests on.
fn needs(guarded: &Returning<'_>, names: &[String], discard: bool) -> Vec<Condition> {
    let (node, primary) = (&guarded.node.node, &guarded.primary.node);
    let way = match discard {
        true => conditions::may_discard(node, primary),
        false => conditions::can_follow(node, primary),
    };
    vec![leads(guarded, names), way]
}

fn claim_slot(draft: &mut Draft, guarded: &Returning<'_>) {
    if !guarded.slot_claimed {
        let (node, slot) = (&guarded.node.node, guarded.node.slot());
        let what = format!("slot {slot} for {node}");
        join::claim_at_primary(draft, &guarded.primary, join::slot_resource(&slot), &what);
    }
}

/// A second primary stops first: each moment it takes writes that are lost. A standby's repmgrd stops
/// before its server: it might promote it. Where no server runs, repmgrd waits until one is started.
fn hold_still(draft: &mut Draft, guarded: &Returning<'_>) {
    let (node, host) = (&guarded.node.node, &guarded.node.host);
    let ran = ran(guarded);
    if guarded.second_primary && guarded.is_up(PostgresqlService::Server) {
        stop_second_primary(draft, guarded);
    }
    if guarded.second_primary || ran {
        stop_repmgrd(draft, guarded);
    }
    if guarded.second_primary || !guarded.is_up(PostgresqlService::Server) {
        return;
    }
    let at = draft.node(node);
    draft.act(Task {
        title: format!("stop and disable the server of {node} on {host}"),
        reason: "disabled until its start: nobody else starts it in between",
        host: host.clone(),
        action: actions::stop(at.clone(), PostgresqlService::Server),
        requires: vec![],
        undo: match ran {
            true => vec![back(host, actions::start(at, PostgresqlService::Server))],
            false => vec![],
        },
    });
}

/// It ran as a standby: only then it is started when the plan is taken back.
fn ran(guarded: &Returning<'_>) -> bool {
    !guarded.second_primary && view::server(&guarded.node.node, guarded.reading).is_ok()
}

fn stop_repmgrd(draft: &mut Draft, guarded: &Returning<'_>) {
    if !guarded.is_up(PostgresqlService::Repmgrd) {
        return;
    }
    let (node, host) = (&guarded.node.node, &guarded.node.host);
    let at = draft.node(node);
    draft.act(Task {
        title: format!("stop and disable repmgrd of {node} on {host}"),
        reason: "it decides nothing until its server follows",
        host: host.clone(),
        action: actions::stop(at.clone(), PostgresqlService::Repmgrd),
        requires: vec![],
        undo: match ran(guarded) {
            true => vec![back(host, actions::start(at, PostgresqlService::Repmgrd))],
            false => vec![],
        },
    });
}

fn stop_second_primary(draft: &mut Draft, guarded: &Returning<'_>) {
    let (node, host) = (&guarded.node.node, &guarded.node.host);
    let at = draft.node(node);
    draft.act(Task {
        title: format!("stop and disable the server of {node} on {host}"),
        reason: "a second primary takes writes that nobody else has; it never starts as a primary again",
        host: host.clone(),
        action: actions::stop(at, PostgresqlService::Server),
        requires: vec![],
        // Nobody wants two primaries back.
        undo: vec![],
    });
}

/// With the data that it has. Returns the number of the step after which there is only forward.
fn follow(draft: &mut Draft, guarded: &Returning<'_>) -> u32 {
    let Returning { primary, node, .. } = guarded;
    if !guarded.slot_there {
        let (at, of, slot) = (draft.node(&primary.node), draft.node(&node.node), node.slot());
        draft.act(Task {
            title: format!("make the slot {slot} at {} on {}", primary.node, primary.host),
            reason: "from now on the primary keeps the WAL that it needs",
            host: primary.host.clone(),
            action: actions::create_slot(at.clone(), of.clone(), slot.clone()),
            requires: vec![],
            undo: vec![back(&primary.host, actions::drop_slot(at, of, slot))],
        });
    }
    let wanted = StandbyOf {
        address: primary.place.address.clone(),
        port: primary.place.port,
        slot: node.slot(),
    };
    let ready = guarded.reading.standby_configured == Some(true)
        && guarded.reading.standby_of.as_ref() == Some(&wanted);
    let no_return = draft.last_number() + 1;
    if !ready {
        draft.act(Task {
            title: format!("make {} on {} a standby of {}", node.node, node.host, primary.node),
            reason: "all that it has is in the primary's past: it can follow as it is",
            host: node.host.clone(),
            action: actions::demote(draft.node(&node.node), &primary.place, node.slot()),
            requires: vec![alone(guarded), conditions::can_follow(&node.node, &primary.node)],
            undo: vec![],
        });
    }
    start_server(draft, guarded);
    no_return
}

/// Its data go, and come anew. Returns the number of the step after which there is only forward.
fn copy_anew(draft: &mut Draft, guarded: &Returning<'_>) -> u32 {
    let Returning { primary, node, .. } = guarded;
    join::log_in(draft, primary, std::slice::from_ref(node));
    let slot = node.slot();
    draft.act(Task {
        title: format!("discard the data of {} on {}", node.node, node.host),
        reason: "they cannot follow: they go only while another primary of this cluster leads",
        host: node.host.clone(),
        action: actions::discard_data(draft.node(&node.node)),
        requires: vec![
            alone(guarded),
            conditions::may_discard(&node.node, &primary.node),
            conditions::login_works(&node.host, &primary.place),
        ],
        undo: vec![],
    });
    let no_return = draft.last_number();
    if guarded.slot_there {
        let (at, of) = (draft.node(&primary.node), draft.node(&node.node));
        draft.act(Task {
            title: format!("drop the slot {slot} at {} on {}", primary.node, primary.host),
            reason: "the copy makes it anew: an old one may have lost WAL",
            host: primary.host.clone(),
            action: actions::drop_slot(at, of, slot.clone()),
            requires: vec![conditions::not_streaming(&node.node, &slot)],
            undo: vec![],
        });
    }
    join::clone_all(draft, primary, std::slice::from_ref(node));
    start_server(draft, guarded);
    no_return
}

fn start_server(draft: &mut Draft, guarded: &Returning<'_>) {
    let Returning { primary, node, .. } = guarded;
    if !guarded.second_primary && !ran(guarded) {
        stop_repmgrd(draft, guarded);
    }
    draft.act(Task {
        title: format!("start the server of {} on {}", node.node, node.host),
        reason: "it starts as a standby now",
        host: node.host.clone(),
        action: actions::start(draft.node(&node.node), PostgresqlService::Server),
        requires: vec![alone(guarded)],
        undo: vec![],
    });
    draft.wait(
        format!("wait until {} streams from {}", node.node, primary.node),
        "only what the primary sends to counts as a copy",
        vec![conditions::streaming_from(&node.node, &primary.node)],
        draft::STREAMING,
    );
}

/// Its record says what it is, and repmgrd watches it.
fn take_part(draft: &mut Draft, guarded: &Returning<'_>, discard: bool) {
    let Returning { primary, node, seen, .. } = guarded;
    let at = draft.node(&node.node);
    let recorded = view::row(seen.server, &node.node)
        .is_some_and(|row| row.active && row.kind == "standby" && row.upstream_id == primary.id());
    if !recorded {
        draft.act(Task {
            title: format!("register {} as a standby with repmgr on {}", node.node, node.host),
            reason: "repmgr has it as something else, or as gone",
            host: node.host.clone(),
            action: actions::register_again(at.clone(), &primary.place),
            requires: vec![conditions::streaming_from(&node.node, &primary.node)],
            undo: vec![],
        });
    }
    let server = view::server(&node.node, guarded.reading).ok();
    let paused = server.is_some_and(|server| server.repmgrd_paused == Some(true));
    // Where its server was not stopped, its repmgrd was not either.
    let runs = guarded.streams && guarded.is_up(PostgresqlService::Repmgrd);
    if paused || !runs || discard {
        draft.act(Task {
            title: format!("start repmgrd of {} on {}", node.node, node.host),
            reason: "from now on it takes part in failover again",
            host: node.host.clone(),
            action: match paused && !discard {
                true => actions::pause_repmgrd(at, false),
                false => actions::start(at, PostgresqlService::Repmgrd),
            },
            requires: vec![],
            undo: vec![],
        });
    }
}

/// Slots from its time as the primary would keep WAL there for ever.
fn drop_own_slots(draft: &mut Draft, guarded: &Returning<'_>) {
    let node = &guarded.node;
    for slot in &guarded.own_slots {
        let survivors = guarded.others.iter().chain([&guarded.primary]);
        let Some(of) = survivors.into_iter().find(|other| other.slot() == *slot) else { continue };
        if !guarded.claimed_there.contains(slot) {
            // repmgr made it in an earlier failover: it is ours all the same.
            let what = format!("slot {slot} of {}", of.node);
            join::claim_at_primary(draft, node, join::slot_resource(slot), &what);
        }
        draft.act(Task {
            title: format!("drop the slot {slot} at {} on {}", node.node, node.host),
            reason: "nobody reads it any more, and it would keep WAL until the disk is full",
            host: node.host.clone(),
            action: actions::drop_slot(draft.node(&node.node), draft.node(&of.node), slot.clone()),
            requires: vec![],
            undo: vec![],
        });
        give_back(draft, guarded, slot);
    }
}

/// The slots went with the data.
fn give_claims_back(draft: &mut Draft, guarded: &Returning<'_>) {
    for slot in &guarded.claimed_there {
        give_back(draft, guarded, slot);
    }
}

fn give_back(draft: &mut Draft, guarded: &Returning<'_>, slot: &str) {
    let node = &guarded.node;
    draft.act(Task {
        title: format!("give the claim of {slot} at {} back", node.host),
        reason: "the slot is at the new primary now",
        host: node.host.clone(),
        action: actions::release_resource(draft.node(&node.node), join::slot_resource(slot)),
        requires: vec![],
        undo: vec![],
    });
}
