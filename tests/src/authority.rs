//! Certificate authorities of a test's own: to be a stranger, or to be somebody in another
//! role. They name holders as the site's authority does.

use std::sync::Arc;

use anyhow::{Context, Result};
use bellows_proto::{
    identity::{Identity, Role},
    tls::Credentials,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::{ClientConfig, RootCertStore, version::TLS13};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

/// An authority of a test.
pub struct Authority {
    site: String,
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes one for a site of this id.
    ///
    /// # Errors
    /// The certificate library refuses.
    pub fn new(site: &str) -> Result<Self> {
        let key = KeyPair::generate().context("a key")?;
        let mut params = CertificateParams::new(Vec::new()).context("parameters")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).context("an authority")?;
        Ok(Self {
            site: site.to_owned(),
            certificate: certificate.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Its certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Key and certificate of a holder, for a role at the authority's site.
    ///
    /// # Errors
    /// The certificate library refuses.
    pub fn issue(&self, role: Role, name: &str) -> Result<Credentials> {
        self.issue_for(&self.site, role, name)
    }

    /// As [`Authority::issue`], for another site.
    ///
    /// # Errors
    /// As there.
    pub fn issue_for(&self, site: &str, role: Role, name: &str) -> Result<Credentials> {
        let identity = Identity { site: site.to_owned(), role, name: name.to_owned() };
        let key = KeyPair::generate().context("a key")?;
        let mut params = CertificateParams::new(vec![identity.dns_name()]).context("parameters")?;
        let uri = identity.uri().try_into().context("a name")?;
        params.subject_alt_names.push(SanType::URI(uri));
        let certificate = params.signed_by(&key, &self.issuer).context("a certificate")?;
        Ok(Credentials {
            certificate: certificate.pem(),
            private_key: key.serialize_pem(),
            authority: self.certificate.clone(),
        })
    }

    /// A client that trusts this authority and shows no certificate.
    ///
    /// # Errors
    /// The TLS library refuses.
    pub fn anonymous(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).context("PEM")?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }
}
