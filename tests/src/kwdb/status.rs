//! What `kwbase` prints as csv: rows under names, NULL told from the empty string.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

/// The bare word for no value; a string of these letters is not told from it, and no test has one.
const NULL: &str = "NULL";

/// A row by its columns' names; `None` is NULL.
pub type Named = BTreeMap<String, Option<String>>;

/// A row of `kwbase node status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Given by the cluster, never used again.
    pub id: u32,
    /// ADDRESS:PORT; empty where nobody knows it any more.
    pub address: String,
    /// When its process began.
    pub started_at: String,
    /// Its version.
    pub build: String,
    /// It holds its liveness record.
    pub available: bool,
    /// It answers.
    pub live: bool,
    /// Of `--decommission`.
    pub decommissioning: Option<bool>,
}

impl Row {
    /// Available and live.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.available && self.live
    }

    /// From a row with its columns' names.
    ///
    /// # Errors
    /// A column is missing, or is not what it should be.
    pub fn of(row: &Named) -> Result<Self> {
        let text = |name: &str| row.get(name).cloned().flatten().unwrap_or_default();
        let flag = |name: &str| -> Result<bool> {
            text(name).parse().with_context(|| format!("{name} in {row:?}"))
        };
        Ok(Self {
            id: text("id").parse().with_context(|| format!("id in {row:?}"))?,
            address: text("address"),
            started_at: text("started_at"),
            build: text("build"),
            available: flag("is_available")?,
            live: flag("is_live")?,
            decommissioning: match row.contains_key("is_decommissioning") {
                true => Some(flag("is_decommissioning")?),
                false => None,
            },
        })
    }
}

/// All rows of one table of csv with a header.
///
/// # Errors
/// It is no csv, or has no header.
pub fn rows(text: &str) -> Result<Vec<Named>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(text.as_bytes());
    let header = reader.headers().with_context(|| format!("no csv: {text}"))?.clone();
    ensure!(!header.is_empty(), "no header: {text:?}");
    let mut found = Vec::new();
    for record in reader.records() {
        let record = record.with_context(|| format!("no csv: {text}"))?;
        let value = |value: &str| (value != NULL).then(|| value.to_owned());
        found.push(header.iter().map(str::to_owned).zip(record.iter().map(value)).collect());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn null_and_quotes_are_read() {
        let text = "id,address,sql_address,build,started_at,is_available,is_live,is_decommissioning\n\
                    1,10.0.0.1:26257,\"\",V3.1.0,\"2026-01-05, 08:00\",true,true,false\n\
                    4,NULL,NULL,NULL,NULL,false,false,true\n";
        let found: Vec<Row> = rows(text).unwrap().iter().map(|row| Row::of(row).unwrap()).collect();
        assert_eq!(found[0].started_at, "2026-01-05, 08:00");
        assert!(found[0].serves() && found[0].decommissioning == Some(false));
        assert_eq!((found[1].id, found[1].address.as_str()), (4, ""));
        assert!(Row::of(&rows("id\n1\n").unwrap()[0]).is_err());
        assert!(rows("").is_err());
    }
}
