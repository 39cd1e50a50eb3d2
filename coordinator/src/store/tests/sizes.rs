//! Long values: split, whole again, and never in sled's unsynced `blobs/`.

use std::{fs, path::Path};

use super::*;

fn blobs(dir: &TempDir) -> usize {
    let blobs = files::sled_dir(&dir.path().join("store")).join("blobs");
    fs::read_dir(blobs).map_or(0, Iterator::count)
}

fn raw(store: &Path) -> sled::Db {
    patiently(|| sled::open(files::sled_dir(store)))
}

#[test]
fn a_value_is_split_exactly_where_it_must_be() {
    let (dir, store) = new_store();
    for bytes in [0, 1, 4095, 4096, 4097, 8192, 70_000] {
        store.put_observation("c", &vec![7; bytes]).unwrap();
        assert_eq!(store.observation("c").unwrap(), Some(vec![7; bytes]));
        let keys = store.inventory.iter().count();
        assert_eq!(keys, bytes.div_ceil(4096).max(1), "{bytes}");
    }
    // A shorter one leaves nothing of the longer.
    store.put_observation("c", b"short").unwrap();
    assert_eq!(store.inventory.iter().count(), 1);
    assert_eq!(blobs(&dir), 0);
}

#[test]
fn a_value_beyond_the_limit_is_refused_and_changes_nothing() {
    let (_dir, store) = new_store();
    begin(&store, &id(1), "c", &[]).unwrap();
    let error = append(&store, &id(1), &large(2, MAX_VALUE_BYTES)).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
    assert!(!error.is_fatal());
    append(&store, &id(1), &started(2, 1)).unwrap();
}

/// sled writes a page anew, with all its values, when it was changed often: the pages, not
/// only the values, must stay short enough for its log.
#[test]
fn no_value_ever_lands_in_the_blobs() {
    let (dir, store) = new_store();
    let sizes = [100, 300_000, 4_000, 65_536, 65_537, 5_000, 1_000_000];
    for number in 1..=12 {
        begin(&store, &id(number), "c", &[]).unwrap();
        for (sequence, bytes) in (2..).zip(sizes) {
            append(&store, &id(number), &large(sequence, bytes)).unwrap();
            assert_eq!(blobs(&dir), 0, "operation {number}, event {sequence}");
        }
        store.put_observation("c", &vec![1; 200_000]).unwrap();
    }
    let many: Vec<_> = (0..500).map(|n| shared(&format!("host/h{n}"))).collect();
    for number in 20..60 {
        begin(&store, &id(number), "c", &many).unwrap();
        append(&store, &id(number), &started(2, 1)).unwrap();
    }
    assert_eq!(blobs(&dir), 0);
    let store = reopen(&dir, store);
    assert_eq!(blobs(&dir), 0);
    for number in 1..=12 {
        let events = sound(&store, &id(number));
        assert_eq!(events[2], large(3, 300_000));
        assert_eq!(events.len(), sizes.len() + 1);
    }
}

/// Why pieces are as short as they are: if this test fails, sled has changed.
#[test]
fn sled_puts_pages_of_long_values_into_files_that_nobody_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let db = raw(dir.path());
    for number in 0..200_u32 {
        db.insert(number.to_be_bytes(), vec![1; 60_000]).unwrap();
    }
    db.flush().unwrap();
    let blobs = files::sled_dir(dir.path()).join("blobs");
    assert!(fs::read_dir(blobs).unwrap().count() > 0);
}
