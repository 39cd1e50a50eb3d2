//! Ends all that runs from a folder, whoever started it: servers, their daemons and jobs that
//! outlive their agents. Knows processes and folders only.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A process that belongs to a folder.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its id.
    pub pid: i32,
    /// Its command line, words apart by blanks.
    pub what: String,
    /// It is the first process of a PostgreSQL server, which tidies up its shared memory when
    /// it is asked to quit.
    pub server: bool,
}

/// Processes whose command line, working folder or environment names one of the folders. The
/// calling process is never among them.
pub fn processes(folders: &[PathBuf]) -> Vec<Found> {
    let own = std::process::id().cast_signed();
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != own)
        .filter_map(|pid| look(pid, folders))
        .collect()
}

fn look(pid: i32, folders: &[PathBuf]) -> Option<Found> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let command = std::fs::read(proc.join("cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    let names = |text: &str| {
        folders.iter().any(|folder| folder.to_str().is_some_and(|folder| text.contains(folder)))
    };
    let stands_in =
        || std::fs::read_link(proc.join("cwd")).is_ok_and(|cwd| names(&cwd.to_string_lossy()));
    let told = || {
        std::fs::read(proc.join("environ"))
            .is_ok_and(|environment| names(&String::from_utf8_lossy(&environment)))
    };
    if !(names(&command) || stands_in() || told()) {
        return None;
    }
    let server =
        command.split(' ').next().is_some_and(|program| Path::new(program).ends_with("postgres"))
            && command.contains(" -D ");
    Some(Found { pid, what: command.trim_end().to_owned(), server })
}

/// Kills everything that belongs to the folders. Servers are asked to quit at once, so that
/// they give their shared memory back; what is left after ten seconds is killed too.
///
/// # Errors
/// Something still runs after thirty seconds; the error names it.
#[allow(
    clippy::disallowed_methods,
    reason = "a poll with a deadline, in a destructor without a runtime"
)]
pub fn reap(folders: &[PathBuf]) -> Result<()> {
    let began = Instant::now();
    loop {
        let found = processes(folders);
        if found.is_empty() {
            return Ok(());
        }
        if began.elapsed() > Duration::from_secs(30) {
            let left: Vec<_> = found.into_iter().map(|one| one.what).collect();
            bail!("still running: {}", left.join("; "));
        }
        let patient = began.elapsed() < Duration::from_secs(10);
        for one in found {
            // Children of a server end with it; killing one would only make it restart the others.
            let of_server = one.what.starts_with("postgres: ");
            match (patient, one.server || of_server) {
                (true, true) if one.server => signal(one.pid, Signal::QUIT),
                (true, true) => {}
                _ => signal(one.pid, Signal::KILL),
            }
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// SIGKILL.
pub fn kill(found: &Found) {
    signal(found.pid, Signal::KILL);
}

fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may have ended by itself meanwhile.
        let _ = kill_process(pid, signal);
    }
}

/// Reaps, then removes the folders.
///
/// # Errors
/// As [`reap`]; or a folder cannot be removed.
pub fn reap_and_remove(folders: &[PathBuf]) -> Result<()> {
    reap(folders)?;
    for folder in folders {
        match std::fs::remove_dir_all(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => bail!("remove {}: {error}", folder.display()),
        }
    }
    Ok(())
}
