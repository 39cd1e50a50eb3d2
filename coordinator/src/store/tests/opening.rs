//! What a start finds: a lost tail, a watermark of any state, and things that do not fit
//! together. All are told and become a doubt; none stops the rest.

use std::{fs, os::unix::fs::FileExt as _, path::PathBuf};

use super::*;

/// A store with an open operation of two events, closed again.
fn closed_store() -> (TempDir, PathBuf) {
    let (dir, store) = new_store();
    begin(&store, &id(1), "c", &[exclusive("cluster/c")]).unwrap();
    append(&store, &id(1), &started(2, 1)).unwrap();
    let path = dir.path().join("store");
    (dir, path)
}

fn open(path: &Path) -> Store {
    patiently(|| Store::open(path))
}

fn kinds(store: &Store) -> Vec<DoubtKind> {
    let doubt = store.doubt().unwrap_or_default();
    doubt.reasons.iter().map(DoubtReason::kind).collect()
}

/// Changes the trees behind the store's back.
fn tamper(path: &Path, work: impl FnOnce(&sled::Db)) {
    let db = patiently(|| sled::open(files::sled_dir(path)));
    work(&db);
    db.flush().unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_store_that_was_closed_or_killed_is_in_no_doubt() {
    let (_dir, path) = closed_store();
    for _ in 0..3 {
        let store = open(&path);
        assert_eq!(store.doubt(), None);
        store.set_term(store.term().number + 1).unwrap();
    }
}

#[test]
fn a_lost_tail_is_a_doubt_that_stays() {
    let (dir, path) = closed_store();
    let older = dir.path().join("older");
    copy(&path, &older);
    let store = open(&path);
    append(&store, &id(1), &started(3, 2)).unwrap();
    drop(store);
    // sled as it was before; the watermark knows better.
    patiently(|| sled::open(files::sled_dir(&path)));
    fs::remove_dir_all(files::sled_dir(&path)).unwrap();
    copy(&files::sled_dir(&older), &files::sled_dir(&path));
    for _ in 0..2 {
        let store = open(&path);
        assert_eq!(kinds(&store), [DoubtKind::LostTail]);
        assert!(store.doubt().unwrap().text().contains("the end of the store is lost"));
        assert_eq!(sound(&store, &id(1)).len(), 2);
    }
    open(&path).settle_doubt().unwrap();
    assert_eq!(kinds(&open(&path)), []);
}

#[test]
fn a_log_that_is_cut_or_flipped_is_never_silent() {
    let (dir, path) = closed_store();
    let log = fs::read(files::log_path(&path)).unwrap();
    let used = log.iter().rposition(|byte| *byte != 0).unwrap();
    let mut seen = 0;
    for (number, at) in (0..used).step_by(used / 40).enumerate() {
        for cut in [true, false] {
            let copied = dir.path().join(format!("{number}-{cut}"));
            copy(&path, &copied);
            let db = File::options().write(true).open(files::log_path(&copied)).unwrap();
            if cut {
                db.set_len(at as u64).unwrap();
            } else {
                db.write_all_at(&[log[at] ^ 0x10], at as u64).unwrap();
            }
            let told = match Store::open(&copied) {
                Err(_) => true,
                Ok(store) => {
                    let whole = store
                        .events(&id(1))
                        .is_ok_and(|read| read.damage.is_none() && read.events.len() == 2);
                    whole
                        || store.doubt().is_some()
                        || store.events(&id(1)).is_ok_and(|read| read.damage.is_some())
                }
            };
            assert!(told, "cut {cut} at {at} of {used}");
            seen += 1;
        }
    }
    assert!(seen >= 80);
}

#[test]
fn a_missing_damaged_or_foreign_watermark_is_told() {
    let (dir, path) = closed_store();
    let mark = watermark::path(&path);
    let good = fs::read(&mark).unwrap();

    fs::remove_file(&mark).unwrap();
    assert_eq!(kinds(&open(&path)), [DoubtKind::WatermarkMissing]);

    let (_other_dir, other) = closed_store();
    fs::copy(watermark::path(&other), &mark).unwrap();
    let store = open(&path);
    assert_eq!(kinds(&store), [DoubtKind::WatermarkMissing, DoubtKind::WatermarkForeign]);
    store.settle_doubt().unwrap();
    drop(store);

    let mut both = good.clone();
    both[10] ^= 1;
    both[4096 + 10] ^= 1;
    fs::write(&mark, &both).unwrap();
    assert_eq!(kinds(&open(&path)), [DoubtKind::WatermarkDamaged]);
    open(&path).settle_doubt().unwrap();

    // One of two is enough; an older one is behind, as it may be.
    let mut one = fs::read(&mark).unwrap();
    one[4096 + 10] ^= 1;
    fs::write(&mark, &one).unwrap();
    assert_eq!(kinds(&open(&path)), []);
    fs::write(&mark, &good).unwrap();
    assert_eq!(kinds(&open(&path)), []);
    drop(dir);
}

#[test]
fn what_does_not_fit_together_is_told_and_stops_nothing_else() {
    let (_dir, path) = closed_store();
    let store = open(&path);
    store
        .append(
            &id(1),
            &started(3, 1),
            &Changes { put_spec: Some(&spec("c", 1)), ..Changes::default() },
        )
        .unwrap();
    begin(&store, &id(2), "d", &[]).unwrap();
    drop(store);
    let key = keys::operation(&id(1)).unwrap();
    tamper(&path, |db| {
        let specs = db.open_tree("specs").unwrap();
        specs.remove(keys::spec_version("c", 1)).unwrap();
        db.open_tree("operations").unwrap().remove(key).unwrap();
    });
    let store = open(&path);
    let text = store.doubt().unwrap().text();
    assert!(kinds(&store).iter().all(|kind| *kind == DoubtKind::Damaged), "{text}");
    for part in [
        format!("operation {} is listed as unfinished, and its index entry is lost", id(1)),
        format!("operation {} has events, and its index entry is lost", id(1)),
        "version 1 of the spec of c is missing".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}: {text}");
    }
    // Both are still listed; the other one is sound.
    assert_eq!(store.unfinished().unwrap(), [id(1), id(2)]);
    assert_eq!(sound(&store, &id(2)).len(), 1);
    // Settled once, it does not come back.
    store.settle_doubt().unwrap();
    drop(store);
    assert_eq!(kinds(&open(&path)), []);
}

#[test]
fn a_lock_without_an_operation_is_told() {
    let (_dir, path) = closed_store();
    let holder = LockHolder { operation: id(9), since_ms: 1 };
    let record = records::LockRecord { exclusive: true, holders: vec![holder] };
    let value = [vec![pieces::FORMAT], record.encode_to_vec()].concat();
    tamper(&path, |db| {
        let locks = db.open_tree("locks").unwrap();
        locks.insert(keys::text(keys::LOCK, "cluster/x"), value).unwrap();
    });
    let text = open(&path).doubt().unwrap().text();
    assert_eq!(text, format!("cluster/x is locked by operation {}, which is not under way", id(9)));
}

#[test]
fn a_damaged_operation_is_its_own_matter() {
    let (_dir, path) = closed_store();
    let store = open(&path);
    begin(&store, &id(2), "d", &[]).unwrap();
    drop(store);
    let key = keys::operation(&id(1)).unwrap();
    tamper(&path, |db| {
        let operations = db.open_tree("operations").unwrap();
        operations.insert(key.as_slice(), b"\x01rubbish".as_slice()).unwrap();
    });
    let store = open(&path);
    assert_eq!(kinds(&store), []);
    let journal = crate::journal::StoreJournal::new(std::sync::Arc::new(store));
    let recorded = crate::engine::ports::Journal::unfinished(&journal).unwrap();
    let [one, two] = recorded.as_slice() else { panic!("{recorded:?}") };
    assert!(one.damage.is_some() && one.operation == id(1));
    assert!(two.damage.is_none() && two.events.len() == 1);

    // Nor does it keep the coordinator from starting: the audit log hears of the others.
    let limits = bellows_proto::audit::Limits { segment_bytes: 100_000, keep: 4 };
    let log = crate::audit::AuditLog::open(&path.with_file_name("audit"), limits, || 7).unwrap();
    let log = std::sync::Arc::new(log);
    journal.audited(std::sync::Arc::clone(&log)).catch_up().unwrap();
    assert_eq!(log.open_operations(), [(id(2), 1)].into());
}

#[test]
fn a_store_of_a_version_without_these_is_taken_up() {
    let (_dir, path) = closed_store();
    fs::remove_file(watermark::path(&path)).unwrap();
    tamper(&path, |db| {
        let meta = db.open_tree(META_TREE).unwrap();
        meta.remove(keys::COMMIT).unwrap();
        meta.remove(keys::open(&keys::operation(&id(1)).unwrap())).unwrap();
        let (store_id, site_id) = ("s".into(), "t".into());
        let old = StoreRecord { store_id, site_id, term: 3, ..StoreRecord::default() };
        meta.insert(keys::META, [vec![pieces::FORMAT], old.encode_to_vec()].concat()).unwrap();
    });
    let store = open(&path);
    assert_eq!((store.doubt(), store.term().number), (None, 3));
    assert_eq!(store.unfinished().unwrap(), [id(1)]);
    drop(store);
    assert_eq!(open(&path).doubt(), None);
}
