//! The rows of backends in `pgpool.conf`. Everything else in the file is the administrator's, and
//! stays byte by byte; so do the other settings of a backend that stays.

use std::{collections::BTreeMap, net::IpAddr};

use super::MOST_NODES;

/// What each setting of a backend begins with; its number follows.
const SETTINGS: &[&str] = &[
    "backend_hostname",
    "backend_port",
    "backend_weight",
    "backend_data_directory",
    "backend_flag",
    "backend_application_name",
];
const HOSTNAME: &str = "backend_hostname";
const PORT: &str = "backend_port";
/// Pgpool-II's own default.
const DEFAULT_PORT: u16 = 5432;

/// A backend that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Shown as its application name.
    pub node: String,
    /// Where it listens.
    pub address: IpAddr,
    /// Likewise.
    pub port: u16,
}

/// Why the rows cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// A number that Pgpool-II cannot have, or a port that is none.
    #[error("line {0}: {1}")]
    Value(usize, &'static str),
    /// Settings of a backend without its host.
    #[error("backend {0} has no backend_hostname")]
    NoHost(usize),
    /// Numbers must follow one another.
    #[error("there is a backend {0}, and none with the number before it")]
    Gap(usize),
}

/// One backend's settings, as they are written, in their order.
#[derive(Debug, Default, Clone)]
struct Row<'a> {
    host: Option<&'a str>,
    port: Option<u16>,
    /// Setting and what follows its `=`.
    settings: Vec<(&'static str, &'a str)>,
}

impl Row<'_> {
    fn endpoint(&self) -> (&str, u16) {
        (self.host.unwrap_or_default(), self.port.unwrap_or(DEFAULT_PORT))
    }
}

/// The setting, its number, and what follows its `=`; `None`: another line.
fn setting(line: &str) -> Option<(&'static str, &str, &str)> {
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    SETTINGS.iter().find_map(|name| {
        let number = key.strip_prefix(name)?;
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        digits.then_some((*name, number, value))
    })
}

/// A value without its quotes and the comment after it.
fn plain(value: &str) -> &str {
    let value = value.trim();
    match value.strip_prefix('\'').and_then(|rest| rest.split_once('\'')) {
        Some((inner, _)) => inner,
        None => value.split(['#', ' ', '\t']).next().unwrap_or_default(),
    }
}

fn read(text: &str) -> Result<BTreeMap<usize, Row<'_>>, RowsError> {
    let mut rows: BTreeMap<usize, Row<'_>> = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let Some((name, number, value)) = setting(line) else { continue };
        let number = number.parse().ok().filter(|number| *number < MOST_NODES);
        let number = number.ok_or(RowsError::Value(index + 1, "no number of a backend"))?;
        let row = rows.entry(number).or_default();
        if name == HOSTNAME {
            row.host = Some(plain(value));
        } else if name == PORT {
            let port = plain(value).parse();
            row.port = Some(port.map_err(|_| RowsError::Value(index + 1, "no port"))?);
        }
        // The last one of a name counts.
        row.settings.retain(|(known, _)| *known != name);
        row.settings.push((name, value));
    }
    for (wanted, (number, row)) in rows.iter().enumerate() {
        if *number != wanted {
            return Err(RowsError::Gap(*number));
        }
        if row.host.is_none_or(str::is_empty) {
            return Err(RowsError::NoHost(*number));
        }
    }
    Ok(rows)
}

/// Host and port of each backend that the file lists, in the order of their numbers.
///
/// # Errors
/// If a row is not whole.
pub fn rows(text: &str) -> Result<Vec<(String, u16)>, RowsError> {
    let rows = read(text)?;
    Ok(rows
        .values()
        .map(|row| row.endpoint())
        .map(|(host, port)| (host.to_owned(), port))
        .collect())
}

/// The file with exactly these backends: those that are listed keep their order and settings, the
/// others of the file go, and new ones follow.
///
/// # Errors
/// As [`rows`].
pub fn rewritten(text: &str, wanted: &[Backend]) -> Result<String, RowsError> {
    let rows = read(text)?;
    let is = |row: &Row<'_>, backend: &Backend| {
        row.endpoint() == (backend.address.to_string().as_str(), backend.port)
    };
    let mut blocks: Vec<String> = Vec::new();
    for row in rows.values().filter(|row| wanted.iter().any(|backend| is(row, backend))) {
        let number = blocks.len();
        let lines = row.settings.iter().map(|(name, value)| format!("{name}{number} ={value}\n"));
        blocks.push(lines.collect());
    }
    for backend in wanted.iter().filter(|backend| !rows.values().any(|row| is(row, backend))) {
        blocks.push(fresh(blocks.len(), backend));
    }
    let mut lines: Vec<&str> = Vec::new();
    let mut place = None;
    for line in text.split_inclusive('\n') {
        match setting(line.trim_end_matches(['\n', '\r'])) {
            Some(_) => place = place.or(Some(lines.len())),
            None => lines.push(line),
        }
    }
    let block = blocks.concat();
    let place = place.unwrap_or(lines.len());
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        if index == place {
            out.push_str(&block);
        }
        out.push_str(line);
    }
    if place == lines.len() {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&block);
    }
    Ok(out)
}

/// A weight is written: without one it is 0.
fn fresh(number: usize, backend: &Backend) -> String {
    let Backend { node, address, port } = backend;
    format!(
        "backend_hostname{number} = '{address}'\nbackend_port{number} = {port}\n\
         backend_weight{number} = 1\nbackend_flag{number} = 'ALLOW_TO_FAILOVER'\n\
         backend_application_name{number} = '{node}'\n"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// What the package brings: every row is a comment.
    const DEBIAN: &str =
        include_str!("../../../testdata/postgresql/pgpool-4.3.5-debian-backends.conf");
    const TWO: &str = "# mine\nport = 9999\nbackend_hostname0 = '10.0.0.1' # the first\n\
        backend_port0 = 5432\nbackend_weight0 = 2\n\nbackend_hostname1='10.0.0.2'\n\
        backend_flag1 = 'DISALLOW_TO_FAILOVER'\n# end\nnum_init_children = 32\n";

    fn backend(number: u8) -> Backend {
        Backend { node: format!("pg{number}"), address: [10, 0, 0, number].into(), port: 5432 }
    }

    fn listed(text: &str) -> Vec<String> {
        rows(text).unwrap().into_iter().map(|(host, port)| format!("{host}:{port}")).collect()
    }

    #[test]
    fn rows_are_read_as_they_are_written() {
        assert_eq!(listed(TWO), ["10.0.0.1:5432", "10.0.0.2:5432"]);
        assert_eq!(listed(DEBIAN), Vec::<String>::new());
        assert_eq!(rows("backend_hostname1='a'\n"), Err(RowsError::Gap(1)));
        assert_eq!(rows("backend_port0=5432\n"), Err(RowsError::NoHost(0)));
        assert!(matches!(
            rows("backend_hostname0='a'\nbackend_port0=x\n"),
            Err(RowsError::Value(2, _))
        ));
        assert!(matches!(rows("backend_hostname999='a'\n"), Err(RowsError::Value(1, _))));
    }

    #[test]
    fn a_new_one_follows_and_nothing_else_changes() {
        let text = rewritten(TWO, &[backend(1), backend(2), backend(3)]).unwrap();
        assert_eq!(
            text,
            "# mine\nport = 9999\nbackend_hostname0 = '10.0.0.1' # the first\n\
             backend_port0 = 5432\nbackend_weight0 = 2\nbackend_hostname1 ='10.0.0.2'\n\
             backend_flag1 = 'DISALLOW_TO_FAILOVER'\nbackend_hostname2 = '10.0.0.3'\n\
             backend_port2 = 5432\nbackend_weight2 = 1\nbackend_flag2 = 'ALLOW_TO_FAILOVER'\n\
             backend_application_name2 = 'pg3'\n\n# end\nnum_init_children = 32\n"
        );
    }

    #[test]
    fn those_that_stay_move_up_with_their_settings() {
        let text = rewritten(TWO, &[backend(2)]).unwrap();
        assert_eq!(listed(&text), ["10.0.0.2:5432"]);
        assert!(text.contains("backend_flag0 = 'DISALLOW_TO_FAILOVER'"), "{text}");
        assert!(!text.contains("backend_weight"), "{text}");
    }

    #[test]
    fn the_packages_file_gets_its_first_rows_at_the_end() {
        let text = rewritten(DEBIAN, &[backend(1), backend(2)]).unwrap();
        assert!(text.starts_with(DEBIAN), "{text}");
        assert_eq!(listed(&text), ["10.0.0.1:5432", "10.0.0.2:5432"]);
    }

    proptest! {
        #[test]
        fn the_rows_are_the_wanted_ones_and_a_second_time_changes_nothing(
            there in prop::collection::vec(1u8..9, 0..5),
            wanted in prop::collection::btree_set(1u8..9, 1..5),
        ) {
            let there: std::collections::BTreeSet<u8> = there.into_iter().collect();
            let before: Vec<Backend> = there.into_iter().map(backend).collect();
            let wanted: Vec<Backend> = wanted.into_iter().map(backend).collect();
            let first = rewritten("# mine\n", &before).unwrap();
            let second = rewritten(&first, &wanted).unwrap();
            let mut endpoints = rows(&second).unwrap();
            endpoints.sort();
            let expected: Vec<_> =
                wanted.iter().map(|one| (one.address.to_string(), one.port)).collect();
            prop_assert_eq!(endpoints, expected);
            prop_assert_eq!(rewritten(&second, &wanted).unwrap(), second.clone());
            prop_assert!(second.starts_with("# mine\n"));
        }

        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,200}") {
            let _ = rewritten(&text, &[backend(1)]);
        }
    }
}
