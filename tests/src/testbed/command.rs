//! Programs of this machine, called for the testbed: environment cleared, errors with the command and
//! what it said. Knows nothing of hosts.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// A command with no input, a clean environment and output to be captured.
#[allow(
    clippy::disallowed_methods,
    reason = "the testbed stands outside of what it tests and must not use its code"
)]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

/// Runs it to its end and returns what it printed.
///
/// # Errors
/// It could not start, or its exit status is not 0; the error carries the command and its output.
pub fn succeed(mut command: Command) -> Result<String> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    check(&format!("{command:?}"), &output)
}

/// Standard output of a program that ended well.
///
/// # Errors
/// Its exit status is not 0; the error carries `what` and all that it printed.
pub fn check(what: &str, output: &Output) -> Result<String> {
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{what}: {}\n{complaint}{printed}", output.status);
    }
    Ok(printed)
}

/// `ip` with these arguments.
///
/// # Errors
/// As [`succeed`].
pub fn ip(arguments: &[&str]) -> Result<String> {
    let mut ip = command("ip");
    ip.args(arguments);
    succeed(ip)
}
