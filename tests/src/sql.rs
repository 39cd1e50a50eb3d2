//! What PostgreSQL itself says of a cluster: the tests' and the demo's own eyes, by a client
//! that has nothing to do with Bellows.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, bail};
use tokio_postgres::{Client, NoTls};

/// No question to a server of a test takes longer.
const DEADLINE: Duration = Duration::from_secs(10);

/// A login: the same at all members.
#[derive(Debug, Clone)]
pub struct Login {
    /// Role.
    pub user: String,
    /// Its password; a test's own.
    pub password: String,
    /// Database.
    pub database: String,
    /// Port of all members.
    pub port: u16,
}

/// A row of `repmgr.nodes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// repmgr's node id.
    pub id: i32,
    /// The node's name.
    pub name: String,
    /// "primary", "standby"
    pub kind: String,
    /// As recorded.
    pub active: bool,
    /// Id of its upstream.
    pub upstream: Option<i32>,
    /// Its replication slot.
    pub slot: Option<String>,
}

/// A row of `pg_stat_replication`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Name of the standby.
    pub name: String,
    /// "streaming", "backup", ...
    pub state: String,
    /// Bytes that it has not replayed yet.
    pub lag_bytes: i64,
}

/// A row of `pg_replication_slots`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Somebody streams from it.
    pub active: bool,
}

/// A connection to one server; closed when dropped.
pub struct Server {
    client: Client,
    /// The address that was asked for.
    pub address: String,
}

impl Server {
    /// Connects.
    ///
    /// # Errors
    /// The server does not answer within 10 s, or refuses the login.
    pub async fn connect(address: &str, login: &Login) -> Result<Self> {
        let mut config = tokio_postgres::Config::new();
        config
            .host(address)
            .port(login.port)
            .user(&login.user)
            .password(&login.password)
            .dbname(&login.database)
            .application_name("bellows-tests")
            .connect_timeout(Duration::from_secs(3));
        let (client, connection) = tokio::time::timeout(DEADLINE, config.connect(NoTls))
            .await
            .with_context(|| format!("connect to {address}: no answer"))?
            .with_context(|| format!("connect to {address} as {}", login.user))?;
        tokio::spawn(connection);
        Ok(Self { client, address: address.to_owned() })
    }

    async fn rows(&self, statement: &str) -> Result<Vec<tokio_postgres::Row>> {
        tokio::time::timeout(DEADLINE, self.client.query(statement, &[]))
            .await
            .with_context(|| format!("{}: no answer to {statement}", self.address))?
            .with_context(|| format!("{}: {statement}", self.address))
    }

    /// The single text that a statement gives.
    ///
    /// # Errors
    /// The server refuses, or the answer is not one text.
    pub async fn text(&self, statement: &str) -> Result<String> {
        match self.rows(statement).await?.as_slice() {
            [row] => Ok(row.try_get(0)?),
            rows => bail!("{}: {} rows from {statement}", self.address, rows.len()),
        }
    }

    /// Runs statements whose answers do not matter.
    ///
    /// # Errors
    /// The server refuses one.
    pub async fn execute(&self, statements: &str) -> Result<()> {
        tokio::time::timeout(DEADLINE, self.client.batch_execute(statements))
            .await
            .with_context(|| format!("{}: no answer", self.address))?
            .with_context(|| format!("{}: {statements}", self.address))
    }

    /// Whether it is a standby.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn in_recovery(&self) -> Result<bool> {
        Ok(self.text("select pg_is_in_recovery()::text").await? == "true")
    }

    /// `repmgr.nodes`, by id, as this server has it.
    ///
    /// # Errors
    /// The server does not answer, or has no repmgr.
    pub async fn members(&self) -> Result<Vec<Member>> {
        let statement = "select node_id, node_name, type, active, upstream_node_id, slot_name \
                         from repmgr.nodes order by node_id";
        let member = |row: &tokio_postgres::Row| -> Result<Member> {
            Ok(Member {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                kind: row.try_get(2)?,
                active: row.try_get(3)?,
                upstream: row.try_get(4)?,
                slot: row.try_get(5)?,
            })
        };
        self.rows(statement).await?.iter().map(member).collect()
    }

    /// `pg_stat_replication`, by name.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn senders(&self) -> Result<Vec<Sender>> {
        let statement = "select application_name, coalesce(state, ''), \
             coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), -1)::bigint \
             from pg_stat_replication order by 1, 2";
        let sender = |row: &tokio_postgres::Row| -> Result<Sender> {
            Ok(Sender { name: row.try_get(0)?, state: row.try_get(1)?, lag_bytes: row.try_get(2)? })
        };
        self.rows(statement).await?.iter().map(sender).collect()
    }

    /// Names of those who stream from it at this moment.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn streaming(&self) -> Result<BTreeSet<String>> {
        let streams = |sender: Sender| (sender.state == "streaming").then_some(sender.name);
        Ok(self.senders().await?.into_iter().filter_map(streams).collect())
    }

    /// `pg_replication_slots`, by name.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn slots(&self) -> Result<Vec<Slot>> {
        let statement = "select slot_name::text, active from pg_replication_slots order by 1";
        let slot = |row: &tokio_postgres::Row| -> Result<Slot> {
            Ok(Slot { name: row.try_get(0)?, active: row.try_get(1)? })
        };
        self.rows(statement).await?.iter().map(slot).collect()
    }

    /// The rules of its `pg_hba.conf`, one text each, in their order.
    ///
    /// # Errors
    /// The server does not answer, or the file has an error in it.
    pub async fn hba(&self) -> Result<Vec<String>> {
        let statement = "select concat_ws(' ', type, array_to_string(database, ','), \
             array_to_string(user_name, ','), address, netmask, auth_method, error) \
             from pg_hba_file_rules order by line_number";
        self.rows(statement).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Copied and total bytes of a running base backup; `None`: there is none whose total is
    /// known.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn backup_progress(&self) -> Result<Option<(i64, i64)>> {
        let statement = "select backup_streamed, backup_total from pg_stat_progress_basebackup \
                         where backup_total > 0";
        let rows = self.rows(statement).await?;
        rows.first().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
    }

    /// All keys of a table with a `bigint` column `id`.
    ///
    /// # Errors
    /// The server does not answer, or there is no such table.
    pub async fn ids(&self, table: &str) -> Result<BTreeSet<i64>> {
        self.rows(&format!("select id from {table}"))
            .await?
            .iter()
            .map(|row| Ok(row.try_get(0)?))
            .collect()
    }

    /// Where the primary's log stands now.
    ///
    /// # Errors
    /// The server does not answer, or is a standby.
    pub async fn written(&self) -> Result<String> {
        self.text("select pg_current_wal_lsn()::text").await
    }

    /// Waits until this standby has replayed the log up to `lsn`.
    ///
    /// # Errors
    /// It has not within `limit`.
    pub async fn replayed(&self, lsn: &str, limit: Duration) -> Result<()> {
        let statement =
            format!("select (pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '{lsn}') >= 0)::text");
        crate::process::until(&format!("{} replays up to {lsn}", self.address), limit, || async {
            Ok(self.text(&statement).await? == "true")
        })
        .await
    }
}

/// The one primary among these addresses.
///
/// # Errors
/// None or more than one of them is a primary, or one does not answer.
pub async fn primary(addresses: &[String], login: &Login) -> Result<Server> {
    let mut found = Vec::new();
    for address in addresses {
        let server = Server::connect(address, login).await?;
        if !server.in_recovery().await? {
            found.push(server);
        }
    }
    match (found.pop(), found.len()) {
        (Some(server), 0) => Ok(server),
        (last, more) => {
            bail!("{} primaries among {}", more + usize::from(last.is_some()), addresses.join(", "))
        }
    }
}
