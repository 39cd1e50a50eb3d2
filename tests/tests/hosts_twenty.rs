//! How long it takes to add twenty hosts with one command. The time is printed, never judged. Needs root;
//! `make bench-hosts` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bellows_tests::{
    process, real_hosts,
    site::{Coordinator, temporary},
    ssh::{self, Admin},
    testbed::Testbed,
};

const LIMIT: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn twenty_hosts_in_one_command() {
    let names: Vec<String> = (1..=20).map(|number| format!("n{number}")).collect();
    let hosts: Vec<&str> = names.iter().map(String::as_str).collect();
    Box::pin(real_hosts::beside("twenty", &hosts, play)).await.unwrap();
}

async fn play(testbed: &Testbed, coordinator: &Coordinator) -> Result<()> {
    let folder = temporary("ssh")?;
    let added = add(testbed, coordinator, &folder).await;
    std::fs::remove_dir_all(&folder).context("the test's folder")?;
    added
}

async fn add(testbed: &Testbed, coordinator: &Coordinator, folder: &std::path::Path) -> Result<()> {
    let (admin, bundle) = (Admin::new(folder).await?, ssh::bundle(folder).await?);
    let mut lines = String::new();
    for host in testbed.hosts() {
        admin.let_in(host)?;
        admin.know(host)?;
        lines.push_str(&format!("{} root@{}\n", host.name(), host.address()));
    }
    let list = folder.join("hosts.txt");
    std::fs::write(&list, lines).context("the list of hosts")?;
    let cli = coordinator.cli();
    let began = Instant::now();
    let command = admin.add(cli, &bundle, &["--file", &list.to_string_lossy()]);
    process::run(command, LIMIT).await?.expect_code(0)?;
    cli.run(&["status"]).await?.expect_code(0)?;
    eprintln!("twenty hosts, from the command to the first status: {:?}", began.elapsed());
    ensure!(cli.connected_hosts().await? == 20, "not all are connected");
    Ok(())
}
