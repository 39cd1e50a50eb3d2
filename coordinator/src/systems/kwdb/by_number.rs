//! A shrink by a number: which nodes leave is chosen here, and said. The plan names them, so that what is
//! applied later is what was shown.

use bellows_proto::{
    names::natural,
    v1::{Intent, Note, NoteKind, Refusal, Shrink, Spec, intent::Verb},
};

use super::{guards::Rule, ids, sizes, view::View};

/// The intent with names instead of a number, and why these; no note where it had names.
///
/// # Errors
/// If it has both, or there are not so many, or it is not known which are the newest.
pub(super) fn named(
    spec: &Spec,
    view: View<'_>,
    intent: &Intent,
    shrink: &Shrink,
) -> Result<(Intent, Option<Note>), Vec<Refusal>> {
    let by = usize::try_from(shrink.by).unwrap_or(usize::MAX);
    if by == 0 {
        return Ok((intent.clone(), None));
    }
    if !shrink.nodes.is_empty() {
        let value = "nodes are named, and a number is given too";
        return Err(vec![Rule::ValidIntent.refusal(value)]);
    }
    if spec.nodes.len() < by {
        let value = format!("by {by}: there are {}", sizes::count(spec.nodes.len(), "member"));
        return Err(vec![Rule::ValidIntent.refusal(value)]);
    }
    let mut members = Vec::new();
    let mut unknown = Vec::new();
    for node in &spec.nodes {
        match ids::must(view, &node.node, 0) {
            Ok(id) => members.push((id, node.node.clone())),
            Err(why) => unknown.push(Rule::EverythingRead.refusal(why)),
        }
    }
    if !unknown.is_empty() {
        unknown.dedup();
        return Err(unknown);
    }
    members.sort_by(|(a_id, a), (b_id, b)| b_id.cmp(a_id).then_with(|| natural(a, b)));
    members.truncate(by);
    let listed: Vec<String> =
        members.iter().map(|(id, node)| format!("{node} (node {id})")).collect();
    let text = format!(
        "{} leave{}, in this order: the newest first, by the ids that the cluster gave them",
        listed.join(", "),
        if by == 1 { "s" } else { "" },
    );
    let nodes = members.into_iter().map(|(_, node)| node).collect();
    let verb = Some(Verb::Shrink(Shrink { nodes, by: 0 }));
    let note = Note { kind: NoteKind::Impact.into(), text };
    Ok((Intent { verb, ..intent.clone() }, Some(note)))
}
