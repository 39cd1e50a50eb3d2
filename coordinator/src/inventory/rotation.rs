//! What hosts and users have of the authorities of their site.

use bellows_proto::tls;

use super::{Inventory, renewal::own_of};
use crate::{
    ca::{
        Authority, CaError,
        rotation::{HostFacts, Lack},
    },
    store::{AccessRecord, HostRecord, Revocation, StoreError},
};

/// Why a certificate is of no use any more.
const RETIRED: &str = "the authority that issued it was retired";

impl Inventory {
    /// What a host is known to lack. Nothing is asked of one that was revoked.
    pub fn lacks(&self, record: &HostRecord) -> Option<Lack> {
        if record.revocation.is_some() {
            return None;
        }
        let facts = HostFacts { issuer: record.issuer.clone(), trusts: record.trusts.clone() };
        self.authorities().lacks(&facts)
    }

    /// Notes that a host with this key has all that it should have now.
    ///
    /// # Errors
    /// If the store failed.
    pub fn note_trust(
        &self,
        host: &str,
        key: &[u8],
        issuer: &[u8],
        trusts: &[Vec<u8>],
    ) -> Result<bool, StoreError> {
        self.store.put_trust(host, key, issuer, trusts)
    }

    /// Certificates of users that work now, and are not of the authority that signs now.
    ///
    /// # Errors
    /// If the store failed.
    pub fn users_of_another(&self, now_ms: i64) -> Result<Vec<AccessRecord>, StoreError> {
        let authorities = self.authorities();
        let signing = authorities.signing().digest();
        let first = authorities.old.digest();
        let mut users = self.access()?;
        users.retain(|user| {
            let of = if user.issuer.is_empty() { first.as_slice() } else { &user.issuer };
            user.revocation.is_none() && user.valid_until_ms > now_ms && of != signing
        });
        Ok(users)
    }

    /// What was issued to users by an authority that is not trusted any more is revoked, so that the list
    /// says so.
    ///
    /// # Errors
    /// If the store failed.
    pub fn retire_users(&self, principal: &str, now_ms: i64) -> Result<(), StoreError> {
        let trusted = self.authorities().fingerprints();
        for user in self.users_of_another(now_ms)? {
            if !trusted.contains(&user.issuer) {
                let (reason, principal) = (RETIRED.to_owned(), principal.to_owned());
                self.store
                    .revoke_access(&user, &Revocation { at_ms: now_ms, principal, reason })?;
                self.revocations.send_modify(|count| *count += 1);
            }
        }
        Ok(())
    }

    /// A certificate of the coordinator by `by`, to find out who accepts it. It trusts what `trusts` has signed
    /// only, and is kept nowhere.
    ///
    /// # Errors
    /// If none can be made.
    pub fn probe(
        &self,
        by: &Authority,
        trusts: &Authority,
        now_ms: i64,
    ) -> Result<tls::Credentials, CaError> {
        own_of(by, trusts.certificate().to_owned(), now_ms)
    }
}
