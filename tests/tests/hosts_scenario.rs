//! Real systemd hosts, the coordinator beside them. A cluster of two grows onto the third host while
//! `systemctl restart bellows-agent` strikes that host in the middle of the clone; in a cluster of
//! three the primary is killed in a switchover, and a dead host comes back. Needs root; belongs to
//! `make test-hosts`, which builds the programs first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bellows_tests::{
    demo,
    kills::{cluster::Cluster, moves, returns, scene::Scene as _},
    process,
    real_hosts::{self, PASSWORD, TOOL_LOG},
    site::{Cli, Coordinator},
    sql::{Login, Server},
    testbed::{Host, Testbed},
    wrapper,
};

const CLUSTER: &str = "orders";
const LIMIT: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_agent_in_the_middle_of_a_clone_changes_nothing() {
    let hosts = ["db1", "db2", "db3"];
    Box::pin(real_hosts::beside("hosts", &hosts, play)).await.unwrap();
}

async fn play(testbed: &Testbed, coordinator: &Coordinator) -> Result<()> {
    let cli = coordinator.cli();
    for host in testbed.hosts() {
        real_hosts::put_agent(host, &real_hosts::put_tools(host)?)?;
    }
    real_hosts::enrol(testbed, coordinator).await?;
    create(testbed, cli).await?;
    strike(testbed, cli).await
}

/// A cluster of two, a login for the test's eyes, and data that take a while to copy.
async fn create(testbed: &Testbed, cli: &Cli) -> Result<()> {
    let networks = format!("client_networks={}/32", testbed.outside());
    let words = [
        "cluster",
        "create",
        CLUSTER,
        "--system",
        "postgresql",
        "--node",
        "pg1@db1",
        "--node",
        "pg2@db2",
        "--option",
        &networks,
        "--option",
        "shared_buffers_mib=32",
        "--yes",
    ];
    cli.run(&words).await?.expect_code(0)?;
    // On the host itself the database's administrator needs no password.
    let statements = format!(
        "create role observer superuser login password '{PASSWORD}'; \
         create table filler as select i as id, repeat(md5(i::text), 30) as text \
         from generate_series(1, 65536) as i"
    );
    let sockets = format!("--host=/run/bellows-postgresql/{CLUSTER}/pg1");
    testbed.host("db1")?.succeed(&[
        "runuser",
        "--user",
        "postgres",
        "--",
        "/usr/lib/postgresql/15/bin/psql",
        "-X",
        &sockets,
        "--username=postgres",
        "--dbname=repmgr",
        "--command",
        &statements,
    ])?;
    ensure!(members(testbed, "db1").await? == ["pg1", "pg2"], "the cluster is not of two");
    Ok(())
}

async fn connect(testbed: &Testbed, host: &str) -> Result<Server> {
    let login = Login {
        user: "observer".to_owned(),
        password: PASSWORD.to_owned(),
        database: "repmgr".to_owned(),
        port: 5432,
    };
    Server::connect(&testbed.host(host)?.address().to_string(), &login).await
}

async fn members(testbed: &Testbed, host: &str) -> Result<Vec<String>> {
    let members = connect(testbed, host).await?.members().await?;
    Ok(members.into_iter().filter(|one| one.active).map(|one| one.name).collect())
}

async fn strike(testbed: &Testbed, cli: &Cli) -> Result<()> {
    let target = testbed.host("db3")?;
    let primary = connect(testbed, "db1").await?;
    let survivors = services(testbed.host("db2")?, "pg2")?;
    let words =
        ["expand", CLUSTER, "--node", "pg3@db3", "--option", "clone_rate_kib=10240", "--yes"];
    let watching = cli.command(&words).spawn().context("start bellows expand")?;
    let operation = cli.running().await?;
    process::until("the clone is half-way", LIMIT, || async {
        let progress = primary.backup_progress().await?;
        Ok(progress.is_some_and(|(done, total)| done * 5 > total && done * 5 < total * 4))
    })
    .await?;

    let (job, copying) = unit_of(target, "standby clone")?;
    ensure!(job != "bellows-agent.service", "the clone runs in the agent's own unit");
    let shown = target.succeed(&["systemctl", "show", &job, "--property=Transient"])?;
    ensure!(shown.trim() == "Transient=yes", "{job}: {shown}");
    let agent_before = main_pid(target, "bellows-agent.service")?;
    target.succeed(&["systemctl", "restart", "bellows-agent"])?;
    ensure!(
        main_pid(target, "bellows-agent.service")? != agent_before,
        "the agent was not restarted"
    );
    let (_, still_copying) = unit_of(target, "standby clone")?;
    ensure!(copying == still_copying, "the clone was started again");

    demo::clone_log_is_whole(cli, &operation).await?;
    let ended = tokio::time::timeout(LIMIT, watching.wait_with_output()).await??;
    ensure!(ended.status.code() == Some(0), "bellows expand: {ended:?}");
    grown(testbed).await?;
    services_survive(testbed).await?;
    ensure!(
        services(testbed.host("db2")?, "pg2")? == survivors,
        "the services of a member that had nothing to do were touched"
    );
    Ok(())
}

async fn grown(testbed: &Testbed) -> Result<()> {
    for host in ["db1", "db2", "db3"] {
        ensure!(members(testbed, host).await? == ["pg1", "pg2", "pg3"], "{host} counts otherwise");
    }
    let streaming = connect(testbed, "db1").await?.streaming().await?;
    ensure!(streaming.iter().eq(["pg2", "pg3"]), "{streaming:?} stream, not pg2 and pg3");
    let log = testbed.host("db3")?.get(TOOL_LOG)?;
    demo::one_clone(&wrapper::parse(&String::from_utf8(log)?)?)
}

/// Unit and process of the oldest process whose command line has these words.
fn unit_of(host: &Host, words: &str) -> Result<(String, String)> {
    let pid = host.succeed(&["pgrep", "--oldest", "--full", words])?;
    let pid = pid.trim().to_owned();
    let cgroups = host.succeed(&["cat", &format!("/proc/{pid}/cgroup")])?;
    let unit = cgroups
        .lines()
        .filter_map(|line| line.rsplit('/').next())
        .find(|name| name.ends_with(".service") || name.ends_with(".scope"))
        .with_context(|| format!("process {pid} is in no unit: {cgroups}"))?;
    Ok((unit.to_owned(), pid))
}

fn main_pid(host: &Host, unit: &str) -> Result<String> {
    let shown = host.succeed(&["systemctl", "show", unit, "--property=MainPID"])?;
    Ok(shown.trim().to_owned())
}

/// The units of a node's server and repmgrd, with their main processes.
fn services(host: &Host, node: &str) -> Result<Vec<(String, String)>> {
    let server = unit_of(host, &format!("postgres -D .*/{node}"))?.0;
    let repmgrd = unit_of(host, &format!("repmgrd .*/{node}"))?.0;
    [server, repmgrd].into_iter().map(|unit| Ok((unit.clone(), main_pid(host, &unit)?))).collect()
}

/// Servers and repmgrd are units of their own, of ours, and do not care for the agent.
async fn services_survive(testbed: &Testbed) -> Result<()> {
    for (host, node) in [("db1", "pg1"), ("db3", "pg3")] {
        let host = testbed.host(host)?;
        let before = services(host, node)?;
        ensure!(before[0].0 != before[1].0, "server and repmgrd share {}", before[0].0);
        for (unit, _) in &before {
            let shown = host.succeed(&["systemctl", "show", unit, "--property=FragmentPath"])?;
            ensure!(shown.contains("/usr/local/lib/systemd/system/"), "{unit}: {shown}");
        }
        host.succeed(&["systemctl", "restart", "bellows-agent"])?;
        ensure!(services(host, node)? == before, "a restart of the agent touched {before:?}");
        hangs(host).await?;
        ensure!(services(host, node)? == before, "the watchdog of the agent touched {before:?}");
    }
    Ok(())
}

/// An agent that hangs is killed by its watchdog, and is ready again by itself.
async fn hangs(host: &Host) -> Result<()> {
    let drop_in = "/etc/systemd/system/bellows-agent.service.d/watchdog.conf";
    host.put(drop_in, b"[Service]\nWatchdogSec=5s\n", 0o644)?;
    host.succeed(&["systemctl", "daemon-reload"])?;
    host.succeed(&["systemctl", "restart", "bellows-agent"])?;
    let hanging = main_pid(host, "bellows-agent.service")?;
    host.succeed(&["systemctl", "kill", "--kill-who=main", "--signal=STOP", "bellows-agent"])?;
    process::until("another agent is ready", LIMIT, || async {
        let active = host.exec(&["systemctl", "is-active", "--quiet", "bellows-agent"])?;
        Ok(active.status.success() && main_pid(host, "bellows-agent.service")? != hanging)
    })
    .await?;
    let ended = host.succeed(&["journalctl", "--unit=bellows-agent", "--grep=Watchdog timeout"])?;
    ensure!(ended.contains("Watchdog timeout"), "it ended, but not by its watchdog: {ended}");
    host.succeed(&["rm", drop_in])?;
    host.succeed(&["systemctl", "daemon-reload"])?;
    host.succeed(&["systemctl", "restart", "bellows-agent"])?;
    Ok(())
}

/// Two of the points of `make test-kills`, on one cluster: the primary is killed as a switchover
/// stops it, and a dead host boots by itself while its replacement is copied.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_switchover_is_taken_back_and_a_dead_host_that_returns_is_held() {
    let mut cluster = Box::pin(Cluster::up()).await.expect("a cluster on four hosts");
    let kill = moves::POINTS.iter().find(|point| point.name.contains("as it stops")).unwrap();
    let back = returns::POINTS.first().unwrap();
    let played = match Box::pin(moves::play(&mut cluster, kill)).await {
        Ok(_) => (back.play)(&mut cluster).await.context(back.name),
        Err(error) => Err(error.context(kill.name)),
    };
    if let Err(error) = played {
        let log = std::fs::read_to_string(cluster.on.coordinator.log()).unwrap_or_default();
        panic!("{:#}\n== coordinator\n{log}", cluster.story(error).await);
    }
}
