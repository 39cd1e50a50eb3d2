//! The servers and repmgrds that run on this host, by `/proc`. Must not know configuration.

use bellows_proto::v1::Fault;
use camino::{Utf8Path, Utf8PathBuf};

use super::parse::{self, PidFile};
use crate::{host::Host, tools::postgresql::adopted::PID_FILE};

/// So much of a command line is enough.
const COMMAND_LIMIT: usize = 4096;
const PID_LIMIT: u64 = 4096;

/// A process with its command line.
#[derive(Debug, Clone)]
pub struct Running {
    /// Its number.
    pub pid: u32,
    /// Program and arguments.
    pub command: Vec<String>,
}

impl Running {
    /// The program as it was called; often an absolute path.
    pub fn program(&self) -> &Utf8Path {
        Utf8Path::new(self.command.first().map_or("", String::as_str))
    }
}

/// A server that runs.
#[derive(Debug, Clone)]
pub struct Postmaster {
    /// Its process.
    pub process: Running,
    /// What it wrote when it started.
    pub file: PidFile,
}

/// All processes whose program has one of these names.
///
/// # Errors
/// If one that lives cannot be read.
pub fn named(host: &dyn Host, names: &[&str]) -> Result<Vec<Running>, Fault> {
    let mut found = Vec::new();
    for entry in host.list(Utf8Path::new("/proc"))? {
        let Ok(pid) = entry.parse::<u32>() else { continue };
        let Some(command) = command(host, pid)? else { continue };
        let process = Running { pid, command };
        if process.program().file_name().is_some_and(|name| names.contains(&name)) {
            found.push(process);
        }
    }
    found.sort_by_key(|process| process.pid);
    Ok(found)
}

/// Program and arguments of a process; `None`: it has ended.
///
/// # Errors
/// If it lives and cannot be read.
pub fn command(host: &dyn Host, pid: u32) -> Result<Option<Vec<String>>, Fault> {
    let path = Utf8PathBuf::from(format!("/proc/{pid}/cmdline"));
    let bytes = match host.read_at(&path, 0, COMMAND_LIMIT) {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(_) if host.process(pid).is_none() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let words = bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into());
    let mut words: Vec<String> = words.collect();
    if words.last().is_some_and(String::is_empty) {
        words.pop();
    }
    Ok(Some(words))
}

/// All servers that run here, in the order of their data directories. One in a container, whose files are
/// not this host's, is not among them.
///
/// # Errors
/// If one that lives cannot be read.
pub fn postmasters(host: &dyn Host) -> Result<Vec<Postmaster>, Fault> {
    let mut found = Vec::new();
    for process in named(host, &["postgres", "postmaster"])? {
        // A server's working directory is its data directory.
        let path = Utf8PathBuf::from(format!("/proc/{}/cwd/{PID_FILE}", process.pid));
        let bytes = match host.read_guarded(&path, PID_LIMIT) {
            Ok(Some((bytes, _))) => bytes,
            Ok(None) => continue,
            Err(_) if host.process(process.pid).is_none() => continue,
            Err(error) => return Err(error.into()),
        };
        let Some(file) = parse::pid_file(&String::from_utf8_lossy(&bytes)) else { continue };
        // Its children have the same directory.
        if file.pid != process.pid {
            continue;
        }
        let own = host.read_guarded(&Utf8Path::new(&file.data_dir).join(PID_FILE), PID_LIMIT)?;
        if own.is_some_and(|(own, _)| own == bytes) {
            found.push(Postmaster { process, file });
        }
    }
    found.sort_by(|a, b| a.file.data_dir.cmp(&b.file.data_dir));
    Ok(found)
}

/// Whether this living process is the server of that data directory.
///
/// # Errors
/// If it lives and cannot be read.
pub fn is_postmaster(host: &dyn Host, pid: u32, data_dir: &Utf8Path) -> Result<bool, Fault> {
    if host.process(pid).is_none() {
        return Ok(false);
    }
    let Some(command) = command(host, pid)? else { return Ok(false) };
    let process = Running { pid, command };
    let name = process.program().file_name();
    if !name.is_some_and(|name| ["postgres", "postmaster"].contains(&name)) {
        return Ok(false);
    }
    let read = |path: Utf8PathBuf| host.read_guarded(&path, PID_LIMIT);
    let own = match read(Utf8PathBuf::from(format!("/proc/{pid}/cwd/{PID_FILE}"))) {
        Ok(own) => own,
        Err(_) if host.process(pid).is_none() => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let there = read(data_dir.join(PID_FILE))?;
    Ok(own.map(|(bytes, _)| bytes) == there.map(|(bytes, _)| bytes))
}
