//! The calls.

use std::{pin::Pin, time::Duration};

use bellows_proto::{
    fault::to_status,
    v1::{
        AskReply, AskRequest, CancelJobRequest, CloseReply, CloseRequest, Fault, FaultCode,
        GetJobRequest, HelloReply, HelloRequest, Job, ListJobsReply, ListJobsRequest, Never,
        OutputChunk, PlantFenceReply, PlantFenceRequest, ReadOutputRequest, SealReply, SealRequest,
        StartJobRequest, agent_server, seal_reply,
    },
};
use futures::Stream;
use tonic::{Request, Response, Status};

use super::missing;
use crate::{
    facilities::Local,
    jobs::Jobs,
    tools::{self, QUERY_DEADLINE, QueryContext},
};

pub(super) struct Service {
    local: Local,
    jobs: Jobs,
}

impl Service {
    pub(super) fn new(local: Local, jobs: Jobs) -> Self {
        Self { local, jobs }
    }

    fn host(&self) -> &str {
        self.local.config.agent.host.as_str()
    }

    fn reply<T>(&self, result: Result<T, Fault>) -> Result<Response<T>, Status> {
        result.map(Response::new).map_err(|fault| to_status(&fault.at(self.host())))
    }

    async fn answer(&self, request: AskRequest) -> Result<AskReply, Fault> {
        let query = request.query.ok_or_else(|| missing("query"))?;
        let deadline = match request.deadline_ms {
            0 => QUERY_DEADLINE,
            wanted => Duration::from_millis(wanted.into()).min(QUERY_DEADLINE),
        };
        let context = QueryContext::new(self.local.clone(), deadline);
        let answering = Box::pin(tools::answer(&query, &context));
        match tokio::time::timeout(deadline, answering).await {
            Ok(answer) => Ok(AskReply { answer: Some(answer?) }),
            Err(_) => {
                let message = format!("no answer within {} ms", deadline.as_millis());
                Err(Fault::new(FaultCode::Deadline, message))
            }
        }
    }
}

#[tonic::async_trait]
impl agent_server::Agent for Service {
    async fn hello(&self, _: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        self.reply(self.jobs.hello())
    }

    async fn ask(&self, request: Request<AskRequest>) -> Result<Response<AskReply>, Status> {
        self.reply(self.answer(request.into_inner()).await)
    }

    async fn plant_fence(
        &self,
        request: Request<PlantFenceRequest>,
    ) -> Result<Response<PlantFenceReply>, Status> {
        let planted = self.jobs.plant_fence(request.into_inner());
        self.reply(planted.map(|()| PlantFenceReply {}))
    }

    async fn start_job(&self, request: Request<StartJobRequest>) -> Result<Response<Job>, Status> {
        self.reply(Box::pin(self.jobs.start(request.into_inner())).await)
    }

    async fn seal(&self, request: Request<SealRequest>) -> Result<Response<SealReply>, Status> {
        let sealed = self.jobs.seal(&request.into_inner());
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
        self.reply(self.jobs.cancel(&request.into_inner()))
    }

    async fn close(&self, request: Request<CloseRequest>) -> Result<Response<CloseReply>, Status> {
        let closed = self.jobs.close(&request.into_inner());
        self.reply(closed.map(|()| CloseReply {}))
    }
}
