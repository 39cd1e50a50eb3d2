//! A client that writes rows all the time, like an application would: it looks for the
//! primary, connects again when it must, and remembers every row that was acknowledged.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{sync::watch, task::JoinHandle, time};
use tokio_postgres::{Client, NoTls, config::TargetSessionAttrs};

use crate::sql::Login;

/// The table that it writes to.
pub const TABLE: &str = "journal_of_the_writer";
/// A row at most this often: enough to notice a gap, little enough to leave the disk alone.
const PAUSE: Duration = Duration::from_millis(10);
/// A row that is not acknowledged by then counts as not acknowledged.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a writer has seen so far.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Ids of the rows whose commit was acknowledged.
    pub acknowledged: BTreeSet<i64>,
    /// Rows that were sent and not acknowledged; they may be there or not.
    pub in_doubt: u64,
    /// How often it had to connect.
    pub connections: u64,
    /// The longest time without an acknowledged row.
    pub longest_gap: Duration,
}

/// A writer at work. It stops when dropped.
pub struct Writer {
    tally: Arc<Mutex<Tally>>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Writer {
    /// Makes the table and begins to write. `addresses`: any members, the primary among them.
    ///
    /// # Errors
    /// No primary answers, or it refuses the table.
    pub async fn start(addresses: &[String], login: &Login) -> Result<Self> {
        let client = connect(addresses, login).await?;
        client
            .batch_execute(&format!(
                "create table if not exists {TABLE} \
                 (id bigint primary key, written_at timestamptz not null default now())"
            ))
            .await
            .context("make the writer's table")?;
        let tally = Arc::new(Mutex::new(Tally::default()));
        let (stop, stopped) = watch::channel(false);
        let task =
            tokio::spawn(write(addresses.to_vec(), login.clone(), Arc::clone(&tally), stopped));
        Ok(Self { tally, stop, task: Some(task) })
    }

    /// What it has seen so far.
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has so many acknowledged rows.
    ///
    /// # Errors
    /// It has not within `limit`.
    pub async fn reaches(&self, rows: usize, limit: Duration) -> Result<()> {
        crate::process::until(&format!("{rows} acknowledged rows"), limit, || async {
            Ok(self.tally().acknowledged.len() >= rows)
        })
        .await
    }

    /// Stops after the row at hand and returns what was seen.
    ///
    /// # Errors
    /// It had ended before, by a panic.
    pub async fn finish(mut self) -> Result<Tally> {
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

async fn write(
    addresses: Vec<String>,
    login: Login,
    tally: Arc<Mutex<Tally>>,
    stopped: watch::Receiver<bool>,
) {
    let count = |change: &mut dyn FnMut(&mut Tally)| {
        change(&mut tally.lock().unwrap_or_else(PoisonError::into_inner));
    };
    let mut next: i64 = 1;
    let mut last = time::Instant::now();
    while !*stopped.borrow() {
        let Ok(client) = connect(&addresses, &login).await else {
            time::sleep(PAUSE).await;
            continue;
        };
        count(&mut |tally| tally.connections += 1);
        loop {
            if *stopped.borrow() {
                return;
            }
            let id = next;
            next += 1;
            let statement = format!("insert into {TABLE} (id) values ({id})");
            let answer = time::timeout(PATIENCE, client.execute(&statement, &[])).await;
            if !matches!(answer, Ok(Ok(1))) {
                count(&mut |tally| tally.in_doubt += 1);
                break;
            }
            let gap = last.elapsed();
            last = time::Instant::now();
            count(&mut |tally| {
                tally.acknowledged.insert(id);
                tally.longest_gap = tally.longest_gap.max(gap);
            });
            time::sleep(PAUSE).await;
        }
    }
}

/// A connection to the member that takes writes.
async fn connect(addresses: &[String], login: &Login) -> Result<Client> {
    let mut config = tokio_postgres::Config::new();
    for address in addresses {
        config.host(address).port(login.port);
    }
    config
        .user(&login.user)
        .password(&login.password)
        .dbname(&login.database)
        .application_name("writer")
        .connect_timeout(Duration::from_secs(2))
        .target_session_attrs(TargetSessionAttrs::ReadWrite);
    match time::timeout(PATIENCE, config.connect(NoTls)).await {
        Ok(Ok((client, connection))) => {
            tokio::spawn(connection);
            Ok(client)
        }
        Ok(Err(error)) => Err(error).context("the writer finds no primary"),
        Err(_) => bail!("the writer finds no primary: no answer"),
    }
}
