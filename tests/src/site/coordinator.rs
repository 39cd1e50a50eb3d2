//! The coordinator's process: made, started, killed and started again.

use std::{fs::File, path::PathBuf};

use anyhow::{Context, Result};
use tokio::process::Child;

use super::{Cli, LIMIT, addresses::Addresses, folders::Folders};
use crate::process;

/// Where it listens for agents that enrol.
const ENROLMENT_PORT: u16 = 7402;

/// `bellows serve`. Killed when dropped.
#[derive(Debug)]
pub struct Coordinator {
    program: PathBuf,
    data: PathBuf,
    log: PathBuf,
    enrolment: String,
    cli: Cli,
    child: Option<Child>,
    kills: u32,
}

impl Coordinator {
    /// Makes the site: `bellows init`.
    ///
    /// # Errors
    /// The program was not built, or fails.
    pub async fn init(folders: &Folders, addresses: &Addresses) -> Result<Self> {
        let data = folders.of("coordinator")?;
        let program = process::built("bellows")?;
        let enrolment = format!("{}:{ENROLMENT_PORT}", addresses.coordinator());
        let mut init = process::command(&program);
        init.arg("init").arg("--data-dir").arg(&data);
        process::run(init, LIMIT).await?.expect_code(0)?;
        Ok(Self {
            program,
            log: folders.of("log")?.join("coordinator.log"),
            cli: Cli::new(&data.join("bellows.sock"))?,
            data,
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
    pub fn log(&self) -> &std::path::Path {
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
        command.arg("serve").arg("--data-dir").arg(&self.data);
        command.stdout(sink.try_clone().context("share the log")?).stderr(sink);
        self.child = Some(command.spawn().context("start the coordinator")?);
        process::until("the coordinator answers", LIMIT, || async {
            self.cli.run(&["host", "list"]).await?.expect_code(0)?;
            Ok(true)
        })
        .await
        .with_context(|| super::cli::tail(&self.log))
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
