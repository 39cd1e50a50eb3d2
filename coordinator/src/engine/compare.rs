//! Whether a plan made now is the plan that was shown.

use bellows_proto::{
    digest,
    v1::{Observation, Plan, Step, step::Kind},
};

use super::{
    index,
    ports::{Systems, Verdict},
};

/// Where two plans differ in what would be done, and which premises do not hold any more;
/// empty: the same. Estimates are premises with bounds and not part of the steps.
pub fn differences<S: Systems>(
    systems: &S,
    shown: &Plan,
    now: &Plan,
    observation: &Observation,
) -> Vec<String> {
    let mut differences = steps(shown, now);
    let mut field = |name: &str, same: bool| {
        if !same {
            differences.push(format!("{name} would be another"));
        }
    };
    field("the point of no return", shown.point_of_no_return == now.point_of_no_return);
    field("the list of locks", shown.locks == now.locks);
    field("the list of fenced hosts", shown.fenced_hosts == now.fenced_hosts);
    field("the list of hosts that are named dead", shown.dead_hosts == now.dead_hosts);
    field("the list of invariants", shown.invariants == now.invariants);
    field("the predicted end", shown.prediction == now.prediction);
    for premise in &shown.premises {
        match systems.check(premise, observation) {
            Verdict::Holds => {}
            Verdict::NotYet { reason, .. }
            | Verdict::Refused(reason)
            | Verdict::Unknown(reason) => {
                differences.push(format!("a premise does not hold any more: {reason}"));
            }
        }
    }
    differences
}

/// What a step would do: without how long it is thought to take.
fn canonical(step: &Step) -> Step {
    let mut step = Step { expected_ms: 0, ..step.clone() };
    if let Some(Kind::Group(group)) = &mut step.kind {
        group.members.iter_mut().for_each(|member| member.expected_ms = 0);
    }
    step
}

fn steps(shown: &Plan, now: &Plan) -> Vec<String> {
    let before: Vec<&Step> = index::steps(shown).collect();
    let after: Vec<&Step> = index::steps(now).collect();
    let mut differences: Vec<String> = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| digest::of(&canonical(before)) != digest::of(&canonical(after)))
        .map(|(before, after)| {
            if before.title == after.title {
                format!("step {} ({}) would do something else", before.number, before.title)
            } else {
                format!("step {} would be {:?}, not {:?}", before.number, after.title, before.title)
            }
        })
        .collect();
    for gone in before.iter().skip(after.len()) {
        differences.push(format!("step {} ({}) would not be there", gone.number, gone.title));
    }
    for new in after.iter().skip(before.len()) {
        differences.push(format!("step {} ({}) would be new", new.number, new.title));
    }
    differences
}
