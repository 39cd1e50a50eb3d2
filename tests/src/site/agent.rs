//! One agent: its configuration, its enrolment, its process.

use std::{
    fs::File,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use bellows_proto::tls::Credentials;
use tokio::process::Child;

use super::{Host, LIMIT};
use crate::process;

/// Where an agent listens on its host's address.
const PORT: u16 = 7401;

/// An agent of the site. Killed when dropped; its jobs and services are not.
#[derive(Debug)]
pub struct Agent {
    /// Where it lives.
    pub host: Host,
    program: PathBuf,
    config: PathBuf,
    child: Option<Child>,
}

impl Agent {
    /// Writes its configuration; `systems`: what it may do.
    ///
    /// # Errors
    /// A file cannot be written, or the program was not built.
    pub fn new(host: Host, systems: &str) -> Result<Self> {
        let config = host.folder.join("agent.toml");
        let text = format!("{}\n{systems}", base(&host));
        std::fs::write(&config, text).with_context(|| format!("write {}", config.display()))?;
        Ok(Self { host, program: process::built("bellows-agent")?, config, child: None })
    }

    fn command(&self, words: &[&str]) -> tokio::process::Command {
        let mut command = process::command(&self.program);
        command.args(words).arg("--config").arg(&self.config);
        command
    }

    /// Makes its key and gets its certificate with a token.
    ///
    /// # Errors
    /// The coordinator refuses, or the program fails.
    pub async fn enrol(&self, coordinator: &str, token: &str) -> Result<()> {
        let mut command = self.command(&["enrol"]);
        command.args(["--coordinator", coordinator, "--token", token]);
        process::run(command, LIMIT).await?.expect_code(0)?;
        Ok(())
    }

    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// It cannot be started or does not listen within 30 s; the error has the end of its log.
    pub async fn start(&mut self) -> Result<()> {
        self.start_with(&[]).await
    }

    /// As [`Agent::start`], with more in its environment; its jobs and services do not get it.
    ///
    /// # Errors
    /// As there.
    pub async fn start_with(&mut self, environment: &[(&str, &str)]) -> Result<()> {
        let log = self.log();
        let sink = File::options().create(true).append(true).open(&log);
        let sink = sink.with_context(|| format!("log {}", log.display()))?;
        let mut command = self.command(&["run"]);
        command.envs(environment.iter().copied());
        command.stdout(sink.try_clone().context("share the log")?).stderr(sink);
        self.child = Some(command.spawn().context("start an agent")?);
        let address = self.address();
        let what = format!("the agent of {} listens", self.host.name);
        process::until(&what, LIMIT, || async {
            Ok(tokio::net::TcpStream::connect(&address).await.map(|_| true)?)
        })
        .await
        .with_context(|| crate::site::cli::tail(&log))
    }

    /// Runs the agent's program with these words, e.g. `service start NAME`, to its end.
    ///
    /// # Errors
    /// It cannot be started, or does not end within 30 s.
    pub async fn command_line(&self, words: &[&str]) -> Result<process::Ended> {
        process::run(self.command(words), LIMIT).await
    }

    /// Memory that it holds now, and the size of its program: KiB resident (VmRSS of
    /// `/proc/PID/status`) and KiB on disk.
    ///
    /// # Errors
    /// It does not run.
    pub fn sizes(&self) -> Result<(u64, u64)> {
        let pid = self.child.as_ref().and_then(Child::id).context("the agent does not run")?;
        let path = format!("/proc/{pid}/status");
        let status = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let resident = line.trim().trim_end_matches(" kB").parse().context("VmRSS")?;
        let program = std::fs::metadata(&self.program).context("the agent's program")?;
        Ok((resident, program.len() / 1024))
    }

    /// Kills it (SIGKILL) and waits for its end.
    ///
    /// # Errors
    /// It did not run.
    pub async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the agent does not run")?;
        child.kill().await.context("kill an agent")
    }

    /// Puts an identity where enrolment would.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn place_identity(&self, identity: &Credentials) -> Result<()> {
        let folder = self.host.folder.join("state/identity");
        std::fs::create_dir_all(&folder).with_context(|| format!("folder {}", folder.display()))?;
        for folder in [&self.host.folder.join("state"), &folder] {
            private(folder, 0o700)?;
        }
        let files = [
            ("agent.crt", &identity.certificate),
            ("agent.key", &identity.private_key),
            ("authority.crt", &identity.authority),
        ];
        for (name, text) in files {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            private(&path, 0o600)?;
        }
        Ok(())
    }

    /// Where it listens, HOST:PORT.
    pub fn address(&self) -> String {
        format!("{}:{PORT}", self.host.address)
    }

    /// Its own log.
    pub fn log(&self) -> PathBuf {
        self.host.folder.join("agent.log")
    }
}

fn private(path: &Path, mode: u32) -> Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("mode of {}", path.display()))
}

/// The part of the configuration that no system knows of.
fn base(host: &Host) -> String {
    let Host { name, address, folder, runtime, .. } = host;
    let state = folder.join("state");
    format!(
        "[agent]\nhost = \"{name}\"\nlisten = \"{address}:{PORT}\"\naddress = \"{address}\"\n\
         data_dir = \"{}\"\nruntime_dir = \"{}\"\nlaunch = \"process\"\nmode = \"manage\"\n",
        state.display(),
        runtime.display(),
    )
}
