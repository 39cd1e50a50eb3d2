//! A job's folder on disk: who wrote which file, and what it means.
//!
//! | file | written by | means |
//! |---|---|---|
//! | `record` | agent, before anything starts | the job was accepted |
//! | `begin` | shim or agent, whoever is first | the shim runs; or it never will |
//! | `status` | shim | tool runs, progress |
//! | `output.*` | shim | captured output |
//! | `cancel` | agent; `bellows-agent job cancel` with who typed it | it is to end |
//! | `exit` | shim; agent for a dead shim | it has ended |
//!
//! `ACT-ATTEMPT.never` beside the folders is a seal: the job never was and never will be.

use bellows_proto::v1::{
    Action, AuditHead, Fault, FaultCode, Job, JobKey, JobState, Progress, Term, ToolRun,
};
use camino::{Utf8Path, Utf8PathBuf};

use super::output;
use crate::{
    config::LaunchForm,
    facilities::record,
    host::{Access, Host, Mark, ProcessId},
    tools::JOB_MARK,
};

/// Who cancelled a job by hand is not written longer, bytes.
const LONGEST_NAME: usize = 200;

/// `record`
#[derive(Clone, PartialEq, prost::Message)]
pub struct Record {
    /// Which job.
    #[prost(message, optional, tag = "1")]
    pub key: Option<JobKey>,
    /// SHA-256 of the encoded action.
    #[prost(bytes = "vec", tag = "2")]
    pub digest: Vec<u8>,
    /// What it does.
    #[prost(message, optional, tag = "3")]
    pub action: Option<Action>,
    /// Under which it was started.
    #[prost(message, optional, tag = "4")]
    pub term: Option<Term>,
    /// Of which cluster.
    #[prost(string, tag = "5")]
    pub cluster: String,
    /// Host's clock.
    #[prost(int64, tag = "6")]
    pub accepted_at_ms: i64,
    /// 0: none.
    #[prost(uint64, tag = "7")]
    pub deadline_ms: u64,
    /// The transient unit; empty: a process.
    #[prost(string, tag = "8")]
    pub unit: String,
    /// Who asked for it: for the audit log.
    #[prost(string, tag = "9")]
    pub principal: String,
    /// How far the log of who asked went.
    #[prost(message, optional, tag = "10")]
    pub asked_from: Option<AuditHead>,
}

/// `begin`
#[derive(Clone, PartialEq, prost::Message)]
pub struct Begin {
    /// The shim; 0: it never will begin.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
    /// Its start time.
    #[prost(uint64, tag = "2")]
    pub started: u64,
}

/// `status`
#[derive(Clone, PartialEq, prost::Message)]
pub struct Status {
    /// Raised at each write.
    #[prost(uint64, tag = "1")]
    pub revision: u64,
    /// How far it is.
    #[prost(message, optional, tag = "2")]
    pub progress: Option<Progress>,
    /// In order.
    #[prost(message, repeated, tag = "3")]
    pub tool_runs: Vec<ToolRun>,
}

/// `exit`
#[derive(Clone, PartialEq, prost::Message)]
pub struct Exit {
    /// Succeeded, failed, cancelled or lost.
    #[prost(enumeration = "JobState", tag = "1")]
    pub state: i32,
    /// Why it did not succeed.
    #[prost(message, optional, tag = "2")]
    pub fault: Option<Fault>,
    /// Host's clock.
    #[prost(int64, tag = "3")]
    pub ended_at_ms: i64,
    /// The action's own word.
    #[prost(string, tag = "4")]
    pub note: String,
    /// SHA-256 of all output; empty if the shim did not live to tell.
    #[prost(bytes = "vec", tag = "5")]
    pub output_digest: Vec<u8>,
}

/// Who ends a job before its own end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canceller {
    /// A call of the coordinator.
    Coordinator,
    /// Somebody on this host: who, in words.
    ByHand(String),
}

impl Canceller {
    /// For the job's fault.
    pub fn told(&self) -> String {
        match self {
            Self::Coordinator => "cancelled by request".to_owned(),
            Self::ByHand(who) => {
                format!("cancelled on the host by {who}, with `bellows-agent job cancel`")
            }
        }
    }
}

/// A job's folder.
#[derive(Debug, Clone)]
pub struct JobDir {
    path: Utf8PathBuf,
}

impl JobDir {
    /// The folder of a key under `jobs`.
    ///
    /// # Errors
    /// `FAULT_CODE_INVALID` if the key is no key: the operation must be a UUID.
    pub fn of(jobs: &Utf8Path, key: &JobKey) -> Result<Self, Fault> {
        let operation = operation(&key.operation)?;
        if key.act == 0 || key.attempt == 0 {
            let message = "acts and attempts are numbered from 1";
            return Err(Fault::new(FaultCode::Invalid, message));
        }
        let name = format!("{}-{}", key.act, key.attempt);
        Ok(Self { path: jobs.join(operation).join(name) })
    }

    /// A folder by its path, for the shim.
    pub fn at(path: impl Into<Utf8PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The job's key in one word, as the folder's path tells it.
    pub fn word(&self) -> Option<String> {
        let operation = self.path.parent()?.file_name()?;
        let (act, attempt) = self.path.file_name()?.split_once('-')?;
        Some(format!("{operation}/{act}/{attempt}"))
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> Utf8PathBuf {
        self.path.join(name)
    }

    /// The seal beside it.
    pub fn never(&self) -> Utf8PathBuf {
        let name = self.path.file_name().unwrap_or_default();
        self.path.with_file_name(format!("{name}.never"))
    }

    /// Reads one of its files.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn get<M: prost::Message + Default>(
        &self,
        host: &dyn Host,
        name: &str,
    ) -> Result<Option<M>, Fault> {
        record::read(host, &self.file(name))
    }

    /// Writes one of its files, durably.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn put<M: prost::Message>(
        &self,
        host: &dyn Host,
        name: &str,
        message: &M,
    ) -> Result<(), Fault> {
        record::write(host, &self.file(name), message)
    }

    /// Makes the folder and those above it, for the agent alone.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn make(&self, host: &dyn Host) -> Result<(), Fault> {
        let above = self.path.parent().unwrap_or(Utf8Path::new("/"));
        host.create_directory(above, &Access::PRIVATE_DIRECTORY)?;
        Ok(host.create_directory(&self.path, &Access::PRIVATE_DIRECTORY)?)
    }

    /// Who said that it is to end; `None`: nobody did.
    ///
    /// # Errors
    /// If it cannot be told.
    pub fn cancelled_by(&self, host: &dyn Host) -> Result<Option<Canceller>, Fault> {
        let who = host.read_at(&self.file("cancel"), 0, LONGEST_NAME)?;
        Ok(who.map(|who| match who.as_slice() {
            [] => Canceller::Coordinator,
            who => Canceller::ByHand(String::from_utf8_lossy(who).into_owned()),
        }))
    }

    /// Says that it is to end. `false`: somebody has said so already.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn ask_to_end(&self, host: &dyn Host, by: &Canceller) -> Result<bool, Fault> {
        let who = match by {
            Canceller::Coordinator => "",
            Canceller::ByHand(who) => who,
        };
        Ok(host.create(&self.file("cancel"), who.as_bytes(), &Access::PRIVATE)?)
    }

    /// Whether it is to end.
    ///
    /// # Errors
    /// If it cannot be told.
    pub fn is_cancelled(&self, host: &dyn Host) -> Result<bool, Fault> {
        Ok(host.metadata(&self.file("cancel"))?.is_some())
    }

    /// The job as messages show it; `None`: there is no record.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn job(&self, host: &dyn Host) -> Result<Option<Job>, Fault> {
        // The exit first: if it is there, all the others are as they will stay.
        let exit: Option<Exit> = self.get(host, "exit")?;
        let Some(record) = self.get::<Record>(host, "record")? else {
            return Ok(None);
        };
        let begin: Option<Begin> = self.get(host, "begin")?;
        let status: Status = self.get(host, "status")?.unwrap_or_default();
        let running = if begin.is_some_and(|begin| begin.pid != 0) {
            JobState::Running
        } else {
            JobState::Accepted
        };
        let steps = 1 + u64::from(running == JobState::Running) + u64::from(exit.is_some());
        Ok(Some(Job {
            state: exit.as_ref().map_or(running, Exit::state).into(),
            ended_at_ms: exit.as_ref().map_or(0, |exit| exit.ended_at_ms),
            fault: exit.as_ref().and_then(|exit| exit.fault.clone()),
            note: exit.as_ref().map(|e| e.note.clone()).unwrap_or_default(),
            output_digest: exit.map(|exit| exit.output_digest).unwrap_or_default(),
            key: record.key,
            digest: record.digest,
            action: record.action,
            term: record.term,
            cluster: record.cluster,
            accepted_at_ms: record.accepted_at_ms,
            progress: status.progress,
            output_bytes: output::end(host, self)?,
            tool_runs: status.tool_runs,
            revision: steps + status.revision,
        }))
    }
}

/// Whether a job has come to its end.
pub fn has_ended(job: &Job) -> bool {
    match job.state() {
        JobState::Succeeded | JobState::Failed | JobState::Cancelled | JobState::Lost => true,
        JobState::Unspecified | JobState::Accepted | JobState::Running => false,
    }
}

/// The key in one word, as processes carry it.
pub fn word(key: &JobKey) -> String {
    format!("{}/{}/{}", key.operation, key.act, key.attempt)
}

/// All that finds a job's processes.
pub fn mark(record: &Record) -> Mark {
    let key = record.key.clone().unwrap_or_default();
    Mark {
        variable: (JOB_MARK.to_owned(), word(&key)),
        unit: (!record.unit.is_empty()).then(|| record.unit.clone()),
    }
}

/// The name of the transient unit in that form.
pub fn unit(form: LaunchForm, key: &JobKey) -> String {
    match form {
        LaunchForm::Systemd | LaunchForm::User => {
            format!("bellows-job-{}-{}-{}.service", key.operation, key.act, key.attempt)
        }
        LaunchForm::Process => String::new(),
    }
}

/// The shim's process, if it has begun.
pub fn shim(begin: &Begin) -> Option<ProcessId> {
    (begin.pid != 0).then_some(ProcessId { pid: begin.pid, started: begin.started })
}

/// A checked operation id: it becomes a folder's name.
///
/// # Errors
/// `FAULT_CODE_INVALID` if it is not a UUID in its usual form.
pub fn operation(text: &str) -> Result<&str, Fault> {
    match uuid::Uuid::parse_str(text) {
        Ok(id) if id.to_string() == text => Ok(text),
        Ok(_) | Err(_) => {
            let shown: String = text.chars().take(60).collect();
            let message = format!("{shown:?} is no operation id");
            Err(Fault::new(FaultCode::Invalid, message))
        }
    }
}
