//! How long a start and a list take with many finished operations: `make bench`.
//!
//! `BELLOWS_BENCH_OPERATIONS` (10,000) operations of `BELLOWS_BENCH_EVENTS` (100) events each, in
//! `BELLOWS_BENCH_DIR` (`/dev/shm`: a store in memory, so that a million commits do not wait for a
//! disk). It prints figures and judges none.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bellows::store::{Begin, Changes, OperationFilter, Store};
use bellows_proto::v1::{Accepted, Closed, Event, Plan, Rested, Resumed, Step, event::Kind};

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn id(number: u64) -> String {
    let random = number.to_be_bytes();
    let bytes: Vec<u8> = [0, 0].iter().chain(&random).copied().collect();
    let bytes: [u8; 10] = bytes.try_into().unwrap();
    let made = uuid::Builder::from_unix_timestamp_millis(1_700_000_000_000 + number, &bytes);
    made.into_uuid().to_string()
}

fn event(sequence: u64, last: u64) -> Event {
    let kind = match sequence {
        1 => {
            let steps =
                (1..=20).map(|number| Step { number, title: "a step".into(), ..Step::default() });
            let plan = Plan { cluster: "c".into(), steps: steps.collect(), ..Plan::default() };
            Kind::Accepted(Accepted { plan: Some(plan), ..Accepted::default() })
        }
        _ if sequence == last => Kind::Closed(Closed::default()),
        _ if sequence + 1 == last => Kind::Rested(Rested::default()),
        _ => Kind::Resumed(Resumed {
            text: "as long as an event of an act usually is ".repeat(4),
            ..Resumed::default()
        }),
    };
    Event { sequence, at_ms: 1_700_000_000_000, kind: Some(kind) }
}

fn build(path: &Path, operations: u64, events: u64) {
    let store = Store::create(path, "bench").unwrap();
    for number in 0..operations {
        let operation = id(number);
        let accepted = event(1, events);
        store
            .begin(Begin {
                operation: &operation,
                accepted: &accepted,
                cluster: "c",
                spec_version: 0,
                locks: &[],
            })
            .unwrap();
        for sequence in 2..=events {
            store.append(&operation, &event(sequence, events), &Changes::default()).unwrap();
        }
    }
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    println!("{what:<44} {:>9.1} ms", began.elapsed().as_secs_f64() * 1000.0);
    done
}

/// sled's threads let the log go a moment after the store is closed.
fn open(path: &Path) -> Store {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match Store::open(path) {
            Ok(store) => return store,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
}

fn main() {
    let (operations, events) =
        (number("BELLOWS_BENCH_OPERATIONS", 10_000), number("BELLOWS_BENCH_EVENTS", 100));
    let base: PathBuf =
        std::env::var_os("BELLOWS_BENCH_DIR").map_or_else(|| "/dev/shm".into(), PathBuf::from);
    let dir = tempfile::tempdir_in(base).unwrap();
    let path = dir.path().join("store");
    println!("{operations} operations, {} events", operations * events);
    timed("build", || build(&path, operations, events));
    let store = timed("start (first)", || open(&path));
    drop(store);
    let store = timed("start (again)", || open(&path));
    assert!(store.doubt().is_none());
    timed("unfinished operations", || store.unfinished().unwrap());
    timed("op list (50)", || store.operations(OperationFilter::default(), 50).unwrap());
    timed("op list (1000)", || store.operations(OperationFilter::default(), 1000).unwrap());
    let none = OperationFilter { cluster: Some("another"), ..OperationFilter::default() };
    timed("op list of a cluster without any", || store.operations(none, 50).unwrap());
    timed("op show", || store.events(&id(operations / 2)).unwrap());
}
