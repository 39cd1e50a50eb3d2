//! The parts of the demo, in the order in which they are played.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::{CLUSTER, LIMIT, Stage, Traffic};
use crate::{
    bookkeeper::{Members, loopback, verify},
    demo::{Found, growth::Growth, parts::refusals},
    process,
    report::Refused,
    writing::Tally,
};

/// Takes the cluster that an administrator set up into care.
///
/// # Errors
/// It does not rest as done, or something of the cluster has changed.
pub async fn adopt(stage: &Stage) -> Result<()> {
    let before = stage.snapshot().await?;
    let count = stage.members.count().await?;
    let hosts: Vec<String> = stage.taken().iter().map(|number| format!("h{number}")).collect();
    let mut words = vec!["cluster", "adopt", CLUSTER, "--system", "bookkeeper"];
    words.extend(hosts.iter().flat_map(|host| ["--host", host]));
    words.extend(["--option", "min_bookies=3", "--yes"]);
    stage.site.cli().run(&words).await?.expect_code(0)?;
    let nodes = stage.nodes().await?;
    ensure!(nodes.values().eq(&hosts), "it has {nodes:?}, not a bookie on each of {hosts:?}");
    let differences = before.differences(&stage.snapshot().await?);
    ensure!(differences.is_empty(), "the adoption changed something: {differences:?}");
    stage.counts(count).await
}

/// Expands by one bookie; kills the coordinator while it starts, and starts it again.
///
/// # Errors
/// The operation does not go on and rest as done, or BookKeeper counts otherwise.
pub async fn expand_with_kill(stage: &mut Stage, number: usize) -> Result<()> {
    let before = stage.members.count().await?;
    let growth = caught(stage, number).await?;
    let operation = growth.operation.clone();
    stage.tell.say("Its JVM starts: kill -9 of the coordinator.");
    stage.site.coordinator().kill().await?;
    let address = stage.address(number)?;
    let first = stage.members.addresses.first().context("no bookies")?.clone();
    process::until("the new bookie registers", LIMIT, || async {
        Ok(Members::registered(&first, "rw").await?.contains(&Members::id(&address)))
    })
    .await?;
    stage.tell.say("Nobody coordinates, and the new bookie registers all the same.");
    stage.site.coordinator().start().await?;
    stage.tell.say("The coordinator is back and reads its journal. What `bellows expand` said:");
    let ended = growth.ended(LIMIT).await?;
    ended.expect_code(0)?;
    // Its plan was told before.
    let story = ended.stdout.lines().skip_while(|line| !line.contains("accepted from"));
    stage.tell.quote(&story.collect::<Vec<_>>().join("\n"));
    // Another view of the same events.
    stage.site.cli().run(&["op", "watch", &operation]).await?.expect_code(0)?;
    stage.members.addresses.insert(address);
    stage.counts(before + 1).await
}

/// Expands by one bookie, cancels while it starts, and compares the cluster with what it was.
///
/// # Errors
/// The operation does not rest as cancelled, or something is different.
pub async fn expand_cancelled(stage: &Stage, number: usize) -> Result<()> {
    let before = stage.snapshot().await?;
    let count = stage.members.count().await?;
    let growth = caught(stage, number).await?;
    stage.tell.say(
        "Its JVM starts: `bellows op cancel`. What it may hold by then is copied away before it stops.",
    );
    let cancelled = stage.site.cli().run(&["op", "cancel", &growth.operation]).await?;
    stage.tell.quote(cancelled.expect_code(0)?);
    growth.ended(LIMIT).await?.expect_code(6)?;
    let left = stage.left_running(number)?;
    ensure!(left.is_empty(), "still running on h{number}: {left:?}");
    stage.counts(count).await?;
    as_before(&before, stage).await
}

async fn as_before(before: &crate::snapshot::Snapshot, stage: &Stage) -> Result<()> {
    let differences = before.differences(&stage.snapshot().await?);
    ensure!(
        differences.is_empty(),
        "the cancelled operation left the cluster different:\n{}",
        differences.join("\n")
    );
    Ok(())
}

/// An expand by one bookie, caught while that starts.
async fn caught(stage: &Stage, number: usize) -> Result<Growth> {
    let node = format!("bk{number}@h{number}");
    let words = ["expand", CLUSTER, "--node", &node, "--yes"];
    Ok(Growth::caught(stage.site.cli(), &words, stage.starts(number)).await?.0)
}

/// Shrinks by the bookie on a host, with these options. The directories of an adopted one stay.
///
/// # Errors
/// The operation does not rest as done, or something of the bookie is left.
pub async fn shrink(stage: &mut Stage, number: usize, options: &[&str]) -> Result<()> {
    let before = stage.members.count().await?;
    let node = stage.node(number).await?;
    let address = stage.address(number)?;
    let mut words = vec!["shrink", CLUSTER, "--node", &node, "--yes"];
    words.extend(options.iter().flat_map(|option| ["--option", option]));
    let told = stage.site.cli().run(&words).await?;
    let story = told.expect_code(0)?.lines().skip_while(|line| !line.contains("accepted from"));
    stage.tell.quote(&story.collect::<Vec<_>>().join("\n"));
    stage.members.addresses.remove(&address);
    stage.members.see_gone(&address).await?;
    let left = stage.members.ledgers_of(&Members::id(&address)).await?;
    ensure!(left == 0, "{left} ledgers name {node} still");
    stage.members.are_replicated().await?;
    let left = stage.left_running(number)?;
    ensure!(left.is_empty(), "still running on h{number}: {left:?}");
    let ledgers = loopback::own(stage.host(number)?).join("ledgers/current");
    let kept = std::fs::read_dir(&ledgers).context("its ledgers")?.count();
    ensure!(kept > 0, "the data of {node} are gone");
    stage.counts(before - 1).await
}

/// Begins a shrink by the bookie on a host, cancels when some of its ledgers are moved and not all, and sees that it is a
/// bookie as before.
///
/// # Errors
/// The moment does not come, the operation does not rest as cancelled, or the bookie is not writable again.
pub async fn shrink_cancelled(stage: &Stage, number: usize, options: &[&str]) -> Result<()> {
    let count = stage.members.count().await?;
    let before = stage.snapshot().await?;
    let node = stage.node(number).await?;
    let id = Members::id(&stage.address(number)?);
    let held = stage.members.ledgers_of(&id).await?;
    let mut words = vec!["shrink", CLUSTER, "--node", &node, "--yes"];
    words.extend(options.iter().flat_map(|option| ["--option", option]));
    let seen = Mutex::new(held);
    let moment = process::until("some of its ledgers are moved, and not all", LIMIT, || async {
        let now = stage.members.ledgers_of(&id).await?;
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(now < held && now > 0)
    });
    let (growth, ()) = Growth::caught(stage.site.cli(), &words, moment).await?;
    let left = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    stage.tell.say(&format!("{left} of {held} ledgers are left on it: `bellows op cancel`."));
    let cancelled = stage.site.cli().run(&["op", "cancel", &growth.operation]).await?;
    stage.tell.quote(cancelled.expect_code(0)?);
    growth.ended(LIMIT).await?.expect_code(6)?;
    stage.counts(count).await?;
    as_before(&before, stage).await
}

/// Asks for a shrink below what ledgers need.
///
/// # Errors
/// It is not refused, or not with rule, value and remedy.
pub async fn refused(stage: &Stage, number: usize) -> Result<(Vec<Refused>, String)> {
    let before = stage.snapshot().await?;
    let node = stage.node(number).await?;
    let words = ["shrink", CLUSTER, "--node", &node, "--yes"];
    let (refusals, told) = refusals(stage.site.cli(), &words).await?;
    let of_bookkeeper = refusals.iter().all(|one| one.code.starts_with("BK-"));
    ensure!(!refusals.is_empty() && of_bookkeeper, "refused, but not by its rules: {refusals:?}");
    let differences = before.differences(&stage.snapshot().await?);
    ensure!(differences.is_empty(), "a refusal changed something: {differences:?}");
    Ok((refusals, told))
}

/// The clients go on for a moment and end; every acknowledged entry is read back, and its copies are counted.
///
/// # Errors
/// A client ended by itself, or the reader missed something in between.
pub async fn look_for(stage: &Stage, traffic: Traffic) -> Result<Found> {
    let Traffic { writer, reader } = traffic;
    writer.writes_on(30, LIMIT).await?;
    let (generator, record) = writer.record();
    let told = writer.finish().await?;
    reader.finish().await?;
    stage.members.are_replicated().await?;
    let found = verify(&generator, &record, true).await?;
    ensure!(found.entries == told.entries, "{found:?}, and the writer told of {told:?}");
    let missing = found.lost + found.wrong + found.thin;
    if missing > 0 {
        stage.tell.say(&format!("{found:?}"));
    }
    let acknowledged = (0..i64::try_from(told.entries).context("entries")?).collect();
    let tally = Tally {
        acknowledged,
        in_doubt: u64::try_from(told.failures).context("failures")?,
        connections: 0,
        longest_gap: Duration::from_millis(told.longest_gap_ms),
    };
    Ok(Found { tally, missing: vec![("with all its copies".to_owned(), missing)] })
}
