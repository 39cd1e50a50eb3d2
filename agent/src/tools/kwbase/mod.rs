//! `kwbase` of KWDB (KaiwuDB community): command lines out, its csv in.
//!
//! Versions: one parser fits V2.2.1 and later; `node.go` of the tool is the same from V2.2.2 on. Scaling is refused by
//! builds before V2.2.1 for want of a licence. `kwbase` is a fork of CockroachDB 20.1.
//!
//! Traps: exit status is 0 or 1 only, the class of an error stands in words on standard error ([`errors`]). Without
//! `--format=csv` the layout hangs on a terminal. Every flag has a variable `KWBASE_*` that works where the flag is missing:
//! the environment is cleared, and host, security and format are always given. NULL is a bare word, an empty string is
//! `""`. `node decommission --wait=all` sends its flag again with each turn and never ends where it is stuck:
//! only `--wait=none` is used. `gossiped_replicas` is up to a minute old: only the count over ranges is exact.
//! `--ranges` and SQL over ranges hang without a quorum: each run has a deadline.
//!
//! Sources: `pkg/cli` and `pkg/server` of KWDB/KWDB up to V3.2.1, the manual's page "cluster-scale", issues of CockroachDB.
//! No real binary was run to write this. Must not know plans, claims or files.

use std::{net::SocketAddr, time::Duration};

use camino::Utf8Path;

use crate::exec::Invocation;

pub mod csv;
pub mod errors;
pub mod sql;
pub mod status;

/// The environment variables that its flags and programs listen to: unset where a unit starts it.
pub const VARIABLES: &[&str] = &[
    "KWBASE_BACKGROUND_RESTART",
    "KWBASE_CERTS_DIR",
    "KWBASE_CHANNEL",
    "KWBASE_CLUSTER_NAME",
    "KWBASE_CONNECT_TIMEOUT",
    "KWBASE_DATABASE",
    "KWBASE_HOST",
    "KWBASE_INSECURE",
    "KWBASE_PORT",
    "KWBASE_REDACT",
    "KWBASE_SKIP_ENABLING_DIAGNOSTIC_REPORTING",
    "KWBASE_URL",
    "KWBASE_USER",
];
/// What all of them begin with.
pub const VARIABLE_PREFIX: &str = "KWBASE_";
/// It gives up itself a little before it is ended.
const OWN_MARGIN: Duration = Duration::from_millis(500);

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security<'a> {
    /// `--insecure`
    Insecure,
    /// `--certs-dir`, with `client.root.crt` and its key in it.
    Certificates(&'a Utf8Path),
}

impl Security<'_> {
    /// The flag.
    pub fn flag(self) -> String {
        match self {
            Self::Insecure => "--insecure".to_owned(),
            Self::Certificates(folder) => format!("--certs-dir={folder}"),
        }
    }
}

/// How the program is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program<'a> {
    /// Absolute; inside of the container where there is one.
    pub path: &'a Utf8Path,
    /// The program that enters the container, and its name.
    pub container: Option<(&'a Utf8Path, &'a str)>,
}

impl Program<'_> {
    /// A run of it. Standard input is closed: a client that misses a certificate would ask for a password.
    pub fn call<A: Into<String>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        deadline: Duration,
    ) -> Invocation {
        let arguments = arguments.into_iter().map(Into::into);
        match self.container {
            None => Invocation::new(self.path, arguments, deadline),
            Some((engine, name)) => {
                let enter = ["exec", name, self.path.as_str()].map(str::to_owned);
                Invocation::new(engine, enter.into_iter().chain(arguments), deadline)
            }
        }
    }

    /// Prints its version.
    pub fn version(&self, deadline: Duration) -> Invocation {
        self.call(["version"], deadline)
    }
}

/// Whom a client dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dial<'a> {
    /// The program.
    pub program: Program<'a>,
    /// The node.
    pub host: SocketAddr,
    /// Of the cluster.
    pub security: Security<'a>,
}

/// Which rows of `node status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Members: not decommissioned, or still alive.
    Active,
    /// Everybody ever known, with more columns.
    Known,
}

impl Dial<'_> {
    fn client(&self, words: &[&str], deadline: Duration) -> Invocation {
        let connection =
            ["--format=csv".to_owned(), format!("--host={}", self.host), self.security.flag()];
        let words = words.iter().map(|word| (*word).to_owned());
        self.program.call(words.chain(connection), deadline)
    }

    /// Who is a member. Out of gossip: works without a quorum.
    pub fn status(&self, rows: Rows, deadline: Duration) -> Invocation {
        let own = deadline.saturating_sub(OWN_MARGIN).max(OWN_MARGIN);
        let timeout = format!("--timeout={}ms", own.as_millis());
        match rows {
            Rows::Active => self.client(&["node", "status", &timeout], deadline),
            Rows::Known => self.client(&["node", "status", "--decommission", &timeout], deadline),
        }
    }

    /// Flags a node; the data move by themselves. Repeating it changes nothing.
    pub fn decommission(&self, id: u32, deadline: Duration) -> Invocation {
        self.client(&["node", "decommission", &id.to_string(), "--wait=none"], deadline)
    }

    /// Takes the flag back.
    pub fn recommission(&self, id: u32, deadline: Duration) -> Invocation {
        self.client(&["node", "recommission", &id.to_string()], deadline)
    }

    /// Drains the dialled node and ends it. Has no output to be read.
    pub fn quit(&self, deadline: Duration) -> Invocation {
        let host = format!("--host={}", self.host);
        self.program.call(["quit".to_owned(), host, self.security.flag()], deadline)
    }

    /// Statements in one session, in their order; the first that fails ends it.
    pub fn sql(&self, statements: &[sql::Statement], deadline: Duration) -> Invocation {
        let texts: Vec<String> = statements.iter().map(sql::Statement::text).collect();
        let mut words = vec!["sql"];
        for text in &texts {
            words.extend(["-e", text]);
        }
        self.client(&words, deadline)
    }
}

/// The version out of `kwbase version`; empty: none is in it.
pub fn parse_version(stdout: &[u8]) -> String {
    let text = String::from_utf8_lossy(stdout);
    let value = text.lines().find_map(|line| {
        let (label, value) = line.split_once(':')?;
        let label = label.trim();
        ["KaiwuDB Version", "KWDB Version"].contains(&label).then(|| value.trim())
    });
    let version = value.and_then(|value| value.split_ascii_whitespace().next()).unwrap_or_default();
    let quiet = version.len() <= 64
        && version
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+'));
    if quiet { version.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dial(container: Option<(&'static Utf8Path, &'static str)>) -> Dial<'static> {
        Dial {
            program: Program { path: Utf8Path::new("/usr/local/kaiwudb/bin/kwbase"), container },
            host: ([10, 0, 0, 1], 26257).into(),
            security: Security::Certificates(Utf8Path::new("/etc/kaiwudb/certs")),
        }
    }

    #[test]
    fn nothing_is_left_to_the_environment() {
        let second = Duration::from_secs(1);
        let dial = dial(None);
        let words = |invocation: Invocation| invocation.arguments.join(" ");
        assert_eq!(
            words(dial.status(Rows::Known, 3 * second)),
            "node status --decommission --timeout=2500ms --format=csv --host=10.0.0.1:26257 \
             --certs-dir=/etc/kaiwudb/certs"
        );
        assert_eq!(
            words(dial.decommission(4, second)),
            "node decommission 4 --wait=none --format=csv --host=10.0.0.1:26257 \
             --certs-dir=/etc/kaiwudb/certs"
        );
        assert_eq!(
            words(dial.quit(second)),
            "quit --host=10.0.0.1:26257 --certs-dir=/etc/kaiwudb/certs"
        );
        let insecure = Dial { security: Security::Insecure, ..dial };
        let sql = insecure.sql(&[sql::Statement::Replicas(4)], second);
        assert_eq!(
            sql.arguments,
            [
                "sql",
                "-e",
                "SELECT count(*) FROM kwdb_internal.ranges WHERE 4 = ANY(replicas)",
                "--format=csv",
                "--host=10.0.0.1:26257",
                "--insecure"
            ]
        );
    }

    #[test]
    fn a_container_is_entered_by_its_engine() {
        let engine = Utf8Path::new("/usr/bin/docker");
        let call =
            dial(Some((engine, "kaiwudb-container"))).recommission(2, Duration::from_secs(1));
        assert_eq!(call.program, engine);
        assert_eq!(
            call.arguments.get(..6).unwrap().join(" "),
            "exec kaiwudb-container /usr/local/kaiwudb/bin/kwbase node recommission 2"
        );
    }

    #[test]
    fn versions() {
        let text = b"KaiwuDB Version:   V3.1.0\nBuild Time:        2026/01/01 10:00:00\nGo Version:        go1.22.5\n";
        assert_eq!(parse_version(text), "V3.1.0");
        assert_eq!(parse_version(b"Build Time: x\n"), "");
        assert_eq!(parse_version(b""), "");
        assert_eq!(parse_version(b"KaiwuDB Version: \x1b[31mV3\n"), "");
    }
}
