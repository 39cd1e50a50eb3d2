//! An expand while it runs: started in the background, caught in the middle of its copy.

use std::{process::Output, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use bellows_proto::v1::ClusterHistory;
use tokio::task::JoinHandle;

use super::{CLUSTER, Stage, parts::counts};
use crate::{
    process::{self, Ended},
    site::Cli,
    wrapper::Run,
};

/// An operation of the demo takes a few seconds; a busy machine may need many times that.
pub const LIMIT: Duration = Duration::from_secs(300);
/// KiB/s: so slow that the copy of the filler lasts some seconds.
const CLONE_RATE_KIB: u32 = 10 * 1024;

/// An expand that runs in the background.
pub struct Growth {
    /// The operation's id.
    pub operation: String,
    /// The command line that follows it, read all the time: it must never wait for its reader.
    following: JoinHandle<std::io::Result<Output>>,
    what: String,
}

impl Growth {
    /// Starts an expand by one node, slowed down, and waits for the middle of its copy.
    ///
    /// # Errors
    /// It does not start, or does not copy.
    pub async fn start(stage: &Stage, number: usize) -> Result<(Self, (i64, i64))> {
        let node = format!("pg{number}@h{number}");
        let rate = format!("clone_rate_kib={CLONE_RATE_KIB}");
        let words = ["expand", CLUSTER, "--node", &node, "--option", &rate, "--yes"];
        Self::caught(stage.site.cli(), &words, stage.in_the_middle_of_a_copy()).await
    }

    /// Starts an operation with these words and waits for a moment of it.
    ///
    /// # Errors
    /// It does not start, or the moment does not come.
    pub async fn caught<T>(
        cli: &Cli,
        words: &[&str],
        moment: impl Future<Output = Result<T>>,
    ) -> Result<(Self, T)> {
        let child = cli.command(words).spawn().context("start an operation")?;
        let mut growth = Self {
            operation: String::new(),
            following: tokio::spawn(child.wait_with_output()),
            what: format!("bellows {}", words.join(" ")),
        };
        let begun = async {
            growth.operation = cli.running().await?;
            moment.await
        };
        match begun.await {
            Ok(seen) => Ok((growth, seen)),
            // What the command line said is the better reason.
            Err(error) => match growth.ended(Duration::from_secs(1)).await {
                Ok(ended) => bail!("{error:#}\n{}{}", ended.stderr, ended.stdout),
                Err(_) => Err(error),
            },
        }
    }

    /// Waits for the end of the command line that started it.
    ///
    /// # Errors
    /// It does not end within `limit`.
    pub async fn ended(mut self, limit: Duration) -> Result<Ended> {
        let output = tokio::time::timeout(limit, &mut self.following)
            .await
            .with_context(|| format!("{}: not ended within {limit:?}", self.what))?
            .context("read the command line")?
            .with_context(|| self.what.clone())?;
        Ok(Ended {
            what: self.what.clone(),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        // The command line is killed with the task that reads it.
        self.following.abort();
    }
}

/// Exactly one `repmgr standby clone`, and one copy.
///
/// # Errors
/// There are more, or none.
pub fn one_clone(runs: &[Run]) -> Result<()> {
    let cloned = |run: &&Run| run.tool == "repmgr" && run.args.iter().any(|arg| arg == "clone");
    let clones = runs.iter().filter(cloned).count();
    let copies =
        runs.iter().filter(|run| run.tool == "pg_basebackup" && run.args.len() > 1).count();
    ensure!(clones == 1 && copies == 1, "{clones} clones and {copies} copies instead of one");
    Ok(())
}

/// Reads the output of the operation's jobs until repmgr's last words of the clone are there;
/// its first ones must still be, each once. Agents keep it until the operation is closed.
///
/// # Errors
/// It is not so before the operation is closed.
pub async fn clone_log_is_whole(cli: &Cli, operation: &str) -> Result<()> {
    process::until("the log of the clone is whole", LIMIT, || async {
        let logs = cli.run(&["op", "logs", operation]).await?;
        let text = logs.expect_code(0)?;
        let times = |words: &str| text.matches(words).count();
        let begins = times("starting backup");
        let ends = times("standby clone (using pg_basebackup) complete");
        ensure!(begins <= 1 && ends <= 1, "the clone was logged twice: {text}");
        ensure!(begins == 1, "the beginning of the clone's log is lost: {text}");
        Ok(ends == 1)
    })
    .await
}

/// Waits until more than `copied` bytes are copied, or all of them.
///
/// # Errors
/// Nothing moves within five minutes.
pub async fn goes_on(stage: &Stage, copied: i64) -> Result<String> {
    let primary = stage.primary().await?;
    let seen = std::sync::Mutex::new(String::new());
    process::until("the copy goes on", LIMIT, || async {
        let words = match primary.backup_progress().await? {
            Some((done, total)) if done > copied => {
                format!("{} of {} MiB", mib(done), mib(total))
            }
            Some(_) => return Ok(false),
            None => "it is through".to_owned(),
        };
        *seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = words;
        Ok(true)
    })
    .await?;
    Ok(seen.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Whole MiB of bytes.
pub fn mib(bytes: i64) -> i64 {
    bytes / (1024 * 1024)
}

/// Pauses an expand in the middle of its copy and plans it anew: what it did is taken back, and the
/// new operation is done.
///
/// # Errors
/// It is not held, a command has another exit status, or the node does not join.
pub async fn expand_planned_anew(stage: &Stage, number: usize) -> Result<()> {
    let count = stage.count().await?;
    let (growth, _) = Growth::start(stage, number).await?;
    let operation = growth.operation.clone();
    let cli = stage.site.cli();
    let replan = ["op", "replan", &operation, "--yes"];
    cli.run(&replan).await?.expect_code(5)?;
    cli.run(&["op", "pause", &operation]).await?.expect_code(0)?;
    growth.ended(LIMIT).await?.expect_code(3)?;
    stage.tell.quote(cli.run(&replan).await?.expect_code(0)?);
    counts(stage, count + 1).await?;
    // The one that was taken back can be planned once more; now its node is there already.
    cli.run(&["op", "replan", &operation, "--dry-run"]).await?.expect_code(5)?;
    let done = stage.site.operations().await?.pop().and_then(|one| one.summary);
    let done = done.context("there are no operations")?.operation;
    cli.run(&["op", "replan", &done, "--dry-run"]).await?.expect_code(2)?;
    Ok(())
}

/// Says with a file what the cluster is already, then goes back to the version of its spec before the
/// last node came, which leaves the site with one member less.
///
/// # Errors
/// A command has another exit status, or the node does not leave.
pub async fn goes_back(stage: &Stage) -> Result<()> {
    let count = stage.count().await?;
    let cli = stage.site.cli();
    let log = stage.site.coordinator_log();
    let file = log.with_file_name("wanted.toml");
    let shown = file.display().to_string();
    let text = cli.run(&["cluster", "show", CLUSTER, "--toml"]).await?;
    let text = text.expect_code(0)?.to_owned();
    std::fs::write(&file, &text).context("write the file")?;
    let said = cli.run(&["cluster", "apply", &shown, "--yes"]).await?;
    said.expect_code(0)?;
    ensure!(said.stderr.contains("nothing to do"), "{}", said.stderr);
    std::fs::write(&file, text.replace("[nodes]", "[nodes")).context("write the file")?;
    cli.run(&["cluster", "apply", &shown, "--yes"]).await?.expect_code(2)?;

    let history: ClusterHistory = cli.json(&["cluster", "history", CLUSTER]).await?;
    let mut specs = history.versions.into_iter().filter_map(|one| one.spec);
    let before = specs.find(|spec| spec.nodes.len() + 1 == count).context("no such version")?;
    let version = before.version.to_string();
    let words = ["cluster", "apply", "--cluster", CLUSTER, "--version", &version, "--yes"];
    cli.run(&words).await?.expect_code(0)?;
    counts(stage, count - 1).await
}
