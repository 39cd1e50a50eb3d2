//! How rows are written (facts section 2.2): csv, tsv, table, records.
//!
//! The padding of the table form is a library's of the real tool: unconfirmed, not to be parsed.

use serde::{Deserialize, Serialize};

use crate::kwdb::{Failure, Table};

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Comma-separated.
    Csv,
    /// Tab-separated; the default when standard output is no terminal.
    Tsv,
    /// With rules; the default on a terminal.
    Table,
    /// A block per row.
    Records,
}

impl Format {
    /// The format that was named, or the default.
    pub(crate) fn of(name: Option<&str>, tty: bool) -> Result<Self, Failure> {
        match name {
            None => Ok(if tty { Self::Table } else { Self::Tsv }),
            Some("csv") => Ok(Self::Csv),
            Some("tsv") => Ok(Self::Tsv),
            Some("table") => Ok(Self::Table),
            Some("records") => Ok(Self::Records),
            Some(other) => Err(Failure::plain(format!(
                "invalid argument \"{other}\" for \"--format\" flag: invalid table display format: {other} (possible values: tsv, csv, table, records)"
            ))),
        }
    }

    /// The rows under their names.
    #[must_use]
    pub fn write(self, table: &Table) -> String {
        match self {
            Self::Csv => separated(table, ','),
            Self::Tsv => separated(table, '\t'),
            Self::Table => ruled(table),
            Self::Records => records(table),
        }
    }
}

fn shown(cell: Option<&String>) -> &str {
    cell.map_or("NULL", String::as_str)
}

/// Quoted if it has the delimiter, a quote, CR or LF, or starts with a space; an empty text is `""`; quotes are doubled.
fn field(text: &str, delimiter: char) -> String {
    let quote =
        text.is_empty() || text.starts_with(' ') || text.contains([delimiter, '"', '\r', '\n']);
    if quote { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn separated(table: &Table, delimiter: char) -> String {
    let mut out = String::new();
    let mut line = |cells: Vec<String>| {
        out.push_str(&cells.join(&delimiter.to_string()));
        out.push('\n');
    };
    line(table.columns.iter().map(|name| field(name, delimiter)).collect());
    for row in &table.rows {
        line(row.iter().map(|cell| field(shown(cell.as_ref()), delimiter)).collect());
    }
    out
}

fn ruled(table: &Table) -> String {
    let widths: Vec<usize> = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let cells = table.rows.iter().filter_map(|row| row.get(at));
            let widest = cells.map(|cell| shown(cell.as_ref()).chars().count()).max();
            widest.unwrap_or(0).max(name.chars().count())
        })
        .collect();
    let mut out = String::new();
    let names: Vec<String> = table
        .columns
        .iter()
        .zip(&widths)
        .map(|(name, width)| format!(" {name:^width$} "))
        .collect();
    out.push_str(&format!(" {}\n", names.join("|").trim_end()));
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    out.push_str(&format!("-{}\n", rules.join("+") + "-"));
    for row in &table.rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| {
                let text = shown(cell.as_ref());
                let number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                match (number, text) {
                    (true, _) => format!(" {text:>width$} "),
                    (_, "true" | "false") => format!(" {text:^width$} "),
                    _ => format!(" {text:<width$} "),
                }
            })
            .collect();
        out.push_str(&format!(" {}\n", cells.join("|").trim_end()));
    }
    let count = table.rows.len();
    out.push_str(&format!("({count} row{})\n", if count == 1 { "" } else { "s" }));
    out
}

fn records(table: &Table) -> String {
    let width = table.columns.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for (number, row) in table.rows.iter().enumerate() {
        out.push_str(&format!("-[ RECORD {} ]\n", number + 1));
        for (name, cell) in table.columns.iter().zip(row) {
            out.push_str(&format!("{name:width$} | {}\n", shown(cell.as_ref())));
        }
    }
    out
}
