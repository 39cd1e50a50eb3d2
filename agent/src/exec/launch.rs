//! `bellows-agent launch`: the first thing that runs in a new process. It makes a session,
//! sets umask, user and the parent-death signal, and becomes the program.
//!
//! Safe Rust has no hook between fork and exec, so this is a program of its own: ours. It
//! runs before any runtime or thread exists.

use std::{ffi::OsString, os::unix::process::CommandExt as _};

use rustix::{
    fs::Mode,
    process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal, setsid, umask},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use super::Invocation;

mod users;
pub use users::{User, user};

/// The word on our command line.
pub const COMMAND: &str = "launch";
/// Exit status when the program could not be started; with [`PREFIX`] on standard error.
const FAILED: i32 = 125;
const PREFIX: &str = "bellows-agent launch: ";

/// Our own command line for an invocation. With a `parent`, the program ends with it.
pub(super) fn arguments(invocation: &Invocation, parent: Option<Pid>) -> Vec<String> {
    let parent = parent.map_or(0, |pid| pid.as_raw_nonzero().get());
    let mut arguments = vec![
        COMMAND.to_owned(),
        parent.to_string(),
        format!("{:o}", invocation.umask),
        invocation.cwd.to_string(),
        invocation.user.clone().unwrap_or_default(),
        invocation.program.to_string(),
    ];
    arguments.extend(invocation.arguments.iter().cloned());
    arguments
}

/// Why the launch failed, if it did.
pub(super) fn failure(status: Option<i32>, stderr: &[u8]) -> Option<String> {
    if status != Some(FAILED) {
        return None;
    }
    String::from_utf8_lossy(stderr).strip_prefix(PREFIX).map(|reason| reason.trim_end().to_owned())
}

/// Becomes the program; returns (with an exit status) only when that fails. `arguments` are
/// what follows `launch` on the command line.
pub fn main(arguments: impl Iterator<Item = OsString>) -> u8 {
    let reason = match run(arguments) {
        Ok(never) => match never {},
        Err(reason) => reason,
    };
    // Standard error may be closed; the exit status says enough then.
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{PREFIX}{reason}\n"));
    u8::try_from(FAILED).unwrap_or(1)
}

#[allow(clippy::disallowed_methods)] // This is the place that starts processes.
fn run(mut arguments: impl Iterator<Item = OsString>) -> Result<std::convert::Infallible, String> {
    let mut next = |what: &str| arguments.next().ok_or_else(|| format!("{what} is missing"));
    let parent = text(next("parent")?)?;
    let mask = text(next("umask")?)?;
    let cwd = next("directory")?;
    let name = text(next("user")?)?;
    let program = next("program")?;
    let parent: i32 = parent.parse().map_err(|_| "no process id".to_owned())?;
    let mask = u32::from_str_radix(&mask, 8).map_err(|_| "no umask".to_owned())?;
    // Fails only for the leader of a group, which is in a group of its own already.
    let _ = setsid();
    umask(Mode::from_raw_mode(mask));
    let mut command = std::process::Command::new(&program);
    if !name.is_empty() {
        let user = become_user(&name)?;
        for (key, value) in [("HOME", &user.home), ("USER", &name), ("LOGNAME", &name)] {
            if std::env::var_os(key).is_none() {
                command.env(key, value);
            }
        }
    }
    std::env::set_current_dir(&cwd).map_err(|e| format!("directory {}: {e}", cwd.display()))?;
    if let Some(parent) = Pid::from_raw(parent) {
        die_with(parent)?;
    }
    command.args(arguments);
    Err(format!("{}: {}", program.display(), command.exec()))
}

/// Becomes another program of ours, with the arguments of this one and one more variable in its environment.
/// Returns only when that fails. For the very start: no thread but this one may exist that matters.
#[allow(clippy::disallowed_methods)] // As above.
pub fn replace_by(program: &camino::Utf8Path, variable: (&str, &str)) -> std::io::Error {
    let mut command = std::process::Command::new(program);
    command.args(std::env::args_os().skip(1)).env(variable.0, variable.1).exec()
}

/// Ends this process when its parent ends. After the change of user: that clears it.
fn die_with(parent: Pid) -> Result<(), String> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| e.to_string())?;
    if getppid() != Some(parent) && getpid() != Pid::INIT {
        return Err("the parent has ended".to_owned());
    }
    Ok(())
}

fn become_user(name: &str) -> Result<User, String> {
    let user = user(name)
        .map_err(|e| format!("/etc/passwd: {e}"))?
        .ok_or_else(|| format!("no user {name:?} in /etc/passwd"))?;
    if rustix::process::geteuid().as_raw() == user.uid {
        return Ok(user);
    }
    let refused = |e: rustix::io::Errno| format!("cannot become user {name:?}: {e}");
    let gid = rustix::fs::Gid::from_raw(user.gid);
    let uid = rustix::fs::Uid::from_raw(user.uid);
    let groups: Vec<_> =
        user.groups.iter().map(|group| rustix::fs::Gid::from_raw(*group)).collect();
    // No thread but this one exists, so that the thread is the process.
    set_thread_groups(&groups).map_err(refused)?;
    set_thread_res_gid(gid, gid, gid).map_err(refused)?;
    set_thread_res_uid(uid, uid, uid).map_err(refused)?;
    Ok(user)
}

fn text(argument: OsString) -> Result<String, String> {
    argument.into_string().map_err(|_| "an argument is not UTF-8".to_owned())
}
