//! KWDB end to end on loopback addresses, asked from KWDB. Belongs to `make test`, which builds the programs first, and to
//! `make test-kwdb`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use anyhow::Result;
use bellows_tests::{
    demo::kwdb::{self, Stage},
    reap,
};

/// Shows the logs' ends where a part did not hold.
fn held<T>(stage: &Stage, what: &str, outcome: Result<T>) -> T {
    outcome.unwrap_or_else(|error| panic!("{what}: {error:#}\n{}", stage.site.last_words()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_cluster_grows_and_shrinks_through_a_kill_and_a_cancel() {
    let mut stage = Box::pin(Stage::set(4, 3)).await.unwrap();
    let adopted = Box::pin(kwdb::adopt(&stage)).await;
    held(&stage, "adopt", adopted);
    let writer = held(&stage, "a writer", stage.write().await);
    let expanded = Box::pin(kwdb::expand_with_kill(&mut stage, 4)).await;
    held(&stage, "expand with a killed coordinator", expanded);
    let shrunk = Box::pin(kwdb::shrink(&mut stage, 1)).await;
    held(&stage, "shrink", shrunk);
    let (refusals, _) = held(&stage, "refusal", Box::pin(kwdb::refused(&stage, 4)).await);
    assert!(refusals.iter().all(|one| !one.remedy.is_empty()), "{refusals:?}");

    let wrote = writer.writes_on(10, Duration::from_secs(30)).await;
    held(&stage, "the writer goes on", wrote);
    let rows = held(&stage, "rows", kwdb::look_for(&stage, writer).await);
    assert_eq!(rows.missing_in_all(), 0, "{:?}", rows.missing);
    let findings = held(&stage, "tool runs", stage.duplicates().await);
    assert_eq!(findings.duplicates, Vec::<String>::new());
    let folders = stage.site.folders();
    stage.site.down().unwrap();
    assert!(reap::processes(&folders).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_dead_for_good_is_replaced_after_a_cancelled_expand() {
    let mut stage = Box::pin(Stage::set(4, 3)).await.unwrap();
    let adopted = Box::pin(kwdb::adopt(&stage)).await;
    held(&stage, "adopt", adopted);
    let writer = held(&stage, "a writer", stage.write().await);
    let cancelled = Box::pin(kwdb::expand_cancelled(&stage, 4)).await;
    held(&stage, "cancelled expand", cancelled);
    let node = held(&stage, "a member", stage.node(2).await);
    let died = kwdb::dies(&mut stage, 2).await;
    held(&stage, "the host dies", died);
    let replaced = Box::pin(kwdb::replace_dead(&mut stage, 2, 4)).await;
    held(&stage, "replace", replaced);
    let back = kwdb::comes_back(&mut stage, 2, &node).await;
    held(&stage, "the host comes back", back);
    let rows = held(&stage, "rows", kwdb::look_for(&stage, writer).await);
    assert_eq!(rows.missing_in_all(), 0, "{:?}", rows.missing);
    let findings = held(&stage, "tool runs", stage.duplicates().await);
    assert_eq!(findings.duplicates, Vec::<String>::new());
    stage.site.down().unwrap();
}
