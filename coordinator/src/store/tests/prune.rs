//! Pruning by age.

use super::*;

/// Later than all ids of the tests.
const LATER_MS: i64 = 1_900_000_000_000;

fn rested(sequence: u64) -> Event {
    let rested = Rested { outcome: Outcome::Done.into(), ..Rested::default() };
    event(sequence, Kind::Rested(rested))
}

#[test]
fn old_closed_operations_lose_their_events_and_keep_their_entry() {
    let (dir, store) = new_store();
    for number in [1, 2, 3] {
        begin(&store, &id(number), "c", &[]).unwrap();
        append(&store, &id(number), &large(2, 9000)).unwrap();
        append(&store, &id(number), &rested(3)).unwrap();
    }
    // The third rests and is not closed; a fourth is under way.
    for number in [1, 2] {
        append(&store, &id(number), &event(4, Kind::Closed(Closed::default()))).unwrap();
    }
    begin(&store, &id(4), "c", &[]).unwrap();

    assert_eq!(store.prune(1, 10, false).unwrap(), Pruned::default());
    let all = Pruned { operations: 2, events: 8, more: false };
    assert_eq!(store.prune(LATER_MS, 10, true).unwrap(), all);
    assert_eq!(sound(&store, &id(1)).len(), 4);
    let first = Pruned { operations: 1, events: 4, more: true };
    assert_eq!(store.prune(LATER_MS, 1, false).unwrap(), first);
    assert_eq!(store.prune(LATER_MS, 1, false).unwrap(), Pruned { more: false, ..first });
    assert_eq!(store.prune(LATER_MS, 10, false).unwrap(), Pruned::default());

    let store = reopen(&dir, store);
    assert_eq!(store.doubt(), None);
    assert_eq!(store.operation_faults().unwrap(), Vec::<String>::new());
    let gone = Events { events: vec![], damage: None, after: vec![], last: 4, pruned: true };
    assert_eq!(store.events(&id(1)).unwrap(), gone);
    assert_eq!(store.operation(&id(1)).unwrap().unwrap().state, "done");
    assert_eq!(store.operations(OperationFilter::default(), 10).unwrap().len(), 4);
    assert_eq!((sound(&store, &id(3)).len(), sound(&store, &id(4)).len()), (3, 1));
    // An id is used once.
    assert!(matches!(begin(&store, &id(1), "c", &[]), Err(StoreError::Begin { .. })));
    assert!(append(&store, &id(1), &started(4, 1)).is_err());
}

#[test]
fn a_walk_goes_in_small_parts_and_ends() {
    let (_dir, store) = new_store();
    for number in 1..=5 {
        begin(&store, &id(number), "c", &[]).unwrap();
        if number != 3 {
            append(&store, &id(number), &rested(2)).unwrap();
            append(&store, &id(number), &event(3, Kind::Closed(Closed::default()))).unwrap();
        }
    }
    let mut walk = Pruning::before(LATER_MS);
    let mut parts = Vec::new();
    while walk.pruned.more {
        store.prune_part(&mut walk).unwrap();
        parts.push(walk.pruned.operations);
    }
    assert_eq!(parts, [1, 2, 3, 4]);
    assert_eq!(walk.pruned, Pruned { operations: 4, events: 12, more: false });
    assert_eq!(sound(&store, &id(3)).len(), 1, "it is open");
    let mut again = Pruning::before(LATER_MS);
    store.prune_part(&mut again).unwrap();
    assert_eq!(again.pruned, Pruned::default());
}
