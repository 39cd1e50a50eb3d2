//! Plans and refusals as readable text, complete enough that no change goes unseen.

use std::fmt::Write as _;

use bellows_proto::v1::{Act, Condition, MemberView, Plan, Refusal, Step, observation, step::Kind};
use serde::Serialize;

/// The inside of a message with one entry, on one line.
fn line<T: Serialize>(message: &T) -> String {
    let mut value = serde_json::to_value(message).unwrap();
    loop {
        let serde_json::Value::Object(map) = &value else { return value.to_string() };
        let Some((key, inner)) = map.iter().next() else { return "{}".to_owned() };
        if !matches!(key.as_str(), "postgresql" | "kwdb" | "host") || !inner.is_object() {
            return value.to_string();
        }
        value = inner.clone();
    }
}

fn conditions(out: &mut String, head: &str, conditions: &[Condition]) {
    for condition in conditions {
        writeln!(out, "{head} {}", line(condition)).unwrap();
    }
}

fn act(out: &mut String, indent: &str, act: &Act) {
    let (deadline, stall) = (act.deadline_ms / 1000, act.stall_ms / 1000);
    writeln!(
        out,
        "{indent}act {} at {}: {} (deadline {deadline} s, stall {stall} s)",
        act.number, act.host, act.summary
    )
    .unwrap();
    writeln!(out, "{indent}  {}", line(act.action.as_ref().unwrap())).unwrap();
    conditions(out, &format!("{indent}  requires"), &act.requires);
    for change in &act.changes {
        writeln!(out, "{indent}  file {change}").unwrap();
    }
    for line in &act.by_hand {
        writeln!(out, "{indent}  by hand {line}").unwrap();
    }
    for undo in &act.undo {
        let action = line(undo.action.as_ref().unwrap());
        writeln!(out, "{indent}  undo {} at {}: {action}", undo.number, undo.host).unwrap();
        for line in &undo.by_hand {
            writeln!(out, "{indent}    by hand {line}").unwrap();
        }
        conditions(out, &format!("{indent}    waits for"), &undo.requires);
    }
}

fn step(out: &mut String, indent: &str, one: &Step) {
    writeln!(out, "{indent}{}. {}", one.number, one.title).unwrap();
    writeln!(out, "{indent}   because: {}", one.reason).unwrap();
    let inner = format!("{indent}   ");
    match one.kind.as_ref().unwrap() {
        Kind::Check(check) => conditions(out, &format!("{inner}check"), &check.conditions),
        Kind::Wait(wait) => {
            let (stall, pause) = (wait.stall_ms / 1000, wait.interval_ms);
            let every = if pause == 1000 { String::new() } else { format!(", every {pause} ms") };
            writeln!(out, "{inner}stall {stall} s{every}").unwrap();
            conditions(out, &format!("{inner}wait for"), &wait.conditions);
        }
        Kind::Act(one) => act(out, &inner, one),
        Kind::Group(group) => {
            writeln!(out, "{inner}group, {} at once", group.limit).unwrap();
            conditions(out, &format!("{inner}check"), &group.checks);
            for member in &group.members {
                step(out, &inner, member);
            }
        }
    }
    if let Some(change) = &one.spec_change {
        writeln!(out, "{inner}spec: {}", line(change)).unwrap();
    }
}

fn members(out: &mut String, title: &str, members: &[MemberView]) {
    for member in members {
        let MemberView { node, host, role, state, detail, healthy } = member;
        writeln!(out, "{title}: {node} on {host}, {role}, {state}, {detail}, healthy: {healthy}")
            .unwrap();
    }
}

/// A plan, whole.
pub fn plan(plan: &Plan) -> String {
    let mut out = String::new();
    let Plan { cluster, spec_version, system_revision, point_of_no_return, .. } = plan;
    writeln!(
        out,
        "cluster {cluster}, spec version {spec_version}, planner revision {system_revision}"
    )
    .unwrap();
    members(&mut out, "before", &plan.before);
    members(&mut out, "after", &plan.after);
    conditions(&mut out, "premise", &plan.premises);
    conditions(&mut out, "invariant", &plan.invariants);
    for one in &plan.steps {
        step(&mut out, "", one);
    }
    writeln!(out, "no return from step: {point_of_no_return}").unwrap();
    for note in &plan.notes {
        writeln!(out, "note {}: {}", note.kind().as_str_name(), note.text).unwrap();
    }
    for lock in &plan.locks {
        writeln!(
            out,
            "lock {} {}",
            lock.resource,
            if lock.exclusive { "exclusive" } else { "shared" }
        )
        .unwrap();
    }
    for guard in &plan.guards {
        writeln!(out, "seen: {} {}: {}", guard.code, guard.rule, guard.value).unwrap();
    }
    let expected = bellows::plan::expected_ms(plan) / 1000;
    writeln!(out, "expected: {expected} s").unwrap();
    writeln!(out, "fences: {}", plan.fenced_hosts.join(", ")).unwrap();
    match plan.prediction.as_ref().unwrap().system.as_ref().unwrap() {
        observation::System::Postgresql(end) => predicted(&mut out, &end.members),
        observation::System::Kwdb(end) => predicted(&mut out, &end.members),
        observation::System::Bookkeeper(end) => predicted(&mut out, &end.members),
    }
    out
}

fn predicted<T: Serialize>(out: &mut String, members: &[T]) {
    for member in members {
        writeln!(out, "predicted: {}", line(member)).unwrap();
    }
}

/// Refusals, one per line pair.
pub fn refusals(refusals: &[Refusal]) -> String {
    let mut out = String::new();
    for refusal in refusals {
        let Refusal { code, rule, value, remedy, node, host } = refusal;
        let place = match (node.as_str(), host.as_str()) {
            ("", "") => String::new(),
            (one, "") | ("", one) => format!(" ({one})"),
            (node, host) => format!(" ({node} on {host})"),
        };
        writeln!(out, "{code} {rule}{place}: {value}\n      remedy: {remedy}").unwrap();
    }
    out
}
