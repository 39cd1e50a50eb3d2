//! `pg_controldata`: what a data directory says of itself, also when no server runs.
//!
//! Versions: tried with PostgreSQL 15.20; the lines that are read are the same since 9.3.
//! Traps:
//! - Labels are translated: run it with `LC_ALL=C`, which `exec` sets.
//! - A half-made data directory has no control file: exit status 1.
//! - A file with a wrong checksum is printed all the same, with a WARNING on standard output.
//!
//! Sources: PostgreSQL documentation; `src/bin/pg_controldata`; runs.
//! Must not know nodes or configuration.

use std::time::Duration;

use camino::Utf8Path;

use crate::exec::Invocation;

/// The run.
pub fn pg_controldata(bin_dir: &Utf8Path, data_dir: &Utf8Path, deadline: Duration) -> Invocation {
    Invocation::new(bin_dir.join("pg_controldata"), [format!("--pgdata={data_dir}")], deadline)
}

/// What is read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlData {
    /// The same for all members of a cluster, for ever.
    pub system_identifier: String,
    /// "in production", "in archive recovery", "shut down", ...
    pub state: String,
    /// Where its latest checkpoint begins, in bytes of WAL since the beginning. In a directory that
    /// was shut down in order nothing follows it.
    pub checkpoint_lsn: u64,
    /// The timeline of that checkpoint.
    pub checkpoint_timeline: u32,
    /// A standby's data are consistent from there on, in bytes of WAL since the beginning; 0: no
    /// standby's data.
    pub recovery_end_lsn: u64,
    /// The timeline of that place.
    pub recovery_end_timeline: u32,
}

/// Why the output could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A line is not there.
    #[error("there is no line {0:?}")]
    Missing(&'static str),
    /// The identifier is not a number.
    #[error("the system identifier {0:?} is not a number")]
    Identifier(String),
    /// This is no place in the WAL.
    #[error("{0:?} is no place in the WAL")]
    Location(String),
    /// This is no timeline.
    #[error("{0:?} is no timeline")]
    Timeline(String),
    /// The checksum does not fit: nothing of it can be trusted.
    #[error("the control file is damaged: {0}")]
    Damaged(String),
}

/// Reads the standard output.
///
/// # Errors
/// If a line is missing, is not what it should be, or the control file is damaged.
pub fn parse_pg_controldata(stdout: &[u8]) -> Result<ControlData, ParseError> {
    let text = String::from_utf8_lossy(stdout);
    if let Some(warning) = text.lines().find(|line| line.starts_with("WARNING:")) {
        return Err(ParseError::Damaged(warning.chars().take(200).collect()));
    }
    let value = |label: &'static str| {
        text.lines()
            .find_map(|line| line.strip_prefix(label)?.strip_prefix(':'))
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
            .ok_or(ParseError::Missing(label))
    };
    let system_identifier = value("Database system identifier")?;
    if !system_identifier.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ParseError::Identifier(system_identifier));
    }
    let place = |label| {
        let text = value(label)?;
        lsn(&text).ok_or(ParseError::Location(text))
    };
    let timeline = |label| {
        let text = value(label)?;
        text.parse().map_err(|_| ParseError::Timeline(text))
    };
    Ok(ControlData {
        system_identifier,
        state: value("Database cluster state")?,
        checkpoint_lsn: place("Latest checkpoint location")?,
        checkpoint_timeline: timeline("Latest checkpoint's TimeLineID")?,
        recovery_end_lsn: place("Minimum recovery ending location")?,
        recovery_end_timeline: timeline("Min recovery ending loc's timeline")?,
    })
}

/// `16/B374D848`: two halves in hexadecimal.
fn lsn(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let half = |text: &str| u32::from_str_radix(text, 16).ok().map(u64::from);
    Some(half(high)? << 32 | half(low)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn recorded_output_is_read() {
        let recorded = include_bytes!("../../testdata/postgresql/pg_controldata-15.txt");
        assert_eq!(
            parse_pg_controldata(recorded),
            Ok(ControlData {
                system_identifier: "7710403086256163226".to_owned(),
                state: "in production".to_owned(),
                checkpoint_lsn: 0x0200_0098,
                checkpoint_timeline: 1,
                recovery_end_lsn: 0,
                recovery_end_timeline: 0,
            })
        );
    }

    #[test]
    fn damage_and_holes_are_errors() {
        assert!(matches!(
            parse_pg_controldata(b"WARNING: Calculated CRC checksum does not match\n"),
            Err(ParseError::Damaged(_))
        ));
        assert!(matches!(
            parse_pg_controldata(b"Database system identifier:   \n"),
            Err(ParseError::Missing(_))
        ));
        assert!(matches!(
            parse_pg_controldata(b"Database system identifier: 1x\n"),
            Err(ParseError::Identifier(_))
        ));
    }

    #[test]
    fn places_in_the_wal_are_numbers() {
        assert_eq!(lsn("16/B374D848"), Some(0x16_B374_D848));
        for bad in ["", "0", "0/", "/0", "0/1/2", "g/0", "1/123456789"] {
            assert_eq!(lsn(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_pg_controldata(&bytes);
        }
    }
}
