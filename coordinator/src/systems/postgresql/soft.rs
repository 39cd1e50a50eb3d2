//! Guards that an administrator may accept with a reason: what they say is put beside what the
//! others say, or into the plan with the reason. All others are hard.

use bellows_proto::v1::{AcceptedGuard, Intent, Note, NoteKind, Plan, Refusal};

use super::guards::Rule;
use crate::plan::Rules as _;

/// The plan with what was accepted, or everything that says no. `steps`: what the hard guards and
/// the planner made of it; `said`: what the soft guards say.
pub(super) fn settle(
    steps: Result<Plan, Vec<Refusal>>,
    said: Vec<Refusal>,
    intent: &Intent,
) -> Result<Plan, Vec<Refusal>> {
    let mut notes = Vec::new();
    let mut open = hard(&intent.accepted);
    for refusal in said {
        match intent.accepted.iter().find(|accepted| accepted.code == refusal.code) {
            Some(accepted) => notes.push(accepted_in_spite(&refusal, &accepted.reason)),
            None => open.push(refusal),
        }
    }
    match steps {
        Ok(mut plan) if open.is_empty() => {
            plan.notes.splice(0..0, notes);
            Ok(plan)
        }
        Ok(_) => Err(in_order(open)),
        Err(refusals) => Err(in_order(refusals.into_iter().chain(open).collect())),
    }
}

fn in_order(mut refusals: Vec<Refusal>) -> Vec<Refusal> {
    refusals.sort_by(|a, b| a.code.cmp(&b.code));
    refusals
}

/// Guards that somebody wants to accept and nobody can.
fn hard(accepted: &[AcceptedGuard]) -> Vec<Refusal> {
    let soft: Vec<&str> = Rule::SOFT.iter().map(|rule| rule.code()).collect();
    let others = accepted.iter().filter(|one| !soft.contains(&one.code.as_str()));
    others
        .map(|one| {
            let value = format!("{} cannot be accepted; these can: {}", one.code, soft.join(", "));
            Rule::ValidIntent.refusal(value)
        })
        .collect()
}

fn accepted_in_spite(refusal: &Refusal, reason: &str) -> Note {
    let Refusal { code, rule, value, .. } = refusal;
    let text = format!("{code} ({rule}) says no and was accepted: {value}. Reason given: {reason}");
    Note { kind: NoteKind::Risk.into(), text }
}
