//! Agents of real systemd hosts are upgraded by their coordinator: in rings, while a clone runs, and with
//! programs that do not come back. Needs root; belongs to `make test-hosts`, which builds the programs first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod upgrade;

use anyhow::{Context, Result};
use bellows_tests::{
    demo, process,
    real_hosts::{self, PASSWORD},
    sql::{Login, Server},
    testbed::Testbed,
};
use upgrade::Ground;

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_upgraded_in_rings_and_a_broken_one_is_taken_back() {
    Box::pin(upgrade::on(&["up1", "up2", "up3"], false, broken)).await.unwrap();
}

async fn broken(ground: &mut Ground<'_>) -> Result<()> {
    ground.rings_one_after_the_other().await.context("a good one, in rings")?;
    for how in ["exit", "hang", "mute"] {
        let told = format!("an agent that is broken: {how}");
        ground.one_that_breaks(how).await.context(told)?;
    }
    ground.what_cannot_run_is_refused().await.context("refusals")?;
    ground.two_at_once().await.context("two at once")?;
    ground.a_power_cut_in_the_middle().await.context("a power cut")?;
    ground.the_coordinator_dies_in_the_middle().await.context("a coordinator that dies")?;
    ground.the_audit_logs_tell_it().await.context("audit")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_in_the_middle_of_a_clone_changes_nothing() {
    Box::pin(upgrade::on(&["uc1", "uc2", "uc3"], true, cloning)).await.unwrap();
}

/// A cluster of two grows while the agent of the new member is upgraded.
async fn cloning(ground: &mut Ground<'_>) -> Result<()> {
    let (testbed, cli) = (ground.testbed, ground.coordinator.cli().clone());
    let networks = format!("client_networks={}/32", testbed.outside());
    let create = [
        "cluster",
        "create",
        "orders",
        "--system",
        "postgresql",
        "--node",
        "pg1@uc1",
        "--node",
        "pg2@uc2",
        "--option",
        &networks,
        "--option",
        "shared_buffers_mib=32",
        "--yes",
    ];
    cli.run(&create).await?.expect_code(0)?;
    let statements = format!(
        "create role observer superuser login password '{PASSWORD}'; create table filler as select i as id, \
         repeat(md5(i::text), 30) as text from generate_series(1, 65536) as i"
    );
    let psql = "/usr/lib/postgresql/15/bin/psql -X --host=/run/bellows-postgresql/orders/pg1 --username=postgres --dbname=repmgr --command";
    let words: Vec<&str> = ["runuser", "--user", "postgres", "--"]
        .into_iter()
        .chain(psql.split(' '))
        .chain([statements.as_str()])
        .collect();
    testbed.host("uc1")?.succeed(&words)?;
    let primary = connect(testbed).await?;
    let target = testbed.host("uc3")?;
    let expand =
        ["expand", "orders", "--node", "pg3@uc3", "--option", "clone_rate_kib=6144", "--yes"];
    let watching = cli.command(&expand).spawn().context("start bellows expand")?;
    let operation = cli.running().await?;
    process::until("the clone is under way", upgrade::LIMIT, || async {
        let progress = primary.backup_progress().await?;
        Ok(progress.is_some_and(|(done, total)| done * 8 > total && done * 5 < total * 4))
    })
    .await?;
    let clone = || target.succeed(&["pgrep", "--oldest", "--full", "standby clone"]);
    let copying = clone()?;
    ground.good_one("while a clone runs")?;
    let report = ground.upgrade(&["uc3"], 0).await?;
    anyhow::ensure!(report[0].outcome == "upgraded", "{report:?}");
    anyhow::ensure!(clone()? == copying, "the clone was started again");
    demo::clone_log_is_whole(&cli, &operation).await?;
    let ended = tokio::time::timeout(upgrade::LIMIT, watching.wait_with_output()).await??;
    anyhow::ensure!(ended.status.code() == Some(0), "bellows expand: {ended:?}");
    let streaming = connect(testbed).await?.streaming().await?;
    anyhow::ensure!(streaming.iter().eq(["pg2", "pg3"]), "{streaming:?} stream, not pg2 and pg3");
    // All agents; and jobs begin with the program that was put there.
    ground.good_one("for all")?;
    let report = ground.upgrade(&["--all"], 0).await?;
    anyhow::ensure!(report.iter().all(|one| one.outcome == "upgraded"), "{report:?}");
    cli.run(&["restart", "orders", "--yes"]).await?.expect_code(0)?;
    let audit = cli.run(&["audit", "verify"]).await?;
    audit.expect_code(0)?;
    Ok(())
}

async fn connect(testbed: &Testbed) -> Result<Server> {
    let login = Login {
        user: "observer".to_owned(),
        password: PASSWORD.to_owned(),
        database: "repmgr".to_owned(),
        port: 5432,
    };
    Server::connect(&testbed.host("uc1")?.address().to_string(), &login).await
}

/// For `upgrade`: what each host begins with.
fn prepare(testbed: &Testbed, tools: bool) -> Result<()> {
    for host in testbed.hosts() {
        let lines = if tools { real_hosts::put_tools(host)? } else { String::new() };
        real_hosts::put_agent(host, &lines)?;
    }
    Ok(())
}
