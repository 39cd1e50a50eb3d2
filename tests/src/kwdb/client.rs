//! `kwbase` as a client, at one member.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};

use super::status::{self, Named, Row};
use crate::process::{self, Ended};

/// No question to a member takes longer. A cluster without a quorum is silent.
const DEADLINE: Duration = Duration::from_secs(15);

/// How members are talked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Security {
    /// In the clear.
    Insecure,
    /// With the certificate of root in this folder.
    Certificates(PathBuf),
}

impl Security {
    /// The words for the command line.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Self::Insecure => "--insecure".to_owned(),
            Self::Certificates(folder) => format!("--certs-dir={}", folder.display()),
        }
    }
}

/// The program, and how it talks.
#[derive(Debug, Clone)]
pub struct Client {
    /// `kwbase`
    pub program: PathBuf,
    /// As the cluster's.
    pub security: Security,
}

impl Client {
    /// A command at a member (ADDRESS:PORT), not yet started.
    #[must_use]
    pub fn command(&self, at: &str, words: &[&str]) -> tokio::process::Command {
        let mut command = process::command(&self.program);
        command.args(words).arg(self.security.word()).arg(format!("--host={at}"));
        command
    }

    /// Runs a command at a member to its end, whatever that is.
    ///
    /// # Errors
    /// It does not end within 15 s.
    pub async fn run(&self, at: &str, words: &[&str]) -> Result<Ended> {
        process::run(self.command(at, words), DEADLINE).await
    }

    /// The rows that a command prints.
    ///
    /// # Errors
    /// It fails, or prints something else.
    pub async fn rows(&self, at: &str, words: &[&str]) -> Result<Vec<Named>> {
        let ended = self.run(at, &[words, &["--format=csv"]].concat()).await?;
        status::rows(ended.expect_code(0)?).with_context(|| ended.what.clone())
    }

    /// Who is a member, as this one sees it: `kwbase node status`.
    ///
    /// # Errors
    /// As [`Client::rows`].
    pub async fn status(&self, at: &str) -> Result<Vec<Row>> {
        self.rows(at, &["node", "status"]).await?.iter().map(Row::of).collect()
    }

    /// Everybody ever known: `kwbase node status --decommission`.
    ///
    /// # Errors
    /// As [`Client::rows`].
    pub async fn known(&self, at: &str) -> Result<Vec<Row>> {
        self.rows(at, &["node", "status", "--decommission"]).await?.iter().map(Row::of).collect()
    }

    /// What a statement gives.
    ///
    /// # Errors
    /// As [`Client::rows`].
    pub async fn query(&self, at: &str, statement: &str) -> Result<Vec<Named>> {
        self.rows(at, &["sql", "-e", statement]).await
    }

    /// Runs statements whose answers do not matter.
    ///
    /// # Errors
    /// The member refuses one.
    pub async fn execute(&self, at: &str, statements: &[&str]) -> Result<()> {
        let mut words = vec!["sql"];
        words.extend(statements.iter().flat_map(|statement| ["-e", statement]));
        self.run(at, &words).await?.expect_code(0).map(drop)
    }

    /// The one number that a statement gives.
    ///
    /// # Errors
    /// As [`Client::query`]; or it is not one number.
    pub async fn number(&self, at: &str, statement: &str) -> Result<u64> {
        let rows = self.query(at, statement).await?;
        let [row] = rows.as_slice() else { anyhow::bail!("{statement}: {rows:?}") };
        ensure!(row.len() == 1, "{statement}: {rows:?}");
        let value = row.values().next().cloned().flatten();
        value.and_then(|value| value.parse().ok()).with_context(|| format!("{statement}: {rows:?}"))
    }

    /// How many ranges have a replica at a node, by the ranges themselves.
    ///
    /// # Errors
    /// As [`Client::number`].
    pub async fn replicas(&self, at: &str, id: u32) -> Result<u64> {
        let statement =
            format!("SELECT count(*) FROM kwdb_internal.ranges WHERE {id} = ANY(replicas)");
        self.number(at, &statement).await
    }

    /// What `kwbase version` says after a label; `None`: there is no such line.
    ///
    /// # Errors
    /// It fails.
    pub async fn version(&self, label: &str) -> Result<Option<String>> {
        let mut command = process::command(&self.program);
        command.arg("version");
        let ended = process::run(command, DEADLINE).await?;
        let mut lines = ended.expect_code(0)?.lines();
        let start = format!("{label}:");
        Ok(lines.find_map(|line| line.strip_prefix(&start)).map(|value| value.trim().to_owned()))
    }

    /// Whether it is the double: only that one has such a line.
    ///
    /// # Errors
    /// As [`Client::version`].
    pub async fn is_double(&self) -> Result<bool> {
        Ok(self.version("Double").await?.is_some())
    }
}
