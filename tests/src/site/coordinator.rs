//! The coordinator's process: made, started, killed and started again.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use bellows_proto::tls::Credentials;
use tokio::process::Child;

use super::{Cli, LIMIT};
use crate::process;

/// Where it listens for agents that enrol.
const ENROLMENT_PORT: u16 = 7402;

/// `bellows serve`. Killed when dropped.
#[derive(Debug)]
pub struct Coordinator {
    program: PathBuf,
    site: PathBuf,
    log: PathBuf,
    enrolment: String,
    cli: Cli,
    child: Option<Child>,
    kills: u32,
}

impl Coordinator {
    /// Makes the site in `folder`, to listen on `address`: `bellows init`.
    ///
    /// # Errors
    /// The program was not built, or fails.
    pub async fn init(folder: &Path, address: &str) -> Result<Self> {
        let site = folder.join("site");
        let program = process::built("bellows")?;
        let enrolment = format!("{address}:{ENROLMENT_PORT}");
        let mut init = process::command(&program);
        init.arg("init").arg("--site").arg(&site);
        init.args(["--name", "test", "--enrolment", &enrolment]);
        process::run(init, LIMIT).await?.expect_code(0)?;
        Ok(Self {
            program,
            log: folder.join("coordinator.log"),
            cli: Cli::new(&site)?,
            site,
            enrolment,
            child: None,
            kills: 0,
        })
    }

    /// A copy of the whole site in `folder`, as somebody who copies a VM has it: the same store,
    /// certificates and all, with a socket of its own and another port for enrolment. This one
    /// must not run meanwhile.
    ///
    /// # Errors
    /// A file cannot be copied.
    pub fn copy(&self, folder: &Path, port: u16) -> Result<Self> {
        let site = folder.join("site");
        copy_folder(&self.site, &site)?;
        let file = site.join("site.toml");
        let text = std::fs::read_to_string(&file).context("the copy's site.toml")?;
        let enrolment = match self.enrolment.rsplit_once(':') {
            Some((host, _)) => format!("{host}:{port}"),
            None => bail!("no port in {}", self.enrolment),
        };
        let text = text
            .replace(&*self.site.to_string_lossy(), &site.to_string_lossy())
            .replace(&self.enrolment, &enrolment);
        std::fs::write(&file, text).context("the copy's site.toml")?;
        Ok(Self {
            program: self.program.clone(),
            log: folder.join("coordinator.log"),
            cli: Cli::new(&site)?,
            site,
            enrolment,
            child: None,
            kills: 0,
        })
    }

    /// The site's folder.
    pub fn folder(&self) -> &Path {
        &self.site
    }

    /// What it shows to agents.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn credentials(&self) -> Result<Credentials> {
        let read = |name: &str| {
            let path = self.site.join("identity").join(name);
            std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
        };
        Ok(Credentials {
            certificate: read("coordinator.crt")?,
            private_key: read("coordinator.key")?,
            authority: read("authority.crt")?,
        })
    }

    /// Where agents enrol, HOST:PORT.
    pub fn enrolment_address(&self) -> &str {
        &self.enrolment
    }

    /// The command line that talks to it.
    pub fn cli(&self) -> &Cli {
        &self.cli
    }

    /// Its own log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How often it was killed.
    pub fn kills(&self) -> u32 {
        self.kills
    }

    /// From its next start on it runs this copy of the program.
    pub fn run_from(&mut self, program: PathBuf) {
        self.program = program;
    }

    /// Starts it and waits until it answers the command line.
    ///
    /// # Errors
    /// It cannot be started or does not answer within 30 s; the error has the end of its log.
    pub async fn start(&mut self) -> Result<()> {
        self.start_with(&[]).await
    }

    /// As [`Coordinator::start`], with more words for `bellows serve`.
    ///
    /// # Errors
    /// As there.
    pub async fn start_with(&mut self, words: &[&str]) -> Result<()> {
        let sink = File::options().create(true).append(true).open(&self.log);
        let sink = sink.with_context(|| format!("log {}", self.log.display()))?;
        let mut command = process::command(&self.program);
        command.arg("serve").args(words).arg("--site").arg(&self.site);
        command.stdout(sink.try_clone().context("share the log")?).stderr(sink);
        self.child = Some(command.spawn().context("start the coordinator")?);
        process::until("the coordinator answers", LIMIT, || async {
            self.cli.run(&["host", "list"]).await?.expect_code(0)?;
            Ok(true)
        })
        .await
        .with_context(|| super::cli::tail(&self.log))
    }

    /// Waits for it to end by itself, and returns how it did, in words.
    ///
    /// # Errors
    /// It did not run, or does not end within `limit`.
    pub async fn ended(&mut self, limit: std::time::Duration) -> Result<String> {
        let child = self.child.as_mut().context("the coordinator does not run")?;
        let status = tokio::time::timeout(limit, child.wait())
            .await
            .with_context(|| format!("the coordinator has not ended within {limit:?}"))?
            .context("wait for the coordinator")?;
        self.child = None;
        Ok(status.to_string())
    }

    /// Kills it (SIGKILL) and waits for its end.
    ///
    /// # Errors
    /// It did not run.
    pub async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the coordinator does not run")?;
        child.kill().await.context("kill the coordinator")?;
        self.kills += 1;
        Ok(())
    }
}

/// Regular files and folders, with their modes; sockets are left out.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let what = || format!("copy {} to {}", from.display(), to.display());
    let mode = std::fs::metadata(from).with_context(what)?.permissions();
    std::fs::create_dir_all(to).with_context(what)?;
    for entry in std::fs::read_dir(from).with_context(what)? {
        let entry = entry.with_context(what)?;
        let kind = entry.file_type().with_context(what)?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target).with_context(what)?;
        }
    }
    std::fs::set_permissions(to, mode).with_context(what)
}
