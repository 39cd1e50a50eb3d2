//! Certificates of a secure cluster. Keys are made where they are used and stay there; only requests and certificates travel.
//!
//! `kwbase cert` would need `ca.key` on the new host: that is why Bellows makes them itself, of the same names and uses.

use bellows_proto::{
    digest,
    v1::{Fault, KwdbCertificate, KwdbCertificates, KwdbSecurity, KwdbSigned},
};
use camino::{Utf8Path, Utf8PathBuf};
use rcgen::PublicKeyData as _;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

use super::values::Node;
use crate::facilities::{Local, record};

mod keys;
mod leftovers;
mod place;
mod request;
mod sign;

pub(super) use place::{place_certificates, remove_certificates};
pub(super) use request::request_certificates;
pub(super) use sign::{forget_signed, sign_certificates};

/// The authority's certificate.
const AUTHORITY: &str = "ca.crt";
/// The authority's key.
const AUTHORITY_KEY: &str = "ca.key";
/// A file of certificates or a key is not longer.
const LIMIT: u64 = 64 * 1024;

/// A pair of files.
#[derive(Debug, Clone, Copy)]
struct Pair {
    certificate: &'static str,
    key: &'static str,
    /// Common name: what the cluster takes its holder for.
    name: &'static str,
}

/// Of the node itself.
const NODE: Pair = Pair { certificate: "node.crt", key: "node.key", name: "node" };
/// Of the tools that speak with it.
const CLIENT: Pair = Pair { certificate: "client.root.crt", key: "client.root.key", name: "root" };

/// Keys that Bellows made here, and the requests for them.
#[derive(Clone, PartialEq, prost::Message)]
struct Requested {
    /// SHA-256 of the public key.
    #[prost(bytes = "vec", tag = "1")]
    node_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    client_key: Vec<u8>,
    /// PEM.
    #[prost(string, tag = "3")]
    node_request: String,
    #[prost(string, tag = "4")]
    client_request: String,
    /// The folder was not there before.
    #[prost(bool, tag = "5")]
    folder_made: bool,
}

/// What was signed here.
#[derive(Clone, PartialEq, prost::Message)]
struct SignedHere {
    #[prost(message, repeated, tag = "1")]
    signed: Vec<KwdbSigned>,
}

fn folder(local: &Local) -> Utf8PathBuf {
    local.config.agent.data_dir.join("kwdb")
}

/// Names are checked: no reference leads out of the folder.
fn requested_path(local: &Local, node: &Node) -> Utf8PathBuf {
    folder(local).join(format!("requested-{}-{}", node.cluster, node.name))
}

fn requested(local: &Local, node: &Node) -> Result<Option<Requested>, Fault> {
    record::read(local.host.as_ref(), &requested_path(local, node))
}

fn signed_path(local: &Local) -> Utf8PathBuf {
    folder(local).join("signed")
}

/// What this host's authority has signed for nodes of the cluster, the newest last.
///
/// # Errors
/// If the record cannot be read.
pub(super) fn signed(local: &Local, node: &Node) -> Result<Vec<KwdbSigned>, Fault> {
    let known: Option<SignedHere> = record::read(local.host.as_ref(), &signed_path(local))?;
    let mut signed = known.map(|known| known.signed).unwrap_or_default();
    signed.retain(|one| {
        one.node.as_ref().is_some_and(|other| other.cluster == node.cluster.as_str())
    });
    Ok(signed)
}

/// A certificate's parts that matter here.
#[derive(Debug, Clone)]
struct Parsed {
    der: Vec<u8>,
    pem: String,
}

impl Parsed {
    /// The first certificate in a PEM text.
    fn of(pem: &str) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        X509Certificate::from_der(&der).ok()?;
        Some(Self { der: der.to_vec(), pem: pem.to_owned() })
    }

    fn x509(&self) -> Option<X509Certificate<'_>> {
        X509Certificate::from_der(&self.der).ok().map(|(_, parsed)| parsed)
    }

    /// SHA-256 of its public key.
    fn key(&self) -> Vec<u8> {
        self.x509().map(|it| digest::of_bytes(it.public_key().raw).to_vec()).unwrap_or_default()
    }

    fn name(&self) -> String {
        let Some(parsed) = self.x509() else { return String::new() };
        let name = parsed.subject().iter_common_name().next();
        name.and_then(|name| name.as_str().ok()).unwrap_or_default().to_owned()
    }

    fn hosts(&self) -> Vec<String> {
        let Some(parsed) = self.x509() else { return Vec::new() };
        let mut found = Vec::new();
        for extension in parsed.extensions() {
            let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension()
            else {
                continue;
            };
            found.extend(names.general_names.iter().filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                GeneralName::IPAddress(bytes) => address(bytes),
                GeneralName::OtherName(..)
                | GeneralName::RFC822Name(_)
                | GeneralName::X400Address(_)
                | GeneralName::DirectoryName(_)
                | GeneralName::EDIPartyName(..)
                | GeneralName::URI(_)
                | GeneralName::RegisteredID(_)
                | GeneralName::Invalid(..) => None,
            }));
        }
        found
    }

    fn valid_until_ms(&self) -> i64 {
        self.x509().map_or(0, |it| it.validity().not_after.timestamp().saturating_mul(1000))
    }

    fn signed_by(&self, authority: &Self) -> bool {
        let (Some(own), Some(authority)) = (self.x509(), authority.x509()) else { return false };
        own.issuer() == authority.subject()
            && own.verify_signature(Some(authority.public_key())).is_ok()
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::IpAddr::from(bytes).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|bytes| std::net::IpAddr::from(bytes).to_string())
}

/// The certificate in a file; `None`: there is none that can be read.
fn read_certificate(local: &Local, path: &Utf8Path) -> Result<Option<Parsed>, Fault> {
    let found = local.host.read_guarded(path, LIMIT)?;
    Ok(found.and_then(|(bytes, _)| Parsed::of(&String::from_utf8_lossy(&bytes))))
}

/// SHA-256 of the public half of the key in a file; empty: there is none that can be used.
fn read_key(local: &Local, path: &Utf8Path) -> Result<Vec<u8>, Fault> {
    let Some((bytes, _)) = local.host.read_guarded(path, LIMIT)? else { return Ok(Vec::new()) };
    let bytes = zeroize::Zeroizing::new(bytes);
    let key = keys::load(&bytes).ok();
    Ok(key.map(|key| digest::of_bytes(&key.subject_public_key_info()).to_vec()).unwrap_or_default())
}

/// What lies where certificates belong. Of an insecure node nothing is looked at.
///
/// # Errors
/// If a file is there and cannot be read.
pub(super) fn reading(local: &Local, node: &Node) -> Result<KwdbCertificates, Fault> {
    if node.security != KwdbSecurity::Tls {
        return Ok(KwdbCertificates::default());
    }
    let folder = &node.certs_dir;
    let authority = read_certificate(local, &folder.file(AUTHORITY))?;
    let authority_key = read_key(local, &folder.file(AUTHORITY_KEY))?;
    let (own, client) = (
        certificate(local, node, NODE, authority.as_ref())?,
        certificate(local, node, CLIENT, authority.as_ref())?,
    );
    let known = requested(local, node)?.unwrap_or_default();
    let request = |ours: &[u8], there: &[u8], request: String| {
        if !ours.is_empty() && ours == there { request } else { String::new() }
    };
    Ok(KwdbCertificates {
        has_authority_key: !authority_key.is_empty()
            && authority.as_ref().is_some_and(|authority| authority.key() == authority_key),
        authority: authority
            .as_ref()
            .map(|authority| digest::of_bytes(&authority.der).to_vec())
            .unwrap_or_default(),
        authority_pem: authority.map(|authority| authority.pem).unwrap_or_default(),
        node_request: request(&known.node_key, &own.key, known.node_request),
        client_request: request(&known.client_key, &client.key, known.client_request),
        node: Some(own),
        client: Some(client),
        leftovers: leftovers::find(local, node),
    })
}

fn certificate(
    local: &Local,
    node: &Node,
    pair: Pair,
    authority: Option<&Parsed>,
) -> Result<KwdbCertificate, Fault> {
    let key = read_key(local, &node.certs_dir.file(pair.key))?;
    let Some(found) = read_certificate(local, &node.certs_dir.file(pair.certificate))? else {
        return Ok(KwdbCertificate { key, ..KwdbCertificate::default() });
    };
    Ok(KwdbCertificate {
        present: true,
        key_matches: !key.is_empty() && found.key() == key,
        signed_by_authority: authority.is_some_and(|authority| found.signed_by(authority)),
        name: found.name(),
        hosts: found.hosts(),
        valid_until_ms: found.valid_until_ms(),
        key,
    })
}

#[cfg(test)]
mod tests;
