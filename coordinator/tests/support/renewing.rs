//! An agent that can be greeted and renewed, over real mTLS, and loses what the test says. It keeps a
//! new certificate as the real one does: on trial until it is confirmed.
#![allow(missing_docs)]

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bellows_proto::{
    fault::to_status,
    tls::{self, Credentials, Live},
    v1::{
        CertificateFacts, Fault, FaultCode, HelloReply, HelloRequest, RenewCertificateReply,
        RenewCertificateRequest, renew_certificate_request::Step,
    },
};
use futures::future::BoxFuture;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, body::Body};

/// What happens to a step of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    Nothing,
    /// It never gets there.
    Call,
    /// It is done, and nobody hears of it.
    Answer,
}

struct State {
    kept: Credentials,
    offered: Option<String>,
    tried: Option<Credentials>,
}

#[derive(Clone)]
pub struct RenewingAgent {
    pub host: String,
    pub address: String,
    /// Machine id and boot id.
    pub machine: Arc<Mutex<(String, String)>>,
    /// For the next steps, in order.
    pub losses: Arc<Mutex<VecDeque<Loss>>>,
    pub steps: Arc<Mutex<usize>>,
    live: Live<ServerConfig>,
    state: Arc<Mutex<State>>,
}

/// A key and its request.
pub fn key() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap();
    (key.serialize_pem(), request.pem().unwrap())
}

impl RenewingAgent {
    /// Serves for ever.
    pub fn serve(host: &str, listener: TcpListener, kept: Credentials) -> Self {
        let live = Live::from(tls::server_config(&kept).unwrap());
        let state = Arc::new(Mutex::new(State { kept, offered: None, tried: None }));
        let (machine, losses, steps) = (Arc::default(), Arc::default(), Arc::default());
        let address = listener.local_addr().unwrap().to_string();
        let host = host.to_owned();
        let agent = Self { host, address, machine, losses, steps, live: live.clone(), state };
        let incoming = tls::incoming(listener, live, 64);
        let serving = agent.clone();
        tokio::spawn(async move {
            tonic::transport::Server::builder().serve_with_incoming(serving, incoming).await
        });
        agent
    }

    /// What is shown at new connections.
    pub fn shown(&self) -> CertificateFacts {
        let state = self.state.lock().unwrap();
        tls::certificate_facts(&state.tried.as_ref().unwrap_or(&state.kept).certificate).unwrap()
    }

    pub fn kept(&self) -> Vec<u8> {
        tls::certificate_facts(&self.state.lock().unwrap().kept.certificate).unwrap().key
    }

    fn hello(&self) -> HelloReply {
        let (machine_id, boot_id) = self.machine.lock().unwrap().clone();
        HelloReply {
            host: self.host.clone(),
            version: "test".into(),
            machine_id,
            boot_id,
            certificate: Some(self.shown()),
            ..HelloReply::default()
        }
    }

    fn renew(&self, step: Step) -> Result<RenewCertificateReply, Status> {
        *self.steps.lock().unwrap() += 1;
        let lost = || Err(Status::unavailable("lost"));
        let loss = self.losses.lock().unwrap().pop_front().unwrap_or(Loss::Nothing);
        if loss == Loss::Call {
            return lost();
        }
        let done =
            self.step(step).map_err(|text| to_status(&Fault::new(FaultCode::Conflict, text)));
        if loss == Loss::Answer { lost() } else { done }
    }

    fn step(&self, step: Step) -> Result<RenewCertificateReply, &'static str> {
        let mut certificate_request = String::new();
        {
            let mut state = self.state.lock().unwrap();
            match step {
                Step::Offer(_) => {
                    let (key, request) = key();
                    state.offered = Some(key);
                    state.tried = None;
                    certificate_request = request;
                }
                Step::Take(certificate) => {
                    let private_key = state.offered.clone().ok_or("nothing was offered")?;
                    let authority = state.kept.authority.clone();
                    state.tried = Some(Credentials { certificate, private_key, authority });
                }
                Step::Trust(_) => return Err("an old agent does not know this step"),
                Step::Confirm(key) => {
                    let is_of = |one: &Credentials| {
                        tls::certificate_facts(&one.certificate).unwrap().key == key
                    };
                    if let Some(tried) = state.tried.clone().filter(is_of) {
                        state.kept = tried;
                        state.tried = None;
                    } else if !is_of(&state.kept) {
                        return Err("not on trial");
                    }
                }
            }
            let config = tls::server_config(state.tried.as_ref().unwrap_or(&state.kept)).unwrap();
            self.live.exchange(config);
        }
        Ok(RenewCertificateReply { certificate_request, shown: Some(self.shown()) })
    }
}

impl tonic::server::NamedService for RenewingAgent {
    const NAME: &'static str = "bellows.v1.Agent";
}

impl tower::Service<http::Request<Body>> for RenewingAgent {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let own = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/bellows.v1.Agent/Hello" => {
                    let codec = tonic_prost::ProstCodec::default();
                    let answer = tower::service_fn(move |_: Request<HelloRequest>| {
                        let hello = own.hello();
                        async move { Ok::<_, Status>(Response::new(hello)) }
                    });
                    tonic::server::Grpc::new(codec).unary(answer, request).await
                }
                "/bellows.v1.Agent/RenewCertificate" => {
                    let codec = tonic_prost::ProstCodec::default();
                    let answer =
                        tower::service_fn(move |asked: Request<RenewCertificateRequest>| {
                            let done = own.renew(asked.into_inner().step.unwrap());
                            async move { done.map(Response::new) }
                        });
                    tonic::server::Grpc::new(codec).unary(answer, request).await
                }
                other => Status::unimplemented(other).into_http(),
            })
        })
    }
}
