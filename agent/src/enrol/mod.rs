//! Enrolment: the agent makes its key, and gets a certificate of the site's authority for a
//! one-time token. Whom it talks to it knows by the authority's fingerprint in the token.

use std::{str::FromStr, time::Duration};

use bellows_proto::{
    digest,
    identity::{Identity, Role},
    names::HostName,
    tls::{self, Credentials, TlsError},
    v1::{EnrolRequest, Fault, enrolment_client::EnrolmentClient},
};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

mod pinned;

use crate::{
    config::Config,
    facilities::Local,
    host::{Access, HostError},
    tools::host::machine_id,
};

/// The whole exchange.
const DEADLINE: Duration = Duration::from_secs(30);
/// What the TLS client says it looks for; who answers is judged by [`pinned`].
const SERVER_NAME: &str = "enrolment.bellows.internal";

/// An enrolment token. Secret: no `Debug`, no `Display`.
pub struct Token {
    text: zeroize::Zeroizing<String>,
    host: HostName,
    fingerprint: String,
}

/// A text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no enrolment token: it must be bellows1.HOST.SECRET.FINGERPRINT")]
pub struct NoToken;

impl FromStr for Token {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Self, NoToken> {
        let text = text.trim();
        let mut parts = text.split('.');
        let (Some("bellows1"), Some(host), Some(secret), Some(fingerprint), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NoToken);
        };
        let hexadecimal =
            |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if secret.len() < 16 || fingerprint.len() != 64 || !hexadecimal(fingerprint) {
            return Err(NoToken);
        }
        Ok(Self {
            host: host.parse().map_err(|_| NoToken)?,
            fingerprint: fingerprint.to_owned(),
            text: zeroize::Zeroizing::new(text.to_owned()),
        })
    }
}

/// Why enrolment failed. Nothing of it holds the token or the key.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The token is another host's.
    #[error("the token is for host {token}, agent.toml says {configured}")]
    WrongHost {
        /// Whose it is.
        token: String,
        /// Whose it should be.
        configured: String,
    },
    /// The key cannot be made.
    #[error("the key cannot be made: {0}")]
    Key(#[from] rcgen::Error),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The coordinator refused, or did not answer.
    #[error("{0}")]
    Refused(Fault),
    /// What came back is not what was asked for.
    #[error("the coordinator's answer cannot be trusted: {0}")]
    Answer(String),
    /// A file cannot be written.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Enrols this host and writes its identity. An identity that is there already is replaced
/// only once the new one is complete.
///
/// # Errors
/// Why there is no new identity.
pub async fn enrol(
    local: &Local,
    coordinator: &str,
    token: &Token,
) -> Result<Identity, EnrolError> {
    let config = &local.config;
    if token.host != config.agent.host {
        return Err(EnrolError::WrongHost {
            token: token.host.to_string(),
            configured: config.agent.host.to_string(),
        });
    }
    let folder = config.identity_dir();
    local.host.create_directory(&config.agent.data_dir, &Access::PRIVATE_DIRECTORY)?;
    local.host.create_directory(&folder, &Access::PRIVATE_DIRECTORY)?;
    let key = rcgen::KeyPair::generate()?;
    let private_key = zeroize::Zeroizing::new(key.serialize_pem());
    // On disk before it is used: a certificate without its key would be of no use.
    let new_key = folder.join("agent.key.new");
    local.host.write(&new_key, private_key.as_bytes(), &Access::PRIVATE)?;
    let request = rcgen::CertificateParams::default().serialize_request(&key)?.pem()?;
    let reply = ask(local, coordinator, token, request).await?;
    let credentials = Credentials {
        certificate: reply.certificate,
        private_key: private_key.to_string(),
        authority: reply.authority,
    };
    let own = check(&credentials, token, config)?;
    let files = [
        ("agent.key", &credentials.private_key),
        ("agent.crt", &credentials.certificate),
        ("authority.crt", &credentials.authority),
    ];
    for (name, text) in files {
        local.host.write(&folder.join(name), text.as_bytes(), &Access::PRIVATE)?;
    }
    local.host.remove_file(&new_key)?;
    Ok(own)
}

async fn ask(
    local: &Local,
    coordinator: &str,
    token: &Token,
    certificate_request: String,
) -> Result<bellows_proto::v1::EnrolReply, EnrolError> {
    let verifier = pinned::Pinned::new(token.fingerprint.clone());
    let client = tls::pinned_client_config(verifier)?;
    let channel = tls::channel(coordinator, SERVER_NAME, client, DEADLINE)?;
    let mut request = tonic::Request::new(EnrolRequest {
        token: token.text.to_string(),
        certificate_request,
        address: dialled(&local.config),
        machine_id: machine_id(local.host.as_ref()).map_err(EnrolError::Refused)?,
    });
    request.set_timeout(DEADLINE);
    let called = EnrolmentClient::new(channel).enrol(request).await;
    called
        .map(tonic::Response::into_inner)
        .map_err(|status| EnrolError::Refused(bellows_proto::fault::from_status(&status, "")))
}

/// Where the coordinator will dial this agent.
fn dialled(config: &Config) -> String {
    let listen: Option<std::net::SocketAddr> = config.agent.listen.parse().ok();
    match listen {
        Some(listen) if listen.ip().is_unspecified() => {
            std::net::SocketAddr::new(config.agent.address, listen.port()).to_string()
        }
        Some(listen) => listen.to_string(),
        None => config.agent.listen.clone(),
    }
}

/// The authority is the pinned one, and the certificate is for our key and our name.
fn check(
    credentials: &Credentials,
    token: &Token,
    config: &Config,
) -> Result<Identity, EnrolError> {
    let distrust = |reason: &str| EnrolError::Answer(reason.to_owned());
    let authority = CertificateDer::from_pem_slice(credentials.authority.as_bytes())
        .map_err(|_| distrust("its authority cannot be read"))?;
    if digest::hex(&digest::of_bytes(&authority)) != token.fingerprint {
        return Err(distrust("its authority is not the one in the token"));
    }
    // Refuses a certificate that does not belong to the key.
    tls::server_config(credentials)?;
    let own = identity_of(&credentials.certificate).map_err(EnrolError::Answer)?;
    if own.role != Role::Agent || own.name != config.agent.host.as_str() {
        return Err(distrust("the certificate is not for this host"));
    }
    Ok(own)
}

/// Whose certificate a PEM text holds.
///
/// # Errors
/// Why it is nobody's, in words.
pub fn identity_of(pem: &str) -> Result<Identity, String> {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| format!("the certificate cannot be read: {error}"))?;
    Identity::from_certificate(&certificate).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_apart() {
        let fingerprint = "ab".repeat(32);
        let good = format!("bellows1.h1.0123456789abcdef0123.{fingerprint}\n");
        let token: Token = good.parse().unwrap_or_else(|_| panic!("no token"));
        assert_eq!(token.host.as_str(), "h1");
        assert_eq!(token.fingerprint, fingerprint);
        for bad in [
            "",
            "bellows1.h1.0123456789abcdef0123",
            "bellows2.h1.0123456789abcdef0123.x",
            &format!("bellows1.H1.0123456789abcdef0123.{fingerprint}"),
            &format!("bellows1.h1.short.{fingerprint}"),
        ] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }
}
