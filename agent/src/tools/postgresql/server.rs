//! What a running server says: the script and the parser of its answer. Pure.

use bellows_proto::v1::{
    CollationVersion, KeyValue, PostgresqlClients, PostgresqlConnections, PostgresqlServer,
    ReplicationSlot, RepmgrNode, TimelineEnd, WalSender,
};

use crate::tools::psql::{ParseError, Sections, parse_sections};

/// Asks for everything; ends with the mark `#end`.
pub const SCRIPT: &str = include_str!("node.sql");

/// Reads the answer to [`SCRIPT`]. `hba_loaded` is not the server's to say.
///
/// # Errors
/// If a section is missing (its statement failed, or the run ended early) or cannot be read.
pub fn parse(stdout: &[u8]) -> Result<PostgresqlServer, ParseError> {
    let sections = parse_sections(stdout)?;
    if !sections.reached("end") {
        return Err(ParseError::MissingSection("end".to_owned()));
    }
    let row = sections.get("server")?.one()?;
    let mut server = PostgresqlServer {
        version: row.text("version")?.to_owned(),
        version_number: row.number("version_number")?,
        in_recovery: Some(row.boolean("in_recovery")?),
        system_identifier: row.text("system_identifier")?.to_owned(),
        config_loaded_at_ms: row.number("config_loaded_at_ms")?,
        database_bytes: sections.get("size")?.one()?.number("bytes")?,
        collations: collations(&sections)?,
        senders: senders(&sections)?,
        slots: slots(&sections)?,
        connections: Some(connections(&sections)?),
        ..PostgresqlServer::default()
    };
    for row in sections.get("settings")?.rows() {
        server.settings.push(KeyValue {
            key: row.text("name")?.to_owned(),
            value: row.text("setting")?.to_owned(),
        });
    }
    // No row: it is not connected. Never more than one.
    if let Some(row) = sections.get("receiver")?.rows().next() {
        server.receiver_status = row.text("status")?.to_owned();
    }
    let row = sections.get("recovery")?.one()?;
    server.received_lsn = row.optional("received_lsn")?;
    server.replay_paused = boolean_or_null(row.text("replay_paused")?);
    let row = sections.get("wal")?.one()?;
    server.timeline = row.optional("timeline")?;
    server.written_lsn = row.optional("written_lsn")?;
    server.oldest_wal_lsn = row.optional("oldest_wal_lsn")?;
    for row in sections.get("history")?.rows() {
        let (timeline, ends_lsn) = (row.number("timeline")?, row.number("ends_lsn")?);
        server.history.push(TimelineEnd { timeline, ends_lsn });
    }
    for row in sections.get("objects")?.rows() {
        server.objects.push(row.text("object")?.to_owned());
    }
    for row in sections.get("hba")?.rows() {
        let (line, error) = (row.text("line_number")?, row.text("error")?);
        server.hba_errors.push(format!("line {line}: {error}"));
    }
    for row in sections.get("tablespaces")?.rows() {
        server.tablespaces.push(row.text("name")?.to_owned());
    }
    repmgr(&sections, &mut server)?;
    Ok(server)
}

fn collations(sections: &Sections) -> Result<Vec<CollationVersion>, ParseError> {
    // Servers before 15 do not know it.
    let Some(table) = sections.find("collations") else {
        return Ok(Vec::new());
    };
    table
        .rows()
        .map(|row| {
            Ok(CollationVersion {
                database: row.text("database")?.to_owned(),
                created_with: row.text("created_with")?.to_owned(),
                has_now: row.text("has_now")?.to_owned(),
            })
        })
        .collect()
}

fn senders(sections: &Sections) -> Result<Vec<WalSender>, ParseError> {
    sections
        .get("senders")?
        .rows()
        .map(|row| {
            Ok(WalSender {
                application_name: row.text("application_name")?.to_owned(),
                state: row.text("state")?.to_owned(),
                sync_state: row.text("sync_state")?.to_owned(),
                lag_bytes: row.optional("lag_bytes")?,
            })
        })
        .collect()
}

fn connections(sections: &Sections) -> Result<PostgresqlConnections, ParseError> {
    let row = sections.get("connections")?.one()?;
    let groups = sections.get("clients")?.rows().map(|row| {
        Ok(PostgresqlClients {
            user: row.text("user")?.to_owned(),
            database: row.text("database")?.to_owned(),
            application: row.text("application")?.to_owned(),
            address: row.text("address")?.to_owned(),
            count: row.number("count")?,
        })
    });
    Ok(PostgresqlConnections {
        used: row.number("used")?,
        clients: row.number("clients")?,
        hidden: row.number("hidden")?,
        groups: groups.collect::<Result<_, _>>()?,
    })
}

fn slots(sections: &Sections) -> Result<Vec<ReplicationSlot>, ParseError> {
    sections
        .get("slots")?
        .rows()
        .map(|row| {
            Ok(ReplicationSlot {
                name: row.text("slot_name")?.to_owned(),
                active: row.boolean("active")?,
                kind: row.text("slot_type")?.to_owned(),
                wal_status: row.text("wal_status")?.to_owned(),
            })
        })
        .collect()
}

/// The repmgr database comes after the server's own: neither it nor its extension need be there.
fn repmgr(sections: &Sections, server: &mut PostgresqlServer) -> Result<(), ParseError> {
    if !sections.reached("nodes") && !sections.reached("repmgrd") {
        return Ok(());
    }
    server.repmgr_installed = true;
    let row = sections.get("repmgrd")?.one()?;
    // NULL where the library is not preloaded: then nobody knows.
    server.repmgrd_running = boolean_or_null(row.text("running")?);
    server.repmgrd_paused = boolean_or_null(row.text("paused")?);
    for row in sections.get("nodes")?.rows() {
        server.registered.push(RepmgrNode {
            node_id: row.number("node_id")?,
            name: row.text("node_name")?.to_owned(),
            upstream_id: row.optional("upstream_node_id")?.unwrap_or(0),
            active: row.boolean("active")?,
            kind: row.text("type")?.to_owned(),
            slot: row.text("slot_name")?.to_owned(),
        });
    }
    Ok(())
}

fn boolean_or_null(text: &str) -> Option<bool> {
    match text {
        "t" => Some(true),
        "f" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    const PRIMARY: &[u8] = include_bytes!("../../../testdata/postgresql/node-15-primary.csv");
    const STANDBY: &[u8] = include_bytes!("../../../testdata/postgresql/node-15-standby.csv");
    const BARE: &[u8] = include_bytes!("../../../testdata/postgresql/node-15-without-repmgr.csv");

    #[test]
    fn a_primary_is_read() {
        let server = parse(PRIMARY).unwrap();
        assert_eq!(server.version_number, 150_020);
        assert_eq!(server.in_recovery, Some(false));
        assert_eq!(server.objects, ["database:repmgr", "role:postgres", "role:repmgr"]);
        assert_eq!(server.senders[0].application_name, "pg2");
        assert_eq!(server.senders[0].lag_bytes, Some(0));
        assert!(server.slots[0].active);
        let connections = server.connections.unwrap();
        assert_eq!((connections.used, connections.clients, connections.hidden), (5, 4, 0));
        let group = &connections.groups[0];
        assert_eq!((group.user.as_str(), group.database.as_str()), ("app", "shop"));
        assert_eq!((group.application.as_str(), group.address.as_str()), ("web", "127.0.0.1"));
        assert_eq!((group.count, connections.groups.len()), (3, 2));
        assert_eq!(server.registered.len(), 2);
        assert_eq!(server.registered[1].upstream_id, 1);
        assert_eq!(server.repmgrd_running, Some(true));
        assert_eq!(server.repmgrd_paused, Some(false));
        assert_eq!(server.timeline, Some(2));
        assert_eq!(server.history, [TimelineEnd { timeline: 1, ends_lsn: 50_494_328 }]);
        assert_eq!(server.written_lsn, Some(50_494_376));
        assert_eq!(server.oldest_wal_lsn, Some(33_554_432));
        assert!(server.settings.iter().any(|s| s.key == "wal_level" && s.value == "replica"));
        assert!(server.database_bytes > 1_000_000);
    }

    #[test]
    fn a_standby_is_read() {
        let server = parse(STANDBY).unwrap();
        assert_eq!(server.in_recovery, Some(true));
        assert_eq!(server.receiver_status, "streaming");
        assert!(server.senders.is_empty() && server.slots.is_empty());
        assert_eq!((server.timeline, server.written_lsn), (None, None));
        assert!(server.history.is_empty());
    }

    #[test]
    fn the_repmgr_database_need_not_be_there() {
        let server = parse(BARE).unwrap();
        assert!(!server.repmgr_installed);
        assert_eq!(server.repmgrd_running, None);
        assert_eq!(server.objects, ["role:repmgr"]);
    }

    #[test]
    fn a_cut_answer_is_no_reading() {
        for length in 0..PRIMARY.len() - 1 {
            let _ = parse(&PRIMARY[..length]).unwrap_err();
        }
        let _ = parse(PRIMARY).unwrap();
    }

    #[test]
    fn a_failed_statement_is_no_reading() {
        let text = String::from_utf8(PRIMARY.to_vec()).unwrap();
        let (before, after) = text.split_once("#slots\n").unwrap();
        let (_, after) = after.split_once("#objects\n").unwrap();
        let cut = format!("{before}#slots\n#objects\n{after}");
        assert_eq!(parse(cut.as_bytes()), Err(ParseError::MissingSection("slots".to_owned())));
    }

    proptest! {
        #[test]
        fn no_change_makes_it_panic(at in 0..PRIMARY.len(), byte: u8) {
            let mut bytes = PRIMARY.to_vec();
            bytes[at] = byte;
            let _ = parse(&bytes);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
