//! Backup, restore, check.

use std::{collections::BTreeMap, fs, path::PathBuf};

use super::*;

type Contents = BTreeMap<(String, Vec<u8>), Vec<u8>>;

/// All that is stored, but for what belongs to the store itself.
fn contents(store: &Store) -> Contents {
    let mut all = Contents::new();
    for name in ["events", "operations", "locks", "specs", "inventory", META_TREE] {
        for item in store.tree(name).unwrap() {
            let (key, value) = item.unwrap();
            let own = [keys::META, keys::COMMIT, keys::DOUBT].contains(&key.as_ref());
            if !(name == META_TREE && own) {
                all.insert((name.to_owned(), key.to_vec()), value.to_vec());
            }
        }
    }
    all
}

fn filled() -> (TempDir, Store) {
    let (dir, store) = new_store();
    store.set_term(7).unwrap();
    store.put_host(&HostRecord { host: "h1".into(), ..HostRecord::default() }).unwrap();
    begin(&store, &id(1), "c", &[exclusive("cluster/c")]).unwrap();
    let first = spec("c", 1);
    let changes = Changes { put_spec: Some(&first), ..Changes::default() };
    store.append(&id(1), &started(2, 1), &changes).unwrap();
    append(&store, &id(1), &large(3, 300_000)).unwrap();
    begin(&store, &id(2), "d", &[shared("host/h1")]).unwrap();
    let changes = Changes { release_locks: true, ..Changes::default() };
    store.append(&id(2), &event(2, Kind::Closed(Closed::default())), &changes).unwrap();
    (dir, store)
}

fn backup(store: &Store) -> Vec<u8> {
    let mut backup = store.backup().unwrap();
    let mut bytes = Vec::new();
    while let Some(part) = backup.next_part(store).unwrap() {
        bytes.extend(part);
    }
    bytes
}

fn restored(dir: &TempDir, bytes: &[u8]) -> (PathBuf, Result<Restored, StoreError>) {
    let file = dir.path().join("backup");
    fs::write(&file, bytes).unwrap();
    let path = dir.path().join("new");
    let result = restore(&path, &file, "site-1");
    (path, result)
}

#[test]
fn what_is_restored_is_all_that_was_there_under_another_id_and_in_doubt() {
    let (dir, store) = filled();
    let (path, result) = restored(&dir, &backup(&store));
    let told = result.unwrap();
    assert_eq!((told.site_id.as_str(), &told.from_store), ("site-1", &store.term().store_id));
    let new = patiently(|| Store::open(&path));
    assert_eq!(contents(&new), contents(&store));
    assert_eq!((new.site_id(), new.term().number), (store.site_id(), 7));
    assert_ne!(new.term().store_id, store.term().store_id);
    let doubt = new.doubt().unwrap();
    let kinds: Vec<_> = doubt.reasons.iter().map(DoubtReason::kind).collect();
    assert_eq!(kinds, [DoubtKind::Restored]);
    assert_eq!(sound(&new, &id(1)).len(), 3);
    assert_eq!(new.unfinished().unwrap(), [id(1)]);
    assert_eq!(backup_entries(&backup(&new)), backup_entries(&backup(&store)) + 1);
}

fn backup_entries(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

#[test]
fn a_backup_of_a_running_store_is_of_one_moment() {
    let (dir, store) = filled();
    let before = contents(&store);
    let mut running = store.backup().unwrap();
    append(&store, &id(1), &started(4, 2)).unwrap();
    begin(&store, &id(3), "e", &[]).unwrap();
    let mut bytes = Vec::new();
    while let Some(part) = running.next_part(&store).unwrap() {
        bytes.extend(part);
    }
    let (path, result) = restored(&dir, &bytes);
    result.unwrap();
    assert_eq!(contents(&patiently(|| Store::open(&path))), before);
}

#[test]
fn a_backup_that_is_cut_or_changed_is_refused_and_nothing_is_left() {
    let (dir, store) = filled();
    let good = backup(&store);
    let refused = |bytes: &[u8], what: &str| {
        let (path, result) = restored(&dir, bytes);
        let error = result.expect_err(what);
        assert!(matches!(error, StoreError::Backup { .. }), "{what}: {error}");
        assert!(!path.exists() && !path.with_file_name("new.restoring").exists(), "{what}");
    };
    let step = good.len() / 60;
    for at in (0..good.len()).step_by(step) {
        refused(&good[..at], &format!("cut at {at}"));
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        refused(&flipped, &format!("flipped at {at}"));
    }
    let mut longer = good.clone();
    longer.extend(b"{}\n");
    refused(&longer, "longer");
    let file = dir.path().join("backup");
    fs::write(&file, &good).unwrap();
    let error = restore(&dir.path().join("new"), &file, "another").unwrap_err();
    assert!(error.to_string().contains("it is of site site-1"), "{error}");
    let error = restore(&dir.path().join("store"), &file, "site-1").unwrap_err();
    assert!(matches!(error, StoreError::Exists(_)), "{error}");
}

#[test]
fn check_says_all_at_once_and_touches_nothing() {
    let (dir, store) = filled();
    let path = dir.path().join("store");
    assert!(matches!(check(&path, None).unwrap_err(), StoreError::InUse(_)));
    drop(store);
    let report = patiently(|| check(&path, None));
    assert_eq!((report.operations, report.unfinished), (2, 1));
    assert_eq!((report.faults, report.doubt), (vec![], None));

    let db = patiently(|| sled::open(files::sled_dir(&path)));
    let events = db.open_tree("events").unwrap();
    for number in [1, 2] {
        let key = keys::event(&keys::operation(&id(number)).unwrap(), 2);
        events.remove(key).unwrap();
    }
    db.open_tree("specs").unwrap().remove(keys::spec_version("c", 1)).unwrap();
    db.flush().unwrap();
    drop((events, db));
    fs::remove_file(path.join("watermark")).unwrap();
    drop(patiently(|| Store::open(&path)));
    let report = patiently(|| check(&path, None));
    let text = report.faults.join("\n");
    for part in ["event 2 is missing", "version 1 of the spec of c is missing"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(report.faults.len(), 3, "{text}");
    let doubt = report.doubt.unwrap();
    assert!(doubt.text().contains("watermark"), "{doubt:?}");
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["store"], "the copy is gone");
}
