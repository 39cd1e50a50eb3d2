//! New credentials are looked at before old ones retire.

use std::time::Duration;

use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{ServerName, UnixTime};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{
    Credentials, HANDSHAKE_DEADLINE, TlsError, certificates, client_config, provider, roots,
    server_config,
};

/// Whether a certificate is of the authority and valid at `now_ms`, milliseconds since 1970.
///
/// # Errors
/// Why it is not.
pub fn check_chain(certificate: &str, authority: &str, now_ms: i64) -> Result<(), TlsError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(authority)?, provider())
        .build()
        .map_err(|error| TlsError::Verifier(error.to_string()))?;
    let chain = certificates(certificate, "certificate")?;
    let (first, rest) = chain.split_first().ok_or(crate::identity::IdentityError::Unreadable)?;
    let since = Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
    verifier.verify_client_cert(first, rest, UnixTime::since_unix_epoch(since))?;
    Ok(())
}

/// One handshake of these credentials with themselves, as server and as client: what both ends of a
/// connection will say of them.
///
/// # Errors
/// Why the handshake fails.
pub async fn prove(credentials: &Credentials, server_name: &str) -> Result<(), TlsError> {
    let name = ServerName::try_from(server_name.to_owned())
        .map_err(|_| TlsError::ServerName(server_name.to_owned()))?;
    let acceptor = TlsAcceptor::from(server_config(credentials)?);
    let connector = TlsConnector::from(client_config(credentials)?);
    let (near, far) = tokio::io::duplex(64 * 1024);
    let both = async { tokio::try_join!(acceptor.accept(near), connector.connect(name, far)) };
    let failed = |error| TlsError::Handshake("itself".to_owned(), error);
    let timed_out = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
    let ends = tokio::time::timeout(HANDSHAKE_DEADLINE, both).await;
    ends.map_err(|error| failed(timed_out(error)))?.map_err(failed)?;
    Ok(())
}
