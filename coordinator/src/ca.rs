//! The site's own certificate authority: makes it, issues for roles, signs agents' requests.
//!
//! It chooses every name that it issues: of a request only the public key is taken. It knows
//! no store and no network; who may ask for what is decided by its callers.

pub mod rotation;
mod token;

use bellows_proto::{
    digest,
    identity::{Identity, IdentityError, Role},
    names::HostName,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
    SanType, SerialNumber, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

pub use rotation::Authorities;
pub use token::{Token, TokenFormatError};

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;
/// The authority itself is valid for so long, in seconds.
pub const AUTHORITY_VALID_S: u64 = 20 * 365 * DAY;
/// What it issues to agents and coordinators is valid for so long, in seconds: they renew it themselves.
pub const ISSUED_VALID_S: u64 = 365 * DAY;
/// What it issues to users is valid for so long, in seconds.
pub const USER_VALID_S: u64 = 2 * 365 * DAY;
/// Certificates are valid from so long before they are made, in seconds: clocks differ.
const BEFORE_S: u64 = DAY;
/// The largest certificate request that is looked at.
const MAX_REQUEST_BYTES: usize = 16 << 10;

/// Why the authority does not do it.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A certificate or key cannot be made.
    #[error("the authority cannot make a certificate")]
    Make(#[source] rcgen::Error),
    /// The stored authority cannot be read, or certificate and key do not belong together.
    #[error("the authority's {what} cannot be used: {reason}")]
    Authority {
        /// "certificate" or "private key".
        what: &'static str,
        /// Why; never the key.
        reason: String,
    },
    /// The request cannot be read, or its signature is wrong.
    #[error("the certificate request cannot be used: {0}")]
    Request(String),
    /// The name does not fit into a certificate of ours.
    #[error("{name:?} cannot stand in a certificate")]
    Name {
        /// The identity's URI.
        name: String,
        /// Why.
        source: IdentityError,
    },
    /// What was issued cannot be read back.
    #[error("a certificate that was issued cannot be used")]
    Issued(#[from] bellows_proto::tls::TlsError),
    /// No random bytes, or a clock that stands before 1970.
    #[error("the system has no {0}")]
    System(&'static str),
}

/// A certificate with its private key, both PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The private key. To be kept from everybody else.
    pub private_key: zeroize::Zeroizing<String>,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Issued(..)")
    }
}

/// A signed request.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The certificate, PEM.
    pub certificate: String,
    /// SHA-256 of the public key (SubjectPublicKeyInfo, DER): the host's identity.
    pub key_fingerprint: [u8; 32],
}

/// The authority of one site.
pub struct Authority {
    site: String,
    certificate: String,
    fingerprint: String,
    digest: [u8; 32],
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("site", &self.site)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes a new authority for the site of this UUID. The caller keeps what is returned.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn create(site: &str, now_ms: i64) -> Result<Issued, CaError> {
        let key = KeyPair::generate().map_err(CaError::Make)?;
        let mut params = params(now_ms, AUTHORITY_VALID_S)?;
        params.distinguished_name = subject(&format!("Bellows authority of site {site}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(CaError::Make)?;
        Ok(Issued { certificate: certificate.pem(), private_key: key.serialize_pem().into() })
    }

    /// The authority from its PEM texts.
    ///
    /// # Errors
    /// If they cannot be read or do not belong together.
    pub fn load(site: &str, certificate: &str, private_key: &str) -> Result<Self, CaError> {
        let unusable = |what, reason: &dyn std::fmt::Display| CaError::Authority {
            what,
            reason: reason.to_string(),
        };
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|error| unusable("certificate", &error))?;
        let key_der = PrivateKeyDer::from_pem_slice(private_key.as_bytes())
            .map_err(|error| unusable("private key", &error))?;
        let provider = rustls::crypto::ring::default_provider();
        rustls::sign::CertifiedKey::from_der(vec![der.clone()], key_der, &provider)
            .map_err(|error| unusable("private key", &error))?;
        let key =
            KeyPair::from_pem(private_key).map_err(|error| unusable("private key", &error))?;
        let issuer =
            Issuer::from_ca_cert_der(&der, key).map_err(|error| unusable("certificate", &error))?;
        Ok(Self {
            site: site.to_owned(),
            certificate: certificate.to_owned(),
            fingerprint: digest::hex(&digest::of_bytes(&der)),
            digest: digest::of_bytes(&der),
            issuer,
        })
    }

    /// UUID of its site.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// Its certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// SHA-256 of its certificate (DER), lower-case hexadecimal: what enrolment tokens pin.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The same, as it is.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Makes a key and a certificate for a holder of this site: the coordinator, or a user's
    /// set of files. An agent makes its key itself, see [`Authority::sign`].
    ///
    /// # Errors
    /// If the name does not fit into a certificate or no key can be made.
    pub fn issue(&self, role: Role, name: &str, now_ms: i64) -> Result<Issued, CaError> {
        let key = KeyPair::generate().map_err(CaError::Make)?;
        Ok(Issued {
            certificate: self.certify(role, name, &key, now_ms)?,
            private_key: key.serialize_pem().into(),
        })
    }

    /// Signs the request of a host's agent. Nothing but the public key is taken from it.
    ///
    /// # Errors
    /// If the request cannot be read or is not signed by its own key.
    pub fn sign(&self, request: &str, host: &HostName, now_ms: i64) -> Result<Signed, CaError> {
        self.sign_as(request, Role::Agent, host.as_str(), now_ms)
    }

    /// Signs the request of a user. Nothing but the public key is taken from it.
    ///
    /// # Errors
    /// If the request cannot be read or is not signed by its own key, or the name does not fit.
    pub fn sign_as(
        &self,
        request: &str,
        role: Role,
        name: &str,
        now_ms: i64,
    ) -> Result<Signed, CaError> {
        if request.len() > MAX_REQUEST_BYTES {
            return Err(CaError::Request(format!("it is longer than {MAX_REQUEST_BYTES} bytes")));
        }
        let request = CertificateSigningRequestParams::from_pem(request)
            .map_err(|error| CaError::Request(error.to_string()))?;
        let key = &request.public_key;
        Ok(Signed {
            certificate: self.certify(role, name, key, now_ms)?,
            key_fingerprint: digest::of_bytes(&key.subject_public_key_info()),
        })
    }

    fn certify(
        &self,
        role: Role,
        name: &str,
        key: &impl PublicKeyData,
        now_ms: i64,
    ) -> Result<String, CaError> {
        let identity = checked(Identity { site: self.site.clone(), role, name: name.to_owned() })?;
        let text = |text: String| text.as_str().try_into().map_err(CaError::Make);
        let mut params = params(now_ms, valid_s(role))?;
        params.distinguished_name = subject(&identity.to_string());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages(role);
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names =
            vec![SanType::URI(text(identity.uri())?), SanType::DnsName(text(identity.dns_name())?)];
        let certificate = params.signed_by(key, &self.issuer).map_err(CaError::Make)?;
        Ok(certificate.pem())
    }
}

/// A new private key and a request for it, both PEM: for whoever keeps the key.
///
/// # Errors
/// If no key can be made.
pub fn request() -> Result<(zeroize::Zeroizing<String>, String), CaError> {
    let key = KeyPair::generate().map_err(CaError::Make)?;
    let request = CertificateParams::default().serialize_request(&key).map_err(CaError::Make)?;
    Ok((key.serialize_pem().into(), request.pem().map_err(CaError::Make)?))
}

/// Only what reads back as the same identity is issued.
fn checked(identity: Identity) -> Result<Identity, CaError> {
    let uri = identity.uri();
    let refuse = |source| CaError::Name { name: uri.clone(), source };
    let back = Identity::from_uri(&uri).map_err(refuse)?;
    if back == identity { Ok(identity) } else { Err(refuse(IdentityError::Form)) }
}

/// What TLS lets the holder be. Users never serve. An agent may call too: what it may do then
/// is decided by its role, in one place for all.
fn usages(role: Role) -> Vec<ExtendedKeyUsagePurpose> {
    match role {
        Role::Coordinator | Role::Agent => {
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
        }
        Role::Viewer | Role::Operator | Role::Admin => vec![ExtendedKeyUsagePurpose::ClientAuth],
    }
}

fn valid_s(role: Role) -> u64 {
    match role {
        Role::Coordinator | Role::Agent => ISSUED_VALID_S,
        Role::Viewer | Role::Operator | Role::Admin => USER_VALID_S,
    }
}

fn subject(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Serial number and time of validity.
fn params(now_ms: i64, valid_s: u64) -> Result<CertificateParams, CaError> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(|_| CaError::System("random bytes"))?;
    // A positive number, as X.509 wants it.
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    let now_s = u64::try_from(now_ms / 1000).map_err(|_| CaError::System("valid clock"))?;
    let at = |seconds| date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(seconds);
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = at(now_s.saturating_sub(BEFORE_S));
    params.not_after = at(now_s.min(MAX_NOW_S) + valid_s);
    Ok(params)
}

/// The year 5138: a later clock would make dates that cannot be written.
const MAX_NOW_S: u64 = 100_000_000_000;

#[cfg(test)]
mod tests;
