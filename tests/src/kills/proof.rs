//! What must be true after each point, asked from PostgreSQL, the hosts and the journals.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use bellows_proto::v1::event;

use super::{drive::Course, ground::Ground, trap::LEFT_BEHIND};
use crate::{
    demo, duplicates, process, reap,
    snapshot::Snapshot,
    sql::{Member, Server},
    writer::TABLE,
};

/// What is bound to become true becomes so within this time.
const SOON: Duration = Duration::from_secs(60);
/// The mark of a job's processes in their environment.
const JOB_MARK: &str = "BELLOWS_JOB=";

/// What happened, for the table.
pub fn told(course: &Course) -> String {
    let holds: Vec<String> = course
        .holds
        .iter()
        .map(|(cause, text)| {
            let cause = cause.as_str_name().trim_start_matches("HOLD_CAUSE_").to_lowercase();
            let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let short: String = text.chars().take(70).collect();
            format!("held({cause}: {short}…)")
        })
        .collect();
    holds.into_iter().chain([course.rest.clone()]).collect::<Vec<_>>().join(" -> ")
}

/// The members are those of the ground, at each of them; slots and streams are theirs and no
/// others.
///
/// # Errors
/// It does not become so within a minute.
pub async fn grown(ground: &Ground) -> Result<()> {
    process::until("the members are as they should be", SOON, || async {
        members(ground).await?;
        Ok(true)
    })
    .await
}

async fn members(ground: &Ground) -> Result<()> {
    let primary = ground.primary().await?;
    let wanted: BTreeSet<&str> = ground.nodes.keys().map(String::as_str).collect();
    let lead = ground.node_at(ground.primary).context("no node at the primary's host")?;
    let mut standbys: Vec<Member> = Vec::new();
    for address in ground.addresses()? {
        let found = Server::connect(&address, &demo::superuser()).await?.members().await?;
        let names: BTreeSet<&str> = found.iter().map(|one| one.name.as_str()).collect();
        ensure!(names == wanted, "{address} counts {names:?} instead of {wanted:?}");
        ensure!(found.iter().all(|one| one.active), "{address}: not all are active: {found:?}");
        for one in &found {
            let kind = if one.name == lead { "primary" } else { "standby" };
            ensure!(one.kind == kind, "{address} calls {} a {}", one.name, one.kind);
        }
        standbys = found.into_iter().filter(|one| one.name != lead).collect();
    }
    let streams = primary.streaming().await?;
    let names: BTreeSet<String> = standbys.iter().map(|one| one.name.clone()).collect();
    ensure!(streams == names, "{streams:?} stream instead of {names:?}");
    let slots = primary.slots().await?;
    let found: BTreeSet<String> = slots.iter().map(|one| one.name.clone()).collect();
    let named: BTreeSet<String> = standbys.iter().filter_map(|one| one.slot.clone()).collect();
    ensure!(found == named, "slots {found:?} instead of {named:?}");
    ensure!(slots.iter().all(|one| one.active), "a slot that nobody reads: {slots:?}");
    Ok(())
}

/// Members, slots, rules and files are as before.
///
/// # Errors
/// Something is different after a minute.
pub async fn as_before(ground: &Ground, before: &Snapshot) -> Result<()> {
    process::until("the cluster is as it was before", SOON, || async {
        let differences = before.differences(&ground.snapshot().await?);
        ensure!(differences.is_empty(), "{}", differences.join("\n"));
        Ok(true)
    })
    .await
}

/// What holds after every point: agents were told, locks are free, no job left anything behind,
/// no tool ran twice, and every acknowledged row is at every member.
///
/// # Errors
/// Something of it does not hold.
pub async fn all_is_well(ground: &Ground, operation: &str) -> Result<()> {
    closed(ground, operation).await?;
    nothing_left(&ground.site.folders()).await?;
    let attempts = duplicates::attempts(&ground.site.operations().await?);
    let doubled = duplicates::find(&ground.tool_runs()?, &attempts).duplicates;
    let doubled = unexplained(doubled, ground);
    ensure!(doubled.is_empty(), "doubled tool runs: {doubled:?}");
    rows(ground).await
}

/// Without the services that the administrator started again by hand.
fn unexplained(mut doubled: Vec<String>, ground: &Ground) -> Vec<String> {
    for ((host, tool), mut times) in ground.starts_by_hand() {
        let of_it = format!("h{}: {tool} ", host + 1);
        doubled.retain(|one| {
            let explained = times > 0 && one.starts_with(&of_it);
            times -= usize::from(explained);
            !explained
        });
    }
    doubled
}

/// The last word of its journal is that the agents were told, and nothing of it is locked.
///
/// # Errors
/// It is not so within a minute.
pub async fn closed(ground: &Ground, operation: &str) -> Result<()> {
    process::until("the agents are told that it is over", SOON, || async {
        let detail = ground.site.cli().operation(operation).await?;
        let last = detail.events.last().context("no events")?;
        Ok(matches!(last.kind, Some(event::Kind::Closed(_))))
    })
    .await?;
    for agent in ground.site.agents() {
        let jobs = agent.host.folder.join("state/jobs").join(operation);
        ensure!(!jobs.exists(), "{} still keeps jobs of {operation}", agent.host.name);
    }
    Ok(())
}

/// No process of a job, and nothing that a trap's trick left behind, runs any more.
///
/// # Errors
/// Something still runs after a minute.
pub async fn nothing_left(folders: &[PathBuf]) -> Result<()> {
    process::until("no process of a job is left", SOON, || async {
        let left: Vec<String> = reap::processes(folders)
            .into_iter()
            .filter(|one| of_a_job(one.pid) || one.what.contains(LEFT_BEHIND))
            .map(|one| format!("{} {}", one.pid, one.what))
            .collect();
        ensure!(left.is_empty(), "{left:?}");
        Ok(true)
    })
    .await
}

fn of_a_job(pid: i32) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|one| one.starts_with(JOB_MARK.as_bytes()))
}

/// Every row that was acknowledged up to now is at every member.
///
/// # Errors
/// One is missing, or a member does not catch up within a minute.
pub async fn rows(ground: &Ground) -> Result<()> {
    let Some(writer) = &ground.writer else { return Ok(()) };
    let acknowledged = writer.tally().acknowledged;
    let more = acknowledged.len() + 1;
    writer.reaches(more, SOON).await.context("the writer goes on")?;
    let written = ground.primary().await?.written().await?;
    for (node, host) in &ground.nodes {
        let member = Server::connect(&ground.address(*host)?, &demo::application()).await?;
        if member.in_recovery().await? {
            member.replayed(&written, SOON).await?;
        }
        let missing = acknowledged.difference(&member.ids(TABLE).await?).count();
        ensure!(
            missing == 0,
            "{missing} of {} acknowledged rows are not at {node}",
            acknowledged.len()
        );
    }
    Ok(())
}
