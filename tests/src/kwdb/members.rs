//! What the members say of each other. Each is asked, and none is believed about itself alone.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};

use super::{Client, Row};
use crate::process;

/// Liveness runs out after nine seconds, and a row may stay for twice that.
const LIMIT: Duration = Duration::from_secs(120);

/// As the manual has it.
const HEALTH: &str = "SELECT sum((metrics->>'ranges.unavailable')::DECIMAL)::INT AS ranges_unavailable, \
     sum((metrics->>'ranges.underreplicated')::DECIMAL)::INT AS ranges_underreplicated \
     FROM kwdb_internal.kv_store_status";

/// Members by their addresses, and the client that asks them.
#[derive(Debug, Clone)]
pub struct Members {
    /// How they are asked.
    pub client: Client,
    /// ADDRESS:PORT of those who should be members.
    pub addresses: BTreeSet<String>,
}

impl Members {
    /// Nobody yet.
    #[must_use]
    pub fn none(client: Client) -> Self {
        Self { client, addresses: BTreeSet::new() }
    }

    /// ADDRESS:PORT of those who should be members, the first one first.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        self.addresses.iter().cloned().collect()
    }

    /// Rows of all members, as one of them has them.
    ///
    /// # Errors
    /// None answers.
    pub async fn seen(&self) -> Result<Vec<Row>> {
        let mut last = anyhow::anyhow!("there are no members");
        for address in &self.addresses {
            match self.client.status(address).await {
                Ok(rows) => return Ok(rows),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// How many members the cluster counts: available and live, as the first one that answers sees them.
    ///
    /// # Errors
    /// None answers.
    pub async fn count(&self) -> Result<usize> {
        Ok(self.seen().await?.iter().filter(|row| row.serves()).count())
    }

    /// The id that a member has now: the highest with its address.
    ///
    /// # Errors
    /// Nobody answers, or none has it.
    pub async fn id(&self, address: &str) -> Result<u32> {
        let rows = self.seen().await?;
        let ids = rows.iter().filter(|row| row.address == address).map(|row| row.id);
        ids.max().ok_or_else(|| anyhow::anyhow!("nobody with the address {address} in {rows:?}"))
    }

    /// Each member sees that whoever had this address is dead: neither available nor live.
    ///
    /// # Errors
    /// It does not become so within two minutes.
    pub async fn see_dead(&self, address: &str) -> Result<()> {
        process::until(&format!("the members see that {address} is dead"), LIMIT, || async {
            for member in &self.addresses {
                let rows = self.client.status(member).await?;
                let lives = |row: &&Row| row.address == address && (row.available || row.live);
                ensure!(!rows.iter().any(|row| lives(&row)), "{member}: {rows:?}");
            }
            Ok(true)
        })
        .await
    }

    /// Each member sees exactly these, all available and live, and nobody flagged.
    ///
    /// # Errors
    /// It does not become so within two minutes.
    pub async fn agree(&self) -> Result<()> {
        process::until("all members see each other, and nobody else", LIMIT, || async {
            self.agree_now().await.map(|()| true)
        })
        .await
    }

    /// As [`Members::agree`], at this moment.
    ///
    /// # Errors
    /// It is not so.
    pub async fn agree_now(&self) -> Result<()> {
        for address in &self.addresses {
            let rows = self.client.status(address).await?;
            let listed: BTreeSet<String> = rows.iter().map(|row| row.address.clone()).collect();
            ensure!(listed == self.addresses, "{address} lists {listed:?}");
            ensure!(rows.iter().all(Row::serves), "{address}: not all are live: {rows:?}");
            ensure!(rows.len() == listed.len(), "{address}: an address twice: {rows:?}");
            for row in self.client.known(address).await? {
                let flagged = row.decommissioning == Some(true);
                let member = rows.iter().any(|one| one.id == row.id);
                ensure!(!(flagged && member), "{address}: {row:?} is being decommissioned");
            }
        }
        Ok(())
    }

    /// Every range has three replicas, and the metrics, which are some seconds old, say so too.
    ///
    /// # Errors
    /// It does not become so within two minutes.
    pub async fn are_replicated(&self) -> Result<()> {
        process::until("every range has its replicas", LIMIT, || async {
            let Some(first) = self.addresses.first() else { return Ok(false) };
            let ranges = "SELECT range_id, replicas FROM kwdb_internal.ranges";
            for row in self.client.query(first, ranges).await? {
                let replicas = row.get("replicas").cloned().flatten().unwrap_or_default();
                ensure!(replicas.split(',').count() >= 3, "{row:?}");
            }
            let rows = self.client.query(first, HEALTH).await?;
            // NULL is no number: nobody knows.
            let none = |value: &Option<String>| value.as_deref() == Some("0");
            Ok(rows.len() == 1 && rows.iter().flat_map(|row| row.values()).all(none))
        })
        .await
    }
}
