//! `bellows recover`: asks the agents for what they keep, and writes it into an empty store,
//! while no coordinator runs. Asking and writing are apart, so that somebody can agree in between.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use bellows_proto::{
    audit::Limits,
    identity::{Identity, Role},
    tls::{self, TlsError},
    v1::{AuditCall, Fault, FaultCode, recalled::Kind},
};
use futures::future::join_all;

pub use crate::recover::{Found, FoundCluster, FoundHost, FoundOperation};

use super::ServeError;
use crate::{
    agents::{CONNECT_DEADLINE, GrpcAgents},
    audit::AuditLog,
    clock::now_ms,
    engine::ports::Agents as _,
    recover::{Said, merge},
    site::{Config, Site},
    store::{Recovered, Store, StoreError},
};

/// Why nothing is recovered. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The site, its store, its audit log.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A host that was named does not say what it keeps.
    #[error("host {host} did not tell what it keeps: {}", fault.message)]
    Host {
        /// Its name.
        host: String,
        /// What it said, or why it could not be asked.
        fault: Box<Fault>,
    },
    /// A host that was named does not show a certificate of this site.
    #[error("host {host} cannot be asked")]
    Tls {
        /// Its name.
        host: String,
        /// Why.
        source: TlsError,
    },
    /// What the hosts said cannot all be true.
    #[error("what the hosts keep contradicts itself: {}", .0.join("; "))]
    Contradiction(Vec<String>),
}

impl From<StoreError> for RecoverError {
    fn from(error: StoreError) -> Self {
        Self::Serve(error.into())
    }
}

/// What was found, and where it would be written.
pub struct Recovery {
    found: Found,
    recovered: Recovered,
    config: Config,
    /// Open, so that no coordinator starts meanwhile; `None`: there is none.
    store: Option<Store>,
}

impl Recovery {
    /// Asks these hosts (name and HOST:PORT), all of which must answer. Changes nothing.
    ///
    /// # Errors
    /// If there is a store with something in it, a coordinator runs, a host does not answer, or
    /// what they say contradicts itself.
    pub async fn ask(site: &Path, hosts: &BTreeMap<String, String>) -> Result<Self, RecoverError> {
        let Site { config, credentials, .. } = Site::load(site).map_err(ServeError::from)?;
        let store = empty_store(&config)?;
        let client = tls::client_config(&credentials).map_err(ServeError::from)?;
        let addresses = hosts.clone();
        let agents = GrpcAgents::new(config.site_id.clone(), Arc::clone(&client), {
            move |host: &str| addresses.get(host).cloned()
        });
        let asked = hosts.iter().map(|(host, address)| {
            let name =
                Identity { site: config.site_id.clone(), role: Role::Agent, name: host.clone() };
            said(&agents, host, address, name.dns_name(), Arc::clone(&client))
        });
        let mut all = join_all(asked).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        ask_closed(&agents, &mut all).await?;
        let (found, recovered) = merge(&all, now_ms()).map_err(RecoverError::Contradiction)?;
        Ok(Self { found, recovered, config, store })
    }

    /// For the administrator.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Writes it, all or nothing; makes the store if there is none. Returns the store's id.
    ///
    /// # Errors
    /// If the disk fails; nothing but an empty store is left behind then.
    pub fn write(self) -> Result<String, ServeError> {
        let limits = Limits { keep: self.config.audit_segments, ..Limits::default() };
        let audit = AuditLog::open(&self.config.audit_dir(), limits, now_ms)?;
        let store = match self.store {
            Some(store) => store,
            None => Store::create(&self.config.store_dir(), &self.config.site_id)?,
        };
        audit.call(AuditCall {
            principal: "bellows recover".to_owned(),
            call: "RecoverFromAgents".to_owned(),
            term: Some(store.term()),
            detail: self.recovered.doubt.clone(),
            ..AuditCall::default()
        })?;
        store.recover(&self.recovered)?;
        Ok(store.term().store_id)
    }
}

/// The site's store, in which nothing may be; `None`: there is none.
fn empty_store(config: &Config) -> Result<Option<Store>, StoreError> {
    let path: PathBuf = config.store_dir();
    let store = match Store::open(&path) {
        Ok(store) => store,
        Err(StoreError::Absent(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    match store.content()? {
        Some(content) => Err(StoreError::Occupied { path, content }),
        None => Ok(Some(store)),
    }
}

/// All that one host says.
async fn said(
    agents: &GrpcAgents,
    host: &str,
    address: &str,
    server_name: String,
    client: Arc<rustls::ClientConfig>,
) -> Result<Said, RecoverError> {
    let told = |fault: Fault| RecoverError::Host { host: host.to_owned(), fault: Box::new(fault) };
    let key = tls::peer_key(address, &server_name, client, CONNECT_DEADLINE)
        .await
        .map_err(|source| RecoverError::Tls { host: host.to_owned(), source })?;
    let mut said = Said {
        host: host.to_owned(),
        address: address.to_owned(),
        key_fingerprint: key.to_vec(),
        hello: agents.hello(host).await.map_err(told)?,
        jobs: agents.list_jobs(host, "").await.map_err(told)?,
        ..Said::default()
    };
    for piece in agents.recall(host, Vec::new()).await.map_err(told)? {
        match piece.kind {
            Some(Kind::Operation(operation)) => said.operations.push(operation),
            Some(Kind::Spec(spec)) => said.specs.push(spec),
            Some(Kind::Closed(_)) => {}
            // Of a newer agent: what it would say is not known.
            None => {
                return Err(told(Fault::new(
                    FaultCode::Unreadable,
                    "it keeps something that this version does not know",
                )));
            }
        }
    }
    Ok(said)
}

/// Which operations that one host keeps are closed at another.
async fn ask_closed(agents: &GrpcAgents, all: &mut [Said]) -> Result<(), RecoverError> {
    let mut ids: Vec<String> =
        all.iter().flat_map(|one| &one.operations).map(|kept| kept.operation.clone()).collect();
    ids.sort();
    ids.dedup();
    if ids.is_empty() {
        return Ok(());
    }
    for one in all {
        let told = agents.recall(&one.host, ids.clone()).await.map_err(|fault| {
            RecoverError::Host { host: one.host.clone(), fault: Box::new(fault) }
        })?;
        one.closed.extend(told.into_iter().filter_map(|piece| match piece.kind {
            Some(Kind::Closed(id)) => Some(id),
            Some(Kind::Operation(_) | Kind::Spec(_)) | None => None,
        }));
    }
    Ok(())
}
