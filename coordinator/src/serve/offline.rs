//! What is done with a site's store while no coordinator runs: the one exception to "the
//! command line never opens the store". It is done here, in the coordinator's part, under the
//! lock that `bellows serve` holds.

use std::path::Path;

pub use crate::store::{Report, Restored};

use super::ServeError;
use crate::{
    site::Site,
    store::{self, Store, StoreError},
};

/// What kind of trouble an error is, for an exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// What was named is not what it should be; nothing was changed.
    Wrong,
    /// A coordinator runs.
    Running,
    /// The disk, or the store itself.
    Failed,
}

/// Looks at the store of a site without changing it, by a copy in `scratch` or beside it.
///
/// # Errors
/// If there is none, a coordinator runs, or it cannot be copied.
pub fn check(site: &Path, scratch: Option<&Path>) -> Result<Report, ServeError> {
    let config = Site::load_config(site)?;
    Ok(store::check(&config.store_dir(), scratch)?)
}

/// Hands a backup of the store of a site out in parts. Opens the store, as a start would.
///
/// # Errors
/// If it cannot be opened or read, or `take` cannot take a part.
pub fn backup(
    site: &Path,
    mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<(), ServeError> {
    let config = Site::load_config(site)?;
    let store = Store::open(&config.store_dir())?;
    let mut backup = store.backup()?;
    while let Some(part) = backup.next_part(&store)? {
        take(&part).map_err(|e| ServeError::System("a write of the backup", e))?;
    }
    Ok(())
}

/// Whether a file is a whole backup; how many values it has.
///
/// # Errors
/// It is not.
pub fn verify_backup(file: &Path) -> Result<u64, ServeError> {
    Ok(store::verify_backup(file)?)
}

/// Makes the store of a site out of a backup; there must be none.
///
/// # Errors
/// If there is one, or the file is no whole backup of this site. Nothing is changed then.
pub fn restore(site: &Path, file: &Path) -> Result<Restored, ServeError> {
    let config = Site::load_config(site)?;
    Ok(store::restore(&config.store_dir(), file, &config.site_id)?)
}

/// What kind of trouble it is.
pub fn trouble(error: &ServeError) -> Trouble {
    match error {
        ServeError::Store(StoreError::InUse(_)) => Trouble::Running,
        ServeError::Site(_) => Trouble::Wrong,
        ServeError::Store(error) if !error.is_fatal() => Trouble::Wrong,
        ServeError::Store(_)
        | ServeError::Audit(_)
        | ServeError::Journal(_)
        | ServeError::Tls(_)
        | ServeError::Socket(_)
        | ServeError::Listen { .. }
        | ServeError::Server(_)
        | ServeError::System(..) => Trouble::Failed,
    }
}
