//! A host with an agent's jobs in a temporary folder, and a shim that runs shell scripts.
//!
//! The product has no action that runs arbitrary programs, so the tests bring a shim of
//! their own: this test binary, started again. Its action is a claim of a resource whose
//! prior state is the script.
#![allow(dead_code)]

pub mod mtls;

use std::{os::unix::fs::PermissionsExt as _, sync::Arc, time::Duration};

use bellows_agent::{
    config,
    exec::Invocation,
    facilities::{Local, Runner as _, fault},
    host::{RealHost, SystemClock},
    jobs::{Jobs, ShimProgram, shim, store::JobDir},
    tools::{JobContext, Note},
};
use bellows_proto::{
    digest,
    v1::{
        Action, CancelJobRequest, ClaimResource, CloseRequest, Fault, GetJobRequest, HostAction,
        Job, JobKey, JobState, NodeRef, OutputChunk, PlantFenceRequest, SealRequest,
        StartJobRequest, Term, action, host_action,
    },
};
use camino::{Utf8Path, Utf8PathBuf};
use futures::FutureExt as _;

/// The agent's program.
pub const AGENT: &str = env!("CARGO_BIN_EXE_bellows-agent");
/// Set in the shim: the job's folder and the configuration.
pub const JOB: &str = "BELLOWS_TEST_JOB";
pub const CONFIG: &str = "BELLOWS_TEST_CONFIG";
pub const CLUSTER: &str = "orders";
/// Nothing here takes longer.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A host; its folders go when it is dropped.
///
/// Jobs are processes, or transient units where `BELLOWS_TEST_LAUNCH` says `systemd`.
pub struct TestHost {
    pub folder: tempfile::TempDir,
    runtime: tempfile::TempDir,
    pub jobs: Jobs,
    pub operation: String,
}

impl TestHost {
    /// With a fence for its operation.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tempfile::tempdir_in("/dev/shm").unwrap();
        let config = folder.path().join("agent.toml");
        let text = format!(
            "[agent]\nhost = \"h1\"\naddress = \"127.0.0.1\"\nlisten = \"127.0.0.1:0\"\n\
             data_dir = \"{}/state\"\nruntime_dir = \"{}\"\nlaunch = \"{}\"\n",
            folder.path().display(),
            runtime.path().display(),
            std::env::var("BELLOWS_TEST_LAUNCH").unwrap_or_else(|_| "process".into()),
        );
        std::fs::write(&config, text).unwrap();
        let script = format!(
            "#!/bin/sh\n{JOB}=\"$2\" {CONFIG}=\"$4\" exec '{}' --exact shim --nocapture\n",
            std::env::current_exe().unwrap().display()
        );
        let shim = folder.path().join("shim");
        std::fs::write(&shim, script).unwrap();
        std::fs::set_permissions(&shim, std::fs::Permissions::from_mode(0o755)).unwrap();
        let jobs = open(Utf8Path::from_path(folder.path()).unwrap());
        let host = Self { folder, runtime, jobs, operation: uuid::Uuid::now_v7().to_string() };
        host.jobs.plant_fence(host.fence(&host.operation)).unwrap();
        host
    }

    pub fn path(&self) -> Utf8PathBuf {
        Utf8PathBuf::try_from(self.folder.path().to_owned()).unwrap()
    }

    pub fn local(&self) -> Local {
        local(&self.path().join("agent.toml"))
    }

    pub fn runtime(&self) -> Utf8PathBuf {
        Utf8PathBuf::try_from(self.runtime.path().to_owned()).unwrap()
    }

    /// As after a restart of the agent: all that it knows is on disk.
    pub fn restart(&mut self) {
        self.jobs = open(&self.path());
    }

    pub fn fence(&self, operation: &str) -> PlantFenceRequest {
        PlantFenceRequest {
            cluster: CLUSTER.into(),
            operation: operation.into(),
            term: Some(term(1)),
            ..PlantFenceRequest::default()
        }
    }

    pub fn key(&self, act: u32) -> JobKey {
        JobKey { operation: self.operation.clone(), act, attempt: 1 }
    }

    pub fn request(&self, act: u32, script: &str) -> StartJobRequest {
        let action = script_action(script);
        StartJobRequest {
            key: Some(self.key(act)),
            term: Some(term(1)),
            cluster: CLUSTER.into(),
            digest: digest::of(&action).to_vec(),
            action: Some(action),
            deadline_ms: 0,
        }
    }

    pub async fn start(&self, act: u32, script: &str) -> Job {
        self.jobs.start(self.request(act, script)).await.unwrap()
    }

    pub fn seal(&self, act: u32) -> Result<Option<Job>, Fault> {
        self.jobs.seal(&SealRequest { key: Some(self.key(act)), term: Some(term(1)) })
    }

    pub fn cancel(&self, act: u32) -> Result<Job, Fault> {
        self.jobs.cancel(&CancelJobRequest { key: Some(self.key(act)), term: Some(term(1)) })
    }

    pub fn close(&self) -> Result<(), Fault> {
        let (operation, term) = (self.operation.clone(), Some(term(1)));
        self.jobs.close(&CloseRequest { operation, term, ..CloseRequest::default() })
    }

    pub async fn get(&self, act: u32) -> Job {
        let request = GetJobRequest { key: Some(self.key(act)), ..GetJobRequest::default() };
        self.jobs.get(request).await.unwrap()
    }

    /// Waits until the job is so.
    pub async fn until(&self, act: u32, what: &str, good: impl Fn(&Job) -> bool) -> Job {
        let waiting = async {
            loop {
                let job = self.get(act).await;
                if good(&job) {
                    return job;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(LIMIT, waiting).await {
            Ok(job) => job,
            Err(_) => panic!("never {what}: {:?}", self.get(act).await),
        }
    }

    pub async fn ended(&self, act: u32) -> Job {
        self.until(act, "ended", bellows_agent::jobs::store::has_ended).await
    }

    /// Waits for a file that a script makes.
    pub async fn file(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        let waiting = async {
            loop {
                match std::fs::read_to_string(&path) {
                    Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                    Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        match tokio::time::timeout(LIMIT, waiting).await {
            Ok(text) => text,
            Err(_) => panic!("{name} never came"),
        }
    }

    /// All output, and how much of it was rotated away.
    pub async fn output(&self, act: u32) -> (Vec<u8>, u64) {
        let (mut bytes, mut skipped, mut offset) = (Vec::new(), 0, 0);
        let key = self.key(act);
        while let Some(chunk) = self.jobs.output(Some(&key), offset, true).await.unwrap() {
            let OutputChunk { offset: at, bytes: piece, skipped: gap } = chunk;
            offset = at + piece.len() as u64;
            skipped += gap;
            bytes.extend(piece);
        }
        (bytes, skipped)
    }

    /// Processes that carry the job's key.
    pub fn processes(&self, act: u32) -> Vec<bellows_agent::host::ProcessId> {
        let mark = bellows_agent::host::Mark {
            variable: (
                bellows_agent::tools::JOB_MARK.to_owned(),
                bellows_agent::jobs::store::word(&self.key(act)),
            ),
            unit: None,
        };
        self.local().host.marked(&mark).unwrap()
    }

    /// Waits until no process of the job is left; its shim writes the exit a moment before its own.
    pub async fn nothing_left(&self, act: u32) {
        let waiting = async {
            while !self.processes(act).is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(LIMIT, waiting).await.is_err() {
            panic!("left: {:?}", self.processes(act));
        }
    }

    pub fn shim_pid(&self, act: u32) -> u32 {
        let path = self.path().join("state/jobs").join(&self.operation);
        let dir = JobDir::at(path.join(format!("{act}-1")));
        let begin: bellows_agent::jobs::store::Begin =
            dir.get(self.local().host.as_ref(), "begin").unwrap().unwrap();
        begin.pid
    }
}

pub fn term(number: u64) -> Term {
    Term { number, store_id: "store-a".into(), incarnation: "first".into() }
}

pub fn script_action(script: &str) -> Action {
    Action {
        kind: Some(action::Kind::Host(HostAction {
            kind: Some(host_action::Kind::ClaimResource(ClaimResource {
                node: Some(NodeRef { cluster: CLUSTER.into(), node: "n1".into() }),
                resource: "test:script:1".into(),
                prior: script.into(),
            })),
        })),
    }
}

pub fn local(config: &Utf8Path) -> Local {
    let config = config::load(config).unwrap();
    Local {
        host: Arc::new(RealHost::new(AGENT)),
        clock: Arc::new(SystemClock),
        form: config.agent.launch.resolve(),
        config: Arc::new(config),
        own_program: AGENT.into(),
        versions: Arc::default(),
        sudo: Arc::default(),
    }
}

pub fn open(folder: &Utf8Path) -> Jobs {
    let program = ShimProgram { program: folder.join("shim"), arguments: Vec::new() };
    Jobs::open(local(&folder.join("agent.toml")), program).unwrap()
}

async fn perform(action: &Action, context: &JobContext) -> Result<Note, Fault> {
    let Some(action::Kind::Host(HostAction {
        kind: Some(host_action::Kind::ClaimResource(claim)),
    })) = &action.kind
    else {
        panic!("another action");
    };
    let folder = context.local().config.path.parent().unwrap();
    let mut invocation = Invocation::new("/bin/sh", ["-c", &claim.prior], LIMIT)
        .env("HERE", folder.as_str())
        .env("AGENT", AGENT);
    invocation.deadline = None;
    let command = invocation.command();
    if claim.prior.contains("$SECRET") {
        let secret = bellows_agent::facilities::secrets::Secret::new(b"hidden".to_vec());
        let user = rustix_user();
        let path = context.secret_file("password", &user, &secret)?;
        invocation = invocation.env("SECRET", path.as_str());
    }
    if claim.prior.contains("panic-now") {
        panic!("as asked");
    }
    let finished = context.run(invocation).await?;
    if finished.success() {
        return Ok("done".to_owned());
    }
    Err(fault::tool_failed(&command, &finished, "run the script"))
}

fn rustix_user() -> String {
    let output = std::fs::read_to_string("/proc/self/status").unwrap();
    let uid = output
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|line| line.split_whitespace().next())
        .unwrap()
        .to_owned();
    std::fs::read_to_string("/etc/passwd")
        .unwrap()
        .lines()
        .find(|line| line.split(':').nth(2) == Some(&uid))
        .and_then(|line| line.split(':').next())
        .unwrap()
        .to_owned()
}

/// The body of each test file's `shim` test: does nothing unless it is started as a shim.
pub fn be_a_shim_if_asked() {
    let (Ok(job), Ok(config)) = (std::env::var(JOB), std::env::var(CONFIG)) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let perform: shim::Perform = |action, context| perform(action, context).boxed();
    runtime.block_on(async {
        let kind = tokio::signal::unix::SignalKind::terminate();
        let (mut terms, stopped) = (tokio::signal::unix::signal(kind).unwrap(), stop.clone());
        tokio::spawn(async move {
            terms.recv().await;
            stopped.cancel();
        });
        shim::run(local(Utf8Path::new(&config)), JobDir::at(job), stop, perform).await.unwrap();
    });
    let _ = JobState::Running;
}
