//! `bellows serve`: configuration, then build, then spawn, then wait, then drain. Everything
//! that runs is put together here, and nowhere else.
//!
//! Being killed is the ordinary end: what was under way is in the journal and goes on at the
//! next start. Draining only lets answers out that are on their way.

pub mod log;
mod term;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use bellows_proto::{
    tls::{self, TlsError},
    v1::{coordinator_server::CoordinatorServer, enrolment_server::EnrolmentServer},
};
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::Server;
use tower::layer::util::{Identity, Stack};

use crate::{
    agents::GrpcAgents,
    api::{
        Api, SiteFacts,
        access::{Authorise, Door},
        enrolment::{self, EnrolmentService},
        unix::{self, SocketError},
    },
    clock::RealClock,
    engine::{Engine, Ports, ports::JournalError},
    inventory::Inventory,
    journal::StoreJournal,
    plan::Systems,
    site::{Config, Site, SiteError},
    store::{Store, StoreError},
    systems::AllSystems,
};

/// After this, answers that are still on their way are dropped.
const GRACE: Duration = Duration::from_secs(3);
/// Calls at once on one connection.
const CALLS_AT_ONCE: usize = 64;
/// The largest request: a plan with many steps.
const LARGEST_REQUEST: usize = 16 * 1024 * 1024;
/// An enrolment is answered within this time.
const ENROLMENT_DEADLINE: Duration = Duration::from_secs(10);

/// What `bellows serve` is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The site's folder, as `bellows init` made it.
    pub site: PathBuf,
    /// The administrator's word that no other coordinator leads this site.
    pub take_over: bool,
}

/// Why the coordinator does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The site's folder.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal failed: recovery runs at the next start.
    #[error("the coordinator ends, and goes on at its next start: {0}")]
    Journal(#[from] JournalError),
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The unix socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// An address is taken or not ours.
    #[error("cannot listen at {address} for {what}: is something else there? (site.toml)")]
    Listen {
        /// "the API" or "enrolment".
        what: &'static str,
        /// HOST:PORT.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A listener broke.
    #[error("a listener failed")]
    Server(#[source] tonic::transport::Error),
    /// No signals, no sockets.
    #[error("the system refuses {0}")]
    System(&'static str, #[source] io::Error),
}

/// The world of a real coordinator.
type RealPorts<S> = Ports<GrpcAgents, S, StoreJournal, RealClock>;

/// All that runs.
struct App<S: Systems> {
    config: Config,
    engine: Engine<RealPorts<S>>,
    api: Api<RealPorts<S>>,
    agents: Arc<GrpcAgents>,
    store: Arc<Store>,
    inventory: Inventory,
    server_tls: Arc<rustls::ServerConfig>,
    enrolment_tls: Arc<rustls::ServerConfig>,
}

/// Sockets that are ours already.
struct Listeners {
    local: UnixListener,
    remote: Option<TcpListener>,
    enrolment: TcpListener,
}

/// [`serve`] with all systems that this program has.
///
/// # Errors
/// As [`serve`].
pub async fn serve_all_systems(options: &Options) -> Result<(), ServeError> {
    serve(options, AllSystems).await
}

/// Runs the coordinator until it is told to end (SIGTERM, SIGINT).
///
/// # Errors
/// If it cannot start, or its store fails.
pub async fn serve<S: Systems>(options: &Options, systems: S) -> Result<(), ServeError> {
    let app = build(options, systems)?;
    let mut terminate = signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut interrupt = signal(tokio::signal::unix::SignalKind::interrupt())?;
    let listeners = listen(&app.config).await?;
    // From here on nobody else has this site's store or addresses.
    if let Some(reason) =
        term::raise(&app.store, &app.inventory, &app.agents, options.take_over).await?
    {
        tracing::error!(reason, "read-only: nothing is changed and no operation goes on");
        app.engine.set_read_only(Some(reason));
    }
    let taken_up = app.engine.recover()?;

    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let (failed, mut failure) = tokio::sync::mpsc::channel(1);
    spawn(&app, listeners, &tracker, &stop, &failed);
    tracing::info!(
        site = app.config.site_name,
        term = app.store.term().number,
        operations = taken_up,
        socket = %app.config.listen.socket.display(),
        "the coordinator serves"
    );
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);

    let end = tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
        error = app.engine.fatal() => Err(ServeError::Journal(error)),
        Some(error) = failure.recv() => Err(ServeError::Server(error)),
    };
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    stop.cancel();
    tracker.close();
    // Viewers follow operations for hours: they are cut off after the grace.
    let _ = tokio::time::timeout(GRACE, tracker.wait()).await;
    let _ = std::fs::remove_file(&app.config.listen.socket);
    end.map(|signal| tracing::info!(signal, "the coordinator ends"))
}

fn signal(
    kind: tokio::signal::unix::SignalKind,
) -> Result<tokio::signal::unix::Signal, ServeError> {
    tokio::signal::unix::signal(kind).map_err(|e| ServeError::System("signal handlers", e))
}

fn build<S: Systems>(options: &Options, systems: S) -> Result<App<S>, ServeError> {
    let Site { config, authority, credentials } = Site::load(&options.site)?;
    let store = Arc::new(Store::open(&config.store_dir())?);
    let inventory = Inventory::new(Arc::clone(&store), Arc::new(authority));
    let addresses = inventory.clone();
    let agents = Arc::new(GrpcAgents::new(
        config.site_id.clone(),
        tls::client_config(&credentials)?,
        move |host: &str| match addresses.host(host) {
            Ok(record) => record.map(|record| record.address),
            Err(error) => {
                tracing::error!(host, %error, "the inventory cannot be read");
                None
            }
        },
    ));
    let ports = Ports {
        agents: Arc::clone(&agents),
        systems: Arc::new(systems),
        journal: Arc::new(StoreJournal::new(Arc::clone(&store))),
        clock: Arc::new(RealClock),
    };
    let engine = Engine::new(ports, config.site_id.clone());
    let facts = SiteFacts {
        name: config.site_name.clone(),
        site_id: config.site_id.clone(),
        enrolment_address: config
            .enrolment_address
            .clone()
            .unwrap_or_else(|| config.listen.enrolment.to_string()),
    };
    let api =
        Api::new(engine.clone(), Arc::clone(&agents), Arc::clone(&store), inventory.clone(), facts);
    Ok(App {
        server_tls: tls::server_config(&credentials)?,
        enrolment_tls: tls::enrolment_server_config(&credentials)?,
        config,
        engine,
        api,
        agents,
        store,
        inventory,
    })
}

async fn listen(config: &Config) -> Result<Listeners, ServeError> {
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
    Ok(Listeners {
        local: unix::listen(&config.listen.socket)?,
        remote,
        enrolment: bind("enrolment", config.listen.enrolment).await?,
    })
}

fn spawn<S: Systems>(
    app: &App<S>,
    listeners: Listeners,
    tracker: &TaskTracker,
    stop: &CancellationToken,
    failed: &tokio::sync::mpsc::Sender<tonic::transport::Error>,
) {
    let site = app.config.site_id.as_str();
    let run = |serving| {
        let failed = failed.clone();
        tracker.spawn(watch_end(serving, failed));
    };
    let end = || stop.clone().cancelled_owned();
    let api = || CoordinatorServer::new(app.api.clone()).max_decoding_message_size(LARGEST_REQUEST);
    let own_uid = rustix::process::geteuid().as_raw();
    let incoming = UnixListenerStream::new(listeners.local);
    let local = server(Door::Local { own_uid }, site);
    run(Box::pin(local.serve_with_incoming_shutdown(api(), incoming, end())));
    if let Some(listener) = listeners.remote {
        let incoming = tls::incoming(listener, Arc::clone(&app.server_tls));
        let remote = server(Door::Remote, site);
        run(Box::pin(remote.serve_with_incoming_shutdown(api(), incoming, end())));
    }
    let service = EnrolmentServer::new(EnrolmentService::new(app.inventory.clone()))
        .max_decoding_message_size(enrolment::LARGEST_REQUEST);
    let incoming = tls::incoming(listeners.enrolment, Arc::clone(&app.enrolment_tls));
    let enrolment = server(Door::Enrolment, site).timeout(ENROLMENT_DEADLINE);
    run(Box::pin(enrolment.serve_with_incoming_shutdown(service, incoming, end())));
}

/// A server behind the access table.
fn server(door: Door, site_id: &str) -> Server<Stack<Authorise, Identity>> {
    Server::builder()
        .concurrency_limit_per_connection(CALLS_AT_ONCE)
        .http2_keepalive_interval(Some(tls::KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(tls::KEEP_ALIVE_DEADLINE))
        .layer(Authorise::new(door, site_id))
}

type Serving = std::pin::Pin<Box<dyn Future<Output = Result<(), tonic::transport::Error>> + Send>>;

async fn watch_end(serving: Serving, failed: tokio::sync::mpsc::Sender<tonic::transport::Error>) {
    if let Err(error) = serving.await {
        let _ = failed.send(error).await;
    }
}
