//! Hosts, enrolment tokens and the last observation of each cluster.

use bellows_proto::digest;

use super::{
    Stop, Store, StoreError, Tables, get, get_in, keys, locks, pieces, put,
    records::{HostRecord, RevokedRecord, TokenRecord},
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

    /// Uses a token up and stores the host that it let in, in one transaction; the key that the host
    /// had before is revoked. `token` is as it was read and judged. `false`: meanwhile it was used or
    /// replaced; nothing was changed.
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
            let before: Option<HostRecord> =
                get_in(tables.inventory, &key, &|| host_name(&host.host))?;
            if let Some(before) = before.filter(|old| old.key_fingerprint != host.key_fingerprint) {
                revoke(tables, &before, used_at_ms, &token.principal)?;
            }
            put(tables.inventory, &key, host, &|| host_name(&host.host))?;
            Ok(true)
        })
    }

    /// Forgets a host and its token, and notes that its key is revoked, in one transaction. Returns the
    /// host as it was then; `None`: it was gone already. `specs` are the newest versions of all specs,
    /// as they were read: in none of them the host has a node.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if an open operation holds the host, [`StoreError::SpecVersion`] if a
    /// spec has changed meanwhile: nothing was changed. Else the store failed.
    pub fn remove_host(
        &self,
        host: &str,
        principal: &str,
        at_ms: i64,
        specs: &[(String, u64)],
    ) -> Result<Option<HostRecord>, StoreError> {
        let resource = format!("host/{host}");
        let key = keys::text(keys::HOST, host);
        self.commit(|tables| {
            locks::refuse_held(tables, &resource)?;
            for (cluster, version) in specs {
                super::specs::expect_version(tables, cluster, *version)?;
            }
            let known: Option<HostRecord> = get_in(tables.inventory, &key, &|| host_name(host))?;
            pieces::remove::<Stop>(tables.inventory, &key)?;
            pieces::remove::<Stop>(tables.inventory, &keys::text(keys::TOKEN, host))?;
            if let Some(known) = &known {
                revoke(tables, known, at_ms, principal)?;
            }
            Ok(known)
        })
    }

    /// Whether a key is revoked, by its SHA-256; `None`: it is not.
    ///
    /// # Errors
    /// If the store failed or the entry is damaged.
    pub fn revoked(&self, key_fingerprint: &[u8]) -> Result<Option<RevokedRecord>, StoreError> {
        let _guard = self.reading()?;
        let key = revoked_key(key_fingerprint);
        get(&self.inventory, &key, &|| revoked_name("a host"))
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

/// The key that a host had is not accepted any more. A host of an old store may have none.
fn revoke(tables: &Tables<'_>, host: &HostRecord, at_ms: i64, principal: &str) -> Result<(), Stop> {
    if host.key_fingerprint.is_empty() {
        return Ok(());
    }
    let revoked = RevokedRecord {
        key_fingerprint: host.key_fingerprint.clone(),
        host: host.host.clone(),
        revoked_at_ms: at_ms,
        principal: principal.to_owned(),
    };
    let key = revoked_key(&revoked.key_fingerprint);
    put(tables.inventory, &key, &revoked, &|| revoked_name(&host.host))
}

fn host_name(host: &str) -> String {
    format!("the entry of host {host}")
}

fn revoked_key(fingerprint: &[u8]) -> Vec<u8> {
    keys::text(keys::REVOKED, &digest::hex(fingerprint))
}

fn revoked_name(host: &str) -> String {
    format!("the revoked key of {host}")
}

fn token_name(host: &str) -> String {
    format!("the token for host {host}")
}

fn observation_name(cluster: &str) -> String {
    format!("the last status of {cluster}")
}
