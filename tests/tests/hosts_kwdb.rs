//! Five real systemd hosts. On three of them a secure cluster of KWDB as its own installer makes it: it is adopted, grows
//! onto the fourth and shrinks again, a host that was emptied comes back, a member rejoins, all are restarted, and a dead
//! one is replaced, under a writer. Needs root; belongs to `make test-hosts`, which builds the programs first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use bellows_proto::v1;
use bellows_tests::{
    kills::drive,
    kwdb::{
        hosts::{CLUSTER, LIMIT, Machines, Shape},
        kit::{self, CERTS, UNIT},
        loopback::Pace,
    },
    process,
    testbed::Host,
};

const SHAPE: Shape = Shape {
    hosts: &["db1", "db2", "db3", "db4", "db5"],
    members: 3,
    secure: true,
    pace: Pace { pace: 5, ranges: 24, range_bytes: 16 << 20 },
};
/// A copy of the authority's key that somebody left behind.
const LEFT_KEY: &str = "/tmp/kaiwudb_certs/ca.key";

#[tokio::test(flavor = "multi_thread")]
async fn a_secure_cluster_of_its_installer_is_adopted_grows_and_shrinks_under_a_writer() {
    let mut on = Box::pin(Machines::up(SHAPE)).await.expect("five hosts with KWDB");
    if let Err(error) = Box::pin(play(&mut on)).await {
        panic!("{:#}", on.story(error).await);
    }
}

async fn play(on: &mut Machines) -> Result<()> {
    adopted(on).await.context("adopt")?;
    on.write().await.context("a writer")?;
    grown(on).await.context("expand")?;
    refused(on).await.context("a shrink that must not be")?;
    cancelled(on).await.context("a shrink that is cancelled")?;
    shrunk(on).await.context("shrink")?;
    comes_again(on).await.context("the emptied host")?;
    rejoined(on).await.context("rejoin")?;
    restarted(on).await.context("restart")?;
    replaced(on).await.context("replace a dead one")?;
    on.is_well().await
}

/// Nothing is changed by it: the same processes, the same units.
async fn adopted(on: &mut Machines) -> Result<()> {
    let before = (on.members.seen().await?, units(on)?);
    on.adopt().await?;
    let hosts: Vec<String> = on.nodes().await?.into_values().collect();
    ensure!(hosts == ["db1", "db2", "db3"], "{hosts:?}");
    let after = (on.members.seen().await?, units(on)?);
    let same = before.0.iter().zip(&after.0).all(|(old, new)| {
        (old.id, &old.address, &old.started_at) == (new.id, &new.address, &new.started_at)
    });
    ensure!(same && before.1 == after.1, "{before:#?}\n{after:#?}");
    Ok(())
}

/// What systemd says of the unit on each host, and its text.
fn units(on: &Machines) -> Result<BTreeMap<String, String>> {
    let one = |host: &Host| {
        let shown = host.exec(&["systemctl", "cat", UNIT])?;
        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        Ok((host.name().to_owned(), format!("{:?}\n{text}", kit::state(host)?)))
    };
    on.testbed.hosts().iter().take(SHAPE.members).map(one).collect()
}

/// Only certificates travel; what lies about is named.
async fn grown(on: &mut Machines) -> Result<()> {
    let (key, new) = (on.host("db1")?.get(&format!("{CERTS}/ca.key"))?, on.new_node());
    on.host("db2")?.put(LEFT_KEY, &key, 0o600)?;
    let at = format!("{new}@db4");
    let plan = on.cli().run(&["expand", CLUSTER, "--node", &at, "--dry-run"]).await?;
    let plan = plan.expect_code(0)?.to_owned();
    ensure!(plan.contains(LEFT_KEY), "nobody is told of {LEFT_KEY} on db2:\n{plan}");
    on.host("db2")?.succeed(&["rm", "-r", "/tmp/kaiwudb_certs"])?;

    on.done(&["expand", CLUSTER, "--node", &at]).await?;
    on.came("db4")?;
    on.is_well().await?;
    let host = on.host("db4")?;
    ensure!(kit::state(host)? == ["active", "enabled"], "{:?}", kit::state(host)?);
    let find = "find / -xdev -name 'ca.key*' -o -xdev -name '*certs*.tar.gz'";
    let found = host.succeed(&["sh", "-c", find])?;
    ensure!(found.is_empty(), "more than certificates is on db4: {found}");
    for name in ["node.key", "client.root.key"] {
        let file = format!("{CERTS}/{name}");
        let shown = host.succeed(&["stat", "--format=%U %a", &file])?;
        let private = matches!(shown.trim(), "kaiwudb 600" | "kaiwudb 700" | "kaiwudb 400");
        ensure!(private, "{file} on db4: {shown}");
        let there = host.get(&file)?;
        for other in ["db1", "db2", "db3"] {
            let same = on.host(other)?.get(&file)? == there;
            ensure!(!same, "{file} is the same on {other} and on db4");
        }
    }
    Ok(())
}

/// Below three members, and while somebody still waits for a decommission.
async fn refused(on: &Machines) -> Result<()> {
    let (first, second) = (on.node("db1").await?, on.node("db2").await?);
    let words = ["shrink", CLUSTER, "--node", &first, "--node", &second, "--yes"];
    let told = on.cli().run(&words).await?;
    let text = format!("{}{}", told.expect_code(5)?, told.stderr);
    ensure!(text.contains("KW-"), "{text}");
    on.members.agree_now().await
}

/// Taken back in the middle: it goes on serving, and its ranges come back.
async fn cancelled(on: &Machines) -> Result<()> {
    let node = on.node("db4").await?;
    let before = on.until_replicas("db4", |count| count > 2).await?;
    let started = started(on).await?;
    let operation = on.begin(&["shrink", CLUSTER, "--node", &node]).await?;
    on.until_replicas("db4", |count| count < before).await?;
    on.cli().run(&["op", "cancel", &operation, "--detach"]).await?.expect_code(0)?;
    let rest = drive::to_rest(&on.cli(), &operation).await?;
    ensure!(rest == "cancelled", "it rests as {rest}");
    on.is_well().await?;
    let now = self::started(on).await?;
    ensure!(started == now, "somebody was restarted: {started:?} {now:?}");
    on.members.are_replicated().await
}

/// To its end: no survivor lists it, its unit is off for good, and its host knows.
async fn shrunk(on: &mut Machines) -> Result<()> {
    let node = on.node("db4").await?;
    let gone = on.members.id(&on.address("db4")?).await?;
    on.done(&["shrink", CLUSTER, "--node", &node]).await?;
    on.left("db4")?;
    on.is_well().await?;
    for member in on.members.list() {
        let left = on.members.client.replicas(&member, gone).await?;
        ensure!(left == 0, "{left} ranges count on {node} still, asked at {member}");
    }
    kit::rests(on.host("db4")?)?;
    let seen: v1::HostDetail = on.cli().json(&["host", "show", "db4"]).await?;
    let nodes = seen.facts.context("no facts")?.nodes;
    let buried = nodes.iter().any(|record| {
        record.tombstone && record.node.as_ref().is_some_and(|named| named.node == node)
    });
    ensure!(buried, "db4 has no tombstone: {nodes:?}");
    // Nothing starts it at the next boot either.
    on.host("db4")?.power_cut()?;
    on.host("db4")?.boot()?;
    on.connected().await?;
    kit::rests(on.host("db4")?)
}

/// With the data of the one that left it is refused; emptied, it joins under another name and id.
async fn comes_again(on: &mut Machines) -> Result<()> {
    let old = on.members.seen().await?.iter().map(|row| row.id).max().context("no members")?;
    let node = on.new_node();
    let at = format!("{node}@db4");
    let host = on.host("db4")?;
    host.succeed(&["sh", "-c", &format!("rm -rf {}/{CLUSTER}", kit::STORE)])?;
    on.done(&["expand", CLUSTER, "--node", &at]).await?;
    on.came("db4")?;
    on.is_well().await?;
    let id = on.members.id(&on.address("db4")?).await?;
    ensure!(id > old, "{node} has the id {id}");
    Ok(())
}

/// A member that somebody stopped: not with its old data, and not without a word; as a new one it comes back.
async fn rejoined(on: &mut Machines) -> Result<()> {
    let (node, address) = (on.node("db4").await?, on.address("db4")?);
    let old = on.members.id(&address).await?;
    on.host("db4")?.succeed(&["systemctl", "stop", UNIT])?;
    on.left("db4")?;
    on.members.see_dead(&address).await?;
    let words = ["rejoin", CLUSTER, "--node", &node];
    let told = on.cli().run(&[&words[..], &["--yes"]].concat()).await?;
    let text = format!("{}{}", told.expect_code(5)?, told.stderr);
    ensure!(text.contains("KW-5"), "{text}");
    on.done(&[&words[..], &["--discard-data"]].concat()).await?;
    on.came("db4")?;
    on.is_well().await?;
    let id = on.members.id(&address).await?;
    ensure!(id > old, "{node} has the id {id}, and had {old}");
    let first = on.members.list().into_iter().next().context("no members")?;
    let left = on.members.client.replicas(&first, old).await?;
    ensure!(left == 0, "{left} ranges count on the old id {old} still");
    Ok(())
}

/// When each member's process began, by address.
async fn started(on: &Machines) -> Result<BTreeMap<String, String>> {
    let rows = on.members.seen().await?;
    Ok(rows.into_iter().map(|row| (row.address, row.started_at)).collect())
}

/// Each member once, the others serve meanwhile.
async fn restarted(on: &Machines) -> Result<()> {
    let before = started(on).await?;
    on.done(&["restart", CLUSTER]).await?;
    on.is_well().await?;
    for (address, now) in started(on).await? {
        ensure!(before.get(&address).is_some_and(|old| *old != now), "{address} since {now}");
    }
    Ok(())
}

/// Its host has no power; when it has, nothing of the node runs.
async fn replaced(on: &mut Machines) -> Result<()> {
    let (node, new) = (on.node("db2").await?, on.new_node());
    on.host("db2")?.power_cut()?;
    on.left("db2")?;
    on.members.see_dead(&on.address("db2")?).await?;
    let with = format!("{new}@db5");
    let words = ["replace", CLUSTER, "--node", &node, "--with", &with, "--dead"];
    on.done(&[&words[..], &["--confirm-off", "db2"]].concat()).await?;
    on.came("db5")?;
    on.is_well().await?;
    on.host("db2")?.boot()?;
    on.connected().await?;
    process::until("db2 has its tombstone", LIMIT, || async {
        let seen: v1::HostDetail = on.cli().json(&["host", "show", "db2"]).await?;
        let nodes = seen.facts.context("no facts")?.nodes;
        Ok(nodes.iter().any(|record| record.tombstone))
    })
    .await?;
    kit::rests(on.host("db2")?)
}
