//! Hosts, enrolment tokens and the last observation of each cluster.

use super::{
    Stop, Store, StoreError, get, get_in, keys, pieces, put,
    records::{HostRecord, TokenRecord},
};

impl Store {
    /// Stores a host, in place of what was stored of it.
    ///
    /// # Errors
    /// If the store failed.
    pub fn put_host(&self, host: &HostRecord) -> Result<(), StoreError> {
        let key = keys::text(keys::HOST, &host.host);
        self.commit(|tables| put(tables.inventory, &key, host, &|| host_name(&host.host)))
    }

    /// Notes that a host's agent answered, without waiting for the disk: after a power cut it
    /// may be forgotten. Does nothing for a host that is not there.
    ///
    /// # Errors
    /// If the store failed.
    pub fn note_seen(&self, host: &str, at_ms: i64, agent_version: &str) -> Result<(), StoreError> {
        let key = keys::text(keys::HOST, host);
        let name = || host_name(host);
        self.commit_cached(|tables| {
            let Some(known) = get_in::<HostRecord>(tables.inventory, &key, &name)? else {
                return Ok(());
            };
            let seen = HostRecord {
                last_seen_at_ms: at_ms,
                agent_version: agent_version.to_owned(),
                ..known
            };
            put(tables.inventory, &key, &seen, &name)
        })
    }

    /// A host by its name.
    ///
    /// # Errors
    /// If the store failed or the entry is damaged.
    pub fn host(&self, host: &str) -> Result<Option<HostRecord>, StoreError> {
        let _guard = self.reading()?;
        let key = keys::text(keys::HOST, host);
        get(&self.inventory, &key, &|| host_name(host))
    }

    /// All hosts, in order of the bytes of their names.
    ///
    /// # Errors
    /// If the store failed or an entry is damaged.
    pub fn hosts(&self) -> Result<Vec<HostRecord>, StoreError> {
        let _guard = self.reading()?;
        let mut found = Vec::new();
        for item in self.inventory.scan_prefix([keys::HOST]).keys() {
            let key = item?;
            if keys::is_whole_text(&key) {
                let name = || host_name(&keys::read_text(&key));
                found.extend(get::<HostRecord>(&self.inventory, &key, &name)?);
            }
        }
        Ok(found)
    }

    /// Stores the token for a host, in place of an earlier one.
    ///
    /// # Errors
    /// If the store failed.
    pub fn put_token(&self, token: &TokenRecord) -> Result<(), StoreError> {
        let key = keys::text(keys::TOKEN, &token.host);
        self.commit(|tables| put(tables.inventory, &key, token, &|| token_name(&token.host)))
    }

    /// The last token made for a host.
    ///
    /// # Errors
    /// If the store failed or the entry is damaged.
    pub fn token(&self, host: &str) -> Result<Option<TokenRecord>, StoreError> {
        let _guard = self.reading()?;
        let key = keys::text(keys::TOKEN, host);
        get(&self.inventory, &key, &|| token_name(host))
    }

    /// Uses a token up and stores the host that it let in, in one transaction. `token` is as
    /// it was read and judged. `false`: meanwhile it was used or replaced; nothing was changed.
    ///
    /// # Errors
    /// If the store failed or the entry is damaged.
    pub fn take_token(
        &self,
        token: &TokenRecord,
        used_at_ms: i64,
        host: &HostRecord,
    ) -> Result<bool, StoreError> {
        let key = keys::text(keys::TOKEN, &token.host);
        let name = || token_name(&token.host);
        let used = TokenRecord { used_at_ms, ..token.clone() };
        self.commit(|tables| {
            let stored: Option<TokenRecord> = get_in(tables.inventory, &key, &name)?;
            if token.used_at_ms != 0 || stored.as_ref() != Some(token) {
                return Ok(false);
            }
            put(tables.inventory, &key, &used, &name)?;
            let key = keys::text(keys::HOST, &host.host);
            put(tables.inventory, &key, host, &|| host_name(&host.host))?;
            Ok(true)
        })
    }

    /// Keeps the last status of a cluster, as encoded by the caller, without waiting for the
    /// disk: it can always be asked again.
    ///
    /// # Errors
    /// If the store failed.
    pub fn put_observation(&self, cluster: &str, encoded: &[u8]) -> Result<(), StoreError> {
        let key = keys::text(keys::OBSERVATION, cluster);
        self.commit_cached(|tables| {
            pieces::put::<Stop>(tables.inventory, &key, encoded, &|| observation_name(cluster))
        })
    }

    /// The last status of a cluster.
    ///
    /// # Errors
    /// If the store failed or the entry is damaged.
    pub fn observation(&self, cluster: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let _guard = self.reading()?;
        let key = keys::text(keys::OBSERVATION, cluster);
        pieces::read(|key| Ok(self.inventory.get(key)?), &key, &|| observation_name(cluster))
    }
}

fn host_name(host: &str) -> String {
    format!("the entry of host {host}")
}

fn token_name(host: &str) -> String {
    format!("the token for host {host}")
}

fn observation_name(cluster: &str) -> String {
    format!("the last status of {cluster}")
}
