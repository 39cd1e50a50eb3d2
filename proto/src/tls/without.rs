//! Servers whose key is not accepted any more, whatever their certificate says.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Credentials, TlsError, certificates, private_key, provider, roots};

/// As [`super::client_config`], but no server whose key is `revoked` (asked by the SHA-256 of its
/// SubjectPublicKeyInfo, DER) is accepted. Each connection asks: nothing is resumed.
///
/// # Errors
/// As [`super::client_config`].
pub fn client_config_without(
    credentials: &Credentials,
    revoked: impl Fn(&[u8; 32]) -> bool + Send + Sync + 'static,
) -> Result<Arc<ClientConfig>, TlsError> {
    let inner =
        WebPkiServerVerifier::builder_with_provider(roots(&credentials.authority)?, provider())
            .build()
            .map_err(|e| TlsError::Verifier(e.to_string()))?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Without { inner, revoked: Box::new(revoked) }))
        .with_client_auth_cert(
            certificates(&credentials.certificate, "certificate")?,
            private_key(&credentials.private_key)?,
        )?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Whether a key is not accepted any more.
type Revoked = dyn Fn(&[u8; 32]) -> bool + Send + Sync;

/// The usual verification, and then a look at what was revoked.
struct Without {
    inner: Arc<WebPkiServerVerifier>,
    revoked: Box<Revoked>,
}

impl std::fmt::Debug for Without {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Without(..)")
    }
}

impl ServerCertVerifier for Without {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        let key = key_of(end_entity).ok_or(CertificateError::BadEncoding)?;
        if (self.revoked)(&key) { Err(CertificateError::Revoked.into()) } else { Ok(verified) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// SHA-256 of a certificate's public key (SubjectPublicKeyInfo, DER); `None`: it is none.
pub(super) fn key_of(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(crate::digest::of_bytes(certificate.public_key().raw))
}
