//! `bookkeeper shell listledgers -bookieid ID`: which ledgers a bookie holds, by their metadata.
//!
//! Versions: 4.17 writes `ledgerID: N`, 4.18 `log entry {ledgerId=N}`; without `-m`, which would print passwords.
//! Traps: exit status 0 with an ERROR line, and an empty list where its logger has no voice: both are told apart from a bookie
//! that holds nothing. Sources: `ListLedgersCommand` of both; output of a real 4.17.3 and 4.18.0. Pure.

use std::collections::BTreeSet;

use crate::exec::Finished;

/// A line of this logger is what was asked for.
const LOGGER: &str = "ListLedgersCommand";
/// A line of this logger says that ZooKeeper was reached, and that the log configuration is ours.
const WITNESS: &str = "INFO|ClientCnxn|Session establishment complete";
const SHOWN: usize = 200;

/// Why the output proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// It said so, whatever its exit status.
    #[error("it said: {0}")]
    Told(String),
    /// It said something else.
    #[error("it printed {0:?} among the ledgers")]
    Odd(String),
    /// Neither ledgers nor a sign that it looked.
    #[error(
        "it printed nothing, not even that it reached ZooKeeper: its log configuration is not the one that was given"
    )]
    Silent,
    /// There was more than is kept.
    #[error("it printed more than is kept of it")]
    Cut,
}

/// The words after `shell`. `bookie` is a checked id.
pub fn words(bookie: &str) -> [&str; 3] {
    ["listledgers", "-bookieid", bookie]
}

/// Reads the ids, of a call that ended with status 0.
///
/// # Errors
/// If it proves nothing.
pub fn parse(finished: &Finished) -> Result<BTreeSet<u64>, ListError> {
    let said = String::from_utf8_lossy(&finished.stdout);
    let beside = String::from_utf8_lossy(&finished.stderr);
    // Of the loggers that are shown; the JVM's own warnings begin otherwise.
    let error = |line: &&str| line.starts_with("ERROR") || line.starts_with("FATAL");
    if let Some(line) = said.lines().chain(beside.lines()).find(error) {
        return Err(ListError::Told(shown(line)));
    }
    if finished.stdout_cut {
        return Err(ListError::Cut);
    }
    let mut found = BTreeSet::new();
    for line in said.lines().filter(|line| !line.trim().is_empty()) {
        match (ours(line), id(line)) {
            (true, Some(id)) => {
                found.insert(id);
            }
            (true, None) => return Err(ListError::Odd(shown(line))),
            // Other loggers speak of other things.
            (false, _) => {}
        }
    }
    if found.is_empty() && !beside.lines().any(|line| line.starts_with(WITNESS)) {
        return Err(ListError::Silent);
    }
    Ok(found)
}

/// `LEVEL|LOGGER|...`; what has not even this form is of somebody else's logger.
fn ours(line: &str) -> bool {
    let mut parts = line.splitn(3, '|');
    let (_, logger) = (parts.next(), parts.next());
    logger.is_none_or(|logger| logger == LOGGER)
}

fn id(line: &str) -> Option<u64> {
    let message = line.splitn(3, '|').nth(2)?.trim();
    let number = match message.strip_prefix("ledgerID: ") {
        // The values of 4.18 after it, none with 4.17.
        Some(rest) => rest.strip_suffix("{}").unwrap_or(rest),
        None => {
            message.strip_prefix("log entry {")?.strip_suffix('}')?.strip_prefix("ledgerId=")?
        }
    };
    number.trim().parse().ok()
}

fn shown(line: &str) -> String {
    line.trim().chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn finished(stdout: &str, stderr: &str) -> Finished {
        Finished {
            status: Some(0),
            stdout: stdout.into(),
            stderr: stderr.into(),
            ..Finished::default()
        }
    }

    const REACHED: &str = "INFO|ClientCnxn|Session establishment complete on server localhost {}\n";

    #[test]
    fn both_versions_are_read() {
        let of_17 =
            "INFO|ListLedgersCommand|ledgerID: 47 {}\nINFO|ListLedgersCommand|ledgerID: 48 {}\n";
        let of_18 = "INFO|ListLedgersCommand|log entry {ledgerId=47}\nINFO|ListLedgersCommand|log entry {ledgerId=48}\n";
        for text in [of_17, of_18] {
            let ids = parse(&finished(text, "")).unwrap();
            assert_eq!(ids.into_iter().collect::<Vec<_>>(), [47, 48]);
        }
        let real = include_str!("../../../tests/bookkeeper_samples/4.17.3-agent/shell_listledgers");
        assert_eq!(
            parse(&finished(real, "")).unwrap().into_iter().collect::<Vec<_>>(),
            [0, 1, 2, 3, 4]
        );
        let other = format!("INFO|BookKeeperAdmin|something {{}}\n{of_17}");
        assert_eq!(parse(&finished(&other, "")).unwrap().len(), 2);
    }

    #[test]
    fn nothing_is_only_nothing_with_a_witness() {
        assert_eq!(parse(&finished("", REACHED)), Ok(BTreeSet::new()));
        let real = include_str!(
            "../../../tests/bookkeeper_samples/4.17.3-agent/shell_listledgers_none.err"
        );
        assert_eq!(parse(&finished("", real)), Ok(BTreeSet::new()));
        assert_eq!(parse(&finished("", "")), Err(ListError::Silent));
        assert_eq!(
            parse(&finished("", "06:13:20 INFO Session establishment complete")),
            Err(ListError::Silent)
        );
    }

    #[test]
    fn an_error_with_status_0_is_one() {
        for line in [
            "ERROR|ListLedgersCommand|Unable to read the ledger: 47 information {}",
            "ERROR|ListLedgersCommand|Received error return value while processing ledgers: -9 {}",
            "ERROR: invalid value for option x",
        ] {
            let text = format!("INFO|ListLedgersCommand|ledgerID: 47 {{}}\n{line}\n");
            assert!(matches!(parse(&finished(&text, REACHED)), Err(ListError::Told(_))), "{line}");
            assert!(matches!(parse(&finished("", line)), Err(ListError::Told(_))), "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_no_ledger_and_not_nothing() {
        let stock = include_str!(
            "../../../tests/bookkeeper_samples/4.17.3-stock/shell_listledgers_qw1_left"
        );
        let bare = include_str!("../../../tests/bookkeeper_samples/4.17.3/shell_listledgers");
        let constant = "INFO|ListLedgersCommand|log entry {}\n";
        for text in [stock, constant, "INFO|ListLedgersCommand|ledgerID: x {}\n", bare] {
            assert!(matches!(parse(&finished(text, REACHED)), Err(ListError::Odd(_))), "{text}");
        }
        let cut = Finished { stdout_cut: true, ..finished("", REACHED) };
        assert_eq!(parse(&cut), Err(ListError::Cut));
    }

    proptest! {
        #[test]
        fn random_output_ends_well(out in ".{0,300}", err in ".{0,100}") {
            let _ = parse(&finished(&out, &err));
        }

        #[test]
        fn every_id_is_found(ids in proptest::collection::btree_set(any::<u64>(), 1..40), new in any::<bool>()) {
            let line = |id: &u64| match new {
                true => format!("INFO|ListLedgersCommand|log entry {{ledgerId={id}}}\n"),
                false => format!("INFO|ListLedgersCommand|ledgerID: {id} {{}}\n"),
            };
            let text: String = ids.iter().map(line).collect();
            prop_assert_eq!(parse(&finished(&text, "")).unwrap(), ids);
        }
    }
}
