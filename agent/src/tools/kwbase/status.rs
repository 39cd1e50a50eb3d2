//! The tables of `kwbase node`: `status`, `decommission` and `recommission`.

use bellows_proto::v1::KwdbStatus;

use super::csv::{ParseError, Row, records};

/// A row of `node decommission` and `node recommission`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flagged {
    /// The node.
    pub id: u32,
    /// It answers in gossip.
    pub is_live: bool,
    /// By the descriptors of the ranges: exact, at that moment.
    pub replicas: u64,
    /// The flag.
    pub is_decommissioning: bool,
}

/// What `--wait=none` prints too where nothing is left.
const NOTHING_LEFT: &str = "No more data reported on target nodes.";

/// `node status --format=csv`, with or without `--decommission`.
///
/// # Errors
/// If it is something else, or id, availability or flags are NULL.
pub fn parse_status(stdout: &[u8]) -> Result<Vec<KwdbStatus>, ParseError> {
    let records = records(stdout)?;
    let (header, rows) = records.split_first().ok_or(ParseError::Empty)?;
    let flags = header.iter().any(|name| name == "is_decommissioning");
    if !header.iter().any(|name| name == "address") {
        return Err(ParseError::Column("address"));
    }
    rows.iter().map(|record| one(&Row::new(header, record)?, flags)).collect()
}

fn one(row: &Row<'_>, flags: bool) -> Result<KwdbStatus, ParseError> {
    Ok(KwdbStatus {
        id: row.required("id")?,
        address: row.text("address"),
        sql_address: row.text("sql_address"),
        build: row.text("build"),
        started_at: row.text("started_at"),
        locality: row.text("locality"),
        start_mode: row.text("start_mode"),
        is_available: row.truth("is_available")?,
        is_live: row.truth("is_live")?,
        gossiped_replicas: if flags { row.number("gossiped_replicas")? } else { None },
        is_decommissioning: flags.then(|| row.truth("is_decommissioning")).transpose()?,
        is_draining: flags.then(|| row.truth("is_draining")).transpose()?,
    })
}

/// `node decommission --format=csv` and `node recommission`: whole tables one after the other, of which the last
/// row of each node counts.
///
/// # Errors
/// If it is something else.
pub fn parse_flagged(stdout: &[u8]) -> Result<Vec<Flagged>, ParseError> {
    let records = records(stdout)?;
    let (header, rest) = records.split_first().ok_or(ParseError::Empty)?;
    let mut found: Vec<Flagged> = Vec::new();
    for record in rest {
        let sentence = record.len() == 1
            && record.get(0).is_some_and(|text| text.trim_start().starts_with(NOTHING_LEFT));
        if record == header || sentence {
            continue;
        }
        let row = Row::new(header, record)?;
        let flagged = Flagged {
            id: row.required("id")?,
            is_live: row.truth("is_live")?,
            replicas: row.required("replicas")?,
            is_decommissioning: row.truth("is_decommissioning")?,
        };
        found.retain(|known| known.id != flagged.id);
        found.push(flagged);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    const KNOWN: &[u8] = b"id,address,sql_address,build,started_at,updated_at,locality,start_mode,is_available,is_live,gossiped_replicas,is_decommissioning,is_draining\n\
        1,10.0.0.1:26257,10.0.0.1:26257,V3.1.0,2026-01-05 08:00:01.123456,2026-01-05 09:10:02.5,region=NODE1,start,true,true,42,false,false\n\
        3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,false,false,NULL,true,false\n\
        4,10.0.0.4:26257,10.0.0.4:26257,V3.1.0,2026-01-05 08:30:00,2026-01-05 09:10:01,\"region=NODE4,rack=\"\"a\"\"\",start,true,true,17,true,false\n";

    #[test]
    fn rows_come_by_the_names_of_columns() {
        let rows = parse_status(KNOWN).unwrap();
        assert_eq!(rows.len(), 3);
        assert_eq!((rows[0].id, rows[0].address.as_str()), (1, "10.0.0.1:26257"));
        assert_eq!(rows[0].gossiped_replicas, Some(42));
        assert_eq!((rows[1].address.as_str(), rows[1].gossiped_replicas), ("", None));
        assert_eq!(rows[1].is_decommissioning, Some(true));
        assert_eq!(rows[2].locality, "region=NODE4,rack=\"a\"");
        let plain = b"id,is_live,new,is_available,address\n7,false,\"\",true,\"\"\n";
        let rows = parse_status(plain).unwrap();
        assert_eq!((rows[0].id, rows[0].is_live, rows[0].is_available), (7, false, true));
        assert_eq!((rows[0].is_decommissioning, rows[0].start_mode.as_str()), (None, ""));
        assert!(parse_status(b"id,address,is_available,is_live\n").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_status_is_refused() {
        for (bad, reason) in [
            (&b""[..], "it is empty"),
            (b"id\tis_live\n1\ttrue\n", "it has no column address"),
            (b"id,address,is_available,is_live\nNULL,a,true,true\n", "id is \"NULL\""),
            (b"id,address,is_available,is_live\n1,a,NULL,true\n", "is_available is \"NULL\""),
            (
                b"id,address,is_available,is_live\n1,a,true\n",
                "line 2 has 3 fields, and its header 4",
            ),
            (b"id,address,is_available\n1,a,true\n", "it has no column is_live"),
            (b"id,address,is_available,is_live\n1,\"a,true,true\n", "a quoted field has no end"),
            (b"id,address,is_available,is_live\n-1,a,true,true\n", "id is \"-1\""),
        ] {
            assert_eq!(parse_status(bad).unwrap_err().to_string(), reason);
        }
        assert!(matches!(parse_status(b"id,address\xff\n"), Err(ParseError::Csv(_))));
    }

    #[test]
    fn tables_that_follow_each_other_are_one() {
        let all = b"id,is_live,replicas,is_decommissioning,is_draining\n4,true,18,true,false\n\
            id,is_live,replicas,is_decommissioning,is_draining\n4,true,7,true,false\n\
            id,is_live,replicas,is_decommissioning,is_draining\n4,true,0,true,false\n\n\
            No more data reported on target nodes. Please verify cluster health before removing the nodes.\n";
        let gone = Flagged { id: 4, is_live: true, replicas: 0, is_decommissioning: true };
        assert_eq!(parse_flagged(all).unwrap(), [gone]);
        let two = b"id,is_live,replicas,is_decommissioning,is_draining\n4,true,3,true,false\n5,false,2,true,false\n";
        assert_eq!(parse_flagged(two).unwrap().len(), 2);
        assert!(parse_flagged(b"").is_err());
        assert!(
            parse_flagged(b"id,is_live,replicas,is_decommissioning\n4,true,NULL,true\n").is_err()
        );
        assert!(parse_flagged(b"id,is_live,replicas,is_decommissioning\nwhat is this\n").is_err());
    }

    proptest! {
        #[test]
        fn rubbish_is_an_error_or_rows(bytes in any::<Vec<u8>>()) {
            let _ = parse_status(&bytes);
            let _ = parse_flagged(&bytes);
        }

        /// Other bytes in the middle of a real one: an error, or no more rows than there are lines.
        #[test]
        fn a_real_one_with_rubbish_in_it(at in 0..KNOWN.len(), bytes in any::<Vec<u8>>()) {
            let mut text = KNOWN.to_vec();
            text.splice(at..(at + bytes.len()).min(KNOWN.len()), bytes);
            let lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).count();
            for rows in [parse_status(&text).map(|rows| rows.len()), parse_flagged(&text).map(|rows| rows.len())] {
                prop_assert!(rows.is_err() || rows.unwrap() < lines);
            }
        }

        /// Cut anywhere, it never becomes other rows: fewer, or an error.
        #[test]
        fn a_cut_never_invents(at in 0..KNOWN.len()) {
            let whole = parse_status(KNOWN).unwrap();
            if let Ok(rows) = parse_status(&KNOWN[..at]) {
                for row in rows {
                    prop_assert!(whole.iter().any(|one| one.id == row.id && one.is_live == row.is_live));
                }
            }
        }
    }
}
