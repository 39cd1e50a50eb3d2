//! Certificates of users: who has one, and which are not accepted any more.

use bellows_proto::{
    digest,
    identity::{Identity, Role},
    tls,
    v1::{Fault, FaultCode},
};

use super::Inventory;
use crate::{
    ca::{CaError, Signed},
    store::{AccessRecord, Revocation, StoreError},
};

/// Why a user gets no certificate, or none is revoked.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A role that no user has.
    #[error("a user is viewer, operator or admin, not {0}")]
    Role(Role),
    /// The key is that of somebody else.
    #[error("that key is in use by {0}, or was")]
    KeyInUse(String),
    /// It is a host's: what that has is not forgotten with it.
    #[error("that is the certificate of host {0}")]
    Host(String),
    /// The request is no good.
    #[error(transparent)]
    Request(#[from] CaError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Inventory {
    /// Signs a certificate for a user. It is in the list when this returns.
    ///
    /// # Errors
    /// If there is no such role for users, or the request is no good; nothing was changed then.
    pub fn issue_access(
        &self,
        who: (&str, Role),
        request: &str,
        principal: &str,
        now_ms: i64,
    ) -> Result<(Signed, AccessRecord), AccessError> {
        let (name, role) = who;
        match role {
            Role::Viewer | Role::Operator | Role::Admin => {}
            Role::Coordinator | Role::Agent => return Err(AccessError::Role(role)),
        }
        let authorities = self.authorities();
        let signed = authorities.signing().sign_as(request, role, name, now_ms)?;
        let key = signed.key_fingerprint.as_slice();
        if let Some(revoked) = self.store.revoked(key)? {
            return Err(AccessError::KeyInUse(revoked.host));
        }
        let known = self.store.all_access()?.into_iter().find(|known| known.key == key);
        if let Some(known) = known {
            return Err(AccessError::KeyInUse(known.name));
        }
        if let Some(host) = self.host_of(key)? {
            return Err(AccessError::KeyInUse(host));
        }
        let facts = tls::certificate_facts(&signed.certificate).map_err(CaError::from)?;
        let access = AccessRecord {
            key: key.to_vec(),
            name: name.to_owned(),
            role: role.to_string(),
            valid_until_ms: facts.valid_until_ms,
            issued_at_ms: now_ms,
            issued_by: principal.to_owned(),
            revocation: None,
            issuer: authorities.signing().digest().to_vec(),
        };
        self.store.put_access(&access)?;
        Ok((signed, access))
    }

    /// Lists a certificate that was made before there was a list.
    ///
    /// # Errors
    /// If the store failed. One that cannot be read is passed over.
    pub fn note_access(&self, certificate: &str) -> Result<(), StoreError> {
        let read = (tls::certificate_facts(certificate), tls::certificate_identity(certificate));
        let (Ok(facts), Ok(Identity { name, role, .. })) = read else { return Ok(()) };
        self.store.put_access(&AccessRecord {
            key: facts.key,
            name,
            role: role.to_string(),
            valid_until_ms: facts.valid_until_ms,
            ..AccessRecord::default()
        })
    }

    /// Certificates of users, by name, then those that end last first.
    ///
    /// # Errors
    /// If the store failed.
    pub fn access(&self) -> Result<Vec<AccessRecord>, StoreError> {
        let mut all = self.store.all_access()?;
        all.sort_by(|a, b| (&a.name, b.valid_until_ms).cmp(&(&b.name, a.valid_until_ms)));
        Ok(all)
    }

    /// Accepts a key no longer; one that is not listed is listed from now on.
    ///
    /// # Errors
    /// If it is a host's; nothing was changed then.
    pub fn revoke_access(
        &self,
        access: &AccessRecord,
        why: &Revocation,
    ) -> Result<AccessRecord, AccessError> {
        match self.host_of(&access.key)? {
            Some(host) => Err(AccessError::Host(host)),
            None => {
                let revoked = self.store.revoke_access(access, why)?;
                self.revocations.send_modify(|count| *count += 1);
                Ok(revoked)
            }
        }
    }

    /// Ends as soon as whoever shows this key is not let in (any more), and says why.
    pub async fn until_refused(&self, key: [u8; 32]) -> Fault {
        let mut revocations = self.revocations.subscribe();
        loop {
            if let Some(refusal) = self.key_refusal(&key) {
                return refusal;
            }
            if revocations.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Why whoever shows this key is not let in; `None`: it was not revoked.
    pub fn key_refusal(&self, key: &[u8; 32]) -> Option<Fault> {
        let denied = |text: String| Fault::new(FaultCode::Denied, text);
        match self.store.revoked(key) {
            Ok(None) => None,
            Ok(Some(revoked)) => {
                let because = match revoked.reason.as_str() {
                    "" => String::new(),
                    reason => format!(": {reason}"),
                };
                let holder = revoked.host;
                let text = format!("the certificate of {holder} was revoked{because}");
                Some(denied(text).remedy("ask an administrator of this site for another one"))
            }
            Err(error) => {
                tracing::error!(%error, key = digest::hex(key), "revocations cannot be read");
                let text = "it cannot be told whether this certificate was revoked".to_owned();
                Some(denied(text).remedy("look at the coordinator's log and disk"))
            }
        }
    }

    fn host_of(&self, key: &[u8]) -> Result<Option<String>, StoreError> {
        let hosts = self.store.hosts()?;
        let of = hosts.into_iter().find(|h| h.key_fingerprint == key || h.next_key == key);
        Ok(of.map(|host| host.host))
    }
}
