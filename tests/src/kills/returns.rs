//! Hosts that come back, on real hosts: one that was named dead and boots by itself while its
//! replacement is copied, where its tombstone holds it; and a former primary that rejoins, with
//! somebody struck on the way.
//!
//! The rule: a row may only be lost if a primary that died for good acknowledged it after its heir
//! was last seen to have everything. Whatever its new primary acknowledged must be there.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bellows_proto::v1::ListHostsReply;
use futures::future::FutureExt as _;

use super::{
    blow,
    cluster::Cluster,
    drive,
    machines::{CLUSTER, LIMIT},
    moment,
    point::{
        End::{self, ByItself, Held, MayHold},
        Remedy, Seen,
    },
    proof,
    special::{ANY, Special, until_held},
    trap::Trick,
};
use crate::process;

/// KiB/s of a copy that lasts half a minute: a host boots in a few seconds.
const SLOW_KIB: u32 = 2048;
/// A second primary is only held when its agent has its tombstone: it is looked for every two
/// seconds, and a server needs a moment to stop. On a busy machine many times that.
const BURIED: Duration = Duration::from_secs(120);

/// The dead standby first: `make test-hosts` plays that one too.
pub const POINTS: &[Special<Cluster>] = &[
    Special {
        name: "replace: the dead standby's host boots while its replacement is copied",
        play: |cluster| dead_standby(cluster).boxed(),
    },
    Special {
        name: "replace: the dead host boots before its node is forgotten",
        play: |cluster| too_early(cluster).boxed(),
    },
    Special {
        name: "replace: the dead primary's host boots while its replacement is copied",
        play: |cluster| dead_primary(cluster).boxed(),
    },
    Special {
        name: "rejoin: coordinator and agent of the former primary, registered and not told",
        play: |cluster| rejoin_told_late(cluster).boxed(),
    },
    Special {
        name: "rejoin: power of the former primary's host while its data are copied anew",
        play: |cluster| rejoin_in_the_dark(cluster).boxed(),
    },
];

async fn dead_standby(cluster: &mut Cluster) -> Result<String> {
    let primary = cluster.primary().await?;
    let dead = a_standby(cluster, &primary)?;
    cluster.reigns.two_at_once();
    cluster.host(&dead)?.power_cut()?;
    let told = boots_in_the_copy(cluster, &dead, &primary).await?;
    match cluster.reigns.two_at_once() {
        Some((_, two)) => bail!("two primaries: {two}"),
        None => Ok(told),
    }
}

async fn dead_primary(cluster: &mut Cluster) -> Result<String> {
    let dead = cluster.primary().await?;
    let mut safe = std::collections::BTreeSet::new();
    for node in cluster.in_order().iter().filter(|node| **node != dead) {
        let here = cluster.safe_at(node).await?;
        // Whoever takes over: what all had.
        safe = if safe.is_empty() { here } else { &safe & &here };
    }
    cluster.host(&dead)?.power_cut()?;
    cluster.may_lose(&safe)?;
    let heir = promoted(cluster, &dead).await?;
    cluster.reigns.two_at_once();
    let told = boots_in_the_copy(cluster, &dead, &heir).await?;
    // Its agent must hear of the tombstone first: until then its server may run.
    let two = cluster.reigns.two_at_once().map(|(_, two)| format!(" ({two})"));
    Ok(format!("{told}{}", two.unwrap_or_default()))
}

/// Replaces a node whose host is off, which boots in the middle of the copy, and dies and boots
/// once more when all is over: it is held each time.
async fn boots_in_the_copy(cluster: &mut Cluster, dead: &str, primary: &str) -> Result<String> {
    let host = cluster.host(dead)?.name().to_owned();
    let (operation, node, at) = replace_dead(cluster, dead).await?;
    let lead = cluster.server(primary).await?;
    process::until("the copy is on its way", LIMIT, || async {
        let progress = lead.backup_progress().await?;
        Ok(progress.is_some_and(|(done, total)| done * 20 > total && done * 2 < total))
    })
    .await?;
    cluster.on.testbed.host(&host)?.boot()?;
    buried(cluster, &host, dead).await?;
    let copies = lead.backup_progress().await?.is_some();
    let still = if copies { "held while it copies" } else { "held when the copy had ended" };
    let course = drive::to_end(&cluster.on.cli(), &operation, MayHold(ANY), "done").await?;
    cluster.nodes.remove(dead);
    cluster.nodes.insert(node, at);
    let it = cluster.on.testbed.host(&host)?;
    blow::is_buried(it, dead)?;
    cluster.is_well(&operation, primary).await?;
    it.power_cut()?;
    it.boot()?;
    cluster.on.connected().await?;
    blow::is_buried(it, dead)?;
    ensure!(cluster.on.server(&host).await.is_err(), "a server answers on {host}");
    cluster.is_well(&operation, primary).await?;
    Ok(format!("{still}; {}", proof::told(&course)))
}

/// Waits until the tombstone of a node holds it: masked, stopped, and nothing answers.
async fn buried(cluster: &Cluster, host: &str, node: &str) -> Result<()> {
    process::until(&format!("the tombstone holds {node} on {host}"), BURIED, || async {
        blow::is_buried(cluster.on.testbed.host(host)?, node)?;
        Ok(true)
    })
    .await?;
    ensure!(cluster.on.server(host).await.is_err(), "a server answers on {host}");
    Ok(())
}

/// Begins the replacement of a node whose host is off, slowly. Returns the operation, and the new
/// node with its host.
async fn replace_dead(cluster: &mut Cluster, dead: &str) -> Result<(String, String, String)> {
    let host = cluster.host(dead)?.name().to_owned();
    let (node, at) = (cluster.new_node(), cluster.free_host()?);
    let (with, rate) = (format!("{node}@{at}"), format!("clone_rate_kib={SLOW_KIB}"));
    let words = ["replace", CLUSTER, "--node", dead, "--with", &with, "--dead", "--confirm-off"];
    let words = [&words[..], &[&host, "--option", &rate]].concat();
    let operation = std::sync::Mutex::new(String::new());
    // Refused for as long as somebody takes its silence for an answer that is late.
    process::until("the replacement is accepted", LIMIT, || async {
        let begun = cluster.begin(&words).await?;
        *operation.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = begun;
        Ok(true)
    })
    .await?;
    let operation = operation.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok((operation, node, at))
}

/// While the node is a member its host must stay away: the operation is held, and taken back.
async fn too_early(cluster: &mut Cluster) -> Result<String> {
    let primary = cluster.primary().await?;
    let dead = a_standby(cluster, &primary)?;
    let host = cluster.host(&dead)?;
    let name = host.name().to_owned();
    host.power_cut()?;
    let (operation, _, new) = replace_dead(cluster, &dead).await?;
    let configured = (Seen::ActStarted, "write the configuration");
    moment::follows(&cluster.on.cli(), &operation, configured.0, configured.1).await?;
    // It gets no further than this step before the dead one is there.
    cluster.on.testbed.host(&new)?.network(false)?;
    cluster.host(&dead)?.boot()?;
    process::until(&format!("the agent of {name} is connected"), LIMIT, || async {
        let list: ListHostsReply = cluster.on.cli().json(&["host", "list"]).await?;
        Ok(list.hosts.iter().any(|one| one.host == name && one.state == "connected"))
    })
    .await?;
    cluster.on.testbed.host(&new)?.network(true)?;
    let undo = Held(ANY, &["answers"], Remedy::Undo);
    let course = drive::to_end(&cluster.on.cli(), &operation, undo, "undone").await?;
    cluster.on.connected().await?;
    cluster.is_well(&operation, &primary).await?;
    Ok(proof::told(&course))
}

async fn rejoin_told_late(cluster: &mut Cluster) -> Result<String> {
    let old = fails_over(cluster).await?;
    let host = cluster.host(&old)?.name().to_owned();
    let trap = cluster.trap(&host, "repmgr", &["standby", "register"], Trick::HoldAfter)?;
    let operation = cluster.begin(&["rejoin", CLUSTER, "--node", &old]).await?;
    trap.sprung(LIMIT).await?;
    cluster.on.coordinator.kill().await?;
    blow::agent(cluster.host(&old)?)?;
    cluster.on.coordinator.start().await?;
    trap.release()?;
    follows(cluster, &operation, ByItself).await
}

async fn rejoin_in_the_dark(cluster: &mut Cluster) -> Result<String> {
    let old = fails_over(cluster).await?;
    let host = cluster.host(&old)?.name().to_owned();
    let trap = cluster.trap(&host, "pg_basebackup", &["-D"], Trick::HoldBefore)?;
    let words = ["rejoin", CLUSTER, "--node", &old, "--discard-data"];
    let operation = cluster.begin(&words).await?;
    trap.sprung(LIMIT).await?;
    cluster.host(&old)?.power_cut()?;
    drop(trap);
    until_held(&cluster.on.cli(), &operation).await?;
    cluster.host(&old)?.boot()?;
    cluster.on.connected().await?;
    follows(cluster, &operation, MayHold(ANY)).await
}

/// Follows a rejoin to its end.
async fn follows(cluster: &Cluster, operation: &str, end: End) -> Result<String> {
    let course = drive::to_end(&cluster.on.cli(), operation, end, "done").await?;
    let primary = cluster.primary().await?;
    cluster.is_well(operation, &primary).await?;
    Ok(proof::told(&course))
}

/// Somebody stops the primary's server; repmgrd promotes a standby. Returns the old one.
async fn fails_over(cluster: &mut Cluster) -> Result<String> {
    let old = cluster.primary().await?;
    let host = cluster.host(&old)?;
    // In order: its standbys have everything, and nothing is lost.
    host.succeed(&["systemctl", "stop", &blow::server_unit(&old)])?;
    promoted(cluster, &old).await?;
    Ok(old)
}

/// Waits until repmgrd has promoted somebody whom the others follow, and has recorded it.
async fn promoted(cluster: &Cluster, old: &str) -> Result<String> {
    process::until("repmgrd has promoted a standby", LIMIT, || async {
        let heir = cluster.primary().await?;
        let server = cluster.server(&heir).await?;
        let members = server.members().await?;
        let leads = members.iter().find(|one| one.name == heir).context("not recorded")?;
        ensure!(leads.kind == "primary" && leads.active, "not recorded as the primary");
        let follow = members.iter().filter(|one| one.name != heir && one.name != old);
        ensure!(follow.clone().all(|one| one.upstream == Some(leads.id)), "not all follow");
        Ok(server.streaming().await?.len() == follow.count())
    })
    .await?;
    cluster.primary().await
}

/// The last standby in natural order.
fn a_standby(cluster: &Cluster, primary: &str) -> Result<String> {
    let mut nodes = cluster.in_order();
    nodes.retain(|node| node != primary);
    nodes.pop().context("no standby")
}
