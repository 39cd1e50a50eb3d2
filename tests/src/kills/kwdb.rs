//! Points on real systemd hosts with KWDB, in the clear: programs are killed, hosts lose power and network while
//! ranges move to a new member and away from one that leaves, and somebody still waits for a decommission that is
//! taken back. What was acknowledged is asked of KWDB, at every member.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::{BoxFuture, FutureExt as _};

use super::{
    drive::{self, Course},
    point::End,
    proof,
    scene::Scene,
    special::{ANY, Special, until_held},
};
use crate::{
    kwdb::{
        hosts::{CLUSTER, LIMIT, Machines, Shape},
        kit::{self, UNIT},
        loopback::Pace,
    },
    process,
    testbed::Host,
};

const SHAPE: Shape = Shape {
    hosts: &["db1", "db2", "db3", "db4"],
    members: 3,
    secure: false,
    pace: Pace { pace: 5, ranges: 24, range_bytes: 24 << 20 },
};
/// Where the fourth member comes and goes.
const FOURTH: &str = "db4";
/// Longer than the keep-alive (10 s and 10 s for its answer).
const CUT: Duration = Duration::from_secs(30);

/// In turn one comes and one goes, so that each finds what the last one left.
pub const POINTS: &[Special<Machines>] = &[
    Special {
        name: "coordinator killed while ranges move to a new member",
        play: |on| comes(on, |on| coordinator(on).boxed(), End::ByItself).boxed(),
    },
    Special {
        name: "agent of the leaving member's host killed while it is drained",
        play: |on| goes(on, |on| agent(on).boxed(), End::ByItself).boxed(),
    },
    Special {
        name: "agent of the new member's host killed while ranges move there",
        play: |on| comes(on, |on| agent(on).boxed(), End::ByItself).boxed(),
    },
    Special {
        name: "coordinator killed while a member is drained",
        play: |on| goes(on, |on| coordinator(on).boxed(), End::ByItself).boxed(),
    },
    Special {
        name: "power cut of the new member's host while ranges move there",
        play: |on| comes(on, |on| power(on).boxed(), End::MayHold(ANY)).boxed(),
    },
    Special {
        name: "power cut of the leaving member's host while it is drained",
        play: |on| goes(on, |on| power(on).boxed(), End::MayHold(ANY)).boxed(),
    },
    Special {
        name: "network of the new member's host cut for 30 s while ranges move there",
        play: |on| comes(on, |on| network(on).boxed(), End::MayHold(ANY)).boxed(),
    },
    Special {
        name: "somebody still waits for a decommission that is taken back",
        play: |on| waiter(on).boxed(),
    },
    Special {
        name: "network of the leaving member's host cut for 30 s while it is drained",
        play: |on| goes(on, |on| network(on).boxed(), End::MayHold(ANY)).boxed(),
    },
];

/// What strikes, while an operation runs.
type Blow = for<'a> fn(&'a mut Machines) -> BoxFuture<'a, Result<()>>;

impl Scene for Machines {
    fn up() -> BoxFuture<'static, Result<Self>> {
        async {
            let mut on = Self::up(SHAPE).await?;
            on.adopt().await?;
            on.write().await?;
            Ok(on)
        }
        .boxed()
    }

    fn story(&self, error: anyhow::Error) -> BoxFuture<'_, anyhow::Error> {
        Self::story(self, error).boxed()
    }

    /// Its hosts are switched off, whatever runs there.
    fn down(self) -> Result<()> {
        Ok(())
    }
}

/// A fourth member comes, and the blow falls while ranges move to it.
async fn comes(on: &mut Machines, blow: Blow, end: End) -> Result<String> {
    if is_there(on).await? {
        leaves(on).await?;
    }
    let at = format!("{}@{FOURTH}", on.new_node());
    let operation = on.begin(&["expand", CLUSTER, "--node", &at]).await?;
    on.until_replicas(FOURTH, |count| count > 2).await?;
    blow(on).await.context("the blow")?;
    let course = drive::to_end(&on.cli(), &operation, end, "done").await?;
    on.came(FOURTH)?;
    settled(on, &operation, &course).await
}

/// The fourth member goes, and the blow falls while it is drained.
async fn goes(on: &mut Machines, blow: Blow, end: End) -> Result<String> {
    let (node, before) = a_fourth(on).await?;
    let wipe = ["shrink", CLUSTER, "--node", &node, "--option", "data=wipe"];
    let operation = on.begin(&wipe).await?;
    on.until_replicas(FOURTH, |count| count < before).await?;
    blow(on).await.context("the blow")?;
    let course = drive::to_end(&on.cli(), &operation, end, "done").await?;
    on.left(FOURTH)?;
    kit::rests(on.host(FOURTH)?)?;
    settled(on, &operation, &course).await
}

/// A shrink is cancelled while a client on another host still waits for the decommission, which would flag the member
/// again: it is not taken back before that client is gone.
async fn waiter(on: &mut Machines) -> Result<String> {
    let (node, before) = a_fourth(on).await?;
    let id = on.members.id(&on.address(FOURTH)?).await?.to_string();
    let operation = on.begin(&["shrink", CLUSTER, "--node", &node]).await?;
    on.until_replicas(FOURTH, |count| count < before).await?;
    let other = on.host("db2")?;
    let host = format!("--host={}", on.address("db2")?);
    let program = format!("{}/kwbase", kit::BIN);
    let waits = [&program, "node", "decommission", &id, "--wait=all", "--insecure", &host]
        .map(str::to_owned);
    let run = ["systemd-run", "--unit=waiter", "--quiet", "--"].map(str::to_owned);
    let words: Vec<String> = run.into_iter().chain(waits).collect();
    other.succeed(&words.iter().map(String::as_str).collect::<Vec<_>>())?;
    // It must not end by itself, which it does when the last range has moved.
    other.succeed(&["systemctl", "kill", "--signal=STOP", "waiter"])?;
    on.cli().run(&["op", "cancel", &operation, "--detach"]).await?.expect_code(0)?;
    let (cause, text) = until_held(&on.cli(), &operation).await?;
    ensure!(text.contains("decommission"), "held ({cause:?}), but not for the waiter: {text}");
    other.succeed(&["systemctl", "kill", "--signal=KILL", "waiter"])?;
    on.cli().run(&["op", "retry", &operation, "--detach"]).await?.expect_code(0)?;
    let rest = drive::to_rest(&on.cli(), &operation).await?;
    ensure!(matches!(rest.as_str(), "cancelled" | "undone"), "it rests as {rest}");
    let course = Course { rest, holds: vec![(cause, text)] };
    settled(on, &operation, &course).await
}

async fn is_there(on: &Machines) -> Result<bool> {
    Ok(on.nodes().await?.values().any(|host| host == FOURTH))
}

async fn leaves(on: &mut Machines) -> Result<()> {
    let node = on.node(FOURTH).await?;
    on.done(&["shrink", CLUSTER, "--node", &node, "--option", "data=wipe"]).await?;
    on.left(FOURTH)
}

/// The fourth member, and how many ranges it has.
async fn a_fourth(on: &mut Machines) -> Result<(String, u64)> {
    if !is_there(on).await? {
        let at = format!("{}@{FOURTH}", on.new_node());
        on.done(&["expand", CLUSTER, "--node", &at]).await?;
        on.came(FOURTH)?;
    }
    let before = on.until_replicas(FOURTH, |count| count > 4).await?;
    Ok((on.node(FOURTH).await?, before))
}

/// Nothing is lost, the members agree, and nothing of the operation is left on any host.
async fn settled(on: &Machines, operation: &str, course: &Course) -> Result<String> {
    on.is_well().await?;
    on.connected().await?;
    for host in on.testbed.hosts() {
        let units = ["systemctl", "list-units", "--plain", "--no-legend", "*job*"];
        let units = host.succeed(&units)?;
        ensure!(!units.contains(operation), "{} still has {units}", host.name());
    }
    Ok(proof::told(course))
}

async fn coordinator(on: &mut Machines) -> Result<()> {
    on.coordinator.kill().await?;
    on.writes_on(5).await?;
    on.coordinator.start().await
}

async fn agent(on: &mut Machines) -> Result<()> {
    let words = ["systemctl", "kill", "--kill-who=main", "--signal=KILL", "bellows-agent"];
    on.host(FOURTH)?.succeed(&words).map(drop)
}

async fn power(on: &mut Machines) -> Result<()> {
    let host = on.host(FOURTH)?;
    host.power_cut()?;
    on.writes_on(5).await?;
    boot(host).await
}

/// With power again, its member runs by itself: it was enabled.
async fn boot(host: &Host) -> Result<()> {
    host.boot()?;
    process::until(&format!("{UNIT} runs on {}", host.name()), LIMIT, || async {
        Ok(kit::state(host)?.first().is_some_and(|state| state == "active"))
    })
    .await
}

async fn network(on: &mut Machines) -> Result<()> {
    let (host, cli) = (on.host(FOURTH)?, on.cli());
    host.network(false)?;
    let cut = tokio::time::Instant::now();
    let noticed = process::until("the host is told as unreachable", LIMIT, || async {
        Ok(cli.connected_hosts().await? < SHAPE.hosts.len())
    })
    .await;
    tokio::time::sleep_until(cut + CUT).await;
    host.network(true)?;
    noticed?;
    on.connected().await
}
