//! Real BookKeeper end to end on loopback addresses, asked from BookKeeper, under a writer and a reader. Belongs to
//! `make test-bookkeeper`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use anyhow::Result;
use bellows_tests::{
    bookkeeper::Shape,
    demo::bookkeeper::{self, Stage},
    reap,
};

/// Shows the logs' ends where a part did not hold.
fn held<T>(stage: &Stage, what: &str, outcome: Result<T>) -> T {
    outcome.unwrap_or_else(|error| panic!("{what}: {error:#}\n{}", stage.last_words()))
}

const TWO: Shape = Shape { ensemble: 2, write: 2, ack: 2 };

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_grows_and_is_drained_through_a_kill_and_cancels() {
    let mut stage = Box::pin(Stage::set(5, 4, TWO)).await.unwrap();
    let old = stage.generator.create("old", 30, 40, TWO).await;
    held(&stage, "ledgers", old);
    let adopted = bookkeeper::adopt(&stage).await;
    held(&stage, "adopt", adopted);
    let traffic = held(&stage, "traffic", stage.write().await);
    let cancelled = Box::pin(bookkeeper::expand_cancelled(&stage, 5)).await;
    held(&stage, "a cancelled expand", cancelled);
    let expanded = Box::pin(bookkeeper::expand_with_kill(&mut stage, 5)).await;
    held(&stage, "expand with a killed coordinator", expanded);
    // 30 ledgers of 40 entries of 256 bytes: seconds each at this rate.
    let slow = bookkeeper::reconfigure(&stage, "budget=00:00-24:00=4kB/s").await;
    held(&stage, "a budget", slow);
    let cancelled = Box::pin(bookkeeper::shrink_cancelled(&stage, 2)).await;
    held(&stage, "a cancelled drain", cancelled);
    held(&stage, "no budget", bookkeeper::reconfigure(&stage, "budget=").await);
    let shrunk = Box::pin(bookkeeper::shrink(&mut stage, 2, &[])).await;
    held(&stage, "drain", shrunk);
    ends_well(stage, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bookies_leave_by_expiry_and_stopped_first_and_a_dead_one_is_replaced() {
    let mut stage = Box::pin(Stage::set(5, 5, TWO)).await.unwrap();
    let old = stage.generator.create("old", 10, 4, TWO).await;
    held(&stage, "ledgers", old);
    let adopted = bookkeeper::adopt(&stage).await;
    held(&stage, "adopt", adopted);
    let expired = Box::pin(bookkeeper::expire(&mut stage, 4, "old")).await;
    held(&stage, "expire", expired);
    let traffic = held(&stage, "traffic", stage.write().await);
    let shrunk = Box::pin(bookkeeper::shrink(&mut stage, 5, &["way=stop"])).await;
    held(&stage, "stop first", shrunk);
    let (refusals, _) = held(&stage, "refusal", Box::pin(bookkeeper::refused(&stage, 3)).await);
    assert!(refusals.iter().all(|one| !one.remedy.is_empty()), "{refusals:?}");
    let node = held(&stage, "a bookie", stage.node(2).await);
    let died = bookkeeper::dies(&mut stage, 2).await;
    held(&stage, "the host dies", died);
    // What is of the one that left is the administrator's to remove.
    let emptied = stage.empty(5);
    held(&stage, "empty h5", emptied);
    let replaced = Box::pin(bookkeeper::replace_dead(&mut stage, 2, 5)).await;
    held(&stage, "replace", replaced);
    let back = bookkeeper::comes_back(&mut stage, 2, &node).await;
    held(&stage, "the host comes back", back);
    ends_well(stage, traffic).await;
}

async fn ends_well(stage: Stage, traffic: bookkeeper::Traffic) {
    let found = held(&stage, "entries", bookkeeper::look_for(&stage, traffic).await);
    assert_eq!(found.missing_in_all(), 0, "{:?}", found.missing);
    let findings = held(&stage, "tool runs", stage.duplicates().await);
    assert_eq!(findings.duplicates, Vec::<String>::new());
    let folders = stage.site.folders();
    stage.site.down().unwrap();
    assert!(reap::processes(&folders).is_empty());
}
