//! Pgpool-II: its PCP commands, and the rows of its backends in `pgpool.conf`.
//!
//! Versions: tried with 4.3.5 (Debian 12).
//! Traps:
//! - The exit status is 0 also for errors of the server ("invalid node ID"); 1 only where nobody
//!   answers or the login is refused. `pcp_attach_node` and `pcp_detach_node` say "Command
//!   Successful" of nodes that are not there. Nothing is believed before it is read back.
//! - A new row needs a reload, and its node is down then: it is attached by hand. Rows that change
//!   or go need a restart; a reload says nothing of them, and does nothing.
//! - `pgpool_status` keeps each node's state over a restart, by its number: after rows were
//!   renumbered it may keep a good one down. After a restart states are read back and mended.
//! - Several commands within a second have wedged the main process, which then serves nobody: they
//!   go one by one, with [`PAUSE`] between.
//! - It finds a new primary only when it fails over: a role that moves while nobody is connected
//!   goes unnoticed, and writers are led to what is a standby now. Detaching the former primary
//!   makes it look; attached again it is a standby.
//! - `pcp_detach_node -g` waits until all clients have gone, whomever they are led to, and lets no
//!   new ones in meanwhile; `recovery_timeout` bounds it.
//! - `pcp_promote_node` is never called: it marks good nodes down and promotes nobody.
//! - A weight that is not written is 0: such a standby gets no reader.
//!
//! Sources: Pgpool-II 4.3 documentation; runs. Must not know clusters or messages.

mod rows;

use std::{net::IpAddr, time::Duration};

use camino::Utf8Path;

use crate::exec::Invocation;

pub use rows::{Backend, RowsError, rewritten, rows};

/// Between two commands that change something.
pub const PAUSE: Duration = Duration::from_secs(3);

/// More nodes are not read: Pgpool-II itself knows no more (`MAX_NUM_BACKENDS`).
pub const MOST_NODES: usize = 128;

/// How every PCP command is called.
#[derive(Debug, Clone, Copy)]
pub struct Pcp<'a> {
    /// Folder of the programs.
    pub bin_dir: &'a Utf8Path,
    /// Where PCP listens.
    pub address: IpAddr,
    /// Likewise.
    pub port: u16,
    /// A user of `pcp.conf`.
    pub user: &'a str,
    /// `ADDRESS:PORT:USER:PASSWORD`, mode 0600, of whoever runs the command.
    pub passfile: &'a Utf8Path,
}

impl Pcp<'_> {
    fn run(&self, program: &str, words: &[String], deadline: Duration) -> Invocation {
        let fixed = ["-h".to_owned(), self.address.to_string(), "-p".to_owned()];
        let arguments = fixed
            .into_iter()
            .chain([self.port.to_string(), "-U".to_owned(), self.user.to_owned(), "-w".to_owned()])
            .chain(words.iter().cloned());
        Invocation::new(self.bin_dir.join(program), arguments, deadline)
            .env("PCPPASSFILE", self.passfile.as_str())
    }

    /// All nodes, as [`parse_node_info`] reads them.
    pub fn node_info(&self, deadline: Duration) -> Invocation {
        self.run("pcp_node_info", &["-v".to_owned()], deadline)
    }

    /// Clients are led to this node again.
    pub fn attach(&self, number: usize, deadline: Duration) -> Invocation {
        self.run("pcp_attach_node", &["-n".to_owned(), number.to_string()], deadline)
    }

    /// Clients are led to this node no more; those that are end, unless it waits for them.
    pub fn detach(&self, number: usize, waits: bool, deadline: Duration) -> Invocation {
        let graceful = waits.then(|| "-g".to_owned());
        let words: Vec<String> =
            graceful.into_iter().chain(["-n".to_owned(), number.to_string()]).collect();
        self.run("pcp_detach_node", &words, deadline)
    }

    /// Reads its configuration again.
    pub fn reload(&self, deadline: Duration) -> Invocation {
        self.run("pcp_reload_config", &[], deadline)
    }
}

/// What Pgpool-II says of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// As its row has it: an address, or a name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Up or waiting for its first client: clients are led to it.
    pub attached: bool,
    /// Pgpool-II takes it for the primary.
    pub primary: bool,
}

/// Why an output cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A line that is no `KEY : VALUE`.
    #[error("line {0} is not of the form KEY : VALUE")]
    Line(usize),
    /// A node lacks a value, or has one that is none.
    #[error("node {node}: {key} is missing or is not as expected")]
    Value {
        /// Its number, from 0.
        node: usize,
        /// What is missing.
        key: &'static str,
    },
    /// More than Pgpool-II can have.
    #[error("more than {MOST_NODES} nodes")]
    TooMany,
}

/// Reads the standard output of `pcp_node_info -v`: blocks of `KEY : VALUE`, a blank line after each.
/// Keys that are not known are passed over: newer versions have more.
///
/// # Errors
/// If it is not of this form, or empty of what every version prints.
pub fn parse_node_info(stdout: &[u8]) -> Result<Vec<Node>, ParseError> {
    let text = String::from_utf8_lossy(stdout);
    let mut nodes = Vec::new();
    let mut block: Vec<(&str, &str)> = Vec::new();
    for (index, line) in text.lines().chain([""]).enumerate() {
        if line.trim().is_empty() {
            if !block.is_empty() {
                nodes.push(node(nodes.len(), &block)?);
                block.clear();
            }
            continue;
        }
        let (key, value) = line.split_once(':').ok_or(ParseError::Line(index + 1))?;
        block.push((key.trim(), value.trim()));
        if nodes.len() >= MOST_NODES {
            return Err(ParseError::TooMany);
        }
    }
    Ok(nodes)
}

fn node(number: usize, block: &[(&str, &str)]) -> Result<Node, ParseError> {
    let missing = |key| ParseError::Value { node: number, key };
    let value = |wanted: &'static str| {
        let found = block.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value);
        found.ok_or(missing(wanted))
    };
    // 0: never used yet; 1: up, no client yet; 2: up; 3: down.
    let attached = match value("Status")? {
        "1" | "2" => true,
        "0" | "3" => false,
        _ => return Err(missing("Status")),
    };
    let primary = match value("Role")? {
        "primary" => true,
        "standby" => false,
        _ => return Err(missing("Role")),
    };
    Ok(Node {
        host: value("Hostname")?.to_owned(),
        port: value("Port")?.parse().map_err(|_| missing("Port"))?,
        attached,
        primary,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    const NODES: &[u8] = include_bytes!("../../../testdata/postgresql/pgpool-4.3.5-node-info.txt");

    #[test]
    fn nodes_are_read_with_their_states() {
        let nodes = parse_node_info(NODES).unwrap();
        let told: Vec<_> = nodes
            .iter()
            .map(|node| (node.host.as_str(), node.port, node.attached, node.primary))
            .collect();
        assert_eq!(told, [("127.63.9.2", 5632, true, true), ("127.63.9.3", 5632, false, false)]);
        assert_eq!(parse_node_info(b"").unwrap(), []);
    }

    #[test]
    fn what_is_no_node_is_refused() {
        assert_eq!(parse_node_info(b"Hostname\n"), Err(ParseError::Line(1)));
        let text = String::from_utf8(NODES.to_vec()).unwrap();
        for (from, to, key) in [
            (": 3\n", ": 7\n", "Status"),
            (": primary\n", ": somebody\n", "Role"),
            (": 5632\n", ": many\n", "Port"),
        ] {
            let changed = text.replacen(from, to, 1);
            let Err(ParseError::Value { key: missing, .. }) = parse_node_info(changed.as_bytes())
            else {
                panic!("{changed}");
            };
            assert_eq!(missing, key);
        }
    }

    #[test]
    fn commands_name_what_they_are_about_and_no_secret() {
        let pcp = Pcp {
            bin_dir: "/usr/sbin".into(),
            address: [127, 0, 0, 1].into(),
            port: 9898,
            user: "bellows",
            passfile: "/etc/bellows/pcppass".into(),
        };
        let second = Duration::from_secs(1);
        let run = pcp.detach(2, true, second);
        assert_eq!(
            run.command().join(" "),
            "/usr/sbin/pcp_detach_node -h 127.0.0.1 -p 9898 -U bellows -w -g -n 2"
        );
        assert_eq!(run.environment["PCPPASSFILE"], "/etc/bellows/pcppass");
        assert!(!pcp.detach(2, false, second).arguments.contains(&"-g".to_owned()));
        assert!(pcp.reload(second).command()[0].ends_with("pcp_reload_config"));
        assert!(pcp.attach(0, second).command().ends_with(&["-n".to_owned(), "0".to_owned()]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_node_info(&bytes);
        }

        #[test]
        fn no_change_makes_it_panic(at in 0..NODES.len(), byte: u8) {
            let mut bytes = NODES.to_vec();
            bytes[at] = byte;
            let _ = parse_node_info(&bytes);
        }
    }
}
