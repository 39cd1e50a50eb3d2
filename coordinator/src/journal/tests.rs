//! The adapter: what the store says reaches the engine under the right name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use bellows_proto::v1::{Accepted, Closed, Resumed};
use tempfile::TempDir;

use super::*;

const ONE: &str = "018bcfe5-6800-7000-8000-000000000001";
const TWO: &str = "018bcfe5-6800-7000-8000-000000000002";

fn journal() -> (TempDir, StoreJournal) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(&dir.path().join("store"), "site").unwrap();
    (dir, StoreJournal::new(Arc::new(store)))
}

fn accepted() -> Event {
    let plan = Plan { cluster: "c".to_owned(), ..Plan::default() };
    Event {
        sequence: 1,
        at_ms: 5,
        kind: Some(Kind::Accepted(Accepted { plan: Some(plan), ..Accepted::default() })),
    }
}

fn event(sequence: u64, kind: Kind) -> Event {
    Event { sequence, at_ms: 6, kind: Some(kind) }
}

fn cluster_lock() -> [Lock; 1] {
    [Lock { resource: "cluster/c".to_owned(), exclusive: true }]
}

#[test]
fn refusals_reach_the_engine_by_their_names() {
    let (_dir, journal) = journal();
    let locks = cluster_lock();
    journal.begin(ONE, &accepted(), "c", 0, &locks).unwrap();
    let BeginError::Locked(holder) = journal.begin(TWO, &accepted(), "c", 0, &locks).unwrap_err()
    else {
        panic!("it is locked")
    };
    assert_eq!((holder.resource.as_str(), holder.operation.as_str()), ("cluster/c", ONE));
    let BeginError::SpecVersion { planned, found } =
        journal.begin(TWO, &accepted(), "c", 3, &[]).unwrap_err()
    else {
        panic!("the spec is at another version")
    };
    assert_eq!((planned, found), (3, 0));
    let again = journal.begin(ONE, &accepted(), "c", 0, &[]).unwrap_err();
    assert!(matches!(again, BeginError::Journal(_)), "{again}");
    let gap = event(7, Kind::Resumed(Resumed::default()));
    let error = journal.append(ONE, &gap, &Effects::default()).unwrap_err();
    assert!(error.to_string().contains("does not follow"), "{error}");
}

#[test]
fn effects_go_with_their_event() {
    let (_dir, journal) = journal();
    journal.begin(ONE, &accepted(), "c", 0, &cluster_lock()).unwrap();
    let spec = Spec { cluster: "c".to_owned(), version: 1, ..Spec::default() };
    let resumed = |sequence| event(sequence, Kind::Resumed(Resumed::default()));
    let put = Effects { put_spec: Some(spec.clone()), ..Effects::default() };
    journal.append(ONE, &resumed(2), &put).unwrap();
    assert_eq!(journal.spec("c").unwrap(), Some(spec));
    let end =
        Effects { remove_cluster: Some("c".to_owned()), release_locks: true, ..Effects::default() };
    journal.append(ONE, &resumed(3), &end).unwrap();
    assert_eq!(journal.spec("c").unwrap(), None);
    assert_eq!(journal.unfinished().unwrap()[0].events.len(), 3);
    journal.begin(TWO, &accepted(), "c", 0, &cluster_lock()).unwrap();

    let closed = event(4, Kind::Closed(Closed::default()));
    journal.append(ONE, &closed, &Effects::default()).unwrap();
    let open: Vec<_> = journal.unfinished().unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].operation.as_str(), &open[0].damage), (TWO, &None));
}

#[test]
fn a_finished_operation_can_be_read() {
    let (_dir, journal) = journal();
    journal.begin(ONE, &accepted(), "c", 0, &[]).unwrap();
    let closed = event(2, Kind::Closed(Closed::default()));
    journal.append(ONE, &closed, &Effects::default()).unwrap();
    let detail = journal.detail(ONE).unwrap().unwrap();
    assert_eq!(detail.events, [accepted(), closed]);
    assert_eq!(detail.plan.unwrap().cluster, "c");
    assert_eq!(detail.summary.unwrap().operation, ONE);
    assert_eq!(journal.detail(TWO).unwrap(), None);
    assert_eq!(journal.detail("no id").unwrap(), None);
    assert_eq!(journal.term().number, 0);
}

#[test]
fn a_damaged_record_is_shown_as_far_as_it_can_be_trusted() {
    let (_dir, journal) = journal();
    journal.begin(ONE, &accepted(), "c", 0, &cluster_lock()).unwrap();
    let resumed = |sequence| event(sequence, Kind::Resumed(Resumed::default()));
    for sequence in 2..=6 {
        journal.append(ONE, &resumed(sequence), &Effects::default()).unwrap();
    }
    journal.store.lose_event(ONE, 3);
    let seen = || journal.detail(ONE).unwrap().unwrap();
    let numbers: Vec<u64> = seen().events.iter().map(|event| event.sequence).collect();
    assert_eq!(numbers, [1, 2, 4, 5, 6]);
    assert_eq!(seen().summary.unwrap().damage, "event 3 is missing");
    let damage = journal.unfinished().unwrap().remove(0).damage.unwrap();
    assert_eq!((damage.last, damage.after.len()), (Some(6), 3));
    // It can be ended: what follows is bound to what was written last.
    let end = Effects { release_locks: true, ..Effects::default() };
    journal.append(ONE, &resumed(7), &end).unwrap();
    assert_eq!(seen().events.len(), 6);
    journal.begin(TWO, &accepted(), "c", 0, &cluster_lock()).unwrap();

    journal.store.lose_entry(ONE);
    let lost = seen();
    assert_eq!((lost.events.len(), lost.summary.unwrap().state.as_str()), (0, "damaged"));
    let damage = journal.unfinished().unwrap().remove(0).damage.unwrap();
    assert_eq!(damage.last, None);
    journal.catch_up().unwrap();
}

#[test]
fn an_event_that_was_changed_is_not_trusted_itself() {
    for changed in 1..=4 {
        let (_dir, journal) = journal();
        journal.begin(ONE, &accepted(), "c", 0, &[]).unwrap();
        for sequence in 2..=4 {
            let kind = Kind::Resumed(Resumed {
                text: "as it was written".to_owned(),
                ..Resumed::default()
            });
            journal.append(ONE, &event(sequence, kind), &Effects::default()).unwrap();
        }
        journal.store.change_event(ONE, changed);
        let numbers = journal.detail(ONE).unwrap().unwrap().events;
        let numbers: Vec<u64> = numbers.iter().map(|event| event.sequence).collect();
        let others: Vec<u64> = (1..=4).filter(|number| *number != changed).collect();
        assert_eq!(numbers, others);
    }
}
