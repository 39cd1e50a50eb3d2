//! Operations, locks, specs and the summaries.

use super::*;

#[test]
fn everything_is_there_after_a_restart() {
    let (dir, store) = new_store();
    let (a, b) = (id(1), id(2));
    begin(&store, &a, "c1", &[exclusive("cluster/c1")]).unwrap();
    let second = started(2, 1);
    let changes = Changes { put_spec: Some(&spec("c1", 1)), ..Changes::default() };
    store.append(&a, &second, &changes).unwrap();
    begin(&store, &b, "c2", &[shared("host/h1")]).unwrap();
    store.set_term(7).unwrap();
    let term = store.term();

    let store = reopen(&dir, store);
    assert_eq!(sound(&store, &a), [accepted("c1", 3), second]);
    assert_eq!(store.unfinished().unwrap(), [a.clone(), b]);
    assert_eq!(store.spec("c1").unwrap(), Some(spec("c1", 1)));
    assert_eq!((store.term(), store.site_id()), (term.clone(), "site-1".into()));
    assert_eq!(term.number, 7);
    assert_eq!(store.lock_holders("cluster/c1").unwrap()[0].operation, a);
    append(&store, &a, &started(3, 2)).unwrap();
    assert_eq!(sound(&store, &a).len(), 3);
}

#[test]
fn the_term_carries_the_id_of_its_own_store() {
    let (_one, one) = new_store();
    let (_two, two) = new_store();
    assert_eq!(one.term().number, 0);
    assert_ne!(one.term().store_id, two.term().store_id);
    assert!(uuid::Uuid::try_parse(&one.term().store_id).is_ok());
}

#[test]
fn an_event_that_is_not_the_next_is_refused() {
    let (_dir, store) = new_store();
    let operation = id(1);
    begin(&store, &operation, "c", &[]).unwrap();
    for wrong in [0, 1, 3, u64::MAX] {
        let error = append(&store, &operation, &started(wrong.min(9), 1)).unwrap_err();
        assert!(matches!(error, StoreError::Sequence { last: 1, .. }), "{error}");
    }
    let stranger = append(&store, &id(9), &started(2, 1)).unwrap_err();
    assert!(matches!(stranger, StoreError::OperationUnknown(_)));
    assert!(matches!(store.events("x").unwrap_err(), StoreError::OperationId(_)));
    assert_eq!(sound(&store, &operation).len(), 1);
}

#[test]
fn an_operation_begins_once_and_with_accepted() {
    let (_dir, store) = new_store();
    let operation = id(1);
    begin(&store, &operation, "c", &[]).unwrap();
    let again = begin(&store, &operation, "c", &[]).unwrap_err();
    assert!(matches!(again, StoreError::Begin { .. }));
    for first in [started(1, 1), event(2, accepted("c", 1).kind.unwrap())] {
        let wrong = store.begin(Begin {
            operation: &id(2),
            accepted: &first,
            cluster: "c",
            spec_version: 0,
            locks: &[],
        });
        assert!(matches!(wrong, Err(StoreError::Begin { .. })));
    }
    assert_eq!(store.unfinished().unwrap(), [operation]);
}

#[test]
fn a_lock_has_one_exclusive_holder_or_several_shared_ones() {
    let (_dir, store) = new_store();
    let [a, b, c] = [id(1), id(2), id(3)];
    begin(&store, &a, "c1", &[exclusive("cluster/c1"), shared("host/h1")]).unwrap();
    begin(&store, &b, "c2", &[exclusive("cluster/c2"), shared("host/h1")]).unwrap();

    let both = [exclusive("cluster/c3"), exclusive("host/h1")];
    let error = begin(&store, &c, "c3", &both).unwrap_err();
    let StoreError::Locked { resource, operation, since_ms } = error else { panic!("{error}") };
    assert_eq!((resource.as_str(), operation, since_ms), ("host/h1", a.clone(), 1001));
    // Nothing of the refused one is left.
    assert_eq!(store.lock_holders("cluster/c3").unwrap(), []);
    assert_eq!(store.operation(&c).unwrap(), None);
    let taken = begin(&store, &c, "c1", &[shared("cluster/c1")]).unwrap_err();
    assert!(matches!(taken, StoreError::Locked { .. }), "{taken}");

    let release = Changes { release_locks: true, ..Changes::default() };
    store.append(&a, &started(2, 1), &release).unwrap();
    assert_eq!(store.lock_holders("cluster/c1").unwrap(), []);
    let left = store.lock_holders("host/h1").unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].operation, b);
    // Released twice is released.
    store.append(&a, &started(3, 1), &release).unwrap();
    store.append(&b, &started(2, 1), &release).unwrap();
    begin(&store, &c, "c3", &both).unwrap();
}

#[test]
fn the_same_lock_twice_in_one_plan_is_one_lock() {
    let (_dir, store) = new_store();
    let twice = [shared("host/h1"), exclusive("host/h1"), shared("host/h1")];
    begin(&store, &id(1), "c", &twice).unwrap();
    assert_eq!(store.lock_holders("host/h1").unwrap().len(), 1);
    assert!(begin(&store, &id(2), "c", &[shared("host/h1")]).is_err());
}

#[test]
fn a_plan_for_another_version_of_the_spec_does_not_begin() {
    let (_dir, store) = new_store();
    let operation = id(1);
    begin(&store, &operation, "c", &[]).unwrap();
    let put = |sequence, version| {
        store.append(
            &operation,
            &started(sequence, 1),
            &Changes { put_spec: Some(&spec("c", version)), ..Changes::default() },
        )
    };
    put(2, 1).unwrap();
    put(3, 2).unwrap();
    for wrong in [2, 4] {
        assert!(matches!(put(4, wrong).unwrap_err(), StoreError::SpecVersion { found: 2, .. }));
    }
    assert_eq!(sound(&store, &operation).len(), 3);
    for planned in [0, 1, 3] {
        let error = store.begin(Begin {
            operation: &id(2),
            accepted: &accepted("c", 1),
            cluster: "c",
            spec_version: planned,
            locks: &[],
        });
        assert!(matches!(error, Err(StoreError::SpecVersion { found: 2, .. })));
    }
    assert_eq!(store.spec_version("c", 1).unwrap(), Some(spec("c", 1)));
    assert_eq!(store.spec("c").unwrap(), Some(spec("c", 2)));
    assert_eq!(store.spec_version("c", 3).unwrap(), None);
}

#[test]
fn a_cluster_that_is_removed_leaves_nothing_but_its_operations() {
    let (_dir, store) = new_store();
    let operation = id(1);
    begin(&store, &operation, "c", &[]).unwrap();
    for version in 1..=3 {
        let put = Changes { put_spec: Some(&spec("c", version)), ..Changes::default() };
        store.append(&operation, &started(version + 1, 1), &put).unwrap();
    }
    store.put_observation("c", b"seen").unwrap();
    store.put_observation("c2", b"other").unwrap();
    assert_eq!(store.clusters().unwrap(), [spec("c", 3)]);
    let remove = Changes { remove_cluster: Some("c"), ..Changes::default() };
    store.append(&operation, &started(5, 1), &remove).unwrap();
    assert_eq!(store.spec("c").unwrap(), None);
    assert_eq!(store.spec_version("c", 2).unwrap(), None);
    assert_eq!(store.clusters().unwrap(), []);
    assert_eq!(store.observation("c").unwrap(), None);
    assert_eq!(store.observation("c2").unwrap().as_deref(), Some(&b"other"[..]));
    assert_eq!(sound(&store, &operation).len(), 5);
}

#[test]
fn operations_are_listed_newest_first() {
    let (_dir, store) = new_store();
    for number in 1..=6 {
        let cluster = if number % 2 == 0 { "even" } else { "odd" };
        begin(&store, &id(number), cluster, &[]).unwrap();
    }
    append(&store, &id(2), &event(2, Kind::Closed(Closed::default()))).unwrap();
    let ids = |filter, limit| -> Vec<String> {
        let found = store.operations(filter, limit).unwrap();
        found.into_iter().map(|found| found.operation).collect()
    };
    let all = OperationFilter::default();
    assert_eq!(ids(all, 2), [id(6), id(5)]);
    assert_eq!(ids(all, 50).len(), 6);
    let even = OperationFilter { cluster: Some("even"), ..all };
    assert_eq!(ids(even, 50), [id(6), id(4), id(2)]);
    let open = OperationFilter { unfinished: true, ..even };
    assert_eq!(ids(open, 50), [id(6), id(4)]);
    assert_eq!(store.unfinished().unwrap().len(), 5);
}

#[test]
fn the_summary_follows_the_events() {
    let (_dir, store) = new_store();
    let operation = id(1);
    begin(&store, &operation, "c", &[]).unwrap();
    let now = || store.operation(&operation).unwrap().unwrap();
    let first = now();
    assert_eq!((first.kind.as_str(), first.steps, first.started_at_ms), ("shrink", 3, 1001));
    assert_eq!((first.state.as_str(), first.principal.as_str()), ("running", "root (unix socket)"));

    let held = Held { cause: HoldCause::Stalled.into(), ..Held::default() };
    let undo =
        UndoStarted { target: Outcome::Undone.into(), from_step: 2, ..UndoStarted::default() };
    let rested = Rested { outcome: Outcome::Undone.into(), ..Rested::default() };
    let story = [
        (started(2, 2).kind.unwrap(), "running", 2, HoldCause::Unspecified),
        (Kind::Held(held.clone()), "held", 2, HoldCause::Stalled),
        (Kind::Resumed(Resumed::default()), "running", 2, HoldCause::Unspecified),
        (Kind::UndoStarted(undo), "undoing", 2, HoldCause::Unspecified),
        (Kind::Held(held), "held", 2, HoldCause::Stalled),
        (started(7, 1).kind.unwrap(), "undoing", 1, HoldCause::Unspecified),
        (Kind::Rested(rested), "undone", 1, HoldCause::Unspecified),
        (Kind::Closed(Closed::default()), "undone", 1, HoldCause::Unspecified),
    ];
    for (sequence, (kind, state, step, cause)) in (2..).zip(story) {
        append(&store, &operation, &event(sequence, kind)).unwrap();
        let now = now();
        assert_eq!((now.state.as_str(), now.step, now.hold_cause()), (state, step, cause));
        assert_eq!(now.step_title, format!("step {step}"));
    }
    assert_eq!((now().ended_at_ms, now().outcome()), (1008, Outcome::Undone));
    assert_eq!(store.unfinished().unwrap(), Vec::<String>::new());
}
