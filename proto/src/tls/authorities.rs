//! Several authorities at once: while a site goes from one to another, certificates of both are trusted.

use std::sync::Arc;

use rustls::{RootCertStore, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{TlsError, certificate_facts, certificates, provider};
use crate::digest;

/// More authorities are not trusted at once.
pub const AUTHORITIES_MOST: usize = 4;

/// The fingerprints (SHA-256 of the DER) of the authorities in a PEM text, in their order.
///
/// # Errors
/// If it cannot be read, or one is no authority, or there are more than [`AUTHORITIES_MOST`].
pub fn authorities(pem: &str) -> Result<Vec<[u8; 32]>, TlsError> {
    let refused = |reason: &str| TlsError::Pem { what: "authority", reason: reason.to_owned() };
    let found = certificates(pem, "authority")?;
    if found.len() > AUTHORITIES_MOST {
        return Err(refused("there are too many certificates in it"));
    }
    let fingerprint = |der: &CertificateDer<'static>| {
        let (_, read) =
            X509Certificate::from_der(der).map_err(|_| refused("it is no certificate"))?;
        if !read.is_ca() {
            return Err(refused("a certificate in it is no authority's"));
        }
        Ok(digest::of_bytes(der))
    };
    found.iter().map(fingerprint).collect()
}

/// Which of the authorities in a PEM text has signed the first certificate of another one, by its
/// fingerprint; `None`: none of them. The certificate may have ended.
pub fn issuer_among(certificate: &str, authorities: &str) -> Option<[u8; 32]> {
    let facts = certificate_facts(certificate).ok()?;
    let own = certificates(certificate, "certificate").ok()?.into_iter().next()?;
    // At its beginning it was valid, and so was whoever signed it.
    let then_ms = facts.valid_from_ms.saturating_add(1000);
    let all = certificates(authorities, "authority").ok()?;
    all.into_iter().find_map(|authority| {
        let fingerprint = digest::of_bytes(&authority);
        verify(&own, authority, then_ms).is_ok().then_some(fingerprint)
    })
}

/// Whether a certificate (DER) is of one of the authorities in a PEM text, and valid at `now_ms`,
/// milliseconds since 1970.
pub fn accepts(authorities: &str, certificate: &CertificateDer<'_>, now_ms: i64) -> bool {
    let all = certificates(authorities, "authority").unwrap_or_default();
    all.into_iter().any(|authority| verify(certificate, authority, now_ms).is_ok())
}

fn verify(
    certificate: &CertificateDer<'_>,
    authority: CertificateDer<'static>,
    at_ms: i64,
) -> Result<(), TlsError> {
    let mut store = RootCertStore::empty();
    store.add(authority)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider())
        .build()
        .map_err(|error| TlsError::Verifier(error.to_string()))?;
    let since = std::time::Duration::from_millis(u64::try_from(at_ms).unwrap_or(0));
    verifier.verify_client_cert(certificate, &[], UnixTime::since_unix_epoch(since))?;
    Ok(())
}
