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
mod source;

pub use source::TokenArgs;

use crate::{
    config::Config,
    facilities::Local,
    host::{Access, HostError},
    tools::host::machine_id,
};

/// The whole exchange.
const DEADLINE: Duration = Duration::from_secs(30);
/// A file of an identity is not longer.
const LIMIT: u64 = 64 * 1024;
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
    // An earlier enrolment that got its answer and was cut off comes first.
    finish(local)?;
    local.host.create_directory(&config.agent.data_dir, &Access::PRIVATE_DIRECTORY)?;
    local.host.create_directory(&folder, &Access::PRIVATE_DIRECTORY)?;
    let key = rcgen::KeyPair::generate()?;
    let private_key = zeroize::Zeroizing::new(key.serialize_pem());
    // On disk before the token is used up: a disk that is full is told of here.
    local.host.write(&folder.join(fresh(KEY)), private_key.as_bytes(), &Access::PRIVATE)?;
    let request = rcgen::CertificateParams::default().serialize_request(&key)?.pem()?;
    let reply = ask(local, coordinator, token, request).await?;
    let credentials = Credentials {
        certificate: reply.certificate,
        private_key: private_key.to_string(),
        authority: reply.authority,
    };
    let own = check(&credentials, token, config)?;
    replace(local, &credentials)?;
    Ok(own)
}

/// Puts credentials in the place of those that are on disk: as a whole, whenever it is cut off.
///
/// # Errors
/// If a file cannot be written; the old ones are in use then, or the next [`finish`] ends it.
pub fn replace(local: &Local, credentials: &Credentials) -> Result<(), HostError> {
    let folder = local.config.identity_dir();
    let new = [
        (KEY, &credentials.private_key),
        (CERTIFICATE, &credentials.certificate),
        (AUTHORITY, &credentials.authority),
    ];
    for (name, text) in new {
        local.host.write(&folder.join(fresh(name)), text.as_bytes(), &Access::PRIVATE)?;
    }
    local.host.write(&folder.join(COMPLETE), b"", &Access::PRIVATE)?;
    finish(local)
}

/// Trusts other authorities than those on disk, with the same key and certificate.
///
/// # Errors
/// If the file cannot be written; the old ones are trusted then.
pub fn keep_authorities(local: &Local, authorities: &str) -> Result<(), HostError> {
    let path = local.config.identity_dir().join(AUTHORITY);
    local.host.write(&path, authorities.as_bytes(), &Access::PRIVATE)
}

const KEY: &str = "agent.key";
const CERTIFICATE: &str = "agent.crt";
const AUTHORITY: &str = "authority.crt";
/// It is there while the new files are complete but may not all be in use yet.
const COMPLETE: &str = "complete.new";

fn fresh(name: &str) -> String {
    format!("{name}.new")
}

/// Whether a new identity is on its way into the old one's place.
///
/// # Errors
/// If the folder cannot be read.
pub fn is_unfinished(local: &Local) -> Result<bool, HostError> {
    Ok(local.host.metadata(&local.config.identity_dir().join(COMPLETE))?.is_some())
}

/// Puts a new identity that is complete in the old one's place, as often as it takes: three files
/// cannot be replaced at once, and a key without its certificate is of no use. To be called before
/// the identity is read. Does nothing if there is no new one.
///
/// # Errors
/// If a file cannot be read or written.
pub fn finish(local: &Local) -> Result<(), HostError> {
    let (host, folder) = (local.host.as_ref(), local.config.identity_dir());
    if host.metadata(&folder.join(COMPLETE))?.is_none() {
        return Ok(());
    }
    let names = [KEY, CERTIFICATE, AUTHORITY];
    for name in names {
        let bytes = host.read(&folder.join(fresh(name)), LIMIT)?.map(zeroize::Zeroizing::new);
        if let Some(bytes) = bytes {
            host.write(&folder.join(name), &bytes, &Access::PRIVATE)?;
        }
    }
    // From here on the new files are left-overs.
    host.remove_file(&folder.join(COMPLETE))?;
    for name in names {
        host.remove_file(&folder.join(fresh(name)))?;
    }
    Ok(())
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

    #[test]
    fn an_identity_is_replaced_as_a_whole_whenever_it_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[agent]\nhost = \"h1\"\naddress = \"127.0.0.1\"\ndata_dir = \"{}\"\n",
            folder.path().display()
        );
        let config = crate::config::parse(camino::Utf8Path::new("agent.toml"), &text).unwrap();
        let local = crate::run::local(config).unwrap();
        let identity = folder.path().join("identity");
        let names = [KEY, CERTIFICATE, AUTHORITY];
        let now = || names.map(|name| std::fs::read_to_string(identity.join(name)).unwrap());
        std::fs::create_dir(&identity).unwrap();
        // Cut off after so many of the three were replaced.
        for replaced in 0..=names.len() {
            for (place, name) in names.into_iter().enumerate() {
                let old = if place < replaced { "new" } else { "old" };
                std::fs::write(identity.join(name), old).unwrap();
                std::fs::write(identity.join(fresh(name)), "new").unwrap();
            }
            if replaced == 0 {
                // Without its answer it is none yet.
                finish(&local).unwrap();
                assert_eq!(now(), ["old"; 3]);
            }
            std::fs::write(identity.join(COMPLETE), "").unwrap();
            finish(&local).unwrap();
            assert_eq!(now(), ["new"; 3]);
            assert_eq!(std::fs::read_dir(&identity).unwrap().count(), 3);
            finish(&local).unwrap();
        }
    }
}
