//! The way to the coordinator: its unix socket, or mTLS with an identity of the site.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bellows_proto::{
    identity::{Identity, Role},
    tls::{self, TlsError},
    v1::{CertificateFacts, coordinator_client::CoordinatorClient},
    validity::{Standing, days_left, standing},
};
use hyper_util::rt::TokioIo;
use tonic::{
    Response, Status,
    transport::{Channel, Endpoint},
};

use super::{exit::Failure, text::date_time};
use crate::clock::now_ms;
use crate::site::{COORDINATOR, load_user};

/// Where the socket is unless something else is said.
pub const DEFAULT_SOCKET: &str = "/run/bellows/bellows.sock";
/// A coordinator that does not take the connection within this time is unreachable.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Observing a cluster takes a few rounds of queries of 6 s.
const CALL_DEADLINE: Duration = Duration::from_secs(90);
/// The same of a call that makes a plan: surveys are waited for 10 minutes.
const PLAN_DEADLINE: Duration = Duration::from_secs(12 * 60);
/// Messages are at most so big: an operation with all its events.
const MESSAGE_LIMIT: usize = 64 * 1024 * 1024;

/// Where the coordinator is.
#[derive(Debug, Clone)]
pub enum Target {
    /// On this machine.
    Socket(PathBuf),
    /// Elsewhere.
    Server {
        /// HOST:PORT.
        address: String,
        /// Folder with NAME.crt, NAME.key and authority.crt.
        identity: PathBuf,
    },
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "{}", path.display()),
            Self::Server { address, .. } => f.write_str(address),
        }
    }
}

/// A client of the coordinator that knows whom it talks to.
#[derive(Debug, Clone)]
pub struct Client {
    /// The generated client.
    pub api: CoordinatorClient<Channel>,
    target: String,
    answered: Arc<AtomicBool>,
    ending: Option<String>,
}

impl Client {
    /// Nothing is dialled before the first call.
    ///
    /// # Errors
    /// If the identity cannot be read or the address has no valid form.
    pub fn new(target: &Target) -> Result<Self, Failure> {
        let (channel, ending) = match target {
            Target::Socket(path) => (unix(path.clone())?, None),
            Target::Server { address, identity } => remote(address, identity)?,
        };
        let api = CoordinatorClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT);
        Ok(Self { api, target: target.to_string(), answered: Arc::default(), ending })
    }

    /// That the own certificate ends soon, and what to do; `None`: it does not, or there is none.
    pub fn ending(&self) -> Option<&str> {
        self.ending.as_deref()
    }

    /// The content of an answer, or why there is none.
    ///
    /// # Errors
    /// If the call was refused, broke, or took longer than 90 s.
    pub fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> impl Future<Output = Result<T, Failure>> {
        self.within(CALL_DEADLINE, call)
    }

    /// The same of a call that makes a plan: it may wait for surveys.
    ///
    /// # Errors
    /// If the call was refused, broke, or took longer than 12 minutes.
    pub fn planned<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> impl Future<Output = Result<T, Failure>> {
        self.within(PLAN_DEADLINE, call)
    }

    async fn within<T>(
        &self,
        deadline: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(deadline, call).await {
            Ok(Ok(response)) => {
                self.answered.store(true, Ordering::Relaxed);
                Ok(response.into_inner())
            }
            Ok(Err(status)) => Err(self.failure(&status)),
            Err(_) => {
                let text = format!("no answer within {} s", deadline.as_secs());
                Err(self.failure(&Status::deadline_exceeded(text)))
            }
        }
    }

    /// The coordinator has answered once: if it is away now, it may come back.
    pub fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Why a call broke.
    pub fn failure(&self, status: &Status) -> Failure {
        Failure::call(status, &self.target)
    }
}

fn unix(path: PathBuf) -> Result<Channel, Failure> {
    // The address is never dialled: the connector knows the way.
    let endpoint = Endpoint::from_static("http://coordinator").connect_timeout(CONNECT_DEADLINE);
    Ok(endpoint.connect_with_connector_lazy(tower::service_fn(move |_: http::Uri| {
        let path = path.clone();
        async move {
            Ok::<_, std::io::Error>(TokioIo::new(tokio::net::UnixStream::connect(path).await?))
        }
    })))
}

fn remote(address: &str, folder: &Path) -> Result<(Channel, Option<String>), Failure> {
    let name = holder(folder)?;
    let credentials = load_user(folder, &name).map_err(|e| Failure::site(&e))?;
    let bad = |e: TlsError| Failure::file(&folder.display().to_string(), "used", &e);
    let own = tls::certificate_identity(&credentials.certificate).map_err(bad)?;
    let facts = tls::certificate_facts(&credentials.certificate).map_err(bad)?;
    let ending = ending(&folder.display().to_string(), &facts, now_ms())?;
    let server = Identity { site: own.site, role: Role::Coordinator, name: COORDINATOR.to_owned() };
    let config = tls::client_config(&credentials).map_err(bad)?;
    let channel = tls::channel(address, &server.dns_name(), config, CONNECT_DEADLINE);
    Ok((channel.map_err(bad)?, ending))
}

/// What is told of the own certificate before it ends; after its end nobody need be dialled.
fn ending(folder: &str, facts: &CertificateFacts, now_ms: i64) -> Result<Option<String>, Failure> {
    match standing(facts, now_ms) {
        Standing::Fresh | Standing::Due => Ok(None),
        Standing::Ending => {
            let days = days_left(facts.valid_until_ms, now_ms);
            Ok(Some(format!("the certificate in {folder} ends in {days} days: {ANOTHER}")))
        }
        Standing::Ended => {
            let ended = date_time(facts.valid_until_ms, &jiff::tz::TimeZone::UTC);
            Err(Failure::usage(
                format!("the certificate in {folder} ended on {ended} UTC"),
                ANOTHER,
            ))
        }
    }
}

/// How to go on without a certificate that ends.
const ANOTHER: &str = "bellows access issue, by an administrator, or as root on the coordinator's machine over its socket";

/// Whose files are in an identity folder: the one NAME.crt beside authority.crt.
fn holder(folder: &Path) -> Result<String, Failure> {
    let shown = folder.display().to_string();
    let entries = std::fs::read_dir(folder).map_err(|e| Failure::file(&shown, "read", &e))?;
    let mut names = Vec::new();
    for entry in entries {
        let file = entry.map_err(|e| Failure::file(&shown, "read", &e))?.file_name();
        let name = file.to_str().and_then(|file| file.strip_suffix(".crt"));
        names.extend(name.filter(|name| *name != "authority").map(str::to_owned));
    }
    match names.as_slice() {
        [name] => Ok(name.clone()),
        other => Err(Failure::usage(
            format!("{shown} holds {} identities instead of one", other.len()),
            "use a folder with NAME.crt, NAME.key and authority.crt, as `bellows init` makes it in admin/",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_certificate_is_told_of_before_it_ends() {
        const DAY: i64 = crate::clock::DAY_MS;
        let facts = CertificateFacts { valid_until_ms: 730 * DAY, ..CertificateFacts::default() };
        assert_eq!(ending("f", &facts, 600 * DAY).unwrap(), None);
        let told = ending("f", &facts, 700 * DAY).unwrap().unwrap();
        assert!(told.starts_with("the certificate in f ends in 30 days"), "{told}");
        let over = ending("f", &facts, 731 * DAY).unwrap_err();
        assert_eq!(over.exit(), crate::cli::Exit::Usage);
    }
}
