//! `pgbackrest info`: which backups there are, as JSON.
//!
//! Versions: tried with 2.45 (Debian 12). `--output=json` is there since 1.x; `error` of a backup
//! since 2.36, `repo` and `repo-key` since 2.32.
//! Traps:
//! - The exit status is 0 also where there is no stanza, no backup, or a repository that cannot be
//!   read: the status stands in the output, of each stanza and of each repository.
//! - The stanza's own number is 4 where its repositories differ: a backup is as good as the
//!   repository that it is in.
//! - A backup that failed is not listed at all. One with damaged pages is, with `error` true; one
//!   that rests on it (`reference`) is no better.
//! - `system-id` is a number over 2^53: it is read as an integer.
//! - Times are whole seconds of the clock of the host that made the backup.
//! - It takes no lock and needs no running server; with a remote repository it takes seconds.
//!
//! Sources: pgBackRest user guide and command reference; runs.
//! Must not know nodes or configuration.

use std::{collections::BTreeMap, time::Duration};

use bellows_proto::v1::{Backup, BackupRepository, BackupStanza};
use camino::Utf8Path;
use serde::Deserialize;

use crate::exec::Invocation;

/// So many stanzas are told of.
const MOST_STANZAS: usize = 64;
/// So many backups of each, the newest.
const MOST_BACKUPS: usize = 32;
/// Texts of the tool are not told longer, characters.
const LONGEST_TEXT: usize = 300;

/// The run. It writes no log of its own.
pub fn info(
    program: &Utf8Path,
    config: Option<&Utf8Path>,
    stanza: Option<&str>,
    deadline: Duration,
) -> Invocation {
    let mut arguments = Vec::new();
    arguments.extend(config.map(|path| format!("--config={path}")));
    arguments.extend(stanza.map(|name| format!("--stanza={name}")));
    let fixed = ["--output=json", "--log-level-file=off", "--log-level-console=off"];
    arguments.extend(fixed.map(str::to_owned));
    arguments.extend(["--log-level-stderr=warn".to_owned(), "info".to_owned()]);
    Invocation::new(program, arguments, deadline)
}

/// Why the output could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// No JSON of this form.
    #[error("it is not what pgbackrest info prints: {0}")]
    Form(#[from] serde_json::Error),
    /// More than anybody has.
    #[error("{0} stanzas, at most {MOST_STANZAS} are read: name one (pgbackrest_stanza)")]
    TooMany(usize),
}

#[derive(Debug, Deserialize)]
struct CliStanza {
    name: String,
    status: CliStatus,
    #[serde(default)]
    repo: Vec<CliRepository>,
    #[serde(default)]
    db: Vec<CliDatabase>,
    #[serde(default)]
    backup: Vec<CliBackup>,
}

#[derive(Debug, Deserialize)]
struct CliStatus {
    code: u32,
    message: String,
}

#[derive(Debug, Deserialize)]
struct CliRepository {
    key: u32,
    status: CliStatus,
}

#[derive(Debug, Deserialize)]
struct CliDatabase {
    id: u32,
    #[serde(rename = "repo-key")]
    repository: u32,
    #[serde(rename = "system-id")]
    system_identifier: u64,
}

#[derive(Debug, Deserialize)]
struct CliBackup {
    label: String,
    #[serde(rename = "type")]
    kind: String,
    database: CliBackupDatabase,
    error: Option<bool>,
    reference: Option<Vec<String>>,
    timestamp: CliTimes,
}

#[derive(Debug, Deserialize)]
struct CliBackupDatabase {
    id: u32,
    #[serde(rename = "repo-key")]
    repository: u32,
}

#[derive(Debug, Deserialize)]
struct CliTimes {
    stop: i64,
}

/// Reads the standard output.
///
/// # Errors
/// If it is not of this form, or too much.
pub fn parse_info(stdout: &[u8]) -> Result<Vec<BackupStanza>, ParseError> {
    let stanzas: Vec<CliStanza> = serde_json::from_slice(stdout)?;
    if stanzas.len() > MOST_STANZAS {
        return Err(ParseError::TooMany(stanzas.len()));
    }
    Ok(stanzas.into_iter().map(stanza).collect())
}

fn stanza(read: CliStanza) -> BackupStanza {
    let errors: BTreeMap<(u32, String), Option<bool>> = read
        .backup
        .iter()
        .map(|backup| ((backup.database.repository, backup.label.clone()), backup.error))
        .collect();
    let mut backups: Vec<Backup> =
        read.backup.iter().map(|backup| one_backup(backup, &read.db, &errors)).collect();
    backups.sort_by(|a, b| (a.ended_at_ms, &a.label).cmp(&(b.ended_at_ms, &b.label)));
    let older = backups.len().saturating_sub(MOST_BACKUPS);
    BackupStanza {
        name: cut(&read.name),
        status_code: read.status.code,
        status: cut(&read.status.message),
        repositories: read
            .repo
            .iter()
            .map(|repository| BackupRepository {
                key: repository.key,
                status_code: repository.status.code,
                status: cut(&repository.status.message),
            })
            .collect(),
        backups: backups.split_off(older),
    }
}

fn one_backup(
    backup: &CliBackup,
    databases: &[CliDatabase],
    errors: &BTreeMap<(u32, String), Option<bool>>,
) -> Backup {
    let CliBackupDatabase { id, repository } = backup.database;
    let database = databases.iter().find(|one| one.id == id && one.repository == repository);
    // It rests on all of these: one whose word is missing leaves it open.
    let below = backup
        .reference
        .iter()
        .flatten()
        .map(|label| errors.get(&(repository, label.clone())).copied().flatten());
    let words: Vec<Option<bool>> = std::iter::once(backup.error).chain(below).collect();
    let damaged = match words.contains(&Some(true)) {
        true => Some(true),
        false if words.contains(&None) => None,
        false => Some(false),
    };
    Backup {
        label: cut(&backup.label),
        kind: cut(&backup.kind),
        repository,
        system_identifier: database.map_or(String::new(), |one| one.system_identifier.to_string()),
        ended_at_ms: backup.timestamp.stop.saturating_mul(1000),
        damaged,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    const INFO: &[u8] = include_bytes!("../../testdata/postgresql/pgbackrest-2.45-info.json");
    const NO_STANZA: &[u8] =
        include_bytes!("../../testdata/postgresql/pgbackrest-2.45-info-no-stanza.json");
    const UNREADABLE: &[u8] =
        include_bytes!("../../testdata/postgresql/pgbackrest-2.45-info-unreadable.json");

    #[test]
    fn backups_are_read_with_whose_they_are() {
        let stanzas = parse_info(INFO).unwrap();
        let [main] = stanzas.as_slice() else { panic!("{stanzas:?}") };
        assert_eq!((main.name.as_str(), main.status_code, main.status.as_str()), ("main", 0, "ok"));
        assert_eq!(main.repositories.len(), 1);
        let told =
            main.backups.iter().map(|one| (one.label.as_str(), one.kind.as_str(), one.damaged));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                ("20261121-155909F", "full", Some(false)),
                ("20261121-155909F_20261121-155915I", "incr", Some(false)),
                ("20261121-155931F", "full", Some(true)),
                ("20261121-155931F_20261121-160617I", "incr", Some(true)),
            ]
        );
        assert!(main.backups.iter().all(|one| one.system_identifier == "7710654901975300007"));
        assert_eq!(main.backups[0].ended_at_ms, 1_795_276_754_000);
    }

    #[test]
    fn what_is_not_there_or_cannot_be_read_says_so_with_exit_status_0() {
        let none = parse_info(NO_STANZA).unwrap();
        assert_eq!((none[0].status_code, none[0].backups.len()), (1, 0));
        let unreadable = parse_info(UNREADABLE).unwrap();
        assert_eq!((unreadable[0].status_code, unreadable[0].backups.len()), (99, 0));
        assert!(unreadable[0].repositories[0].status.contains("FormatError"));
        assert!(parse_info(b"[]").unwrap().is_empty());
    }

    #[test]
    fn one_that_rests_on_a_damaged_one_is_damaged() {
        let text = String::from_utf8(INFO.to_vec()).unwrap();
        // The second full one damaged, and the incremental one on it whole by its own word.
        let (full, incremental) = text.rsplit_once("\"error\":true").unwrap();
        let text = format!("{full}\"error\":false{incremental}");
        let backups = &parse_info(text.as_bytes()).unwrap()[0].backups;
        assert_eq!(backups[3].damaged, Some(true));
        let silent = text.replace("\"error\":true", "\"error\":null");
        let backups = &parse_info(silent.as_bytes()).unwrap()[0].backups;
        assert_eq!((backups[1].damaged, backups[3].damaged), (Some(false), None));
    }

    #[test]
    fn the_newest_are_kept() {
        let one = |n: i64| {
            format!(
                "{{\"label\":\"L{n}\",\"type\":\"full\",\"database\":{{\"id\":1,\"repo-key\":1}},\"error\":false,\"timestamp\":{{\"start\":{n},\"stop\":{n}}}}}"
            )
        };
        let list: Vec<String> = (0..40).rev().map(one).collect();
        let text = format!(
            "[{{\"name\":\"m\",\"status\":{{\"code\":0,\"message\":\"ok\"}},\"backup\":[{}]}}]",
            list.join(",")
        );
        let backups = &parse_info(text.as_bytes()).unwrap()[0].backups;
        assert_eq!((backups.len(), backups[31].label.as_str()), (MOST_BACKUPS, "L39"));
        assert_eq!(backups[0].system_identifier, "");
    }

    #[test]
    fn the_run_names_what_it_asks_for() {
        let second = Duration::from_secs(1);
        let run = info("/usr/bin/pgbackrest".into(), None, None, second);
        assert!(run.arguments.iter().all(|a| !a.starts_with("--stanza")));
        assert_eq!(run.arguments.last().map(String::as_str), Some("info"));
        let run = info("/x".into(), Some("/etc/p.conf".into()), Some("main"), second);
        assert_eq!(run.arguments[..2], ["--config=/etc/p.conf", "--stanza=main"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_info(&bytes);
        }

        #[test]
        fn no_change_makes_it_panic(at in 0..INFO.len(), byte: u8) {
            let mut bytes = INFO.to_vec();
            bytes[at] = byte;
            let _ = parse_info(&bytes);
        }
    }
}
