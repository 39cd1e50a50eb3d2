//! The command line, called as an administrator would.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use bellows_proto::v1;
use serde::de::DeserializeOwned;
use tokio::process::Command;

use crate::{
    process::{self, Ended},
    testbed::Door,
};

/// No command of a test takes longer, whatever else the machine does.
const LIMIT: Duration = Duration::from_secs(300);

/// `bellows` as a client of one coordinator.
#[derive(Debug, Clone)]
pub struct Cli {
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    /// The program that was built, with a site's folder.
    Built { program: PathBuf, site: PathBuf },
    /// The program that is installed on a host, with the site that is there.
    Installed(Door),
}

impl Cli {
    /// A command line that talks to the coordinator of the site in this folder.
    ///
    /// # Errors
    /// The program was not built.
    pub fn new(site: &Path) -> Result<Self> {
        let (program, site) = (process::built("bellows")?, site.to_owned());
        Ok(Self { way: Way::Built { program, site } })
    }

    /// The command line that is installed on a host, as root types it there. Its calls fail while the host is off.
    #[must_use]
    pub fn installed(host: Door) -> Self {
        Self { way: Way::Installed(host) }
    }

    /// The command, not yet started, for a caller that wants its pipes.
    pub fn command(&self, words: &[&str]) -> Command {
        match &self.way {
            Way::Built { program, site } => {
                let mut command = process::command(program);
                command.args(words).arg("--site").arg(site);
                command
            }
            Way::Installed(host) => {
                let there = host.command(&[&["bellows"], words].concat());
                there.map_or_else(|error| fails(&error.to_string()), process::captured)
            }
        }
    }

    /// Runs it to its end, whatever that is.
    ///
    /// # Errors
    /// It cannot be started or does not end within five minutes.
    pub async fn run(&self, words: &[&str]) -> Result<Ended> {
        process::run(self.command(words), LIMIT).await
    }

    /// Runs it with `--output json` and reads what it prints.
    ///
    /// # Errors
    /// It fails, or prints something else.
    pub async fn json<T: DeserializeOwned>(&self, words: &[&str]) -> Result<T> {
        let ended = self.run(&[words, &["--output", "json"]].concat()).await?;
        let text = ended.expect_code(0)?;
        serde_json::from_str(text).with_context(|| format!("{}: {text}", ended.what))
    }

    /// A one-time enrolment token.
    ///
    /// # Errors
    /// As [`Cli::json`].
    pub async fn token(&self, host: &str) -> Result<String> {
        let token: v1::HostToken = self.json(&["host", "token", host]).await?;
        Ok(token.token)
    }

    /// How many hosts are connected now.
    ///
    /// # Errors
    /// As [`Cli::json`].
    pub async fn connected_hosts(&self) -> Result<usize> {
        let list: v1::ListHostsReply = self.json(&["host", "list"]).await?;
        Ok(list.hosts.iter().filter(|host| host.state == "connected").count())
    }

    /// All operations, the oldest first.
    ///
    /// # Errors
    /// As [`Cli::json`].
    pub async fn operations(&self) -> Result<Vec<v1::OperationSummary>> {
        let mut list: v1::ListOperationsReply = self.json(&["op", "list"]).await?;
        list.operations.sort_by_key(|one| one.started_at_ms);
        Ok(list.operations)
    }

    /// An operation with its plan and its journal.
    ///
    /// # Errors
    /// As [`Cli::json`].
    pub async fn operation(&self, id: &str) -> Result<v1::OperationDetail> {
        self.json(&["op", "show", id]).await
    }

    /// Waits for an operation that runs now, and returns its id.
    ///
    /// # Errors
    /// None runs within 30 s.
    pub async fn running(&self) -> Result<String> {
        let found = std::sync::Mutex::new(String::new());
        process::until("an operation runs", Duration::from_secs(30), || async {
            let list = self.operations().await?;
            let Some(one) = list.iter().find(|one| one.state == "running") else {
                return Ok(false);
            };
            one.operation
                .clone_into(&mut found.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
            Ok(true)
        })
        .await?;
        Ok(found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// A command that says why, and fails as a lost connection does.
fn fails(why: &str) -> Command {
    let mut command = process::command("sh");
    command.args(["-c", "echo \"$1\" >&2; exit 255", "sh", why]);
    command
}

/// The end of a log, for an error.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.get(lines.len().saturating_sub(15)..).unwrap_or_default();
    format!("end of {}:\n{}", log.display(), end.join("\n"))
}
