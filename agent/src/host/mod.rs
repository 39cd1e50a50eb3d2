//! The seam to the machine: every file that agent or shim writes, every process that they
//! start, signal or look for, and the clock. [`RealHost`] is the machine; the simulation
//! brings another. Must not know jobs, systems or messages.
//!
//! Writes are durable when they return: temporary file, fsync, rename, fsync of the
//! directory. Calls on files are synchronous: the files are small and local.

use std::{io, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::exec::{self, Finished, Invocation, Sink};

mod clock;
#[cfg(feature = "program")]
mod exchange;
#[cfg(feature = "program")]
mod files;
pub mod http;
pub mod net;
#[cfg(feature = "program")]
mod processes;
#[cfg(feature = "program")]
mod real;

pub use clock::SystemClock;
pub use http::{HttpError, HttpReply, HttpRequest};
#[cfg(feature = "program")]
pub use real::RealHost;

/// A call to the machine failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {path}: {source}")]
pub struct HostError {
    /// "write", "read", ...
    pub operation: &'static str,
    /// What it was about.
    pub path: Utf8PathBuf,
    /// The system's word.
    pub source: io::Error,
}

/// Mode and owner of a file or directory to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// e.g. 0o600.
    pub mode: u32,
    /// Whose it is; `None`: who runs the agent.
    pub owner: Option<Owner>,
}

/// Who owns a file or directory to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A user of the host, whose primary group it gets.
    User(String),
    /// As it was before, whether these have names or not.
    Ids {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

impl Access {
    /// For the agent alone: 0600.
    pub const PRIVATE: Self = Self { mode: 0o600, owner: None };
    /// A directory for the agent alone: 0700.
    pub const PRIVATE_DIRECTORY: Self = Self { mode: 0o700, owner: None };

    /// `mode` with an owner.
    pub fn owned(mode: u32, owner: impl Into<String>) -> Self {
        Self { mode, owner: Some(Owner::User(owner.into())) }
    }
}

/// What is at a path; symbolic links are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A socket, device or pipe.
    Other,
}

/// Facts of what is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// Bytes.
    pub length: u64,
    /// Permission bits.
    pub mode: u32,
    /// Owner's user id.
    pub uid: u32,
    /// Owner's group id.
    pub gid: u32,
    /// When it last came to its path or its content changed, milliseconds since 1970
    /// (`st_ctime`: a rename sets it, and nobody can set it back).
    pub changed_at_ms: i64,
}

/// Bytes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// That an ordinary user may still use.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// A process, safe against reuse of its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// Clock ticks since boot when it started.
    pub started: u64,
}

/// Signals that Bellows sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Please end.
    Term,
    /// PostgreSQL: fast shutdown.
    Int,
    /// Read your configuration again.
    Hup,
    /// End at once.
    Kill,
}

/// Which processes belong together: all that carry a mark in their environment, or live in
/// the cgroup of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Name and value of an environment variable.
    pub variable: (String, String),
    /// A systemd unit.
    pub unit: Option<String>,
}

/// The machine.
pub trait Host: Send + Sync + 'static {
    /// The bytes of a file, at most `limit`; `None`: it is not there. Follows links: for `/proc`
    /// and for paths that only the administrator or the agent can write.
    ///
    /// # Errors
    /// If it cannot be read or is longer than `limit`.
    fn read(&self, path: &Utf8Path, limit: u64) -> Result<Option<Vec<u8>>, HostError>;

    /// As [`Host::read`], of a file in a folder that another user may write: a link, pipe or
    /// device in its place is refused and never waited for. With the facts of the very file
    /// that was read.
    ///
    /// # Errors
    /// As [`Host::read`]; or if something else than a regular file is there.
    fn read_guarded(
        &self,
        path: &Utf8Path,
        limit: u64,
    ) -> Result<Option<(Vec<u8>, Metadata)>, HostError>;

    /// At most `limit` bytes from `offset`; empty at the end; `None`: it is not there.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read_at(
        &self,
        path: &Utf8Path,
        offset: u64,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, HostError>;

    /// Replaces a file, durably: whoever reads sees the old bytes or the new ones.
    ///
    /// # Errors
    /// If the directory is not there, the owner is unknown, or the disk fails.
    fn write(&self, path: &Utf8Path, bytes: &[u8], access: &Access) -> Result<(), HostError>;

    /// Makes a file that is not there yet, durably and whole; `false`: something is there
    /// already. Of several that try at once, exactly one succeeds.
    ///
    /// # Errors
    /// As [`Host::write`].
    fn create(&self, path: &Utf8Path, bytes: &[u8], access: &Access) -> Result<bool, HostError>;

    /// Appends, not durable before [`Host::sync`]; makes the file with mode 0600.
    ///
    /// # Errors
    /// If the disk fails.
    fn append(&self, path: &Utf8Path, bytes: &[u8]) -> Result<(), HostError>;

    /// Makes what was appended durable.
    ///
    /// # Errors
    /// If the disk fails.
    fn sync(&self, path: &Utf8Path) -> Result<(), HostError>;

    /// Makes a directory with `access`, and missing ones above it with mode 0755 owned by who
    /// runs the agent, durably. One that is there gets mode and owner of `access`.
    ///
    /// # Errors
    /// If something else is there, the owner is unknown, or the disk fails.
    fn create_directory(&self, path: &Utf8Path, access: &Access) -> Result<(), HostError>;

    /// Removes a file or link, durably; absent is fine.
    ///
    /// # Errors
    /// If it is a directory or the disk fails.
    fn remove_file(&self, path: &Utf8Path) -> Result<(), HostError>;

    /// Removes a directory with all in it, never through a symbolic link; absent is fine.
    ///
    /// # Errors
    /// If something cannot be removed.
    fn remove_directory(&self, path: &Utf8Path) -> Result<(), HostError>;

    /// Removes a directory that nothing is in, durably, never through a symbolic link; absent
    /// is fine. `false`: something is in it, and it stays.
    ///
    /// # Errors
    /// If it is no directory, or cannot be removed.
    fn remove_empty_directory(&self, path: &Utf8Path) -> Result<bool, HostError>;

    /// Names in a directory, sorted; empty if it is not there.
    ///
    /// # Errors
    /// If it cannot be read.
    fn list(&self, directory: &Utf8Path) -> Result<Vec<String>, HostError>;

    /// What is at a path, links not followed; `None`: nothing.
    ///
    /// # Errors
    /// If it cannot be told.
    fn metadata(&self, path: &Utf8Path) -> Result<Option<Metadata>, HostError>;

    /// The file system that `path` is on or would be on.
    ///
    /// # Errors
    /// If it cannot be told.
    fn space(&self, path: &Utf8Path) -> Result<Space, HostError>;

    /// Whether `path` is on a tmpfs, so that what is written never reaches a disk.
    ///
    /// # Errors
    /// If it cannot be told.
    fn is_tmpfs(&self, path: &Utf8Path) -> Result<bool, HostError>;

    /// Runs a program to its end.
    ///
    /// # Errors
    /// As [`exec::run`].
    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        cancel: &'a CancellationToken,
        sink: &'a mut dyn Sink,
    ) -> BoxFuture<'a, Result<Finished, exec::Error>>;

    /// One HTTP request to a server of this host, and what it says. See [`http`].
    ///
    /// # Errors
    /// If the address is not of this host, nothing listens there, or there is no whole reply in time.
    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpReply, HttpError>>;

    /// Starts a program that outlives the caller, in a session of its own.
    ///
    /// # Errors
    /// As [`exec::detach`].
    fn detach(&self, invocation: &Invocation) -> Result<ProcessId, exec::Error>;

    /// Signals a process if it still is that one; `false`: it is gone.
    ///
    /// # Errors
    /// If the system refuses.
    fn signal(&self, process: ProcessId, signal: Signal) -> Result<bool, HostError>;

    /// Whether the process lives; a zombie does not.
    fn is_alive(&self, process: ProcessId) -> bool;

    /// The living process of this number, with its start time.
    fn process(&self, pid: u32) -> Option<ProcessId>;

    /// The calling process.
    fn own_process(&self) -> Option<ProcessId>;

    /// All living processes with the mark, in order of their numbers.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    fn marked(&self, mark: &Mark) -> Result<Vec<ProcessId>, HostError>;

    /// This process becomes the parent of its orphaned descendants.
    ///
    /// # Errors
    /// If the system refuses.
    fn become_subreaper(&self) -> Result<(), HostError>;

    /// Operating system's kernel release and machine, as `uname -r` and `uname -m` say.
    fn uname(&self) -> (String, String);
}

/// Time and chance.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
    /// Since a moment that is the same for this clock: never goes back, whoever sets the time of day.
    fn elapsed(&self) -> Duration;
    /// Sleeps.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;
    /// Seconds that this host's local time is ahead of UTC at a moment: for hours of the day that somebody has named. UTC unless a
    /// clock knows better.
    fn utc_offset_s(&self, at_ms: i64) -> i32 {
        let _ = at_ms;
        0
    }
    /// Random bytes.
    fn random(&self) -> [u8; 16];
}
