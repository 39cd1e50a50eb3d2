//! Plans other options for a cluster that is there: only what Bellows does with it. No host is touched, and no
//! setting of a bookie or of a broker is changed; where it is to tell clients where bookies stand, that is told.

use bellows_proto::v1::{
    BookkeeperSpecOptions, Intent, NoteKind, Observation, OptionsChange, Plan, Refusal, Spec,
    spec_change,
};

use super::{
    budget, conditions,
    describe::describe,
    draft::{self, Draft},
    enough, guards, options, places, predict, telling,
    view::View,
};

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
) -> Result<Plan, Vec<Refusal>> {
    let view = View::of(observation);
    let (before, after) = (options::of_spec(spec), options::reconfigured(spec, intent));
    let members = guards::reconfigure(spec, view, &before, &after)?;
    let same = || conditions::members_are(draft::names(members.iter()), Vec::new());
    let mut draft = Draft::new(&spec.cluster);
    draft.wait(
        "wait until all members see the same bookies".to_owned(),
        "options are those of a cluster that is as it is thought to be",
        vec![same()],
        draft::SHORT,
    );
    let stands = telling::staying(view, &after, &members);
    if let Some(at) = members.first() {
        telling::all(&mut draft, at, &stands);
    }
    let change = OptionsChange {
        before: spec.options.clone(),
        after: Some(options::in_spec(after.clone())),
    };
    draft.changing(spec_change::Kind::Options(change));
    said(&mut draft, members.len(), &before, &after);
    let mut plan = draft.finish(spec, intent, &members);
    plan.premises = vec![same(), conditions::same_cluster()];
    plan.prediction = Some(predict::prediction(&members, &[]));
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(&members);
    Ok(plan)
}

fn said(
    draft: &mut Draft,
    members: usize,
    before: &BookkeeperSpecOptions,
    after: &BookkeeperSpecOptions,
) {
    if before.min_bookies != after.min_bookies {
        let text = format!(
            "from now on no operation leaves fewer than {} bookies; until now: {}",
            after.min_bookies, before.min_bookies
        );
        draft.note(NoteKind::Impact, text);
    }
    if before.quorums != after.quorums {
        let none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
        let text = format!(
            "from now on bookies are left for what clients ask for: {}; until now: {}",
            none(enough::listed(&after.quorums)),
            none(enough::listed(&before.quorums))
        );
        draft.note(NoteKind::Impact, text);
        let large = after
            .quorums
            .iter()
            .filter(|quorum| usize::try_from(quorum.ensemble).unwrap_or(usize::MAX) >= members);
        for quorum in large {
            let text = format!(
                "{} asks for an ensemble of {}: with {members} bookies no bookie can leave, and none may fail",
                quorum.name, quorum.ensemble
            );
            draft.note(NoteKind::Risk, text);
        }
    }
    racks(draft, before, after);
    if before.budgets != after.budgets {
        let free = |text: String| match text.as_str() {
            "" => "as fast as it goes".to_owned(),
            _ => text,
        };
        let text = format!(
            "from now on data move at: {}; until now: {}",
            free(budget::text(&after.budgets)),
            free(budget::text(&before.budgets))
        );
        draft.note(NoteKind::Impact, text);
    }
}

fn racks(draft: &mut Draft, before: &BookkeeperSpecOptions, after: &BookkeeperSpecOptions) {
    if before.min_racks != after.min_racks {
        let said = |racks: u32| match racks {
            0 => "as the members' configuration says".to_owned(),
            racks => racks.to_string(),
        };
        let text = format!(
            "from now on bookies are left in so many racks: {}; until now: {}",
            said(after.min_racks),
            said(before.min_racks)
        );
        draft.note(NoteKind::Impact, text);
    }
    if before.places != after.places {
        let text = format!(
            "from now on bookies stand in: {}; until now: {}",
            places::listed(&after.places),
            places::listed(&before.places)
        );
        draft.note(NoteKind::Impact, text);
    }
    let text = match (before.places_in_zookeeper, after.places_in_zookeeper) {
        (_, true) => {
            "clients are told where bookies stand in /bookies of the ZooKeeper that has the metadata, where those of Pulsar look; what it says of others stays"
        }
        (true, false) => {
            "from now on clients are told by hand where bookies stand; what they were told stays"
        }
        (false, false) if before.places != after.places => {
            "Bellows counts with it and tells no client"
        }
        (false, false) => return,
    };
    draft.note(NoteKind::Impact, text.to_owned());
}
