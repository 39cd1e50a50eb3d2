//! A site from the offline bundle alone, under a writer, through what happens to real sites: the target's power fails in the
//! middle of the clone, the coordinator's host is cut off and loses its power, for two minutes nothing comes through between
//! coordinator and target; then members leave and are replaced. And an agent is upgraded while it copies. Needs root; belongs to `make test-package`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bellows_proto::v1::HoldCause;
use bellows_tests::{
    bundled::{Orders, Site},
    kills::{
        drive,
        machines::CLUSTER,
        point::{End, Remedy},
    },
};

/// So slow that the copy lasts some seconds.
const SLOW_KIB: u32 = 10_240;
/// So slow that it lasts longer than an upgrade.
const SLOWER_KIB: u32 = 1024;
/// So slow that it lasts longer than the partition.
const SLOWEST_KIB: u32 = 512;
const PARTITION: Duration = Duration::from_secs(120);
/// A coordinator that is cut off has noticed it by then.
const CUT: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn a_site_from_the_bundle_goes_through_troubles() {
    let site = Box::pin(Site::up(&["db1", "db2", "db3", "db4"])).await.unwrap();
    let mut orders = Box::pin(Orders::create(site)).await.expect("a cluster of two");
    let played = Box::pin(play(&mut orders)).await;
    played.with_context(|| orders.site.story()).unwrap();
}

async fn play(orders: &mut Orders) -> Result<()> {
    let on = &mut *orders;
    power_of_the_target(on).await.context("the target's power fails in the clone")?;
    leaves(on, "pg3").await.context("shrink")?;
    network_of_the_coordinator(on).await.context("the coordinator's host is cut off")?;
    leaves(on, "pg4").await.context("shrink")?;
    power_of_the_coordinator(on).await.context("the coordinator's power fails")?;
    leaves(on, "pg5").await.context("shrink")?;
    partition(on).await.context("a partition of two minutes")?;
    replaced(on, "pg2", "pg7", "db4").await.context("replace of a standby")?;
    replaced(on, "pg1", "pg8", "db2").await.context("replace of the primary")
}

async fn power_of_the_target(orders: &mut Orders) -> Result<()> {
    let operation = orders.copying("pg3", "db3", SLOW_KIB).await?;
    let target = orders.site.testbed.host("db3")?;
    target.power_cut()?;
    orders.site.misses_one().await?;
    target.boot()?;
    orders.site.connected().await?;
    let held = End::Held(&[HoldCause::Failed], &["neither an exit record"], Remedy::Retry);
    orders.done(&operation, held).await?;
    arrived(orders, "pg3", "db3").await
}

async fn network_of_the_coordinator(orders: &mut Orders) -> Result<()> {
    let operation = orders.copying("pg4", "db3", SLOW_KIB).await?;
    let host = orders.site.coordinator()?;
    host.network(false)?;
    tokio::time::sleep(CUT).await;
    // Nobody needs it.
    orders.writes_on().await?;
    let rest = drive::rests(&orders.site.cli, &operation).await?;
    ensure!(rest.as_deref().is_none_or(|state| state == "held"), "it rests as {rest:?}");
    host.network(true)?;
    orders.site.connected().await?;
    orders.done(&operation, End::ByItself).await?;
    arrived(orders, "pg4", "db3").await
}

async fn power_of_the_coordinator(orders: &mut Orders) -> Result<()> {
    let operation = orders.copying("pg5", "db3", SLOW_KIB).await?;
    let host = orders.site.coordinator()?;
    host.power_cut()?;
    orders.writes_on().await?;
    host.boot()?;
    orders.site.connected().await?;
    orders.done(&operation, End::ByItself).await?;
    arrived(orders, "pg5", "db3").await
}

async fn partition(orders: &mut Orders) -> Result<()> {
    let operation = orders.copying("pg6", "db3", SLOWEST_KIB).await?;
    let testbed = &orders.site.testbed;
    testbed.cut("c", "db3")?;
    let healed = tokio::time::Instant::now() + PARTITION;
    orders.site.misses_one().await?;
    orders.writes_on().await?;
    // The cut is between these two alone: the copy goes on.
    let primary = orders.primary().await?;
    let (before, _) = primary.backup_progress().await?.context("no copy")?;
    while tokio::time::Instant::now() < healed {
        let rest = drive::rests(&orders.site.cli, &operation).await?;
        ensure!(rest.as_deref().is_none_or(|state| state == "held"), "it rests as {rest:?}");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let copied = primary.backup_progress().await?;
    ensure!(copied.is_none_or(|(now, _)| now > before), "the copy stands still at {before}");
    testbed.heal("c", "db3")?;
    orders.site.connected().await?;
    orders.done(&operation, End::ByItself).await?;
    arrived(orders, "pg6", "db3").await
}

/// The agent of the target is upgraded by the coordinator while it copies: the copy is the same one, and the agent another.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_upgraded_in_the_middle_of_a_clone() {
    let site = Box::pin(Site::up(&["db1", "db2", "db3"])).await.unwrap();
    let mut orders = Box::pin(Orders::create(site)).await.expect("a cluster of two");
    let played = Box::pin(upgrade(&mut orders)).await;
    played.with_context(|| orders.site.story()).unwrap();
}

async fn upgrade(orders: &mut Orders) -> Result<()> {
    // The same version, but another file: what stands behind a program's end is not read by anybody.
    let renew = "cd /usr/share/bellows/agent/*/* && printf 'the next one' >>bellows-agent && \
                 sha256sum bellows-agent bellows-agent.service >SHA256SUMS && cut -c1-64 SHA256SUMS | head -n1";
    let wanted = orders.site.coordinator()?.succeed(&["sh", "-c", renew])?;
    let operation = orders.copying("pg3", "db3", SLOWER_KIB).await?;
    let target = orders.site.testbed.host("db3")?;
    let copy = || target.succeed(&["pgrep", "--oldest", "--full", "standby clone"]);
    let running = || {
        let show =
            "sha256sum </proc/$(systemctl show -p MainPID --value bellows-agent)/exe | cut -c1-64";
        target.succeed(&["sh", "-c", show])
    };
    let (copying, before) = (copy()?, running()?);
    ensure!(before != wanted, "it runs already");
    let words = ["host", "upgrade", "db3", "--healthy", "1", "--yes"];
    orders.site.cli.run(&words).await?.expect_code(0)?;
    ensure!(running()? == wanted, "another program runs than was sent");
    ensure!(copy()? == copying, "the copy was begun again");
    orders.done(&operation, End::ByItself).await?;
    arrived(orders, "pg3", "db3").await
}

async fn arrived(orders: &mut Orders, node: &str, host: &str) -> Result<()> {
    orders.nodes.insert(node.to_owned(), host.to_owned());
    orders.is_well().await
}

async fn leaves(orders: &mut Orders, node: &str) -> Result<()> {
    let words = ["shrink", CLUSTER, "--node", node, "--option", "data=wipe"];
    let operation = orders.begin(&words).await?;
    orders.done(&operation, End::ByItself).await?;
    orders.nodes.remove(node);
    orders.is_well().await
}

async fn replaced(orders: &mut Orders, node: &str, by: &str, host: &str) -> Result<()> {
    let with = format!("{by}@{host}");
    let words = ["replace", CLUSTER, "--node", node, "--with", &with, "--option", "data=wipe"];
    let operation = orders.begin(&words).await?;
    orders.done(&operation, End::ByItself).await?;
    orders.nodes.remove(node);
    orders.nodes.insert(by.to_owned(), host.to_owned());
    orders.is_well().await
}
