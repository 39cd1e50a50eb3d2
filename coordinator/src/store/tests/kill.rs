//! A real process that is killed by SIGKILL while it writes: nothing that it was told to be
//! durable is lost, and every record is whole.
//!
//! The child is this test program, started again with one test and an environment variable.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, ChildStdout, Stdio},
};

use super::*;

const DIRECTORY: &str = "BELLOWS_TEST_KILL_DIRECTORY";
const ROUNDS: u64 = 12;
const EVENTS: u64 = 6;

/// As long as its number says, so that some are split.
fn nth(sequence: u64) -> Event {
    large(sequence, usize::try_from(sequence % 4).unwrap() * 9000)
}

/// The child: writes until it is killed, and says what is durable. In a usual run of the
/// tests it does nothing.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let store = Store::open(&PathBuf::from(path)).unwrap();
    let mut number = store.operations(OperationFilter::default(), 10_000).unwrap().len() as u64;
    loop {
        number += 1;
        let operation = id(number);
        begin(&store, &operation, "c", &[shared("host/h1")]).unwrap();
        println!("\nacknowledged {operation} 1");
        for sequence in 2..=EVENTS {
            let changes = Changes { release_locks: sequence == EVENTS, ..Changes::default() };
            store.append(&operation, &nth(sequence), &changes).unwrap();
            println!("\nacknowledged {operation} {sequence}");
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the test starts itself; there is no exec in the coordinator"
)]
fn spawn(path: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("store::tests::kill::child_that_writes_until_it_is_killed")
        .env(DIRECTORY, path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

/// Operation and last acknowledged number.
fn acknowledged(line: &str) -> Option<(String, u64)> {
    let mut words = line.strip_prefix("acknowledged ")?.split(' ');
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let (dir, store) = new_store();
    let path = dir.path().join("store");
    drop(store);
    let mut all = BTreeMap::new();
    for round in 1..=ROUNDS {
        let durable = write_until_killed(&path);
        let store = patiently(|| Store::open(&path));
        verify(&store, &durable, round);
        all.extend(durable);
    }
    let store = patiently(|| Store::open(&path));
    verify(&store, &all, ROUNDS);
    assert!(all.len() > 12, "{} operations", all.len());
}

/// What the child said to be durable before it was killed, at a moment of chance.
fn write_until_killed(path: &Path) -> BTreeMap<String, u64> {
    let mut random = [0; 1];
    getrandom::fill(&mut random).unwrap();
    let mut left = usize::from(random[0]);
    let mut durable = BTreeMap::new();
    let (mut child, output) = spawn(path);
    // It goes on writing while these are read.
    for line in output.lines() {
        if let Some((operation, sequence)) = acknowledged(&line.unwrap()) {
            durable.insert(operation, sequence);
            if left == 0 {
                child.kill().unwrap();
            }
            left = left.saturating_sub(1);
        }
    }
    child.wait().unwrap();
    durable
}

/// Each acknowledged event is there, and what was not acknowledged is there wholly or not at
/// all: the lock goes with the last event.
fn verify(store: &Store, durable: &BTreeMap<String, u64>, round: u64) {
    let holders = store.lock_holders("host/h1").unwrap();
    for (operation, acknowledged) in durable {
        let events = sound(store, operation);
        let written = events.len() as u64;
        assert!(
            written >= *acknowledged,
            "round {round}: {operation} has {written}, {acknowledged} were acknowledged"
        );
        for (sequence, event) in (2..).zip(&events[1..]) {
            assert_eq!(*event, nth(sequence));
        }
        let holds = holders.iter().any(|holder| holder.operation == *operation);
        assert_eq!(holds, written < EVENTS, "round {round}: {operation}");
    }
    // The last one may have been begun and not acknowledged.
    let newest = store.operations(OperationFilter::default(), 1).unwrap();
    for summary in newest {
        sound(store, &summary.operation);
    }
}
