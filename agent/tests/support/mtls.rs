//! A site's authority, and an agent that serves over mTLS.
#![allow(dead_code)]

use std::time::Duration;

use bellows_agent::{
    facilities::Local,
    jobs::{Jobs, ShimProgram},
    programs::Programs,
    server,
};
use bellows_proto::{
    digest,
    identity::{Identity, Role},
    tls::{self, Credentials},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair,
    PublicKeyData, SanType,
};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::TestHost;

pub struct Authority {
    pub pem: String,
    pub issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub fn fingerprint(&self) -> String {
        let der = CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap();
        digest::hex(&digest::of_bytes(&der))
    }

    pub fn names(identity: &Identity) -> Vec<SanType> {
        vec![
            SanType::URI(identity.uri().try_into().unwrap()),
            SanType::DnsName(identity.dns_name().try_into().unwrap()),
        ]
    }

    pub fn issue(&self, site: &str, role: Role, name: &str) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let identity = Identity { site: site.into(), role, name: name.into() };
        Credentials {
            certificate: self.certify(&identity, &key),
            private_key: key.serialize_pem(),
            authority: self.pem.clone(),
        }
    }

    /// A certificate for a key, PEM.
    pub fn certify(&self, identity: &Identity, key: &impl PublicKeyData) -> String {
        let mut params = CertificateParams::default();
        params.subject_alt_names = Self::names(identity);
        params.signed_by(key, &self.issuer).unwrap().pem()
    }

    /// A certificate for the key of a request.
    pub fn sign(&self, request: &str, identity: &Identity) -> String {
        let request = CertificateSigningRequestParams::from_pem(request).unwrap();
        self.certify(identity, &request.public_key)
    }
}

/// An agent of site `s`, host `h1`; returns where it listens.
pub async fn serve(host: &TestHost, authority: &Authority) -> String {
    let local = host.local();
    enrolled(&local, &authority.issue("s", Role::Agent, "h1"));
    run(local, CancellationToken::new()).await
}

/// As enrolment leaves it.
pub fn enrolled(local: &Local, own: &Credentials) {
    let folder = local.config.identity_dir();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("agent.crt"), &own.certificate).unwrap();
    std::fs::write(folder.join("agent.key"), &own.private_key).unwrap();
    std::fs::write(folder.join("authority.crt"), &own.authority).unwrap();
}

/// An agent with the identity that is on disk, until `stop`; returns where it listens.
pub async fn run(local: Local, stop: CancellationToken) -> String {
    let listening = server::listen(&local).await.unwrap();
    let address = listening.address.to_string();
    let jobs = Jobs::open(local.clone(), ShimProgram::own(&local)).unwrap();
    let programs = Programs::new(local.clone());
    tokio::spawn(listening.serve(local, jobs, programs, stop));
    address
}

pub fn dial(address: &str, credentials: &Credentials) -> Channel {
    let config = tls::client_config(credentials).unwrap();
    tls::channel(address, "h1.agent.s.bellows.internal", config, Duration::from_secs(5)).unwrap()
}
