//! `bellows serve`: configuration, then build, then spawn, then wait, then drain. Everything
//! that runs is put together here, and nowhere else.
//!
//! Being killed is the ordinary end: what was under way is in the journal and goes on at the
//! next start. Draining only lets answers out that are on their way.

mod app;
pub mod log;
pub mod offline;
pub mod recover;
mod term;
mod upkeep;

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

use bellows_proto::tls::TlsError;
use tokio::signal::unix::{Signal, SignalKind};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use app::{App, Listeners};

use crate::{
    api::unix::SocketError,
    audit::{AuditError, AuditLog},
    engine::ports::JournalError,
    plan::Systems,
    site::{Site, SiteError},
    store::{Store, StoreError},
    systems::{AllSystems, postgresql::Policy},
};

/// After this, answers that are still on their way are dropped.
const GRACE: Duration = Duration::from_secs(3);
/// How often it is looked whether the store has failed outside of an operation.
const STORE_LOOK: Duration = Duration::from_secs(2);

/// `status` shows nothing older than about this, as long as the coordinator runs.
const READING_AGE: Duration = Duration::from_secs(60);

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
    /// The audit log.
    #[error("{0}: without its audit log the coordinator does not start")]
    Audit(#[from] AuditError),
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

/// [`serve`] with all systems that this program has.
///
/// # Errors
/// As [`serve`].
pub async fn serve_all_systems(options: &Options) -> Result<(), ServeError> {
    let config = Site::load_config(&options.site)?;
    let policy =
        Policy { backup_max_age_ms: config.backup_max_age_ms(), fronts: config.fronts.clone() };
    serve(options, AllSystems { postgresql: policy }).await
}

/// Runs the coordinator until it is told to end (SIGTERM, SIGINT).
///
/// # Errors
/// If it cannot start, or its store fails.
pub async fn serve<S: Systems>(options: &Options, systems: S) -> Result<(), ServeError> {
    let app = App::build(&options.site, systems)?;
    let listeners = Listeners::bind(app.config()).await?;
    let socket = app.config().listen.socket.clone();
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.cancel();
    });
    let end = serve_on(app, listeners, options.take_over, stop).await;
    let _ = std::fs::remove_file(socket);
    end
}

fn signal(kind: SignalKind) -> Result<Signal, ServeError> {
    tokio::signal::unix::signal(kind).map_err(|e| ServeError::System("signal handlers", e))
}

/// Runs on sockets that are ours already, until `stop`: takes the term, takes operations up,
/// answers.
///
/// # Errors
/// If the store fails.
pub async fn serve_on<S: Systems>(
    app: App<S>,
    listeners: Listeners,
    take_over: bool,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    if let Some(reason) = term::raise(&app, take_over).await? {
        tracing::error!(reason, "read-only: nothing is changed and no operation goes on");
        app.engine.set_read_only(Some(reason));
    }
    app.journal.catch_up()?;
    let operations = take_up(&app)?;
    let tracker = TaskTracker::new();
    let mut failure = app.spawn(listeners, &tracker, &stop);
    tracing::info!(
        site = app.config().site_name,
        term = app.store.term().number,
        operations,
        socket = %app.config().listen.socket.display(),
        "the coordinator serves"
    );
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let end = tokio::select! {
        () = stop.cancelled() => Ok(()),
        error = app.engine.fatal() => Err(ServeError::Journal(error)),
        error = store_failure(&app.store, &app.audit) => Err(error),
        error = upkeep::keep_pruned(
            &app.store,
            app.config().keep_days,
            crate::clock::now_ms,
            || app.engine.is_read_only().is_none(),
        ) => Err(ServeError::Store(error)),
        () = keep_readings(&app) => Ok(()),
        () = tell_that_it_lives(&app) => Ok(()),
        () = app.renewals.keep() => Ok(()),
        error = app.engine.keep_burying() => Err(ServeError::Journal(error)),
        Some(error) = failure.recv() => Err(ServeError::Server(error)),
    };
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    stop.cancel();
    tracker.close();
    // Viewers follow operations for hours: they are cut off after the grace.
    let _ = tokio::time::timeout(GRACE, tracker.wait()).await;
    tracing::info!("the coordinator ends");
    end
}

/// As often as the unit asks for it (`WatchdogSec=`): an engine that can be asked lives. One that hangs tells
/// nothing, and systemd starts it anew.
async fn tell_that_it_lives<S: Systems>(app: &App<S>) {
    let Some(within) = sd_notify::watchdog_enabled().filter(|within| !within.is_zero()) else {
        return std::future::pending().await;
    };
    let mut ticks = tokio::time::interval(within / 2);
    loop {
        ticks.tick().await;
        let _ = app.engine.damaged();
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
    }
}

/// Takes open operations up. Where the store is in doubt, each is held; the holds are durable
/// then, and the doubt is settled: a retry compares with the jobs of all agents.
fn take_up<S: Systems>(app: &App<S>) -> Result<usize, ServeError> {
    let doubt = app.store.doubt();
    let text = doubt.as_ref().map(|doubt| {
        format!("{}; nothing goes on by itself: look, then retry, undo or abandon", doubt.text())
    });
    let operations = app.engine.recover(text.as_deref())?;
    if doubt.is_some() && app.engine.is_read_only().is_none() {
        app.store.settle_doubt()?;
    }
    Ok(operations)
}

/// Looks at all clusters now and then, and whether the agents have jobs that the journal does not
/// know, or obey somebody else: at the start first. Never ends.
async fn keep_readings<S: Systems>(app: &App<S>) {
    let age_ms = i64::try_from(READING_AGE.as_millis()).unwrap_or(i64::MAX);
    loop {
        app.api.look_at_hosts().await;
        tokio::time::sleep(READING_AGE).await;
        app.api.keep_readings(age_ms).await;
    }
}

/// Keeps the store's watermark up while nothing is written. Ends when store or audit log have
/// failed: whatever they are asked for, they do nothing any more.
async fn store_failure(store: &Store, audit: &AuditLog) -> ServeError {
    loop {
        tokio::time::sleep(STORE_LOOK).await;
        if let Err(error) = store.keep_watermark() {
            return ServeError::Store(error);
        }
        if let Some(error) = audit.failure() {
            return ServeError::Journal(JournalError(error.to_string()));
        }
    }
}
