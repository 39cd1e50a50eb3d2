//! From the offline bundle alone, on real systemd hosts without a network to the outside: the coordinator installed by
//! install.sh, four hosts added by ssh from there, a cluster made, grown under a writer while the target's power fails in the
//! middle of the clone. Needs root; `make test-hosts` plays it with a bundle of the programs as cargo built
//! them, `make test-package` with that of `make package`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Instant;

use anyhow::{Context, Result};
use bellows_proto::v1::HoldCause;
use bellows_tests::{
    bundled::{Orders, Site},
    kills::point::{End, Remedy},
};

/// So slow that the copy lasts some seconds.
const SLOW_KIB: u32 = 10_240;

#[tokio::test(flavor = "multi_thread")]
async fn a_site_from_the_bundle_grows_through_a_power_cut_of_the_target() {
    let began = Instant::now();
    let site = Box::pin(Site::up(&["db1", "db2", "db3", "db4"])).await.unwrap();
    eprintln!("installed, four hosts added: {:?}", began.elapsed());
    let mut orders = Box::pin(Orders::create(site)).await.expect("a cluster of two");
    eprintln!("a cluster of two: {:?}", began.elapsed());
    let played = Box::pin(play(&mut orders)).await;
    eprintln!("all of it: {:?}", began.elapsed());
    played.with_context(|| orders.site.story()).unwrap();
}

/// The copy cannot end well, and nobody begins another one unasked.
const HELD: End = End::Held(&[HoldCause::Failed], &["neither an exit record"], Remedy::Retry);

async fn play(orders: &mut Orders) -> Result<()> {
    let operation = orders.copying("pg3", "db3", SLOW_KIB).await?;
    let target = orders.site.testbed.host("db3")?;
    target.power_cut()?;
    orders.site.misses_one().await?;
    orders.writes_on().await?;
    target.boot()?;
    orders.site.connected().await?;
    orders.done(&operation, HELD).await?;
    orders.nodes.insert("pg3".to_owned(), "db3".to_owned());
    orders.is_well().await
}
