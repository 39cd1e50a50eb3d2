//! The tools of a system as a model: what the simulation runs where the real host starts a program.

use std::{collections::BTreeMap, sync::Arc};

use bellows_agent::host::{HttpError, HttpReply, HttpRequest, http::Cause};
use camino::Utf8PathBuf;
use futures::future::BoxFuture;

use super::{machine::Machine, process::Process};

/// One run of a program.
#[derive(Clone)]
pub struct Call {
    /// Absolute path.
    pub program: Utf8PathBuf,
    /// Without the program's name.
    pub arguments: Vec<String>,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// Its environment, as the agent made it.
    pub environment: BTreeMap<String, String>,
    /// As whom it runs; empty: as the agent.
    pub user: String,
    /// Where it runs.
    pub machine: Arc<Machine>,
    /// Itself.
    pub process: Arc<Process>,
}

impl Call {
    /// The program's file name.
    pub fn name(&self) -> &str {
        self.program.file_name().unwrap_or_default()
    }
}

/// One HTTP request to what listens on a host.
#[derive(Clone)]
pub struct HttpCall {
    /// What is asked, and where.
    pub request: HttpRequest,
    /// On which host.
    pub machine: Arc<Machine>,
}

/// How a program ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// Exit status.
    pub status: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Ending {
    /// Exit status 0 with this output.
    pub fn good(stdout: impl Into<Vec<u8>>) -> Self {
        Self { stdout: stdout.into(), ..Self::default() }
    }

    /// This exit status with these words on standard error.
    pub fn bad(status: i32, stderr: impl Into<Vec<u8>>) -> Self {
        Self { status, stderr: stderr.into(), ..Self::default() }
    }
}

/// A file that is on a host before Bellows comes.
#[derive(Debug, Clone)]
pub struct Installed {
    /// Absolute path.
    pub path: Utf8PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// e.g. 0o755.
    pub mode: u32,
    /// A name of [`Tools::users`], or "root".
    pub owner: &'static str,
}

/// A program that somebody else starts on a host, at its boot and when it crashed.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Absolute path.
    pub program: Utf8PathBuf,
    /// Without the program's name.
    pub arguments: Vec<String>,
    /// A name of [`Tools::users`].
    pub user: &'static str,
}

/// The tools and servers of one system, on all hosts of a run. They share state through it: what
/// one host's server holds, another's tool can ask for over the network.
///
/// A run is dropped at an await when its process dies: effects before it stay, effects after it
/// never come. Time passes only by [`Machine::sleep`].
pub trait Tools: Send + Sync + 'static {
    /// Files that are on a host before Bellows comes: programs, and what the administrator placed, with mode
    /// and owner's name.
    fn files(&self, host: &str) -> Vec<Installed>;

    /// User names on every host, with user and group id.
    fn users(&self) -> Vec<(&'static str, u32)>;

    /// What somebody else runs on a host, before Bellows comes and as long as no agent starts and stops it.
    fn standing(&self, machine: &Machine) -> Vec<Standing>;

    /// Whether a run of it may change the system: what must not happen twice.
    fn changes(&self, call: &Call) -> bool;

    /// Whether a run that ends well is all that its job is there for.
    fn is_whole(&self, _: &Call) -> bool {
        true
    }

    /// Runs a program to its end.
    fn run(&self, call: Call) -> BoxFuture<'static, Ending>;

    /// Runs a long-lived program, which was detached. Returns when it ends by itself (a server that
    /// cannot start does so at once).
    fn serve(&self, call: Call) -> BoxFuture<'static, ()>;

    /// Answers an HTTP request; asked only where [`Tools::listening`] has its address and port.
    fn http(&self, call: HttpCall) -> BoxFuture<'static, Result<HttpReply, HttpError>> {
        Box::pin(async move { Err(call.request.failed(Cause::Refused)) })
    }

    /// The words of a process as the kernel tells them: a script may have become another program.
    fn command_line(&self, process: &Process) -> Vec<String> {
        process.birth.command.clone()
    }

    /// A process of kind service was ended from outside: in order (TERM, INT), or not (KILL, a
    /// power cut). Called just after its death.
    fn ended(&self, machine: &Arc<Machine>, process: &Arc<Process>, in_order: bool);

    /// A process got HUP.
    fn reloaded(&self, machine: &Arc<Machine>, process: &Arc<Process>);

    /// The leading node's program dies. Its machine; `None`: nobody leads.
    fn crash(&self) -> Option<Arc<Machine>>;

    /// `ADDRESS:PORT` of servers that listen on this machine now, for `/proc/net/tcp`.
    fn listening(&self, machine: &Machine) -> Vec<(std::net::Ipv4Addr, u16)>;
}
