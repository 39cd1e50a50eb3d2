//! Mutual TLS with the files of a certificates directory (facts sections 2.1, 2.3, 5): `ca.crt`, `node.crt`, `node.key`, `client.<user>.crt`, `.key`.
//!
//! Key files that others may read are refused, as in CockroachDB 20.1.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What `cannot load certificates` is followed by.
type Bad = String;

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Bad> {
    let bad = |what: &dyn std::fmt::Display| {
        format!("problem with certificate {}: {what}", path.display())
    };
    let all: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| bad(&error))?.collect();
    all.map_err(|error| bad(&error))
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Bad> {
    let bad = |what: &dyn std::fmt::Display| format!("problem with key {}: {what}", path.display());
    let mode = fs::metadata(path).map_err(|error| bad(&error))?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "key file {} has permissions {}, exceeds -rwx------",
            path.display(),
            letters(mode)
        ));
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| bad(&error))
}

fn letters(mode: u32) -> String {
    let bits = (0..9).rev().zip("rwxrwxrwx".chars());
    let set = bits.map(|(bit, letter)| if mode >> bit & 1 == 1 { letter } else { '-' });
    format!("-{}", set.collect::<String>())
}

fn roots(dir: &Path) -> Result<RootCertStore, Bad> {
    let path = dir.join("ca.crt");
    if !path.exists() {
        return Err(format!(
            "problem using security settings: no CA certificate found in {}; does certs dir exist?",
            dir.display()
        ));
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&path)? {
        roots.add(certificate).map_err(|error| format!("problem with CA certificate: {error}"))?;
    }
    Ok(roots)
}

fn pair(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    (dir.join(format!("{name}.crt")), dir.join(format!("{name}.key")))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// What a node shows. `clients`: whoever connects must have a certificate of the same CA.
pub(crate) fn server(dir: &Path, clients: bool) -> Result<Arc<ServerConfig>, Bad> {
    let roots = roots(dir)?;
    let (certificate, private) = pair(dir, "node");
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = if clients {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| error.to_string())?;
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    builder
        .with_single_cert(certificates(&certificate)?, key(&private)?)
        .map(Arc::new)
        .map_err(|error| format!("problem with node certificate: {error}"))
}

/// What a client shows: `client.<user>`, or `node` for a node. `Ok(None)`: there is no such certificate.
pub(crate) fn client(dir: &Path, name: &str) -> Result<Option<Arc<ClientConfig>>, Bad> {
    let roots = roots(dir)?;
    let (certificate, private) = pair(dir, name);
    if !certificate.exists() || !private.exists() {
        return Ok(None);
    }
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(&certificate)?, key(&private)?)
        .map(|config| Some(Arc::new(config)))
        .map_err(|error| format!("problem with certificate {}: {error}", certificate.display()))
}
