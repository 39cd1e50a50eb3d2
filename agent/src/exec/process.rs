//! Starts a program, watches it, and ends it in time.

use std::{future::Future, pin::Pin, process::Stdio, time::Duration};

use camino::Utf8Path;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    DRAIN, Error, Finished, Invocation, Output, PATH, STDERR_LIMIT, Sink, Stdin, Stream,
    capture::{Head, Tail},
    is_executable, launch, validate,
};

/// So far in the future that it never comes; a sleep needs some instant.
const NEVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// The folder of an output file may belong to the program's user, the file is opened by ours:
/// a symbolic link is refused.
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
/// Bytes per read of a pipe.
const CHUNK: usize = 16 * 1024;

/// Runs a program to its end: its own, or the one that deadline or `cancel` bring.
///
/// `own_program` is this agent's program, which starts others ([`launch`]). Only the direct
/// child is waited for. Dropping the future kills the whole process group at once.
///
/// # Errors
/// If the program cannot be started, is ended by deadline or cancellation, or a pipe fails.
/// Any exit status is an `Ok`.
pub async fn run(
    own_program: &Utf8Path,
    invocation: &Invocation,
    cancel: &CancellationToken,
    sink: &mut dyn Sink,
) -> Result<Finished, Error> {
    let mut child = start(own_program, invocation, Some(rustix::process::getpid()))?;
    let pid = child.id().unwrap_or_default();
    let mut group = Group::of(pid);
    sink.started(pid);
    let mut watch = Watch::new(invocation, &mut child);
    let status = watch.until_ended(&mut child, &group, cancel, sink).await;
    if watch.ending.is_some() {
        // What of the group outlived its leader.
        group.signal(Signal::KILL);
    }
    group.disarm();
    let status =
        status.map_err(|source| Error::Io { program: invocation.program.clone(), source })?;
    watch.finish(invocation, status)
}

/// Starts a program in a session of its own and does not wait for it: it outlives the caller.
/// Its output goes to the invocation's file, or nowhere. Its deadline is not watched.
/// Returns its process id.
///
/// # Errors
/// If it cannot be started. That the program itself could be executed is not known yet.
pub fn detach(own_program: &Utf8Path, invocation: &Invocation) -> Result<u32, Error> {
    let child = start(own_program, invocation, None)?;
    // Dropped without waiting: the runtime reaps it when it ends.
    Ok(child.id().unwrap_or_default())
}

#[allow(clippy::disallowed_methods)] // This is the place that starts processes.
fn start(
    own_program: &Utf8Path,
    invocation: &Invocation,
    parent: Option<Pid>,
) -> Result<Child, Error> {
    validate(invocation)?;
    if !is_executable(&invocation.program) {
        return Err(Error::Missing { program: invocation.program.clone() });
    }
    let cannot = |error: std::io::Error| Error::Start {
        program: invocation.program.clone(),
        reason: error.to_string(),
    };
    let mut command = Command::new(own_program);
    command
        .args(launch::arguments(invocation, parent))
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .envs(&invocation.environment)
        .stdin(match invocation.stdin {
            Stdin::Null => Stdio::null(),
            Stdin::Bytes(_) => Stdio::piped(),
        });
    match (&invocation.output, parent) {
        (Output::Captured { .. }, Some(_)) => {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        (Output::Captured { .. }, None) => {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        (Output::File(path), _) => {
            use std::os::unix::fs::OpenOptionsExt as _;
            let file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .custom_flags(NO_LINK)
                .open(path)
                .map_err(cannot)?;
            command.stdout(file.try_clone().map_err(cannot)?).stderr(file);
        }
    }
    command.spawn().map_err(cannot)
}

/// The program's process group; killed when this is dropped armed.
struct Group(Option<Pid>);

impl Group {
    fn of(pid: u32) -> Self {
        Self(i32::try_from(pid).ok().and_then(Pid::from_raw))
    }

    /// The leader makes its group a moment after its start, so it is signalled itself too.
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // Gone already is as good as signalled.
            let _ = kill_process_group(pid, signal);
        }
    }

    fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            self.signal(Signal::KILL);
        }
    }
}

/// Why a program is being ended.
#[derive(Clone, Copy)]
enum Ending {
    Deadline(Duration),
    Cancelled,
}

type Pipe = Box<dyn AsyncRead + Send + Unpin>;

struct Watch {
    stdout: Option<Pipe>,
    stderr: Option<Pipe>,
    feeding: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    head: Head,
    tail: Tail,
    deadline: Option<Duration>,
    grace: Duration,
    ending: Option<Ending>,
}

impl Watch {
    fn new(invocation: &Invocation, child: &mut Child) -> Self {
        let limit = match invocation.output {
            Output::Captured { limit } => limit,
            Output::File(_) => 0,
        };
        let feeding = match (&invocation.stdin, child.stdin.take()) {
            (Stdin::Bytes(bytes), Some(mut pipe)) => {
                let bytes = bytes.clone();
                let feed = async move {
                    // A program that does not read all of it says so by its exit status.
                    let _ = pipe.write_all(&bytes).await;
                };
                Some(Box::pin(feed) as Pin<Box<dyn Future<Output = ()> + Send>>)
            }
            (Stdin::Bytes(_) | Stdin::Null, _) => None,
        };
        Self {
            stdout: child.stdout.take().map(|pipe| Box::new(pipe) as Pipe),
            stderr: child.stderr.take().map(|pipe| Box::new(pipe) as Pipe),
            feeding,
            head: Head::new(limit),
            tail: Tail::new(STDERR_LIMIT),
            deadline: invocation.deadline,
            grace: invocation.grace,
            ending: None,
        }
    }

    async fn until_ended(
        &mut self,
        child: &mut Child,
        group: &Group,
        cancel: &CancellationToken,
        sink: &mut dyn Sink,
    ) -> std::io::Result<std::process::ExitStatus> {
        let (mut out, mut err) = (vec![0; CHUNK], vec![0; CHUNK]);
        let mut status = None;
        let started = Instant::now();
        // One timer: first the deadline, then KILL after TERM, then the end of the drain.
        let mut alarm = started + self.deadline.unwrap_or(NEVER);
        loop {
            if let (Some(status), None, None) = (status, &self.stdout, &self.stderr) {
                return Ok(status);
            }
            // Not left to the timer alone: below, a flood of output would always come first.
            if Instant::now() >= alarm {
                if let Some(status) = status {
                    return Ok(status);
                }
                status = child.try_wait()?;
                alarm = match status {
                    Some(_) => Instant::now() + DRAIN,
                    None => self.ring(child, group)?,
                };
                continue;
            }
            tokio::select! {
                biased;
                ended = child.wait(), if status.is_none() => {
                    status = Some(ended?);
                    alarm = Instant::now() + DRAIN;
                }
                () = cancel.cancelled(), if status.is_none() && self.ending.is_none() => {
                    self.ending = Some(Ending::Cancelled);
                    alarm = self.terminate(child, group);
                }
                read = read(&mut self.stdout, &mut out), if self.stdout.is_some() => {
                    match out.get(..read) {
                        None | Some([]) => self.stdout = None,
                        Some(bytes) => {
                            self.head.push(bytes);
                            sink.output(Stream::Stdout, bytes);
                        }
                    }
                }
                read = read(&mut self.stderr, &mut err), if self.stderr.is_some() => {
                    match err.get(..read) {
                        None | Some([]) => self.stderr = None,
                        Some(bytes) => {
                            self.tail.push(bytes);
                            sink.output(Stream::Stderr, bytes);
                        }
                    }
                }
                () = feed(&mut self.feeding), if self.feeding.is_some() => self.feeding = None,
                () = sleep_until(alarm) => {}
            }
        }
    }

    /// Time is up: TERM, or KILL if there was one. Returns when to look again.
    fn ring(&mut self, child: &mut Child, group: &Group) -> std::io::Result<Instant> {
        if self.ending.is_some() {
            group.signal(Signal::KILL);
            child.start_kill()?;
            return Ok(Instant::now() + self.grace.max(DRAIN));
        }
        self.ending = Some(Ending::Deadline(self.deadline.unwrap_or(NEVER)));
        Ok(self.terminate(child, group))
    }

    /// TERM to all of it; returns when KILL is due.
    fn terminate(&self, child: &Child, group: &Group) -> Instant {
        group.signal(Signal::TERM);
        // In its first moment the child has no group of its own yet.
        if let Some(pid) = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
        Instant::now() + self.grace
    }

    fn finish(
        self,
        invocation: &Invocation,
        status: std::process::ExitStatus,
    ) -> Result<Finished, Error> {
        use std::os::unix::process::ExitStatusExt as _;
        let program = invocation.program.clone();
        let stderr = self.tail.finish();
        match self.ending {
            Some(Ending::Cancelled) => return Err(Error::Cancelled { program }),
            Some(Ending::Deadline(deadline)) => {
                return Err(Error::Deadline { program, deadline, stderr });
            }
            None => {}
        }
        if let Some(reason) = launch::failure(status.code(), &stderr) {
            return Err(Error::Start { program, reason });
        }
        let (stdout, stdout_cut) = self.head.finish();
        Ok(Finished { status: status.code(), signal: status.signal(), stdout, stdout_cut, stderr })
    }
}

/// Bytes read; 0 at the end or when the pipe is broken.
async fn read(pipe: &mut Option<Pipe>, buffer: &mut [u8]) -> usize {
    match pipe {
        Some(pipe) => pipe.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

async fn feed(feeding: &mut Option<Pin<Box<dyn Future<Output = ()> + Send>>>) {
    match feeding {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
