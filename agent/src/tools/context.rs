//! What a tool module gets besides its message: the host, and a way to run programs that
//! belongs to a query or to a job.

use std::{sync::Arc, time::Duration};

use bellows_proto::v1::{Fault, Progress, ToolRun};
use camino::Utf8PathBuf;
use futures::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::{
    exec::{self, Finished, Invocation, Silent, Sink, Stream},
    facilities::{
        Local, Runner, fault,
        secrets::{Secret, SecretFolder},
    },
    host::{HttpError, HttpReply, HttpRequest, http::Cause},
};

/// Environment variable with a job's key: all processes of a job carry it.
pub const JOB_MARK: &str = "BELLOWS_JOB";

/// Of a query. Dropping its future kills what it runs.
pub struct QueryContext {
    local: Local,
    deadline: Duration,
    cancel: CancellationToken,
}

impl QueryContext {
    /// A query on this host that has so long, at most [`super::QUERY_DEADLINE`].
    pub fn new(local: Local, deadline: Duration) -> Self {
        Self {
            local,
            deadline: deadline.min(super::QUERY_DEADLINE),
            cancel: CancellationToken::new(),
        }
    }

    /// For the agent's own readings and burials, outside of any call: each run has so long.
    pub fn unhurried(local: Local, deadline: Duration) -> Self {
        Self { local, deadline, cancel: CancellationToken::new() }
    }

    /// How long the whole query may take; each run is cut to it.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }
}

impl Runner for QueryContext {
    fn local(&self) -> &Local {
        &self.local
    }

    fn run(&self, mut invocation: Invocation) -> BoxFuture<'_, Result<Finished, Fault>> {
        let deadline = invocation.deadline.unwrap_or(self.deadline);
        invocation.deadline = Some(deadline.min(self.deadline));
        Box::pin(async move {
            self.local
                .host
                .run(&invocation, &self.cancel, &mut Silent)
                .await
                .map_err(|error| fault::of_exec(&invocation, &error))
        })
    }

    fn read(&self, invocation: Invocation) -> BoxFuture<'_, Result<Finished, Fault>> {
        self.run(invocation)
    }

    fn http(&self, mut request: HttpRequest) -> BoxFuture<'_, Result<HttpReply, HttpError>> {
        request.deadline = request.deadline.min(self.deadline);
        self.local.host.http(request)
    }
}

/// Where a job's context writes: the job's own records.
pub trait Recorder: Send + Sync {
    /// A tool starts; returns the run's place in the record.
    fn tool_started(&self, run: ToolRun) -> usize;
    /// It has ended, at this time of the host's clock. `output` is SHA-256 of what it wrote, both
    /// streams in the order in which they were read.
    fn tool_ended(
        &self,
        place: usize,
        ended_at_ms: i64,
        finished: Option<&Finished>,
        output: [u8; 32],
    );
    /// Bytes for the captured output.
    fn output(&self, bytes: &[u8]);
    /// How far it is.
    fn progress(&self, progress: Progress);
}

/// Of a job, in its shim.
pub struct JobContext {
    local: Local,
    key: String,
    operation: String,
    cancel: CancellationToken,
    recorder: Arc<dyn Recorder>,
    secrets: SecretFolder,
}

impl JobContext {
    /// For the shim: the job with this key, of this operation.
    pub fn new(
        local: Local,
        key: String,
        operation: String,
        cancel: CancellationToken,
        recorder: Arc<dyn Recorder>,
    ) -> Self {
        let secrets = SecretFolder::of_job(&local, &key);
        Self { local, key, operation, cancel, recorder, secrets }
    }

    /// The operation that the job belongs to: who claims.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// Cancelled when the job is to end: by request or deadline. Runs end by themselves.
    pub fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// The same job, for what must be put right although it is to end: its runs and requests do not end with it. The
    /// shim waits some seconds for that, and no longer.
    pub fn to_the_end(&self) -> Self {
        let (local, recorder) = (self.local.clone(), Arc::clone(&self.recorder));
        let (key, operation) = (self.key.clone(), self.operation.clone());
        Self::new(local, key, operation, CancellationToken::new(), recorder)
    }

    /// Tells how far the job is. Cheap; call it as often as there is news.
    pub fn progress(&self, progress: Progress) {
        self.recorder.progress(progress);
    }

    /// Writes a line of our own into the job's output.
    pub fn say(&self, line: &str) {
        self.recorder.output(format!("{line}\n").as_bytes());
    }

    /// Hands a secret over as a 0400 file of `user`, gone at the end of the job.
    ///
    /// # Errors
    /// `FAULT_CODE_SECRET` if the runtime folder is not on a tmpfs.
    pub fn secret_file(
        &self,
        name: &str,
        user: &str,
        secret: &Secret,
    ) -> Result<Utf8PathBuf, Fault> {
        self.secrets.place(&self.local, name, user, secret)
    }

    /// For the shim, at the end of the job.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn clear_secrets(&self) -> Result<(), Fault> {
        self.secrets.clear(&self.local)
    }

    /// As [`Runner::run`], telling `watch` each piece of output as it comes.
    ///
    /// # Errors
    /// As [`Runner::run`].
    pub async fn run_watched(
        &self,
        invocation: Invocation,
        watch: &mut (dyn FnMut(Stream, &[u8]) + Send),
    ) -> Result<Finished, Fault> {
        let invocation = invocation.env(JOB_MARK, &self.key);
        let place = self.recorder.tool_started(ToolRun {
            command: invocation.command(),
            user: invocation.user.clone().unwrap_or_default(),
            started_at_ms: self.local.clock.now_ms(),
            ..ToolRun::default()
        });
        let mut sink = Tee { recorder: self.recorder.as_ref(), watch, hash: Sha256::new() };
        let outcome = self.local.host.run(&invocation, &self.cancel, &mut sink).await;
        let (now, output) = (self.local.clock.now_ms(), sink.hash.finalize().into());
        self.recorder.tool_ended(place, now, outcome.as_ref().ok(), output);
        outcome.map_err(|error| fault::of_exec(&invocation, &error))
    }

    /// A request that ends with the job.
    async fn asked(&self, request: HttpRequest) -> Result<HttpReply, HttpError> {
        let cancelled = request.failed(Cause::Cancelled);
        tokio::select! {
            biased;
            reply = self.local.host.http(request) => reply,
            () = self.cancel.cancelled() => Err(cancelled),
        }
    }

    /// One that changes something, with its place in the record and in the output.
    async fn changing(&self, request: HttpRequest) -> Result<HttpReply, HttpError> {
        let command = request.command();
        let place = self.recorder.tool_started(ToolRun {
            command: command.clone(),
            started_at_ms: self.local.clock.now_ms(),
            ..ToolRun::default()
        });
        let reply = self.asked(request).await;
        let mut hash = Sha256::new();
        if let Ok(reply) = &reply {
            self.say(&format!("{}: HTTP status {}", command.join(" "), reply.status));
            hash.update(&reply.body);
            self.recorder.output(&reply.body);
            self.say("");
        }
        let now = self.local.clock.now_ms();
        self.recorder.tool_ended(place, now, None, hash.finalize().into());
        reply
    }
}

impl Runner for JobContext {
    fn local(&self) -> &Local {
        &self.local
    }

    /// Recorded in the job's tool runs; its output is appended to the job's.
    fn run(&self, invocation: Invocation) -> BoxFuture<'_, Result<Finished, Fault>> {
        Box::pin(async move { self.run_watched(invocation, &mut |_, _| {}).await })
    }

    fn read(&self, invocation: Invocation) -> BoxFuture<'_, Result<Finished, Fault>> {
        let invocation = invocation.env(JOB_MARK, &self.key);
        Box::pin(async move {
            self.local
                .host
                .run(&invocation, &self.cancel, &mut Silent)
                .await
                .map_err(|error: exec::Error| fault::of_exec(&invocation, &error))
        })
    }

    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpReply, HttpError>> {
        match request.method.changes() {
            true => Box::pin(self.changing(request)),
            false => Box::pin(self.asked(request)),
        }
    }
}

/// To the job's output and to whoever watches.
struct Tee<'a> {
    recorder: &'a dyn Recorder,
    watch: &'a mut (dyn FnMut(Stream, &[u8]) + Send),
    hash: Sha256,
}

impl Sink for Tee<'_> {
    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        self.hash.update(bytes);
        self.recorder.output(bytes);
        (self.watch)(stream, bytes);
    }
}
