//! A full disk under the store: it stops at once, and after space is made all that was
//! acknowledged is there. The child is this test program again, with a limit on the size of
//! its files: with SIGXFSZ ignored, `RLIMIT_FSIZE` fails writes (EFBIG) where a full disk does
//! (ENOSPC), and needs no root.

use std::path::PathBuf;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;

const DIRECTORY: &str = "BELLOWS_TEST_FULL_DIRECTORY";

/// The child. In a usual run of the tests it does nothing.
#[test]
fn child_that_writes_until_the_disk_is_full() {
    let Some(path) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let store = Store::open(&PathBuf::from(path)).unwrap();
    begin(&store, &id(1), "c", &[]).unwrap();
    let limit = Rlimit { current: Some(1 << 20), ..getrlimit(Resource::Fsize) };
    setrlimit(Resource::Fsize, limit).unwrap();
    for sequence in 2..10_000 {
        if let Err(error) = append(&store, &id(1), &large(sequence, 20_000)) {
            assert!(error.is_fatal(), "{error}");
            assert!(append(&store, &id(1), &started(sequence, 1)).is_err());
            println!("\nfull");
            return;
        }
        println!("\nacknowledged {sequence}");
    }
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the test starts itself; there is no exec in the coordinator"
)]
fn a_full_disk_ends_the_store_and_loses_nothing() {
    let (dir, store) = new_store();
    let path = dir.path().join("store");
    drop(store);
    // What a shell ignores stays ignored: else the signal kills before the write can fail.
    let output = std::process::Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; exec "$0" "$@""#])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("store::tests::full::child_that_writes_until_the_disk_is_full")
        .env(DIRECTORY, &path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let acknowledged: u64 = text
        .lines()
        .filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok())
        .max()
        .unwrap_or(1);
    assert!(text.contains("\nfull\n"), "no append failed after {acknowledged}: {text}");
    let store = patiently(|| Store::open(&path));
    let events = sound(&store, &id(1));
    // The one that failed was not acknowledged: it is there wholly or not at all.
    let possible = acknowledged..=acknowledged + 1;
    assert!(possible.contains(&(events.len() as u64)), "{} of {acknowledged}", events.len());
    for (sequence, event) in (2..).zip(&events[1..]) {
        assert_eq!(*event, large(sequence, 20_000));
    }
    assert_eq!(store.doubt(), None);
    append(&store, &id(1), &started(events.len() as u64 + 1, 1)).unwrap();
}
