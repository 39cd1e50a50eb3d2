//! A host that dies for good: its node is replaced, and it comes back one day.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bellows_proto::v1;

use super::{CLUSTER, Stage, hosts, parts::counts};
use crate::{process, reap};

/// A tombstone is looked for every two seconds; a busy machine may need many times that.
const LIMIT: Duration = Duration::from_secs(120);

/// The highest member that is no primary.
///
/// # Errors
/// Nobody is primary, or nobody else is there.
pub async fn a_standby(stage: &Stage) -> Result<usize> {
    let members = stage.primary().await?.members().await?;
    let primary = members.iter().find(|member| member.kind == "primary").context("no primary")?;
    let standby = |number: &&usize| format!("pg{number}") != primary.name;
    stage.members.iter().rev().find(standby).copied().context("no standby")
}

/// SIGKILL to an agent and everything else of its host, at once; nothing is started again.
///
/// # Errors
/// Something of it still runs.
pub async fn dies(stage: &mut Stage, number: usize) -> Result<()> {
    stage.site.agent(number - 1)?.kill().await?;
    // Nobody can ask it any more.
    stage.members.remove(&number);
    let folder = stage.site.agent(number - 1)?.host.folder.clone();
    process::until(&format!("everything on h{number} is dead"), LIMIT, || async {
        let found = reap::processes(std::slice::from_ref(&folder));
        found.iter().for_each(reap::kill);
        Ok(found.is_empty())
    })
    .await
}

/// Replaces the node of a dead host by one on a free host, which a script says with
/// `--confirm-off`.
///
/// # Errors
/// The word that the host is off is not asked for, the operation does not rest as done, or
/// something of the dead one is left.
pub async fn replace_dead(stage: &mut Stage, number: usize, new: usize) -> Result<()> {
    let (node, host) = (format!("pg{number}"), format!("h{number}"));
    let with = format!("pg{new}@h{new}");
    let words = ["replace", CLUSTER, "--node", &node, "--with", &with, "--dead", "--yes"];
    let silent = stage.site.cli().run(&words).await?;
    ensure!(silent.code == Some(2), "nobody was asked whether {host} is off: {silent:?}");
    let primary = stage.primary().await?;
    let id = primary.members().await?;
    let id = id.iter().find(|member| member.name == node).context("no such member")?.id;
    let words = [&words[..], &["--confirm-off", &host]].concat();
    let told = stage.site.cli().run(&words).await?;
    let story = told.expect_code(0)?.lines().skip_while(|line| !line.contains("accepted from"));
    stage.tell.quote(&story.collect::<Vec<_>>().join("\n"));
    stage.members.insert(new);
    let primary = stage.primary().await?;
    let members = primary.members().await?;
    ensure!(members.iter().all(|member| member.name != node), "{node} is still recorded");
    let slots = primary.slots().await?;
    let slot = format!("repmgr_slot_{id}");
    ensure!(slots.iter().all(|one| one.name != slot), "{slot} is still there: {slots:?}");
    counts(stage, stage.members.len()).await
}

/// The host comes back: its agent gets the tombstone, and its server never starts again.
///
/// # Errors
/// It gets none, or something runs there.
pub async fn comes_back(stage: &mut Stage, number: usize) -> Result<()> {
    let (node, host) = (format!("pg{number}"), format!("h{number}"));
    stage.site.agent(number - 1)?.start().await?;
    process::until(&format!("{host} has a tombstone for {node}"), LIMIT, || async {
        let seen: v1::HostDetail = stage.site.cli().json(&["host", "show", &host]).await?;
        let facts = seen.facts.context("no facts")?;
        let named =
            |record: &&v1::NodeRecord| record.node.as_ref().is_some_and(|named| named.node == node);
        Ok(facts.nodes.iter().find(named).is_some_and(|record| record.tombstone))
    })
    .await?;
    let agent = stage.site.agents().get(number - 1).context("no such host")?;
    let service = format!("bellows-{CLUSTER}-{node}-server");
    let started = agent.command_line(&["service", "start", &service]).await?;
    if started.code == Some(0) {
        bail!("a buried server was started: {started:?}");
    }
    let folder = agent.host.folder.clone();
    let left = reap::processes(&[hosts::data(&folder, &node), hosts::conf(&folder)]);
    ensure!(left.is_empty(), "still running on {host}: {left:?}");
    Ok(())
}
