//! The agent's own programs: which one runs, and how another one comes in its place.
//!
//! The unit always starts the same program, the *base*: of a package, or put there by `bellows host add`. It
//! becomes the one that is kept beside the agent's state, if there is one ([`start`]), so that nothing of the
//! system is written to and a newer package takes over by itself. Another program is put into its folder and
//! proven ([`put`]), then started on trial ([`switch`]). A timer of systemd, which outlives the agent, takes it
//! back unless the coordinator has had an answer from it and confirmed it ([`back`]).

pub mod back;
mod choose;
mod elf;
mod folder;
mod put;
pub mod start;
mod switch;

use std::sync::{Arc, OnceLock};

use bellows_proto::v1::{Fault, FaultCode, Program, ProgramOutcome, ProgramState};
use camino::{Utf8Path, Utf8PathBuf};

pub use put::Arriving;

use crate::{
    config::{LaunchForm, Mode},
    facilities::Local,
    tools::host::boot_id,
};
use folder::Folder;

/// The name of the agent's program.
const NAME: &str = "bellows-agent";
/// The running program itself, also when another one lies at its path by now.
const OWN: &str = "/proc/self/exe";

/// The programs of this host. Clones share them.
#[derive(Clone)]
pub struct Programs(Arc<Inner>);

struct Inner {
    local: Local,
    folder: Folder,
    /// What the unit starts.
    base: Utf8PathBuf,
    /// The unit that runs us; `None`: none does.
    unit: Option<String>,
    running: OnceLock<Vec<u8>>,
    /// One program comes at a time.
    busy: tokio::sync::Mutex<()>,
}

impl Programs {
    /// Of this process.
    pub fn new(local: Local) -> Self {
        let base = std::env::var(start::BASE).ok().map(Utf8PathBuf::from);
        Self(Arc::new(Inner {
            folder: Folder::of(&local.config.agent.data_dir),
            base: base.unwrap_or_else(|| local.own_program.clone()),
            unit: start::own_unit(),
            running: OnceLock::new(),
            busy: tokio::sync::Mutex::default(),
            local,
        }))
    }

    /// What is here and what runs.
    ///
    /// # Errors
    /// If a program or the record cannot be read.
    pub fn state(&self) -> Result<ProgramState, Fault> {
        let inner = &*self.0;
        let record = inner.folder.record(inner.local.host.as_ref())?;
        let running = Program {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            digest: inner.running()?,
            path: inner.local.own_program.to_string(),
        };
        let base = if inner.base == inner.local.own_program {
            running.clone()
        } else {
            // Whoever put it there knows its version: it is not asked for each time.
            let digest = folder::digest(&inner.base)?;
            Program { version: String::new(), digest, path: inner.base.to_string() }
        };
        let refusal = inner.refusal().err().unwrap_or_default();
        Ok(ProgramState {
            running: Some(running),
            base: Some(base),
            kept: record.kept,
            trial: record.trial,
            last: record.last,
            architecture: inner.local.host.uname().1,
            refusal: refusal.message,
            refusal_remedy: refusal.remedy,
        })
    }

    /// How the last trial ended, if the audit log does not have it yet. It is marked as told.
    ///
    /// # Errors
    /// If the record cannot be read or written.
    pub fn untold(&self) -> Result<Option<ProgramOutcome>, Fault> {
        let inner = &*self.0;
        let host = inner.local.host.as_ref();
        let untold = |record: &bellows_proto::v1::ProgramRecord| {
            record.last.clone().filter(|last| !last.audited)
        };
        if untold(&inner.folder.record(host)?).is_none() {
            return Ok(None);
        }
        let held = inner.folder.hold()?;
        let mut record = inner.folder.record(host)?;
        let told = untold(&record);
        if let Some(last) = &mut record.last {
            last.audited = true;
        }
        held.keep(host, &record)?;
        Ok(told)
    }
}

impl Inner {
    /// SHA-256 of what runs.
    fn running(&self) -> Result<Vec<u8>, Fault> {
        if let Some(known) = self.running.get() {
            return Ok(known.clone());
        }
        let digest = folder::digest(Utf8Path::new(OWN))?;
        Ok(self.running.get_or_init(|| digest).clone())
    }

    fn boot(&self) -> Result<String, Fault> {
        boot_id(self.local.host.as_ref())
    }

    /// The unit that runs us, if another program can be put in our place.
    fn refusal(&self) -> Result<&str, Fault> {
        let refuse = |text: &str, remedy: &str| {
            Err(Fault::new(FaultCode::Denied, text).remedy(remedy).at(self
                .local
                .config
                .agent
                .host
                .as_str()))
        };
        let by_hand = "upgrade it by its package, or put the program there and restart the agent";
        if self.local.config.agent.mode == Mode::Observe {
            let text = "this host may only be observed: its agent.toml says so";
            return refuse(text, by_hand);
        }
        match self.local.form {
            LaunchForm::Systemd => {}
            // Nothing would outlive the agent that could go back.
            LaunchForm::Process => {
                let text = "this agent launches processes without systemd: nothing could take a broken program back";
                return refuse(text, by_hand);
            }
            // Not done: the timer would be the user's own, and the user may be logged out.
            LaunchForm::User => {
                let text = "this agent runs without root: it is not upgraded from the coordinator";
                return refuse(text, by_hand);
            }
        }
        let Some(unit) = &self.unit else {
            let text = "this agent is no service of systemd: nothing could start another program";
            return refuse(text, "run it as bellows-agent.service");
        };
        if self.folder.is_noexec() {
            let text = format!("{} is on a file system that is mounted noexec", self.folder.path());
            return refuse(&text, "mount it without noexec, or upgrade the agent by its package");
        }
        Ok(unit)
    }
}
