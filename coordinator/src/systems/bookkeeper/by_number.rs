//! A shrink by a number: which bookies leave is chosen here, and said. The plan names them, so that what is
//! applied later is what was shown.

use bellows_proto::{
    names::natural,
    v1::{Intent, Note, NoteKind, Refusal, Shrink, Spec, intent::Verb},
};

use super::guards::Rule;
use crate::plan::sizes;

/// The intent with names instead of a number, and why these; no note where it had names.
///
/// # Errors
/// If it has both, or there are not so many.
pub(super) fn named(
    spec: &Spec,
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
        let value = format!("by {by}: there are {}", sizes::count(spec.nodes.len(), "bookie"));
        return Err(vec![Rule::ValidIntent.refusal(value)]);
    }
    // Which one came last is written down nowhere: the spec lists them by name.
    let mut nodes: Vec<String> = spec.nodes.iter().map(|node| node.node.clone()).collect();
    nodes.sort_by(|a, b| natural(a, b));
    let nodes = nodes.split_off(nodes.len().saturating_sub(by));
    let text = match nodes.as_slice() {
        [one] => format!("{one} leaves: the last by name, numbers counted as numbers"),
        all => format!(
            "{} leave, one after another: the last by name, numbers counted as numbers",
            all.join(", ")
        ),
    };
    let verb = Some(Verb::Shrink(Shrink { nodes, by: 0 }));
    let note = Note { kind: NoteKind::Impact.into(), text };
    Ok((Intent { verb, ..intent.clone() }, Some(note)))
}
