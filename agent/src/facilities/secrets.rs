//! Secrets: read where the administrator placed them, handed to a tool as a 0400 file in a
//! tmpfs, gone at the end of the job. They never stand in arguments, logs or errors.

use std::collections::BTreeSet;

use bellows_proto::v1::{Fault, FaultCode};
use camino::{Utf8Path, Utf8PathBuf};
use zeroize::Zeroizing;

use super::Local;
use crate::host::Access;

/// A file with a secret is not longer.
const LIMIT: u64 = 64 * 1024;

/// A secret in memory: wiped when dropped, without `Debug` and `Display`.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes bytes that are secret.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes: for a file, standard input or a parser, nothing else.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Reads a secret that the administrator placed.
///
/// # Errors
/// `FAULT_CODE_SECRET` if it is not there, not readable, or others may read it.
pub fn read(local: &Local, path: &Utf8Path) -> Result<Secret, Fault> {
    let refused = |reason: String| {
        Fault::new(FaultCode::Secret, reason).remedy("place the file with mode 0600 on this host")
    };
    let found = local
        .host
        .metadata(path)
        .map_err(|error| refused(error.to_string()))?
        .ok_or_else(|| refused(format!("{path} is not there")))?;
    if found.mode & 0o077 != 0 {
        return Err(refused(format!("{path} can be read by others")));
    }
    match local.host.read(path, LIMIT) {
        Ok(Some(bytes)) => Ok(Secret::new(bytes)),
        Ok(None) => Err(refused(format!("{path} is not there"))),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// Removes the secrets of all jobs but these (keys in one word): of shims that were killed.
///
/// # Errors
/// If a folder cannot be read or removed.
pub fn clear_all_but(local: &Local, running: &BTreeSet<String>) -> Result<(), Fault> {
    let folder = local.config.agent.runtime_dir.join("secrets");
    for name in local.host.list(&folder)? {
        if !running.iter().any(|job| folder_name(job) == name) {
            local.host.remove_directory(&folder.join(name))?;
        }
    }
    Ok(())
}

fn folder_name(job: &str) -> String {
    job.replace('/', "-")
}

/// The folder of one job's secrets.
#[derive(Debug, Clone)]
pub struct SecretFolder {
    path: Utf8PathBuf,
}

impl SecretFolder {
    /// The folder of the job with this key, in one word; made when the first secret comes.
    pub fn of_job(local: &Local, job: &str) -> Self {
        Self { path: local.config.agent.runtime_dir.join("secrets").join(folder_name(job)) }
    }

    /// Hands a secret over as a 0400 file of `user`. `name` is a plain file name.
    ///
    /// # Errors
    /// `FAULT_CODE_SECRET` if the runtime folder is not on a tmpfs; `FAULT_CODE_IO` if it
    /// cannot be written.
    pub fn place(
        &self,
        local: &Local,
        name: &str,
        user: &str,
        secret: &Secret,
    ) -> Result<Utf8PathBuf, Fault> {
        let runtime = &local.config.agent.runtime_dir;
        if !local.host.is_tmpfs(runtime)? {
            return Err(Fault::new(
                FaultCode::Secret,
                format!("{runtime} is not on a tmpfs: a secret would reach the disk"),
            )
            .remedy("set agent.runtime_dir to a folder on a tmpfs, e.g. under /run"));
        }
        // The user must pass through; names alone tell nothing.
        let passable = Access { mode: 0o711, owner: None };
        for folder in [runtime.clone(), runtime.join("secrets"), self.path.clone()] {
            local.host.create_directory(&folder, &passable)?;
        }
        let path = self.path.join(name);
        let access = Access::owned(0o400, user);
        local.host.write(&path, secret.expose(), &access)?;
        Ok(path)
    }

    /// Removes all of them; nothing to remove is fine.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub fn clear(&self, local: &Local) -> Result<(), Fault> {
        Ok(local.host.remove_directory(&self.path)?)
    }
}
