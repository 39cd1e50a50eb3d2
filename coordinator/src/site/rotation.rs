//! The way to another authority on disk: `next-authority.key` and `.crt` beside the site's own, and
//! `rotation.json`, which says how far it is. That one file is the truth; it is replaced as a whole.
//!
//! It stands beside the keys and not in the store, so that a store that is restored or made anew never
//! disagrees with the keys that there are.

use std::{path::Path, sync::Arc};

use bellows_proto::tls;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{SiteError, files};
use crate::ca::{
    Authorities, Authority, Issued, request,
    rotation::{Note, Rotation},
};

const KEY: &str = "authority.key";
const CERTIFICATE: &str = "authority.crt";
const NOTE: &str = "rotation.json";
/// The new authority alone is left; its files may not be in their place yet.
const TAKEN: &str = "taken";
/// The old authority alone is left; the files of the new one may not be gone yet.
const DROPPED: &str = "dropped";

fn next(name: &str) -> String {
    format!("next-{name}")
}

/// `rotation.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    phase: String,
    #[serde(default)]
    since_ms: i64,
    #[serde(default)]
    started_at_ms: i64,
    #[serde(default)]
    started_by: String,
}

/// Reads the authorities of a site, and ends what was cut off.
///
/// # Errors
/// If a file cannot be read or used.
pub(super) fn load(identity: &Path, site_id: &str) -> Result<Authorities, SiteError> {
    let written = read(identity)?;
    match written.as_ref().map(|written| written.phase.as_str()) {
        Some(TAKEN) => take(identity)?,
        Some(DROPPED) => discard(identity)?,
        Some(_) | None => {}
    }
    let own = Arc::new(read_authority(identity, site_id, str::to_owned)?);
    let Some((written, phase)) = written.and_then(|written| {
        let phase = written.phase.parse().ok()?;
        Some((written, phase))
    }) else {
        return Ok(Authorities::alone(own));
    };
    let Written { since_ms, started_at_ms, started_by, .. } = written;
    let note = Note { phase, since_ms, started_at_ms, started_by };
    let new = Arc::new(read_authority(identity, site_id, next)?);
    Ok(Authorities { old: own, rotation: Some(Rotation { new, note }) })
}

fn read_authority(
    identity: &Path,
    site_id: &str,
    named: impl Fn(&str) -> String,
) -> Result<Authority, SiteError> {
    let certificate = files::read(&identity.join(named(CERTIFICATE)))?;
    let key: Zeroizing<String> = files::read_key(&identity.join(named(KEY)))?;
    Ok(Authority::load(site_id, &certificate, &key)?)
}

fn read(identity: &Path) -> Result<Option<Written>, SiteError> {
    let path = identity.join(NOTE);
    if !files::exists(&path)? {
        return Ok(None);
    }
    let text = files::read(&path)?;
    let invalid = |reason: String| {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, reason);
        SiteError::io("understand", &path)(source)
    };
    let written: Written =
        serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
    let known = [TAKEN, DROPPED].contains(&written.phase.as_str());
    if !known {
        let phase: Result<crate::ca::rotation::Phase, _> = written.phase.parse();
        phase.map_err(|error| invalid(format!("{error}; a newer bellows wrote it")))?;
    }
    Ok(Some(written))
}

fn write(identity: &Path, written: &Written) -> Result<(), SiteError> {
    let path = identity.join(NOTE);
    let text = serde_json::to_string(written).map_err(|error| {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, error.to_string());
        SiteError::io("write", &path)(source)
    })?;
    files::write(&path, text.as_bytes())
}

/// Keeps a new authority beside the site's own, proves that it can be read again and signs, and only then
/// notes that the rotation has begun.
///
/// # Errors
/// If it cannot be written, or what was written is not what was made; the site goes on as it was.
pub fn begin_rotation(
    directory: &Path,
    site_id: &str,
    made: &Issued,
    begun: &Note,
) -> Result<Arc<Authority>, SiteError> {
    let identity = directory.join("identity");
    files::write(&identity.join(next(KEY)), made.private_key.as_bytes())?;
    files::write(&identity.join(next(CERTIFICATE)), made.certificate.as_bytes())?;
    let new = read_authority(&identity, site_id, next)?;
    let (_, asked) = request()?;
    let role = bellows_proto::identity::Role::Coordinator;
    let signed = new.sign_as(&asked, role, super::COORDINATOR, begun.since_ms)?;
    tls::check_chain(&signed.certificate, new.certificate(), begun.since_ms)
        .map_err(crate::ca::CaError::from)?;
    note_rotation(directory, begun)?;
    Ok(Arc::new(new))
}

/// Notes how far a rotation is.
///
/// # Errors
/// If it cannot be written; what was noted before holds.
pub fn note_rotation(directory: &Path, note: &Note) -> Result<(), SiteError> {
    let Note { phase, since_ms, started_at_ms, started_by } = note.clone();
    let phase = phase.to_string();
    write(&directory.join("identity"), &Written { phase, since_ms, started_at_ms, started_by })
}

/// Ends a rotation: the new authority takes the place of the old one, or is discarded.
///
/// # Errors
/// If a file cannot be written: the next start ends it, if it was noted.
pub fn end_rotation(directory: &Path, taken: bool) -> Result<(), SiteError> {
    let identity = directory.join("identity");
    let phase = if taken { TAKEN } else { DROPPED }.to_owned();
    let (since_ms, started_at_ms, started_by) = (0, 0, String::new());
    write(&identity, &Written { phase, since_ms, started_at_ms, started_by })?;
    if taken { take(&identity) } else { discard(&identity) }
}

/// Whatever cuts it off, it is done again until the note is gone.
fn take(identity: &Path) -> Result<(), SiteError> {
    for name in [KEY, CERTIFICATE] {
        let new = identity.join(next(name));
        if files::exists(&new)? {
            files::write(&identity.join(name), files::read_key(&new)?.as_bytes())?;
        }
    }
    discard(identity)
}

/// The note goes before the files: without it they are left-overs, which the next rotation replaces.
fn discard(identity: &Path) -> Result<(), SiteError> {
    for name in [NOTE, &next(KEY), &next(CERTIFICATE)] {
        files::remove(&identity.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::rotation::Phase;

    const SITE: &str = "0e4ecf5a-0000-4000-8000-000000000001";
    const NOW_MS: i64 = 1_795_000_000_000;

    fn note(phase: Phase) -> Note {
        Note { phase, since_ms: NOW_MS, started_at_ms: 7, started_by: "alice".into() }
    }

    /// A site's folder with an authority.
    fn folder() -> (tempfile::TempDir, Issued) {
        let folder = tempfile::tempdir().unwrap();
        let identity = folder.path().join("identity");
        std::fs::create_dir(&identity).unwrap();
        let made = Authority::create(SITE, NOW_MS).unwrap();
        files::write(&identity.join(KEY), made.private_key.as_bytes()).unwrap();
        files::write(&identity.join(CERTIFICATE), made.certificate.as_bytes()).unwrap();
        (folder, made)
    }

    fn loaded(folder: &Path) -> Authorities {
        load(&folder.join("identity"), SITE).unwrap()
    }

    #[test]
    fn every_phase_is_read_as_it_was_noted() {
        let (folder, old) = folder();
        assert!(loaded(folder.path()).rotation.is_none());
        let new = Authority::create(SITE, NOW_MS).unwrap();
        begin_rotation(folder.path(), SITE, &new, &note(Phase::Trust)).unwrap();
        for phase in Phase::ALL {
            note_rotation(folder.path(), &note(phase)).unwrap();
            let now = loaded(folder.path());
            let rotation = now.rotation.unwrap();
            assert_eq!((now.old.certificate(), rotation.note), (&*old.certificate, note(phase)));
            assert_eq!(rotation.new.certificate(), new.certificate);
        }
        std::fs::write(folder.path().join("identity").join(NOTE), "{\"phase\":\"later\"}").unwrap();
        let error = load(&folder.path().join("identity"), SITE).unwrap_err();
        assert!(error.to_string().contains(NOTE), "{error}");
    }

    #[test]
    fn one_is_left_in_the_end_wherever_it_was_cut_off() {
        for taken in [true, false] {
            // Cut off after so many files; 9: not at all.
            for cut in [0, 1, 2, 9] {
                let (folder, old) = folder();
                let identity = folder.path().join("identity");
                let new = Authority::create(SITE, NOW_MS).unwrap();
                begin_rotation(folder.path(), SITE, &new, &note(Phase::Retire)).unwrap();
                if cut == 9 {
                    end_rotation(folder.path(), taken).unwrap();
                } else {
                    let phase = if taken { TAKEN } else { DROPPED }.to_owned();
                    let written =
                        Written { phase, since_ms: 0, started_at_ms: 0, started_by: String::new() };
                    write(&identity, &written).unwrap();
                    for name in [KEY, CERTIFICATE].into_iter().take(cut).filter(|_| taken) {
                        std::fs::copy(identity.join(next(name)), identity.join(name)).unwrap();
                    }
                }
                let left = loaded(folder.path());
                let wanted = if taken { &new } else { &old };
                assert_eq!(left.old.certificate(), wanted.certificate, "{taken} {cut}");
                assert!(left.rotation.is_none());
                assert_eq!(std::fs::read_dir(&identity).unwrap().count(), 2);
            }
        }
    }

    #[test]
    fn an_authority_that_was_not_noted_is_none() {
        let (folder, old) = folder();
        let identity = folder.path().join("identity");
        let new = Authority::create(SITE, NOW_MS).unwrap();
        files::write(&identity.join(next(KEY)), new.private_key.as_bytes()).unwrap();
        assert_eq!(loaded(folder.path()).old.certificate(), old.certificate);
        assert!(loaded(folder.path()).rotation.is_none());
        // What stands in the way of the note: nothing has begun.
        std::fs::create_dir(identity.join(NOTE)).unwrap();
        begin_rotation(folder.path(), SITE, &new, &note(Phase::Trust)).unwrap_err();
    }
}
