//! What the agent keeps for a coordinator that will have lost its store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::os::unix::fs::PermissionsExt as _;

use bellows_proto::v1::{
    Accepted, CloseRequest, Event, FaultCode, KeptOperation, KeptSpec, Note, Plan,
    PlantFenceRequest, RecallRequest, Recalled, Spec, Term, event, recalled::Kind,
};
use support::{CLUSTER, TestHost, term};

#[test]
fn shim() {
    support::be_a_shim_if_asked();
}

fn spec(version: u64) -> Spec {
    Spec { cluster: CLUSTER.into(), version, highest_id: version, ..Spec::default() }
}

fn accepted(text: &str) -> Event {
    let note = Note { text: text.to_owned(), ..Note::default() };
    let plan = Plan { cluster: CLUSTER.into(), notes: vec![note], ..Plan::default() };
    let kind = Accepted { plan: Some(plan), principal: "alice".into(), ..Accepted::default() };
    Event { sequence: 1, at_ms: 5, kind: Some(event::Kind::Accepted(kind)) }
}

fn fence(host: &TestHost, number: u64, version: u64) -> PlantFenceRequest {
    PlantFenceRequest {
        term: Some(term(number)),
        accepted: Some(accepted("a plan")),
        spec: (version > 0).then(|| spec(version)),
        ..host.fence(&host.operation)
    }
}

fn close(host: &TestHost, number: u64, version: u64) -> CloseRequest {
    CloseRequest {
        operation: host.operation.clone(),
        term: Some(term(number)),
        cluster: CLUSTER.into(),
        spec: (version > 0).then(|| spec(version)),
    }
}

fn recalled(host: &TestHost, operations: Vec<String>) -> Vec<Kind> {
    let told = host.jobs.recall(&RecallRequest { operations }).unwrap();
    let told: Vec<Recalled> = told.collect::<Result<_, _>>().unwrap();
    told.into_iter().map(|piece| piece.kind.unwrap()).collect()
}

fn operation(host: &TestHost, term: Term) -> Kind {
    Kind::Operation(KeptOperation {
        operation: host.operation.clone(),
        cluster: CLUSTER.into(),
        term: Some(term),
        accepted: Some(accepted("a plan")),
    })
}

fn last(host: &TestHost, term: Term, version: u64) -> Kind {
    Kind::Spec(KeptSpec {
        cluster: CLUSTER.into(),
        spec: Some(spec(version)),
        term: Some(term),
        operation: host.operation.clone(),
    })
}

#[test]
fn a_plan_is_kept_with_its_fence_until_it_is_closed() {
    let mut host = TestHost::new();
    // That fence was planted by a coordinator of an earlier version.
    assert!(recalled(&host, vec![]).is_empty());
    host.jobs.plant_fence(fence(&host, 1, 0)).unwrap();
    assert_eq!(recalled(&host, vec![]), [operation(&host, term(1))]);
    host.jobs.plant_fence(fence(&host, 2, 4)).unwrap();
    host.restart();
    assert_eq!(recalled(&host, vec![]), [operation(&host, term(2)), last(&host, term(2), 4)]);
    for file in [format!("plans/{}", host.operation), format!("specs/{CLUSTER}")] {
        let path = host.local().config.agent.data_dir.join(file);
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let ids = vec![host.operation.clone()];
    assert!(recalled(&host, ids.clone()).is_empty());
    host.jobs.close(&close(&host, 2, 5)).unwrap();
    host.jobs.close(&close(&host, 2, 5)).unwrap();
    host.restart();
    assert_eq!(recalled(&host, vec![]), [last(&host, term(2), 5)]);
    assert_eq!(recalled(&host, ids.clone()), [Kind::Closed(ids[0].clone())]);
    let late = host.jobs.plant_fence(fence(&host, 2, 4)).unwrap_err();
    assert_eq!(late.code(), FaultCode::Conflict);
    assert_eq!(recalled(&host, vec![]), [last(&host, term(2), 5)]);
}

#[test]
fn the_last_word_on_a_spec_stays_until_the_cluster_is_gone() {
    let host = TestHost::new();
    host.jobs.plant_fence(fence(&host, 2, 7)).unwrap();
    // The same leader never goes back; a later one may know less, and is right.
    host.jobs.plant_fence(fence(&host, 2, 6)).unwrap();
    assert_eq!(recalled(&host, vec![])[1], last(&host, term(2), 7));
    host.jobs.plant_fence(fence(&host, 3, 6)).unwrap();
    assert_eq!(recalled(&host, vec![])[1], last(&host, term(3), 6));
    // Of a coordinator that does not know the operation.
    let unknown = CloseRequest { cluster: String::new(), ..close(&host, 3, 0) };
    host.jobs.close(&unknown).unwrap();
    assert_eq!(recalled(&host, vec![]), [last(&host, term(3), 6)]);
    host.jobs.close(&close(&host, 3, 0)).unwrap();
    assert!(recalled(&host, vec![]).is_empty());
}

#[test]
fn what_cannot_be_kept_is_refused_before_the_fence() {
    let mut other = TestHost::new();
    other.close().unwrap();
    other.operation = uuid::Uuid::now_v7().to_string();
    let long = "x".repeat(bellows_agent::jobs::kept::MOST_BYTES);
    let refused = other
        .jobs
        .plant_fence(PlantFenceRequest { accepted: Some(accepted(&long)), ..fence(&other, 1, 0) });
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), FaultCode::Invalid);
    assert!(refused.message.contains("keeps at most 3145728"), "{refused:?}");
    assert!(other.jobs.hello().unwrap().fences.is_empty());
    let wrong = RecallRequest { operations: vec!["../x".into()] };
    assert!(other.jobs.recall(&wrong).is_err());
}

#[test]
fn a_refused_fence_keeps_nothing() {
    let host = TestHost::new();
    let stranger = uuid::Uuid::now_v7().to_string();
    let refused = PlantFenceRequest { operation: stranger, ..fence(&host, 1, 3) };
    assert_eq!(host.jobs.plant_fence(refused).unwrap_err().code(), FaultCode::Fenced);
    assert!(recalled(&host, vec![]).is_empty());
}
