use super::*;
use crate::store::{HostRecord, Recovered, RecoveredOperation};

fn host(name: &str) -> HostRecord {
    HostRecord { host: name.to_owned(), address: format!("{name}:1"), ..HostRecord::default() }
}

fn held() -> Event {
    let held = Held { cause: HoldCause::Decision.into(), step: 2, ..Held::default() };
    event(2, Kind::Held(held))
}

fn operation(number: u64, locks: &[Lock]) -> RecoveredOperation {
    let events = vec![accepted("orders", 3), held()];
    RecoveredOperation { operation: id(number), events, locks: locks.to_vec() }
}

fn recovered(operations: Vec<RecoveredOperation>) -> Recovered {
    Recovered {
        hosts: vec![host("h1"), host("h2")],
        specs: vec![spec("orders", 7)],
        operations,
        doubt: "from h1 and h2".to_owned(),
    }
}

#[test]
fn all_of_it_is_there_and_stands_in_doubt() {
    let (dir, store) = new_store();
    assert_eq!(store.content().unwrap(), None);
    store.recover(&recovered(vec![operation(1, &[exclusive("cluster/orders")])])).unwrap();
    let store = reopen(&dir, store);
    let doubt = store.doubt().unwrap();
    assert_eq!(doubt.reasons.len(), 1, "{doubt:?}");
    assert_eq!(doubt.reasons[0].kind(), DoubtKind::FromAgents);
    assert_eq!(store.hosts().unwrap(), [host("h1"), host("h2")]);
    assert_eq!(store.clusters().unwrap(), [spec("orders", 7)]);
    assert_eq!(store.spec_version("orders", 6).unwrap(), None);
    assert_eq!(store.unfinished().unwrap(), [id(1)]);
    assert_eq!(sound(&store, &id(1)), [accepted("orders", 3), held()]);
    assert_eq!(store.operation(&id(1)).unwrap().unwrap().state, "held");
    assert_eq!(store.lock_holders("cluster/orders").unwrap()[0].operation, id(1));
    assert_eq!(store.operation_faults().unwrap(), Vec::<String>::new());
    let content = store.content().unwrap().unwrap();
    assert_eq!(content, "2 hosts, 1 clusters and 1 operations");

    // Its life goes on: the locks are given back, and the spec gets its next version.
    let rested = Rested { outcome: Outcome::Abandoned.into(), ..Rested::default() };
    let changes = Changes { release_locks: true, ..Changes::default() };
    store.append(&id(1), &event(3, Kind::Rested(rested)), &changes).unwrap();
    begin(&store, &id(2), "orders", &[exclusive("cluster/orders")]).unwrap();
    let next = spec("orders", 8);
    let changes = Changes { put_spec: Some(&next), ..Changes::default() };
    store.append(&id(2), &started(2, 1), &changes).unwrap();
    let store = reopen(&dir, store);
    assert_eq!(store.doubt().unwrap().reasons.len(), 1);
    let changes = Changes { remove_cluster: Some("orders"), ..Changes::default() };
    store.append(&id(2), &started(3, 2), &changes).unwrap();
    assert_eq!(store.spec_version("orders", 7).unwrap(), None);
}

#[test]
fn it_is_all_or_nothing() {
    let (_dir, store) = new_store();
    let both = [exclusive("host/h1")];
    let twice = recovered(vec![operation(1, &both), operation(2, &both)]);
    assert!(matches!(store.recover(&twice), Err(StoreError::Locked { .. })));
    let mut named = operation(1, &both);
    named.operation = "no-id".to_owned();
    let unnamed = store.recover(&recovered(vec![named]));
    assert!(matches!(unnamed, Err(StoreError::OperationId(_))));
    assert_eq!(store.content().unwrap(), None);
    assert_eq!(store.doubt(), None);
    store.put_host(&host("h9")).unwrap();
    let full = store.recover(&recovered(vec![]));
    assert!(matches!(full, Err(StoreError::Occupied { .. })), "{full:?}");
    assert_eq!(store.hosts().unwrap(), [host("h9")]);
}
