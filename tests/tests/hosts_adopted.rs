//! Four real systemd hosts. On two of them a cluster that an administrator built in Debian's own way; it
//! is adopted, grows onto the third, its role moves, its servers are restarted, its primary fails and comes
//! back, and the adopted members leave, one for another and the primary at last, under a writer. Needs root; belongs to `make test-hosts`, which builds the programs first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bellows_tests::{
    debian::{self, REPMGRD_UNIT, SERVER_UNIT},
    process, real_hosts,
    site::{Cli, Coordinator},
    sql::{self, Server},
    testbed::{Host, Testbed},
    writer::{TABLE, Writer},
};

const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_built_in_debians_way_is_adopted_and_moves_away_under_a_writer() {
    let hosts = ["db1", "db2", "db3", "db4"];
    Box::pin(real_hosts::beside("adopted", &hosts, play)).await.unwrap();
}

async fn play(testbed: &Testbed, coordinator: &Coordinator) -> Result<()> {
    let cli = coordinator.cli();
    let network = network(testbed);
    for host in testbed.hosts() {
        debian::put_login(host)?;
        real_hosts::put_agent(host, &format!("passfile = \"{}\"\n", debian::PASSFILE))?;
    }
    real_hosts::enrol(testbed, coordinator).await?;
    let (first, second) = (testbed.host("db1")?, testbed.host("db2")?);
    debian::build(&[first, second], &network)?;
    let words = [
        "cluster",
        "adopt",
        "shop",
        "--system",
        "postgresql",
        "--host",
        "db1",
        "--host",
        "db2",
        "--option",
        "client_networks=",
        "--yes",
    ];
    let networks = format!("client_networks={network}");
    let words = words.map(|word| if word == "client_networks=" { &networks } else { word });
    allow(testbed, cli, &words).await?;
    let settings = [debian::settings(first)?, debian::settings(second)?];
    let enabled = [enabled(first)?, enabled(second)?];
    cli.run(&words).await?.expect_code(0)?;

    let addresses: Vec<String> =
        testbed.hosts().iter().map(|host| host.address().to_string()).collect();
    let mut writer = Writer::start(&addresses, &debian::application()).await?;
    done(cli, &["expand", "shop", "--node", "pg3@db3"]).await?;
    follow(&addresses, 0, &["pg2", "pg3"]).await?;
    done(cli, &["switchover", "shop", "--to", "pg2"]).await?;
    follow(&addresses, 1, &["pg1", "pg3"]).await?;
    done(cli, &["restart", "shop", "--in-place"]).await?;
    follow(&addresses, 1, &["pg1", "pg3"]).await?;
    second.succeed(&["systemctl", "stop", SERVER_UNIT])?;
    process::until("repmgrd has promoted pg1", LIMIT, || async {
        Ok(follow(&addresses, 0, &["pg3"]).await.is_ok())
    })
    .await?;
    done(cli, &["rejoin", "shop", "--node", "pg2"]).await?;
    follow(&addresses, 0, &["pg2", "pg3"]).await?;
    for (host, before) in [(first, &enabled[0]), (second, &enabled[1])] {
        runs(host)?;
        ensure!(self::enabled(host)? == *before, "{}: {:?}", host.name(), self::enabled(host)?);
    }

    done(cli, &["replace", "shop", "--node", "pg2", "--with", "pg4@db4"]).await?;
    follow(&addresses, 0, &["pg3", "pg4"]).await?;
    rests(second)?;
    done(cli, &["shrink", "shop", "--node", "pg1"]).await?;
    rests(first)?;
    let kept = format!("{}/PG_VERSION", debian::DATA);
    ensure!(first.succeed(&["cat", &kept])?.trim() == "15", "its data are gone");
    let now = [debian::settings(first)?, debian::settings(second)?];
    ensure!(settings == now, "its settings have changed: {settings:#?} {now:#?}");
    // Nothing starts it at the next boot either.
    first.power_cut()?;
    first.boot()?;
    rests(first)?;

    let seen = writer.tally().acknowledged.len();
    writer.reaches(seen + 20, LIMIT).await?;
    let tally = writer.finish().await?;
    // The rules that Bellows writes let nobody but members in as the other role.
    let login = debian::application();
    let written = sql::primary(&addresses[2..], &login).await?.written().await?;
    for address in &addresses[2..] {
        let server = Server::connect(address, &login).await?;
        if server.in_recovery().await? {
            server.replayed(&written, LIMIT).await?;
        }
        let rows = server.ids(TABLE).await?;
        ensure!(tally.acknowledged.difference(&rows).count() == 0, "rows are lost at {address}");
    }
    Ok(())
}

fn network(testbed: &Testbed) -> String {
    let [a, b, c, _] = testbed.outside().octets();
    format!("{a}.{b}.{c}.0/24")
}

/// The adoption is refused until root has put the lines of the refusal into `agent.toml`: they name the
/// units.
async fn allow(testbed: &Testbed, cli: &Cli, words: &[&str]) -> Result<()> {
    let ended = cli.run(&[words, &["--output", "json"]].concat()).await?;
    let answer: serde_json::Value = serde_json::from_str(ended.expect_code(5)?)?;
    let refusals = answer["refusals"]["refusals"].as_array().context("refusals")?;
    ensure!(refusals.len() == 2, "{refusals:?}");
    for refusal in refusals {
        let text = |key: &str| refusal[key].as_str().unwrap_or_default();
        ensure!(text("code") == "PG-62", "{refusal}");
        let line = text("value").split_once(": ").context("a line for agent.toml")?.1;
        for unit in [SERVER_UNIT, REPMGRD_UNIT] {
            ensure!(line.contains(unit), "{line}");
        }
        let host = testbed.host(text("host"))?;
        let mut config = host.get(real_hosts::CONFIG)?;
        config.extend(format!("{line}\n").as_bytes());
        host.put(real_hosts::CONFIG, &config, 0o644)?;
        host.succeed(&["systemctl", "restart", "bellows-agent"])?;
    }
    real_hosts::connected(testbed, cli).await
}

async fn done(cli: &Cli, words: &[&str]) -> Result<()> {
    let ended = cli.run(&[words, &["--yes"]].concat()).await?;
    ended.expect_code(0).map(|_| ()).with_context(|| words.join(" "))
}

/// By SQL: who is primary, and who streams from it.
async fn follow(addresses: &[String], primary: usize, standbys: &[&str]) -> Result<()> {
    let there = Server::connect(&addresses[primary], &debian::superuser()).await?;
    ensure!(!there.in_recovery().await?, "{} is no primary", addresses[primary]);
    let streaming = there.streaming().await?;
    ensure!(streaming.iter().eq(standbys), "{streaming:?} stream, not {standbys:?}");
    Ok(())
}

/// What systemd says of the two units.
fn asked(host: &Host, verb: &str) -> Result<Vec<String>> {
    let one = |unit: &str| {
        let output = host.exec(&["systemctl", verb, unit])?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    [SERVER_UNIT, REPMGRD_UNIT].into_iter().map(one).collect()
}

fn enabled(host: &Host) -> Result<Vec<String>> {
    asked(host, "is-enabled")
}

/// systemd and what is really there agree.
fn runs(host: &Host) -> Result<()> {
    let name = host.name();
    ensure!(asked(host, "is-active")? == ["active", "active"], "{name}: not both are active");
    let shown = host.succeed(&["systemctl", "show", SERVER_UNIT, "--property=MainPID"])?;
    let file = host.get(&format!("{}/postmaster.pid", debian::DATA))?;
    let pid = String::from_utf8_lossy(&file).lines().next().unwrap_or_default().to_owned();
    ensure!(shown.trim() == format!("MainPID={pid}"), "{name}: {shown} and {pid}");
    host.succeed(&["pgrep", "--full", "repmgrd --config-file"])?;
    Ok(())
}

/// Stopped for good.
fn rests(host: &Host) -> Result<()> {
    let (active, enabled) = (asked(host, "is-active")?, enabled(host)?);
    ensure!(active.iter().all(|state| state != "active"), "{}: {active:?}", host.name());
    ensure!(enabled == ["masked", "masked"], "{}: {enabled:?}", host.name());
    for program in ["postgres", "repmgrd"] {
        let found = host.exec(&["pgrep", "--exact", program])?;
        ensure!(!found.status.success(), "{program} runs on {}", host.name());
    }
    Ok(())
}
