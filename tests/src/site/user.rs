//! The operating system's user that servers run as: `postgres` where we are root (servers
//! refuse to run as root), otherwise ourselves.

use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::process::{Gid, Uid};

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    uid: u32,
    gid: u32,
}

impl User {
    /// The user that servers run as.
    ///
    /// # Errors
    /// There is no such user here.
    pub fn of_the_servers() -> Result<Self> {
        let own = rustix::process::geteuid();
        let table = std::fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
        let found = table.lines().filter_map(Self::from_line).find(|user| {
            if own.is_root() { user.name == "postgres" } else { user.uid == own.as_raw() }
        });
        match found {
            Some(user) => Ok(user),
            None if own.is_root() => {
                bail!("this machine has no user postgres: run `make setup`")
            }
            None => bail!("user {} is not in /etc/passwd", own.as_raw()),
        }
    }

    fn from_line(line: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Self { name, uid, gid })
    }

    /// Gives a file or folder to the user.
    ///
    /// # Errors
    /// It is not there, or we may not.
    pub fn own(&self, path: &Path) -> Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        rustix::fs::chown(path, Some(uid), Some(gid))
            .with_context(|| format!("give {} to {}", path.display(), self.name))
    }
}
