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

#[tokio::test(flavor = "multi_thread")]
async fn the_ground_holds() {
    let stage = Box::pin(Stage::set(4, 4, Shape::default())).await.unwrap();
    let traffic = held(&stage, "traffic", stage.write().await);
    println!("{}", held(&stage, "table", stage.table().await));
    let found = held(&stage, "entries", bookkeeper::look_for(&stage, traffic).await);
    assert_eq!(found.missing_in_all(), 0, "{:?}", found.missing);
    let folders = stage.site.folders();
    stage.site.down().unwrap();
    assert!(reap::processes(&folders).is_empty());
}
