//! Finding one's way in a plan: steps by number, acts by number, what an act belongs to.

use bellows_proto::v1::{Act, Group, Plan, Step, step::Kind};

/// All steps in the order of their numbers, members of groups after their group.
pub fn steps(plan: &Plan) -> impl DoubleEndedIterator<Item = &Step> {
    let mut all: Vec<&Step> = Vec::new();
    for step in &plan.steps {
        all.push(step);
        if let Some(Kind::Group(group)) = &step.kind {
            all.extend(&group.members);
        }
    }
    all.into_iter()
}

/// The step of a number.
pub fn step(plan: &Plan, number: u32) -> Option<&Step> {
    steps(plan).find(|step| step.number == number)
}

/// The group that a step is a member of.
pub fn group_of(plan: &Plan, member: u32) -> Option<&Step> {
    plan.steps.iter().find(|step| {
        matches!(&step.kind, Some(Kind::Group(Group { members, .. }))
            if members.iter().any(|m| m.number == member))
    })
}

/// The act of a step, where it is one.
pub fn act(step: &Step) -> Option<&Act> {
    match &step.kind {
        Some(Kind::Act(act)) => Some(act),
        Some(Kind::Check(_) | Kind::Wait(_) | Kind::Group(_)) | None => None,
    }
}

/// Hosts whose agents are told when the operation is over: all that were fenced or worked.
pub fn hosts(plan: &Plan) -> Vec<String> {
    let mut hosts = plan.fenced_hosts.clone();
    for act in steps(plan).filter_map(act) {
        hosts.push(act.host.clone());
        hosts.extend(act.undo.iter().map(|undo| undo.host.clone()));
    }
    hosts.sort();
    hosts.dedup();
    hosts
}

/// What is wrong with a plan's form, whatever its system; empty: nothing.
///
/// Plans come back from files: what the planner would never write must not reach the engine.
pub fn mistakes(plan: &Plan) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut acts = std::collections::BTreeSet::new();
    for (step, expected) in steps(plan).zip(1..) {
        let number = step.number;
        if step.skippable
            && let Some(reason) = super::skip::of_plan(plan, step)
        {
            mistakes.push(format!("step {number} must not be skippable: {reason}"));
        }
        if number != expected {
            mistakes.push(format!("step {number} stands where step {expected} belongs"));
        }
        match &step.kind {
            None => mistakes.push(format!("step {number} is empty")),
            Some(Kind::Act(act)) => {
                for act in std::iter::once(act).chain(&act.undo) {
                    if act.number == 0 || !acts.insert(act.number) {
                        mistakes.push(format!("step {number}: act number {} twice", act.number));
                    }
                    if act.action.as_ref().is_none_or(|action| action.kind.is_none()) {
                        mistakes.push(format!("step {number}: an action is empty"));
                    }
                    if act.host.is_empty() {
                        mistakes.push(format!("step {number}: an action names no host"));
                    }
                }
            }
            Some(Kind::Check(check)) => empty_conditions(number, &check.conditions, &mut mistakes),
            Some(Kind::Wait(wait)) => empty_conditions(number, &wait.conditions, &mut mistakes),
            Some(Kind::Group(group)) => {
                if group.limit == 0 {
                    mistakes.push(format!("group {number} has a limit of 0"));
                }
                for member in &group.members {
                    if matches!(member.kind, Some(Kind::Group(_))) {
                        mistakes.push(format!("group {number} holds a group"));
                    }
                }
            }
        }
    }
    dead_hosts(plan, &mut mistakes);
    mistakes
}

/// Nothing is asked of a host that is named dead, and somebody has said that it is off.
fn dead_hosts(plan: &Plan, mistakes: &mut Vec<String>) {
    let used = hosts(plan);
    for host in &plan.dead_hosts {
        if used.contains(host) {
            mistakes.push(format!("the host {host} is named dead, and the plan needs it"));
        }
        if !plan.confirmed_off.contains(host) {
            mistakes.push(format!(
                "the host {host} is named dead, and nobody has said that it is off: --confirm-off {host}"
            ));
        }
    }
}

fn empty_conditions(
    number: u32,
    conditions: &[bellows_proto::v1::Condition],
    mistakes: &mut Vec<String>,
) {
    if conditions.is_empty() || conditions.iter().any(|condition| condition.kind.is_none()) {
        mistakes.push(format!("step {number}: a condition is empty"));
    }
}
