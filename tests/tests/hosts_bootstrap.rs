//! Real systemd hosts that are added by ssh, with one command: what is refused before anything is
//! changed, what is taken back, what goes on after a kill; and one that is added without ssh. Needs root; belongs
//! to `make test-hosts`, which builds the programs first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bellows_proto::{
    identity::Role,
    v1::{AddHostsReply, AddedHost, FaultCode, HostInventory, ListHostsReply},
};
use bellows_tests::{
    authority::Authority,
    process::{self, Ended},
    real_hosts,
    site::{Cli, Coordinator, temporary},
    ssh::{self, Admin},
    testbed::{Host, OUTSIDE, Testbed},
};

const LIMIT: Duration = Duration::from_secs(300);
const PROGRAM: &str = "/usr/bin/bellows-agent";
const UNIT: &str = "/usr/lib/systemd/system/bellows-agent.service";
const LEDGER: &str = "/var/lib/bellows-host-add";
const DATA: &str = "/var/lib/bellows-agent";
const TRACES: [&str; 5] = [PROGRAM, UNIT, "/etc/bellows", DATA, LEDGER];

/// The test's side of a run.
struct Ground<'a> {
    testbed: &'a Testbed,
    cli: &'a Cli,
    admin: Admin,
    bundle: PathBuf,
    folder: PathBuf,
}

impl Drop for Ground<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl<'a> Ground<'a> {
    async fn up(testbed: &'a Testbed, coordinator: &'a Coordinator) -> Result<Self> {
        let folder = temporary("ssh")?;
        let admin = Admin::new(&folder).await?;
        let bundle = ssh::bundle(&folder).await?;
        Ok(Self { testbed, cli: coordinator.cli(), admin, bundle, folder })
    }

    async fn add(&self, words: &[&str]) -> Result<Ended> {
        process::run(self.admin.add(self.cli, &self.bundle, words), LIMIT).await
    }

    /// Adds one host, with another user or more words, and returns what became of it.
    async fn one(&self, host: &str, user: &str, more: &[&str], code: i32) -> Result<AddedHost> {
        let to = self.to(host, user)?;
        let words = [&[host, "--ssh", &to, "--output", "json"], more].concat();
        let ended = self.add(&words).await?;
        let mut reply: AddHostsReply = serde_json::from_str(ended.expect_code(code)?)?;
        reply.hosts.pop().with_context(|| format!("no host in {ended:?}"))
    }

    fn to(&self, host: &str, user: &str) -> Result<String> {
        Ok(format!("{user}@{}", self.testbed.host(host)?.address()))
    }
}

/// Nothing of ours is on a host.
fn untouched(host: &Host) -> Result<()> {
    let there = TRACES.into_iter().filter(|path| host.outside(path).exists());
    let there: Vec<&str> = there.collect();
    ensure!(there.is_empty(), "{} has {there:?}", host.name());
    let unit = host.exec(&["systemctl", "cat", "bellows-agent"])?;
    ensure!(!unit.status.success(), "{} knows the unit", host.name());
    Ok(())
}

fn codes(added: &AddedHost) -> Vec<&str> {
    added.findings.iter().filter(|one| one.refuses).map(|one| one.code.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_added_by_ssh_refused_taken_back_and_gone_on_with() {
    let hosts = ["db1", "db2", "db3", "db4", "db5", "db6", "far"];
    Box::pin(real_hosts::beside("boot", &hosts, play)).await.unwrap();
}

async fn play(testbed: &Testbed, coordinator: &Coordinator) -> Result<()> {
    let ground = Ground::up(testbed, coordinator).await?;
    an_unknown_key_is_refused_until_it_is_recorded(&ground).await.context("host keys")?;
    for host in testbed.hosts().iter().skip(1) {
        ground.admin.let_in(host)?;
        ground.admin.know(host)?;
    }
    all_that_is_wrong_is_told_and_nothing_changed(&ground).await.context("refusals")?;
    what_fails_on_the_way_is_taken_back(&ground).await.context("a failure on the way")?;
    four_at_once(&ground).await.context("four at once")?;
    a_second_run_changes_nothing(&ground).await.context("a second run")?;
    what_a_host_is_made_of(&ground).await.context("host facts")?;
    a_name_and_a_machine_stay_together(&ground).await.context("names")?;
    one_behind_a_jump_host(&ground).await.context("a jump host")?;
    killed_runs_are_gone_on_with(&ground).await.context("killed runs")?;
    one_without_ssh(&ground).await.context("--manual")?;
    Ok(())
}

async fn an_unknown_key_is_refused_until_it_is_recorded(ground: &Ground<'_>) -> Result<()> {
    let host = ground.testbed.host("db1")?;
    let print = ground.admin.let_in(host)?;
    let fault = ground.one("db1", "root", &[], 5).await?.fault.context("no refusal")?;
    ensure!(fault.message.contains(&print), "{print} is not in {fault:?}");
    ensure!(!ground.admin.known_hosts().exists(), "a key was recorded");
    untouched(host)?;
    // The command that is shown records it.
    let record = fault.remedy.rsplit_once("same: ").context("no command")?.1;
    let record =
        record.replace("~/.ssh/known_hosts", &ground.admin.known_hosts().to_string_lossy());
    let mut shell = process::command("sh");
    shell.args(["-c", &record]);
    process::run(shell, LIMIT).await?.expect_code(0)?;
    let seen = ground.one("db1", "root", &["--check"], 0).await?;
    ensure!(seen.outcome == "can be added", "{seen:?}");
    untouched(host)?;
    // Another key than the recorded one.
    let known = std::fs::read_to_string(ground.admin.known_hosts())?;
    let script = "rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh";
    host.succeed(&["sh", "-c", script])?;
    let fault = ground.one("db1", "root", &[], 5).await?.fault.context("no refusal")?;
    ensure!(
        fault.message.contains("another key") && fault.remedy.contains("ssh-keygen -R"),
        "{fault:?}"
    );
    ensure!(std::fs::read_to_string(ground.admin.known_hosts())? == known, "a key was recorded");
    std::fs::write(ground.admin.known_hosts(), "")?;
    ground.admin.know(host)
}

async fn all_that_is_wrong_is_told_and_nothing_changed(ground: &Ground<'_>) -> Result<()> {
    let host = ground.testbed.host("db5")?;
    host.succeed(&[
        "systemd-run",
        "--quiet",
        "--unit=taken",
        "systemd-socket-activate",
        "-l",
        "7401",
        "cat",
    ])?;
    let refused = ground.one("db5", "plain", &[], 5).await?;
    ensure!(codes(&refused) == ["HOST-01", "HOST-10"], "{refused:?}");
    untouched(host)?;
    // Another host of the same run is not begun with, unless that is asked for.
    let (to1, to5) = (ground.to("db1", "root")?, ground.to("db5", "root")?);
    let words = ["db1", "db5", "--ssh", &to1, "--ssh", &to5];
    ground.add(&words).await?.expect_code(5)?;
    untouched(ground.testbed.host("db1")?)?;
    host.succeed(&["systemctl", "stop", "taken"])?;
    // No room.
    host.succeed(&["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", "/var/lib"])?;
    let refused = ground.one("db5", "root", &[], 5).await?;
    ensure!(codes(&refused) == ["HOST-06"], "{refused:?}");
    host.succeed(&["umount", "/var/lib"])?;
    // An agent of another site.
    let stranger = Authority::new("0198c0de-0000-7000-8000-00000000ffff")?;
    let theirs = stranger.issue(Role::Agent, "db5")?.certificate;
    let identity = format!("{DATA}/identity/agent.crt");
    host.put(&identity, theirs.as_bytes(), 0o600)?;
    let refused = ground.one("db5", "admin", &[], 5).await?;
    ensure!(codes(&refused) == ["HOST-15"], "{refused:?}");
    ensure!(host.get(&identity)? == theirs.as_bytes(), "the stranger's identity was touched");
    host.succeed(&["rm", "-r", DATA])?;
    untouched(host)
}

async fn what_fails_on_the_way_is_taken_back(ground: &Ground<'_>) -> Result<()> {
    let host = ground.testbed.host("db5")?;
    // The program and the unit find room, the configuration does not.
    host.succeed(&["mkdir", "/etc/bellows"])?;
    host.succeed(&["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "tmpfs", "/etc/bellows"])?;
    let failed = ground.one("db5", "admin", &[], 1).await?;
    let fault = failed.fault.clone().context("no fault")?;
    ensure!(
        failed.outcome == "failed" && fault.stderr_tail.contains("No space left"),
        "{failed:?}"
    );
    host.succeed(&["umount", "/etc/bellows"])?;
    host.succeed(&["rmdir", "/etc/bellows"])?;
    untouched(host)?;
    // A configuration that the agent does not take.
    let systems = ground.folder.join("systems.toml");
    std::fs::write(&systems, "[systems.postgresql]\nno_such_key = 1\n")?;
    let failed = ground.one("db5", "root", &["--systems", &systems.to_string_lossy()], 1).await?;
    let fault = failed.fault.clone().context("no fault")?;
    ensure!(fault.stderr_tail.contains("no_such_key"), "{failed:?}");
    untouched(host)
}

async fn four_at_once(ground: &Ground<'_>) -> Result<()> {
    let began = Instant::now();
    let list = file_of(ground, &["db1", "db2", "db3", "db4"])?;
    let old = ground.testbed.host("db3")?;
    old.put(SYSTEMCTL, TELLS_234.as_bytes(), 0o755)?;
    let ended = ground.add(&["--file", &list.to_string_lossy()]).await?;
    let told = ended.expect_code(0)?;
    eprintln!("four hosts in {:?}\n{told}{}", began.elapsed(), ended.stderr);
    ensure!(ground.cli.connected_hosts().await? == 4, "not all are connected: {told}");
    in_the_process_form(old)?;
    for name in ["db1", "db2", "db3", "db4"] {
        let host = ground.testbed.host(name)?;
        let modes =
            host.succeed(&["stat", "--format=%a %U:%G", PROGRAM, UNIT, real_hosts::CONFIG, DATA])?;
        ensure!(
            modes == "755 root:root\n644 root:root\n600 root:root\n700 root:root\n",
            "{name}: {modes}"
        );
        let enabled = host.succeed(&["systemctl", "is-enabled", "bellows-agent"])?;
        ensure!(enabled == "enabled\n", "{name}: {enabled}");
        ensure!(!host.outside(LEDGER).exists(), "{name} has a ledger");
        nothing_of_the_login_is_kept(host)?;
    }
    ensure!(ground.admin.logins()? == 0, "a folder of logins is left");
    Ok(())
}

/// Before the `PATH` of the look: a systemd that says that it is old.
const SYSTEMCTL: &str = "/usr/local/sbin/systemctl";
const TELLS_234: &str = "#!/bin/sh\n[ \"$*\" != --version ] || { echo 'systemd 234'; exit; }\nexec /usr/bin/systemctl \"$@\"\n";

/// Its jobs stay when the agent ends, and have all that an administrator's shell has.
fn in_the_process_form(host: &Host) -> Result<()> {
    let config = String::from_utf8(host.get(real_hosts::CONFIG)?)?;
    ensure!(config.contains("launch = \"process\"\n"), "{config}");
    let properties = "--property=KillMode,ProtectSystem,NoNewPrivileges,PrivateDevices";
    let shown = host.succeed(&["systemctl", "show", "bellows-agent", properties])?;
    for line in ["KillMode=process", "ProtectSystem=no", "NoNewPrivileges=no", "PrivateDevices=no"]
    {
        ensure!(shown.lines().any(|found| found == line), "{line}: {shown}");
    }
    let process = host.succeed(&["pgrep", "--exact", "bellows-agent"])?;
    let status = host.succeed(&["cat", &format!("/proc/{}/status", process.trim())])?;
    let own = host.succeed(&["cat", "/proc/1/status"])?;
    for field in ["CapBnd:", "Seccomp:"] {
        let of = |text: &str| text.lines().find(|line| line.starts_with(field)).map(str::to_owned);
        ensure!(of(&status) == of(&own), "{status}");
    }
    host.succeed(&["rm", SYSTEMCTL])?;
    Ok(())
}

/// A file for `--file`; every other host by a user with sudo.
fn file_of(ground: &Ground<'_>, hosts: &[&str]) -> Result<PathBuf> {
    let mut text = String::new();
    for (place, host) in hosts.iter().enumerate() {
        let user = if place % 2 == 0 { "root" } else { "admin" };
        text.push_str(&format!("{host} {}\n", ground.to(host, user)?));
    }
    let path = ground.folder.join("hosts.txt");
    std::fs::write(&path, text)?;
    Ok(path)
}

/// No file of a copy, no token in a journal.
fn nothing_of_the_login_is_kept(host: &Host) -> Result<()> {
    let found = host.succeed(&["find", "/usr", "/etc", "/var/lib", "-name", "*bellows-new"])?;
    ensure!(found.is_empty(), "{}: {found}", host.name());
    let journal = host.succeed(&["journalctl", "--no-pager", "--quiet"])?;
    ensure!(!journal.contains("bellows1."), "{} has a token in its journal", host.name());
    Ok(())
}

/// What a change would change.
fn state_of(host: &Host) -> Result<String> {
    let files = ["stat", "--format=%n %Y %i", PROGRAM, UNIT, real_hosts::CONFIG];
    let key = format!("{DATA}/identity/agent.key");
    let process = ["systemctl", "show", "bellows-agent", "--property=MainPID"];
    Ok(host.succeed(&[&files[..], &[&key]].concat())? + &host.succeed(&process)?)
}

async fn a_second_run_changes_nothing(ground: &Ground<'_>) -> Result<()> {
    let hosts = ["db1", "db2", "db3", "db4"];
    let states = || hosts.map(|name| state_of(ground.testbed.host(name).unwrap()).unwrap());
    let before = states();
    let list = file_of(ground, &hosts)?;
    let ended = ground.add(&["--file", &list.to_string_lossy()]).await?;
    let told = ended.expect_code(0)?;
    ensure!(told.matches("there already").count() == 4, "{told}");
    ensure!(states() == before, "something was changed");
    Ok(())
}

async fn what_a_host_is_made_of(ground: &Ground<'_>) -> Result<()> {
    let seen: HostInventory = ground.cli.json(&["host", "facts", "db1"]).await?;
    let facts = seen.facts.clone().context("no facts")?;
    ensure!(seen.cpus > 0 && seen.memory_total_bytes > 0 && seen.up_s > 0, "{seen:?}");
    ensure!(seen.disks.iter().any(|disk| disk.mounted_at == "/"), "{:?}", seen.disks);
    ensure!(!facts.kernel.is_empty() && facts.page_size >= 4096, "{facts:?}");
    let tool = |name: &str| seen.tools.iter().find(|tool| tool.tool == name);
    let systemd = tool("systemctl").context("no systemctl")?;
    ensure!(systemd.version.starts_with("systemd "), "{systemd:?}");
    ensure!(tool("rsync").is_some_and(|rsync| rsync.version.is_empty()), "{:?}", seen.tools);
    Ok(())
}

async fn a_name_and_a_machine_stay_together(ground: &Ground<'_>) -> Result<()> {
    let to1 = ground.to("db1", "root")?;
    let refused = ground.add(&["db9", "--ssh", &to1, "--output", "json"]).await?;
    ensure!(refused.expect_code(5)?.contains("HOST-15"), "{refused:?}");
    let to5 = ground.to("db5", "root")?;
    let refused = ground.add(&["db1", "--ssh", &to5, "--output", "json"]).await?;
    ensure!(refused.expect_code(5)?.contains("HOST-18"), "{refused:?}");
    let (root, admin) = (to5, ground.to("db5", "admin")?);
    let words = ["db5", "db6", "--ssh", &root, "--ssh", &admin, "--output", "json"];
    let refused = ground.add(&words).await?;
    ensure!(refused.expect_code(5)?.contains("HOST-19"), "{refused:?}");
    untouched(ground.testbed.host("db5")?)
}

/// sshd of a host is reached through another one alone, by the administrator's own configuration.
async fn one_behind_a_jump_host(ground: &Ground<'_>) -> Result<()> {
    let (testbed, admin) = (ground.testbed, &ground.admin);
    let far = testbed.host("far")?;
    testbed.close_port(OUTSIDE, "far", 22)?;
    let fault = ground.one("far", "root", &[], 1).await?.fault.context("it was reached")?;
    ensure!(fault.code() == FaultCode::Unreachable, "{fault:?}");
    // The jump host's key is checked too.
    let jump = testbed.host("db6")?.address();
    let known = std::fs::read_to_string(admin.known_hosts())?;
    let config = std::fs::read_to_string(admin.config())?;
    let through = format!("{config}Host {}\n  ProxyJump admin@{jump}\n", far.address());
    std::fs::write(admin.config(), through)?;
    let others = known.lines().filter(|line| !line.starts_with(&format!("{jump} ")));
    let others: Vec<&str> = others.collect();
    std::fs::write(admin.known_hosts(), others.join("\n") + "\n")?;
    let fault = ground.one("far", "root", &[], 1).await?.fault.context("it was reached")?;
    ensure!(fault.message.contains("by a jump host"), "{fault:?}");
    ensure!(!std::fs::read_to_string(admin.known_hosts())?.contains(&jump.to_string()));
    std::fs::write(admin.known_hosts(), &known)?;
    untouched(far)?;
    let before = testbed.host("db6")?.succeed(&["find", "/home/admin", "/tmp"])?;
    let added = ground.one("far", "admin", &[], 0).await?;
    ensure!(added.outcome == "added", "{added:?}");
    ensure!(ground.cli.connected_hosts().await? == 5, "far is not connected");
    let seen: ListHostsReply = ground.cli.json(&["host", "list"]).await?;
    let summary = seen.hosts.iter().find(|host| host.host == "far").context("far is not there")?;
    ensure!(summary.address.starts_with(&far.address().to_string()), "{summary:?}");
    nothing_of_the_login_is_kept(far)?;
    let after = testbed.host("db6")?.succeed(&["find", "/home/admin", "/tmp"])?;
    ensure!(before == after, "the jump host has {after}");
    std::fs::write(admin.config(), config)?;
    Ok(())
}

async fn killed_runs_are_gone_on_with(ground: &Ground<'_>) -> Result<()> {
    let host = ground.testbed.host("db5")?;
    let identity = format!("{DATA}/identity/agent.crt");
    for moment in [LEDGER, UNIT, &identity] {
        let to = ground.to("db5", "admin")?;
        let command = &mut ground.admin.add(ground.cli, &ground.bundle, &["db5", "--ssh", &to]);
        let mut run = command.spawn().context("start bellows host add")?;
        let path = host.outside(moment);
        process::until(&format!("{moment} is there"), LIMIT, || async { Ok(path.exists()) })
            .await?;
        run.kill().await.context("kill bellows host add")?;
    }
    let added = ground.one("db5", "admin", &[], 0).await?;
    ensure!(added.outcome == "added" || added.outcome == "there already", "{added:?}");
    ensure!(ground.cli.connected_hosts().await? == 6, "db5 is not connected");
    ensure!(!host.outside(LEDGER).exists(), "the ledger is left");
    nothing_of_the_login_is_kept(host)?;
    let again = ground.one("db5", "root", &[], 0).await?;
    ensure!(again.outcome == "there already", "{again:?}");
    // Connections of killed runs end by themselves, and the next run has removed their folders.
    ensure!(ground.admin.logins()? == 0, "a folder of logins is left");
    let folder = ground.folder.to_string_lossy().into_owned();
    process::until("no ssh of a killed run is left", LIMIT, || async {
        let mut look = process::command("pgrep");
        look.args(["--full", &format!("ssh .*{folder}.*")]);
        Ok(process::run(look, LIMIT).await?.code == Some(1))
    })
    .await
}

async fn one_without_ssh(ground: &Ground<'_>) -> Result<()> {
    let host = ground.testbed.host("db6")?;
    let address = host.address().to_string();
    let bundle = ground.bundle.to_string_lossy();
    let words = ["host", "add", "db6", "--manual", "--address", &address, "--bundle", &bundle];
    let ended = ground.cli.run(&words).await?;
    let commands = ended.expect_code(0)?;
    let carried =
        commands.lines().next().and_then(|line| line.rsplit_once(": ")).context("no file")?.1;
    // In a folder without the program nothing is changed.
    paste(host, "/etc", commands)?
        .status
        .code()
        .filter(|code| *code == 1)
        .context("not refused")?;
    untouched(host)?;
    host.put("/root/bellows-agent", &std::fs::read(Path::new(carried))?, 0o644)?;
    let pasted = paste(host, "/root", commands)?;
    ensure!(pasted.status.success(), "{pasted:?}");
    process::until("db6 is connected", LIMIT, || async {
        Ok(ground.cli.connected_hosts().await? == 7)
    })
    .await?;
    let words = String::from_utf8_lossy(&pasted.stdout).into_owned();
    ensure!(!words.contains("bellows1."), "the token was printed: {words}");
    Ok(())
}

/// Types commands into a shell on a host's console.
fn paste(host: &Host, folder: &str, commands: &str) -> Result<std::process::Output> {
    host.put("/run/pasted", commands.as_bytes(), 0o600)?;
    host.exec(&["sh", "-c", &format!("cd {folder} && sh /run/pasted")])
}
