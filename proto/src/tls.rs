//! mTLS for every connection: TLS 1.3 only, certificates of the site's own authority, no
//! plaintext. One acceptor and one connector, used by agent, coordinator and CLI.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig, client::danger::ServerCertVerifier,
    server::WebPkiClientVerifier, version::TLS13,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tokio_rustls::{TlsAcceptor, TlsConnector, server::TlsStream};
use tonic::transport::{Channel, Endpoint, server::Connected};

use crate::{identity::Identity, v1::CertificateFacts};

mod authorities;
mod live;
mod proof;
mod without;

pub use authorities::{AUTHORITIES_MOST, accepts, authorities, issuer_among};
pub use live::Live;
pub use proof::{check_chain, prove};
pub use without::client_config_without;
use without::key_of;

/// A TLS handshake that takes longer is dropped.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// So many handshakes at once; further connections wait in the kernel's queue.
pub const HANDSHAKES_AT_ONCE: usize = 64;
/// Open connections at once where every peer has shown a certificate of the authority.
pub const CONNECTIONS_AT_ONCE: usize = 512;
/// The same where anybody may connect: the enrolment listener.
pub const STRANGERS_AT_ONCE: usize = 64;
/// HTTP/2 keep-alive of kept channels; there is no other heartbeat.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// No answer to a keep-alive for so long: the channel is dead.
pub const KEEP_ALIVE_DEADLINE: Duration = Duration::from_secs(10);

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// PEM that cannot be read.
    #[error("{what} cannot be read as PEM: {reason}")]
    Pem {
        /// Which: "certificate", "private key", "authority".
        what: &'static str,
        /// The parser's words; never the key.
        reason: String,
    },
    /// rustls refuses it.
    #[error("TLS set-up: {0}")]
    Rustls(#[from] rustls::Error),
    /// A verifier cannot be built.
    #[error("TLS set-up: {0}")]
    Verifier(String),
    /// Nobody is there, or not who should be.
    #[error("no handshake with {0}")]
    Handshake(String, #[source] io::Error),
    /// Not a DNS name.
    #[error("{0:?} is no TLS server name")]
    ServerName(String),
    /// No such address.
    #[error("{0:?} is no address of the form HOST:PORT")]
    Address(String),
    /// A certificate that does not name anybody of ours.
    #[error(transparent)]
    Identity(#[from] crate::identity::IdentityError),
}

/// What an end of a connection shows and trusts. PEM texts.
#[derive(Clone)]
pub struct Credentials {
    /// The own certificate.
    pub certificate: String,
    /// The own private key; never leaves this host, never in an error or log.
    pub private_key: String,
    /// The authority that both ends trust.
    pub authority: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|e| TlsError::Pem { what, reason: e.to_string() })?;
    if found.is_empty() {
        return Err(TlsError::Pem { what, reason: "no certificate in it".to_owned() });
    }
    Ok(found)
}

/// The identity in the first certificate of a PEM text: who one is oneself.
///
/// # Errors
/// If it cannot be read or does not carry exactly one name of ours.
pub fn certificate_identity(pem: &str) -> Result<Identity, TlsError> {
    let found = certificates(pem, "certificate")?;
    let first = found.first().ok_or(crate::identity::IdentityError::Unreadable)?;
    Ok(Identity::from_certificate(first)?)
}

/// Key and time of validity of the first certificate of a PEM text.
///
/// # Errors
/// If it cannot be read.
pub fn certificate_facts(pem: &str) -> Result<CertificateFacts, TlsError> {
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    let found = certificates(pem, "certificate")?;
    let unreadable = || crate::identity::IdentityError::Unreadable;
    let first = found.first().ok_or_else(unreadable)?;
    let key = key_of(first).ok_or_else(unreadable)?;
    let (_, certificate) = X509Certificate::from_der(first).map_err(|_| unreadable())?;
    let validity = certificate.validity();
    Ok(CertificateFacts {
        key: key.to_vec(),
        valid_from_ms: validity.not_before.timestamp().saturating_mul(1000),
        valid_until_ms: validity.not_after.timestamp().saturating_mul(1000),
        authority: Vec::new(),
    })
}

fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|e| TlsError::Pem { what: "private key", reason: e.to_string() })
}

fn roots(authority: &str) -> Result<Arc<RootCertStore>, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(authority, "authority")? {
        store.add(certificate)?;
    }
    Ok(Arc::new(store))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A server that asks every client for a certificate of the authority.
///
/// # Errors
/// If a PEM text cannot be read or key and certificate do not belong together.
pub fn server_config(credentials: &Credentials) -> Result<Arc<ServerConfig>, TlsError> {
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(&credentials.authority)?, provider())
            .build()
            .map_err(|e| TlsError::Verifier(e.to_string()))?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier);
    finish_server(config, credentials)
}

/// A server that no client needs a certificate for: the enrolment listener, nothing else.
///
/// # Errors
/// As [`server_config`].
pub fn enrolment_server_config(credentials: &Credentials) -> Result<Arc<ServerConfig>, TlsError> {
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth();
    finish_server(config, credentials)
}

fn finish_server(
    builder: rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>,
    credentials: &Credentials,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = builder.with_single_cert(
        certificates(&credentials.certificate, "certificate")?,
        private_key(&credentials.private_key)?,
    )?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// A client that shows its certificate and trusts the authority only.
///
/// # Errors
/// If a PEM text cannot be read or key and certificate do not belong together.
pub fn client_config(credentials: &Credentials) -> Result<Arc<ClientConfig>, TlsError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots(&credentials.authority)?)
        .with_client_auth_cert(
            certificates(&credentials.certificate, "certificate")?,
            private_key(&credentials.private_key)?,
        )?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// A client without a certificate that trusts whatever `verifier` does: for enrolment, where
/// only the authority's fingerprint is known.
///
/// # Errors
/// If TLS 1.3 is not to be had from the provider.
pub fn pinned_client_config(
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// Who called. In the extensions of each request that came over TLS.
#[derive(Debug, Clone)]
pub struct Peer {
    /// From the verified certificate; `None`: it showed none, or none of ours.
    pub identity: Option<Identity>,
    /// SHA-256 of its public key (SubjectPublicKeyInfo, DER); `None`: it showed none.
    pub key: Option<[u8; 32]>,
    /// The certificate itself, DER; `None`: it showed none.
    pub certificate: Option<CertificateDer<'static>>,
    /// Where from.
    pub address: Option<SocketAddr>,
}

/// A connection that an acceptor made.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    /// Its place among the open ones; given back when it ends.
    _room: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Connections for `tonic`'s `serve_with_incoming`. Handshakes run side by side, bounded in
/// number and time, so that a peer that says nothing holds nobody else up. At most `most`
/// connections are open at once; further ones wait in the kernel's queue. Each handshake is made
/// with what `config` holds then.
pub fn incoming(
    listener: TcpListener,
    config: impl Into<Live<ServerConfig>>,
    most: usize,
) -> tokio_stream::wrappers::ReceiverStream<io::Result<Connection>> {
    let (accepted, stream) = mpsc::channel(HANDSHAKES_AT_ONCE);
    let config = config.into();
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(HANDSHAKES_AT_ONCE));
        let open = Arc::new(Semaphore::new(most));
        loop {
            let Ok(room) = Arc::clone(&open).acquire_owned().await else { return };
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let socket = tokio::select! {
                () = accepted.closed() => return,
                socket = listener.accept() => socket,
            };
            let Ok((socket, address)) = socket else {
                // Out of file descriptors or an aborted connection: nothing to tell anybody.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let acceptor = TlsAcceptor::from(config.current());
            let accepted = accepted.clone();
            tokio::spawn(async move {
                let _place = place;
                if let Some(connection) = handshake(&acceptor, socket, address, room).await {
                    let _ = accepted.send(Ok(connection)).await;
                }
            });
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(stream)
}

async fn handshake(
    acceptor: &TlsAcceptor,
    socket: TcpStream,
    address: SocketAddr,
    room: OwnedSemaphorePermit,
) -> Option<Connection> {
    let _ = socket.set_nodelay(true);
    let stream =
        tokio::time::timeout(HANDSHAKE_DEADLINE, acceptor.accept(socket)).await.ok()?.ok()?;
    let (_, session) = stream.get_ref();
    let shown = session.peer_certificates().and_then(|chain| chain.first());
    let identity = shown.and_then(|certificate| Identity::from_certificate(certificate).ok());
    let certificate = shown.map(|shown| shown.clone().into_owned());
    let peer = Peer { identity, key: shown.and_then(key_of), certificate, address: Some(address) };
    Some(Connection { stream, peer, _room: room })
}

/// SHA-256 of the public key (SubjectPublicKeyInfo, DER) that the server at `address` (HOST:PORT)
/// shows, by one handshake. Its certificate must be of the authority and carry `server_name`.
///
/// # Errors
/// If it does not answer within `deadline`, or its certificate is not right.
pub async fn peer_key(
    address: &str,
    server_name: &str,
    config: Arc<ClientConfig>,
    deadline: Duration,
) -> Result<[u8; 32], TlsError> {
    let name = ServerName::try_from(server_name.to_owned())
        .map_err(|_| TlsError::ServerName(server_name.to_owned()))?;
    let connecting = async {
        let socket = TcpStream::connect(address).await?;
        TlsConnector::from(config).connect(name, socket).await
    };
    let timed_out = || io::Error::from(io::ErrorKind::TimedOut);
    let stream =
        tokio::time::timeout(deadline, connecting).await.unwrap_or_else(|_| Err(timed_out()));
    let stream = stream.map_err(|error| TlsError::Handshake(address.to_owned(), error))?;
    let (_, session) = stream.get_ref();
    let unreadable = || TlsError::Pem {
        what: "certificate",
        reason: format!("what {address} shows is no certificate"),
    };
    let shown = session.peer_certificates().and_then(|chain| chain.first());
    shown.and_then(key_of).ok_or_else(unreadable)
}

/// A lazily connected, kept channel to `address` (HOST:PORT), whose certificate must carry
/// `server_name`. It reconnects by itself when a call finds it broken, with what `config` holds then.
///
/// # Errors
/// If the address or the name has no valid form. Connecting happens at the first call.
pub fn channel(
    address: &str,
    server_name: &str,
    config: impl Into<Live<ClientConfig>>,
    connect_deadline: Duration,
) -> Result<Channel, TlsError> {
    let name = ServerName::try_from(server_name.to_owned())
        .map_err(|_| TlsError::ServerName(server_name.to_owned()))?;
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|_| TlsError::Address(address.to_owned()))?
        .connect_timeout(connect_deadline)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_DEADLINE)
        .keep_alive_while_idle(true);
    let config = config.into();
    let address = address.to_owned();
    Ok(endpoint.connect_with_connector_lazy(tower::service_fn(move |_: http::Uri| {
        let connector = TlsConnector::from(config.current());
        let (name, address) = (name.clone(), address.clone());
        async move {
            let connecting = async {
                let socket = TcpStream::connect(&address).await?;
                socket.set_nodelay(true)?;
                connector.connect(name, socket).await
            };
            let stream = tokio::time::timeout(HANDSHAKE_DEADLINE, connecting)
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            Ok::<_, io::Error>(hyper_util::rt::TokioIo::new(stream))
        }
    })))
}
