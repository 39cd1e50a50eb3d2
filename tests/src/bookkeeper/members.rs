//! What bookies say of each other. Each is asked, and none is believed about itself alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{HTTP_PORT, PORT, get, put};
use crate::process;

/// A session of ZooKeeper ends after ten seconds, an audit takes one; a busy machine may need many times that.
const LIMIT: Duration = Duration::from_secs(300);

/// Addresses of those who should be bookies now.
#[derive(Debug, Clone, Default)]
pub struct Members {
    /// Without ports.
    pub addresses: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    cluster_under_replicated: bool,
    unavailable_bookies_count: i64,
}

impl Members {
    /// A bookie's id.
    #[must_use]
    pub fn id(address: &str) -> String {
        format!("{address}:{PORT}")
    }

    /// Where its HTTP API is.
    #[must_use]
    pub fn http(address: &str) -> String {
        format!("{address}:{HTTP_PORT}")
    }

    /// Ids of those who should be bookies.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<String> {
        self.addresses.iter().map(|address| Self::id(address)).collect()
    }

    /// Ids that are registered as `kind` ("rw" or "ro"), as one bookie sees them.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn registered(at: &str, kind: &str) -> Result<BTreeSet<String>> {
        let path = format!("/api/v1/bookie/list_bookies?type={kind}");
        let reply = get(&Self::http(at), &path).await?;
        ensure!(reply.status == 200, "{at}: {reply:?}");
        let all: BTreeMap<String, Option<String>> =
            serde_json::from_str(&reply.body).with_context(|| reply.body.clone())?;
        Ok(all.into_keys().collect())
    }

    /// How many bookies are registered writable, as the first one that answers sees them.
    ///
    /// # Errors
    /// None answers.
    pub async fn count(&self) -> Result<usize> {
        let mut last = anyhow::anyhow!("there are no bookies");
        for address in &self.addresses {
            match Self::registered(address, "rw").await {
                Ok(ids) => return Ok(ids.len()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Each bookie sees exactly these, all writable and none read-only.
    ///
    /// # Errors
    /// It does not become so.
    pub async fn agree(&self) -> Result<()> {
        process::until("all bookies see each other writable, and nobody else", LIMIT, || async {
            for address in &self.addresses {
                let writable = Self::registered(address, "rw").await?;
                ensure!(writable == self.ids(), "{address} lists {writable:?}");
                let rest = Self::registered(address, "ro").await?;
                ensure!(rest.is_empty(), "{address} lists {rest:?} as read-only");
            }
            Ok(true)
        })
        .await
    }

    /// The others do not see this one any more.
    ///
    /// # Errors
    /// It does not become so.
    pub async fn see_gone(&self, gone: &str) -> Result<()> {
        process::until(&format!("{gone} is registered no more"), LIMIT, || async {
            for address in self.addresses.iter().filter(|address| *address != gone) {
                for kind in ["rw", "ro"] {
                    let seen = Self::registered(address, kind).await?;
                    ensure!(!seen.contains(&Self::id(gone)), "{address} lists {seen:?}");
                }
            }
            Ok(true)
        })
        .await
    }

    /// After an audit that is asked for now, no ledger lacks a copy.
    ///
    /// # Errors
    /// It does not become so.
    pub async fn are_replicated(&self) -> Result<()> {
        let first = Self::http(self.addresses.first().context("no bookies")?);
        process::until("no ledger lacks a copy", LIMIT, || async {
            let audit = put(&first, "/api/v1/autorecovery/trigger_audit", "").await?;
            ensure!(audit.status == 200, "{audit:?}");
            let reply = get(&first, "/api/v1/bookie/cluster_info").await?;
            let info: Info =
                serde_json::from_str(&reply.body).with_context(|| reply.body.clone())?;
            ensure!(
                !info.cluster_under_replicated && info.unavailable_bookies_count == 0,
                "{info:?}"
            );
            Ok(true)
        })
        .await
    }

    /// Ledgers whose metadata name a bookie, as another one tells them.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn ledgers_of(&self, id: &str) -> Result<usize> {
        let asked = self.addresses.iter().find(|address| Self::id(address) != id);
        let at = Self::http(asked.context("nobody to ask")?);
        let mut count = 0;
        for page in 1.. {
            let path = format!("/api/v1/ledger/list?print_metadata=true&page={page}");
            let reply = get(&at, &path).await?;
            ensure!(reply.status == 200, "{reply:?}");
            let all: BTreeMap<String, serde_json::Value> = serde_json::from_str(&reply.body)?;
            if all.is_empty() {
                break;
            }
            // The id between quotes or brackets, however the metadata are written.
            let named = |text: &str| {
                text.split(|one: char| !(one.is_ascii_alphanumeric() || ".:-_".contains(one)))
                    .any(|word| word == id)
            };
            let text = |metadata: &serde_json::Value| {
                metadata.as_str().map_or_else(|| metadata.to_string(), str::to_owned)
            };
            count += all.values().filter(|metadata| named(&text(metadata))).count();
        }
        Ok(count)
    }
}
