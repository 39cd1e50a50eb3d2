//! What the authority's host does for a new node: it signs, and chooses every name itself. Of a request only the public key is
//! taken. The authority's key stays where it is.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use bellows_proto::{
    digest,
    v1::{Fault, FaultCode, KwdbForgetSigned, KwdbSignCertificates, KwdbSigned, NodeRef},
};
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
    SerialNumber, date_time_ymd,
};

use super::{
    AUTHORITY, AUTHORITY_KEY, CLIENT, NODE, Pair, Parsed, SignedHere, folder, keys,
    read_certificate, signed_path,
};
use crate::{
    facilities::{Local, Runner as _, claims::names, record, secrets},
    host::Access,
    tools::{
        JobContext, Note,
        kwdb::{
            session::{led, required},
            values,
        },
    },
};

/// `kwbase cert` gives five years.
const VALID_S: i64 = 5 * 365 * 24 * 3600;
/// Clocks differ.
const BEFORE_S: i64 = 24 * 3600;
/// More are forgotten, the oldest first: whoever asked for them has long placed them.
const KEPT: usize = 16;
/// A request is not longer.
const LONGEST_REQUEST: usize = 16 << 10;

/// Signs what a new node asked for, unless it has signed just these keys.
pub(in crate::tools::kwdb) async fn sign_certificates(
    action: &KwdbSignCertificates,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let at = led(local, action.at.as_ref())?;
    let node = required(action.node.as_ref())?;
    names(node)?;
    let address = values::address("address", &action.address)?;
    let own = public_key(&action.node_request)?;
    let client = public_key(&action.client_request)?;
    let fingerprint = |request: &CertificateSigningRequestParams| {
        digest::of_bytes(&request.public_key.subject_public_key_info()).to_vec()
    };
    let wanted = KwdbSigned {
        node: Some(node.clone()),
        node_key: fingerprint(&own),
        client_key: fingerprint(&client),
        ..KwdbSigned::default()
    };
    let mut known = known(local)?;
    let for_address = |one: &KwdbSigned| {
        let hosts = Parsed::of(&one.node_certificate).map(|it| it.hosts()).unwrap_or_default();
        hosts.contains(&address.to_string())
    };
    let same = |one: &KwdbSigned| {
        one.node == wanted.node
            && one.node_key == wanted.node_key
            && one.client_key == wanted.client_key
            && for_address(one)
    };
    if known.signed.iter().any(same) {
        return Ok("these keys have their certificates".to_owned());
    }
    let authority = Authority::load(local, &at)?;
    let now_s = local.clock.now_ms() / 1000;
    let signed = KwdbSigned {
        node_certificate: authority.certify(NODE, &own.public_key, Some(address), now_s)?,
        client_certificate: authority.certify(CLIENT, &client.public_key, None, now_s)?,
        ..wanted
    };
    known.signed.retain(|one| one.node.as_ref() != Some(node));
    known.signed.push(signed);
    let over = known.signed.len().saturating_sub(KEPT);
    known.signed.drain(..over);
    put(local, &known)?;
    Ok(format!("certificates for {} at {address} are signed", node.node))
}

/// Forgets what was signed for a node. The certificates stay what they are.
pub(in crate::tools::kwdb) async fn forget_signed(
    action: &KwdbForgetSigned,
    context: &JobContext,
) -> Result<Note, Fault> {
    let node: &NodeRef = required(action.node.as_ref())?;
    let mut known = known(context.local())?;
    let before = known.signed.len();
    known.signed.retain(|one| one.node.as_ref() != Some(node));
    if known.signed.len() != before {
        put(context.local(), &known)?;
    }
    Ok(format!("nothing that was signed for {} is kept", node.node))
}

fn known(local: &Local) -> Result<SignedHere, Fault> {
    Ok(record::read(local.host.as_ref(), &signed_path(local))?.unwrap_or_default())
}

fn put(local: &Local, known: &SignedHere) -> Result<(), Fault> {
    if known.signed.is_empty() {
        return Ok(local.host.remove_file(&signed_path(local))?);
    }
    local.host.create_directory(&folder(local), &Access::PRIVATE_DIRECTORY)?;
    record::write(local.host.as_ref(), &signed_path(local), known)
}

fn public_key(request: &str) -> Result<CertificateSigningRequestParams, Fault> {
    let invalid = |reason: String| {
        Fault::new(FaultCode::Invalid, format!("the certificate request cannot be used: {reason}"))
    };
    if request.len() > LONGEST_REQUEST {
        return Err(invalid(format!("it is longer than {LONGEST_REQUEST} bytes")));
    }
    CertificateSigningRequestParams::from_pem(request).map_err(|error| invalid(error.to_string()))
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Seconds since 1970.
    ends_s: i64,
}

impl Authority {
    fn load(local: &Local, at: &values::Node) -> Result<Self, Fault> {
        let unusable = |reason: String| {
            Fault::new(FaultCode::Secret, reason).remedy(format!(
                "have ca.crt and ca.key of the cluster in {}, the key readable for its owner alone; or place the new node's certificates by hand",
                at.certs_dir
            ))
        };
        let certificate = at.certs_dir.file(AUTHORITY);
        let path = at.certs_dir.file(AUTHORITY_KEY);
        let authority = read_certificate(local, &certificate)?
            .ok_or_else(|| unusable(format!("{certificate} is not there, or is no certificate")))?;
        let secret = secrets::read(local, &path).map_err(|fault| unusable(fault.message))?;
        let key = keys::load(secret.expose())
            .map_err(|error| unusable(format!("{path} cannot be used: {error}")))?;
        if digest::of_bytes(&key.subject_public_key_info()).to_vec() != authority.key() {
            return Err(unusable(format!("{path} does not belong to {certificate}")));
        }
        let ends_s = authority.valid_until_ms() / 1000;
        let der = authority.der.as_slice().into();
        let issuer = Issuer::from_ca_cert_der(&der, key)
            .map_err(|error| unusable(format!("{certificate} cannot be used: {error}")))?;
        Ok(Self { issuer, ends_s })
    }

    fn certify(
        &self,
        pair: Pair,
        key: &impl PublicKeyData,
        address: Option<IpAddr>,
        now_s: i64,
    ) -> Result<String, Fault> {
        let failed = |error: rcgen::Error| {
            Fault::new(FaultCode::Internal, format!("no certificate can be made: {error}"))
        };
        if self.ends_s <= now_s {
            return Err(Fault::new(FaultCode::Secret, "the cluster's authority has ended")
                .remedy("renew the cluster's certificates by hand first"));
        }
        let mut params = CertificateParams::default();
        params.serial_number = Some(serial()?);
        let at = |seconds: i64| {
            let seconds = u64::try_from(seconds).unwrap_or_default();
            date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
        };
        params.not_before = at(now_s - BEFORE_S);
        params.not_after = at((now_s + VALID_S).min(self.ends_s));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, pair.name);
        params.is_ca = IsCa::NoCa;
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if let Some(address) = address {
            params.extended_key_usages.insert(0, ExtendedKeyUsagePurpose::ServerAuth);
            let own = "localhost".try_into().map_err(failed)?;
            let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
            let mut addresses = vec![address, loopback];
            addresses.dedup();
            params.subject_alt_names = addresses.into_iter().map(SanType::IpAddress).collect();
            params.subject_alt_names.push(SanType::DnsName(own));
        }
        let certificate = params.signed_by(key, &self.issuer).map_err(failed)?;
        Ok(certificate.pem())
    }
}

fn serial() -> Result<SerialNumber, Fault> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial)
        .map_err(|_| Fault::new(FaultCode::Io, "the system has no random bytes"))?;
    // A positive number, as X.509 wants it.
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    Ok(SerialNumber::from_slice(&serial))
}
