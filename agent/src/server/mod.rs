//! What the agent offers to its coordinator, over mTLS. Translates calls into jobs and
//! answers; decides nothing but who may call. Must not know any system.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bellows_proto::{
    identity::Identity,
    tls::{self, Credentials, TlsError},
    v1::{Fault, FaultCode, agent_server::AgentServer},
};
use camino::Utf8Path;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

mod arriving;
mod roles;
mod service;
mod shown;

pub use roles::{ALLOWED, RoleLayer};
pub use shown::{ENROLLED, Shown, TRIAL};

use crate::{facilities::Local, jobs::Jobs, programs::Programs};

/// So many calls of one connection run at once; further ones wait.
const CALLS_AT_ONCE: usize = 64;
/// After the end was asked for, running calls have so long.
const DRAIN: Duration = Duration::from_secs(3);

/// Why the agent cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It has no identity yet.
    #[error("{path}: {reason}; enrol this host first: bellows-agent enrol")]
    Identity {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Its certificate is another host's.
    #[error("the certificate is of {found}, agent.toml says {configured}")]
    WrongHost {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        configured: String,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// From `agent.toml`.
        address: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// The server ended with an error.
    #[error("the server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// Reads the identity that enrolment left.
///
/// # Errors
/// If a file is missing or the certificate is not this host's.
pub fn identity(local: &Local) -> Result<(Credentials, Identity), ServeError> {
    let folder = local.config.identity_dir();
    let credentials = Credentials {
        certificate: read(&folder.join("agent.crt"))?,
        private_key: read(&folder.join("agent.key"))?,
        authority: read(&folder.join("authority.crt"))?,
    };
    let own = crate::enrol::identity_of(&credentials.certificate).map_err(|reason| {
        ServeError::Identity { path: folder.join("agent.crt").to_string(), reason }
    })?;
    let configured = local.config.agent.host.to_string();
    if own.name != configured || own.role != bellows_proto::identity::Role::Agent {
        return Err(ServeError::WrongHost { found: own.to_string(), configured });
    }
    Ok((credentials, own))
}

fn read(path: &Utf8Path) -> Result<String, ServeError> {
    std::fs::read_to_string(path)
        .map_err(|error| ServeError::Identity { path: path.to_string(), reason: error.to_string() })
}

/// An agent that listens already.
pub struct Listening {
    listener: TcpListener,
    shown: Shown,
    own: Identity,
    /// Where.
    pub address: SocketAddr,
}

/// Reads the identity and listens.
///
/// # Errors
/// If there is no identity or the address cannot be listened at.
pub async fn listen(local: &Local) -> Result<Listening, ServeError> {
    let (credentials, own) = identity(local)?;
    let shown = Shown::new(local.clone(), own.clone(), credentials)?;
    let address = local.config.agent.listen.clone();
    let cannot = |source| ServeError::Listen { address: address.clone(), source };
    let listener = TcpListener::bind(&address).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    Ok(Listening { listener, shown, own, address })
}

impl Listening {
    /// Serves until `stop`; running calls may end then, but not for long: jobs outlive us.
    ///
    /// # Errors
    /// If TLS or the server fails.
    pub async fn serve(
        self,
        local: Local,
        jobs: Jobs,
        programs: Programs,
        stop: CancellationToken,
    ) -> Result<(), ServeError> {
        let incoming = tls::incoming(self.listener, self.shown.live(), tls::CONNECTIONS_AT_ONCE);
        let roles = RoleLayer::new(Arc::from(self.own.site.as_str()), jobs.clone());
        let shown = self.shown.clone();
        let service = service::Service::new(local, jobs, self.shown, programs);
        let service = AgentServer::new(service);
        let serving = Server::builder()
            .http2_keepalive_interval(Some(tls::KEEP_ALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(tls::KEEP_ALIVE_DEADLINE))
            .concurrency_limit_per_connection(CALLS_AT_ONCE)
            .layer(roles)
            .serve_with_incoming_shutdown(service, incoming, stop.clone().cancelled_owned());
        let drained = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            served = serving => Ok(served?),
            () = drained => Ok(()),
            () = shown.take_over() => Ok(()),
        }
    }
}

/// For a message that lacks a part.
fn missing(what: &str) -> Fault {
    Fault::new(FaultCode::Invalid, format!("the {what} is missing"))
}
