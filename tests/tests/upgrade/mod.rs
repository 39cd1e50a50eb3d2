//! The ground of `hosts_upgrade`: hosts, a coordinator with a folder of agents of its own, and what is tried
//! on them.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bellows_proto::{
    digest,
    v1::{HostDetail, ProgramState, UpgradePlan, UpgradeReport, UpgradedHost},
};
use bellows_tests::{
    process::{self, Ended},
    real_hosts,
    site::{Coordinator, temporary},
    ssh,
    testbed::{Host, Testbed},
};

pub const LIMIT: Duration = Duration::from_secs(180);
/// The trial of a good program: a busy machine starts it in less.
const LONG: &str = "40";
/// The trial of one that never answers.
const SHORT: &str = "6";
/// From the switch to an old agent that answers again.
const BACK: Duration = Duration::from_secs(60);

pub struct Ground<'a> {
    pub testbed: &'a Testbed,
    pub coordinator: Coordinator,
    /// The folder of agents beside the coordinator's program.
    agents: PathBuf,
    good: Vec<u8>,
    broken: Vec<u8>,
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub async fn on(
    hosts: &[&str],
    tools: bool,
    play: impl AsyncFnOnce(&mut Ground<'_>) -> Result<()>,
) -> Result<()> {
    let testbed = Testbed::up(hosts)?;
    let folder = Folder(temporary("upgrade")?);
    let mut coordinator = Coordinator::init(&folder.0, &testbed.outside().to_string()).await?;
    let agents = install(&folder.0, &mut coordinator).await?;
    coordinator.start().await?;
    super::prepare(&testbed, tools)?;
    real_hosts::enrol(&testbed, &coordinator).await?;
    let place = agents.join(env!("CARGO_PKG_VERSION")).join(std::env::consts::ARCH);
    let good = std::fs::read(place.join("bellows-agent"))?;
    let broken = std::fs::read(process::built("bellows-broken-agent")?)?;
    let mut ground = Ground { testbed: &testbed, coordinator, agents, good, broken };
    let played = Box::pin(play(&mut ground)).await;
    played.with_context(|| {
        let log = std::fs::read_to_string(ground.coordinator.log()).unwrap_or_default();
        let journals = testbed.hosts().iter().map(|host| {
            let words = ["journalctl", "--no-pager", "--lines=60", "--unit=bellows-agent*"];
            format!("== {}\n{}", host.name(), host.succeed(&words).unwrap_or_default())
        });
        let journals: Vec<String> = journals.collect();
        format!("== coordinator\n{log}\n{}\n==", journals.join("\n"))
    })
}

/// The coordinator's program where a package would have it, with the agents beside it.
async fn install(folder: &Path, coordinator: &mut Coordinator) -> Result<PathBuf> {
    let (bin, share) = (folder.join("usr/bin"), folder.join("usr/share/bellows"));
    std::fs::create_dir_all(&bin)?;
    std::fs::create_dir_all(&share)?;
    let built = process::built("bellows")?;
    let program = bin.join("bellows");
    if std::fs::hard_link(&built, &program).is_err() {
        std::fs::copy(&built, &program)?;
    }
    coordinator.run_from(program);
    let made = ssh::bundle(folder).await?;
    let agents = share.join("agent");
    std::fs::rename(made, &agents)?;
    Ok(agents)
}

impl Ground<'_> {
    /// Another build of the agent: what stands behind a program's end is not read by anybody.
    pub fn good_one(&self, word: &str) -> Result<Vec<u8>> {
        let program = [&self.good, word.as_bytes()].concat();
        ssh::replace(&self.agents, &program)?;
        Ok(digest::of_bytes(&program).to_vec())
    }

    fn broken_one(&self, how: &str) -> Result<()> {
        let program = [&self.broken, &b"bellows-broken:"[..], how.as_bytes()].concat();
        ssh::replace(&self.agents, &program)
    }

    /// The command, for a program that is not to come up.
    fn words<'a>(hosts: &[&'a str]) -> Vec<&'a str> {
        let fixed = ["host", "upgrade", "--yes", "--within", SHORT, "--output", "json"];
        [&fixed[..], hosts].concat()
    }

    /// Upgrades, and returns what became of each host.
    pub async fn upgrade(&self, hosts: &[&str], code: i32) -> Result<Vec<UpgradedHost>> {
        let fixed = ["host", "upgrade", "--yes", "--within", LONG, "--healthy", "1"];
        let words = [&fixed[..], &["--output", "json"], hosts].concat();
        let ended = self.coordinator.cli().run(&words).await?;
        told(&ended, code)
    }

    async fn state(&self, host: &str) -> Result<ProgramState> {
        let detail: HostDetail = self.coordinator.cli().json(&["host", "show", host]).await?;
        detail.program.with_context(|| format!("{host} tells of no program"))
    }

    async fn running(&self, host: &str) -> Result<Vec<u8>> {
        Ok(self.state(host).await?.running.context("nothing runs")?.digest)
    }

    fn host(&self, name: &str) -> Result<&Host> {
        self.testbed.host(name)
    }

    pub async fn rings_one_after_the_other(&mut self) -> Result<()> {
        let new = self.good_one("first")?;
        let before = self.running("up1").await?;
        let plan: UpgradePlan =
            self.coordinator.cli().json(&["host", "upgrade", "--all", "--check"]).await?;
        let rings: Vec<u32> = plan.hosts.iter().map(|one| one.ring).collect();
        ensure!(rings == [1, 2, 3], "{plan:?}");
        ensure!(self.running("up1").await? == before, "--check changed something");
        let report = self.upgrade(&["--all"], 0).await?;
        let names: Vec<&str> = report.iter().map(|one| one.host.as_str()).collect();
        ensure!(names == ["up1", "up2", "up3"], "not in the order of the rings: {names:?}");
        for one in &report {
            let running = one.running.as_ref().context("not known")?;
            ensure!(one.outcome == "upgraded" && running.digest == new, "{one:?}");
            let state = self.state(&one.host).await?;
            ensure!(state.trial.is_none() && state.kept.is_some(), "{state:?}");
            // What the package has put there is as it was.
            ensure!(state.base.context("no base")?.digest == before, "the base was changed");
        }
        let again = self.upgrade(&["--all"], 0).await?;
        ensure!(again.iter().all(|one| one.outcome == "there already"), "{again:?}");
        // It stays over a restart, and over a boot.
        let host = self.host("up3")?;
        host.succeed(&["systemctl", "restart", "bellows-agent"])?;
        ensure!(self.running("up3").await? == new, "a restart went back");
        host.power_cut()?;
        host.boot()?;
        real_hosts::connected(self.testbed, self.coordinator.cli()).await?;
        ensure!(self.running("up3").await? == new, "a boot went back");
        Ok(())
    }

    pub async fn one_that_breaks(&mut self, how: &str) -> Result<()> {
        let before = self.running("up1").await?;
        self.broken_one(how)?;
        let began = Instant::now();
        let ended = self.coordinator.cli().run(&Self::words(&["up1", "up2"])).await?;
        let report = told(&ended, 6)?;
        ensure!(began.elapsed() < BACK, "it took {:?}", began.elapsed());
        let of = |host: &str| report.iter().find(|one| one.host == host).context("no such host");
        let first = of("up1")?;
        ensure!(first.outcome == "fell back", "{first:?}");
        ensure!(of("up2")?.outcome == "not tried", "the next ring began: {report:?}");
        ensure!(first.running.as_ref().is_some_and(|now| now.digest == before), "{first:?}");
        let why = first.fault.as_ref().context("no reason")?.message.clone();
        let wanted = if how == "exit" { "ended by itself" } else { "did not answer" };
        ensure!(why.contains(wanted), "{why}");
        eprintln!("broken ({how}): back after {:?}: {why}", began.elapsed());
        Ok(())
    }

    pub async fn what_cannot_run_is_refused(&mut self) -> Result<()> {
        let before = self.running("up1").await?;
        // For another machine: aarch64 in the head of the file.
        let mut foreign = self.good.clone();
        foreign[18] = 183;
        for (program, wanted) in [
            (foreign, "it is for aarch64, this host is x86_64"),
            (b"#!/bin/sh\nexec sleep 1000\n".to_vec(), "it is no program"),
            // Cut off before it was put beside the coordinator.
            (self.good[..self.good.len() / 2].to_vec(), ""),
        ] {
            ssh::replace(&self.agents, &program)?;
            let report = self.upgrade(&["up1"], 5).await?;
            let fault = report[0].fault.clone().context("no reason")?;
            ensure!(report[0].outcome == "refused", "{report:?}");
            ensure!(fault.message.contains(wanted), "{fault:?}");
            ensure!(self.running("up1").await? == before, "it was switched");
        }
        // What is not as it was installed is not sent at all.
        let place = self.agents.join(env!("CARGO_PKG_VERSION")).join(std::env::consts::ARCH);
        std::fs::write(place.join("bellows-agent"), &self.good)?;
        let ended = self.coordinator.cli().run(&["host", "upgrade", "up1", "--yes"]).await?;
        ensure!(ended.code != Some(0) && ended.stderr.contains("is damaged"), "{ended:?}");
        let host = self.host("up2")?;
        let programs = "/var/lib/bellows-agent/programs";
        host.succeed(&["mount", "--bind", programs, programs])?;
        host.succeed(&["mount", "-o", "remount,bind,noexec", programs])?;
        host.succeed(&["systemctl", "restart", "bellows-agent"])?;
        self.good_one("for a place that runs nothing")?;
        let ended = self.coordinator.cli().run(&Self::words(&["up2"])).await?;
        let report = told(&ended, 5)?;
        let fault = report[0].fault.clone().context("no reason")?;
        ensure!(fault.message.contains("mounted noexec"), "{fault:?}");
        host.succeed(&["umount", programs])?;
        host.succeed(&["systemctl", "restart", "bellows-agent"])?;
        Ok(())
    }

    pub async fn two_at_once(&mut self) -> Result<()> {
        self.broken_one("hang")?;
        let cli = self.coordinator.cli();
        let first = cli.command(&Self::words(&["up1"])).spawn()?;
        self.on_trial("up1").await?;
        let second = cli.run(&["host", "upgrade", "up2", "--yes"]).await?;
        ensure!(second.code == Some(5), "{second:?}");
        ensure!(second.stderr.contains("upgrades hosts right now"), "{second:?}");
        let first = tokio::time::timeout(LIMIT, first.wait_with_output()).await??;
        ensure!(first.status.code() == Some(6), "{first:?}");
        Ok(())
    }

    pub async fn a_power_cut_in_the_middle(&mut self) -> Result<()> {
        let before = self.running("up3").await?;
        self.broken_one("mute")?;
        let cli = self.coordinator.cli();
        let upgrading = cli.command(&Self::words(&["up3"])).spawn()?;
        self.on_trial("up3").await?;
        self.host("up3")?.power_cut()?;
        self.host("up3")?.boot()?;
        let ended = tokio::time::timeout(LIMIT, upgrading.wait_with_output()).await??;
        ensure!(ended.status.code() == Some(6), "{ended:?}");
        let text = String::from_utf8_lossy(&ended.stdout).into_owned();
        // Behind the agent's sandbox a container shows the boot id of the machine below, which has not booted.
        let reasons = ["booted while it was on trial", "ended by itself"];
        ensure!(reasons.iter().any(|reason| text.contains(reason)), "{text}");
        ensure!(self.running("up3").await? == before, "the one before is not back");
        Ok(())
    }

    /// The host goes back without anybody, and the next upgrade goes on.
    pub async fn the_coordinator_dies_in_the_middle(&mut self) -> Result<()> {
        let before = self.running("up2").await?;
        self.broken_one("hang")?;
        let cli = self.coordinator.cli().clone();
        let upgrading = cli.command(&Self::words(&["up2"])).spawn()?;
        self.on_trial("up2").await?;
        self.coordinator.kill().await?;
        let ended = tokio::time::timeout(LIMIT, upgrading.wait_with_output()).await??;
        ensure!(ended.status.code() != Some(0), "{ended:?}");
        let host = self.host("up2")?;
        process::until("the host has gone back by itself", BACK, || async {
            let journal = host.succeed(&["journalctl", "--unit=bellows-agent-trial-*"])?;
            let active = host.exec(&["systemctl", "is-active", "--quiet", "bellows-agent"])?;
            Ok(journal.contains("taken back") && active.status.success())
        })
        .await?;
        self.coordinator.start().await?;
        real_hosts::connected(self.testbed, &cli).await?;
        ensure!(self.running("up2").await? == before, "another one is back");
        let new = self.good_one("at last")?;
        let report = self.upgrade(&["up2"], 0).await?;
        ensure!(report[0].outcome == "upgraded", "{report:?}");
        ensure!(self.running("up2").await? == new, "status does not tell the truth");
        Ok(())
    }

    pub async fn the_audit_logs_tell_it(&mut self) -> Result<()> {
        let cli = self.coordinator.cli();
        let own = cli.run(&["audit", "show"]).await?;
        let own = own.expect_code(0)?;
        for wanted in ["UpgradeHosts", "host up1: upgraded", "host up1: fell back"] {
            ensure!(own.contains(wanted), "{wanted:?} is not in the coordinator's log:\n{own}");
        }
        let agent = cli.run(&["audit", "show", "--host", "up1"]).await?;
        let agent = agent.expect_code(0)?;
        for wanted in [
            "PutProgram",
            "SwitchProgram",
            "ConfirmProgram",
            "is kept",
            "taken back: it ended by itself",
        ] {
            ensure!(agent.contains(wanted), "{wanted:?} is not in the agent's log:\n{agent}");
        }
        cli.run(&["audit", "verify"]).await?.expect_code(0)?;
        Ok(())
    }

    /// Waits until a new program was started on a host and is on trial.
    async fn on_trial(&self, host: &str) -> Result<()> {
        let host = self.host(host)?;
        process::until("a program is on trial", LIMIT, || async {
            let said = host.succeed(&["journalctl", "--unit=bellows-agent", "--lines=3"])?;
            let broken =
                host.exec(&["pgrep", "--full", "/var/lib/bellows-agent/programs/.* run"])?;
            Ok(said.contains("broken: ") && broken.status.success())
        })
        .await
    }
}

fn told(ended: &Ended, code: i32) -> Result<Vec<UpgradedHost>> {
    let text = ended.expect_code(code)?;
    let report: UpgradeReport = serde_json::from_str(text).with_context(|| format!("{ended:?}"))?;
    ensure!(!report.hosts.is_empty(), "{ended:?}");
    Ok(report.hosts)
}
