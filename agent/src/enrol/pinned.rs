//! Trust in one authority that is known by its fingerprint only: the server sends it along.

use std::sync::Arc;

use bellows_proto::{
    digest,
    identity::{Identity, Role},
};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

#[derive(Debug)]
pub(super) struct Pinned {
    fingerprint: String,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    pub(super) fn new(fingerprint: String) -> Arc<Self> {
        Arc::new(Self { fingerprint, provider: Arc::new(ring::default_provider()) })
    }
}

impl ServerCertVerifier for Pinned {
    /// The chain must end in the pinned authority, and its beginning must be a coordinator.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let refused = |reason| Err(Error::InvalidCertificate(reason));
        let Some(authority) = intermediates
            .iter()
            .find(|found| digest::hex(&digest::of_bytes(found)) == self.fingerprint)
        else {
            return refused(CertificateError::UnknownIssuer);
        };
        let Ok(identity) = Identity::from_certificate(end_entity) else {
            return refused(CertificateError::NotValidForName);
        };
        if identity.role != Role::Coordinator {
            return refused(CertificateError::NotValidForName);
        }
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&self.provider),
        )
        .build()
        .map_err(|error| Error::General(error.to_string()))?;
        // What it says it is was read before it was proven; here it is proven.
        let name = ServerName::try_from(identity.dns_name())
            .map_err(|_| Error::InvalidCertificate(CertificateError::NotValidForName))?;
        verifier.verify_server_cert(end_entity, intermediates, &name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
