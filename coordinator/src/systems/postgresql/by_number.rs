//! A shrink by a number: which standbys leave is chosen here, and said. The plan names them, so
//! that what is applied later is what was shown.

use bellows_proto::{
    names::natural,
    v1::{Intent, Note, NoteKind, Refusal, Shrink, Spec, intent::Verb},
};

use super::{guards::Rule, sizes, view::View};

/// The intent with names instead of a number, and why these; no note where it had names.
///
/// # Errors
/// If it has both or neither, or there are not so many besides the primary.
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
    let refused = |value: String| Err(vec![Rule::ValidIntent.refusal(value)]);
    if !shrink.nodes.is_empty() {
        return refused("nodes are named, and a number is given too".to_owned());
    }
    // Without a primary the guards say so.
    let primary = view.primary().map(|primary| primary.member.node.as_str()).unwrap_or_default();
    let mut names: Vec<&str> = spec.nodes.iter().map(|node| node.node.as_str()).collect();
    names.retain(|name| *name != primary);
    names.sort_by(|a, b| natural(b, a));
    if names.len() < by {
        let there = sizes::count(names.len(), "member");
        return refused(format!("by {by}: {there} besides the primary"));
    }
    names.truncate(by);
    let text = format!(
        "{} leave{}: the last by name, in natural order, and never the primary{}",
        names.join(", "),
        if by == 1 { "s" } else { "" },
        if primary.is_empty() { String::new() } else { format!(" ({primary})") },
    );
    let nodes = names.into_iter().map(str::to_owned).collect();
    let verb = Some(Verb::Shrink(Shrink { nodes, by: 0 }));
    let note = Note { kind: NoteKind::Impact.into(), text };
    Ok((Intent { verb, ..intent.clone() }, Some(note)))
}
