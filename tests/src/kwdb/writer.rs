//! A client that writes rows all the time, like an application would: through `kwbase sql`, at any member that
//! takes them, and with every acknowledged row remembered.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::{sync::watch, task::JoinHandle, time};

use super::Client;
use crate::{process, writer::Tally};

/// The table that it writes to.
pub const TABLE: &str = "app.journal_of_the_writer";
/// A row at most this often: each is a process.
const PAUSE: Duration = Duration::from_millis(40);
/// A row that is not acknowledged by then counts as not acknowledged.
const PATIENCE: Duration = Duration::from_secs(8);

/// A writer at work. It stops when dropped.
pub struct Writer {
    client: Client,
    tally: Arc<Mutex<Tally>>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Writer {
    /// Makes the table and begins to write. `members`: ADDRESS:PORT of any that may be one.
    ///
    /// # Errors
    /// The first one refuses the table.
    pub async fn start(client: &Client, members: &[String]) -> Result<Self> {
        let first = members.first().context("nobody to write to")?;
        let table = format!("CREATE TABLE IF NOT EXISTS {TABLE} (id INT8 PRIMARY KEY)");
        client.execute(first, &["CREATE DATABASE IF NOT EXISTS app", &table]).await?;
        let tally = Arc::new(Mutex::new(Tally::default()));
        let (stop, stopped) = watch::channel(false);
        let writes = write(client.clone(), members.to_vec(), Arc::clone(&tally), stopped);
        Ok(Self { client: client.clone(), tally, stop, task: Some(tokio::spawn(writes)) })
    }

    /// What it has seen so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many rows more are acknowledged.
    ///
    /// # Errors
    /// Not within `limit`.
    pub async fn writes_on(&self, more: usize, limit: Duration) -> Result<()> {
        let wanted = self.tally().acknowledged.len() + more;
        process::until(&format!("{wanted} acknowledged rows"), limit, || async {
            Ok(self.tally().acknowledged.len() >= wanted)
        })
        .await
    }

    /// Acknowledged rows that are not there, asked at this member.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn missing_at(&self, member: &str) -> Result<usize> {
        let acknowledged = self.tally().acknowledged;
        Ok(acknowledged.difference(&ids(&self.client, member).await?).count())
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

    /// Stops after the row at hand and returns what was seen.
    ///
    /// # Errors
    /// It had ended before, by a panic.
    pub async fn finish(&mut self) -> Result<Tally> {
        let _ = self.stop.send(true);
        if let Some(task) = self.task.take() {
            task.await.context("the writer broke down")?;
        }
        Ok(self.tally())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// All rows, asked at a member.
async fn ids(client: &Client, member: &str) -> Result<BTreeSet<i64>> {
    let rows = client.query(member, &format!("SELECT id FROM {TABLE}")).await?;
    let id = |value: &Option<String>| value.as_deref().unwrap_or_default().parse::<i64>();
    let ids = rows.iter().flat_map(|row| row.values()).map(id);
    ids.collect::<Result<_, _>>().with_context(|| format!("rows of {TABLE} at {member}"))
}

async fn write(
    client: Client,
    members: Vec<String>,
    tally: Arc<Mutex<Tally>>,
    stopped: watch::Receiver<bool>,
) {
    let count = |change: &mut dyn FnMut(&mut Tally)| {
        change(&mut tally.lock().unwrap_or_else(PoisonError::into_inner));
    };
    let mut last = time::Instant::now();
    let mut at = members.iter().cycle();
    let mut member = at.next();
    let mut next: i64 = 1;
    while let Some(here) = member {
        if *stopped.borrow() {
            return;
        }
        let id = next;
        next += 1;
        let statement = format!("INSERT INTO {TABLE} (id) VALUES ({id})");
        let run = process::run(client.command(here, &["sql", "-e", &statement]), PATIENCE);
        match run.await {
            Ok(ended) if ended.code == Some(0) => {
                let gap = last.elapsed();
                last = time::Instant::now();
                count(&mut |tally| {
                    tally.acknowledged.insert(id);
                    tally.longest_gap = tally.longest_gap.max(gap);
                });
            }
            _ => {
                // Somebody else, and another row: this one may be there or not.
                count(&mut |tally| {
                    tally.in_doubt += 1;
                    tally.connections += 1;
                });
                member = at.next();
            }
        }
        time::sleep(PAUSE).await;
    }
}
