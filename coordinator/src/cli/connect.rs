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
    v1::coordinator_client::CoordinatorClient,
};
use hyper_util::rt::TokioIo;
use tonic::{
    Response, Status,
    transport::{Channel, Endpoint},
};

use super::exit::Failure;
use crate::site::{COORDINATOR, load_user};

/// Where the socket is unless something else is said.
pub const DEFAULT_SOCKET: &str = "/run/bellows/bellows.sock";
/// A coordinator that does not take the connection within this time is unreachable.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Observing a cluster takes a few rounds of queries of 6 s.
const CALL_DEADLINE: Duration = Duration::from_secs(90);
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
}

impl Client {
    /// Nothing is dialled before the first call.
    ///
    /// # Errors
    /// If the identity cannot be read or the address has no valid form.
    pub fn new(target: &Target) -> Result<Self, Failure> {
        let channel = match target {
            Target::Socket(path) => unix(path.clone())?,
            Target::Server { address, identity } => remote(address, identity)?,
        };
        let api = CoordinatorClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT);
        Ok(Self { api, target: target.to_string(), answered: Arc::default() })
    }

    /// The content of an answer, or why there is none.
    ///
    /// # Errors
    /// If the call was refused, broke, or took longer than 90 s.
    pub async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(CALL_DEADLINE, call).await {
            Ok(Ok(response)) => {
                self.answered.store(true, Ordering::Relaxed);
                Ok(response.into_inner())
            }
            Ok(Err(status)) => Err(self.failure(&status)),
            Err(_) => {
                let text = format!("no answer within {} s", CALL_DEADLINE.as_secs());
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

fn remote(address: &str, folder: &Path) -> Result<Channel, Failure> {
    let name = holder(folder)?;
    let credentials = load_user(folder, &name).map_err(|e| Failure::site(&e))?;
    let bad = |e: TlsError| Failure::file(&folder.display().to_string(), "used", &e);
    let own = tls::certificate_identity(&credentials.certificate).map_err(bad)?;
    let server = Identity { site: own.site, role: Role::Coordinator, name: COORDINATOR.to_owned() };
    let config = tls::client_config(&credentials).map_err(bad)?;
    tls::channel(address, &server.dns_name(), config, CONNECT_DEADLINE).map_err(bad)
}

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
