//! Five real systemd hosts. On four of them a real BookKeeper as an administrator sets it up: it is adopted, grows onto the
//! fifth, a bookie is drained with a cancel in the middle, another one has its power cut meanwhile, one is stopped first and
//! made anew by autorecovery, and a dead one is replaced, under a writer and a reader. Needs root; belongs to
//! `make test-bookkeeper`, which builds the programs first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use anyhow::{Context, Result, ensure};
use bellows_proto::v1;
use bellows_tests::{
    bookkeeper::{
        Members, Shape, get,
        hosts::{self, CLUSTER, DATA, LIMIT, Machines, UNIT},
        verify,
    },
    kills::drive,
    process,
    testbed::Host,
};

const HOSTS: [&str; 5] = ["bk1", "bk2", "bk3", "bk4", "bk5"];

#[tokio::test(flavor = "multi_thread")]
async fn real_bookies_come_and_go_under_a_writer_and_a_reader() {
    let shape = Shape { ensemble: 2, write: 2, ack: 2 };
    let mut on = Box::pin(Machines::up(&HOSTS, 4, shape)).await.expect("five hosts");
    if let Err(error) = Box::pin(play(&mut on)).await {
        panic!("{:#}", on.story(error).await);
    }
}

async fn play(on: &mut Machines) -> Result<()> {
    on.generator.create("old", 30, 40, on.shape).await.context("ledgers")?;
    adopted(on).await.context("adopt")?;
    on.write().await.context("a writer")?;
    grown(on).await.context("expand")?;
    cancelled(on).await.context("a drain that is cancelled")?;
    drained(on).await.context("a drain under a power cut of another host")?;
    stopped(on).await.context("stop first")?;
    replaced(on).await.context("replace a dead one")?;
    on.is_well().await?;
    let entries = on.all_is_there().await?;
    println!("{entries} acknowledged entries of the writer, all with their copies");
    let old = verify(&on.generator, &on.generator.records.join("old"), true).await?;
    ensure!(old.ok && old.entries == 30 * 40, "{old:?}");
    Ok(())
}

/// Nothing is changed by it: the same processes.
async fn adopted(on: &mut Machines) -> Result<()> {
    let pids = |on: &Machines| -> Result<Vec<String>> {
        let of = |host: &Host| {
            host.succeed(&["systemctl", "show", "--property=MainPID,UnitFileState", UNIT])
        };
        on.testbed.hosts().iter().take(4).map(of).collect()
    };
    let before = pids(on)?;
    on.adopt().await?;
    let hosts: Vec<String> = on.nodes().await?.into_values().collect();
    ensure!(hosts == ["bk1", "bk2", "bk3", "bk4"], "{hosts:?}");
    ensure!(before == pids(on)?, "somebody was restarted: {before:?}");
    Ok(())
}

/// A unit of Bellows' own, enabled; what it has in its configuration is the cluster's, and its own.
async fn grown(on: &mut Machines) -> Result<()> {
    let at = format!("{}@bk5", on.new_node());
    on.done(&["expand", CLUSTER, "--node", &at]).await?;
    on.came("bk5")?;
    on.is_well().await?;
    let host = on.host("bk5")?;
    let at = Members::http(&host.address().to_string());
    let config = get(&at, "/api/v1/config/server_config").await?;
    let config: serde_json::Value = serde_json::from_str(&config.body)?;
    let is = |key: &str| config.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
    ensure!(is("bookieId") == Some(on.id("bk5")?), "{:?}", is("bookieId"));
    ensure!(is("metadataServiceUri").is_some_and(|uri| uri.contains(&on.generator.zookeeper)));
    ensure!(is("persistBookieStatusEnabled").as_deref() == Some("true"));
    Ok(())
}

/// Taken back in the middle: it is writable as before, and nobody was restarted.
async fn cancelled(on: &mut Machines) -> Result<()> {
    let node = on.node("bk2").await?;
    let held = on.until_ledgers("bk2", |count| count > 5).await?;
    // 30 closed ledgers of 40 entries of 256 bytes: some seconds each at this rate.
    on.done(&["reconfigure", CLUSTER, "--option", "budget=00:00-24:00=4kB/s"]).await?;
    let operation = on.begin(&["shrink", CLUSTER, "--node", &node]).await?;
    on.until_ledgers("bk2", |count| count < held).await?;
    on.cli().run(&["op", "cancel", &operation, "--detach"]).await?.expect_code(0)?;
    let rest = drive::to_rest(&on.cli(), &operation).await?;
    ensure!(rest == "cancelled", "it rests as {rest}");
    on.is_well().await?;
    ensure!(on.until_ledgers("bk2", |_| true).await? > 0, "nothing is left on bk2");
    on.members.are_replicated().await
}

/// To its end; meanwhile another bookie's host loses its power and comes back.
async fn drained(on: &mut Machines) -> Result<()> {
    let node = on.node("bk2").await?;
    let held = on.until_ledgers("bk2", |count| count > 3).await?;
    on.done(&["reconfigure", CLUSTER, "--option", "budget=00:00-24:00=8kB/s"]).await?;
    let operation = on.begin(&["shrink", CLUSTER, "--node", &node]).await?;
    on.until_ledgers("bk2", |count| count < held).await?;
    on.host("bk4")?.power_cut()?;
    on.host("bk4")?.boot()?;
    hosts::answers(on.host("bk4")?).await?;
    on.connected().await?;
    let mut rest = drive::to_rest(&on.cli(), &operation).await?;
    if rest == "held" {
        // Copies that were on their way to it failed: that is told, and tried again when asked.
        on.cli().run(&["op", "retry", &operation, "--detach"]).await?.expect_code(0)?;
        rest = drive::to_rest(&on.cli(), &operation).await?;
    }
    ensure!(rest == "done", "it rests as {rest}");
    on.done(&["reconfigure", CLUSTER, "--option", "budget="]).await?;
    gone(on, "bk2", &node).await
}

/// Registered nowhere, named by no ledger, without a cookie; off for good.
async fn gone(on: &mut Machines, name: &str, node: &str) -> Result<()> {
    on.left(name)?;
    let address = on.host(name)?.address().to_string();
    on.members.see_gone(&address).await?;
    let left = on.members.ledgers_of(&Members::id(&address)).await?;
    ensure!(left == 0, "{left} ledgers name {node} still");
    on.members.are_replicated().await?;
    let seen: v1::HostDetail = on.cli().json(&["host", "show", name]).await?;
    let nodes = seen.facts.context("no facts")?.nodes;
    let buried = nodes.iter().any(|record| {
        record.tombstone && record.node.as_ref().is_some_and(|named| named.node == node)
    });
    ensure!(buried, "{name} has no tombstone: {nodes:?}");
    let asked = on.host("bk3")?.exec(&[
        "runuser",
        "-u",
        "bookkeeper",
        "--",
        "env",
        "BOOKIE_CONF=/etc/bookkeeper/bk_server.conf",
        "BOOKIE_LOG_DIR=/var/log/bookkeeper",
        "/opt/bookkeeper/bin/bookkeeper",
        "shell",
        "cookie_get",
        &Members::id(&address),
    ])?;
    ensure!(asked.status.code() == Some(255), "its cookie is there still: {asked:?}");
    on.is_well().await
}

/// The bookie that Bellows made: autorecovery makes its copies anew, and its directories are emptied when asked.
async fn stopped(on: &mut Machines) -> Result<()> {
    let node = on.node("bk5").await?;
    let options = ["--option", "way=stop", "--option", "data=wipe"];
    let words = [&["shrink", CLUSTER, "--node", &node], &options[..]].concat();
    on.done(&words).await?;
    let left = on.host("bk5")?.succeed(&["find", DATA, "-name", "VERSION"])?;
    ensure!(left.is_empty(), "left on bk5: {left}");
    gone(on, "bk5", &node).await
}

/// Its host has no power; when it has, nothing of the bookie runs.
async fn replaced(on: &mut Machines) -> Result<()> {
    let (node, new) = (on.node("bk4").await?, on.new_node());
    on.host("bk4")?.power_cut()?;
    on.left("bk4")?;
    let address = on.host("bk4")?.address().to_string();
    on.members.see_gone(&address).await?;
    let with = format!("{new}@bk5");
    let words = ["replace", CLUSTER, "--node", &node, "--with", &with, "--dead"];
    on.done(&[&words[..], &["--confirm-off", "bk4"]].concat()).await?;
    on.came("bk5")?;
    on.is_well().await?;
    on.host("bk4")?.boot()?;
    on.connected().await?;
    process::until("bk4 has its tombstone", LIMIT, || async {
        let seen: v1::HostDetail = on.cli().json(&["host", "show", "bk4"]).await?;
        let nodes = seen.facts.context("no facts")?.nodes;
        Ok(nodes.iter().any(|record| record.tombstone))
    })
    .await?;
    let state = on.host("bk4")?.exec(&["systemctl", "is-active", UNIT])?;
    ensure!(!state.status.success(), "the bookie of bk4 runs again");
    gone(on, "bk4", &node).await
}
