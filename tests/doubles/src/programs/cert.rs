//! `kwbase cert create-ca | create-node | create-client` (facts sections 2.1, 7.1; CockroachDB 20.1 for what a certificate is like): RSA keys as
//! PKCS#1 PEM, `CN=node` and `CN=<user>`, key files of mode 0600.
//!
//! Unconfirmed: the organisation's name, and the words of the refusals beyond their sense.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, SerialNumber, date_time_ymd,
};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey};
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use rustls_pki_types::PrivatePkcs8KeyDer;

use super::{now_ms, say_err, told};
use crate::kwdb::cli::flags::{self, Flag};
use crate::kwdb::time::stamp;
use crate::kwdb::{Failure, Knobs};

const FLAGS: &[Flag] = &[
    ("certs-dir", None, true),
    ("ca-key", None, true),
    ("overwrite", None, false),
    ("allow-ca-key-reuse", None, false),
    ("key-size", None, true),
    ("lifetime", None, true),
];

pub(crate) fn run(argv: &[String], env: &BTreeMap<String, String>, knobs: &Knobs) -> i32 {
    let word = argv.first().map_or("", String::as_str);
    match make(word, argv.get(1..).unwrap_or_default(), env, knobs) {
        Ok(()) => 0,
        Err(failure) => {
            say_err(&told(&failure, format!("cert {word}").trim_end()));
            1
        }
    }
}

fn plain(text: impl Into<String>) -> Failure {
    Failure::plain(text.into())
}

fn make(
    word: &str,
    argv: &[String],
    env: &BTreeMap<String, String>,
    knobs: &Knobs,
) -> Result<(), Failure> {
    let words = flags::split(argv, &[FLAGS], knobs)?;
    let dir = flags::connection(&words, env)?.certs_dir;
    let dir = Path::new(&dir);
    let overwrite = words.is_set("overwrite");
    let size: usize = match words.last("key-size") {
        None => 2_048,
        Some(text) => text.parse().map_err(|_| plain(format!("invalid key size {text}")))?,
    };
    let ca_key = words.last("ca-key").ok_or_else(|| plain("the path to the CA key is required"))?;
    let ca_key = Path::new(ca_key);
    fs::create_dir_all(dir).map_err(|error| {
        plain(format!("could not create certs directory {}: {error}", dir.display()))
    })?;
    match word {
        "create-ca" => create_ca(dir, ca_key, size, overwrite, words.is_set("allow-ca-key-reuse")),
        "create-node" => {
            if words.positional.is_empty() {
                return Err(plain(
                    "create-node requires at least one host name or address, none was specified",
                ));
            }
            create_leaf(dir, ca_key, size, overwrite, "node", "node", &words.positional)
        }
        "create-client" => match words.positional.as_slice() {
            [user] => {
                create_leaf(dir, ca_key, size, overwrite, user, &format!("client.{user}"), &[])
            }
            [] | [..] => {
                Err(plain(format!("accepts 1 arg(s), received {}", words.positional.len())))
            }
        },
        other => Err(plain(format!("unknown command \"{other}\" for \"kwbase cert\""))),
    }
}

/// Writes a file that must not be there yet, unless it may be overwritten.
fn write(path: &Path, text: &str, mode: u32, overwrite: bool) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).mode(mode);
    if overwrite {
        options.truncate(true);
    } else {
        options.create_new(true);
    }
    let failed = |error: std::io::Error| {
        let what = if error.kind() == std::io::ErrorKind::AlreadyExists {
            "file exists".to_owned()
        } else {
            error.to_string()
        };
        plain(format!("could not write file {}: open {}: {what}", path.display(), path.display()))
    };
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

fn new_key(size: usize) -> Result<RsaPrivateKey, Failure> {
    RsaPrivateKey::new(&mut rsa::rand_core::OsRng, size)
        .map_err(|error| plain(format!("could not generate new key: {error}")))
}

fn pem(key: &RsaPrivateKey) -> Result<String, Failure> {
    let text = key.to_pkcs1_pem(LineEnding::LF);
    text.map(|text| text.to_string())
        .map_err(|error| plain(format!("could not encode key: {error}")))
}

/// The key as the signing library takes it.
fn signer(key: &RsaPrivateKey) -> Result<KeyPair, Failure> {
    let failed = |error: &dyn std::fmt::Display| plain(format!("could not use key: {error}"));
    let der = key.to_pkcs8_der().map_err(|error| failed(&error))?;
    let der = PrivatePkcs8KeyDer::from(der.as_bytes());
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_RSA_SHA256).map_err(|error| failed(&error))
}

fn params(name: &str, hosts: &[String], years: i32) -> Result<CertificateParams, Failure> {
    let mut params = CertificateParams::new(hosts)
        .map_err(|error| plain(format!("could not use hosts {hosts:?}: {error}")))?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::OrganizationName, "KwDB");
    params.distinguished_name.push(DnType::CommonName, name);
    let mut serial = [0_u8; 16];
    getrandom::fill(&mut serial).map_err(|error| plain(format!("no random bytes: {error}")))?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    // The real one allows for clocks that are a day behind.
    let (year, month, day) = date(now_ms() - 86_400_000)?;
    params.not_before = date_time_ymd(year, month, day);
    params.not_after = date_time_ymd(year + years, month, day.min(28));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    Ok(params)
}

fn date(ms: i64) -> Result<(i32, u8, u8), Failure> {
    let text = stamp(ms);
    let mut parts = text.split([' ', '-']);
    let mut next = || parts.next().unwrap_or_default();
    let bad = || plain("the clock shows no date");
    let year = next().parse().map_err(|_| bad())?;
    let month = next().parse().map_err(|_| bad())?;
    let day = next().parse().map_err(|_| bad())?;
    Ok((year, month, day))
}

/// An existing key is used again only if that was said; an existing certificate stays behind the new one (CockroachDB's rule).
fn create_ca(
    dir: &Path,
    key_path: &Path,
    size: usize,
    overwrite: bool,
    reuse: bool,
) -> Result<(), Failure> {
    let key = match fs::read_to_string(key_path) {
        Ok(text) if reuse => RsaPrivateKey::from_pkcs1_pem(&text).map_err(|error| {
            plain(format!("could not parse CA key file {}: {error}", key_path.display()))
        })?,
        Ok(_) => {
            return Err(plain(format!(
                "CA key {} exists, but key reuse is disabled",
                key_path.display()
            )));
        }
        Err(_) => {
            let key = new_key(size)?;
            write(key_path, &pem(&key)?, 0o600, overwrite)?;
            key
        }
    };
    let mut params = params("KwDB CA", &[], 10)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    params.key_usages.push(KeyUsagePurpose::ContentCommitment);
    let certificate = params
        .self_signed(&signer(&key)?)
        .map_err(|error| plain(format!("could not generate CA certificate: {error}")))?;
    let path = dir.join("ca.crt");
    let old = fs::read_to_string(&path).unwrap_or_default();
    write(&path, &format!("{}{old}", certificate.pem()), 0o644, overwrite)
}

fn create_leaf(
    dir: &Path,
    ca_key: &Path,
    size: usize,
    overwrite: bool,
    name: &str,
    file: &str,
    hosts: &[String],
) -> Result<(), Failure> {
    let ca_crt = dir.join("ca.crt");
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| {
            let what = if error.kind() == std::io::ErrorKind::NotFound {
                "no such file or directory".to_owned()
            } else {
                error.to_string()
            };
            plain(format!(
                "failed to load CA certificate and key: could not read {}: open {}: {what}",
                path.display(),
                path.display()
            ))
        })
    };
    let ca_text = read(&ca_crt)?;
    let ca = RsaPrivateKey::from_pkcs1_pem(&read(ca_key)?).map_err(|error| {
        plain(format!("could not parse CA key file {}: {error}", ca_key.display()))
    })?;
    let issuer = Issuer::from_ca_cert_pem(&ca_text, signer(&ca)?)
        .map_err(|error| plain(format!("could not parse CA certificate: {error}")))?;
    let key = new_key(size)?;
    let mut params = params(name, hosts, 5)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if name == "node" {
        params.extended_key_usages.insert(0, ExtendedKeyUsagePurpose::ServerAuth);
    }
    let certificate = params
        .signed_by(&signer(&key)?, &issuer)
        .map_err(|error| plain(format!("could not generate certificate: {error}")))?;
    write(&dir.join(format!("{file}.crt")), &certificate.pem(), 0o644, overwrite)?;
    write(&dir.join(format!("{file}.key")), &pem(&key)?, 0o600, overwrite)
}
