//! What the authority issues, and that it connects: servers and clients over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use bellows_proto::{
    tls::{self, Credentials, Peer},
    v1::{
        EnrolReply, EnrolRequest,
        enrolment_client::EnrolmentClient,
        enrolment_server::{Enrolment, EnrolmentServer},
    },
};
use tonic::{Request, Response, Status, transport::Server};

use super::*;

const SITE: &str = "0e4ecf5a-0000-4000-8000-000000000001";
/// 2026-11-20.
const NOW_MS: i64 = 1_795_000_000_000;

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn authority() -> Authority {
    let made = Authority::create(SITE, now_ms()).unwrap();
    Authority::load(SITE, &made.certificate, &made.private_key).unwrap()
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn identity(role: Role, name: &str) -> Identity {
    Identity { site: SITE.to_owned(), role, name: name.to_owned() }
}

fn credentials(authority: &Authority, role: Role, name: &str) -> Credentials {
    let issued = authority.issue(role, name, now_ms()).unwrap();
    Credentials {
        certificate: issued.certificate,
        private_key: issued.private_key.to_string(),
        authority: authority.certificate().to_owned(),
    }
}

/// An agent's own key and its signed request, as the agent makes it.
fn agent(authority: &Authority, host: &str) -> Credentials {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap();
    let host = host.parse().unwrap();
    let signed = authority.sign(&request.pem().unwrap(), &host, now_ms()).unwrap();
    assert_eq!(signed.key_fingerprint, digest::of_bytes(&key.subject_public_key_info()));
    Credentials {
        certificate: signed.certificate,
        private_key: key.serialize_pem(),
        authority: authority.certificate().to_owned(),
    }
}

#[test]
fn every_role_reads_back_from_its_certificate() {
    let authority = authority();
    for role in Role::ALL {
        let issued = authority.issue(role, "alice", now_ms()).unwrap();
        let read = Identity::from_certificate(&der(&issued.certificate)).unwrap();
        assert_eq!(read, identity(role, "alice"));
    }
    for bad in ["", "Alice", "a/b", "a.b", &"a".repeat(64)] {
        let error = authority.issue(Role::Viewer, bad, now_ms()).unwrap_err();
        assert!(matches!(error, CaError::Name { .. }), "{bad}: {error}");
    }
}

#[test]
fn the_fingerprint_is_that_of_the_certificate() {
    let authority = authority();
    assert_eq!(
        authority.fingerprint(),
        digest::hex(&digest::of_bytes(&der(authority.certificate())))
    );
    assert_eq!(authority.fingerprint().len(), 64);
}

#[test]
fn the_names_in_a_request_are_ignored() {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let mut wish = CertificateParams::default();
    wish.subject_alt_names = vec![
        SanType::URI(identity(Role::Admin, "root").uri().as_str().try_into().unwrap()),
        SanType::DnsName("coordinator.example".try_into().unwrap()),
    ];
    wish.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wish.distinguished_name = subject("root (admin)");
    let request = wish.serialize_request(&key).unwrap().pem().unwrap();
    let host = "h1".parse().unwrap();
    let signed = authority.sign(&request, &host, NOW_MS).unwrap();
    let der = der(&signed.certificate);
    assert_eq!(Identity::from_certificate(&der).unwrap(), identity(Role::Agent, "h1"));
    for wished in ["coordinator.example", "root"] {
        assert!(!der.windows(wished.len()).any(|bytes| bytes == wished.as_bytes()), "{wished}");
    }
}

#[test]
fn requests_that_are_none_are_refused() {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let good = CertificateParams::default().serialize_request(&key).unwrap();
    let mut forged = good.der().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let forged = pem_request(&forged);
    let host = "h1".parse().unwrap();
    for bad in ["", "garbage", authority.certificate(), &forged, &"x".repeat(MAX_REQUEST_BYTES + 1)]
    {
        let error = authority.sign(bad, &host, NOW_MS).unwrap_err();
        assert!(matches!(error, CaError::Request(_)), "{error}");
    }
}

fn pem_request(der: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut body = String::new();
    for three in der.chunks(3) {
        let bits = three
            .iter()
            .chain(&[0, 0])
            .take(3)
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let letter = LETTERS[bits >> shift & 63];
            body.push(if place > three.len() { '=' } else { letter.into() });
        }
    }
    let lines: Vec<_> = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
        lines.join("\n")
    )
}

#[test]
fn an_authority_with_a_foreign_key_is_refused() {
    let one = Authority::create(SITE, NOW_MS).unwrap();
    let two = Authority::create(SITE, NOW_MS).unwrap();
    for (certificate, key) in [
        (one.certificate.as_str(), two.private_key.as_str()),
        ("", &two.private_key),
        (&one.certificate, ""),
    ] {
        let error = Authority::load(SITE, certificate, key).unwrap_err();
        assert!(matches!(error, CaError::Authority { .. }), "{error}");
        assert!(!error.to_string().contains("PRIVATE KEY-----\n"));
    }
}

/// Answers with who called.
struct Mirror;

#[tonic::async_trait]
impl Enrolment for Mirror {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolReply>, Status> {
        let peer = request.extensions().get::<Peer>().unwrap();
        let identity = peer.identity.as_ref().map(ToString::to_string);
        Ok(Response::new(EnrolReply {
            host: identity.unwrap_or_default(),
            ..EnrolReply::default()
        }))
    }
}

/// Calls a server with `server`'s credentials, named `name`, as `client`: who it saw.
async fn call(
    server: &Credentials,
    name: &Identity,
    client: &Credentials,
) -> Result<String, Status> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let incoming = tls::incoming(listener, tls::server_config(server).unwrap(), 8);
    let serving =
        tokio::spawn(Server::builder().serve_with_incoming(EnrolmentServer::new(Mirror), incoming));
    let config = tls::client_config(client).unwrap();
    let deadline = Duration::from_secs(5);
    let channel = tls::channel(&address, &name.dns_name(), config, deadline).unwrap();
    let reply = EnrolmentClient::new(channel).enrol(EnrolRequest::default()).await;
    serving.abort();
    reply.map(|reply| reply.into_inner().host)
}

#[tokio::test]
async fn coordinator_and_agent_connect_and_know_each_other() {
    let authority = authority();
    let coordinator = credentials(&authority, Role::Coordinator, "coordinator");
    let agent = agent(&authority, "h1");
    let h1 = identity(Role::Agent, "h1");
    let seen = call(&agent, &h1, &coordinator).await.unwrap();
    assert_eq!(seen, "coordinator (coordinator)");
    // Another host's agent does not pass for it, whatever its address.
    let h2 = identity(Role::Agent, "h2");
    call(&agent, &h2, &coordinator).await.unwrap_err();
}

#[tokio::test]
async fn every_role_calls_the_coordinator_and_is_known() {
    let authority = authority();
    let coordinator = credentials(&authority, Role::Coordinator, "coordinator");
    let name = identity(Role::Coordinator, "coordinator");
    for role in Role::ALL {
        let client = credentials(&authority, role, "alice");
        let seen = call(&coordinator, &name, &client).await.unwrap();
        assert_eq!(seen, format!("alice ({role})"));
    }
}

#[tokio::test]
async fn a_foreign_authority_is_refused_by_either_end() {
    let (ours, theirs) = (authority(), authority());
    let name = identity(Role::Coordinator, "coordinator");
    let server = credentials(&ours, Role::Coordinator, "coordinator");
    let good = credentials(&ours, Role::Admin, "alice");
    // Shows a foreign certificate, trusts our server.
    let mut foreign = credentials(&theirs, Role::Admin, "alice");
    ours.certificate().clone_into(&mut foreign.authority);
    call(&server, &name, &foreign).await.unwrap_err();
    // Our client at a foreign server.
    let foreign = credentials(&theirs, Role::Coordinator, "coordinator");
    call(&foreign, &name, &good).await.unwrap_err();
    call(&server, &name, &good).await.unwrap();
}

#[tokio::test]
async fn a_user_s_certificate_serves_nobody() {
    let authority = authority();
    let user = credentials(&authority, Role::Admin, "alice");
    let client = credentials(&authority, Role::Coordinator, "coordinator");
    let name = identity(Role::Admin, "alice");
    call(&user, &name, &client).await.unwrap_err();
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = authority();
    let server = credentials(&authority, Role::Coordinator, "coordinator");
    let long_ago = now_ms() - i64::try_from(USER_VALID_S).unwrap() * 1000 - 1000;
    let old = authority.issue(Role::Admin, "alice", long_ago).unwrap();
    let old = Credentials {
        certificate: old.certificate,
        private_key: old.private_key.to_string(),
        authority: authority.certificate().to_owned(),
    };
    let name = identity(Role::Coordinator, "coordinator");
    call(&server, &name, &old).await.unwrap_err();
}
