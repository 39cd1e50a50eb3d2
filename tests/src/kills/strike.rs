//! The blow: SIGKILL to whoever it is for, and what an administrator or a service manager would
//! start again.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::{ground::Ground, point::Victim};
use crate::{demo::CLUSTER, process, reap};

/// A process that was killed is gone within this time.
const LIMIT: Duration = Duration::from_secs(30);

/// Strikes. `held`: the process that a trap holds.
///
/// # Errors
/// The victim is not there, survives, or does not start again.
pub async fn strike(ground: &mut Ground, victim: Victim, held: Option<i32>) -> Result<()> {
    match victim {
        Victim::Coordinator => {
            ground.site.coordinator().kill().await?;
            ground.site.coordinator().start().await
        }
        Victim::Agent(host) => agent(ground, host).await,
        Victim::AgentTwice(host) => {
            agent(ground, host).await?;
            agent(ground, host).await
        }
        Victim::CoordinatorAndAgent(host) => {
            ground.site.coordinator().kill().await?;
            agent(ground, host).await?;
            ground.site.coordinator().start().await
        }
        Victim::Shim => kill(shim_of(held.context("no tool is held")?)?).await,
        Victim::ShimOfCopy(host) => kill(shim_of(copy(ground, host)?)?).await,
        Victim::Tool => kill(held.context("no tool is held")?).await,
        Victim::Copy(host) => kill(copy(ground, host)?).await,
        Victim::Server(host) => {
            kill(postmaster(ground, host)?).await?;
            service(ground, host, "start", "server").await
        }
        Victim::ServerRestart(host) => {
            service(ground, host, "stop", "server").await?;
            service(ground, host, "start", "server").await
        }
        Victim::Repmgrd(host) => {
            let folder = ground.folder(host)?;
            kill(find(&folder, |what| program(what) == "repmgrd").context("no repmgrd")?).await?;
            service(ground, host, "start", "repmgrd").await
        }
        Victim::WholeHost(host) => {
            let tool = held.context("no tool is held")?;
            let shim = shim_of(tool)?;
            ground.site.agent(host)?.kill().await?;
            kill(shim).await?;
            // The signal that follows its parent's death may have been quicker.
            kill(tool).await?;
            ground.site.agent(host)?.start().await
        }
    }
}

async fn agent(ground: &mut Ground, host: usize) -> Result<()> {
    ground.site.agent(host)?.kill().await?;
    ground.site.agent(host)?.start().await
}

/// Starts or stops a node's service on its host, as an administrator does in the process form.
///
/// # Errors
/// There is no node on the host, or it does not come.
pub async fn service(ground: &Ground, host: usize, verb: &str, service: &str) -> Result<()> {
    let node = node_at(ground, host)?;
    let name = format!("bellows-{CLUSTER}-{node}-{service}");
    let agent = ground.site.agents().get(host).context("no such host")?;
    // Children of a postmaster that was killed hold its memory for a moment: then it is tried
    // again, as a service manager does.
    process::until(&format!("{verb} {name}"), LIMIT, || async {
        match (verb, service) {
            ("start", "server") => ground.started_by_hand(host, "postgres"),
            ("start", "repmgrd") => ground.started_by_hand(host, "repmgrd"),
            (_, _) => {}
        }
        agent.command_line(&["service", verb, &name]).await?.expect_code(0)?;
        Ok(true)
    })
    .await
}

/// The node whose data directory is on a host; it need not be a member yet.
fn node_at(ground: &Ground, host: usize) -> Result<String> {
    if let Some(node) = ground.node_at(host) {
        return Ok(node);
    }
    let folder = ground.folder(host)?.join("conf").join(CLUSTER);
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names.pop().context("no node on that host")
}

/// The postmaster on a host, from 0.
///
/// # Errors
/// None runs there.
pub fn postmaster(ground: &Ground, host: usize) -> Result<i32> {
    let found = reap::processes(&[ground.folder(host)?.join("data")]);
    found.iter().find(|one| one.server).map(|one| one.pid).context("no server runs there")
}

fn copy(ground: &Ground, host: usize) -> Result<i32> {
    find(&ground.folder(host)?, |what| program(what) == "pg_basebackup" && what.contains("-D"))
        .context("no copy runs there")
}

fn program(what: &str) -> &str {
    let first = what.split(' ').next().unwrap_or_default();
    first.rsplit('/').next().unwrap_or_default()
}

fn find(folder: &Path, fits: impl Fn(&str) -> bool) -> Option<i32> {
    // The first one: what it forked is younger.
    reap::processes(&[folder.to_owned()])
        .into_iter()
        .filter(|one| fits(&one.what))
        .map(|one| one.pid)
        .min()
}

/// The shim above a tool.
fn shim_of(tool: i32) -> Result<i32> {
    let mut pid = tool;
    for _ in 0..10 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .with_context(|| format!("process {pid}"))?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        pid = parent.context("no PPid")?.trim().parse().context("PPid")?;
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if words.split(|byte| *byte == 0).any(|word| word == b"shim") {
            return Ok(pid);
        }
    }
    bail!("process {tool} has no shim above it")
}

/// Kills a process and waits for its end. One that is gone already is fine.
///
/// # Errors
/// It survives.
pub async fn kill(pid: i32) -> Result<()> {
    let target = Pid::from_raw(pid).context("process id")?;
    match kill_process(target, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => bail!("kill {pid}: {error}"),
    }
    process::until(&format!("process {pid} is gone"), LIMIT, || async {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let dead = status.is_empty()
            || status.lines().any(|line| line.starts_with("State:") && line.contains('Z'));
        ensure!(dead, "it lives");
        Ok(true)
    })
    .await
}
