//! Plans one member in the place of another. A living one leaves once the new one streams; where it
//! is the primary, its role moves then, to a member that was there before: that one has been proven.
//! One whose host is dead is forgotten before the new one copies: its slot keeps WAL, and it does
//! nothing for the cluster any more.

use bellows_proto::v1::{Intent, NoteKind, Observation, Plan, Refusal, Replace, Spec};

use super::{
    conditions,
    describe::describe,
    draft::{self, Draft, Placed},
    expand,
    fronts::Fronts,
    guards::{self, Moving, Replacing, Rule},
    ids, join, options, predict, replace_dead, shrink, switchover,
    view::View,
};

/// One goes, one comes.
pub(super) struct Change<'a> {
    pub(super) spec: &'a Spec,
    pub(super) view: View<'a>,
    pub(super) intent: &'a Intent,
    pub(super) guarded: Replacing<'a>,
    pub(super) old: Placed,
    pub(super) new: Placed,
}

impl Change<'_> {
    pub(super) fn primary(&self) -> &Placed {
        &self.guarded.shrinking.primary
    }

    /// A living primary goes: who takes its role over, and who follows.
    fn moving(&self) -> Option<&Moving> {
        self.guarded.shrinking.moving.as_ref()
    }

    /// Who is primary at the end.
    fn last_primary(&self) -> &Placed {
        self.moving().map_or(self.primary(), |moving| &moving.new)
    }

    /// What stands in front of it, before anything is done.
    pub(super) fn fronts(&self) -> Fronts {
        Fronts::of(self.view, &self.before(), &self.primary().node)
    }

    /// Members that were there and stay.
    pub(super) fn staying(&self) -> &[Placed] {
        &self.guarded.shrinking.staying
    }

    /// Members before.
    pub(super) fn before(&self) -> Vec<Placed> {
        draft::in_order(self.staying().iter().chain([&self.old]))
    }

    /// Members at the end.
    pub(super) fn after(&self) -> Vec<Placed> {
        draft::in_order(self.staying().iter().chain([&self.new]))
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Placed> {
        draft::in_order(self.staying().iter().chain([&self.old, &self.new]))
    }

    /// Claims the new one's place, id and slot, and writes its configuration; in between lets it in
    /// at the others. `members`: whom it will know.
    pub(super) fn prepare(
        &self,
        draft: &mut Draft,
        members: &[Placed],
        let_in: impl FnOnce(&mut Draft),
    ) {
        let options = options::of_spec(self.spec);
        let new = std::slice::from_ref(&self.new);
        join::claim(draft, &self.new);
        draft.changing(draft::ids_used(new));
        join::claim_ids_and_slots(draft, self.primary(), new);
        let_in(draft);
        let hba = draft::hba(members.iter(), &options.client_networks);
        let settings = expand::settings(self.guarded.seen, &options);
        let rate = options::clone_rate(self.intent, Some(&options));
        join::configure(draft, &self.new, settings, hba, rate);
    }

    /// What is said of the one that comes.
    pub(super) fn notes_of_new(&self, draft: &mut Draft) {
        let options = options::of_spec(self.spec);
        let new = std::slice::from_ref(&self.new);
        expand::notes(draft, self.view, self.guarded.seen, self.intent, &options, new);
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
    let mut guarded = guards::replace(spec, view, intent, wanted)?;
    if wanted.dead && options::wipe_data(intent) {
        let value = "data=wipe: a host that is off wipes nothing; do it there by hand later";
        return Err(vec![Rule::ValidIntent.refusal(value)]);
    }
    let new = ids::numbered(spec, view, std::mem::take(&mut guarded.new));
    let ([old], [new]) = (guarded.shrinking.leaving.as_slice(), new.as_slice()) else {
        return Err(vec![Rule::ValidIntent.refusal("one node goes, and one comes")]);
    };
    let (old, new) = (old.clone(), new.clone());
    if let Some(moving) = &mut guarded.shrinking.moving {
        // It streams by then, and is led to the next primary like the others.
        moving.others = draft::in_order(moving.others.iter().chain([&new]));
    }
    let change = Change { spec, view, intent, guarded, old, new };
    let mut plan = if wanted.dead { replace_dead::plan(&change) } else { living(&change) };
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(&change.last_primary().node, &change.after());
    Ok(plan)
}

/// First the new one in, whole; then the old one out, whole: the cluster never has fewer.
fn living(change: &Change<'_>) -> Plan {
    let Change { spec, intent, guarded, old, .. } = change;
    let (primary, all) = (change.primary(), change.all());
    let options = options::of_spec(spec);
    let (new, gone) = (std::slice::from_ref(&change.new), std::slice::from_ref(old));
    let wipe = options::wipe_data(intent);
    let can_do_without = match change.moving() {
        Some(moving) => conditions::can_take_over(&moving.new.node),
        None => conditions::sync_satisfiable(vec![old.node.clone()]),
    };
    let mut draft = Draft::new(&spec.cluster);
    let mut fronts = change.fronts();
    draft.check(
        "check that the cluster is healthy",
        "a cluster that is not healthy is not made busier",
        vec![conditions::healthy(), conditions::primary_is(&primary.node), can_do_without.clone()],
    );
    change.prepare(&mut draft, &all, |draft| {
        expand::let_in(draft, &change.before(), &all, &options);
    });
    join::join(&mut draft, primary, new);
    fronts.take_in(&mut draft, new, change.moving().is_none().then_some(old));
    join::conclude(&mut draft, draft::names(all.iter()), &[]);
    let point_of_no_return = match change.moving() {
        Some(moving) => shrink::remove_primary(&mut draft, &mut fronts, moving, wipe),
        None => shrink::remove(&mut draft, &guarded.shrinking, old, wipe),
    };
    let after = change.after();
    fronts.forget(&mut draft, &after, &change.last_primary().node);
    shrink::shut_out(&mut draft, &after, &all, &options.client_networks);
    join::conclude(&mut draft, draft::names(after.iter()), gone);
    notes(&mut draft, change, wipe, point_of_no_return);
    let mut plan = draft.finish(spec, intent, &all);
    plan.point_of_no_return = point_of_no_return;
    plan.premises = expand::premises(primary, &change.before(), new);
    plan.premises.push(can_do_without);
    plan.premises.extend(fronts.premises());
    plan.invariants = shrink::invariants(&guarded.shrinking, &all);
    let left = predict::gone(gone, wipe);
    plan.prediction = Some(predict::prediction(&change.last_primary().node, &after, &left));
    plan
}

/// Everything that is to be known before a living one is replaced.
fn notes(draft: &mut Draft, change: &Change<'_>, wipe: bool, point_of_no_return: u32) {
    let (old, new) = (&change.old, &change.new);
    change.notes_of_new(draft);
    shrink::leaving_notes(draft, old, wipe);
    if let Some(moving) = change.moving() {
        return switchover::notes(draft, moving, point_of_no_return);
    }
    draft.note(
        NoteKind::Risk,
        format!(
            "there is no way back from step {point_of_no_return} on: {} streams by then, and once the slot of {} is dropped, WAL that it needs may be gone",
            new.node, old.node
        ),
    );
}
