//! `--format=csv` of `kwbase`: records by the names of their columns. A bare `NULL` is no value.

use csv::StringRecord;

use super::super::csv as whole;

/// Why output cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is no csv, or no UTF-8.
    #[error("it is no csv: {0}")]
    Csv(String),
    /// A quote is not closed: it was cut off.
    #[error("a quoted field has no end")]
    Unclosed,
    /// Nothing came.
    #[error("it is empty")]
    Empty,
    /// A column that must be there.
    #[error("it has no column {0}")]
    Column(&'static str),
    /// A record with more or fewer fields than its header.
    #[error("line {line} has {found} fields, and its header {expected}")]
    Fields {
        /// Where it begins, from 1.
        line: u64,
        /// In the header.
        expected: usize,
        /// In the record.
        found: usize,
    },
    /// A value that is none.
    #[error("{column} is {value:?}")]
    Value {
        /// Which column.
        column: &'static str,
        /// As it stands there, cut.
        value: String,
    },
    /// A result that is none of those asked for.
    #[error("line {0} is not the header that was expected")]
    Header(u64),
    /// There are fewer results than statements.
    #[error("it ends before the result of {0}")]
    Short(&'static str),
}

/// All records, empty lines left out, headers among them.
///
/// # Errors
/// If it is no csv.
pub fn records(stdout: &[u8]) -> Result<Vec<StringRecord>, ParseError> {
    // The reader would take the rest for one field, and an even number of quotes is what whole csv has.
    if stdout.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
        return Err(ParseError::Unclosed);
    }
    whole::records(stdout).map_err(|error| ParseError::Csv(error.to_string()))
}

/// Where a record begins.
pub fn line(record: &StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

/// A record under its header.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    header: &'a StringRecord,
    record: &'a StringRecord,
}

impl<'a> Row<'a> {
    /// Joins them.
    ///
    /// # Errors
    /// If they differ in length.
    pub fn new(header: &'a StringRecord, record: &'a StringRecord) -> Result<Self, ParseError> {
        if header.len() != record.len() {
            let (expected, found) = (header.len(), record.len());
            return Err(ParseError::Fields { line: line(record), expected, found });
        }
        Ok(Self { header, record })
    }

    fn field(&self, column: &str) -> Option<&'a str> {
        let at = self.header.iter().position(|name| name == column)?;
        self.record.get(at)
    }

    /// A text; empty where it is NULL or an older version has no such column.
    pub fn text(&self, column: &str) -> String {
        self.field(column).filter(|value| *value != "NULL").unwrap_or_default().to_owned()
    }

    /// A number, or NULL.
    ///
    /// # Errors
    /// If the column is missing or holds something else.
    pub fn number<T: std::str::FromStr>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, ParseError> {
        match self.field(column).ok_or(ParseError::Column(column))? {
            "NULL" => Ok(None),
            text => text.parse().map(Some).map_err(|_| wrong(column, text)),
        }
    }

    /// A number that is never NULL.
    ///
    /// # Errors
    /// If it is, or is none.
    pub fn required<T: std::str::FromStr>(&self, column: &'static str) -> Result<T, ParseError> {
        self.number(column)?.ok_or_else(|| wrong(column, "NULL"))
    }

    /// A truth value that is never NULL.
    ///
    /// # Errors
    /// If the column is missing or holds something else.
    pub fn truth(&self, column: &'static str) -> Result<bool, ParseError> {
        truth(column, self.field(column).ok_or(ParseError::Column(column))?)
    }
}

/// `true`, `t` and their opposites.
///
/// # Errors
/// If it is something else.
pub fn truth(column: &'static str, text: &str) -> Result<bool, ParseError> {
    match text {
        "true" | "t" => Ok(true),
        "false" | "f" => Ok(false),
        _ => Err(wrong(column, text)),
    }
}

/// A value that is none.
pub fn wrong(column: &'static str, value: &str) -> ParseError {
    ParseError::Value { column, value: value.chars().take(80).collect() }
}
