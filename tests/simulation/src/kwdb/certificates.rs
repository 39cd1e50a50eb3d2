//! Certificates of the secure cluster: made once, real ones, since the agents sign with them.

use std::{net::IpAddr, sync::OnceLock};

use camino::Utf8Path;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use x509_parser::extensions::GeneralName;

use super::super::{machine::Machine, tools::Installed};

/// The installer's folder.
const FOLDER: &str = "/etc/kaiwudb/certs";

/// The authority: certificate and key, PEM.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Option<&'static Authority> {
    static MADE: OnceLock<Option<Authority>> = OnceLock::new();
    MADE.get_or_init(make).as_ref()
}

fn make() -> Option<Authority> {
    let key = KeyPair::generate().ok()?;
    let mut params = named("Cockroach CA", &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let certificate = params.self_signed(&key).ok()?.pem();
    Some(Authority { certificate, issuer: Issuer::new(params, key) })
}

fn named(name: &str, addresses: &[IpAddr]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names =
        addresses.iter().map(|address| SanType::IpAddress(*address)).collect();
    params
}

/// What the installer put on the host of a member; the first one's has the authority's key.
pub(super) fn files(number: u8) -> Vec<Installed> {
    made(number).unwrap_or_default()
}

fn made(number: u8) -> Option<Vec<Installed>> {
    let authority = authority()?;
    let own = format!("10.0.0.{number}").parse().ok()?;
    let mut files = vec![file("ca.crt", authority.certificate.clone(), 0o644)];
    if number == 1 {
        files.push(file("ca.key", authority.issuer.key().serialize_pem(), 0o700));
    }
    for (name, file_name, addresses) in
        [("node", "node", vec![own, [127, 0, 0, 1].into()]), ("root", "client.root", Vec::new())]
    {
        let key = KeyPair::generate().ok()?;
        let signed = named(name, &addresses).signed_by(&key, &authority.issuer).ok()?;
        files.push(file(&format!("{file_name}.crt"), signed.pem(), 0o644));
        files.push(file(&format!("{file_name}.key"), key.serialize_pem(), 0o700));
    }
    Some(files)
}

fn file(name: &str, text: String, mode: u32) -> Installed {
    Installed {
        path: Utf8Path::new(FOLDER).join(name),
        bytes: text.into_bytes(),
        mode,
        owner: super::installed::USER,
    }
}

fn text(machine: &Machine, path: &Utf8Path) -> Option<String> {
    let bytes = machine.disk(|disk| disk.bytes(path).map(<[u8]>::to_vec))?;
    String::from_utf8(bytes).ok()
}

/// Whether a client finds what it needs in a folder.
pub(super) fn loads(machine: &Machine, folder: &Utf8Path) -> bool {
    ["ca.crt", "client.root.crt", "client.root.key"]
        .iter()
        .all(|name| machine.disk(|disk| disk.bytes(&folder.join(name)).is_some()))
}

/// Whether a node can be started with what lies in a folder.
///
/// # Errors
/// What does not fit.
pub(super) fn fit(machine: &Machine, folder: &str) -> Result<(), String> {
    let read = |name: &str| {
        let path = Utf8Path::new(folder).join(name);
        text(machine, &path).ok_or_else(|| format!("cannot load certificates: no {path}"))
    };
    let ours = authority().map(|authority| authority.certificate.trim().to_owned());
    if Some(read("ca.crt")?.trim()) != ours.as_deref() {
        return Err("x509: certificate signed by unknown authority".to_owned());
    }
    let key = KeyPair::from_pem(&read("node.key")?).map_err(|error| error.to_string())?;
    let pem = read("node.crt")?;
    let (_, pem) =
        x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|error| error.to_string())?;
    let certificate = pem.parse_x509().map_err(|error| error.to_string())?;
    if certificate.public_key().subject_public_key.data != rcgen::PublicKeyData::der_bytes(&key) {
        return Err("tls: private key does not match public key".to_owned());
    }
    let names = certificate.subject_alternative_name().ok().flatten();
    let wanted = machine.address.octets();
    let fits = names.is_some_and(|names| {
        let own = GeneralName::IPAddress(&wanted);
        names.value.general_names.contains(&own)
    });
    if fits { Ok(()) } else { Err(format!("the certificate is not for {}", machine.address)) }
}
