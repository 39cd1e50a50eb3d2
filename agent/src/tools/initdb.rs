//! `initdb`: makes the data directory of a first node.
//!
//! Versions: tried with PostgreSQL 15.20; the options are there since 10.
//! Traps:
//! - Refuses to run as root, and refuses a directory that is not empty (exit status 1). After
//!   a failure it empties the directory that it found; after KILL it does not.
//! - Without a locale it takes that of the environment, `C` here, and then `SQL_ASCII`.
//! - The configuration files that it writes into the data directory are not used: the server
//!   is started with `--config-file`.
//!
//! Sources: PostgreSQL documentation, `initdb` reference page; runs.
//! Must not know nodes, configuration or what comes next.

use std::time::Duration;

use camino::Utf8Path;

use crate::exec::Invocation;

/// `initdb` has a constant amount of work; a busy disk may still make it slow.
const DEADLINE: Duration = Duration::from_secs(300);

/// What to make.
#[derive(Debug, Clone, Copy)]
pub struct Initdb<'a> {
    /// Folder of the programs.
    pub bin_dir: &'a Utf8Path,
    /// Absent or empty.
    pub data_dir: &'a Utf8Path,
    /// The bootstrap superuser.
    pub superuser: &'a str,
    /// Holds the superuser's password on its first line.
    pub password_file: &'a Utf8Path,
}

/// The run. Data checksums are on: `pg_rewind` needs them, and a broken disk shows.
pub fn initdb(wanted: &Initdb<'_>) -> Invocation {
    Invocation::new(
        wanted.bin_dir.join("initdb"),
        [
            format!("--pgdata={}", wanted.data_dir),
            format!("--username={}", wanted.superuser),
            format!("--pwfile={}", wanted.password_file),
            "--auth-local=peer".to_owned(),
            "--auth-host=scram-sha-256".to_owned(),
            "--data-checksums".to_owned(),
            "--encoding=UTF8".to_owned(),
            // Independent of the C library's collations: no index is corrupted by an update of it.
            "--locale=C.UTF-8".to_owned(),
        ],
        DEADLINE,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_stands_in_the_arguments() {
        let run = initdb(&Initdb {
            bin_dir: Utf8Path::new("/usr/lib/postgresql/15/bin"),
            data_dir: Utf8Path::new("/d"),
            superuser: "repmgr",
            password_file: Utf8Path::new("/run/secret"),
        });
        assert_eq!(run.program, "/usr/lib/postgresql/15/bin/initdb");
        assert!(run.arguments.contains(&"--pwfile=/run/secret".to_owned()));
        assert!(run.arguments.iter().all(|a| a.starts_with("--")));
    }
}
