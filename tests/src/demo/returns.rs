//! The primary's server ends, repmgrd promotes a standby, and the former primary comes back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{
    CLUSTER, Stage, hosts,
    parts::{counts, watched},
};
use crate::{
    process, reap,
    sql::{self, Server},
};

/// repmgrd tries six times in a minute before it promotes; a busy machine takes longer.
const LIMIT: Duration = Duration::from_secs(240);

/// How a primary's server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its postmaster gets SIGKILL.
    Killed,
    /// Somebody stops it in order.
    Stopped,
}

/// Ends the primary's server and waits until repmgrd has promoted another one that all but the old
/// one follow. Returns the number of the old one.
///
/// # Errors
/// Nobody takes over.
pub async fn fails_over(stage: &Stage, end: End) -> Result<usize> {
    let address = stage.primary().await?.address;
    let mut old = None;
    for number in &stage.members {
        if stage.address(*number)? == address {
            old = Some(*number);
        }
    }
    let old = old.context("no such member")?;
    let agent = stage.site.agents().get(old - 1).context("no such host")?;
    let node = format!("pg{old}");
    match end {
        End::Killed => {
            let data = hosts::data(&agent.host.folder, &node);
            let found = reap::processes(&[data]);
            let server = found.iter().find(|one| one.server).context("no server runs")?;
            reap::kill(server);
        }
        End::Stopped => {
            let service = format!("bellows-{CLUSTER}-{node}-server");
            agent.command_line(&["service", "stop", &service]).await?.expect_code(0)?;
        }
    }
    let others: Vec<String> =
        stage.addresses()?.into_iter().filter(|other| *other != address).collect();
    process::until("repmgrd has promoted a standby", LIMIT, || async {
        let Ok(primary) = sql::primary(&others, &hosts::superuser()).await else {
            return Ok(false);
        };
        let streaming = primary.streaming().await?.len();
        // It leads before it has recorded that it does, and the others what they follow.
        let members = primary.members().await?;
        let leads = |one: &&sql::Member| one.active && one.kind == "primary" && one.name != node;
        let recorded = members.iter().find(leads).is_some_and(|leader| {
            let well = |one: &sql::Member| one.upstream == Some(leader.id) || one.id == leader.id;
            members.iter().all(|one| one.name == node || well(one))
        });
        Ok(streaming + 1 == others.len() && recorded)
    })
    .await?;
    Ok(old)
}

/// A return with the data that are there is refused, with its guard.
///
/// # Errors
/// It is not.
pub async fn rejoin_refused(stage: &Stage, number: usize) -> Result<()> {
    let node = format!("pg{number}");
    let told = stage.site.cli().run(&["rejoin", CLUSTER, "--node", &node, "--yes"]).await?;
    let text = format!("{}{}", told.expect_code(5)?, told.stderr);
    ensure!(text.contains("PG-70"), "refused, but not for its data: {text}");
    Ok(())
}

/// Lets the former primary come back, and asks every server whether it did.
///
/// # Errors
/// The operation does not rest as done, or it does not stream from the one primary.
pub async fn rejoin(stage: &Stage, number: usize, discard: bool) -> Result<()> {
    let node = format!("pg{number}");
    let mut words = vec!["rejoin", CLUSTER, "--node", &node, "--yes"];
    if discard {
        words.push("--discard-data");
    }
    stage.site.cli().run(&words).await?.expect_code(0)?;
    // Fails where several are.
    let primary = stage.primary().await?;
    let streaming = primary.streaming().await?;
    let from = &primary.address;
    ensure!(streaming.contains(&node), "{node} does not stream from {from}: {streaming:?}");
    let members = primary.members().await?;
    let leads = members.iter().find(|member| member.kind == "primary" && member.active);
    let leads = leads.context("repmgr has no primary")?.id;
    let own = members.iter().find(|member| member.name == node).context("no such member")?;
    let well = own.kind == "standby" && own.active && own.upstream == Some(leads);
    ensure!(well, "repmgr has {own:?}");
    let back = Server::connect(&stage.address(number)?, &hosts::superuser()).await?;
    let left = back.slots().await?;
    ensure!(left.is_empty(), "slots at {node}: {left:?}");
    watched(stage).await?;
    counts(stage, stage.members.len()).await
}
