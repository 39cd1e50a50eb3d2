//! Runs programs: the only place (with the job shim) that starts processes.
//!
//! A program gets an absolute path, a list of arguments, a cleared environment, its own
//! session, a deadline and bounded output; at the end of its time TERM, then KILL, to its
//! whole process group. Must not know jobs, systems, configuration or messages.
//!
//! Programs are started through `bellows-agent launch` ([`launch`]), which does in the new
//! process what safe Rust cannot do between fork and exec: session, umask, user, and the
//! signal that ends the program when its parent dies.

use std::{collections::BTreeMap, fmt, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};

mod capture;
pub mod launch;
mod process;
mod version;

pub use process::{detach, run};
pub use version::systemd as systemd_version;

/// Standard output beyond this is not kept, unless the invocation says otherwise.
pub const OUTPUT_LIMIT: usize = 1024 * 1024;
/// The end of standard error that is kept.
pub const STDERR_LIMIT: usize = 64 * 1024;
/// Standard input may be so long.
pub const STDIN_LIMIT: usize = 1024 * 1024;
/// Between TERM and KILL.
pub const TERM_GRACE: Duration = Duration::from_secs(5);
/// After the program has ended its pipes are read for so long: what it left behind may
/// hold them open for ever.
pub const DRAIN: Duration = Duration::from_millis(300);
/// `PATH` of every program. Tools are called by absolute path; some of them call others.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a program reads.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Stdin {
    /// `/dev/null`.
    #[default]
    Null,
    /// These, then end of file. At most [`STDIN_LIMIT`]. May be secret: never shown.
    Bytes(Vec<u8>),
}

/// Where standard output and standard error go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Through pipes: to the sink as they come, and kept: the first so many bytes of
    /// standard output, the last [`STDERR_LIMIT`] of standard error.
    Captured {
        /// Bytes of standard output that are kept.
        limit: usize,
    },
    /// Appended to this file (made with mode 0600). For programs that leave daemons: a reader
    /// of their pipe would never see its end.
    File(Utf8PathBuf),
}

/// One run of a program, as data.
#[derive(Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Absolute path.
    pub program: Utf8PathBuf,
    /// Without the program's name. No secrets: they are visible to everybody on the host.
    pub arguments: Vec<String>,
    /// Runs as this user of the host; `None`: as the caller.
    pub user: Option<String>,
    /// Absolute path.
    pub cwd: Utf8PathBuf,
    /// e.g. 0o077.
    pub umask: u32,
    /// All of it, besides `PATH`, `LC_ALL=C`, and `HOME`, `USER`, `LOGNAME` of the user;
    /// entries here win.
    pub environment: BTreeMap<String, String>,
    /// What it reads.
    pub stdin: Stdin,
    /// Ended after so long; `None`: only by cancellation.
    pub deadline: Option<Duration>,
    /// Where its output goes.
    pub output: Output,
    /// Between TERM and KILL.
    pub grace: Duration,
}

impl Invocation {
    /// `program` with `arguments`, as the caller's user, in `/`, umask 077, nothing to read,
    /// captured output, ended after `deadline`.
    pub fn new<A: Into<String>>(
        program: impl Into<Utf8PathBuf>,
        arguments: impl IntoIterator<Item = A>,
        deadline: Duration,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            user: None,
            cwd: "/".into(),
            umask: 0o077,
            environment: BTreeMap::new(),
            stdin: Stdin::Null,
            deadline: Some(deadline),
            output: Output::Captured { limit: OUTPUT_LIMIT },
            grace: TERM_GRACE,
        }
    }

    /// The same as another user of the host.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The same with one more variable in its environment.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(key.into(), value.into());
        self
    }

    /// The same reading `bytes`.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Stdin::Bytes(bytes.into());
        self
    }

    /// The command line, for records, errors and logs.
    pub fn command(&self) -> Vec<String> {
        std::iter::once(self.program.to_string()).chain(self.arguments.iter().cloned()).collect()
    }
}

impl fmt::Debug for Invocation {
    /// Without standard input and the values of the environment: these may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("command", &self.command())
            .field("user", &self.user)
            .field("cwd", &self.cwd)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// A program that has ended, whatever its exit status.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Finished {
    /// Exit status; `None`: a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output, the first bytes up to the invocation's limit.
    pub stdout: Vec<u8>,
    /// There was more.
    pub stdout_cut: bool,
    /// Standard error, the last [`STDERR_LIMIT`] bytes.
    pub stderr: Vec<u8>,
}

impl Finished {
    /// Exit status 0. Never a proof that the tool did its work: read it back.
    pub fn success(&self) -> bool {
        self.status == Some(0)
    }

    /// "exit status 3" or "signal 9", for messages.
    pub fn outcome(&self) -> String {
        match (self.status, self.signal) {
            (Some(status), _) => format!("exit status {status}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "an unknown exit status".to_owned(),
        }
    }
}

/// Which of the program's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Is told what happens while a program runs.
pub trait Sink: Send {
    /// It runs, with this process id.
    fn started(&mut self, pid: u32) {
        let _ = pid;
    }
    /// It wrote something. Both streams are in the order in which they were read.
    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        let _ = (stream, bytes);
    }
}

/// A sink for callers that only want the end.
#[derive(Debug, Default)]
pub struct Silent;

impl Sink for Silent {}

/// Why a run has no ending to show. Names the program, never its input.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The invocation is not one: relative path, NUL byte, too long an input.
    #[error("{program}: {reason}")]
    Invalid {
        /// The program.
        program: Utf8PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// There is no such program, or it is not executable.
    #[error("{program} is not there or not executable")]
    Missing {
        /// The program.
        program: Utf8PathBuf,
    },
    /// It could not be started.
    #[error("{program} cannot be started: {reason}")]
    Start {
        /// The program.
        program: Utf8PathBuf,
        /// Why.
        reason: String,
    },
    /// It did not end in time and was killed.
    #[error("{program} did not end within {} ms", deadline.as_millis())]
    Deadline {
        /// The program.
        program: Utf8PathBuf,
        /// What it was given.
        deadline: Duration,
        /// The end of its standard error.
        stderr: Vec<u8>,
    },
    /// It was ended by request.
    #[error("{program} was cancelled")]
    Cancelled {
        /// The program.
        program: Utf8PathBuf,
    },
    /// A pipe or wait failed.
    #[error("{program}: {source}")]
    Io {
        /// The program.
        program: Utf8PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
}

/// Checks what the kernel or a shell-less start cannot take.
fn validate(invocation: &Invocation) -> Result<(), Error> {
    let invalid = |reason| Error::Invalid { program: invocation.program.clone(), reason };
    if !invocation.program.is_absolute() || !invocation.cwd.is_absolute() {
        return Err(invalid("program and working directory must be absolute"));
    }
    let nul = |text: &str| text.contains('\0');
    if invocation.arguments.iter().any(|a| nul(a))
        || invocation
            .environment
            .iter()
            .any(|(k, v)| k.is_empty() || k.contains('=') || nul(k) || nul(v))
    {
        return Err(invalid("an argument or variable has a NUL byte or an empty name"));
    }
    if matches!(&invocation.stdin, Stdin::Bytes(bytes) if bytes.len() > STDIN_LIMIT) {
        return Err(invalid("standard input is too long"));
    }
    Ok(())
}

/// A regular file that somebody may execute.
fn is_executable(path: &Utf8Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
