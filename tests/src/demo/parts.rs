//! The parts of the demo, in the order in which they are played.

use anyhow::{Context, Result, ensure};

use super::{
    CLUSTER, Stage,
    growth::{Growth, LIMIT, clone_log_is_whole, goes_on, mib, one_clone},
    hosts,
};
use crate::{report::Refused, site::Cli};

/// Rows of the filler, a KiB each.
const FILLER_ROWS: u32 = 64 * 1024;

/// Lets Bellows create a cluster of the nodes `pg1` to `pgN`.
///
/// # Errors
/// It does not rest as done, or PostgreSQL counts otherwise.
pub async fn create(stage: &mut Stage, nodes: usize, min_members: usize) -> Result<()> {
    let at: Vec<String> = (1..=nodes).map(|n| format!("pg{n}@h{n}")).collect();
    let minimum = format!("min_members={min_members}");
    let mut words = vec!["cluster", "create", CLUSTER, "--system", "postgresql"];
    for node in &at {
        words.extend(["--node", node]);
    }
    for option in [
        minimum.as_str(),
        "client_networks=127.0.0.0/8",
        "shared_buffers_mib=32",
        "max_connections=50",
    ] {
        words.extend(["--option", option]);
    }
    words.push("--yes");
    stage.site.cli().run(&words).await?.expect_code(0)?;
    stage.members = (1..=nodes).collect();
    counts(stage, nodes).await
}

/// What an administrator of the database does then: a role and a database for the application,
/// and some data, so that a copy takes a while.
///
/// # Errors
/// The primary refuses.
pub async fn fill(stage: &Stage) -> Result<()> {
    let primary = stage.primary().await?;
    let application = hosts::application();
    primary
        .execute(&format!(
            "create role {} login password '{}'",
            application.user, application.password
        ))
        .await?;
    primary
        .execute(&format!("create database {} owner {}", application.database, application.user))
        .await?;
    primary
        .execute(&format!(
            "create table filler as select i as id, repeat(md5(i::text), 30) as text \
             from generate_series(1, {FILLER_ROWS}) as i"
        ))
        .await
}

/// Expands by one node; kills the coordinator in the middle of the copy, sees that the copy
/// goes on without it, and starts it again.
///
/// # Errors
/// The operation does not go on and rest as done, or PostgreSQL counts otherwise.
pub async fn expand_with_kill(stage: &mut Stage, number: usize) -> Result<()> {
    let before = stage.count().await?;
    let (growth, (copied, total)) = Growth::start(stage, number).await?;
    let operation = growth.operation.clone();
    stage.tell.say(&format!(
        "The copy is half-way ({} of {} MiB): kill -9 of the coordinator.",
        mib(copied),
        mib(total)
    ));
    stage.site.coordinator().kill().await?;
    let later = goes_on(stage, copied).await?;
    stage.tell.say(&format!("Nobody coordinates, and the copy goes on: {later}."));
    stage.site.coordinator().start().await?;
    stage.tell.say("The coordinator is back and reads its journal. What `bellows expand` said:");
    let ended = growth.ended(LIMIT).await?;
    ended.expect_code(0)?;
    // Its plan was told before.
    let story = ended.stdout.lines().skip_while(|line| !line.contains("accepted from"));
    stage.tell.quote(&story.collect::<Vec<_>>().join("\n"));
    // Another view of the same events.
    stage.site.cli().run(&["op", "watch", &operation]).await?.expect_code(0)?;
    stage.members.insert(number);
    counts(stage, before + 1).await
}

/// Expands by one node; kills the agent of the new host in the middle of the copy and starts
/// it again.
///
/// # Errors
/// The operation does not rest as done, the copy was made more than once, or its output is not
/// whole.
pub async fn expand_with_agent_kill(stage: &mut Stage, number: usize) -> Result<()> {
    let before = stage.count().await?;
    let (growth, (copied, _)) = Growth::start(stage, number).await?;
    let operation = growth.operation.clone();
    stage.site.agent(number - 1)?.kill().await?;
    goes_on(stage, copied).await?;
    stage.site.agent(number - 1)?.start().await?;
    clone_log_is_whole(stage.site.cli(), &operation).await?;
    growth.ended(LIMIT).await?.expect_code(0)?;
    stage.members.insert(number);
    counts(stage, before + 1).await?;
    let runs = stage.tool_runs()?;
    let (_, runs) = runs.get(number - 1).context("no such host")?;
    one_clone(runs)
}

/// Expands by one node, cancels in the middle of the copy, and compares the cluster with what
/// it was.
///
/// # Errors
/// The operation does not rest as cancelled, or something is different.
pub async fn expand_cancelled(stage: &Stage, number: usize) -> Result<()> {
    let before = stage.snapshot().await?;
    let count = stage.count().await?;
    let (growth, (copied, total)) = Growth::start(stage, number).await?;
    stage.tell.say(&format!(
        "The copy is half-way ({} of {} MiB): `bellows op cancel`.",
        mib(copied),
        mib(total)
    ));
    let cancelled = stage.site.cli().run(&["op", "cancel", &growth.operation]).await?;
    stage.tell.quote(cancelled.expect_code(0)?);
    growth.ended(LIMIT).await?.expect_code(6)?;
    let folder = &stage.site.agents().get(number - 1).context("no such host")?.host.folder;
    let left = crate::reap::processes(&[folder.join("data"), folder.join("conf")]);
    ensure!(left.is_empty(), "still running on h{number}: {left:?}");
    let differences = before.differences(&stage.snapshot().await?);
    ensure!(
        differences.is_empty(),
        "the cancelled expand left the cluster different:\n{}",
        differences.join("\n")
    );
    counts(stage, count).await
}

/// Moves the primary's role to a standby, and asks every server whether all of it moved.
///
/// # Errors
/// The operation does not rest as done, somebody follows the old primary still, a slot is left at
/// it, or repmgrd is paused somewhere.
pub async fn switchover(stage: &Stage, number: usize) -> Result<()> {
    let before = stage.count().await?;
    let node = format!("pg{number}");
    let old = stage.primary().await?.address.clone();
    let words = ["switchover", CLUSTER, "--to", &node, "--yes"];
    stage.site.cli().run(&words).await?.expect_code(0)?;
    let primary = stage.primary().await?;
    ensure!(primary.address == stage.address(number)?, "{} is primary", primary.address);
    let members = primary.members().await?;
    let id = members.iter().find(|member| member.name == node).context("no such member")?.id;
    for member in &members {
        let (kind, upstream) = match member.name == node {
            true => ("primary", None),
            false => ("standby", Some(id)),
        };
        let well = member.kind == kind && member.upstream == upstream && member.active;
        ensure!(well, "repmgr has {member:?}");
    }
    let left = crate::sql::Server::connect(&old, &hosts::superuser()).await?.slots().await?;
    ensure!(left.is_empty(), "slots at the old primary: {left:?}");
    watched(stage).await?;
    counts(stage, before).await
}

/// Restarts the servers of all members, and asks every server whether it was and whether all is well
/// again. Returns the primary's address.
///
/// # Errors
/// The operation does not rest as done, a server is as old as before, or somebody does not follow.
pub async fn restart(stage: &Stage, in_place: bool) -> Result<String> {
    let before = stage.count().await?;
    let old = started(stage).await?;
    let primary = stage.primary().await?.address;
    let mut words = vec!["restart", CLUSTER, "--yes"];
    if in_place {
        words.push("--in-place");
    }
    stage.site.cli().run(&words).await?.expect_code(0)?;
    for ((address, old), (_, new)) in old.iter().zip(started(stage).await?) {
        ensure!(new > *old, "the server of {address} runs since {old} s still");
    }
    let now = stage.primary().await?.address;
    ensure!((now == primary) == in_place, "{primary} was primary, {now} is");
    watched(stage).await?;
    counts(stage, before).await?;
    Ok(now)
}

/// Clients of one more network are let in by every member; a file of what was there before leads back.
///
/// # Errors
/// A command fails, or PostgreSQL says something else.
pub async fn reconfigure(stage: &mut Stage) -> Result<()> {
    let file = stage.site.coordinator().folder().join("wanted.toml");
    let cli = stage.site.cli();
    let shown = cli.run(&["cluster", "show", CLUSTER, "--toml"]).await?;
    std::fs::write(&file, shown.expect_code(0)?).context("write what is wanted")?;
    let more = "client_networks=127.0.0.0/8,10.77.0.0/16";
    cli.run(&["reconfigure", CLUSTER, "--option", more, "--yes"]).await?.expect_code(0)?;
    let own = "host all all 127.0.0.0 255.0.0.0 scram-sha-256";
    let new = "host all all 10.77.0.0 255.255.0.0 scram-sha-256";
    lets_in(stage, &[new, own]).await?;
    cli.run(&["cluster", "apply", &file.to_string_lossy(), "--yes"]).await?.expect_code(0)?;
    lets_in(stage, &[own]).await
}

/// The rules for clients, as every server has them.
async fn lets_in(stage: &Stage, wanted: &[&str]) -> Result<()> {
    for address in stage.addresses()? {
        let server = crate::sql::Server::connect(&address, &hosts::superuser()).await?;
        let mut rules = server.hba().await?;
        rules.retain(|rule| rule.starts_with("host all all "));
        ensure!(rules == wanted, "{address} has {rules:?}, not {wanted:?}");
    }
    Ok(())
}

/// When each server started, in seconds.
async fn started(stage: &Stage) -> Result<Vec<(String, f64)>> {
    let mut started = Vec::new();
    for address in stage.addresses()? {
        let server = crate::sql::Server::connect(&address, &hosts::superuser()).await?;
        let since = "select extract(epoch from pg_postmaster_start_time())::text";
        started.push((address, server.text(since).await?.parse()?));
    }
    Ok(started)
}

/// repmgrd of every member runs and is not paused.
pub(super) async fn watched(stage: &Stage) -> Result<()> {
    for address in stage.addresses()? {
        let server = crate::sql::Server::connect(&address, &hosts::superuser()).await?;
        let paused = server.text("select repmgr.repmgrd_is_paused()::text").await?;
        ensure!(paused == "false", "repmgrd of {address} is paused");
        let runs = server.text("select repmgr.repmgrd_is_running()::text").await?;
        ensure!(runs == "true", "repmgrd of {address} does not run");
    }
    Ok(())
}

/// Shrinks by one member, whose data directory stays. The primary's role moves first where it is
/// the one to leave.
///
/// # Errors
/// The operation does not rest as done, or something of the node is left at a survivor.
pub async fn shrink(stage: &mut Stage, number: usize) -> Result<()> {
    let before = stage.count().await?;
    let node = format!("pg{number}");
    leaves(stage, number, None, &["shrink", CLUSTER, "--node", &node, "--yes"]).await?;
    counts(stage, before - 1).await
}

/// Replaces a member that lives by one on host `new`. The primary's role moves first where it is the
/// one to leave.
///
/// # Errors
/// The operation does not rest as done, somebody does not follow the primary, or something of the
/// node is left at a survivor.
pub async fn replace(stage: &mut Stage, number: usize, new: usize) -> Result<()> {
    let before = stage.count().await?;
    let (node, with) = (format!("pg{number}"), format!("pg{new}@h{new}"));
    let words = ["replace", CLUSTER, "--node", &node, "--with", &with, "--yes"];
    leaves(stage, number, Some(new), &words).await?;
    let primary = stage.primary().await?;
    ensure!(primary.address != stage.address(new)?, "the newcomer is primary");
    watched(stage).await?;
    counts(stage, before).await
}

/// Runs what takes a member out, and looks for what it may have left at the others. `coming`: who is
/// a member afterwards.
async fn leaves(
    stage: &mut Stage,
    number: usize,
    coming: Option<usize>,
    words: &[&str],
) -> Result<()> {
    let node = format!("pg{number}");
    let id = stage.primary().await?.members().await?;
    let id = id.iter().find(|member| member.name == node).context("no such member")?.id;
    stage.site.cli().run(words).await?.expect_code(0)?;
    stage.members.extend(coming);
    let gone = stage.address(number)?;
    stage.members.remove(&number);
    for address in stage.addresses()? {
        let server = crate::sql::Server::connect(&address, &hosts::superuser()).await?;
        let members = server.members().await?;
        ensure!(members.iter().all(|member| member.name != node), "{address} still records {node}");
        let hba = server.hba().await?;
        let lets_in = hba.iter().any(|rule| rule.split(' ').any(|word| word == gone));
        ensure!(!lets_in, "{address} still lets {node} in: {hba:?}");
    }
    let slots = stage.primary().await?.slots().await?;
    let slot = format!("repmgr_slot_{id}");
    ensure!(slots.iter().all(|one| one.name != slot), "{slot} is still there: {slots:?}");
    let folder = &stage.site.agents().get(number - 1).context("no such host")?.host.folder;
    ensure!(hosts::data(folder, &node).is_dir(), "the data directory of {node} is gone");
    let left = crate::reap::processes(&[folder.join("data"), folder.join("conf")]);
    ensure!(left.is_empty(), "still running on h{number}: {left:?}");
    Ok(())
}

/// Asks for a shrink below the minimum.
///
/// # Errors
/// It is not refused, or not with rule, value and remedy.
pub async fn refused(stage: &Stage, number: usize) -> Result<(Vec<Refused>, String)> {
    let before = stage.snapshot().await?;
    let node = format!("pg{number}");
    let words = ["shrink", CLUSTER, "--node", &node, "--yes"];
    let (refusals, told) = refusals(stage.site.cli(), &words).await?;
    let for_its_sake = refusals.iter().any(|one| one.rule == "minimum members");
    ensure!(for_its_sake, "refused, but not for the minimum: {refusals:?}");
    let differences = before.differences(&stage.snapshot().await?);
    ensure!(differences.is_empty(), "a refusal changed something: {differences:?}");
    Ok((refusals, told))
}

/// Asks for what must be refused; returns the refusals, and what an administrator sees of them.
///
/// # Errors
/// It is not refused, or not in words.
pub(super) async fn refusals(cli: &Cli, words: &[&str]) -> Result<(Vec<Refused>, String)> {
    let told = cli.run(words).await?;
    told.expect_code(5)?;
    let ended = cli.run(&[words, &["--output", "json"]].concat()).await?;
    let answer: serde_json::Value =
        serde_json::from_str(ended.expect_code(5)?).with_context(|| format!("{ended:?}"))?;
    let list = answer
        .get("refusals")
        .map(|inner| inner.get("refusals").unwrap_or(inner))
        .and_then(serde_json::Value::as_array)
        .with_context(|| format!("no refusals in {answer}"))?;
    let text = |refusal: &serde_json::Value, key: &str| {
        refusal.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    };
    let refused = |one: &serde_json::Value| Refused {
        code: text(one, "code"),
        rule: text(one, "rule"),
        value: text(one, "value"),
        remedy: text(one, "remedy"),
    };
    let refusals = list.iter().map(refused).collect();
    Ok((refusals, format!("{}{}", told.stdout, told.stderr)))
}

pub(super) async fn counts(stage: &Stage, wanted: usize) -> Result<()> {
    let count = stage.count().await?;
    ensure!(count == wanted, "PostgreSQL counts {count} members instead of {wanted}");
    Ok(())
}
