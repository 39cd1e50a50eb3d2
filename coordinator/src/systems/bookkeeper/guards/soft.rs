//! Guards that an administrator may accept with a reason.

use bellows_proto::v1::{Intent, NoteKind};

use super::{Findings, Rule};

/// What it says, as a refusal; or, where it was accepted, as a note with the reason that was given.
pub(super) fn unless_accepted(
    findings: &mut Findings<'_>,
    intent: &Intent,
    rule: Rule,
    node: &str,
    value: String,
) -> Option<(NoteKind, String)> {
    let refusal = rule.refusal(value.clone());
    let Some(accepted) = intent.accepted.iter().find(|one| one.code == refusal.code) else {
        findings.say(rule, node, "", value);
        return None;
    };
    let text = format!(
        "{} ({}) says no and was accepted: {value}. Reason given: {}",
        refusal.code, refusal.rule, accepted.reason
    );
    Some((NoteKind::Risk, text))
}

/// The codes of those guards.
pub(in super::super) fn accepted_with_a_reason() -> Vec<String> {
    [Rule::NothingLacking, Rule::BudgetKept, Rule::LostLedgers]
        .map(|rule| rule.seen("").code)
        .to_vec()
}
