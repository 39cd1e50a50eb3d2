//! Programs that tests and demo start: with a deadline, in a process group of their own (so
//! that a Ctrl-C reaches us first), and with errors that carry what the program said. Knows
//! nothing of Bellows.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// A command without input, with a clean environment and captured output. Killed when its
/// handle is dropped.
#[allow(
    clippy::disallowed_methods,
    reason = "tests and demo stand outside of what they test and must not use its code"
)]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = std::process::Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/")
        .env("LC_ALL", "C.UTF-8")
        .env("NO_COLOR", "1");
    captured(command)
}

/// The same of a command that somebody else made; its environment stays as it is.
pub fn captured(command: std::process::Command) -> Command {
    let mut command = Command::from(command);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .process_group(0);
    command
}

/// How a program ended and what it printed.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The command line, for errors.
    pub what: String,
    /// Exit status; `None`: a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// Standard output of a program that ended with this exit status.
    ///
    /// # Errors
    /// It ended otherwise; the error carries all that it printed.
    pub fn expect_code(&self, code: i32) -> Result<&str> {
        if self.code != Some(code) {
            bail!(
                "{}: ended with {:?} instead of {code}\n{}{}",
                self.what,
                self.code,
                self.stderr,
                self.stdout
            );
        }
        Ok(&self.stdout)
    }
}

/// Runs a command to its end.
///
/// # Errors
/// It cannot be started, or has not ended within `limit` (it is killed then).
pub async fn run(mut command: Command, limit: Duration) -> Result<Ended> {
    let what = describe(&command);
    let child = command.spawn().with_context(|| format!("start {what}"))?;
    let output: Output = tokio::time::timeout(limit, child.wait_with_output())
        .await
        .with_context(|| format!("{what}: not ended within {limit:?}"))?
        .with_context(|| what.clone())?;
    Ok(Ended {
        what,
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn describe(command: &Command) -> String {
    let command = command.as_std();
    let program = Path::new(command.get_program());
    let mut words = vec![program.file_name().unwrap_or_default().to_string_lossy()];
    words.extend(command.get_args().map(OsStr::to_string_lossy));
    words.join(" ")
}

/// Polls until `holds` says true, or the time is up.
///
/// # Errors
/// It was not true within `limit`; the error names `what` and the last complaint. An error of
/// `holds` counts as "not yet": what is polled may not be there yet.
pub async fn until<F, Fut>(what: &str, limit: Duration, mut holds: F) -> Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<bool>>,
{
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        let complaint = match holds().await {
            Ok(true) => return Ok(()),
            Ok(false) => String::new(),
            Err(error) => format!(": {error:#}"),
        };
        if tokio::time::Instant::now() > deadline {
            bail!("not within {limit:?}: {what}{complaint}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A program built by Cargo, beside the running one: `target/<profile>/NAME`.
///
/// # Errors
/// It is not there: it was not built.
pub fn built(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("path of this program")?;
    let folder = own.parent().context("folder of this program")?;
    // Test binaries live one folder deeper.
    let folder = match folder.file_name() {
        Some(last) if last == "deps" => folder.parent().context("folder above deps")?,
        _ => folder,
    };
    let program = folder.join(name);
    if !program.is_file() {
        bail!(
            "{} is not there: run `cargo build --workspace --bins` first (with --release for the demo)",
            program.display()
        );
    }
    Ok(program)
}
