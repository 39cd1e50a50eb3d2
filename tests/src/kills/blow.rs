//! Blows on real hosts: SIGKILL to servers, agents and the coordinator, power cuts; and what systemd
//! says of a node's services afterwards.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{
    cluster::Cluster,
    machines::{CLUSTER, LIMIT},
};
use crate::{process, testbed::Host};

/// What a service manager does at once, on a busy machine.
const SOON: Duration = Duration::from_secs(60);
/// Rows that a walsender which stands still keeps from its standby.
const ROWS: usize = 20;

/// The unit of a node's server.
pub fn server_unit(node: &str) -> String {
    format!("bellows-{CLUSTER}-{node}-server.service")
}

/// The unit of a node's repmgrd.
pub fn repmgrd_unit(node: &str) -> String {
    format!("bellows-{CLUSTER}-{node}-repmgrd.service")
}

/// A property of a unit, as systemd has it.
///
/// # Errors
/// The host is off.
pub fn property(host: &Host, unit: &str, name: &str) -> Result<String> {
    let shown = host.succeed(&["systemctl", "show", unit, &format!("--property={name}")])?;
    let value = shown.trim().split_once('=').with_context(|| format!("{unit}: {shown}"))?.1;
    Ok(value.to_owned())
}

/// SIGKILL to the postmaster of a member. systemd starts it again after five seconds, if nobody
/// stops it before.
///
/// # Errors
/// It does not run.
pub async fn server(cluster: &Cluster, node: &str) -> Result<()> {
    let (host, unit) = (cluster.host(node)?, server_unit(node));
    let before = main_process(host, &unit)?;
    kill(host, &unit)?;
    process::until(&format!("the server of {node} is dead"), SOON, || async {
        Ok(property(host, &unit, "MainPID")? != before)
    })
    .await
}

/// As [`server`], and waits until systemd has started it again and it answers.
///
/// # Errors
/// As [`server`]; or it does not come back.
pub async fn server_and_back(cluster: &Cluster, node: &str) -> Result<()> {
    server(cluster, node).await?;
    process::until(&format!("the server of {node} answers again"), LIMIT, || async {
        cluster.server(node).await?.in_recovery().await?;
        Ok(true)
    })
    .await
}

/// Stops the WAL senders of the primary, so that the last acknowledged rows are nowhere else, and
/// that it cannot end before they do.
///
/// # Errors
/// None runs, or nobody writes.
pub async fn hold_back(cluster: &Cluster, node: &str) -> Result<()> {
    let (host, unit) = (cluster.host(node)?, server_unit(node));
    let parent = main_process(host, &unit)?;
    host.succeed(&["pkill", "-STOP", "--parent", &parent, "--full", "walsender"])?;
    cluster.writes_on(ROWS).await
}

/// SIGKILL to the postmaster while it is being stopped, and waits until nothing of it is left.
///
/// # Errors
/// It is not stopped, or something of it stays.
pub async fn server_as_it_stops(cluster: &Cluster, node: &str) -> Result<()> {
    let (host, unit) = (cluster.host(node)?, server_unit(node));
    process::until(&format!("the server of {node} stops"), LIMIT, || async {
        Ok(property(host, &unit, "ActiveState")? == "deactivating")
    })
    .await?;
    kill(host, &unit)?;
    is_down(host, &unit).await
}

/// Waits until a unit has ended, and nothing starts it again.
///
/// # Errors
/// It does not within a minute.
pub async fn is_down(host: &Host, unit: &str) -> Result<()> {
    process::until(&format!("{unit} is down"), SOON, || async {
        let state = property(host, unit, "ActiveState")?;
        Ok(matches!(state.as_str(), "inactive" | "failed"))
    })
    .await
}

/// SIGKILL to the agent of a host; systemd starts it again.
///
/// # Errors
/// It does not run.
pub fn agent(host: &Host) -> Result<()> {
    kill(host, "bellows-agent.service")
}

/// SIGKILL to the coordinator, and starts it again.
///
/// # Errors
/// It did not run, or does not start.
pub async fn coordinator(cluster: &mut Cluster) -> Result<()> {
    cluster.on.coordinator.kill().await?;
    cluster.on.coordinator.start().await
}

/// systemd neither runs these two services of a node nor would start them: masked for ever.
///
/// # Errors
/// One of them runs, or can be started.
pub fn is_buried(host: &Host, node: &str) -> Result<()> {
    for unit in [server_unit(node), repmgrd_unit(node)] {
        let load = property(host, &unit, "LoadState")?;
        ensure!(load == "masked", "{unit} on {} is {load}, not masked", host.name());
        let state = property(host, &unit, "ActiveState")?;
        ensure!(state == "inactive" || state == "failed", "{unit} on {} is {state}", host.name());
        let started = host.exec(&["systemctl", "start", &unit])?;
        ensure!(!started.status.success(), "{unit} on {} was started", host.name());
    }
    let servers = host.exec(&["pgrep", "--full", &format!("postgres -D .*/{node}$")])?;
    ensure!(!servers.status.success(), "a server of {node} runs on {}", host.name());
    Ok(())
}

fn kill(host: &Host, unit: &str) -> Result<()> {
    host.succeed(&["systemctl", "kill", "--kill-who=main", "--signal=KILL", unit]).map(drop)
}

fn main_process(host: &Host, unit: &str) -> Result<String> {
    let pid = property(host, unit, "MainPID")?;
    ensure!(pid != "0", "{unit} does not run on {}", host.name());
    Ok(pid)
}
