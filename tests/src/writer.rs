//! A client that writes rows all the time, like an application would: it looks for the
//! primary, connects again when it must, and remembers every row that was acknowledged.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time;
use tokio_postgres::{Client, NoTls, config::TargetSessionAttrs};

use crate::{
    sql::Login,
    writing::{self, Notes},
};

/// The table that it writes to.
pub const TABLE: &str = "journal_of_the_writer";
/// A row at most this often: enough to notice a gap, little enough to leave the disk alone.
const PAUSE: Duration = Duration::from_millis(10);
/// A row that is not acknowledged by then counts as not acknowledged.
const PATIENCE: Duration = Duration::from_secs(5);

/// A writer of rows.
pub type Writer = writing::Writer<Login>;

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
        let (addresses, at) = (addresses.to_vec(), login.clone());
        Ok(Self::begin(login.clone(), |notes| write(addresses, at, notes)))
    }
}

async fn write(addresses: Vec<String>, login: Login, mut notes: Notes) {
    let mut next: i64 = 1;
    while !notes.stopped() {
        let Ok(client) = connect(&addresses, &login).await else {
            time::sleep(PAUSE).await;
            continue;
        };
        notes.connected();
        loop {
            if notes.stopped() {
                return;
            }
            let id = next;
            next += 1;
            let statement = format!("insert into {TABLE} (id) values ({id})");
            let answer = time::timeout(PATIENCE, client.execute(&statement, &[])).await;
            if !matches!(answer, Ok(Ok(1))) {
                notes.in_doubt();
                break;
            }
            notes.acknowledged(id);
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
