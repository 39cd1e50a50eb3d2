//! Plans other options for a cluster that is there: only what Bellows does with it. A setting of the cluster
//! is none of them.

use bellows_proto::v1::{
    Intent, KwdbFrontEnd, KwdbSpecOptions, NoteKind, Observation, OptionsChange, Plan, Refusal,
    Spec, spec_change,
};

use super::{
    conditions,
    describe::describe,
    draft::{self, Draft},
    guards, options, predict,
    view::View,
};

/// The plan, or every guard that says no.
pub(super) fn plan(
    spec: &Spec,
    observation: &Observation,
    intent: &Intent,
) -> Result<Plan, Vec<Refusal>> {
    let (before, after) = (options::of_spec(spec), options::reconfigured(spec, intent));
    let members = guards::reconfigure(spec, View::of(observation), &after)?;
    let same = || conditions::members_are(draft::names(members.iter()), Vec::new());
    let mut draft = Draft::new(&spec.cluster);
    draft.wait(
        "wait until all members name the same members".to_owned(),
        "options are those of a cluster that is as it is thought to be",
        vec![same()],
        draft::SHORT,
    );
    let change = OptionsChange {
        before: spec.options.clone(),
        after: Some(options::in_spec(after.clone())),
    };
    draft.changing(spec_change::Kind::Options(change));
    said(&mut draft, &before, &after);
    let mut plan = draft.finish(spec, intent, &members);
    plan.premises = vec![same(), conditions::same_kind()];
    plan.prediction = Some(predict::prediction(&members, &[]));
    plan.before = describe(spec, observation).members;
    plan.after = predict::views(&members);
    Ok(plan)
}

fn said(draft: &mut Draft, before: &KwdbSpecOptions, after: &KwdbSpecOptions) {
    if before.min_members != after.min_members {
        let text = format!(
            "from now on no operation leaves fewer than {} members; until now: {}",
            after.min_members, before.min_members
        );
        draft.note(NoteKind::Impact, text);
    }
    if before.poll_s != after.poll_s {
        let text = format!(
            "replicas of a node that leaves are counted every {} s; until now: {} s",
            after.poll_s, before.poll_s
        );
        draft.note(NoteKind::Impact, text);
    }
    if before.ca_host != after.ca_host {
        let text = match after.ca_host.as_str() {
            "" => "certificates of new nodes are signed at the first member that has ca.key"
                .to_owned(),
            host => format!("certificates of new nodes are signed at {host}"),
        };
        draft.note(NoteKind::Impact, text);
    }
    if before.front_end() != after.front_end() {
        let text = match after.front_end() {
            KwdbFrontEnd::DeploySh => {
                "nodes leave by deploy.sh on their own hosts; they join by kwbase"
            }
            KwdbFrontEnd::Kwbase | KwdbFrontEnd::Unspecified => {
                "nodes join and leave by kwbase alone"
            }
        };
        draft.note(NoteKind::Impact, text.to_owned());
    }
}
