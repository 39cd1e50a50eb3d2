//! Plans one node in the place of another: the new one joins, whole; then the old one leaves, whole: the
//! cluster never has fewer. One whose host is dead leaves too: its replicas are made anew from the others,
//! and its host is asked for nothing.

use bellows_proto::v1::{
    Condition, Intent, NoteKind, Observation, Plan, Refusal, RemoveNode, Replace, Spec, spec_change,
};

use super::{
    conditions,
    describe::describe,
    draft::{self, Draft, Placed},
    expand,
    guards::{self, Replacing},
    join::{self, Joining},
    leave::{self, Way},
    notes, options, predict, sizes,
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

    fn staying(&self) -> &[Placed] {
        &self.guarded.leaving.staying
    }

    /// Members at the end.
    fn after(&self) -> Vec<Placed> {
        draft::in_order(self.staying().iter().chain([&self.guarded.new]))
    }

    /// Members before.
    fn before(&self) -> Vec<String> {
        draft::names(self.staying().iter().chain([self.old()]))
    }

    /// All of them.
    fn all(&self) -> Vec<Placed> {
        draft::in_order(self.staying().iter().chain([self.old(), &self.guarded.new]))
    }

    /// Names of those who may be there or not.
    fn either(&self) -> Vec<String> {
        draft::names([self.old(), &self.guarded.new].into_iter())
    }

    /// In, from its claim to its share of every range.
    fn take_in(&self, draft: &mut Draft) {
        let asked = options::of_intent(self.intent);
        join::prepare(draft, &self.joining);
        let before = join::set_rebalance(
            draft,
            self.way.at,
            asked.rebalance(),
            self.guarded.growing.rebalance,
        );
        join::admit_all(draft, &self.joining);
        if let Some(before) = before {
            // What moves now moves because the old one leaves.
            join::restore_rebalance(draft, self.way.at, before);
        }
    }

    fn said(&self, draft: &mut Draft) {
        let asked = options::of_intent(self.intent);
        let rebalance = self.guarded.growing.rebalance;
        notes::expand(draft, self.view, &self.joining, rebalance, &asked);
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
    let dead = if wanted.dead { vec![guarded.old.node.clone()] } else { Vec::new() };
    let options = &guarded.growing.options;
    let living = if wanted.dead { &guarded.leaving.staying } else { &guarded.growing.members };
    let joining = Joining {
        options,
        members: living,
        new: std::slice::from_ref(&guarded.new),
        certifying: guarded.growing.certifying.as_ref(),
        amid_loss: wanted.dead,
    };
    let way = Way {
        at: &guarded.leaving.at,
        front_end: options.front_end(),
        poll_s: options.poll_s,
        wipe: options::of_intent(intent).wipe_data,
        node_id: guarded.old_id,
        dead: &dead,
    };
    let change = Change { spec, view, intent, guarded: &guarded, joining, way };
    let mut plan = if wanted.dead { dead_one(&change) } else { living_one(&change) };
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(&change.after());
    Ok(plan)
}

fn living_one(change: &Change<'_>) -> Plan {
    let Change { spec, intent, way, .. } = change;
    let (old, after) = (change.old(), change.after());
    let gone = std::slice::from_ref(old);
    let mut draft = Draft::new(&spec.cluster);
    let mut first = expand::sound(&change.guarded.growing.members);
    first.push(conditions::no_waiters(&[]));
    draft.check(
        "check that the cluster is healthy",
        "a cluster that is not healthy is not made busier",
        first.clone(),
    );
    change.take_in(&mut draft);
    whole_before(&mut draft, change);
    leave::drain(&mut draft, way, old);
    leave::bury(&mut draft, way, old);
    join::conclude(&mut draft, draft::names(after.iter()), gone);
    change.said(&mut draft);
    leave::notes(&mut draft, way, gone);
    let mut plan = draft.finish(spec, intent, &change.all());
    plan.premises = first;
    plan.premises.extend(expand::premises(
        change.view,
        &change.joining,
        change.guarded.growing.rebalance,
    ));
    plan.invariants = invariants(change);
    plan.prediction = Some(predict::prediction(&after, &predict::gone(gone, way.wipe)));
    plan
}

/// With the new one, before the old one goes.
fn whole_before(draft: &mut Draft, change: &Change<'_>) {
    let (old, new) = (&change.old().node, &change.guarded.new.node);
    draft.wait(
        format!("wait until the cluster is healthy with {new}"),
        "the old one leaves a cluster that has taken in all of the new one",
        vec![
            conditions::healthy(change.way.dead),
            conditions::quiet(change.way.dead.to_vec(), change.way.node_id),
        ],
        draft::ranges(change.way.poll_s),
    );
    draft.check(
        &format!("check again that the cluster can do without {old}"),
        "the tool checks nothing: a decommission that finds no place for a replica never ends",
        vec![
            conditions::zones_satisfiable(vec![old.clone()], change.way.node_id),
            conditions::room(vec![old.clone()], change.way.node_id),
            conditions::no_waiters(change.way.dead),
        ],
    );
}

/// What holds all the while.
fn invariants(change: &Change<'_>) -> Vec<Condition> {
    let staying = change.staying();
    let hosts = staying.iter().map(|member| member.host.clone()).collect();
    let mut held = vec![
        conditions::members_are(draft::names(staying.iter()), change.either()),
        conditions::quiet(change.either(), change.way.node_id),
        conditions::versions_match(hosts),
    ];
    if !change.way.dead.is_empty() {
        held.push(conditions::stays_away(&change.old().node, &change.old().host));
    }
    held
}

fn dead_one(change: &Change<'_>) -> Plan {
    let Change { spec, intent, way, .. } = change;
    let (old, after) = (change.old(), change.after());
    let mut draft = Draft::new(&spec.cluster);
    let first = still_dead(change);
    draft.check(
        &format!("check that {} is dead and the others are healthy", old.node),
        "two readings: its agent is silent, and no survivor sees it live",
        first.clone(),
    );
    change.take_in(&mut draft);
    whole_before(&mut draft, change);
    leave::drain(&mut draft, way, old);
    let owed_act = draft.spare_act();
    draft.wait(
        format!("wait until no survivor lists {}", old.node),
        "from then on it is no member, and its host is owed a tombstone",
        vec![
            conditions::drained(&old.node, way.node_id),
            conditions::absent_everywhere(&old.node, way.node_id),
        ],
        draft::SHORT,
    );
    draft.changing(spec_change::Kind::RemoveNode(RemoveNode { node: old.node.clone(), owed_act }));
    // From then on its host gets its tombstone whenever it comes back.
    draft.no_return();
    join::conclude(&mut draft, draft::names(after.iter()), &[]);
    dead_notes(&mut draft, change);
    change.said(&mut draft);
    // Its host stays locked: nobody takes it away, or upgrades it, meanwhile.
    let mut plan = draft.finish(spec, intent, &change.all());
    plan.fenced_hosts.retain(|host| *host != old.host);
    plan.dead_hosts = vec![old.host.clone()];
    plan.premises = first;
    plan.premises.extend(expand::premises(
        change.view,
        &change.joining,
        change.guarded.growing.rebalance,
    ));
    plan.invariants = invariants(change);
    plan.prediction = Some(predict::prediction(&after, &[]));
    plan
}

/// All is well but for the dead one, which is what it is said to be.
fn still_dead(change: &Change<'_>) -> Vec<Condition> {
    let (old, dead) = (change.old(), change.way.dead);
    vec![
        conditions::healthy(dead),
        conditions::members_are(
            draft::names(change.staying().iter()),
            change.before().into_iter().filter(|name| *name == old.node).collect(),
        ),
        conditions::quiet(dead.to_vec(), change.way.node_id),
        conditions::no_waiters(dead),
        conditions::stays_away(&old.node, &old.host),
    ]
}

fn dead_notes(draft: &mut Draft, change: &Change<'_>) {
    let (old, way) = (change.old(), &change.way);
    let Placed { node, host, place } = old;
    draft.note(
        NoteKind::Risk,
        format!(
            "{host} is named dead and is not asked for anything. Were it not off, {node} would come back into the cluster in the middle of this. Say that it is off only when it is: power, or its port at the switch"
        ),
    );
    draft.note(
        NoteKind::Data,
        format!(
            "{node} is node {} of the cluster: its replicas are made anew from those of the others",
            way.node_id
        ),
    );
    draft.note(
        NoteKind::Impact,
        format!(
            "when {host} comes back, its agent gets a tombstone for {node} before anything else: its service is stopped and disabled. Until the coordinator reaches that agent the node may run for a moment; the cluster keeps it decommissioned"
        ),
    );
    if place.adopted {
        draft.note(
            NoteKind::Risk,
            format!(
                "{node} was adopted: if agent.toml of {host} does not name its unit, the agent there refuses the tombstone: disable {} by hand before that host is used again",
                place.unit
            ),
        );
    }
    draft.note(
        NoteKind::Data,
        format!("the data directory of {node} is kept: {} on {host}", place.data_dir),
    );
    let text = match draft.only_forward_from() {
        step if !change.joining.can_leave_again() => format!(
            "there is no way back from step {step} on: {} stay, too few to take back what the new one takes",
            sizes::count(change.staying().len(), "member")
        ),
        step => format!(
            "there is no way back from step {step} on; until then a cancel recommissions {node} and takes the new one out again"
        ),
    };
    draft.note(NoteKind::Risk, text);
}
