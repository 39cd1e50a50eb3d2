//! Points that need real systemd hosts (root): a network that is cut for longer than the
//! keep-alive, a disk that is full at the new node and under the coordinator's store, a primary
//! whose host loses its power.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::FutureExt as _;

use super::{
    drive,
    machines::{DATA, GROWING, LIMIT, Machines},
    point::End,
    proof,
    special::{ANY, Special, until_held_for},
};
use crate::{process, writer::TABLE};

/// Longer than the keep-alive (10 s and 10 s for its answer), shorter than PostgreSQL's patience
/// with a silent receiver (60 s).
const CUT: Duration = Duration::from_secs(35);
/// KiB/s of a copy that lasts some fifteen seconds.
const SLOW_KIB: u32 = 4 * 1024;
/// KiB/s of one that lasts a minute.
const SLOWEST_KIB: u32 = 1024;

/// In this order: the last one takes the primary away for good.
pub const POINTS: &[Special<Machines>] = &[
    Special {
        name: "network of the new host cut for 35 s in the copy",
        play: |on| network_cut(on).boxed(),
    },
    Special {
        name: "disk full under the coordinator's store in the copy",
        play: |on| store_full(on).boxed(),
    },
    Special { name: "disk full at the new node in the copy", play: |on| node_full(on).boxed() },
    Special {
        name: "power cut of the primary's host, failover by repmgrd",
        play: |on| power_cut(on).boxed(),
    },
];

async fn network_cut(on: &mut Machines) -> Result<String> {
    let operation = on.copying(SLOW_KIB).await?;
    let cli = on.cli();
    on.testbed.host("db3")?.network(false)?;
    let cut = tokio::time::Instant::now();
    let noticed = process::until("the host is told as unreachable", LIMIT, || async {
        Ok(cli.connected_hosts().await? < GROWING.hosts.len())
    })
    .await;
    tokio::time::sleep_until(cut + CUT).await;
    on.testbed.host("db3")?.network(true)?;
    noticed?;
    on.connected().await?;
    let course = drive::to_end(&cli, &operation, End::MayHold(ANY), "done").await?;
    on.grown(&operation).await?;
    Ok(proof::told(&course))
}

async fn node_full(on: &mut Machines) -> Result<String> {
    let operation = on.copying(SLOW_KIB).await?;
    let host = on.testbed.host("db3")?;
    // Nearly all at once, then the rest, which ends with "No space left on device".
    let fill = format!(
        "free=$(df --output=avail -B1 {DATA} | tail -n1); \
         fallocate -l $((free - 8388608)) {DATA}/full; dd if=/dev/zero of={DATA}/rest bs=4k; true"
    );
    host.succeed(&["sh", "-c", &fill])?;
    let held = until_held_for(&on.cli(), &operation, &["no space left"]).await?;
    let free = ["rm", "-f", &format!("{DATA}/full"), &format!("{DATA}/rest")];
    on.testbed.host("db3")?.succeed(&free)?;
    on.cli().run(&["op", "retry", &operation, "--detach"]).await?.expect_code(0)?;
    let mut course = drive::to_end(&on.cli(), &operation, End::MayHold(&[]), "done").await?;
    on.grown(&operation).await?;
    course.holds.insert(0, held);
    Ok(proof::told(&course))
}

async fn store_full(on: &mut Machines) -> Result<String> {
    let operation = on.copying(SLOWEST_KIB).await?;
    on.disk.fill()?;
    // The store has room left within its own file: small writes use it up.
    let cli = on.cli();
    let (used_up, _) = tokio::sync::watch::channel(false);
    let writes = (0..4).map(|number| {
        let (cli, host, over) = (cli.clone(), format!("nobody{number}"), used_up.subscribe());
        tokio::spawn(async move {
            while !*over.borrow() {
                let _ = cli.run(&["host", "token", &host]).await;
            }
        })
    });
    let writes: Vec<_> = writes.collect();
    let ended = on.coordinator.ended(LIMIT).await;
    used_up.send_replace(true);
    for one in writes {
        let _ = one.await;
    }
    on.disk.free()?;
    let ended = ended?;
    on.coordinator.start().await?;
    on.connected().await?;
    let course = drive::to_end(&on.cli(), &operation, End::MayHold(&[]), "done").await?;
    on.grown(&operation).await?;
    Ok(format!("coordinator ended ({ended}); {}", proof::told(&course)))
}

async fn power_cut(on: &mut Machines) -> Result<String> {
    let operation = on.copying(SLOW_KIB).await?;
    let mut writer = on.writer.take().context("no writer")?;
    let rows = writer.finish().await?.acknowledged;
    let written = on.server("db1").await?.written().await?;
    on.server("db2").await?.replayed(&written, LIMIT).await?;
    on.testbed.host("db1")?.power_cut()?;
    let cli = on.cli();
    process::until("repmgrd promotes the standby", LIMIT, || async {
        Ok(!on.server("db2").await?.in_recovery().await?)
    })
    .await?;
    let held = until_held_for(&cli, &operation, &["primary", "pg1", "db1"]).await?;
    cli.run(&["op", "abandon", &operation]).await?.expect_code(0)?;
    let heir = on.server("db2").await?;
    let known = heir.members().await?;
    ensure!(known.len() == 2, "somebody was registered after the failover: {known:?}");
    let missing = rows.difference(&heir.ids(TABLE).await?).count();
    ensure!(missing == 0, "{missing} of {} acknowledged rows are lost", rows.len());
    on.settled(&operation).await?;
    let course = drive::Course { rest: "abandoned".to_owned(), holds: vec![held] };
    Ok(proof::told(&course))
}
