//! Troubles with tools and logins, on this machine: a tool that is missing, hangs, floods,
//! prints rubbish, forks, ignores TERM; a password that is wrong; a clock that is off.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::FutureExt as _;

use super::{
    drive,
    ground::{Ground, THIRD},
    moment::Watch,
    play::begin,
    point::{End, Moment, Seen, Verb::Expand},
    proof,
    special::{ANY, Special, grows, until_held_for},
    trap::{Run, Trick},
};

const CLONE: Run = Run { host: THIRD, tool: "repmgr", words: &["standby", "clone"] };
const COPY: Run = Run { host: THIRD, tool: "pg_basebackup", words: &["-D"] };
const REGISTER: Run = Run { host: THIRD, tool: "repmgr", words: &["standby", "register"] };
/// Any reading of the primary.
const READING: Run = Run { host: 0, tool: "psql", words: &["--dbname"] };
/// A tool is begun and ended within this time.
const SOON: Duration = Duration::from_secs(120);
/// What a distribution calls the library that lets a program see another time.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// Tools.
pub const TOOLS: &[Special] = &[
    Special {
        name: "repmgr floods both its outputs",
        play: |ground| goes_on(ground, CLONE, Trick::Flood).boxed(),
    },
    Special {
        name: "repmgr leaves a child with its pipes",
        play: |ground| goes_on(ground, CLONE, Trick::Fork).boxed(),
    },
    Special {
        name: "repmgr leaves a grandchild in another session",
        play: |ground| goes_on(ground, REGISTER, Trick::ForkAway).boxed(),
    },
    Special {
        name: "repmgr prints rubbish and exits with 0",
        play: |ground| does_nothing(ground).boxed(),
    },
    Special {
        name: "psql prints rubbish at every reading",
        play: |ground| reads_rubbish(ground).boxed(),
    },
    Special { name: "repmgr hangs, cancelled", play: |ground| hangs(ground, Trick::Hang).boxed() },
    Special {
        name: "repmgr hangs and ignores TERM, cancelled",
        play: |ground| hangs(ground, Trick::HangIgnoringTerm).boxed(),
    },
    Special { name: "repmgr is missing in the middle", play: |ground| missing(ground).boxed() },
];

/// Logins and clocks.
pub const HOSTS: &[Special] = &[
    Special {
        name: "wrong password from the first act on",
        play: |ground| wrong_password(ground).boxed(),
    },
    Special {
        name: "clock of a host a minute behind",
        play: |ground| clock_at_plan(ground, "-60s").boxed(),
    },
    Special {
        name: "clock of a host a minute ahead",
        play: |ground| clock_at_plan(ground, "+60s").boxed(),
    },
    Special {
        name: "clock of a host jumps back a minute in the copy",
        play: |ground| clock_in_the_middle(ground).boxed(),
    },
];

/// The trouble is none for the operation.
async fn goes_on(ground: &mut Ground, run: Run, trick: Trick) -> Result<String> {
    ground.ready_for(Expand).await?;
    let trap = ground.trap(run, trick)?;
    let operation = begin(ground, Expand, false).await?;
    trap.sprung(SOON).await?;
    grows(ground, &operation, Vec::new(), End::ByItself).await
}

/// An exit status of 0 is no proof.
async fn does_nothing(ground: &mut Ground) -> Result<String> {
    ground.ready_for(Expand).await?;
    let trap = ground.trap(CLONE, Trick::Rubbish)?;
    let operation = begin(ground, Expand, false).await?;
    trap.sprung(SOON).await?;
    let words = ["clone", "data directory", "empty", "not"];
    let held = until_held_for(ground.site.cli(), &operation, &words).await?;
    ground.site.cli().run(&["op", "retry", &operation, "--detach"]).await?.expect_code(0)?;
    grows(ground, &operation, vec![held], End::MayHold(&[])).await
}

/// What cannot be read is unknown, never empty.
async fn reads_rubbish(ground: &mut Ground) -> Result<String> {
    ground.ready_for(Expand).await?;
    let copy = ground.trap(COPY, Trick::HoldBefore)?;
    let operation = begin(ground, Expand, false).await?;
    copy.sprung(SOON).await?;
    let rubbish = ground.trap(READING, Trick::RubbishAlways)?;
    copy.release()?;
    let words = ["psql", "read", "pg1", "h1"];
    let held = until_held_for(ground.site.cli(), &operation, &words).await?;
    drop(rubbish);
    retry_unless_stalled(ground, &operation).await?;
    grows(ground, &operation, vec![held], End::MayHold(ANY)).await
}

async fn hangs(ground: &mut Ground, trick: Trick) -> Result<String> {
    ground.ready_for(Expand).await?;
    let before = ground.snapshot().await?;
    let run = if trick == Trick::Hang { REGISTER } else { CLONE };
    let trap = ground.trap(run, trick)?;
    let operation = begin(ground, Expand, false).await?;
    trap.sprung(SOON).await?;
    let cancel = ["op", "cancel", &operation, "--detach"];
    ground.site.cli().run(&cancel).await?.expect_code(0)?;
    taken_back(ground, &operation, &before, "cancelled").await
}

async fn taken_back(
    ground: &mut Ground,
    operation: &str,
    before: &crate::snapshot::Snapshot,
    wanted: &str,
) -> Result<String> {
    let course = drive::to_end(ground.site.cli(), operation, End::ByItself, wanted).await?;
    ground.used(Expand);
    proof::as_before(ground, before).await?;
    proof::all_is_well(ground, operation).await?;
    Ok(proof::told(&course))
}

async fn missing(ground: &mut Ground) -> Result<String> {
    ground.ready_for(Expand).await?;
    let copy = ground.trap(COPY, Trick::HoldBefore)?;
    let operation = begin(ground, Expand, false).await?;
    copy.sprung(SOON).await?;
    let tool = ground.folder(THIRD)?.join("bin/repmgr");
    let away = Moved::away(&tool)?;
    copy.release()?;
    let words = ["repmgr", "no such file", "not there"];
    let held = until_held_for(ground.site.cli(), &operation, &words).await?;
    drop(away);
    ground.site.cli().run(&["op", "retry", &operation, "--detach"]).await?.expect_code(0)?;
    grows(ground, &operation, vec![held], End::MayHold(ANY)).await
}

/// A file that is not where it was, until dropped.
struct Moved {
    there: PathBuf,
    away: PathBuf,
}

impl Moved {
    fn away(there: &std::path::Path) -> Result<Self> {
        let away = there.with_extension("away");
        std::fs::rename(there, &away).with_context(|| format!("move {}", there.display()))?;
        Ok(Self { there: there.to_owned(), away })
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        let _ = std::fs::rename(&self.away, &self.there);
    }
}

/// The password is wrong on all hosts: they share one file on this machine.
async fn wrong_password(ground: &mut Ground) -> Result<String> {
    ground.ready_for(Expand).await?;
    let moment = Moment::After(Seen::ActStarted, "claim the place");
    let watch = Watch::for_moment(ground, moment)?;
    let operation = begin(ground, Expand, false).await?;
    watch.come(ground, &operation, moment).await?;
    let file = ground.site.agents().first().context("no host")?.host.shared.join("repmgr.pgpass");
    let good = std::fs::read(&file).context("read the passfile")?;
    // In place: owner and mode stay.
    std::fs::write(&file, "*:*:*:repmgr:wrong\n").context("write the passfile")?;
    let words = ["password", "log in", "login", "authentication"];
    let held = until_held_for(ground.site.cli(), &operation, &words).await;
    std::fs::write(&file, good).context("write the passfile")?;
    let held = held?;
    retry_unless_stalled(ground, &operation).await?;
    grows(ground, &operation, vec![held], End::MayHold(ANY)).await
}

/// A stalled wait goes on by itself when what it waits for comes; the rest needs a decision.
async fn retry_unless_stalled(ground: &Ground, operation: &str) -> Result<()> {
    if drive::rests(ground.site.cli(), operation).await?.is_some() {
        ground.site.cli().run(&["op", "retry", operation, "--detach"]).await?.expect_code(0)?;
    }
    Ok(())
}

/// The agent sees another time, by libfaketime; its jobs and servers do not.
async fn skew(ground: &mut Ground, offset: &str) -> Result<()> {
    ensure!(
        std::path::Path::new(FAKETIME).exists(),
        "{FAKETIME} is not there: run `make setup-kills`"
    );
    let agent = ground.site.agent(THIRD)?;
    agent.kill().await?;
    let environment = [
        ("LD_PRELOAD", FAKETIME),
        ("FAKETIME", offset),
        // Only the wall clock is off: timers go on.
        ("DONT_FAKE_MONOTONIC", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    agent.start_with(&environment).await
}

async fn clock_at_plan(ground: &mut Ground, offset: &str) -> Result<String> {
    ground.ready_for(Expand).await?;
    let before = ground.snapshot().await?;
    let count = ground.site.cli().operations().await?.len();
    skew(ground, offset).await?;
    ground.site.connected().await?;
    let words = ground.words(Expand, false);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let refused = ground.site.cli().run(&words).await;
    let agent = ground.site.agent(THIRD)?;
    agent.kill().await?;
    agent.start().await?;
    let refused = refused?;
    refused.expect_code(5)?;
    let told = format!("{}{}", refused.stdout, refused.stderr);
    ensure!(
        told.contains("PG-18") && told.contains("h3"),
        "refused, but not for the clock: {told}"
    );
    ensure!(ground.site.cli().operations().await?.len() == count, "an operation began");
    proof::as_before(ground, &before).await?;
    proof::rows(ground).await?;
    let line = told.lines().find(|line| line.contains("PG-18")).unwrap_or_default();
    Ok(format!("refused: {}", line.trim()))
}

async fn clock_in_the_middle(ground: &mut Ground) -> Result<String> {
    ground.ready_for(Expand).await?;
    let copy = ground.trap(COPY, Trick::HoldBefore)?;
    let operation = begin(ground, Expand, false).await?;
    copy.sprung(SOON).await?;
    skew(ground, "-60s").await?;
    copy.release()?;
    let told = grows(ground, &operation, Vec::new(), End::MayHold(ANY)).await;
    let agent = ground.site.agent(THIRD)?;
    agent.kill().await?;
    agent.start().await?;
    told
}
