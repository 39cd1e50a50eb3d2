//! New keys of hosts that are let in already.

use bellows_proto::{
    names::{HostName, InvalidName},
    tls,
    v1::CertificateFacts,
};

use super::Inventory;
use crate::{
    ca::{Authority, CaError},
    store::StoreError,
};

/// Why a host gets no new certificate.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// Not a host's name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// It is not enrolled, or was enrolled with another key meanwhile.
    #[error("host {0} is not enrolled with that key any more")]
    Changed(String),
    /// Another host has the key that it offers, or had it.
    #[error("host {0} offers a key that was used before")]
    KeyInUse(String),
    /// The request is no good.
    #[error(transparent)]
    Request(#[from] CaError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Inventory {
    /// Signs the request of a host whose key is `key`, for a new one. That key is on disk when this
    /// returns, so that whoever shows it later is known.
    ///
    /// # Errors
    /// If the request is no good or the host has changed; nothing was changed then.
    pub fn sign_renewal(
        &self,
        host: &str,
        key: &[u8],
        request: &str,
        now_ms: i64,
    ) -> Result<String, RenewError> {
        let name: HostName = host.parse()?;
        let signed = self.authorities().signing().sign(request, &name, now_ms)?;
        let next = signed.key_fingerprint;
        let used = next.as_slice() == key
            || self.is_revoked(&next)?
            || self.refuse_foreign_key(&name, &next).is_err();
        if used {
            return Err(RenewError::KeyInUse(host.to_owned()));
        }
        if !self.store.put_next_key(host, key, &next)? {
            return Err(RenewError::Changed(host.to_owned()));
        }
        Ok(signed.certificate)
    }

    /// The host has shown the next key, and keeps it: it is the host's key from now on, and the one
    /// before is revoked.
    ///
    /// # Errors
    /// If that is not the host's next key; nothing was changed then.
    pub fn renewed(
        &self,
        host: &str,
        shown: &CertificateFacts,
        now_ms: i64,
    ) -> Result<(), RenewError> {
        match self.store.take_next_key(host, shown, now_ms)? {
            true => Ok(()),
            false => Err(RenewError::Changed(host.to_owned())),
        }
    }

    /// Notes of which time a host's certificate is, where that was not known.
    ///
    /// # Errors
    /// If the store failed.
    pub fn note_validity(&self, host: &str, shown: &CertificateFacts) -> Result<(), StoreError> {
        let known = self.store.host(host)?;
        if known.is_some_and(|known| known.valid_until_ms != shown.valid_until_ms) {
            self.store.put_validity(host, shown)?;
        }
        Ok(())
    }

    /// A certificate of the coordinator itself, with its chain, and its new key.
    ///
    /// # Errors
    /// If none can be made.
    pub fn issue_own(&self, now_ms: i64) -> Result<tls::Credentials, CaError> {
        let authorities = self.authorities();
        own_of(authorities.own(), authorities.bundle(), now_ms)
    }
}

/// A certificate of the coordinator by this authority, which trusts those in `trusted` (PEM).
///
/// # Errors
/// If none can be made.
pub(super) fn own_of(
    by: &Authority,
    trusted: String,
    now_ms: i64,
) -> Result<tls::Credentials, CaError> {
    let role = bellows_proto::identity::Role::Coordinator;
    let issued = by.issue(role, crate::site::COORDINATOR, now_ms)?;
    Ok(tls::Credentials {
        certificate: format!("{}{}", issued.certificate, by.certificate()),
        private_key: issued.private_key.to_string(),
        authority: trusted,
    })
}
