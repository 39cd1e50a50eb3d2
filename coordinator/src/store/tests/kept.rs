//! Opening, the lock against a second process, failures, hosts, tokens, observations.

use std::fs;

use super::*;

fn host(name: &str) -> HostRecord {
    HostRecord {
        host: name.to_owned(),
        address: format!("{name}:7430"),
        key_fingerprint: vec![7; 32],
        ..HostRecord::default()
    }
}

fn token(name: &str) -> TokenRecord {
    TokenRecord {
        host: name.to_owned(),
        secret_hash: vec![1; 32],
        expires_at_ms: 99,
        ..TokenRecord::default()
    }
}

#[test]
fn a_store_is_made_once_and_opened_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/store");
    let absent = Store::open(&path).unwrap_err();
    assert!(matches!(absent, StoreError::Absent(_)), "{absent}");
    let store = Store::create(&path, "s").unwrap();
    for second in [Store::open(&path), Store::create(&path, "s")] {
        let error = second.unwrap_err();
        assert!(matches!(error, StoreError::InUse(_)), "{error}");
        assert!(error.to_string().contains("another bellows serve"));
    }
    drop(store);
    patiently(|| match Store::create(&path, "s") {
        Err(StoreError::Exists(_)) => Ok(()),
        other => Err(other.map(|_| "made a second one")),
    });
    patiently(|| Store::open(&path));
}

#[test]
fn only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let (dir, _store) = new_store();
    let mode = fs::metadata(dir.path().join("store")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_store_that_lost_its_beginning_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    drop(patiently(|| sled::open(files::sled_dir(&path))));
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Emptied(_)), "{error}");
    // Nothing was written into it.
    let db = patiently(|| sled::open(files::sled_dir(&path)));
    assert_eq!(db.tree_names().len(), 1);
}

#[test]
fn after_a_failed_sync_nothing_is_done_or_told_any_more() {
    let (_dir, mut store) = new_store();
    begin(&store, &id(1), "c", &[]).unwrap();
    // A file that cannot be synced.
    store.log = File::open("/dev/null").unwrap();
    let failed = append(&store, &id(1), &started(2, 1)).unwrap_err();
    assert!(matches!(failed, StoreError::Io { doing: "sync", .. }), "{failed}");
    assert!(failed.is_fatal());
    for error in [
        append(&store, &id(1), &started(2, 1)).unwrap_err(),
        store.events(&id(1)).unwrap_err(),
        store.hosts().unwrap_err(),
        store.set_term(2).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Failed(_)), "{error}");
        assert!(error.is_fatal());
    }
}

#[test]
fn a_refusal_is_no_failure() {
    let (_dir, store) = new_store();
    begin(&store, &id(1), "c", &[]).unwrap();
    let refused = append(&store, &id(1), &started(5, 1)).unwrap_err();
    assert!(!refused.is_fatal());
    append(&store, &id(1), &started(2, 1)).unwrap();
}

#[test]
fn hosts_are_kept() {
    let (dir, store) = new_store();
    store.put_host(&host("h2")).unwrap();
    store.put_host(&host("h10")).unwrap();
    store.note_seen("h2", 5, "0.1.0").unwrap();
    store.note_seen("stranger", 5, "0.1.0").unwrap();
    let store = reopen(&dir, store);
    let names: Vec<_> = store.hosts().unwrap().into_iter().map(|h| h.host).collect();
    assert_eq!(names, ["h10", "h2"]);
    let seen = store.host("h2").unwrap().unwrap();
    assert_eq!((seen.last_seen_at_ms, seen.agent_version.as_str()), (5, "0.1.0"));
    assert_eq!(store.host("stranger").unwrap(), None);
}

#[test]
fn a_token_is_taken_once_with_its_host() {
    let (dir, store) = new_store();
    store.put_token(&token("h1")).unwrap();
    let known = store.token("h1").unwrap().unwrap();
    assert!(store.take_token(&known, 5, &host("h1")).unwrap());
    // By what was read before, by what is read now, and after a restart.
    assert!(!store.take_token(&known, 6, &host("h1")).unwrap());
    let store = reopen(&dir, store);
    let used = store.token("h1").unwrap().unwrap();
    assert_eq!(used.used_at_ms, 5);
    assert!(!store.take_token(&used, 6, &host("h1")).unwrap());
    assert_eq!(store.host("h1").unwrap(), Some(host("h1")));
}

#[test]
fn a_token_that_was_replaced_meanwhile_lets_nobody_in() {
    let (_dir, store) = new_store();
    store.put_token(&token("h1")).unwrap();
    let newer = TokenRecord { secret_hash: vec![2; 32], ..token("h1") };
    store.put_token(&newer).unwrap();
    assert!(!store.take_token(&token("h1"), 5, &host("h1")).unwrap());
    assert_eq!(store.host("h1").unwrap(), None);
    assert!(store.take_token(&newer, 5, &host("h1")).unwrap());
}

#[test]
fn of_many_at_once_one_gets_the_token() {
    let (_dir, store) = new_store();
    store.put_token(&token("h1")).unwrap();
    let known = store.token("h1").unwrap().unwrap();
    let taken: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| store.take_token(&known, 5, &host("h1")).unwrap()))
            .collect();
        tries.into_iter().filter_map(|one| one.join().unwrap().then_some(())).count()
    });
    assert_eq!(taken, 1);
}
