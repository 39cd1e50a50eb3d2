//! Plays a move: holds a tool, strikes, follows the operation to its end, and asks PostgreSQL and
//! systemd what has become of it.

use anyhow::{Result, bail, ensure};
use futures::future::{BoxFuture, FutureExt as _};

use super::{
    At, Blow, Move, Verb,
    Who::{self, Next, Old, Other},
};
use crate::{
    kills::{
        blow,
        cluster::Cluster,
        drive,
        machines::{CLUSTER, LIMIT},
        point::{End::Held, Remedy::Undo},
        proof,
        special::until_held,
    },
    process,
};

/// Who is who when an operation begins.
struct Roles {
    old: String,
    next: String,
    other: String,
}

impl Roles {
    async fn of(cluster: &Cluster) -> Result<Self> {
        let old = cluster.primary().await?;
        let mut standbys = cluster.in_order();
        standbys.retain(|node| *node != old);
        match <[String; 2]>::try_from(standbys) {
            Ok([next, other]) => Ok(Self { old, next, other }),
            Err(standbys) => bail!("two standbys are needed, not {standbys:?}"),
        }
    }

    fn node(&self, who: Who) -> &str {
        match who {
            Old => &self.old,
            Next => &self.next,
            Other => &self.other,
        }
    }
}

/// Plays a point; says what happened.
pub fn play<'a>(cluster: &'a mut Cluster, point: &'a Move) -> BoxFuture<'a, Result<String>> {
    played(cluster, point).boxed()
}

async fn played(cluster: &mut Cluster, point: &Move) -> Result<String> {
    let roles = Roles::of(cluster).await?;
    // What was before it is no matter of this point.
    cluster.reigns.two_at_once();
    let At(who, tool, words, trick) = point.at;
    let host = cluster.host(roles.node(who))?.name().to_owned();
    let trap = cluster.trap(&host, tool, words, trick)?;
    let coming = (cluster.new_node(), cluster.free_host()?);
    let operation = begin(cluster, point.verb, &roles, &coming).await?;
    process::until("a tool is held", LIMIT, || async {
        let rests = drive::rests(&cluster.on.cli(), &operation).await?;
        Ok(trap.has_sprung() || rests.is_some())
    })
    .await?;
    ensure!(trap.has_sprung(), "it came to rest and no tool fell into the trap");
    strike(cluster, point.blow, &roles, &operation, || trap.release()).await?;
    drop(trap);
    let back = matches!(point.end, Held(_, _, Undo));
    let wanted = if back { "undone" } else { "done" };
    let course = drive::to_end(&cluster.on.cli(), &operation, point.end, wanted).await?;
    let primary = if back || point.verb == Verb::RestartInPlace { &roles.old } else { &roles.next };
    let leaves = point.verb == Verb::ReplacePrimary && !back;
    if leaves {
        let left = cluster.host(&roles.old)?.name().to_owned();
        cluster.nodes.remove(&roles.old);
        cluster.nodes.insert(coming.0, coming.1);
        blow::is_buried(cluster.on.testbed.host(&left)?, &roles.old)?;
    }
    cluster.is_well(&operation, primary).await?;
    if let Some((_, two)) = cluster.reigns.two_at_once() {
        bail!("two primaries: {two}");
    }
    Ok(proof::told(&course))
}

async fn begin(
    cluster: &Cluster,
    verb: Verb,
    roles: &Roles,
    (node, host): &(String, String),
) -> Result<String> {
    let with = format!("{node}@{host}");
    match verb {
        Verb::Switchover => cluster.begin(&["switchover", CLUSTER, "--to", &roles.next]).await,
        Verb::ReplacePrimary => {
            cluster.begin(&["replace", CLUSTER, "--node", &roles.old, "--with", &with]).await
        }
        Verb::Restart => cluster.begin(&["restart", CLUSTER]).await,
        Verb::RestartInPlace => cluster.begin(&["restart", CLUSTER, "--in-place"]).await,
    }
}

/// Strikes, and lets the tool go that is held.
async fn strike(
    cluster: &mut Cluster,
    blow: Blow,
    roles: &Roles,
    operation: &str,
    release: impl FnOnce() -> Result<()>,
) -> Result<()> {
    match blow {
        Blow::Server(who) => blow::server(cluster, roles.node(who)).await?,
        Blow::ServerAndBack(who) => blow::server_and_back(cluster, roles.node(who)).await?,
        Blow::ServerAndStandbys(who) => {
            blow::server_and_back(cluster, roles.node(who)).await?;
            cluster.streams_to_all(roles.node(who)).await?;
        }
        Blow::ServerAsItStops(who) => {
            blow::hold_back(cluster, roles.node(who)).await?;
            release()?;
            return blow::server_as_it_stops(cluster, roles.node(who)).await;
        }
        Blow::Power(who) => {
            let node = roles.node(who);
            cluster.host(node)?.power_cut()?;
            release()?;
            until_held(&cluster.on.cli(), operation).await?;
            cluster.host(node)?.boot()?;
            return cluster.on.connected().await;
        }
        Blow::Coordinator => blow::coordinator(cluster).await?,
        Blow::CoordinatorAndAgent(who) => {
            cluster.on.coordinator.kill().await?;
            blow::agent(cluster.host(roles.node(who))?)?;
            cluster.on.coordinator.start().await?;
        }
    }
    release()
}
