//! A store that was changed behind our back: seen, told, and repaired only where it is safe.

use std::{
    fs,
    io::Write,
    sync::{Arc, Mutex},
};

use super::*;

/// Three events under `id(1)`, then `work` on the raw trees, then what is read.
fn tampered(work: impl FnOnce(&Tree)) -> Result<Events, StoreError> {
    let (dir, store) = new_store();
    begin(&store, &id(1), "c", &[]).unwrap();
    append(&store, &id(1), &started(2, 1)).unwrap();
    append(&store, &id(1), &large(3, 9000)).unwrap();
    append(&store, &id(1), &started(4, 2)).unwrap();
    drop(store);
    let path = dir.path().join("store");
    let db = patiently(|| sled::open(files::sled_dir(&path)));
    work(&db.open_tree("events").unwrap());
    db.flush().unwrap();
    drop(db);
    patiently(|| Store::open(&path)).events(&id(1))
}

fn place(sequence: u64) -> Vec<u8> {
    keys::event(&keys::operation(&id(1)).unwrap(), sequence)
}

fn flip(tree: &Tree, key: &[u8], at: usize) {
    let mut value = tree.get(key).unwrap().unwrap().to_vec();
    value[at] ^= 1;
    tree.insert(key, value).unwrap();
}

/// The damage, with how many events can still be trusted.
fn damage(work: impl FnOnce(&Tree)) -> (usize, String) {
    let read = tampered(work).unwrap();
    (read.events.len(), read.damage.unwrap_or_default())
}

#[test]
fn an_untouched_record_is_sound() {
    let (events, damage) = damage(|_| {});
    assert_eq!((events, damage.as_str()), (4, ""));
}

#[test]
fn a_changed_event_is_seen() {
    // The last byte of event 1 is within its plan, that of event 4 its step.
    let last = |tree: &Tree, key: &[u8]| tree.get(key).unwrap().unwrap().len() - 1;
    let (events, text) = damage(|tree| flip(tree, &place(2), last(tree, &place(2))));
    assert!(events <= 2 && text.starts_with("event 3 does not follow"), "{text}");
    let (events, text) = damage(|tree| flip(tree, &place(4), last(tree, &place(4))));
    assert_eq!((events, text.as_str()), (3, "event 4 is not what was written"));
    let piece = [place(3), vec![0, 1]].concat();
    let (_, text) = damage(|tree| flip(tree, &piece, 100));
    assert!(text.starts_with("event 4 does not follow"), "{text}");
}

#[test]
fn a_missing_event_or_piece_is_seen() {
    let (events, text) = damage(|tree| drop(tree.remove(place(2)).unwrap()));
    assert_eq!((events, text.as_str()), (1, "event 2 is missing"));
    let (events, text) = damage(|tree| drop(tree.remove(place(4)).unwrap()));
    assert_eq!((events, text.as_str()), (3, "event 4 is missing"));
    let piece = [place(3), vec![0, 2]].concat();
    let (events, text) = damage(|tree| drop(tree.remove(piece).unwrap()));
    assert_eq!((events, text.as_str()), (2, "event 3 is damaged: a piece of it is missing"));
}

#[test]
fn a_moved_or_added_event_is_seen() {
    let (_, text) = damage(|tree| {
        let two = tree.get(place(2)).unwrap().unwrap();
        let four = tree.insert(place(4), two).unwrap().unwrap();
        tree.insert(place(2), four).unwrap();
    });
    assert!(text.starts_with("event 2 does not follow"), "{text}");
    let (events, text) = damage(|tree| {
        let four = tree.get(place(4)).unwrap().unwrap();
        tree.insert(place(5), four).unwrap();
    });
    assert_eq!((events, text.as_str()), (4, "event 4 is the last, and more follow"));
}

#[test]
fn an_event_of_another_operation_does_not_fit() {
    let (_dir, store) = new_store();
    begin(&store, &id(1), "c", &[]).unwrap();
    begin(&store, &id(2), "c", &[]).unwrap();
    let other = keys::event(&keys::operation(&id(2)).unwrap(), 1);
    let stolen = store.events.get(other).unwrap().unwrap();
    store.events.insert(place(1), stolen).unwrap();
    let read = store.events(&id(1)).unwrap();
    assert!(read.events.is_empty() && read.damage.is_some());
}

#[test]
fn an_unknown_format_is_refused_clearly() {
    let error = tampered(|tree| {
        let mut value = tree.get(place(2)).unwrap().unwrap().to_vec();
        value[0] = 2;
        tree.insert(place(2), value).unwrap();
    })
    .unwrap_err();
    let StoreError::Format { what, found: 2 } = &error else { panic!("{error}") };
    assert_eq!(what, "event 2");
    assert!(error.to_string().contains("newer bellows"), "{error}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_damaged_snapshot_is_moved_aside_and_nothing_is_lost() {
    for garbage in [&b""[..], b"garbage that is longer than a header would be"] {
        let (dir, store) = new_store();
        begin(&store, &id(1), "c", &[]).unwrap();
        append(&store, &id(1), &large(2, 300_000)).unwrap();
        drop(store);
        let path = dir.path().join("store");
        let sled_dir = files::sled_dir(&path);
        for entry in fs::read_dir(&sled_dir).unwrap() {
            let entry = entry.unwrap().path();
            if entry.to_string_lossy().contains("snap.") {
                fs::remove_file(entry).unwrap();
            }
        }
        fs::write(sled_dir.join("snap.00000000000000FF"), garbage).unwrap();

        let log = Log::default();
        let writer = log.clone();
        let logged = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let store = tracing::subscriber::with_default(logged, || patiently(|| Store::open(&path)));
        assert_eq!(sound(&store, &id(1)).len(), 2);
        let aside = fs::read(path.join("aside/snap.00000000000000FF.0")).unwrap();
        assert_eq!(aside, garbage);
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("ERROR") && text.contains("moved aside"), "{text}");
    }
}

#[test]
fn a_log_that_is_just_being_let_go_is_waited_for() {
    let (dir, store) = new_store();
    let path = dir.path().join("store");
    drop(store);
    let held = File::open(files::log_path(&path)).unwrap();
    patiently(|| rustix::fs::flock(&held, rustix::fs::FlockOperation::NonBlockingLockExclusive));
    let (_opening, never) = std::sync::mpsc::channel::<()>();
    let letting_go = std::thread::spawn(move || {
        // Longer than sled's one try, far shorter than the store's patience.
        never.recv_timeout(std::time::Duration::from_millis(300)).unwrap_err();
        drop(held);
    });
    Store::open(&path).unwrap();
    letting_go.join().unwrap();
}
