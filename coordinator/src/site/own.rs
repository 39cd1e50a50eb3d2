//! The coordinator's own certificate and key on disk, exchanged as a whole whenever it is cut off: two
//! files cannot be replaced at once, and a key without its certificate is of no use.

use std::path::Path;

use bellows_proto::tls::Credentials;

use super::{SiteError, files};

const KEY: &str = "coordinator.key";
const CERTIFICATE: &str = "coordinator.crt";
/// It is there while the new files are complete but may not be in use yet.
const COMPLETE: &str = "next-complete";

fn next(name: &str) -> String {
    format!("next-{name}")
}

/// Keeps a new certificate with its key in a site's directory, in place of those that are there.
///
/// # Errors
/// If a file cannot be written: the old ones are in use then, or [`finish`] ends it at the next start.
pub fn keep_own(directory: &Path, credentials: &Credentials) -> Result<(), SiteError> {
    let identity = directory.join("identity");
    files::write(&identity.join(next(KEY)), credentials.private_key.as_bytes())?;
    files::write(&identity.join(next(CERTIFICATE)), credentials.certificate.as_bytes())?;
    files::write(&identity.join(COMPLETE), b"")?;
    finish(&identity)
}

/// Puts what [`keep_own`] left in its place. To be called before it is read; does nothing if there is
/// nothing left.
///
/// # Errors
/// If a file cannot be read or written.
pub(super) fn finish(identity: &Path) -> Result<(), SiteError> {
    if !files::exists(&identity.join(COMPLETE))? {
        return Ok(());
    }
    for name in [KEY, CERTIFICATE] {
        let new = identity.join(next(name));
        if files::exists(&new)? {
            files::write(&identity.join(name), files::read_key(&new)?.as_bytes())?;
        }
    }
    // From here on the new files are left-overs.
    for name in [COMPLETE, &next(KEY), &next(CERTIFICATE)] {
        files::remove(&identity.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_exchanged_as_a_whole_whenever_it_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let identity = folder.path().join("identity");
        std::fs::create_dir(&identity).unwrap();
        let write = |name: &str, text: &str| files::write(&identity.join(name), text.as_bytes());
        let now = || [KEY, CERTIFICATE].map(|name| files::read(&identity.join(name)).unwrap());
        // Cut off after so many of the two were replaced.
        for replaced in 0..=2 {
            for (place, name) in [KEY, CERTIFICATE].into_iter().enumerate() {
                write(name, if place < replaced { "new" } else { "old" }).unwrap();
                write(&next(name), "new").unwrap();
            }
            if replaced == 0 {
                finish(&identity).unwrap();
                assert_eq!(now(), ["old", "old"], "it was not complete");
            }
            write(COMPLETE, "").unwrap();
            finish(&identity).unwrap();
            assert_eq!(now(), ["new", "new"]);
            assert_eq!(std::fs::read_dir(&identity).unwrap().count(), 2);
        }
    }
}
