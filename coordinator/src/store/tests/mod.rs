//! Tests of the store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod backup;
mod cuts;
mod damage;
mod doubt;
mod full;
mod kept;
mod kill;
mod opening;
mod operations;
mod power;
mod prune;
mod recover;
mod sizes;
mod traced;

use bellows_proto::v1::{
    Accepted, Closed, Event, Held, HoldCause, Intent, Lock, Outcome, Plan, Rested, Resumed, Shrink,
    Spec, Step, StepStarted, UndoStarted, event::Kind, intent::Verb,
};
use tempfile::TempDir;

use super::*;

pub(super) fn new_store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(&dir.path().join("store"), "site-1").unwrap();
    (dir, store)
}

/// Opens what was just closed. A child that another test starts holds our files, and so their
/// locks, for the moment between its fork and its exec.
pub(crate) fn patiently<T, E: std::fmt::Debug>(open: impl Fn() -> Result<T, E>) -> T {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        match open() {
            Ok(opened) => return opened,
            Err(_) if std::time::Instant::now() < deadline => std::thread::yield_now(),
            Err(error) => panic!("{error:?}"),
        }
    }
}

impl Store {
    /// Takes an event out behind its back.
    pub(crate) fn lose_event(&self, operation: &str, sequence: u64) {
        let key = keys::operation(operation).unwrap();
        self.events.remove(keys::event(&key, sequence)).unwrap().unwrap();
    }

    /// Changes the last byte of an event behind its back.
    pub(crate) fn change_event(&self, operation: &str, sequence: u64) {
        let key = keys::event(&keys::operation(operation).unwrap(), sequence);
        let mut value = self.events.get(&key).unwrap().unwrap().to_vec();
        *value.last_mut().unwrap() ^= 1;
        self.events.insert(key, value).unwrap();
    }

    /// Takes an operation's index entry out behind its back.
    pub(crate) fn lose_entry(&self, operation: &str) {
        let key = keys::operation(operation).unwrap();
        self.operations.remove(key).unwrap().unwrap();
    }
}

fn reopen(dir: &TempDir, store: Store) -> Store {
    drop(store);
    patiently(|| Store::open(&dir.path().join("store")))
}

/// A UUIDv7 that sorts by `number`.
fn id(number: u64) -> String {
    let at = uuid::Timestamp::from_unix_time(1_700_000_000 + number, 0, 0, 0);
    let made = uuid::Builder::from_unix_timestamp_millis(
        at.to_unix().0 * 1000,
        &[number.to_le_bytes()[0]; 10],
    );
    made.into_uuid().to_string()
}

fn event(sequence: u64, kind: Kind) -> Event {
    Event { sequence, at_ms: 1000 + i64::try_from(sequence).unwrap(), kind: Some(kind) }
}

/// A plan for `cluster` with `steps` steps.
fn accepted(cluster: &str, steps: u32) -> Event {
    let steps = (1..=steps).map(|number| Step {
        number,
        title: format!("step {number}"),
        ..Step::default()
    });
    let plan = Plan {
        cluster: cluster.to_owned(),
        steps: steps.collect(),
        intent: Some(Intent { verb: Some(Verb::Shrink(Shrink::default())), ..Intent::default() }),
        ..Plan::default()
    };
    event(
        1,
        Kind::Accepted(Accepted {
            plan: Some(plan),
            principal: "root (unix socket)".to_owned(),
            ..Accepted::default()
        }),
    )
}

fn started(sequence: u64, step: u32) -> Event {
    event(sequence, Kind::StepStarted(StepStarted { step }))
}

/// An event of about `bytes` bytes.
fn large(sequence: u64, bytes: usize) -> Event {
    let text = "abcdefg".repeat(bytes / 7 + 1);
    event(sequence, Kind::Resumed(Resumed { text, ..Resumed::default() }))
}

fn exclusive(resource: &str) -> Lock {
    Lock { resource: resource.to_owned(), exclusive: true }
}

fn shared(resource: &str) -> Lock {
    Lock { resource: resource.to_owned(), exclusive: false }
}

fn begin(store: &Store, operation: &str, cluster: &str, locks: &[Lock]) -> Result<(), StoreError> {
    let spec = store.spec(cluster)?.map_or(0, |spec| spec.version);
    store.begin(Begin {
        operation,
        accepted: &accepted(cluster, 3),
        cluster,
        spec_version: spec,
        locks,
    })
}

fn append(store: &Store, operation: &str, event: &Event) -> Result<(), StoreError> {
    store.append(operation, event, &Changes::default())
}

fn spec(cluster: &str, version: u64) -> Spec {
    Spec { cluster: cluster.to_owned(), version, highest_id: version * 10, ..Spec::default() }
}

/// The events of an operation, which must be sound.
fn sound(store: &Store, operation: &str) -> Vec<Event> {
    let read = store.events(operation).unwrap();
    assert_eq!(read.damage, None);
    read.events
}
