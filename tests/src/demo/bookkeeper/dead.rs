//! A host that dies for good: its bookie is replaced, and it comes back one day.

use anyhow::{Context, Result, ensure};
use bellows_proto::v1;

use super::{CLUSTER, LIMIT, Stage};
use crate::{bookkeeper::Members, process, reap};

/// SIGKILL to an agent and everything else of its host, at once; nothing is started again. The bookies that are left
/// notice.
///
/// # Errors
/// Something of it still runs, or nobody notices.
pub async fn dies(stage: &mut Stage, number: usize) -> Result<()> {
    let address = stage.address(number)?;
    let folder = stage.host(number)?.folder.clone();
    stage.site.agent(number - 1)?.kill().await?;
    stage.members.addresses.remove(&address);
    process::until(&format!("everything on h{number} is dead"), LIMIT, || async {
        let found = reap::processes(std::slice::from_ref(&folder));
        found.iter().for_each(reap::kill);
        Ok(found.is_empty())
    })
    .await?;
    stage.members.see_gone(&address).await
}

/// Replaces the bookie of a dead host by one on a free host, which a script says with `--confirm-off`.
///
/// # Errors
/// The word that the host is off is not asked for, the operation does not rest as done, or something of the dead one
/// is left.
pub async fn replace_dead(stage: &mut Stage, number: usize, new: usize) -> Result<()> {
    let (node, host) = (stage.node(number).await?, format!("h{number}"));
    let gone = Members::id(&stage.address(number)?);
    let with = format!("bk{new}@h{new}");
    let words = ["replace", CLUSTER, "--node", &node, "--with", &with, "--dead", "--yes"];
    let silent = stage.site.cli().run(&words).await?;
    ensure!(silent.code == Some(2), "nobody was asked whether {host} is off: {silent:?}");
    let words = [&words[..], &["--confirm-off", &host]].concat();
    let told = stage.site.cli().run(&words).await?;
    let story = told.expect_code(0)?.lines().skip_while(|line| !line.contains("accepted from"));
    stage.tell.quote(&story.collect::<Vec<_>>().join("\n"));
    let address = stage.address(new)?;
    stage.members.addresses.insert(address);
    let left = stage.members.ledgers_of(&gone).await?;
    ensure!(left == 0, "{left} ledgers name {node} still");
    stage.members.are_replicated().await?;
    stage.counts(stage.members.addresses.len()).await
}

/// The host comes back: its agent gets the tombstone, and nothing of the bookie runs.
///
/// # Errors
/// It gets none, or something runs there.
pub async fn comes_back(stage: &mut Stage, number: usize, node: &str) -> Result<()> {
    let host = format!("h{number}");
    stage.site.agent(number - 1)?.start().await?;
    process::until(&format!("{host} has a tombstone for {node}"), LIMIT, || async {
        let seen: v1::HostDetail = stage.site.cli().json(&["host", "show", &host]).await?;
        let facts = seen.facts.context("no facts")?;
        let named =
            |record: &&v1::NodeRecord| record.node.as_ref().is_some_and(|named| named.node == node);
        Ok(facts.nodes.iter().find(named).is_some_and(|record| record.tombstone))
    })
    .await?;
    let left = stage.left_running(number)?;
    ensure!(left.is_empty(), "still running on {host}: {left:?}");
    Ok(())
}
