//! The agent over mTLS: who gets in, and enrolment with a pinned authority.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::{sync::Arc, time::Duration};

use bellows_agent::{
    enrol,
    server::{self, ALLOWED},
};
use bellows_proto::{
    fault,
    identity::{Identity, Role},
    tls::{self, Credentials},
    v1::{
        AskRequest, EnrolReply, EnrolRequest, FaultCode, HelloRequest, HostFactsQuery, HostQuery,
        Query, StartJobRequest,
        agent_client::AgentClient,
        answer,
        enrolment_server::{Enrolment, EnrolmentServer},
        host_answer, host_query, query,
    },
};
use rcgen::CertificateSigningRequestParams;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use support::{
    TestHost,
    mtls::{Authority, dial, serve},
};
use tonic::{Request, Response, Status, client::Grpc, transport::Channel};

#[test]
fn shim() {
    support::be_a_shim_if_asked();
}

async fn call(channel: Channel, path: &'static str) -> Result<(), Status> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let codec = tonic_prost::ProstCodec::<HelloRequest, ()>::default();
    let path = http::uri::PathAndQuery::from_static(path);
    let request = Request::new(HelloRequest {});
    // Most calls refuse an empty message, but not by the caller's role. An answer is a stream of one.
    let answered = match grpc.server_streaming(request, path, codec).await {
        Ok(answers) => answers.into_inner().message().await,
        Err(status) => Err(status),
    };
    match answered {
        Ok(_) => Ok(()),
        Err(status) if fault::from_status(&status, "").code() == FaultCode::Invalid => Ok(()),
        Err(status) => Err(status),
    }
}

#[tokio::test]
async fn every_call_is_for_the_coordinator_of_the_site_only() {
    let (host, authority, foreign) = (TestHost::new(), Authority::new(), Authority::new());
    let address = serve(&host, &authority).await;
    for (path, _) in ALLOWED {
        for role in Role::ALL {
            let channel = dial(&address, &authority.issue("s", role, "x"));
            let outcome = call(channel, path).await;
            if role == Role::Coordinator {
                outcome.unwrap_or_else(|status| panic!("{path}: {status:?}"));
            } else {
                let fault = fault::from_status(&outcome.unwrap_err(), "h1");
                assert_eq!(fault.code(), FaultCode::Denied, "{path} {role}: {fault}");
            }
        }
        let other_site = authority.issue("t", Role::Coordinator, "coordinator");
        let refused = call(dial(&address, &other_site), path).await.unwrap_err();
        assert_eq!(fault::from_status(&refused, "").code(), FaultCode::Denied);
        // Its own authority is not ours; it trusts ours, so that only the agent can refuse.
        let mut stranger = foreign.issue("s", Role::Coordinator, "coordinator");
        stranger.authority.clone_from(&authority.pem);
        assert!(call(dial(&address, &stranger), path).await.is_err(), "{path}");
    }
    let coordinator = authority.issue("s", Role::Coordinator, "coordinator");
    let unknown = call(dial(&address, &coordinator), "/bellows.v1.Agent/Shell").await;
    assert_eq!(fault::from_status(&unknown.unwrap_err(), "").code(), FaultCode::Denied);
    let file = host.folder.path().join("state/audit/segment.0000000001");
    let log = std::fs::read(file).unwrap();
    let tells = |what: &[u8]| log.windows(what.len()).any(|part| part == what);
    assert!(tells(b"x (viewer) of site s") && tells(b"StartJob"), "refusals are in the audit log");
}

#[tokio::test]
async fn without_a_certificate_nobody_gets_in() {
    let (host, authority) = (TestHost::new(), Authority::new());
    let address = serve(&host, &authority).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = "h1.agent.s.bellows.internal";
    let channel = tls::channel(&address, name, Arc::new(config), Duration::from_secs(5)).unwrap();
    assert!(call(channel, "/bellows.v1.Agent/Hello").await.is_err());
}

#[tokio::test]
async fn facts_are_told_and_faults_travel() {
    let (host, authority) = (TestHost::new(), Authority::new());
    let address = serve(&host, &authority).await;
    let coordinator = authority.issue("s", Role::Coordinator, "coordinator");
    let mut client = AgentClient::new(dial(&address, &coordinator));
    let hello = client.hello(HelloRequest {}).await.unwrap().into_inner();
    assert_eq!((hello.host.as_str(), hello.fences.len()), ("h1", 1));
    let facts = AskRequest {
        query: Some(Query {
            kind: Some(query::Kind::Host(HostQuery {
                kind: Some(host_query::Kind::Facts(HostFactsQuery {})),
            })),
        }),
        deadline_ms: 5000,
        ..AskRequest::default()
    };
    let answer = client.ask(facts).await.unwrap().into_inner().answer.unwrap();
    let Some(answer::Kind::Host(answer)) = answer.kind else {
        panic!("another answer");
    };
    let Some(host_answer::Kind::Facts(facts)) = answer.kind else {
        panic!("no facts");
    };
    assert!(facts.c_library.starts_with("glibc 2."), "{facts:?}");
    assert!(!facts.addresses.is_empty() && facts.page_size >= 4096 && facts.clock_ms > 0);
    let refused = client.start_job(StartJobRequest::default()).await.unwrap_err();
    let fault = fault::from_status(&refused, "");
    assert_eq!((fault.code(), fault.host.as_str()), (FaultCode::Invalid, "h1"));
}

struct FakeEnrolment {
    authority: Arc<Authority>,
    name: &'static str,
    answer_with: String,
}

#[tonic::async_trait]
impl Enrolment for FakeEnrolment {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolReply>, Status> {
        let request = request.into_inner();
        let mut signing =
            CertificateSigningRequestParams::from_pem(&request.certificate_request).unwrap();
        let identity = Identity { site: "s".into(), role: Role::Agent, name: self.name.into() };
        signing.params.subject_alt_names = Authority::names(&identity);
        let certificate = signing.signed_by(&self.authority.issuer).unwrap().pem();
        Ok(Response::new(EnrolReply {
            certificate,
            authority: self.answer_with.clone(),
            host: self.name.into(),
            site: "s".into(),
        }))
    }
}

async fn enrolment(authority: &Arc<Authority>, own: Credentials, fake: FakeEnrolment) -> String {
    let mut own = own;
    own.certificate.push_str(&authority.pem);
    let config = tls::enrolment_server_config(&own).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tonic::transport::Server::builder()
        .serve_with_incoming(EnrolmentServer::new(fake), tls::incoming(listener, config, 8));
    tokio::spawn(serving);
    address
}

fn token(host: &str, fingerprint: &str) -> enrol::Token {
    let text = format!("bellows1.{host}.{}.{fingerprint}", "0123456789abcdef".repeat(2));
    text.parse().unwrap_or_else(|_| panic!("no token"))
}

#[tokio::test]
async fn enrolment_trusts_the_pinned_authority_only() {
    let host = TestHost::new();
    let local = host.local();
    let authority = Arc::new(Authority::new());
    let foreign = Arc::new(Authority::new());
    let fake = |name, answer_with: &str| FakeEnrolment {
        authority: Arc::clone(&authority),
        name,
        answer_with: answer_with.to_owned(),
    };
    let coordinator = || authority.issue("s", Role::Coordinator, "coordinator");
    let good = enrolment(&authority, coordinator(), fake("h1", &authority.pem)).await;
    let pinned = authority.fingerprint();

    // Another authority than the token's, a server that is no coordinator, another host's
    // token, an answer with another authority, a certificate for another host.
    let elsewhere = token("h1", &foreign.fingerprint());
    assert!(enrol::enrol(&local, &good, &elsewhere).await.is_err());
    assert!(enrol::enrol(&local, &good, &token("h2", &pinned)).await.is_err());
    let agent = authority.issue("s", Role::Agent, "h9");
    let impostor = enrolment(&authority, agent, fake("h1", &authority.pem)).await;
    assert!(enrol::enrol(&local, &impostor, &token("h1", &pinned)).await.is_err());
    let swapped = enrolment(&authority, coordinator(), fake("h1", &foreign.pem)).await;
    assert!(enrol::enrol(&local, &swapped, &token("h1", &pinned)).await.is_err());
    let other = enrolment(&authority, coordinator(), fake("h2", &authority.pem)).await;
    assert!(enrol::enrol(&local, &other, &token("h1", &pinned)).await.is_err());
    assert!(server::listen(&local).await.is_err());

    let own = enrol::enrol(&local, &good, &token("h1", &pinned)).await.unwrap();
    assert_eq!((own.name.as_str(), own.role, own.site.as_str()), ("h1", Role::Agent, "s"));
    server::listen(&local).await.unwrap();
    let key = local.config.identity_dir().join("agent.key");
    assert_eq!(local.host.metadata(&key).unwrap().unwrap().mode, 0o600);
}
