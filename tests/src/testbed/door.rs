//! The way into a host: a program is run there as root, whatever its network does.

use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail};
use rustix::process::Pid;

use super::command::command;

/// No call into a host may hang a test.
const CALL_LIMIT: &str = "240";

/// What is there while a host is on.
#[derive(Debug)]
pub struct Machine {
    pub nspawn: Child,
    /// The host's process 1, by its id on this machine.
    pub init: Pid,
}

/// The way into a host; it stays good over a power cut and a boot.
#[derive(Debug, Clone)]
pub struct Door {
    pub(super) name: String,
    pub(super) power: Arc<Mutex<Option<Machine>>>,
}

impl Door {
    /// A call of a program, as [`Host::command`](super::Host::command) says.
    ///
    /// # Errors
    /// The host is off.
    pub fn command(&self, argv: &[&str]) -> Result<Command> {
        let init = match self.power.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(machine) => machine.init,
            None => bail!("host {} is off", self.name),
        };
        let mut call = command("timeout");
        call.args(["--kill-after=5", CALL_LIMIT])
            .args([
                "nsenter", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root",
                "--wd",
            ])
            .arg(format!("--target={}", init.as_raw_nonzero()))
            .arg("--")
            .args(argv);
        Ok(call)
    }
}
