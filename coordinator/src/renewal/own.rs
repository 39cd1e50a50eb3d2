//! The certificate that the coordinator itself shows, to agents and to command lines.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bellows_proto::{
    identity::{Identity, Role},
    tls::{self, Credentials, Live},
    v1::CertificateFacts,
    validity::{Standing, days_left, standing},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use rustls::{ClientConfig, ServerConfig};

use super::AT_ONCE;
use crate::{
    agents::GrpcAgents,
    ca::Authority,
    inventory::Inventory,
    site::{self, COORDINATOR, SiteError},
};

/// What new connections of the coordinator are made with.
#[derive(Clone)]
pub struct OwnTls {
    /// The API over mTLS.
    pub server: Live<ServerConfig>,
    /// The enrolment listener.
    pub enrolment: Live<ServerConfig>,
    /// Calls to agents.
    pub client: Live<ClientConfig>,
}

impl OwnTls {
    /// From credentials; no connection is accepted from a server with a revoked key.
    ///
    /// # Errors
    /// If key and certificate do not belong together.
    pub fn new(credentials: &Credentials, inventory: &Inventory) -> Result<Self, tls::TlsError> {
        Ok(Self {
            server: tls::server_config(credentials)?.into(),
            enrolment: tls::enrolment_server_config(credentials)?.into(),
            client: client(credentials, inventory)?.into(),
        })
    }

    fn exchange(&self, new: &Self) {
        self.server.exchange(new.server.current());
        self.enrolment.exchange(new.enrolment.current());
        self.client.exchange(new.client.current());
    }
}

/// What calls to agents are made with: no server with a revoked key is accepted.
pub(super) fn client(
    credentials: &Credentials,
    inventory: &Inventory,
) -> Result<Arc<ClientConfig>, tls::TlsError> {
    tls::client_config_without(credentials, revoked(inventory))
}

/// Which keys are not accepted. One that cannot be told is not.
fn revoked(inventory: &Inventory) -> impl Fn(&[u8; 32]) -> bool + Send + Sync + 'static {
    let inventory = inventory.clone();
    move |key| {
        inventory.is_revoked(key).unwrap_or_else(|error| {
            tracing::error!(%error, "it cannot be told whether a key was revoked");
            true
        })
    }
}

/// Why the coordinator goes on with the certificate that it has.
#[derive(Debug, thiserror::Error)]
enum OwnError {
    #[error("a new one cannot be made: {0}")]
    Make(#[from] crate::ca::CaError),
    #[error("a new one does not work: {0}")]
    Tls(#[from] tls::TlsError),
    #[error("a new one cannot be kept: {0}")]
    Keep(#[from] SiteError),
    #[error("host {host} does not accept a new one: {why}")]
    Agent { host: String, why: String },
}

/// The coordinator's own certificate.
pub struct Own {
    folder: PathBuf,
    tls: OwnTls,
    state: Mutex<State>,
}

struct State {
    facts: CertificateFacts,
    credentials: Credentials,
    trouble: Option<String>,
}

impl Own {
    /// As it was read from the site's folder.
    ///
    /// # Errors
    /// If the certificate cannot be read.
    pub fn new(
        folder: PathBuf,
        credentials: &Credentials,
        tls: OwnTls,
    ) -> Result<Self, tls::TlsError> {
        let facts = tls::certificate_facts(&credentials.certificate)?;
        let credentials = credentials.clone();
        let state = Mutex::new(State { facts, credentials, trouble: None });
        Ok(Self { folder, tls, state })
    }

    /// The site's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it was signed by this authority.
    pub fn is_of(&self, authority: &Authority) -> bool {
        let certificate = self.state().credentials.certificate.clone();
        tls::issuer_among(&certificate, authority.certificate()).is_some()
    }

    /// Why it was not renewed at the last look.
    pub fn why(&self) -> Option<String> {
        self.state().trouble.clone()
    }

    /// What new connections are made with.
    pub fn tls(&self) -> &OwnTls {
        &self.tls
    }

    /// When it ends, milliseconds since 1970.
    pub fn until_ms(&self) -> i64 {
        self.state().facts.valid_until_ms
    }

    /// SHA-256 of its public key.
    pub fn key(&self) -> Vec<u8> {
        self.state().facts.key.clone()
    }

    /// What is wrong with it, and what to do; empty: nothing.
    pub fn problem(&self, now_ms: i64) -> String {
        let state = self.state();
        let why = state.trouble.as_deref().unwrap_or("it was not tried yet");
        match standing(&state.facts, now_ms) {
            Standing::Fresh => String::new(),
            Standing::Due => state.trouble.clone().map_or_else(String::new, |why| {
                format!("the coordinator's certificate is not renewed yet: {why}")
            }),
            Standing::Ending => {
                let days = days_left(state.facts.valid_until_ms, now_ms);
                format!("the coordinator's certificate ends in {days} days: {why}")
            }
            Standing::Ended => format!(
                "the coordinator's certificate has ended, no host talks to it: {why}; look at its disk \
                 and clock, then restart it"
            ),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews it if that is due, or another authority signs now; trusts whom the site trusts now.
    pub(super) async fn look(&self, inventory: &Inventory, agents: &Arc<GrpcAgents>, now_ms: i64) {
        let authorities = inventory.authorities();
        if let Err(error) = self.trust(&authorities.bundle(), inventory) {
            tracing::error!(%error, "the coordinator does not trust the authorities of its site");
        }
        let due = standing(&self.state().facts, now_ms);
        if due == Standing::Fresh && self.is_of(authorities.own()) {
            return;
        }
        let done = self.renew(inventory, agents, now_ms, due).await;
        let mut state = self.state();
        match done {
            Ok((facts, credentials)) => {
                let until_ms = facts.valid_until_ms;
                tracing::info!(until_ms, "the coordinator's own certificate was renewed");
                *state = State { facts, credentials, trouble: None };
            }
            Err(error) => {
                tracing::error!(%error, "the coordinator's own certificate is not renewed");
                state.trouble = Some(error.to_string());
            }
        }
    }

    async fn renew(
        &self,
        inventory: &Inventory,
        agents: &Arc<GrpcAgents>,
        now_ms: i64,
        due: Standing,
    ) -> Result<(CertificateFacts, Credentials), OwnError> {
        let credentials = inventory.issue_own(now_ms)?;
        let site = inventory.authority().site().to_owned();
        let own = Identity { site, role: Role::Coordinator, name: COORDINATOR.to_owned() };
        tls::prove(&credentials, &own.dns_name()).await?;
        let new = OwnTls::new(&credentials, inventory)?;
        // A host whose clock is wrong would not be reached any more. Short of the end of the old one,
        // all others count more.
        if due == Standing::Due || due == Standing::Fresh {
            accepted_by_all(inventory, agents, &new).await?;
        }
        let facts = tls::certificate_facts(&credentials.certificate)?;
        site::keep_own(&self.folder, &credentials)?;
        self.tls.exchange(&new);
        agents.forget_all();
        Ok((facts, credentials))
    }

    /// New connections are made, and accepted, by whom these authorities (PEM) say.
    fn trust(&self, bundle: &str, inventory: &Inventory) -> Result<(), tls::TlsError> {
        let mut state = self.state();
        if state.credentials.authority == bundle {
            return Ok(());
        }
        let authority = bundle.to_owned();
        let credentials = Credentials { authority, ..state.credentials.clone() };
        self.tls.exchange(&OwnTls::new(&credentials, inventory)?);
        state.credentials = credentials;
        Ok(())
    }
}

/// Every host that answers now accepts what new connections would show.
async fn accepted_by_all(
    inventory: &Inventory,
    agents: &Arc<GrpcAgents>,
    new: &OwnTls,
) -> Result<(), OwnError> {
    let ask = |host: String| async move {
        let said = agents.would_accept(&host, new.client.current()).await;
        said.map_err(|fault| OwnError::Agent { host, why: fault.message })
    };
    let hosts = inventory.hosts().unwrap_or_default().into_iter().map(|record| record.host);
    stream::iter(hosts).map(ask).buffer_unordered(AT_ONCE).try_collect::<()>().await
}
