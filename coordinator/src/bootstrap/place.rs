//! The verbs of `place.sh`, called one by one over a login.

use std::time::Duration;

use bellows_proto::v1::{Fault, FaultCode};

use super::{
    bundle::{Agent, File},
    remote::{Ended, Remote, Script},
};

const SCRIPT: &str = include_str!("place.sh");
/// What the unit needs besides, under a systemd that is too old for transient units.
pub(super) const OLD_UNIT: &str = include_str!("../../../packaging/systemd/process-form.conf");
/// Where that is.
pub(super) const OLD_UNIT_PATH: &str =
    "/etc/systemd/system/bellows-agent.service.d/process-form.conf";
/// Paths of the package, so that a package can take over later.
pub(super) const PROGRAM: &str = "/usr/bin/bellows-agent";
pub(super) const UNIT: &str = "/usr/lib/systemd/system/bellows-agent.service";
pub(super) const CONFIG: &str = "/etc/bellows/agent.toml";
pub(super) const DATA: &str = "/var/lib/bellows-agent";
pub(super) const LEDGER: &str = "/var/lib/bellows-host-add";
/// A verb but for the copy: a slow disk, a unit that takes its time.
const LIMIT: Duration = Duration::from_secs(120);
/// A copy, over a slow line.
const COPY_LIMIT: Duration = Duration::from_secs(900);

/// A login that may put things in place.
pub(super) struct Placing<'a> {
    pub remote: &'a Remote,
    /// The host's name at the site, for errors.
    pub host: &'a str,
    /// The login is not root's.
    pub sudo: bool,
}

impl Placing<'_> {
    /// Opens the ledger, or goes on with the one of a run that was cut off.
    pub async fn begin(&self) -> Result<(), Fault> {
        self.verb(&["begin", self.host], b"", LIMIT).await.map(drop)
    }

    /// The program and its unit.
    pub async fn put_agent(&self, agent: &Agent) -> Result<(), Fault> {
        self.put(PROGRAM, "0755", &agent.program).await?;
        self.put(UNIT, "0644", &agent.unit).await
    }

    /// A file; its digest is looked at on the host again.
    pub async fn put(&self, path: &str, mode: &str, file: &File) -> Result<(), Fault> {
        let length = file.bytes.len().to_string();
        let words = ["put", path, mode, &file.digest, &length];
        self.verb(&words, &file.bytes, COPY_LIMIT).await.map(drop)
    }

    /// The program runs there, is of our version, and takes its configuration.
    pub async fn prove(&self) -> Result<(), Fault> {
        self.verb(&["prove", env!("CARGO_PKG_VERSION")], b"", LIMIT).await.map(drop)
    }

    /// The key is made on the host, and a certificate got for it with the token.
    pub async fn enrol(&self, coordinator: &str, token: &str) -> Result<(), Fault> {
        // The token goes over standard input: words can be seen by everybody there.
        let token = zeroize::Zeroizing::new(format!("{token}\n"));
        self.verb(&["enrol", coordinator], token.as_bytes(), LIMIT).await.map(drop)
    }

    /// Starts the agent, now and at each boot.
    pub async fn start(&self) -> Result<(), Fault> {
        self.verb(&["start"], b"", LIMIT).await.map(drop)
    }

    /// All is well: what was made stays.
    pub async fn finish(&self) -> Result<(), Fault> {
        self.verb(&["finish"], b"", LIMIT).await.map(drop)
    }

    /// Takes back what this run, or the one that it went on with, has made. Returns what could not be.
    pub async fn undo(&self) -> Result<Vec<String>, Fault> {
        let ended = self.verb(&["undo"], b"", LIMIT).await?;
        let text = String::from_utf8_lossy(&ended.stdout).into_owned();
        Ok(text.lines().filter_map(|line| line.strip_prefix("left ")).map(str::to_owned).collect())
    }

    async fn verb(&self, words: &[&str], input: &[u8], limit: Duration) -> Result<Ended, Fault> {
        let what = words.first().copied().unwrap_or_default();
        let script = Script { what, text: SCRIPT, arguments: words, input, sudo: self.sudo, limit };
        let ended = self.remote.run(script).await.map_err(|fault| fault.at(self.host))?;
        if ended.status == Some(0) {
            return Ok(ended);
        }
        let shown: Vec<String> = words.iter().map(ToString::to_string).collect();
        Err(Fault::new(FaultCode::ToolFailed, told(what))
            .tool(&shown, ended.status, &ended.stderr)
            .remedy(remedy(what))
            .at(self.host))
    }
}

/// What a verb was for, when it failed.
fn told(verb: &str) -> &'static str {
    match verb {
        "begin" => "the run cannot be noted in /var/lib",
        "put" => "a file cannot be put in its place",
        "prove" => "the agent does not run there, or does not take its configuration",
        "enrol" => "the host does not get its certificate",
        "start" => "the agent does not start",
        "undo" => "what was made cannot be taken back",
        _ => "the last step failed",
    }
}

fn remedy(verb: &str) -> &'static str {
    match verb {
        "prove" => "mend what it says; if it is the configuration, the file given with --systems",
        "enrol" => "see the coordinator's log; the host must reach the enrolment address",
        "start" => "see journalctl -u bellows-agent on the host",
        _ => "mend what it says, then run the same command again",
    }
}
