//! The parts of the demo, in the order in which they are played.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::{CLUSTER, Stage};
use crate::{
    demo::{
        growth::{Growth, LIMIT},
        parts::refusals,
    },
    kwdb::loopback,
    reap,
    report::Refused,
};

/// Takes the cluster that the installer made into care.
///
/// # Errors
/// It does not rest as done, or something of the cluster has changed.
pub async fn adopt(stage: &Stage) -> Result<()> {
    let before = stage.snapshot().await?;
    let count = stage.count().await?;
    let hosts: Vec<String> = stage.taken().iter().map(|number| format!("h{number}")).collect();
    let mut words = vec!["cluster", "adopt", CLUSTER, "--system", "kwdb"];
    words.extend(hosts.iter().flat_map(|host| ["--host", host]));
    words.extend(["--option", "min_members=3", "--option", "poll_s=1", "--yes"]);
    stage.site.cli().run(&words).await?.expect_code(0)?;
    let nodes = stage.nodes().await?;
    ensure!(nodes.values().eq(&hosts), "it has {nodes:?}, not a node on each of {hosts:?}");
    let differences = before.differences(&stage.snapshot().await?);
    ensure!(differences.is_empty(), "the adoption changed something: {differences:?}");
    stage.counts(count).await
}

/// Expands by one node; kills the coordinator while ranges move there, sees that they go on moving without it, and
/// starts it again.
///
/// # Errors
/// The operation does not go on and rest as done, or KWDB counts otherwise.
pub async fn expand_with_kill(stage: &mut Stage, number: usize) -> Result<()> {
    let before = stage.count().await?;
    let (growth, (moved, share)) = caught(stage, number).await?;
    let operation = growth.operation.clone();
    stage.tell.say(&format!(
        "{moved} ranges are there, about {share} will be: kill -9 of the coordinator."
    ));
    stage.site.coordinator().kill().await?;
    let later = stage.moves_on(number, moved).await?;
    stage.tell.say(&format!("Nobody coordinates, and ranges go on moving: {later}."));
    stage.site.coordinator().start().await?;
    stage.tell.say("The coordinator is back and reads its journal. What `bellows expand` said:");
    let ended = growth.ended(LIMIT).await?;
    ended.expect_code(0)?;
    // Its plan was told before.
    let story = ended.stdout.lines().skip_while(|line| !line.contains("accepted from"));
    stage.tell.quote(&story.collect::<Vec<_>>().join("\n"));
    // Another view of the same events.
    stage.site.cli().run(&["op", "watch", &operation]).await?.expect_code(0)?;
    let address = stage.address(number)?;
    stage.members.addresses.insert(address);
    stage.counts(before + 1).await
}

/// Expands by one node, cancels while ranges move there, and compares the cluster with what it was.
///
/// # Errors
/// The operation does not rest as cancelled, or something is different.
pub async fn expand_cancelled(stage: &Stage, number: usize) -> Result<()> {
    let before = stage.snapshot().await?;
    let count = stage.count().await?;
    let (growth, (moved, share)) = caught(stage, number).await?;
    stage.tell.say(&format!(
        "{moved} ranges are there, about {share} will be: `bellows op cancel`. They move back before it stops."
    ));
    let cancelled = stage.site.cli().run(&["op", "cancel", &growth.operation]).await?;
    stage.tell.quote(cancelled.expect_code(0)?);
    growth.ended(LIMIT).await?.expect_code(6)?;
    let left = left_running(stage, number)?;
    ensure!(left.is_empty(), "still running on h{number}: {left:?}");
    stage.counts(count).await?;
    let differences = before.differences(&stage.snapshot().await?);
    ensure!(
        differences.is_empty(),
        "the cancelled expand left the cluster different:\n{}",
        differences.join("\n")
    );
    Ok(())
}

/// An expand by one node, caught while ranges move to it.
async fn caught(stage: &Stage, number: usize) -> Result<(Growth, (u64, u64))> {
    let node = format!("kw{number}@h{number}");
    let words = ["expand", CLUSTER, "--node", &node, "--yes"];
    Growth::caught(stage.site.cli(), &words, stage.in_the_middle_of_a_move(number)).await
}

/// Servers that run from a host's folders.
pub(super) fn left_running(stage: &Stage, number: usize) -> Result<Vec<reap::Found>> {
    let folder = &stage.host(number)?.folder;
    let parts: Vec<PathBuf> = ["data", "conf", "own/store"].map(|part| folder.join(part)).to_vec();
    Ok(reap::processes(&parts))
}

/// Shrinks by the member on a host, which is one that the installer made: its store stays.
///
/// # Errors
/// The operation does not rest as done, or something of the node is left at a survivor.
pub async fn shrink(stage: &mut Stage, number: usize) -> Result<()> {
    let before = stage.count().await?;
    let node = stage.node(number).await?;
    let address = stage.address(number)?;
    let id = stage.members.id(&address).await?;
    let words = ["shrink", CLUSTER, "--node", &node, "--yes"];
    stage.site.cli().run(&words).await?.expect_code(0)?;
    stage.members.addresses.remove(&address);
    let survivors = stage.members.list();
    for survivor in &survivors {
        let client = &stage.members.client;
        let listed = client.status(survivor).await?;
        ensure!(listed.iter().all(|row| row.id != id), "{survivor} still lists {node}: {listed:?}");
        let left = client.replicas(survivor, id).await?;
        ensure!(left == 0, "{left} ranges have a replica at {node} still, asked at {survivor}");
    }
    let left = left_running(stage, number)?;
    ensure!(left.is_empty(), "still running on h{number}: {left:?}");
    let store = loopback::own(&stage.host(number)?.folder).join("store");
    let kept = std::fs::read_dir(&store).context("its store")?.count();
    ensure!(kept > 0, "the data of {node} are gone");
    stage.counts(before - 1).await
}

/// Asks for a shrink below three members.
///
/// # Errors
/// It is not refused, or not with rule, value and remedy.
pub async fn refused(stage: &Stage, number: usize) -> Result<(Vec<Refused>, String)> {
    let before = stage.snapshot().await?;
    let node = stage.node(number).await?;
    let words = ["shrink", CLUSTER, "--node", &node, "--yes"];
    let (refusals, told) = refusals(stage.site.cli(), &words).await?;
    let of_kwdb = refusals.iter().all(|one| one.code.starts_with("KW-"));
    ensure!(!refusals.is_empty() && of_kwdb, "refused, but not by its rules: {refusals:?}");
    let differences = before.differences(&stage.snapshot().await?);
    ensure!(differences.is_empty(), "a refusal changed something: {differences:?}");
    Ok((refusals, told))
}
