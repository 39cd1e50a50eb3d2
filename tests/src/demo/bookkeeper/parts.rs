//! The parts of the demo, in the order in which they are played.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::{CLUSTER, LIMIT, Stage, Traffic};
use crate::{
    bookkeeper::{Members, loopback, put, verify},
    demo::{Found, growth::Growth, parts::refusals},
    process, reap,
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

/// Shrinks by the bookie on a host, which waits until its ledgers have expired. Meanwhile coordinator and bookie are killed
/// and started again; the ledgers of this record are deleted after that.
///
/// # Errors
/// The bookie turns writable, the operation ends before it may or does not rest as done, or something of the bookie is left.
pub async fn expire(stage: &mut Stage, number: usize, record: &str) -> Result<()> {
    let before = stage.members.count().await?;
    let node = stage.node(number).await?;
    let address = stage.address(number)?;
    let id = Members::id(&address);
    let other = stage.members.addresses.iter().find(|one| **one != address);
    let other = other.context("no other bookie")?.clone();
    let is_read_only = || async {
        let ids =
            (Members::registered(&other, "rw").await?, Members::registered(&other, "ro").await?);
        Ok(!ids.0.contains(&id) && ids.1.contains(&id))
    };
    let words = ["shrink", CLUSTER, "--node", &node, "--option", "way=expire", "--yes"];
    let moment = process::until("it is read-only", LIMIT, is_read_only);
    let (growth, ()) = Growth::caught(stage.site.cli(), &words, moment).await?;
    stage.site.coordinator().kill().await?;
    // As for any planned restart: who is away for a moment is not to be made anew.
    autorecovery(&other, false).await?;
    reap::processes(&[loopback::own(stage.host(number)?)]).iter().for_each(reap::kill);
    process::until("its bookie is gone", LIMIT, || async {
        Ok(!Members::registered(&other, "ro").await?.contains(&id))
    })
    .await?;
    stage.site.coordinator().start().await?;
    stage.start_by_hand(number).await?;
    process::until("it is read-only again", LIMIT, is_read_only).await?;
    autorecovery(&other, true).await?;
    let held = stage.members.ledgers_of(&id).await?;
    ensure!(held > 0, "nothing is left of {record} on {node} while it waits");
    stage.generator.delete(record).await?;
    growth.ended(LIMIT).await?.expect_code(0)?;
    stage.members.addresses.remove(&address);
    stage.members.see_gone(&address).await?;
    let left = stage.left_running(number)?;
    ensure!(left.is_empty(), "still running on h{number}: {left:?}");
    stage.counts(before - 1).await
}

async fn autorecovery(at: &str, enabled: bool) -> Result<()> {
    let path = format!("/api/v1/autorecovery/status?enabled={enabled}");
    let reply = put(&Members::http(at), &path, "").await?;
    ensure!(reply.status == 200, "{at}: {reply:?}");
    Ok(())
}

/// Begins a shrink by the bookie on a host, cancels when some of its ledgers are moved and not all, and sees that it is a
/// bookie as before.
///
/// # Errors
/// The moment does not come, the operation does not rest as cancelled, or the bookie is not writable again.
pub async fn shrink_cancelled(stage: &Stage, number: usize) -> Result<()> {
    let count = stage.members.count().await?;
    let before = stage.snapshot().await?;
    let node = stage.node(number).await?;
    let id = Members::id(&stage.address(number)?);
    let held = stage.members.ledgers_of(&id).await?;
    let words = ["shrink", CLUSTER, "--node", &node, "--yes"];
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

/// Changes one of the options that the cluster's spec has; no bookie notices.
///
/// # Errors
/// The operation does not rest as done, or something of the bookies has changed.
pub async fn reconfigure(stage: &Stage, option: &str) -> Result<()> {
    let before = stage.snapshot().await?;
    let words = ["reconfigure", CLUSTER, "--option", option, "--yes"];
    stage.site.cli().run(&words).await?.expect_code(0)?;
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
