//! A login on a host by ssh: scripts go over standard input, nothing of it stays.
//!
//! It drives the ssh program of this machine, so that the administrator's own configuration, agent, jump
//! hosts and known hosts are used. Host keys are checked, always.

use std::{
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use bellows_proto::{
    fault::chain,
    v1::{Fault, FaultCode},
};
use openssh::{ControlPersist, KnownHosts, Session, SessionBuilder, Stdio};
use rustix::fs::{FlockOperation, flock};
use tokio::io::AsyncWriteExt as _;

use super::{known_hosts, list::Destination};

/// A host that does not take the connection within this time is away.
const CONNECT: Duration = Duration::from_secs(15);
/// A connection that is silent for three of these is broken.
const ALIVE: Duration = Duration::from_secs(15);
/// A connection that was left behind by a killed run ends by itself after so many seconds.
const LEFT_BEHIND: std::num::NonZeroUsize = std::num::NonZeroUsize::new(10).expect("not zero");
/// Reads the script from standard input, exactly as long as it is; the rest is the script's own input.
const READER: &str = "n=$1; shift; script=$(head -c \"$n\"); eval \"$script\"";
/// How ssh names the other end of a connection that a jump host or another program makes for it. What that one
/// says is not heard here.
const NO_PEER: &str = "UNKNOWN port 65535";
const PREFIX: &str = "bellows-ssh-";

/// What the logins of one run have in common: the folder of their sockets, which goes when this is dropped.
#[derive(Debug)]
pub struct Ways {
    folder: tempfile::TempDir,
    config: Option<PathBuf>,
    // Held as long as the run lives: a later run removes folders without.
    _lock: std::fs::File,
}

impl Ways {
    /// Makes the folder, and removes those that killed runs of the same user left. `config`: in place of
    /// the user's own ssh configuration.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn open(config: Option<&Path>) -> std::io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let base = runtime.filter(|folder| folder.is_dir()).unwrap_or_else(std::env::temp_dir);
        clean(&base);
        let private = std::fs::Permissions::from_mode(0o700);
        let folder =
            tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(&base)?;
        let lock = std::fs::File::create(folder.path().join("lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { folder, config: config.map(Path::to_owned), _lock: lock })
    }

    /// Logs in.
    ///
    /// # Errors
    /// The host is away, its key is not known or another one, or nobody is let in.
    pub async fn login(&self, to: &Destination) -> Result<Remote, Fault> {
        let mut builder = self.builder();
        builder.known_hosts_check(KnownHosts::Strict);
        if let Some(config) = &self.config {
            builder.config_file(config);
        }
        match builder.connect(to.as_str()).await {
            Ok(session) => Ok(Remote { session, to: to.clone() }),
            Err(error) => Err(self.refusal(to, &chain(&error)).await),
        }
    }

    fn builder(&self) -> SessionBuilder {
        let mut builder = SessionBuilder::default();
        builder
            .control_directory(self.folder.path())
            .control_persist(ControlPersist::IdleFor(LEFT_BEHIND))
            .connect_timeout(CONNECT)
            .server_alive_interval(ALIVE);
        builder
    }

    /// What ssh says is all there is: it has one exit status for every trouble.
    async fn refusal(&self, to: &Destination, said: &str) -> Fault {
        let fault = |code, what: &str, remedy: &str| {
            Fault::new(code, format!("ssh to {to}: {what}"))
                .tool(&["ssh".to_owned(), to.to_string()], Some(255), said.as_bytes())
                .remedy(remedy)
        };
        if said.contains(known_hosts::CHANGED) {
            return fault(
                FaultCode::Denied,
                "the host shows another key than the one that is recorded",
                &format!(
                    "if the host was set up anew: ssh-keygen -R {}, and run it again; if not, somebody may stand between",
                    to.host()
                ),
            );
        }
        if said.contains(known_hosts::NOT_VERIFIED) {
            let shown = self.shown_keys(to).await;
            return known_hosts::unknown(to, &shown);
        }
        if said.contains("Permission denied") {
            return fault(
                FaultCode::Denied,
                "nobody is let in",
                "let a key of yours in there (ssh-copy-id), or load it into the ssh agent; passwords are not asked for",
            );
        }
        if said.contains(NO_PEER) {
            return fault(
                FaultCode::Unreachable,
                "the way there, by a jump host of the ssh configuration, broke off",
                &format!(
                    "`ssh {to}` by hand says why: a jump host that lets nobody in, whose key is not known here or another one, or that does not reach the host"
                ),
            );
        }
        fault(
            FaultCode::Unreachable,
            "no connection",
            &format!("does `ssh {to}` work by itself? Address, network and sshd there"),
        )
    }

    /// The keys that an unknown host shows: noted in a file of this run and used for nothing else. The
    /// login itself is given up before anybody is named.
    async fn shown_keys(&self, to: &Destination) -> String {
        let folder = tempfile::Builder::new().prefix("key-").tempdir_in(self.folder.path());
        let Ok(folder) = folder else { return String::new() };
        let (config, keys) = (folder.path().join("config"), folder.path().join("known_hosts"));
        let text = known_hosts::only_look(to, self.config.as_deref());
        if std::fs::File::create(&config).and_then(|mut f| f.write_all(text.as_bytes())).is_err() {
            return String::new();
        }
        let mut builder = self.builder();
        builder
            .known_hosts_check(KnownHosts::Add)
            .user_known_hosts_file(&keys)
            .config_file(&config);
        // It cannot succeed, and is not meant to.
        let _ = builder.connect(to.as_str()).await;
        std::fs::read_to_string(&keys).unwrap_or_default()
    }
}

/// Folders of runs that are over. What cannot be removed is in nobody's way.
fn clean(base: &Path) {
    let Ok(entries) = std::fs::read_dir(base) else { return };
    let own = rustix::process::getuid().as_raw();
    for entry in entries.flatten() {
        use std::os::unix::fs::MetadataExt as _;
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == own);
        let lock = ours.then(|| std::fs::File::open(entry.path().join("lock")).ok()).flatten();
        let over =
            lock.is_some_and(|lock| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok());
        if over {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A login.
#[derive(Debug)]
pub struct Remote {
    session: Session,
    to: Destination,
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Exit status; `None`: a signal.
    pub status: Option<i32>,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained of.
    pub stderr: Vec<u8>,
}

/// A script with its arguments and its input.
#[derive(Debug, Clone, Copy)]
pub struct Script<'a> {
    /// For errors: what it is for.
    pub what: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Its arguments. Everybody on the host can see them: nothing secret.
    pub arguments: &'a [&'a str],
    /// Its standard input.
    pub input: &'a [u8],
    /// As root, by `sudo -n` where the login is not root's.
    pub sudo: bool,
    /// It is given up after this time.
    pub limit: Duration,
}

impl Remote {
    /// Runs a script to its end, whatever that is.
    ///
    /// # Errors
    /// If the connection broke, or it took longer than its limit.
    pub async fn run(&self, script: Script<'_>) -> Result<Ended, Fault> {
        let lost = |why: String| {
            Fault::new(
                FaultCode::Unreachable,
                format!("{}: the connection to {} broke", script.what, self.to),
            )
            .tool(&["ssh".to_owned(), self.to.to_string()], None, why.as_bytes())
            .remedy("run the same command again: it goes on where this one stopped")
        };
        match tokio::time::timeout(script.limit, self.call(script)).await {
            Ok(Ok(ended)) => Ok(ended),
            Ok(Err(error)) => Err(lost(chain(&error))),
            Err(_) => Err(lost(format!("not ended within {} s", script.limit.as_secs()))),
        }
    }

    async fn call(&self, script: Script<'_>) -> Result<Ended, openssh::Error> {
        let mut command = match script.sudo {
            true => self.session.command("sudo"),
            false => self.session.command("sh"),
        };
        if script.sudo {
            command.args(["-n", "--", "sh"]);
        }
        command.args(["-c", READER, "bellows"]).arg(script.text.len().to_string());
        command.args(script.arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().await?;
        let input = child.stdin().take();
        let feed = async {
            let Some(mut input) = input else { return };
            // One that ends before it has read all says why by itself.
            for bytes in [script.text.as_bytes(), script.input] {
                if input.write_all(bytes).await.is_err() {
                    return;
                }
            }
            let _ = input.shutdown().await;
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        let output = output?;
        let status = output.status.code();
        Ok(Ended { status, stdout: output.stdout, stderr: output.stderr })
    }

    /// Ends the connection. A broken one is over already.
    pub async fn close(self) {
        let _ = self.session.close().await;
    }
}
