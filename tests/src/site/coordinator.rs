//! The coordinator's process: made, started, killed and started again.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tokio::process::Child;

use super::{Cli, LIMIT};
use crate::process;

/// Where it listens for agents that enrol.
const ENROLMENT_PORT: u16 = 7402;

/// `bellows serve`. Killed when dropped.
#[derive(Debug)]
pub struct Coordinator {
    program: PathBuf,
    site: PathBuf,
    log: PathBuf,
    enrolment: String,
    cli: Cli,
    child: Option<Child>,
    kills: u32,
}

impl Coordinator {
    /// Makes the site in `folder`, to listen on `address`: `bellows init`.
    ///
    /// # Errors
    /// The program was not built, or fails.
    pub async fn init(folder: &Path, address: &str) -> Result<Self> {
        let site = folder.join("site");
        let program = process::built("bellows")?;
        let enrolment = format!("{address}:{ENROLMENT_PORT}");
        let mut init = process::command(&program);
        init.arg("init").arg("--site").arg(&site);
        init.args(["--name", "test", "--enrolment", &enrolment]);
        process::run(init, LIMIT).await?.expect_code(0)?;
        Ok(Self {
            program,
            log: folder.join("coordinator.log"),
            cli: Cli::new(&site)?,
            site,
            enrolment,
            child: None,
            kills: 0,
        })
    }

    /// Where agents enrol, HOST:PORT.
    pub fn enrolment_address(&self) -> &str {
        &self.enrolment
    }

    /// The command line that talks to it.
    pub fn cli(&self) -> &Cli {
        &self.cli
    }

    /// Its own log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How often it was killed.
    pub fn kills(&self) -> u32 {
        self.kills
    }

    /// Starts it and waits until it answers the command line.
    ///
    /// # Errors
    /// It cannot be started or does not answer within 30 s; the error has the end of its log.
    pub async fn start(&mut self) -> Result<()> {
        let sink = File::options().create(true).append(true).open(&self.log);
        let sink = sink.with_context(|| format!("log {}", self.log.display()))?;
        let mut command = process::command(&self.program);
        command.arg("serve").arg("--site").arg(&self.site);
        command.stdout(sink.try_clone().context("share the log")?).stderr(sink);
        self.child = Some(command.spawn().context("start the coordinator")?);
        process::until("the coordinator answers", LIMIT, || async {
            self.cli.run(&["host", "list"]).await?.expect_code(0)?;
            Ok(true)
        })
        .await
        .with_context(|| super::cli::tail(&self.log))
    }

    /// Waits for it to end by itself, and returns how it did, in words.
    ///
    /// # Errors
    /// It did not run, or does not end within `limit`.
    pub async fn ended(&mut self, limit: std::time::Duration) -> Result<String> {
        let child = self.child.as_mut().context("the coordinator does not run")?;
        let status = tokio::time::timeout(limit, child.wait())
            .await
            .with_context(|| format!("the coordinator has not ended within {limit:?}"))?
            .context("wait for the coordinator")?;
        self.child = None;
        Ok(status.to_string())
    }

    /// Kills it (SIGKILL) and waits for its end.
    ///
    /// # Errors
    /// It did not run.
    pub async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the coordinator does not run")?;
        child.kill().await.context("kill the coordinator")?;
        self.kills += 1;
        Ok(())
    }
}
