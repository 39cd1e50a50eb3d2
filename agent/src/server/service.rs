//! The calls.

use std::pin::Pin;

use bellows_proto::{
    audit, digest,
    fault::to_status,
    tls::Peer,
    v1::{
        AnnounceTermReply, AnnounceTermRequest, AskReply, AskRequest, AuditChunk, CancelJobRequest,
        CloseReply, CloseRequest, ConfirmProgramReply, ConfirmProgramRequest, Fault, GetJobRequest,
        GetProgramRequest, HelloReply, HelloRequest, Job, JobKey, ListJobsReply, ListJobsRequest,
        Never, OutputChunk, PlantFenceReply, PlantFenceRequest, ProgramState, PutProgramReply,
        PutProgramRequest, ReadAuditRequest, ReadOutputRequest, RecallRequest, Recalled,
        RenewCertificateReply, RenewCertificateRequest, SealReply, SealRequest, StartJobRequest,
        SwitchProgramReply, SwitchProgramRequest, agent_server, seal_reply,
    },
};
use futures::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::{arriving, missing, shown::Shown};
use crate::{audit::Caller, facilities::Local, jobs::Jobs, programs::Programs, surveys::Surveys};

pub(super) struct Service {
    local: Local,
    jobs: Jobs,
    shown: Shown,
    programs: Programs,
    surveys: Surveys,
}

impl Service {
    pub(super) fn new(local: Local, jobs: Jobs, shown: Shown, programs: Programs) -> Self {
        let surveys = Surveys::new(local.clone());
        Self { local, jobs, shown, programs, surveys }
    }

    fn host(&self) -> &str {
        self.local.config.agent.host.as_str()
    }

    fn reply<T>(&self, result: Result<T, Fault>) -> Result<Response<T>, Status> {
        let mut response =
            result.map(Response::new).map_err(|fault| to_status(&fault.at(self.host())))?;
        if let Some(head) = self.jobs.audit_head() {
            audit::carry(response.metadata_mut(), &head);
        }
        Ok(response)
    }

    /// The jobs for whoever calls.
    fn jobs_for<T>(&self, request: &Request<T>) -> Jobs {
        let identity = request.extensions().get::<Peer>().and_then(|peer| peer.identity.as_ref());
        self.jobs.called_by(Caller {
            principal: identity.map(ToString::to_string).unwrap_or_default(),
            head: audit::carried(request.metadata()),
        })
    }
}

#[tonic::async_trait]
impl agent_server::Agent for Service {
    async fn hello(&self, _: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let hello = self.jobs.hello();
        self.reply(hello.map(|hello| HelloReply {
            certificate: self.shown.facts(),
            authorities: self.shown.authorities().into_iter().map(Vec::from).collect(),
            ..hello
        }))
    }

    async fn ask(&self, request: Request<AskRequest>) -> Result<Response<AskReply>, Status> {
        self.reply(self.surveys.answer(request.into_inner()).await)
    }

    async fn announce_term(
        &self,
        request: Request<AnnounceTermRequest>,
    ) -> Result<Response<AnnounceTermReply>, Status> {
        let jobs = self.jobs_for(&request);
        let announced = jobs.announce_term(&request.into_inner());
        let announced = told(&jobs, "AnnounceTerm", "", announced);
        self.reply(announced.map(|()| AnnounceTermReply {}))
    }

    async fn renew_certificate(
        &self,
        request: Request<RenewCertificateRequest>,
    ) -> Result<Response<RenewCertificateReply>, Status> {
        let jobs = self.jobs_for(&request);
        let peer = request.extensions().get::<Peer>().cloned();
        let caller = peer.as_ref().and_then(|peer| peer.certificate.as_ref());
        let request = request.into_inner();
        let renewed = jobs
            .obey("RenewCertificate", request.term.as_ref())
            .and_then(|()| self.shown.renew(request.step.ok_or_else(|| missing("step"))?, caller));
        self.reply(told(&jobs, "RenewCertificate", "", renewed))
    }

    async fn get_program(
        &self,
        _: Request<GetProgramRequest>,
    ) -> Result<Response<ProgramState>, Status> {
        self.reply(self.programs.state())
    }

    async fn put_program(
        &self,
        request: Request<Streaming<PutProgramRequest>>,
    ) -> Result<Response<PutProgramReply>, Status> {
        let jobs = self.jobs_for(&request);
        let put = Box::pin(put(&jobs, &self.programs, request.into_inner())).await;
        self.reply(told(&jobs, "PutProgram", "", put))
    }

    async fn switch_program(
        &self,
        request: Request<SwitchProgramRequest>,
    ) -> Result<Response<SwitchProgramReply>, Status> {
        let jobs = self.jobs_for(&request);
        let request = request.into_inner();
        let detail =
            format!("program {}, trial {}", digest::hex(&request.digest), short(&request.trial));
        let switched = match jobs.obey_in("SwitchProgram", request.term.as_ref(), detail) {
            Ok(()) => Box::pin(self.programs.switch(&request)).await,
            Err(fault) => Err(fault),
        };
        self.reply(told(&jobs, "SwitchProgram", "", switched))
    }

    async fn confirm_program(
        &self,
        request: Request<ConfirmProgramRequest>,
    ) -> Result<Response<ConfirmProgramReply>, Status> {
        let jobs = self.jobs_for(&request);
        let request = request.into_inner();
        let detail = format!("trial {}", short(&request.trial));
        let confirmed = match jobs.obey_in("ConfirmProgram", request.term.as_ref(), detail) {
            Ok(()) => Box::pin(self.programs.confirm(&request)).await,
            Err(fault) => Err(fault),
        };
        if let Ok(Some(last)) = self.programs.untold() {
            jobs.trial_ended(&last);
        }
        let confirmed = told(&jobs, "ConfirmProgram", "", confirmed);
        self.reply(confirmed.map(|state| ConfirmProgramReply { state: Some(state) }))
    }

    async fn plant_fence(
        &self,
        request: Request<PlantFenceRequest>,
    ) -> Result<Response<PlantFenceReply>, Status> {
        let jobs = self.jobs_for(&request);
        let request = request.into_inner();
        let operation = request.operation.clone();
        let planted = jobs.plant_fence(request);
        self.reply(told(&jobs, "PlantFence", &operation, planted).map(|()| PlantFenceReply {}))
    }

    async fn start_job(&self, request: Request<StartJobRequest>) -> Result<Response<Job>, Status> {
        let jobs = self.jobs_for(&request);
        let request = request.into_inner();
        let operation = operation_of(request.key.as_ref());
        let started = Box::pin(jobs.start(request)).await;
        self.reply(told(&jobs, "StartJob", &operation, started))
    }

    async fn seal(&self, request: Request<SealRequest>) -> Result<Response<SealReply>, Status> {
        let jobs = self.jobs_for(&request);
        let request = request.into_inner();
        let operation = operation_of(request.key.as_ref());
        let sealed = told(&jobs, "Seal", &operation, jobs.seal(&request));
        self.reply(sealed.map(|job| SealReply {
            outcome: Some(match job {
                Some(job) => seal_reply::Outcome::Job(job),
                None => seal_reply::Outcome::Never(Never {}),
            }),
        }))
    }

    async fn get_job(&self, request: Request<GetJobRequest>) -> Result<Response<Job>, Status> {
        self.reply(self.jobs.get(request.into_inner()).await)
    }

    async fn list_jobs(
        &self,
        request: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsReply>, Status> {
        let jobs = self.jobs.list(&request.into_inner().operation);
        self.reply(jobs.map(|jobs| ListJobsReply { jobs }))
    }

    type ReadOutputStream = Pin<Box<dyn Stream<Item = Result<OutputChunk, Status>> + Send>>;

    async fn read_output(
        &self,
        request: Request<ReadOutputRequest>,
    ) -> Result<Response<Self::ReadOutputStream>, Status> {
        let request = request.into_inner();
        let (jobs, host) = (self.jobs.clone(), self.host().to_owned());
        let chunks = async_stream::stream! {
            let mut offset = request.offset;
            loop {
                match jobs.output(request.key.as_ref(), offset, request.follow).await {
                    Ok(Some(chunk)) => {
                        let length = u64::try_from(chunk.bytes.len()).unwrap_or(u64::MAX);
                        offset = chunk.offset.saturating_add(length);
                        yield Ok(chunk);
                    }
                    Ok(None) => return,
                    Err(fault) => {
                        yield Err(to_status(&fault.at(&host)));
                        return;
                    }
                }
            }
        };
        Ok(Response::new(Box::pin(chunks)))
    }

    async fn cancel_job(
        &self,
        request: Request<CancelJobRequest>,
    ) -> Result<Response<Job>, Status> {
        let jobs = self.jobs_for(&request);
        let request = request.into_inner();
        let operation = operation_of(request.key.as_ref());
        self.reply(told(&jobs, "CancelJob", &operation, jobs.cancel(&request)))
    }

    async fn close(&self, request: Request<CloseRequest>) -> Result<Response<CloseReply>, Status> {
        let jobs = self.jobs_for(&request);
        let request = request.into_inner();
        let closed = told(&jobs, "Close", &request.operation, jobs.close(&request));
        self.reply(closed.map(|()| CloseReply {}))
    }

    type ReadAuditStream = Pin<Box<dyn Stream<Item = Result<AuditChunk, Status>> + Send>>;

    async fn read_audit(
        &self,
        request: Request<ReadAuditRequest>,
    ) -> Result<Response<Self::ReadAuditStream>, Status> {
        let host = self.host().to_owned();
        let pieces = self.jobs.audit().pieces(request.into_inner().from_segment);
        let pieces = pieces.map_err(|fault| to_status(&fault.at(&host)))?;
        let jobs = self.jobs.clone();
        let chunks = async_stream::stream! {
            for piece in pieces {
                let mut offset = 0;
                loop {
                    match jobs.audit().read(piece, offset) {
                        Ok(Some(chunk)) => {
                            let length = u64::try_from(chunk.bytes.len()).unwrap_or(u64::MAX);
                            offset = chunk.offset.saturating_add(length);
                            yield Ok(chunk);
                        }
                        Ok(None) => break,
                        Err(fault) => {
                            yield Err(to_status(&fault.at(&host)));
                            return;
                        }
                    }
                }
            }
        };
        Ok(Response::new(Box::pin(chunks)))
    }

    type RecallStream = Pin<Box<dyn Stream<Item = Result<Recalled, Status>> + Send>>;

    async fn recall(
        &self,
        request: Request<RecallRequest>,
    ) -> Result<Response<Self::RecallStream>, Status> {
        let host = self.host().to_owned();
        let pieces = self.jobs.recall(&request.into_inner());
        let pieces = pieces.map_err(|fault| to_status(&fault.at(&host)))?;
        let told = pieces.map(move |piece| piece.map_err(|fault| to_status(&fault.at(&host))));
        Ok(Response::new(Box::pin(futures::stream::iter(told))))
    }
}

/// A changing call that was refused goes to the audit log.
fn told<T>(jobs: &Jobs, call: &str, operation: &str, result: Result<T, Fault>) -> Result<T, Fault> {
    if let Err(fault) = &result {
        jobs.refused(call, operation, fault);
    }
    result
}

/// Takes a program, once the caller is known to lead.
async fn put(
    jobs: &Jobs,
    programs: &Programs,
    mut pieces: Streaming<PutProgramRequest>,
) -> Result<PutProgramReply, Fault> {
    let header = arriving::header(&mut pieces).await?;
    let program = header.program.clone().unwrap_or_default();
    let (version, digest) = (short(&program.version), digest::hex(&program.digest));
    let detail = format!("program {version} {digest}, {} bytes", header.length);
    jobs.obey_in("PutProgram", header.term.as_ref(), detail)?;
    programs.put(&header, &mut arriving::Pieces(pieces)).await
}

/// For the audit log: what comes from outside has no bounds yet.
fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

fn operation_of(key: Option<&JobKey>) -> String {
    key.map(|key| key.operation.clone()).unwrap_or_default()
}
