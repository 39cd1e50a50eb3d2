//! A client that writes rows all the time, like an application would: through `kwbase sql`, at any member that
//! takes them, and with every acknowledged row remembered.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::time;

use super::Client;
use crate::{
    process,
    writing::{self, Notes},
};

/// The table that it writes to.
pub const TABLE: &str = "app.journal_of_the_writer";
/// A row at most this often: each is a process.
const PAUSE: Duration = Duration::from_millis(40);
/// A row that is not acknowledged by then counts as not acknowledged.
const PATIENCE: Duration = Duration::from_secs(8);

/// A writer of rows.
pub type Writer = writing::Writer<Client>;

impl Writer {
    /// Makes the table and begins to write. `members`: ADDRESS:PORT of any that may be one.
    ///
    /// # Errors
    /// The first one refuses the table.
    pub async fn start(client: &Client, members: &[String]) -> Result<Self> {
        let first = members.first().context("nobody to write to")?;
        let table = format!("CREATE TABLE IF NOT EXISTS {TABLE} (id INT8 PRIMARY KEY)");
        client.execute(first, &["CREATE DATABASE IF NOT EXISTS app", &table]).await?;
        let (with, members) = (client.clone(), members.to_vec());
        Ok(Self::begin(client.clone(), |notes| write(with, members, notes)))
    }

    /// Acknowledged rows that are not there, asked at this member.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn missing_at(&self, member: &str) -> Result<usize> {
        let acknowledged = self.tally().acknowledged;
        Ok(acknowledged.difference(&ids(&self.to, member).await?).count())
    }

    /// Every acknowledged row is there, asked at each of these members.
    ///
    /// # Errors
    /// One is missing, or a member does not answer.
    pub async fn all_there(&self, members: &[String]) -> Result<()> {
        for member in members {
            let missing = self.missing_at(member).await?;
            ensure!(missing == 0, "{missing} acknowledged rows are not there, asked at {member}");
        }
        Ok(())
    }
}

/// All rows, asked at a member.
async fn ids(client: &Client, member: &str) -> Result<BTreeSet<i64>> {
    let rows = client.query(member, &format!("SELECT id FROM {TABLE}")).await?;
    let id = |value: &Option<String>| value.as_deref().unwrap_or_default().parse::<i64>();
    let ids = rows.iter().flat_map(|row| row.values()).map(id);
    ids.collect::<Result<_, _>>().with_context(|| format!("rows of {TABLE} at {member}"))
}

async fn write(client: Client, members: Vec<String>, mut notes: Notes) {
    let mut at = members.iter().cycle();
    let mut member = at.next();
    let mut next: i64 = 1;
    while let Some(here) = member {
        if notes.stopped() {
            return;
        }
        let id = next;
        next += 1;
        let statement = format!("INSERT INTO {TABLE} (id) VALUES ({id})");
        let run = process::run(client.command(here, &["sql", "-e", &statement]), PATIENCE);
        match run.await {
            Ok(ended) if ended.code == Some(0) => notes.acknowledged(id),
            _ => {
                // Somebody else, and another row: this one may be there or not.
                notes.in_doubt();
                notes.connected();
                member = at.next();
            }
        }
        time::sleep(PAUSE).await;
    }
}
