//! `repmgr`: clones, registers and unregisters members.
//!
//! Versions: tried with 5.3.3; the same commands and texts in 5.5 by its source.
//! Traps:
//! - Exit status 1 stands for nearly every refusal; the text decides. 0 proves nothing: a
//!   standby registers well without being attached.
//! - `standby unregister --dry-run` really unregisters: never called.
//! - `standby unregister` runs at any live node, and leaves the slot.
//! - `standby register` of a server that is down waits 30 s, unless it gets the primary's
//!   connection and `-F`: then it writes the record at once (the undo of an unregister).
//! - `standby clone` runs pg_basebackup through `sh -c` and that forks a WAL receiver: end the
//!   whole process group. An ended clone leaves a half-filled directory and its slot.
//! - `standby clone -F` deletes what it finds: never used. Without it an occupied directory is
//!   refused, and a slot that is left and inactive is taken.
//! - The connection string of `-d` becomes part of a shell line: its values must be plain.
//! - `standby promote` is no one step: cut short after the promotion it leaves the old records, and
//!   called again it refuses (8, "can only be executed on a standby node"). `primary register
//!   --force` makes the records right.
//! - `standby follow` of a standby that follows already: 23, "already exists as an active slot".
//! - Refuses to run as root.
//! - The connection string of `-d` reaches pg_basebackup whole, so its application name tells
//!   one clone from another; `primary_conninfo` gets the node's name all the same.
//!
//! Sources: repmgr 5.3 documentation, `errcode.h`; runs. Must not know nodes or placements.

use std::{net::IpAddr, time::Duration};

use camino::Utf8Path;

use crate::exec::Invocation;

/// Role and database that repmgr uses in clusters of ours.
pub const ROLE: &str = "repmgr";
/// See [`ROLE`].
pub const DATABASE: &str = "repmgr";

/// `standby register` waits so long for its record to arrive at the standby.
const WAIT_SYNC_S: u32 = 60;
/// All commands but the clone are a few statements, plus waits of repmgr's own of up to 60 s.
const DEADLINE: Duration = Duration::from_secs(150);

/// Of `primary register` and `standby register`: the record is there already.
/// "this node is already registered", "node 2 is already registered".
const ALREADY_REGISTERED: &str = "is already registered";
/// Of `standby unregister`: the record is gone already.
/// "node 3 (specified with --node-id) not found".
const NOT_REGISTERED: &str = "(specified with --node-id) not found";
/// Of `standby clone`: something is in the data directory.
const OCCUPIED: &[&str] = &["appears to be a PostgreSQL data directory", "exists but is not empty"];
/// Of `standby clone`.
const RUNNING_THERE: &str = "appears to contain a running PostgreSQL instance";
/// Of `standby unregister`.
const NOT_A_STANDBY: &str = "is not a standby server";
/// Of `standby follow`: the standby reads its slot at the new upstream already.
/// "slot \"repmgr_slot_3\" already exists as an active slot".
const FOLLOWS_ALREADY: &str = "already exists as an active slot";
/// Exit status of `standby follow` for most of what stops it.
const FOLLOW_FAILED: i32 = 23;
/// libpq's words for a wrong or missing password.
const LOGIN_REFUSED: &[&str] = &["password authentication failed", "no password supplied"];
/// The server's word when no rule lets the client in.
const NO_HBA_ENTRY: &str = "no pg_hba.conf entry";

/// How every command is called.
#[derive(Debug, Clone, Copy)]
pub struct Repmgr<'a> {
    /// Folder of the programs.
    pub bin_dir: &'a Utf8Path,
    /// The node's `repmgr.conf`.
    pub config: &'a Utf8Path,
}

/// A server to log in to.
#[derive(Debug, Clone, Copy)]
pub struct Server<'a> {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// libpq's password file; a plain path, nothing in it needs quoting.
    pub passfile: &'a Utf8Path,
    /// What the server calls this client; a plain word.
    pub application: Option<&'a str>,
}

impl Server<'_> {
    /// A libpq connection string. The password stays in its file.
    pub fn conninfo(&self) -> String {
        let application =
            self.application.map(|name| format!(" application_name={name}")).unwrap_or_default();
        format!(
            "host={} port={} user={ROLE} dbname={DATABASE} passfile={} connect_timeout=2{application}",
            self.address, self.port, self.passfile
        )
    }
}

impl Repmgr<'_> {
    fn run(&self, before: &[String], command: &[&str], after: &[String]) -> Invocation {
        let file = format!("--config-file={}", self.config);
        let arguments = std::iter::once(file)
            .chain(before.iter().cloned())
            .chain(command.iter().map(|word| (*word).to_owned()))
            .chain(after.iter().cloned());
        Invocation::new(self.bin_dir.join("repmgr"), arguments, DEADLINE)
    }

    /// `primary register`, at the primary.
    pub fn primary_register(&self) -> Invocation {
        self.run(&[], &["primary", "register"], &[])
    }

    /// `primary register` over the node's own record: where `standby promote` was cut short after
    /// the server was promoted. The record of the former primary becomes inactive.
    pub fn primary_register_again(&self) -> Invocation {
        self.run(&[], &["primary", "register"], &["--force".into()])
    }

    /// `standby clone` from `source`, with a slot. Takes as long as the copy takes: no
    /// deadline of its own.
    pub fn standby_clone(&self, source: &Server<'_>) -> Invocation {
        let from = format!("--dbname={}", source.conninfo());
        let mut run = self.run(&[from], &["standby", "clone"], &["--fast-checkpoint".into()]);
        run.deadline = None;
        run
    }

    /// `standby register`, at the standby, which runs.
    pub fn standby_register(&self, upstream_id: u32) -> Invocation {
        let after =
            [format!("--upstream-node-id={upstream_id}"), format!("--wait-sync={WAIT_SYNC_S}")];
        self.run(&[], &["standby", "register"], &after)
    }

    /// `standby register`, at a standby that does not run: writes the record at the primary.
    pub fn standby_register_stopped(&self, upstream_id: u32, primary: &Server<'_>) -> Invocation {
        let to = format!("--dbname={}", primary.conninfo());
        let after = ["--force".to_owned(), format!("--upstream-node-id={upstream_id}")];
        self.run(&[to], &["standby", "register"], &after)
    }

    /// `standby register` over the record of a former primary, at a standby which runs.
    pub fn standby_register_again(&self, upstream_id: u32) -> Invocation {
        let mut run = self.standby_register(upstream_id);
        run.arguments.push("--force".to_owned());
        run
    }

    /// `standby promote`, at a standby which runs while no primary does.
    pub fn standby_promote(&self) -> Invocation {
        self.run(&[], &["standby", "promote"], &[])
    }

    /// `standby follow`, at a standby which runs: from now on it streams from that node.
    pub fn standby_follow(&self, upstream_id: u32) -> Invocation {
        let after = [format!("--upstream-node-id={upstream_id}")];
        self.run(&[], &["standby", "follow"], &after)
    }

    /// `primary unregister` of a former primary, at a survivor.
    pub fn primary_unregister(&self, node_id: u32) -> Invocation {
        let after = [format!("--node-id={node_id}")];
        self.run(&[], &["primary", "unregister"], &after)
    }

    /// `standby unregister` of another node, at a survivor.
    pub fn standby_unregister(&self, node_id: u32) -> Invocation {
        let after = [format!("--node-id={node_id}")];
        self.run(&[], &["standby", "unregister"], &after)
    }
}

/// The version, of `repmgr --version`: "repmgr 5.3.3" gives "5.3.3". Empty: not that.
pub fn parse_version(stdout: &[u8]) -> String {
    let text = String::from_utf8_lossy(stdout);
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("repmgr ").map_or("", str::trim).to_owned()
}

/// What a command says that it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It did it now.
    Now,
    /// It was done before.
    Before,
}

/// Why a command failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The data directory is not empty.
    Occupied,
    /// A server runs in the data directory.
    RunningThere,
    /// The node is the primary or a witness.
    NotAStandby,
    /// The password is wrong or missing.
    Login,
    /// No rule of pg_hba.conf lets this host in.
    NoHbaEntry,
    /// The server cannot be reached or asked.
    Connection,
    /// pg_basebackup failed; the slot is dropped again, the directory may be half-filled.
    BaseBackup,
    /// The record did not arrive at the standby in time.
    RegistrationSync,
    /// Anything else; the text says what.
    Refused,
}

impl Cause {
    /// What to do next.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Occupied => {
                "undo the step: it empties the data directory, if Bellows made it; then retry"
            }
            Self::RunningThere => "stop the server that runs in the data directory, then retry",
            Self::NotAStandby => "only standbys can leave: switch over first",
            Self::Login => "put the repmgr role's password into the passfile of this host",
            Self::NoHbaEntry => "let this host in by pg_hba.conf of the server, then retry",
            Self::Connection => {
                "see that the server runs and is reachable from this host, then retry"
            }
            Self::BaseBackup => "read the job's output; undo the step, then retry",
            Self::RegistrationSync => "see that the standby streams from its upstream, then retry",
            Self::Refused => "read the job's output for repmgr's reason",
        }
    }
}

/// Judges how a command ended. `status` is `None` when a signal ended it.
///
/// # Errors
/// Why it did not do it.
pub fn outcome(status: Option<i32>, stderr: &[u8]) -> Result<Done, Cause> {
    let text = String::from_utf8_lossy(stderr);
    let says = |words: &str| text.contains(words);
    match status {
        Some(0) => Ok(Done::Now),
        Some(FOLLOW_FAILED) if says(FOLLOWS_ALREADY) => Ok(Done::Before),
        Some(1) if says(ALREADY_REGISTERED) || says(NOT_REGISTERED) => Ok(Done::Before),
        status => Err(cause(status, &says)),
    }
}

fn cause(status: Option<i32>, says: &dyn Fn(&str) -> bool) -> Cause {
    if OCCUPIED.iter().any(|words| says(words)) {
        Cause::Occupied
    } else if says(RUNNING_THERE) {
        Cause::RunningThere
    } else if says(NOT_A_STANDBY) {
        Cause::NotAStandby
    } else if LOGIN_REFUSED.iter().any(|words| says(words)) {
        Cause::Login
    } else if says(NO_HBA_ENTRY) {
        Cause::NoHbaEntry
    } else {
        match status {
            Some(6) => Cause::Connection,
            Some(14) => Cause::BaseBackup,
            Some(20) => Cause::RegistrationSync,
            Some(_) | None => Cause::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn repmgr() -> Repmgr<'static> {
        Repmgr { bin_dir: Utf8Path::new("/b"), config: Utf8Path::new("/c/repmgr.conf") }
    }

    #[test]
    fn command_lines() {
        let server = Server {
            address: [10, 0, 0, 1].into(),
            port: 5432,
            passfile: Utf8Path::new("/etc/p"),
            application: None,
        };
        let from = "--dbname=host=10.0.0.1 port=5432 user=repmgr dbname=repmgr passfile=/etc/p connect_timeout=2";
        let words = |run: Invocation| run.command().split_off(2).join("|");
        assert_eq!(words(repmgr().primary_register()), "primary|register");
        let clone = repmgr().standby_clone(&server);
        assert_eq!(clone.deadline, None);
        assert_eq!(words(clone), format!("{from}|standby|clone|--fast-checkpoint"));
        assert_eq!(
            words(repmgr().standby_register(1)),
            "standby|register|--upstream-node-id=1|--wait-sync=60"
        );
        assert_eq!(
            words(repmgr().standby_register_stopped(1, &server)),
            format!("{from}|standby|register|--force|--upstream-node-id=1")
        );
        assert_eq!(words(repmgr().standby_unregister(4)), "standby|unregister|--node-id=4");
    }

    #[test]
    fn nothing_is_called_with_a_dry_run() {
        // `standby unregister` ignores it and unregisters.
        assert!(
            !repmgr().standby_unregister(2).command().iter().any(|word| word.contains("dry-run"))
        );
    }

    #[test]
    fn recorded_endings_are_understood() {
        macro_rules! recorded {
            ($name:literal) => {
                include_bytes!(concat!("../../testdata/postgresql/repmgr-5.3.3-", $name, ".stderr"))
            };
        }
        let endings: &[(i32, &[u8], Result<Done, Cause>)] = &[
            (0, recorded!("clone"), Ok(Done::Now)),
            (1, recorded!("primary-register-again"), Ok(Done::Before)),
            (1, recorded!("standby-register-again"), Ok(Done::Before)),
            (0, recorded!("standby-register-down"), Ok(Done::Now)),
            (0, recorded!("standby-unregister"), Ok(Done::Now)),
            (1, recorded!("standby-unregister-again"), Ok(Done::Before)),
            (1, recorded!("standby-unregister-primary"), Err(Cause::NotAStandby)),
            (1, recorded!("clone-occupied"), Err(Cause::Occupied)),
            (1, recorded!("clone-running"), Err(Cause::RunningThere)),
            (6, recorded!("clone-refused-connection"), Err(Cause::Connection)),
            (6, recorded!("clone-wrong-password"), Err(Cause::Login)),
        ];
        for (status, stderr, expected) in endings {
            assert_eq!(
                outcome(Some(*status), stderr),
                *expected,
                "{}",
                String::from_utf8_lossy(stderr)
            );
        }
        // The words as its source has them; only this status of this command says so.
        let follows = b"ERROR: slot \"repmgr_slot_3\" already exists as an active slot\n";
        assert_eq!(outcome(Some(23), follows), Ok(Done::Before));
        assert_eq!(outcome(Some(23), b""), Err(Cause::Refused));
        assert_eq!(outcome(Some(6), follows), Err(Cause::Connection));
        assert_eq!(outcome(None, b""), Err(Cause::Refused));
    }

    #[test]
    fn versions() {
        assert_eq!(parse_version(b"repmgr 5.3.3\n"), "5.3.3");
        assert_eq!(parse_version(b"bash: repmgr: no"), "");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(status in any::<Option<i32>>(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = outcome(status, &bytes);
            let _ = parse_version(&bytes);
        }
    }
}
