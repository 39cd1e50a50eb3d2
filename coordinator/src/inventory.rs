//! Hosts, their enrolment, and clusters: views over the store for the API, and the decision
//! who is let in.
//!
//! A host is its key: name and address are only what it is called and where it is found. What
//! is stored of a token is its hash; it is used up, durably, before the certificate is given
//! out.

mod access;
mod dialled;
mod removal;
mod renewal;
mod rotation;
mod twins;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use bellows_proto::{
    digest,
    names::{HostName, InvalidName, natural},
    tls,
    v1::{ClusterDetail, ClusterStatus, ClusterSummary, EnrolReply, EnrolRequest, Spec},
};
use prost::Message as _;
use tokio::sync::watch;

use crate::{
    ca::{Authorities, Authority, CaError, Token},
    store::{HostRecord, Store, StoreError, TokenRecord},
};

pub use access::AccessError;
pub use removal::{DeleteError, RemoveError, revoked};
pub use renewal::RenewError;
pub use twins::told as twins_told;

/// How long a token lets in, unless the administrator says otherwise.
pub const TOKEN_VALID: Duration = Duration::from_secs(60 * 60);
/// How long a token can let in at most.
pub const TOKEN_VALID_MOST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Why a token is refused. For the log and the administrator; the caller of the enrolment
/// listener is told no more than [`EnrolError`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// Not in the form of a token.
    #[error("it is no enrolment token")]
    Form,
    /// Made for another site.
    #[error("it pins another authority")]
    OtherAuthority,
    /// None was made for this host.
    #[error("none was made for this host")]
    Unknown,
    /// The secret is not the one.
    #[error("its secret is wrong, or a newer token was made for this host")]
    Wrong,
    /// Each token lets in once.
    #[error("it was used already")]
    Used,
    /// Too late.
    #[error("it has expired")]
    Expired,
}

/// Why a host is not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The token does not let it in.
    #[error("the token does not let this host in: make a new one with `bellows host token`")]
    Token(#[source] TokenRefusal),
    /// The certificate request is no good.
    #[error(transparent)]
    Request(#[from] CaError),
    /// Not an address to dial.
    #[error("{0:?} is no address of the form HOST:PORT")]
    Address(String),
    /// Two hosts with one key cannot be told apart.
    #[error("the key is that of host {0} already: each host makes its own")]
    KeyInUse(String),
    /// The host that had this key was removed, or enrolled with another key since.
    #[error("the key that host {0} had was revoked: a new one is needed")]
    Revoked(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a token is not made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Zero, or longer than [`TOKEN_VALID_MOST`].
    #[error("a token is valid for 1 minute to {} minutes", TOKEN_VALID_MOST.as_secs() / 60)]
    Validity,
    /// Not a host's name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// No random bytes.
    #[error(transparent)]
    Make(#[from] CaError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A new token. Its text is shown once.
pub struct NewToken {
    /// Holds the secret.
    pub text: zeroize::Zeroizing<String>,
    /// Milliseconds since 1970.
    pub expires_at_ms: i64,
}

/// The inventory of a site.
#[derive(Debug, Clone)]
pub struct Inventory {
    store: Arc<Store>,
    authorities: Arc<RwLock<Arc<Authorities>>>,
    met: twins::Met,
    /// Counts what is revoked, for those who follow something meanwhile.
    revocations: watch::Sender<u64>,
}

impl Inventory {
    /// Over this store and authority.
    pub fn new(store: Arc<Store>, authorities: Authorities) -> Self {
        let authorities = Arc::new(RwLock::new(Arc::new(authorities)));
        let (met, revocations) = (twins::Met::default(), watch::Sender::default());
        Self { store, authorities, met, revocations }
    }

    /// The authorities, as they are now.
    pub fn authorities(&self) -> Arc<Authorities> {
        Arc::clone(&self.authorities.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on these sign and are trusted. They are on disk already.
    pub fn exchange_authorities(&self, new: Authorities) {
        *self.authorities.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
    }

    /// The authority that the coordinator's own certificate is of, which tokens pin.
    pub fn authority(&self) -> Arc<Authority> {
        Arc::clone(self.authorities().own())
    }

    /// Makes a token for a host, in place of any earlier one. For a host that is enrolled
    /// already it lets in a new key, and the old one is revoked then: the host was set up anew.
    ///
    /// # Errors
    /// If the name or time is not valid, or the store failed.
    pub fn create_token(
        &self,
        host: &str,
        valid: Duration,
        principal: &str,
        now_ms: i64,
    ) -> Result<NewToken, TokenError> {
        if valid < Duration::from_secs(1) || valid > TOKEN_VALID_MOST {
            return Err(TokenError::Validity);
        }
        let host: HostName = host.parse()?;
        let token = Token::make(&host, self.authority().fingerprint())?;
        let valid_ms = i64::try_from(valid.as_millis()).map_err(|_| TokenError::Validity)?;
        let expires_at_ms = now_ms.saturating_add(valid_ms);
        self.store.put_token(&TokenRecord {
            host: host.to_string(),
            secret_hash: token.secret_hash().to_vec(),
            created_at_ms: now_ms,
            expires_at_ms,
            used_at_ms: 0,
            principal: principal.to_owned(),
        })?;
        Ok(NewToken { text: token.text(), expires_at_ms })
    }

    /// Lets a host in: judges the token, signs the request, and uses the token up. The reply
    /// may be given out when this returns: all is on disk.
    ///
    /// # Errors
    /// If the host is not let in; nothing was changed.
    pub fn enrol(&self, request: &EnrolRequest, now_ms: i64) -> Result<EnrolReply, EnrolError> {
        let (token, record) = self.judge(&request.token, now_ms)?;
        let address = dialable(&request.address)?;
        let host = token.host();
        let authorities = self.authorities();
        let signed = authorities.signing().sign(&request.certificate_request, host, now_ms)?;
        if let Some(revoked) = self.store.revoked(&signed.key_fingerprint)? {
            return Err(EnrolError::Revoked(revoked.host));
        }
        self.refuse_foreign_key(host, &signed.key_fingerprint)?;
        let facts = tls::certificate_facts(&signed.certificate).map_err(CaError::from)?;
        if self.store.host(host.as_str())?.is_some() {
            tracing::warn!(%host, "a host that was enrolled already is enrolled anew");
        }
        let enrolled = HostRecord {
            host: host.to_string(),
            address,
            key_fingerprint: signed.key_fingerprint.to_vec(),
            machine_id: request.machine_id.chars().take(64).collect(),
            enrolled_at_ms: now_ms,
            valid_from_ms: facts.valid_from_ms,
            valid_until_ms: facts.valid_until_ms,
            ..HostRecord::default()
        };
        if !self.store.take_token(&record, now_ms, &enrolled)? {
            return Err(EnrolError::Token(TokenRefusal::Used));
        }
        Ok(EnrolReply {
            certificate: signed.certificate,
            // The one that the token pins first.
            authority: authorities.bundle(),
            host: host.to_string(),
            site: authorities.own().site().to_owned(),
        })
    }

    fn judge(&self, text: &str, now_ms: i64) -> Result<(Token, TokenRecord), EnrolError> {
        let refuse = |why| Err(EnrolError::Token(why));
        let Ok(token) = text.parse::<Token>() else {
            return refuse(TokenRefusal::Form);
        };
        if token.fingerprint() != self.authority().fingerprint() {
            return refuse(TokenRefusal::OtherAuthority);
        }
        let Some(record) = self.store.token(token.host().as_str())? else {
            return refuse(TokenRefusal::Unknown);
        };
        // The secret first: who does not know it learns nothing else.
        if !token.matches(&record.secret_hash) {
            return refuse(TokenRefusal::Wrong);
        }
        if record.used_at_ms != 0 {
            return refuse(TokenRefusal::Used);
        }
        if now_ms >= record.expires_at_ms {
            return refuse(TokenRefusal::Expired);
        }
        Ok((token, record))
    }

    fn refuse_foreign_key(&self, host: &HostName, key: &[u8; 32]) -> Result<(), EnrolError> {
        let twin = self
            .store
            .hosts()?
            .into_iter()
            .filter(|known| known.host != host.as_str())
            .find(|known| known.key_fingerprint == key || known.next_key == key);
        match twin {
            Some(twin) => Err(EnrolError::KeyInUse(twin.host)),
            None => Ok(()),
        }
    }

    /// All hosts, in natural order of their names.
    ///
    /// # Errors
    /// If the store failed.
    pub fn hosts(&self) -> Result<Vec<HostRecord>, StoreError> {
        let mut hosts = self.store.hosts()?;
        hosts.sort_by(|a, b| natural(&a.host, &b.host));
        Ok(hosts)
    }

    /// A host by its name.
    ///
    /// # Errors
    /// If the store failed.
    pub fn host(&self, host: &str) -> Result<Option<HostRecord>, StoreError> {
        self.store.host(host)
    }

    /// Notes that a host's agent answered; may be forgotten in a power cut.
    ///
    /// # Errors
    /// If the store failed.
    pub fn note_seen(&self, host: &str, at_ms: i64, agent_version: &str) -> Result<(), StoreError> {
        self.store.note_seen(host, at_ms, agent_version)
    }

    /// All clusters, in natural order of their names.
    ///
    /// # Errors
    /// If the store failed.
    pub fn clusters(&self) -> Result<Vec<ClusterSummary>, StoreError> {
        let mut specs = self.store.clusters()?;
        specs.sort_by(|a, b| natural(&a.cluster, &b.cluster));
        specs.iter().map(|spec| self.summary(spec)).collect()
    }

    /// A cluster with its newest spec.
    ///
    /// # Errors
    /// If the store failed.
    pub fn cluster(&self, cluster: &str) -> Result<Option<ClusterDetail>, StoreError> {
        let Some(spec) = self.store.spec(cluster)? else {
            return Ok(None);
        };
        let seen = self.status(cluster)?.filter(|seen| seen.spec_version == spec.version);
        let connections = seen.map(|seen| seen.connections).unwrap_or_default();
        let summary = Some(self.summary(&spec)?);
        Ok(Some(ClusterDetail { summary, spec: Some(spec), connections }))
    }

    fn summary(&self, spec: &Spec) -> Result<ClusterSummary, StoreError> {
        Ok(ClusterSummary {
            cluster: spec.cluster.clone(),
            system: spec.system,
            spec_version: spec.version,
            nodes: u32::try_from(spec.nodes.len()).unwrap_or(u32::MAX),
            held_by: self.held_by(&spec.cluster)?,
        })
    }

    /// The operation that holds a cluster; empty: none.
    ///
    /// # Errors
    /// If the store failed.
    pub fn held_by(&self, cluster: &str) -> Result<String, StoreError> {
        let holders = self.store.lock_holders(&format!("cluster/{cluster}"))?;
        Ok(holders.into_iter().next().map(|holder| holder.operation).unwrap_or_default())
    }

    /// Keeps the last status of a cluster; may be forgotten in a power cut.
    ///
    /// # Errors
    /// If the store failed.
    pub fn put_status(&self, status: &ClusterStatus) -> Result<(), StoreError> {
        let encoded = status.encode_to_vec();
        self.store.put_observation(&status.cluster, &encoded)
    }

    /// The last status of a cluster, as it was kept (its age is the caller's to compute). One
    /// that cannot be decoded is none: it can be asked again.
    ///
    /// # Errors
    /// If the store failed.
    pub fn status(&self, cluster: &str) -> Result<Option<ClusterStatus>, StoreError> {
        let encoded = self.store.observation(cluster)?;
        Ok(encoded.and_then(|bytes| ClusterStatus::decode(bytes.as_slice()).ok()))
    }
}

/// The fingerprint of a host's key as it is shown.
pub fn shown_fingerprint(host: &HostRecord) -> String {
    digest::hex(&host.key_fingerprint)
}

/// An address that can be dialled: HOST:PORT.
fn dialable(address: &str) -> Result<String, EnrolError> {
    let shown = || EnrolError::Address(address.chars().take(80).collect());
    let parsed: http::uri::Authority = address.parse().map_err(|_| shown())?;
    let plain = parsed.port_u16().is_some_and(|port| port != 0)
        && !parsed.host().is_empty()
        && !address.contains('@');
    if plain { Ok(address.to_owned()) } else { Err(shown()) }
}

#[cfg(test)]
mod tests;
