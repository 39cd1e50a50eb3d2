//! Agents as the coordinator meets them on the wire: real mTLS, enrolled with a token, and
//! behind it the hosts in memory of the engine's tests.
#![allow(missing_docs)]

use std::{pin::Pin, sync::Arc};

use bellows::engine::ports::Agents as _;
use bellows_proto::{
    fault::to_status,
    tls::{self, Credentials},
    v1::{
        AnnounceTermReply, AnnounceTermRequest, AskReply, AskRequest, AuditChunk, CancelJobRequest,
        CloseReply, CloseRequest, ConfirmProgramReply, ConfirmProgramRequest,
        CreateHostTokenRequest, EnrolRequest, Fault, GetJobRequest, GetProgramRequest, HelloReply,
        HelloRequest, Job, ListJobsReply, ListJobsRequest, Never, OutputChunk, PlantFenceReply,
        PlantFenceRequest, ProgramState, PutProgramReply, PutProgramRequest, ReadAuditRequest,
        ReadOutputRequest, RecallRequest, Recalled, RenewCertificateReply, RenewCertificateRequest,
        SealReply, SealRequest, StartJobRequest, SwitchProgramReply, SwitchProgramRequest,
        agent_server::{Agent, AgentServer},
        coordinator_client::CoordinatorClient,
        enrolment_client::EnrolmentClient,
        seal_reply::Outcome,
    },
};
use tokio::net::TcpListener;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming, transport::Channel};

use crate::{memory::MemoryAgents, support::Running};

/// One host's agent.
struct OnTheWire {
    host: String,
    hosts: Arc<MemoryAgents>,
}

fn answer<T>(result: Result<T, Fault>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(|fault| to_status(&fault))
}

#[tonic::async_trait]
impl Agent for OnTheWire {
    async fn hello(&self, _: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let said = self.hosts.hello(&self.host).await;
        answer(said.map(|hello| HelloReply {
            host: self.host.clone(),
            version: "test".into(),
            ..hello
        }))
    }

    async fn ask(&self, request: Request<AskRequest>) -> Result<Response<AskReply>, Status> {
        let AskRequest { query, max_age_ms, .. } = request.into_inner();
        let said = self.hosts.ask(&self.host, query.unwrap(), max_age_ms).await;
        answer(said.map(|said| AskReply { answer: Some(said.answer), age_ms: said.age_ms }))
    }

    async fn announce_term(
        &self,
        request: Request<AnnounceTermRequest>,
    ) -> Result<Response<AnnounceTermReply>, Status> {
        let told = self.hosts.allow(&self.host, request.into_inner().term.as_ref());
        answer(told.map(|()| AnnounceTermReply {}))
    }

    async fn plant_fence(
        &self,
        request: Request<PlantFenceRequest>,
    ) -> Result<Response<PlantFenceReply>, Status> {
        let planted = self.hosts.plant_fence(&self.host, request.into_inner()).await;
        answer(planted.map(|()| PlantFenceReply {}))
    }

    async fn start_job(&self, request: Request<StartJobRequest>) -> Result<Response<Job>, Status> {
        answer(self.hosts.start_job(&self.host, request.into_inner()).await)
    }

    async fn seal(&self, request: Request<SealRequest>) -> Result<Response<SealReply>, Status> {
        let sealed = self.hosts.seal(&self.host, request.into_inner()).await;
        answer(sealed.map(|job| {
            let outcome = job.map_or(Outcome::Never(Never {}), Outcome::Job);
            SealReply { outcome: Some(outcome) }
        }))
    }

    async fn get_job(&self, request: Request<GetJobRequest>) -> Result<Response<Job>, Status> {
        answer(self.hosts.get_job(&self.host, request.into_inner()).await)
    }

    async fn list_jobs(
        &self,
        request: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsReply>, Status> {
        let jobs = self.hosts.list_jobs(&self.host, &request.into_inner().operation).await;
        answer(jobs.map(|jobs| ListJobsReply { jobs }))
    }

    type ReadOutputStream = Pin<Box<dyn Stream<Item = Result<OutputChunk, Status>> + Send>>;

    async fn read_output(
        &self,
        request: Request<ReadOutputRequest>,
    ) -> Result<Response<Self::ReadOutputStream>, Status> {
        let key = request.into_inner().key.unwrap();
        let bytes = format!("act {} says \u{1b}[31mhello\n", key.act).into_bytes();
        let chunk = OutputChunk { offset: 0, bytes, skipped: 0 };
        Ok(Response::new(Box::pin(tokio_stream::once(Ok(chunk)))))
    }

    async fn cancel_job(
        &self,
        request: Request<CancelJobRequest>,
    ) -> Result<Response<Job>, Status> {
        answer(self.hosts.cancel_job(&self.host, request.into_inner()).await)
    }

    async fn close(&self, request: Request<CloseRequest>) -> Result<Response<CloseReply>, Status> {
        let closed = self.hosts.close(&self.host, request.into_inner()).await;
        answer(closed.map(|()| CloseReply {}))
    }

    /// An agent from before certificates were renewed.
    async fn renew_certificate(
        &self,
        _: Request<RenewCertificateRequest>,
    ) -> Result<Response<RenewCertificateReply>, Status> {
        Err(Status::unimplemented("renew"))
    }

    /// An agent from before it was upgraded from here.
    async fn get_program(
        &self,
        _: Request<GetProgramRequest>,
    ) -> Result<Response<ProgramState>, Status> {
        Err(Status::unimplemented("program"))
    }

    async fn put_program(
        &self,
        _: Request<Streaming<PutProgramRequest>>,
    ) -> Result<Response<PutProgramReply>, Status> {
        Err(Status::unimplemented("program"))
    }

    async fn switch_program(
        &self,
        _: Request<SwitchProgramRequest>,
    ) -> Result<Response<SwitchProgramReply>, Status> {
        Err(Status::unimplemented("program"))
    }

    async fn confirm_program(
        &self,
        _: Request<ConfirmProgramRequest>,
    ) -> Result<Response<ConfirmProgramReply>, Status> {
        Err(Status::unimplemented("program"))
    }

    type RecallStream = Pin<Box<dyn Stream<Item = Result<Recalled, Status>> + Send>>;

    /// An agent from before anything was kept.
    async fn recall(
        &self,
        _: Request<RecallRequest>,
    ) -> Result<Response<Self::RecallStream>, Status> {
        Err(Status::unimplemented("recall"))
    }

    type ReadAuditStream = Pin<Box<dyn Stream<Item = Result<AuditChunk, Status>> + Send>>;

    /// An agent from before there was an audit log.
    async fn read_audit(
        &self,
        _: Request<ReadAuditRequest>,
    ) -> Result<Response<Self::ReadAuditStream>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// Lets a host in with a token, as an agent would, and serves it.
pub async fn enrol(
    running: &Running,
    api: &mut CoordinatorClient<Channel>,
    host: &str,
    hosts: Arc<MemoryAgents>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
    let token = CreateHostTokenRequest { host: host.into(), valid_minutes: 1 };
    let request = EnrolRequest {
        token: api.create_host_token(token).await.unwrap().into_inner().token,
        certificate_request: request.pem().unwrap(),
        address: listener.local_addr().unwrap().to_string(),
        machine_id: String::new(),
    };
    let mut door = EnrolmentClient::new(running.without_certificate(&running.enrolment));
    let reply = door.enrol(request.clone()).await.unwrap().into_inner();
    assert_eq!(reply.host, host);
    // A token lets in once.
    assert!(door.enrol(request).await.is_err());
    let credentials = Credentials {
        certificate: reply.certificate,
        private_key: key.serialize_pem(),
        authority: reply.authority,
    };
    let incoming = tls::incoming(listener, tls::server_config(&credentials).unwrap(), 64);
    let agent = AgentServer::new(OnTheWire { host: host.into(), hosts });
    tokio::spawn(async move {
        tonic::transport::Server::builder().serve_with_incoming(agent, incoming).await
    });
}
