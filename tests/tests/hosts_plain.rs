//! Three real systemd hosts whose agents run as the databases' own user. A cluster that an administrator built
//! in Debian's own way is adopted, grows by a member in units of the user's own service manager, is restarted by exact
//! lines of sudo, and shrinks; a host's power is cut, and a line of sudo that is missing is a refusal. Needs root;
//! belongs to `make test-hosts`, which builds the programs first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bellows_tests::{
    debian::{self, REPMGRD_UNIT, SERVER_UNIT},
    process, real_hosts,
    site::{Cli, Coordinator},
    sql::Server,
    testbed::{Host, Testbed},
};

const LIMIT: Duration = Duration::from_secs(120);
const FRAGMENT: &str = "/etc/sudoers.d/bellows-agent";
const DROP_IN: &str = "/etc/systemd/system/bellows-agent.service.d/user.conf";
/// What `pam_systemd` does for a user's service manager, which these small hosts do not have.
const WITHOUT_PAM: &str = "[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n";
const GUIDE: &str = include_str!("../../docs/without-root.md");

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_are_not_root_adopt_restart_grow_and_shrink_a_cluster() {
    Box::pin(real_hosts::beside("plain", &["db1", "db2", "db3"], play)).await.unwrap();
}

async fn play(testbed: &Testbed, coordinator: &Coordinator) -> Result<()> {
    let cli = coordinator.cli();
    let [a, b, c, _] = testbed.outside().octets();
    let network = format!("{a}.{b}.{c}.0/24");
    for host in testbed.hosts() {
        put_agent(host)?;
        let token = cli.token(host.name()).await?;
        let to = coordinator.enrolment_address();
        let words = ["bellows-agent", "enrol", "--coordinator", to, "--token", &token];
        as_postgres(host, &words)?;
        host.succeed(&["systemctl", "enable", "--now", "bellows-agent"])?;
    }
    real_hosts::connected(testbed, cli).await?;
    for host in testbed.hosts() {
        ensure!(
            users(host, "bellows-agent")? == ["postgres"],
            "{:?}",
            users(host, "bellows-agent")
        );
    }
    let (first, second, third) = (testbed.host("db1")?, testbed.host("db2")?, testbed.host("db3")?);
    debian::build(&[first, second], &network)?;
    let networks = format!("client_networks={network}");
    let adopt = [
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
        &networks,
        "--yes",
    ];
    let lines = refused(cli, &adopt, "PG-62", 2).await?;
    for (host, line) in lines {
        ensure!(line.contains(SERVER_UNIT) && line.contains(REPMGRD_UNIT), "{line}");
        let line = line.split_once(": ").context("a line for agent.toml")?.1.to_owned();
        let host = testbed.host(&host)?;
        let mut config = host.get(real_hosts::CONFIG)?;
        config.extend(format!("{line}\n").as_bytes());
        host.put(real_hosts::CONFIG, &config, 0o644)?;
        host.succeed(&["systemctl", "restart", "bellows-agent"])?;
    }
    real_hosts::connected(testbed, cli).await?;
    // Without a line of sudo it is adopted and grows, and no server of it is stopped.
    cli.run(&adopt).await?.expect_code(0)?;
    let addresses: Vec<String> =
        testbed.hosts().iter().map(|host| host.address().to_string()).collect();
    cli.run(&["expand", "shop", "--node", "pg3@db3", "--yes"]).await?.expect_code(0)?;
    follow(&addresses, &["pg2", "pg3"]).await?;
    in_the_users_manager(third)?;
    fields_in_the_journal(third)?;
    let restart = ["restart", "shop", "--in-place", "--yes"];
    for (_, said) in refused(cli, &restart, "PG-66", 2).await? {
        ensure!(said.contains("sudo does not let this agent stop and start"), "{said}");
    }
    for host in [first, second] {
        allow(host)?;
    }
    let main_process = || first.succeed(&["systemctl", "show", SERVER_UNIT, "--property=MainPID"]);
    let before = main_process()?;
    cli.run(&restart).await?.expect_code(0)?;
    let after = main_process()?;
    ensure!(before != after && !after.trim().ends_with("=0"), "{before} {after}");
    follow(&addresses, &["pg2", "pg3"]).await?;

    third.power_cut()?;
    third.boot()?;
    process::until("pg3 streams again after its host was booted", LIMIT, || async {
        Ok(follow(&addresses, &["pg2", "pg3"]).await.is_ok())
    })
    .await?;
    real_hosts::connected(testbed, cli).await?;
    // repmgrd comes up a little later than the server.
    process::until("all members are healthy", LIMIT, || async {
        let ended = cli.run(&["status", "shop", "--fresh", "--output", "json"]).await?;
        let status: serde_json::Value = serde_json::from_str(&ended.stdout)?;
        let none = |key: &str| status[key].as_array().is_none_or(Vec::is_empty);
        let all = status["members"].as_array().is_some_and(|members| members.len() == 3);
        Ok(all && none("problems") && none("unknown"))
    })
    .await?;

    // One line less: the plan is refused, and nothing has been done.
    let whole = second.get(FRAGMENT)?;
    let text = String::from_utf8(whole.clone())?;
    let less: Vec<&str> =
        text.lines().filter(|line| !line.ends_with(&format!(" mask {SERVER_UNIT}"))).collect();
    ensure!(less.len() + 1 == text.lines().count(), "{text}");
    second.put(FRAGMENT, format!("{}\n", less.join("\n")).as_bytes(), 0o440)?;
    second.succeed(&["systemctl", "restart", "bellows-agent"])?;
    real_hosts::connected(testbed, cli).await?;
    let shrink = ["shrink", "shop", "--node", "pg2", "--yes"];
    for (_, said) in refused(cli, &shrink, "PG-66", 1).await? {
        ensure!(said.contains("sudo does not let this agent"), "{said}");
    }
    let check =
        second.exec(&["runuser", "-u", "postgres", "--", "bellows-agent", "sudoers", "--check"])?;
    let said = String::from_utf8_lossy(&check.stderr);
    ensure!(
        check.status.code() == Some(1) && said.contains(&format!("mask {SERVER_UNIT}")),
        "{said}"
    );
    follow(&addresses, &["pg2", "pg3"]).await?;
    second.put(FRAGMENT, &whole, 0o440)?;
    cli.run(&shrink).await?.expect_code(0)?;
    follow(&addresses, &["pg3"]).await?;
    for unit in [SERVER_UNIT, REPMGRD_UNIT] {
        let enabled = second.exec(&["systemctl", "is-enabled", unit])?;
        ensure!(String::from_utf8_lossy(&enabled.stdout).trim() == "masked", "{unit}");
    }
    Ok(())
}

/// What an administrator does by docs/without-root.md; first without it, so that what is missing is told.
fn put_agent(host: &Host) -> Result<()> {
    debian::put_login(host)?;
    real_hosts::put_agent(host, &format!("passfile = \"{}\"\n", debian::PASSFILE))?;
    let config = String::from_utf8(host.get(real_hosts::CONFIG)?)?;
    let config = config.replace("[systems.postgresql]", "launch = \"user\"\n[systems.postgresql]");
    host.put(real_hosts::CONFIG, config.as_bytes(), 0o644)?;
    let check = ["bellows-agent", "check-config"];
    let root = host.exec(&check)?;
    let said = String::from_utf8_lossy(&root.stderr).into_owned();
    ensure!(root.status.code() == Some(2) && said.contains("runuser -u postgres"), "{said}");
    let early = host.exec(&[&["runuser", "-u", "postgres", "--"], &check[..]].concat())?;
    let said = String::from_utf8_lossy(&early.stderr).into_owned();
    ensure!(early.status.code() == Some(2), "{said}");
    for part in
        ["loginctl enable-linger postgres", "data_root", "conf_root", "log_root", "socket_root"]
    {
        ensure!(said.contains(part), "{part}: {said}");
    }
    host.put(
        "/etc/systemd/system/user@.service.d/environment.conf",
        WITHOUT_PAM.as_bytes(),
        0o644,
    )?;
    host.put(DROP_IN, block("```ini").context("the drop-in")?.as_bytes(), 0o644)?;
    host.succeed(&["systemctl", "daemon-reload"])?;
    host.succeed(&["loginctl", "enable-linger", "postgres"])?;
    host.succeed(&["sh", "-euc", &block("```sh").context("the folders")?])?;
    Ok(())
}

/// The first block of the guide that begins so.
fn block(fence: &str) -> Option<String> {
    let (_, rest) = GUIDE.split_once(fence)?;
    let (text, _) = rest.split_once("```")?;
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    Some(format!("{}\n", lines.join("\n").trim()))
}

/// The lines of sudo, as root puts them in place: visudo and sudo itself take each of them.
fn allow(host: &Host) -> Result<()> {
    let printed = host.succeed(&["bellows-agent", "sudoers", "--print"])?;
    host.put(FRAGMENT, printed.as_bytes(), 0o440)?;
    host.succeed(&["visudo", "-c", "-f", FRAGMENT])?;
    let commands = printed.lines().filter_map(|line| line.split_once("NOPASSWD: "));
    let commands: Vec<&str> = commands.map(|(_, command)| command).collect();
    ensure!(commands.len() == 16, "{printed}");
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        as_postgres(host, &[&["sudo", "-n", "-l", "--"], &words[..]].concat())?;
        // One word more is another command.
        let more = [
            &["runuser", "-u", "postgres", "--", "sudo", "-n", "-l", "--"],
            &words[..],
            &["ssh.service"],
        ];
        ensure!(!host.exec(&more.concat())?.status.success(), "{command} ssh.service");
    }
    as_postgres(host, &["bellows-agent", "sudoers", "--check"])?;
    Ok(())
}

fn as_postgres(host: &Host, words: &[&str]) -> Result<String> {
    host.succeed(&[&["runuser", "-u", "postgres", "--"], words].concat())
}

/// As whom processes of this name run.
fn users(host: &Host, program: &str) -> Result<Vec<String>> {
    let found = host.exec(&["ps", "-C", program, "-o", "user="])?;
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    let mut users: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    users.dedup();
    Ok(users)
}

/// The new member's server is a unit of the user's manager, and root's knows nothing of it.
fn in_the_users_manager(host: &Host) -> Result<()> {
    let unit = "bellows-shop-pg3-server.service";
    let uid = as_postgres(host, &["id", "-u"])?;
    let folder = format!("XDG_RUNTIME_DIR=/run/user/{}", uid.trim());
    let state = as_postgres(host, &["env", &folder, "systemctl", "--user", "is-active", unit])?;
    ensure!(state.trim() == "active", "{state}");
    let load = host.succeed(&["systemctl", "show", unit, "--property=LoadState"])?;
    ensure!(load.trim() == "LoadState=not-found", "{load}");
    Ok(())
}

/// Each job is told with fields of its own, which journalctl finds.
fn fields_in_the_journal(host: &Host) -> Result<()> {
    let words = ["journalctl", "--unit=bellows-agent", "--output=json", "--no-pager"];
    let text = host.succeed(&words)?;
    let lines = text.lines().map(serde_json::from_str::<serde_json::Value>);
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    let told = lines.iter().find(|line| line["MESSAGE"] == "job accepted").context("no job")?;
    let field = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    ensure!(field("F_CLUSTER") == "shop", "{told}");
    ensure!(field("F_JOB").starts_with(&field("F_OPERATION")), "{told}");
    ensure!(field("F_OPERATION").len() == 36 && field("_HOSTNAME") == "db3", "{told}");
    Ok(())
}

/// A command that is refused by this rule, at least so often: host and words of each.
async fn refused(
    cli: &Cli,
    words: &[&str],
    code: &str,
    count: usize,
) -> Result<Vec<(String, String)>> {
    let ended = cli.run(&[words, &["--output", "json"]].concat()).await?;
    let answer: serde_json::Value = serde_json::from_str(ended.expect_code(5)?)?;
    let refusals = answer["refusals"]["refusals"].as_array().context("refusals")?;
    let text = |refusal: &serde_json::Value, key: &str| {
        refusal[key].as_str().unwrap_or_default().to_owned()
    };
    ensure!(refusals.iter().all(|refusal| text(refusal, "code") == code), "{refusals:#?}");
    ensure!(refusals.len() >= count, "{refusals:#?}");
    Ok(refusals.iter().map(|refusal| (text(refusal, "host"), text(refusal, "value"))).collect())
}

/// By SQL: the first host's server is primary, and these stream from it.
async fn follow(addresses: &[String], standbys: &[&str]) -> Result<()> {
    let there = Server::connect(&addresses[0], &debian::superuser()).await?;
    ensure!(!there.in_recovery().await?, "{} is no primary", addresses[0]);
    let streaming = there.streaming().await?;
    ensure!(streaming.iter().eq(standbys), "{streaming:?} stream, not {standbys:?}");
    Ok(())
}
