//! Doubt: durable, kept over restarts, ended only by settling it.

use super::*;

#[test]
fn a_doubt_stands_over_restarts_until_it_is_settled() {
    let (dir, store) = new_store();
    assert_eq!(store.doubt(), None);
    store.raise_doubt(DoubtKind::Restored, "from a backup of Monday", 20).unwrap();
    store.raise_doubt(DoubtKind::UnknownJobs, "h1 has run something", 30).unwrap();
    // Told twice, kept once.
    store.raise_doubt(DoubtKind::Restored, "from a backup of Monday", 40).unwrap();
    let store = reopen(&dir, store);
    let doubt = store.doubt().unwrap();
    let kinds: Vec<_> = doubt.reasons.iter().map(DoubtReason::kind).collect();
    assert_eq!(kinds, [DoubtKind::Restored, DoubtKind::UnknownJobs]);
    assert_eq!(doubt.since_ms(), 20);
    assert_eq!(doubt.text(), "from a backup of Monday; h1 has run something");
    // Work goes on meanwhile; it settles nothing.
    begin(&store, &id(1), "c", &[]).unwrap();
    assert_eq!(store.doubt(), Some(doubt.clone()));
    assert_eq!(store.settle_doubt().unwrap(), Some(doubt));
    assert_eq!(store.doubt(), None);
    let store = reopen(&dir, store);
    assert_eq!(store.doubt(), None);
    assert_eq!(store.settle_doubt().unwrap(), None);
}

#[test]
fn reasons_do_not_grow_without_end() {
    let (_dir, store) = new_store();
    for number in 0..100 {
        let text = format!("{number} {}", "x".repeat(5000));
        store.raise_doubt(DoubtKind::Damaged, &text, number).unwrap();
    }
    let doubt = store.doubt().unwrap();
    assert_eq!(doubt.reasons.len(), 32);
    assert!(doubt.reasons.iter().all(|reason| reason.text.len() == 2000));
}
