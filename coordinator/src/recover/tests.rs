#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use bellows_proto::v1::{
    Accepted, Act, ControlKind, Event, Fence, HelloReply, HoldCause, IdsUsed, Intent, Job, JobKey,
    JobState, KeptOperation, KeptSpec, Lock, OnFailure, Plan, Shrink, Spec, SpecChange, SpecNode,
    Step, Term, ToolRun, event::Kind, intent::Verb, spec_change, step,
};

use super::*;
use crate::engine::{decide, state};

const ONE: &str = "01900000-0000-7000-8000-000000000001";
const TWO: &str = "01900000-0000-7000-8000-000000000002";

fn term(number: u64) -> Option<Term> {
    Some(Term { number, store_id: "store".into(), ..Term::default() })
}

fn said(host: &str) -> Said {
    Said {
        host: host.to_owned(),
        address: format!("{host}:7420"),
        key_fingerprint: host.as_bytes().to_vec(),
        hello: HelloReply { host: host.to_owned(), term: term(3), ..HelloReply::default() },
        ..Said::default()
    }
}

fn spec(version: u64, hosts: &[&str]) -> Spec {
    let node = |host: &&str| SpecNode {
        node: format!("n-{host}"),
        host: (*host).to_owned(),
        ..SpecNode::default()
    };
    let nodes = hosts.iter().map(node).collect();
    Spec { cluster: "orders".into(), version, nodes, highest_id: version, ..Spec::default() }
}

fn kept(number: u64, spec: Spec) -> KeptSpec {
    let cluster = spec.cluster.clone();
    KeptSpec { cluster, spec: Some(spec), term: term(number), operation: ONE.to_owned() }
}

fn plan() -> Plan {
    let act =
        Act { number: 4, host: "h1".into(), summary: "standby clone".into(), ..Act::default() };
    let used = spec_change::Kind::IdsUsed(IdsUsed { highest: 12 });
    let steps = vec![
        Step { number: 1, spec_change: Some(SpecChange { kind: Some(used) }), ..Step::default() },
        Step { number: 2, kind: Some(step::Kind::Act(act)), ..Step::default() },
    ];
    Plan {
        cluster: "orders".into(),
        intent: Some(Intent { verb: Some(Verb::Shrink(Shrink::default())), ..Intent::default() }),
        steps,
        fenced_hosts: vec!["h1".into(), "h2".into()],
        locks: vec![Lock { resource: "cluster/orders".into(), exclusive: true }],
        ..Plan::default()
    }
}

fn accepted(at_ms: i64) -> Event {
    let accepted = Accepted {
        plan: Some(plan()),
        on_failure: OnFailure::Undo.into(),
        principal: "alice".into(),
        ..Accepted::default()
    };
    Event { sequence: 1, at_ms, kind: Some(Kind::Accepted(accepted)) }
}

fn operation(id: &str, at_ms: i64) -> KeptOperation {
    KeptOperation {
        operation: id.to_owned(),
        cluster: "orders".into(),
        term: term(3),
        accepted: Some(accepted(at_ms)),
    }
}

fn job(id: &str, act: u32) -> Job {
    Job {
        key: Some(JobKey { operation: id.to_owned(), act, attempt: 1 }),
        state: JobState::Failed.into(),
        tool_runs: vec![ToolRun { exit_status: Some(3), ..ToolRun::default() }],
        output_digest: vec![0xab; 32],
        ..Job::default()
    }
}

#[test]
fn a_cluster_gets_the_highest_version_and_no_id_twice() {
    let old = Spec { highest_id: 40, ..spec(5, &["h1"]) };
    let one = Said { specs: vec![kept(3, spec(6, &["h1", "h7"]))], ..said("h1") };
    let two = Said { specs: vec![kept(3, spec(6, &["h1", "h7"]))], ..said("h2") };
    let three = Said { specs: vec![kept(2, old)], ..said("h3") };
    let (found, recovered) = merge(&[one, two, three], 9).unwrap();
    assert_eq!(recovered.specs, [Spec { highest_id: 40, ..spec(6, &["h1", "h7"]) }]);
    assert_eq!((found.clusters[0].version, found.clusters[0].nodes), (6, 2));
    assert_eq!(found.clusters[0].hosts, ["h1", "h2"]);
    let notes = found.notes.join("\n");
    assert!(notes.contains("host h3 keeps version 5"), "{notes}");
    assert!(notes.contains("host h7 has nodes and was not asked"), "{notes}");
    let names: Vec<_> = recovered.hosts.iter().map(|host| host.host.as_str()).collect();
    assert_eq!(names, ["h1", "h2", "h3"]);
    assert_eq!(recovered.hosts[0].key_fingerprint, b"h1");
}

#[test]
fn of_two_that_differ_the_later_leader_is_right_or_nobody() {
    let one = Said { specs: vec![kept(3, spec(6, &["h1"]))], ..said("h1") };
    let two = Said { specs: vec![kept(4, spec(6, &["h1", "h2"]))], ..said("h2") };
    let (found, recovered) = merge(&[one.clone(), two], 9).unwrap();
    assert_eq!(recovered.specs, [spec(6, &["h1", "h2"])]);
    assert_eq!(found.clusters[0].hosts, ["h2"]);
    assert!(found.notes[0].contains("that of host h2, under term 4, is taken"), "{found:?}");
    let two = Said { specs: vec![kept(3, spec(6, &["h1", "h2"]))], ..said("h2") };
    let wrong = merge(&[one, two], 9).unwrap_err();
    assert!(wrong[0].contains("hosts h1 and h2 keep version 6"), "{wrong:?}");
}

#[test]
fn an_open_operation_comes_back_held_and_can_only_be_abandoned() {
    let mut one = said("h1");
    one.operations = vec![operation(ONE, 100)];
    one.specs = vec![kept(3, spec(6, &["h1"]))];
    one.jobs = vec![job(ONE, 4)];
    let two = Said { operations: vec![operation(ONE, 100)], ..said("h2") };
    let (found, recovered) = merge(&[one, two], 500).unwrap();
    let shown = &found.operations[0];
    assert_eq!((shown.step, shown.steps, shown.hosts.len()), (2, 2, 2));
    assert_eq!(
        shown.jobs,
        [
            "step 2 (standby clone): act 4 attempt 1 on h1 failed, exit 3, output SHA-256 abababababababab…"
        ]
    );
    // What the plan may have used is used.
    assert_eq!(recovered.specs[0].highest_id, 12);
    let kept = &recovered.operations[0];
    assert_eq!(kept.locks, plan().locks);
    let state = state::fold(&kept.events).unwrap();
    assert!(state.recovered && state.steps.values().all(|s| *s == state::StepStatus::Pending));
    assert_eq!((state.started_at_ms, state.principal.as_str()), (100, "alice"));
    assert_eq!(*state.plan, plan());
    let held = state.parked().unwrap();
    assert_eq!((held.cause(), held.step), (HoldCause::Decision, 2));
    assert_eq!(held.found, shown.jobs);
    assert_eq!(held.commands.last().unwrap(), &format!("bellows op abandon {ONE}"));
    assert_eq!(held.commands.len(), 2);
    assert_eq!(decide::next(&state), decide::Next::Park);
    for kind in [
        ControlKind::Retry,
        ControlKind::Resume,
        ControlKind::Undo,
        ControlKind::Cancel,
        ControlKind::Pause,
    ] {
        let why = decide::allowed(&state, kind).unwrap_err();
        assert!(why.contains("recovered from what the agents keep"), "{why}");
    }
    decide::allowed(&state, ControlKind::Abandon).unwrap();
}

#[test]
fn who_is_over_or_older_takes_no_locks() {
    let mut one = said("h1");
    one.operations = vec![operation(ONE, 100)];
    let mut two = said("h2");
    two.operations = vec![operation(TWO, 200)];
    let (found, recovered) = merge(&[one.clone(), two.clone()], 500).unwrap();
    let locks = |recovered: &Recovered| -> Vec<(String, usize)> {
        let each = recovered.operations.iter();
        each.map(|one| (one.operation.clone(), one.locks.len())).collect()
    };
    assert_eq!(locks(&recovered), [(TWO.to_owned(), 1), (ONE.to_owned(), 0)]);
    assert!(found.notes.join("\n").contains("a newer operation has it"), "{found:?}");
    one.closed = vec![TWO.to_owned()];
    let (found, recovered) = merge(&[one, two], 500).unwrap();
    assert_eq!(locks(&recovered), [(ONE.to_owned(), 1), (TWO.to_owned(), 0)]);
    assert!(found.notes.join("\n").contains("is over, as h1 was told"), "{found:?}");
}

#[test]
fn what_nobody_can_tell_is_told() {
    let mut one = said("h1");
    one.hello.fences = vec![Fence { operation: TWO.into(), ..Fence::default() }];
    one.operations = vec![operation(ONE, 100)];
    let (found, _) = merge(std::slice::from_ref(&one), 500).unwrap();
    let notes = found.notes.join("\n");
    assert!(notes.contains(&format!("bellows job settle h1 {TWO}")), "{notes}");
    assert!(notes.contains("works on h2, which was not asked"), "{notes}");
    // Two hosts that say different things of one operation, and one key for two hosts.
    let two = Said { operations: vec![operation(ONE, 101)], ..said("h2") };
    let three = Said { key_fingerprint: b"h1".to_vec(), ..said("h3") };
    let wrong = merge(&[one, two, three], 500).unwrap_err().join("\n");
    assert!(wrong.contains("different plans") && wrong.contains("one and the same key"), "{wrong}");
    let empty = KeptOperation { accepted: None, ..operation(ONE, 1) };
    let four = Said { operations: vec![empty], ..said("h4") };
    assert!(merge(&[four], 1).unwrap_err()[0].contains("no plan that this version can read"));
}
