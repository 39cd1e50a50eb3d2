//! Cookies: what a bookie's directories say of whose they are, and which starts are refused for it.

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    super::machine::Machine,
    conf::Conf,
    installed::{USER, put},
};

/// Below each directory of a bookie.
const CURRENT: &str = "current";
/// The cookie's file.
const VERSION: &str = "VERSION";
/// Entries, and that a store is the one that it was.
const ENTRIES: &str = "0.log";
/// Whether it takes new entries.
const STATUS: &str = "BOOKIE_STATUS";

/// What may be started.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// With what lies there.
    Again,
    /// Without anything, as a new one.
    New,
}

fn listed(paths: &[Utf8PathBuf]) -> String {
    let names: Vec<&str> = paths.iter().map(|path| path.as_str()).collect();
    format!("{}\\t{}", names.len(), names.join("\\t"))
}

/// A cookie's text.
pub(super) fn text(id: &str, conf: &Conf, instance: &str) -> String {
    let journals: Vec<_> = conf.journals().iter().map(ToString::to_string).collect();
    let (ledgers, indexes) = (conf.ledgers(), conf.indexes());
    let mut text = format!(
        "5\nbookieHost: \"{id}\"\njournalDir: \"{}\"\nledgerDirs: \"{}\"\ninstanceId: \"{instance}\"\n",
        journals.join(","),
        listed(&ledgers)
    );
    if !indexes.is_empty() {
        text.push_str(&format!("indexDirs: \"{}\"\n", listed(&indexes)));
    }
    text
}

/// The file that tells that a store is the one that it was.
pub(super) fn mark(conf: &Conf) -> Utf8PathBuf {
    let first = conf.ledgers().into_iter().next().unwrap_or_default();
    first.join(CURRENT).join(ENTRIES)
}

fn status(conf: &Conf) -> Utf8PathBuf {
    let first = conf.ledgers().into_iter().next().unwrap_or_default();
    first.join(CURRENT).join(STATUS)
}

/// The files of a bookie that has run, with their bytes.
pub(super) fn files(conf: &Conf, cookie: &str, born: &str) -> Vec<(Utf8PathBuf, String)> {
    let version = |folder: &Utf8PathBuf| (folder.join(CURRENT).join(VERSION), cookie.to_owned());
    let mut files: Vec<_> = conf.directories().iter().map(version).collect();
    files.push((mark(conf), born.to_owned()));
    files
}

/// Whether it takes no new entries, as it was told before its restart.
pub(super) fn was_read_only(machine: &Machine, conf: &Conf) -> bool {
    let told = machine.disk(|disk| disk.bytes(&status(conf)).map(<[u8]>::to_vec));
    conf.persists() && told.is_some_and(|told| told.starts_with(b"1,READ_ONLY"))
}

/// Remembers whether it takes new entries.
pub(super) fn remember(machine: &Machine, conf: &Conf, read_only: bool) {
    if conf.persists() {
        let word = if read_only { "READ_ONLY" } else { "READ_WRITE" };
        let text = format!("1,{word},{},true", machine.world().now_ms());
        put(machine, &status(conf), text.as_bytes());
    }
}

/// Whether a bookie may start, by the cookie of the metadata and what lies on its host.
///
/// # Errors
/// Why not, in BookKeeper's words.
pub(super) fn judge(
    machine: &Machine,
    conf: &Conf,
    stored: Option<&str>,
    own: &str,
) -> Result<Start, String> {
    let folders = conf.directories();
    if folders.is_empty() || conf.ledgers().is_empty() {
        return Err("no directories are configured".to_owned());
    }
    let is_whose = |folder: &&Utf8PathBuf| {
        let owner = machine.disk(|disk| disk.metadata(folder).map(|found| found.uid));
        owner.is_some_and(|owner| machine.users.get(USER) != Some(&owner) && owner != 0)
    };
    if let Some(other) = folders.iter().find(is_whose) {
        return Err(format!("{other}: Permission denied"));
    }
    let version = |folder: &Utf8Path| {
        let path = folder.join(CURRENT).join(VERSION);
        machine.disk(|disk| disk.bytes(&path).map(<[u8]>::to_vec))
    };
    let without: Vec<&str> = folders
        .iter()
        .filter(|folder| version(folder).is_none())
        .map(|folder| folder.as_str())
        .collect();
    let is_empty = |folder: &Utf8PathBuf| {
        machine.disk(|disk| disk.below(folder)).keys().all(|path| path.file_name() == Some(CURRENT))
    };
    match stored {
        None if without.len() < folders.len() => {
            Err("Cookie for this bookie is not stored in metadata store. Bookie failing to come up"
                .to_owned())
        }
        None if folders.iter().all(is_empty) => Ok(Start::New),
        None => Err("InvalidCookieException: not all the new directories are empty".to_owned()),
        Some(_) if !without.is_empty() => Err(format!(
            "There are directories without a cookie, and this is neither a new environment, nor is storage expansion enabled. Empty directories are {without:?}"
        )),
        Some(stored) => {
            let differs = |folder: &Utf8PathBuf| version(folder).as_deref() != Some(own.as_bytes());
            if stored != own || folders.iter().any(differs) {
                return Err(format!("InvalidCookieException: {stored:?} is not {own:?}"));
            }
            Ok(Start::Again)
        }
    }
}
