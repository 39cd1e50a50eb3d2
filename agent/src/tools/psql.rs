//! `psql`: SQL through the system's own client, as csv.
//!
//! Versions: `--csv` is there since PostgreSQL 12; tried with 15.20.
//! Traps:
//! - `psql -c` does not interpolate variables: the statement goes in on standard input, values
//!   by `-v`, quoted by the client (`:'name'`).
//! - Exit status 2 is a lost or refused connection, 3 a failed statement (with `ON_ERROR_STOP`),
//!   1 a mistake of our own. Without `ON_ERROR_STOP` a failed statement leaves status 0.
//! - `--csv` prints NULL and the empty text alike.
//! - The server may accept the connection and never answer: `connect_timeout` does not cover
//!   that, only the deadline of the run does.
//!
//! Sources: PostgreSQL documentation, `psql` reference page; runs.
//! Must not know what the SQL means, nor nodes, nor configuration.

use std::{net::IpAddr, time::Duration};

use camino::Utf8Path;

use crate::exec::Invocation;

/// Exit status when the connection could not be made or was lost.
pub const NOT_CONNECTED: i32 = 2;
/// Exit status when a statement failed.
pub const STATEMENT_FAILED: i32 = 3;
/// "the slot does not exist", and the like.
pub const UNDEFINED_OBJECT: &str = "42704";
/// "the slot already exists", and the like.
pub const DUPLICATE_OBJECT: &str = "42710";
/// "the slot is active".
pub const OBJECT_IN_USE: &str = "55006";

/// Where and as whom to log in.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// Absolute path of psql.
    pub program: &'a Utf8Path,
    /// Server's address.
    pub address: IpAddr,
    /// Server's port.
    pub port: u16,
    /// Role.
    pub role: &'a str,
    /// Database to begin with.
    pub database: &'a str,
    /// libpq's password file.
    pub passfile: &'a Utf8Path,
}

/// What the statements may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The server refuses every change. Goes on after a failed statement.
    Read,
    /// Stops at the first failed statement.
    Change,
}

/// Runs a script. Names of variables are ours; their values may be anything.
///
/// A statement is given up after `statement_ms`, the whole run after `deadline`.
pub fn script(
    login: &Login<'_>,
    mode: Mode,
    variables: &[(&'static str, &str)],
    script: &'static str,
    statement_ms: u32,
    deadline: Duration,
) -> Invocation {
    let mut arguments: Vec<String> = ["-X", "-q", "--csv", "-w"].map(str::to_owned).into();
    arguments.extend(["-v".to_owned(), "VERBOSITY=verbose".to_owned()]);
    if mode == Mode::Change {
        arguments.extend(["-v".to_owned(), "ON_ERROR_STOP=1".to_owned()]);
    }
    for (name, value) in variables {
        arguments.extend(["-v".to_owned(), format!("{name}={value}")]);
    }
    arguments.extend([
        format!("--host={}", login.address),
        format!("--port={}", login.port),
        format!("--username={}", login.role),
        format!("--dbname={}", login.database),
    ]);
    // A guard that the server holds, and that tells a reading from a change in its log.
    let read_only = match mode {
        Mode::Read => "-c default_transaction_read_only=on ",
        Mode::Change => "",
    };
    Invocation::new(login.program, arguments, deadline)
        .env("PGPASSFILE", login.passfile.as_str())
        .env("PGCONNECT_TIMEOUT", "2")
        .env("PGAPPNAME", "bellows-agent")
        .env("PGOPTIONS", format!("{read_only}-c statement_timeout={statement_ms}"))
        .stdin(script.as_bytes())
}

/// The version, as `psql --version`, `postgres --version` and their like print it:
/// "psql (PostgreSQL) 15.20 (Debian ...)" gives "15.20 (Debian ...)". Empty: not one of these.
pub fn parse_version(stdout: &[u8]) -> String {
    let text = String::from_utf8_lossy(stdout);
    let line = text.lines().next().unwrap_or_default();
    let version = line.split_once("(PostgreSQL) ").map_or("", |(_, version)| version);
    version.trim().to_owned()
}

/// The SQLSTATE of the first error in standard error (`VERBOSITY=verbose`); `None`: no error.
pub fn sqlstate(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    text.lines().find_map(|line| {
        let (_, rest) = line.split_once("ERROR:  ").or_else(|| line.split_once("FATAL:  "))?;
        let (state, _) = rest.split_once(':')?;
        let valid = state.len() == 5 && state.bytes().all(|b| b.is_ascii_alphanumeric());
        valid.then(|| state.to_owned())
    })
}

/// Why output could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Bytes that are no UTF-8.
    #[error("the output is not UTF-8")]
    NotText,
    /// A section that should be there is not: its statement failed, or the output ends early.
    #[error("section {0:?} is missing")]
    MissingSection(String),
    /// Two sections of one name, or rows before the first one.
    #[error("section {0:?} is there twice, or something stands before the first section")]
    StraySection(String),
    /// A column that should be there is not.
    #[error("section {section:?} has no column {column:?}")]
    MissingColumn {
        /// Of the section.
        section: String,
        /// The column.
        column: &'static str,
    },
    /// A row with more or fewer fields than its header.
    #[error("row {row} of section {section:?} has {found} fields, its header {expected}")]
    Ragged {
        /// Of the section.
        section: String,
        /// From 1.
        row: usize,
        /// Fields of the row.
        found: usize,
        /// Fields of the header.
        expected: usize,
    },
    /// A field that is not what its column holds.
    #[error("{text:?} in column {column:?} of section {section:?} is not {expected}")]
    Value {
        /// Of the section.
        section: String,
        /// The column.
        column: &'static str,
        /// What stood there.
        text: String,
        /// What should.
        expected: &'static str,
    },
    /// A section of another number of rows than it always has.
    #[error("section {section:?} has {found} rows instead of one")]
    NotOneRow {
        /// Of the section.
        section: String,
        /// Rows.
        found: usize,
    },
}

/// The results of a script whose statements follow `\echo #name` lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sections(Vec<Table>);

/// The rows of one statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    name: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// One row of a table.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    table: &'a Table,
    fields: &'a [String],
}

/// Reads the output of a script: csv with a header per statement, `#name` between them.
///
/// # Errors
/// If it is no text, something stands before the first section, a name comes twice, or a row
/// does not fit its header.
pub fn parse_sections(stdout: &[u8]) -> Result<Sections, ParseError> {
    let text = std::str::from_utf8(stdout).map_err(|_| ParseError::NotText)?;
    let mut tables: Vec<Table> = Vec::new();
    // All rows in one text, and where in it each section ends: a csv reader costs more to make
    // than a section takes to read.
    let (mut rows, mut ends) = (String::new(), Vec::new());
    for line in logical_lines(text) {
        if let Some(name) = section_name(line) {
            if tables.iter().any(|known| known.name == name) {
                return Err(ParseError::StraySection(name.to_owned()));
            }
            tables.push(Table { name: name.to_owned(), ..Table::default() });
            ends.push(rows.len());
        } else if let Some(end) = ends.last_mut() {
            rows.push_str(line);
            rows.push('\n');
            *end = rows.len();
        } else {
            return Err(ParseError::StraySection(shorten(line)));
        }
    }
    for record in super::csv::records(rows.as_bytes()).map_err(|_| ParseError::NotText)? {
        let at = record.position().map_or(0, csv::Position::byte);
        let within = |end: &usize| u64::try_from(*end).is_ok_and(|end| at >= end);
        let section = ends.partition_point(within);
        let Some(table) = tables.get_mut(section) else { continue };
        add_row(table, record.iter().map(str::to_owned).collect())?;
    }
    Ok(Sections(tables))
}

/// Lines of csv: a line break between quotes does not end one.
fn logical_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut quoted = false;
        let end = rest.bytes().position(|byte| {
            quoted ^= byte == b'"';
            byte == b'\n' && !quoted
        });
        let (line, next) = match end {
            Some(end) => {
                (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default())
            }
            None => (rest, ""),
        };
        rest = next;
        Some(line)
    })
}

fn section_name(line: &str) -> Option<&str> {
    let name = line.strip_prefix('#')?;
    let valid = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    valid.then_some(name)
}

/// The first row is the header.
fn add_row(table: &mut Table, fields: Vec<String>) -> Result<(), ParseError> {
    if table.header.is_empty() {
        table.header = fields;
    } else if fields.len() == table.header.len() {
        table.rows.push(fields);
    } else {
        return Err(ParseError::Ragged {
            section: table.name.clone(),
            row: table.rows.len() + 1,
            found: fields.len(),
            expected: table.header.len(),
        });
    }
    Ok(())
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

impl Sections {
    /// The section of this name, if it is there with a header.
    pub fn find(&self, name: &str) -> Option<&Table> {
        self.0.iter().find(|table| table.name == name && !table.header.is_empty())
    }

    /// The section of this name.
    ///
    /// # Errors
    /// If it is not there, or its statement printed no header.
    pub fn get(&self, name: &str) -> Result<&Table, ParseError> {
        self.find(name).ok_or_else(|| ParseError::MissingSection(name.to_owned()))
    }

    /// Whether the script came to this mark, with rows after it or without.
    pub fn reached(&self, name: &str) -> bool {
        self.0.iter().any(|table| table.name == name)
    }
}

impl Table {
    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|fields| Row { table: self, fields })
    }

    /// The only row.
    ///
    /// # Errors
    /// If there are none or several.
    pub fn one(&self) -> Result<Row<'_>, ParseError> {
        let mut rows = self.rows();
        match (rows.next(), rows.next()) {
            (Some(row), None) => Ok(row),
            _ => Err(ParseError::NotOneRow { section: self.name.clone(), found: self.rows.len() }),
        }
    }
}

impl<'a> Row<'a> {
    /// The field as text; NULL is the empty text. Columns that nobody asks for are tolerated.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn text(&self, column: &'static str) -> Result<&'a str, ParseError> {
        let position = self.table.header.iter().position(|name| name == column);
        position
            .and_then(|position| self.fields.get(position))
            .map(String::as_str)
            .ok_or_else(|| ParseError::MissingColumn { section: self.table.name.clone(), column })
    }

    /// The field as a number.
    ///
    /// # Errors
    /// If there is no such column or it holds something else, NULL included.
    pub fn number<N: std::str::FromStr>(&self, column: &'static str) -> Result<N, ParseError> {
        let text = self.text(column)?;
        text.parse().map_err(|_| self.value(column, text, "a number in range"))
    }

    /// The field as a number; NULL is `None`.
    ///
    /// # Errors
    /// If there is no such column or it holds something else.
    pub fn optional<N: std::str::FromStr>(
        &self,
        column: &'static str,
    ) -> Result<Option<N>, ParseError> {
        match self.text(column)? {
            "" => Ok(None),
            _ => self.number(column).map(Some),
        }
    }

    /// The field as a boolean.
    ///
    /// # Errors
    /// If there is no such column or it holds something else, NULL included.
    pub fn boolean(&self, column: &'static str) -> Result<bool, ParseError> {
        match self.text(column)? {
            "t" => Ok(true),
            "f" => Ok(false),
            text => Err(self.value(column, text, "t or f")),
        }
    }

    fn value(&self, column: &'static str, text: &str, expected: &'static str) -> ParseError {
        ParseError::Value {
            section: self.table.name.clone(),
            column,
            text: shorten(text),
            expected,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    fn login() -> Login<'static> {
        Login {
            program: Utf8Path::new("/usr/lib/postgresql/15/bin/psql"),
            address: [127, 0, 0, 1].into(),
            port: 5432,
            role: "repmgr",
            database: "postgres",
            passfile: Utf8Path::new("/etc/bellows-agent/passfile"),
        }
    }

    #[test]
    fn a_reading_is_read_only() {
        let run = script(&login(), Mode::Read, &[], "select 1;", 100, Duration::from_secs(1));
        assert!(run.environment["PGOPTIONS"].contains("default_transaction_read_only=on"));
        let run = script(
            &login(),
            Mode::Change,
            &[("slot", "x y")],
            "select 1;",
            100,
            Duration::from_secs(1),
        );
        assert!(!run.environment["PGOPTIONS"].contains("read_only"));
        assert!(run.arguments.iter().any(|a| a == "slot=x y"));
        assert!(run.arguments.iter().any(|a| a == "ON_ERROR_STOP=1"));
    }

    #[test]
    fn columns_go_by_name_and_unknown_ones_are_tolerated() {
        let sections = parse_sections(b"#one\nb,a,new\nt,5,x\n#two\nn\n#end\n").unwrap();
        let row = sections.get("one").unwrap().one().unwrap();
        assert_eq!(row.number::<u8>("a"), Ok(5));
        assert_eq!(row.boolean("b"), Ok(true));
        assert!(matches!(row.text("c"), Err(ParseError::MissingColumn { .. })));
        assert_eq!(sections.get("two").unwrap().rows().count(), 0);
        assert!(sections.get("end").is_err() && sections.reached("end"));
        assert!(!sections.reached("three"));
    }

    #[test]
    fn a_value_cannot_begin_a_section() {
        let sections = parse_sections(b"#one\nname,x\n\"a\n#two\n\"\"b\",1\n").unwrap();
        let row = sections.get("one").unwrap().one().unwrap();
        assert_eq!(row.text("name"), Ok("a\n#two\n\"b"));
        assert!(!sections.reached("two"));
    }

    #[test]
    fn bad_rows_are_reported() {
        assert!(matches!(
            parse_sections(b"#one\na,b\n1\n"),
            Err(ParseError::Ragged { row: 1, .. })
        ));
        assert!(matches!(parse_sections(b"a,b\n"), Err(ParseError::StraySection(_))));
        assert!(matches!(parse_sections(b"#a\n#a\n"), Err(ParseError::StraySection(_))));
        let sections = parse_sections(b"#one\na\n-1\n").unwrap();
        let row = sections.get("one").unwrap().one().unwrap();
        assert!(matches!(row.number::<u32>("a"), Err(ParseError::Value { .. })));
    }

    #[test]
    fn states_and_versions() {
        let stderr =
            b"ERROR:  55006: replication slot \"s\" is active for PID 21012\nLOCATION:  x\n";
        assert_eq!(sqlstate(stderr).as_deref(), Some(OBJECT_IN_USE));
        assert_eq!(
            sqlstate(b"psql:<stdin>:1: ERROR:  42704: no\n").as_deref(),
            Some(UNDEFINED_OBJECT)
        );
        assert_eq!(sqlstate(b"psql: error: connection refused"), None);
        assert_eq!(
            parse_version(b"psql (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n"),
            "15.20 (Debian 15.20-0+deb12u1)"
        );
        assert_eq!(parse_version(b"something else"), "");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_sections(&bytes);
            let _ = sqlstate(&bytes);
            let _ = parse_version(&bytes);
        }

        #[test]
        fn no_csv_makes_it_panic(text in "(#[a-z]{1,2}\n|[a-c\",\n]{0,8}){0,12}") {
            let _ = parse_sections(text.as_bytes());
        }
    }
}
