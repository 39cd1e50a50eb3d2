//! Plans the return of a member that takes no part: as a new node, with an empty directory. A node that was
//! decommissioned and is started on its old data comes up decommissioned; one whose data are gone is
//! somebody new to the cluster anyway. The id that it had leaves like any other.

use bellows_proto::v1::{
    Condition, Intent, KwdbFrontEnd, NoteKind, Observation, Plan, Refusal, Rejoin, Spec,
};

use super::{
    actions, conditions,
    describe::describe,
    draft::{self, Draft, Task, back},
    guards::{self, Returning},
    join,
    leave::{self, Way},
    notes, options, predict,
    view::View,
};

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
    wanted: &Rejoin,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(observation);
    let given = options::of_intent(intent).node_id;
    let guarded = guards::rejoin(spec, view, wanted, given)?;
    let Returning { members, node, at, old_id, .. } = &guarded;
    let names = draft::names(members.iter());
    let without = std::slice::from_ref(&node.node);
    let cluster = options::of_spec(spec);
    let way = Way {
        at,
        // The script finds its node by the address, which both ids have.
        front_end: KwdbFrontEnd::Kwbase,
        poll_s: cluster.poll_s,
        wipe: false,
        node_id: *old_id,
        dead: &[],
    };
    let mut draft = Draft::new(&spec.cluster);
    let first = needs(&guarded);
    draft.check(
        &format!("check that the others are healthy and that {} may come back", node.node),
        "it brings nothing that the others do not have: they must have everything",
        first.clone(),
    );
    hold_still(&mut draft, &way, &guarded);
    if *old_id != 0 && guarded.leaves_first {
        forget(&mut draft, &way, &guarded);
    }
    if guarded.occupied {
        discard(&mut draft, &guarded);
    }
    come_anew(&mut draft, &guarded);
    if *old_id != 0 && !guarded.leaves_first {
        draft.wait(
            "wait until all members are healthy".to_owned(),
            "with it there are enough to take what its old id still has",
            vec![conditions::healthy(without)],
            draft::ranges(cluster.poll_s),
        );
        forget(&mut draft, &way, &guarded);
    }
    join::conclude(&mut draft, names.clone(), &[]);
    said(&mut draft, &guarded);
    notes::moving(&mut draft, view);
    let mut plan = draft.finish(spec, intent, members);
    plan.premises = first;
    plan.premises.extend(members.iter().map(|member| conditions::clock_within(&member.host)));
    let others = names.into_iter().filter(|name| *name != node.node).collect();
    plan.invariants = vec![
        conditions::members_are(others, without.to_vec()),
        conditions::quiet(without.to_vec(), *old_id),
    ];
    plan.prediction = Some(predict::prediction(members, &[]));
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(members);
    Ok(plan)
}

fn needs(guarded: &Returning) -> Vec<Condition> {
    let without = std::slice::from_ref(&guarded.node.node);
    let mut needs = vec![
        conditions::healthy(without),
        conditions::quiet(without.to_vec(), guarded.old_id),
        conditions::no_waiters(&[]),
    ];
    if !guarded.occupied {
        needs.push(conditions::emptied(&guarded.node.node));
    }
    needs
}

/// What runs there is decommissioned and does nothing for anybody.
fn hold_still(draft: &mut Draft, way: &Way<'_>, guarded: &Returning) {
    if !guarded.runs {
        return;
    }
    let (name, host) = (&guarded.node.node, &guarded.node.host);
    let named = draft.node(name);
    let mut requires = vec![conditions::flagged(name, true, guarded.old_id)];
    if guarded.flagged {
        // Somebody else flagged it: nothing says that it is empty by now.
        draft.wait(
            format!("wait until no range has a replica at {name}"),
            "it was decommissioned by hand: it is stopped when nothing is on it any more",
            vec![conditions::drained(name, guarded.old_id)],
            draft::ranges(way.poll_s),
        );
        requires.push(conditions::drained(name, guarded.old_id));
    }
    draft.act(Task {
        title: format!("stop and disable the node {name} on {host}"),
        reason: "what it has is everywhere else already",
        host: host.clone(),
        action: actions::stop_node(named.clone(), true),
        requires,
        undo: vec![back(host, actions::start_node(named))],
    });
}

/// The id that it had leaves.
fn forget(draft: &mut Draft, way: &Way<'_>, guarded: &Returning) {
    let node = &guarded.node;
    if !guarded.flagged {
        leave::drain_id(draft, way, node);
    }
    draft.wait(
        format!("wait until no survivor lists node {}", way.node_id),
        "two ids at one address cannot be told apart",
        vec![
            conditions::drained(&node.node, way.node_id),
            conditions::absent_everywhere(&node.node, way.node_id),
        ],
        draft::SHORT,
    );
}

fn discard(draft: &mut Draft, guarded: &Returning) {
    let (name, host) = (&guarded.node.node, &guarded.node.host);
    draft.act(Task {
        title: format!("discard the data of {name} on {host}"),
        reason: "with them it would come up as the node that has left",
        host: host.clone(),
        action: actions::discard_data(draft.node(name)),
        requires: vec![
            conditions::runs(name, false),
            conditions::healthy(std::slice::from_ref(name)),
        ],
        undo: vec![],
    });
    draft.no_return();
}

fn come_anew(draft: &mut Draft, guarded: &Returning) {
    let (name, host) = (&guarded.node.node, &guarded.node.host);
    let named = draft.node(name);
    if let Some(start) = &guarded.start {
        if let Some(before) = &guarded.start_before {
            let undo = actions::write_start(named.clone(), before.clone());
            draft.act(Task {
                title: format!("take away with what {name} on {host} was started"),
                reason: "it names nobody who is a member now",
                host: host.clone(),
                action: actions::remove_start(named.clone()),
                requires: vec![],
                undo: vec![back(host, undo)],
            });
        }
        draft.act(Task {
            title: format!("write with what {name} on {host} is started"),
            reason: "it joins members that are there now",
            host: host.clone(),
            action: actions::write_start(named.clone(), start.clone()),
            requires: vec![],
            undo: vec![back(host, actions::remove_start(named.clone()))],
        });
    }
    draft.act(Task {
        title: format!("start and enable the node {name} on {host}"),
        reason: "its directory is empty: it joins as a new node, with a new id",
        host: host.clone(),
        action: actions::start_node(named),
        requires: vec![conditions::emptied(name)],
        undo: vec![],
    });
    draft.no_return();
    draft.wait(
        format!("wait until every other member sees {name} available and live"),
        "that it was started proves nothing: it may listen before it has joined",
        vec![conditions::joined(name)],
        draft::SHORT,
    );
}

fn said(draft: &mut Draft, guarded: &Returning) {
    let Returning { node, old_id, .. } = guarded;
    let (name, host, dir) = (&node.node, &node.host, &node.place.data_dir);
    if guarded.occupied {
        draft.note(
            NoteKind::Data,
            format!(
                "the data of {name} are discarded: {dir} on {host}; nothing is taken from them"
            ),
        );
    }
    if *old_id != 0 {
        let when = match (guarded.flagged, guarded.leaves_first) {
            (true, _) => "was decommissioned already",
            (false, true) => "is decommissioned first",
            (false, false) => {
                "is decommissioned after it has come anew: there are too few others to take its replicas before"
            }
        };
        draft.note(
            NoteKind::Impact,
            format!("node {old_id}, which {name} was, {when}; it comes back with a new id"),
        );
    }
    let step = draft.only_forward_from();
    draft.note(
        NoteKind::Risk,
        format!(
            "there is no way back from step {step} on: what {name} joins as is a member, and leaves by a shrink"
        ),
    );
}
