//! Hosts, enrolment tokens and the last observation of each cluster.

use bellows_proto::{digest, v1::CertificateFacts};

use super::{
    Stop, Store, StoreError, Tables, get, get_in, keys, locks, pieces, put,
    records::{HostRecord, Revocation, RevokedRecord, TokenRecord, Twins},
};

/// Who revokes a key that a newer one of the same host has replaced.
const RENEWED: &str = "renewal";

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

    /// Notes that a certificate for a new key of a host is about to be given out, in place of one that
    /// was never seen. `false`: there is no such host, or its key is not `key` any more.
    ///
    /// # Errors
    /// If the store failed or the entry is damaged.
    pub fn put_next_key(&self, host: &str, key: &[u8], next: &[u8]) -> Result<bool, StoreError> {
        self.change_host(host, |record| {
            let same = record.key_fingerprint == key && record.revocation.is_none();
            if same {
                record.next_key = next.to_vec();
            }
            same
        })
    }

    /// Notes of which time the certificate of a host is. `false`: its key is another one.
    ///
    /// # Errors
    /// If the store failed or the entry is damaged.
    pub fn put_validity(&self, host: &str, of: &CertificateFacts) -> Result<bool, StoreError> {
        self.change_host(host, |record| {
            let same = record.key_fingerprint == of.key;
            if same {
                (record.valid_from_ms, record.valid_until_ms) =
                    (of.valid_from_ms, of.valid_until_ms);
            }
            same
        })
    }

    /// Notes who has signed what a host shows, and whom it trusts, as a handshake has proven of `key`.
    /// `false`: its key is another one.
    ///
    /// # Errors
    /// If the store failed or the entry is damaged.
    pub fn put_trust(
        &self,
        host: &str,
        key: &[u8],
        issuer: &[u8],
        trusts: &[Vec<u8>],
    ) -> Result<bool, StoreError> {
        self.change_host(host, |record| {
            let same = record.key_fingerprint == key;
            if same {
                record.issuer = issuer.to_vec();
                record.trusts = trusts.to_vec();
            }
            same
        })
    }

    /// Notes that two machines show the certificate of a host. What was noted first stays.
    ///
    /// # Errors
    /// If the store failed or the entry is damaged.
    pub fn put_twins(&self, host: &str, twins: &Twins) -> Result<bool, StoreError> {
        self.change_host(host, |record| {
            let first = record.twins.is_none();
            if first {
                record.twins = Some(twins.clone());
            }
            first
        })
    }

    /// The host's next key becomes its key, and the one before is revoked, in one transaction. `false`:
    /// the next key of that host is another one; nothing was changed.
    ///
    /// # Errors
    /// If the store failed or the entry is damaged.
    pub fn take_next_key(
        &self,
        host: &str,
        of: &CertificateFacts,
        at_ms: i64,
    ) -> Result<bool, StoreError> {
        let key = keys::text(keys::HOST, host);
        let name = || host_name(host);
        self.commit(|tables| {
            let known: Option<HostRecord> = get_in(tables.inventory, &key, &name)?;
            let Some(known) = known.filter(|known| may_take(known, &of.key)) else {
                return Ok(false);
            };
            revoke(tables, &known, at_ms, RENEWED)?;
            let renewed = HostRecord {
                key_fingerprint: of.key.clone(),
                next_key: Vec::new(),
                valid_from_ms: of.valid_from_ms,
                valid_until_ms: of.valid_until_ms,
                // Not proven of this one yet.
                issuer: Vec::new(),
                ..known
            };
            put(tables.inventory, &key, &renewed, &name)?;
            Ok(true)
        })
    }

    fn change_host(
        &self,
        host: &str,
        change: impl Fn(&mut HostRecord) -> bool,
    ) -> Result<bool, StoreError> {
        let key = keys::text(keys::HOST, host);
        let name = || host_name(host);
        self.commit(|tables| {
            let known: Option<HostRecord> = get_in(tables.inventory, &key, &name)?;
            let Some(mut known) = known else { return Ok(false) };
            let changed = change(&mut known);
            if changed {
                put(tables.inventory, &key, &known, &name)?;
            }
            Ok(changed)
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

    /// Revokes a host's key, and the one that is about to take its place, and its token, in one
    /// transaction; all else that is known of it stays. Returns it as it is then; one that was revoked
    /// already stays as it is. `None`: there is no such host.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if an open operation holds the host: nothing was changed. Else the store
    /// failed.
    pub fn revoke_host(
        &self,
        host: &str,
        why: &Revocation,
    ) -> Result<Option<HostRecord>, StoreError> {
        let resource = format!("host/{host}");
        let key = keys::text(keys::HOST, host);
        let name = || host_name(host);
        self.commit(|tables| {
            let known: Option<HostRecord> = get_in(tables.inventory, &key, &name)?;
            let Some(mut known) = known else { return Ok(None) };
            if known.revocation.is_some() {
                return Ok(Some(known));
            }
            locks::refuse_held(tables, &resource)?;
            for fingerprint in [&known.key_fingerprint, &known.next_key] {
                revoke_key(tables, fingerprint, host, why)?;
            }
            pieces::remove::<Stop>(tables.inventory, &keys::text(keys::TOKEN, host))?;
            known.revocation = Some(why.clone());
            put(tables.inventory, &key, &known, &name)?;
            Ok(Some(known))
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

/// Whether this is the key that a host is to have next.
fn may_take(host: &HostRecord, key: &[u8]) -> bool {
    !key.is_empty() && host.next_key == key && host.revocation.is_none()
}

/// The key that a host had is not accepted any more. A host of an old store may have none.
fn revoke(tables: &Tables<'_>, host: &HostRecord, at_ms: i64, principal: &str) -> Result<(), Stop> {
    let principal = principal.to_owned();
    let why = Revocation { at_ms, principal, reason: String::new() };
    revoke_key(tables, &host.key_fingerprint, &host.host, &why)
}

pub(super) fn revoke_key(
    tables: &Tables<'_>,
    fingerprint: &[u8],
    holder: &str,
    why: &Revocation,
) -> Result<(), Stop> {
    if fingerprint.is_empty() {
        return Ok(());
    }
    let revoked = RevokedRecord {
        key_fingerprint: fingerprint.to_vec(),
        host: holder.to_owned(),
        revoked_at_ms: why.at_ms,
        principal: why.principal.clone(),
        reason: why.reason.clone(),
    };
    put(tables.inventory, &revoked_key(fingerprint), &revoked, &|| revoked_name(holder))
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
