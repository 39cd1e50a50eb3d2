//! `deploy.sh` of KWDB 3.0 and 3.1: the front end of clusters that were made with it. Of its commands only `decommission` is used.
//!
//! Traps: an unknown command prints the usage and exits with 0, so that nothing is believed of its exit status. Its messages are on
//! standard output, with colours. `decommission` takes no argument: it looks for this host's address among the nodes and acts on
//! whatever it finds, several ids or an error's text among them; it returns while the data have just begun to move, and leaves a
//! process behind that holds its output and writes guesses into `decommission_progress`, which nobody here reads. `join` is not
//! used: it starts the node with the installer's own store, appends to the unit with each call, and asks questions where
//! there are certificates.
//!
//! Sources: `kaiwudb_install` of KWDB/KWDB, the same from V2.1.0 on. No real one was run to write this.

use std::time::Duration;

use camino::Utf8Path;

use crate::exec::{Invocation, Output};

/// It looks for the node and flags it; both take seconds.
const DEADLINE: Duration = Duration::from_secs(120);
/// What it prints when it has flagged something.
const COMPLETED: &str = "[DECOMMISSION COMPLETED]";
/// What stands before its errors.
const ERROR: &str = "[ERROR]";

/// Flags this host's own node. Its output goes to a file: what it leaves behind would hold a pipe open.
pub fn decommission(program: &Utf8Path, output: &Utf8Path) -> Invocation {
    let mut invocation = Invocation::new(program, ["decommission"], DEADLINE);
    // It reads and writes beside itself.
    if let Some(folder) = program.parent() {
        folder.clone_into(&mut invocation.cwd);
    }
    invocation.output = Output::File(output.to_owned());
    invocation
}

/// What it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// That it has flagged the node.
    Completed,
    /// Its first error, or the last line: the usage, for one.
    Otherwise(String),
}

/// Reads its messages: without colours and without the returns that it begins lines with.
pub fn said(output: &[u8]) -> Said {
    let text = plain(&String::from_utf8_lossy(output));
    if text.contains(COMPLETED) {
        return Said::Completed;
    }
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = lines.clone().find(|line| line.contains(ERROR));
    let line = error.or_else(|| lines.next_back()).unwrap_or("nothing");
    Said::Otherwise(line.chars().take(400).collect())
}

/// Without escape sequences and control characters but the ends of lines.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '\u{1b}' => {
                // ESC [ parameters letter
                for c in characters.by_ref() {
                    if c.is_ascii_alphabetic() {
                        break;
                    }
                }
            }
            '\r' => out.push('\n'),
            '\n' => out.push('\n'),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn its_words_are_read_without_colours() {
        let good = "\x1b[32m[DECOMMISSION COMPLETED]\x1b[0m:Decommission complete. Please wait a few minutes...\n";
        assert_eq!(said(good.as_bytes()), Said::Completed);
        let bad = "  \r\x1b[31m[ERROR]\x1b[0m 2026-01-05 09:00:00 Get node id failed.\nmore\n";
        let error = "[ERROR] 2026-01-05 09:00:00 Get node id failed.".to_owned();
        assert_eq!(said(bad.as_bytes()), Said::Otherwise(error));
        let usage = "Usage: deploy.sh install|join\n  --help\n";
        assert_eq!(said(usage.as_bytes()), Said::Otherwise("--help".to_owned()));
        assert_eq!(said(b""), Said::Otherwise("nothing".to_owned()));
    }

    proptest! {
        #[test]
        fn rubbish_is_otherwise(bytes in any::<Vec<u8>>()) {
            if let Said::Otherwise(line) = said(&bytes) {
                prop_assert!(!line.chars().any(char::is_control));
            }
        }
    }
}
