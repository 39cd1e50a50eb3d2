//! The parts of a coordinator put together, and its listeners.

use std::{path::Path, sync::Arc, time::Duration};

use bellows_proto::{
    audit::Limits,
    tls,
    v1::{coordinator_server::CoordinatorServer, enrolment_server::EnrolmentServer},
};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::mpsc,
};
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::Server;
use tower::layer::util::{Identity, Stack};

use super::ServeError;
use crate::{
    agents::{GrpcAgents, Witness},
    api::{
        Api, SiteFacts,
        access::{Authorise, Door},
        enrolment::{self, EnrolmentService},
        unix,
    },
    audit::AuditLog,
    clock::{RealClock, now_ms},
    engine::{Engine, Ports, ReadOnly},
    inventory::Inventory,
    journal::StoreJournal,
    plan::Systems,
    renewal::{Own, OwnTls, Renewals},
    site::{self, Config, Site},
    store::Store,
};

/// Calls at once on one connection.
const CALLS_AT_ONCE: usize = 64;
/// The largest request: a plan with many steps.
const LARGEST_REQUEST: usize = 16 * 1024 * 1024;
/// An enrolment is answered within this time.
const ENROLMENT_DEADLINE: Duration = Duration::from_secs(10);
/// A stranger's connection ends after this time.
const ENROLMENT_AGE: Duration = Duration::from_secs(60);

/// The world of a real coordinator.
type RealPorts<S> = Ports<GrpcAgents, S, StoreJournal, RealClock>;

/// All that runs.
pub struct App<S: Systems> {
    config: Config,
    pub(super) engine: Engine<RealPorts<S>>,
    pub(super) api: Api<RealPorts<S>>,
    pub(super) agents: Arc<GrpcAgents>,
    pub(super) store: Arc<Store>,
    pub(super) audit: Arc<AuditLog>,
    pub(super) journal: StoreJournal,
    pub(super) inventory: Inventory,
    read_only: ReadOnly,
    pub(super) renewals: Arc<Renewals>,
}

/// Sockets that are ours already.
pub struct Listeners {
    /// The API for this machine.
    pub local: UnixListener,
    /// The API over mTLS.
    pub remote: Option<TcpListener>,
    /// Enrolment.
    pub enrolment: TcpListener,
}

impl<S: Systems> App<S> {
    /// Reads a site's folder, opens its store, puts the parts together.
    ///
    /// # Errors
    /// If there is no site, its configuration has mistakes, or its store is held or damaged.
    pub fn build(folder: &Path, systems: S) -> Result<Self, ServeError> {
        let Site { config, authorities, credentials } = Site::load(folder)?;
        let store = Arc::new(Store::open(&config.store_dir())?);
        let limits = Limits { keep: config.audit_segments, ..Limits::default() };
        let audit = Arc::new(AuditLog::open(&config.audit_dir(), limits, now_ms)?);
        let inventory = Inventory::new(Arc::clone(&store), authorities);
        let addresses = inventory.clone();
        for certificate in site::first_users(folder) {
            inventory.note_access(&certificate)?;
        }
        let own_tls = OwnTls::new(&credentials, &inventory)?;
        let agents = GrpcAgents::new(config.site_id.clone(), own_tls.client.clone(), addresses);
        let read_only = ReadOnly::default();
        let agents = agents.before(Arc::clone(&audit) as Arc<dyn Witness>);
        let agents = Arc::new(agents.forbidding(read_only.clone()));
        let journal = StoreJournal::new(Arc::clone(&store)).audited(Arc::clone(&audit));
        let ports = Ports {
            agents: Arc::clone(&agents),
            systems: Arc::new(systems),
            journal: Arc::new(journal.clone()),
            clock: Arc::new(RealClock),
        };
        let engine = Engine::obeying(ports, config.site_id.clone(), read_only.clone());
        let facts = SiteFacts {
            name: config.site_name.clone(),
            site_id: config.site_id.clone(),
            enrolment_address: config
                .enrolment_address
                .clone()
                .unwrap_or_else(|| config.listen.enrolment.to_string()),
        };
        let own = Own::new(folder.to_owned(), &credentials, own_tls)?;
        let renewals = Arc::new(Renewals::new(inventory.clone(), Arc::clone(&agents), own, now_ms));
        let api = Api::new(
            engine.clone(),
            Arc::clone(&agents),
            Arc::clone(&store),
            Arc::clone(&audit),
            inventory.clone(),
            Arc::clone(&renewals),
            facts,
        );
        Ok(Self {
            renewals,
            config,
            engine,
            api,
            agents,
            store,
            audit,
            journal,
            inventory,
            read_only,
        })
    }

    /// What `site.toml` says.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Answers on these sockets until `stop`. The first failure of a listener comes through
    /// the channel.
    pub(super) fn spawn(
        &self,
        listeners: Listeners,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> mpsc::Receiver<tonic::transport::Error> {
        let (failed, failure) = mpsc::channel(1);
        let site = self.config.site_id.as_str();
        let run = |serving| {
            let failed = failed.clone();
            tracker.spawn(watch_end(serving, failed));
        };
        let end = || stop.clone().cancelled_owned();
        let own = self.renewals.own().tls();
        let api =
            || CoordinatorServer::new(self.api.clone()).max_decoding_message_size(LARGEST_REQUEST);
        let own_uid = rustix::process::geteuid().as_raw();
        let incoming = UnixListenerStream::new(listeners.local);
        let door = |door| {
            server({
                let inventory = self.inventory.clone();
                Authorise::new(door, site, Arc::clone(&self.audit), inventory)
            })
        };
        let local = door(Door::Local { own_uid });
        run(Box::pin(local.serve_with_incoming_shutdown(api(), incoming, end())));
        if let Some(listener) = listeners.remote {
            let incoming = tls::incoming(listener, own.server.clone(), tls::CONNECTIONS_AT_ONCE);
            let remote = door(Door::Remote);
            run(Box::pin(remote.serve_with_incoming_shutdown(api(), incoming, end())));
        }
        let service = EnrolmentServer::new(EnrolmentService::new(
            self.inventory.clone(),
            Arc::clone(&self.agents),
            self.read_only.clone(),
        ))
        .max_decoding_message_size(enrolment::LARGEST_REQUEST);
        let incoming =
            tls::incoming(listeners.enrolment, own.enrolment.clone(), tls::STRANGERS_AT_ONCE);
        let enrolment = door(Door::Enrolment)
            .timeout(ENROLMENT_DEADLINE)
            // Strangers may not keep the few places.
            .max_connection_age(ENROLMENT_AGE);
        run(Box::pin(enrolment.serve_with_incoming_shutdown(service, incoming, end())));
        failure
    }
}

impl Listeners {
    /// Binds what the configuration names.
    ///
    /// # Errors
    /// If an address is taken or not ours.
    pub async fn bind(config: &Config) -> Result<Self, ServeError> {
        let bind = |what, address| async move {
            TcpListener::bind(address).await.map_err(|source| ServeError::Listen {
                what,
                address,
                source,
            })
        };
        let remote = match config.listen.api {
            Some(address) => Some(bind("the API", address).await?),
            None => None,
        };
        Ok(Self {
            local: unix::listen(&config.listen.socket)?,
            remote,
            enrolment: bind("enrolment", config.listen.enrolment).await?,
        })
    }
}

/// A server behind the access table.
fn server(rules: Authorise) -> Server<Stack<Authorise, Identity>> {
    Server::builder()
        .concurrency_limit_per_connection(CALLS_AT_ONCE)
        .http2_keepalive_interval(Some(tls::KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(tls::KEEP_ALIVE_DEADLINE))
        .layer(rules)
}

type Serving = std::pin::Pin<Box<dyn Future<Output = Result<(), tonic::transport::Error>> + Send>>;

async fn watch_end(serving: Serving, failed: mpsc::Sender<tonic::transport::Error>) {
    if let Err(error) = serving.await {
        let _ = failed.send(error).await;
    }
}
