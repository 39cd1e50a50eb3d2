//! Plans one bookie in the place of another: the new one joins, whole; then the old one leaves, whole: the cluster
//! never has fewer. One whose host is dead leaves too: its ledgers are copied from their other copies, and its host
//! is asked for nothing.

use bellows_proto::v1::{
    Condition, Intent, NoteKind, Observation, Plan, Refusal, RemoveNode, Replace, Spec, spec_change,
};

use super::{
    actions, conditions,
    describe::describe,
    draft::{self, Draft, Placed, Task},
    expand,
    guards::{self, Replacing},
    join::{self, Joining},
    leave::{self, Way},
    notes, options, placing, predict, shrink, telling,
    view::View,
};

/// One goes, one comes.
struct Change<'a> {
    spec: &'a Spec,
    view: View<'a>,
    intent: &'a Intent,
    guarded: &'a Replacing,
    joining: Joining<'a>,
    way: Way<'a>,
}

impl Change<'_> {
    fn old(&self) -> &Placed {
        &self.guarded.old
    }

    fn newcomer(&self) -> &Placed {
        &self.guarded.new
    }

    fn staying(&self) -> &[Placed] {
        &self.guarded.staying
    }

    /// Members at the end.
    fn after(&self) -> Vec<Placed> {
        draft::in_order(self.staying().iter().chain([self.newcomer()]))
    }

    /// All of them.
    fn all(&self) -> Vec<Placed> {
        draft::in_order(self.staying().iter().chain([self.old(), self.newcomer()]))
    }

    /// Names of those who may be there or not.
    fn either(&self) -> Vec<String> {
        draft::names([self.old(), self.newcomer()].into_iter())
    }

    fn old_name(&self) -> &[String] {
        std::slice::from_ref(&self.guarded.old.node)
    }
}

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
    wanted: &Replace,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(observation);
    let guarded = guards::replace(spec, view, intent, wanted)?;
    let options = options::of_spec(spec);
    let (old, new) = (std::slice::from_ref(&guarded.old), std::slice::from_ref(&guarded.new));
    let leaves = telling::leaving(view, &options, old);
    let comes = telling::staying(view, &guarded.growing.options, new);
    let way = Way {
        way: guarded.way,
        at: &guarded.at,
        budgets: &options.budgets,
        wipe: options::of_intent(intent).wipe_data,
        lost: &guarded.lost,
        stands: &leaves,
    };
    let joining = Joining {
        members: if wanted.dead { &guarded.staying } else { &guarded.growing.members },
        helper: &guarded.at,
        new,
        settings: &guarded.growing.settings,
        budgets: &options.budgets,
        stands: &comes,
    };
    let change = Change { spec, view, intent, guarded: &guarded, joining, way };
    let mut plan = if wanted.dead { dead_one(&change) } else { living_one(&change) };
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(&change.after());
    Ok(plan)
}

fn living_one(change: &Change<'_>) -> Plan {
    let Change { spec, intent, way, guarded, .. } = change;
    let (old, after) = (change.old(), change.after());
    let gone = std::slice::from_ref(old);
    let mut draft = Draft::new(&spec.cluster);
    let first = expand::sound(change.joining.members);
    draft.check(
        "check that the cluster is healthy",
        "a cluster that is not healthy is not made busier",
        first.clone(),
    );
    expand::placed(&mut draft, spec, intent);
    join::prepare(&mut draft, &change.joining);
    join::admit_all(&mut draft, &change.joining);
    draft.check(
        &format!("check that the cluster can do without {}", old.node),
        "the tools check nothing: where bookies or room are too few, copies are waited for without end",
        leave::needs(way.way, gone),
    );
    leave::audit(&mut draft, way.at);
    leave::whole(&mut draft, way.lost);
    leave::one(&mut draft, way, old);
    join::conclude(&mut draft, draft::names(after.iter()), gone);
    for text in &guarded.ways {
        draft.note(NoteKind::Impact, text.clone());
    }
    leave::notes(&mut draft, way, gone);
    said(&mut draft, change);
    let mut plan = draft.finish(spec, intent, &change.all());
    plan.premises = first;
    plan.premises.extend(expand::premises(&change.joining));
    plan.invariants = shrink::invariants(way.way, change.staying(), change.either());
    plan.prediction = Some(predict::prediction(&after, &predict::gone(gone, way.wipe)));
    plan
}

fn said(draft: &mut Draft, change: &Change<'_>) {
    for (kind, text) in &change.guarded.notes {
        draft.note(*kind, text.clone());
    }
    let growing = &change.guarded.growing;
    notes::joining(draft, growing, change.view);
    let (source, old) = (placing::source(change.view), std::slice::from_ref(change.old()));
    placing::leaving(draft, &source, &growing.options, old);
}

/// All is well but for the dead one, which is what it is said to be.
fn still_dead(change: &Change<'_>) -> Vec<Condition> {
    let (old, dead) = (change.old(), change.old_name());
    vec![
        conditions::healthy(dead),
        conditions::members_are(draft::names(change.staying().iter()), Vec::new()),
        conditions::stays_away(&old.node, &old.host),
        conditions::autorecovers(dead),
        conditions::metadata_fast(),
    ]
}

fn dead_one(change: &Change<'_>) -> Plan {
    let Change { spec, intent, .. } = change;
    let (old, after) = (change.old(), change.after());
    let mut draft = Draft::new(&spec.cluster);
    let first = still_dead(change);
    draft.check(
        &format!("check that {} is dead and the others are healthy", old.node),
        "two readings: its agent is silent, and nobody sees it registered",
        first.clone(),
    );
    expand::placed(&mut draft, spec, intent);
    join::prepare(&mut draft, &change.joining);
    join::admit_all(&mut draft, &change.joining);
    copied(&mut draft, change);
    forgotten(&mut draft, change);
    join::conclude(&mut draft, draft::names(after.iter()), &[]);
    dead_notes(&mut draft, change);
    said(&mut draft, change);
    // Its host stays locked: nobody takes it away, or upgrades it, meanwhile.
    let mut plan = draft.finish(spec, intent, &change.all());
    plan.fenced_hosts.retain(|host| *host != old.host);
    plan.dead_hosts = vec![old.host.clone()];
    plan.premises = first;
    plan.premises.extend(expand::premises(&change.joining));
    plan.invariants = vec![
        conditions::members_are(
            draft::names(change.staying().iter()),
            vec![change.newcomer().node.clone()],
        ),
        conditions::stays_away(&old.node, &old.host),
    ];
    plan.prediction = Some(predict::prediction(&after, &[]));
    plan
}

/// From their other copies, to bookies that do not have them.
fn copied(draft: &mut Draft, change: &Change<'_>) {
    let Change { way, guarded, .. } = change;
    let (old, lost) = (change.old(), guarded.lost.as_slice());
    let name = &old.node;
    draft.check(
        &format!("check that the cluster can do without {name}"),
        "the tools check nothing: where bookies or room are too few, copies are waited for without end",
        vec![
            conditions::healthy(change.old_name()),
            conditions::enough(change.old_name()),
            conditions::room(change.old_name()),
            conditions::autorecovers(change.old_name()),
            conditions::metadata_fast(),
        ],
    );
    leave::audit(draft, way.at);
    let (keeper, named) = (draft.node(&way.at.node), draft.node(name));
    draft.act(Task {
        title: format!("copy the ledgers of {name} from their other copies, at {} on {}", way.at.node, way.at.host),
        reason: "every ledger gets the copy back that was lost; one that is being written is closed, and its writer goes on with another",
        host: way.at.host.clone(),
        action: actions::drain_dead(keeper, named, &old.id(), way.budgets, !lost.is_empty()),
        requires: vec![
            conditions::stays_away(name, &old.host),
            conditions::gone(name),
            conditions::healthy(change.old_name()),
        ],
        // What was copied is whole where it is.
        undo: vec![],
    });
    draft.wait(
        format!("wait until {name} is in no ledger's metadata, and no ledger lacks a copy"),
        "by the ledgers' metadata and by the shell, two readings: what the command says of itself proves nothing",
        vec![conditions::emptied(name, lost), conditions::replicated(lost)],
        draft::LEDGERS,
    );
}

/// No cookie, no member; its host is owed a tombstone.
fn forgotten(draft: &mut Draft, change: &Change<'_>) {
    let Change { way, guarded, .. } = change;
    let old = change.old();
    leave::save_cookie(draft, way.at, old);
    leave::delete_cookie(draft, way.at, old, &guarded.lost);
    telling::of_one(draft, way.at, way.stands, &old.node);
    let owed_act = draft.spare_act();
    draft.wait(
        format!("wait until nobody counts with {}", old.node),
        "from then on it is no member, and its host is owed a tombstone",
        vec![conditions::gone(&old.node), conditions::has_cookie(&old.node, false)],
        draft::SHORT,
    );
    draft.changing(spec_change::Kind::RemoveNode(RemoveNode { node: old.node.clone(), owed_act }));
    // From then on its host gets its tombstone whenever it comes back.
    draft.no_return();
}

fn dead_notes(draft: &mut Draft, change: &Change<'_>) {
    let old = change.old();
    let Placed { node, host, place } = old;
    draft.note(
        NoteKind::Risk,
        format!(
            "{host} is named dead and is not asked for anything. Were it not off, {node} would come back into the cluster in the middle of this. Say that it is off only when it is: power, or its port at the switch"
        ),
    );
    draft.note(
        NoteKind::Data,
        format!("the ledgers of {node} have one copy less until they are copied from the others"),
    );
    draft.note(
        NoteKind::Impact,
        format!(
            "when {host} comes back, its agent gets a tombstone for {node} before anything else: its service is stopped and disabled. Until the coordinator reaches that agent the bookie tries to start; without its cookie it is refused"
        ),
    );
    if place.adopted {
        draft.note(
            NoteKind::Risk,
            format!(
                "{node} was adopted: if agent.toml of {host} does not name its unit, the agent there refuses the tombstone: disable it by hand before that host is used again"
            ),
        );
    }
    let dirs = leave::directories(old).join(", ");
    draft.note(NoteKind::Data, format!("the directories of {node} are kept: {dirs} on {host}"));
    let step = draft.only_forward_from();
    draft.note(
        NoteKind::Risk,
        format!(
            "there is no way back from step {step} on; until then a cancel puts the cookie of {node} back and takes the new one out again; ledgers that were copied meanwhile stay where they are"
        ),
    );
}
