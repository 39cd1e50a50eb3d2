//! `postgresql.conf`.
//!
//! Versions: tried with PostgreSQL 15.20. The server is started with `--config-file`; the file
//! of the same name in the data directory, a copy of the primary's, is not read.
//! `postgresql.auto.conf` in the data directory is read, and wins: repmgr keeps
//! `primary_conninfo` and `primary_slot_name` there.

use bellows_proto::v1::{Fault, FaultCode, PostgresqlServerSettings};

use super::{LEAST, Node, PG_HBA_CONF, PG_IDENT_CONF, find, heading, number, quoted};

/// Renders it.
///
/// # Errors
/// `INVALID` if a setting is too small to work.
pub fn render(node: &Node, settings: &PostgresqlServerSettings) -> Result<String, Fault> {
    check(settings)?;
    let mut text = heading(node);
    quoted(&mut text, "data_directory", node.data_dir.as_path().as_str());
    let hba = node.conf_dir.file(PG_HBA_CONF);
    quoted(&mut text, "hba_file", hba.as_path().as_str());
    let ident = node.conf_dir.file(PG_IDENT_CONF);
    quoted(&mut text, "ident_file", ident.as_path().as_str());
    quoted(&mut text, "cluster_name", node.name.as_str());
    quoted(&mut text, "listen_addresses", &node.address.to_string());
    number(&mut text, "port", node.port);
    quoted(&mut text, "unix_socket_directories", node.socket_dir.as_path().as_str());
    quoted(&mut text, "password_encryption", "scram-sha-256");

    number(&mut text, "max_connections", settings.max_connections);
    if settings.shared_buffers_mib > 0 {
        let size = format!("{}MB", settings.shared_buffers_mib);
        number(&mut text, "shared_buffers", size);
    }

    text.push_str("# What repmgr and repmgrd need.\n");
    number(&mut text, "wal_level", "replica");
    number(&mut text, "hot_standby", "on");
    number(&mut text, "wal_log_hints", "on");
    number(&mut text, "max_wal_senders", settings.max_wal_senders);
    number(&mut text, "max_replication_slots", settings.max_replication_slots);
    quoted(&mut text, "shared_preload_libraries", "repmgr");

    text.push_str("# A week of logs.\n");
    number(&mut text, "logging_collector", "on");
    quoted(&mut text, "log_directory", node.log_dir.as_path().as_str());
    quoted(&mut text, "log_filename", "postgresql-%a.log");
    number(&mut text, "log_truncate_on_rotation", "on");
    number(&mut text, "log_rotation_age", "1d");
    number(&mut text, "log_rotation_size", 0);
    Ok(text)
}

fn check(settings: &PostgresqlServerSettings) -> Result<(), Fault> {
    let least = |name: &str, value: u32, least: u32| {
        if value < least {
            return Err(Fault::new(
                FaultCode::Invalid,
                format!("{name} is {value}, it must be at least {least}"),
            ));
        }
        Ok(())
    };
    least("max_connections", settings.max_connections, LEAST.max_connections)?;
    least("max_wal_senders", settings.max_wal_senders, LEAST.max_wal_senders)?;
    least("max_replication_slots", settings.max_replication_slots, LEAST.max_replication_slots)
}

/// Reads the settings back; `None`: it is not what [`render`] writes.
pub fn read_back(text: &str) -> Option<PostgresqlServerSettings> {
    let number = |key| find(text, key)?.parse().ok();
    let shared_buffers_mib = match find(text, "shared_buffers") {
        Some(size) => size.strip_suffix("MB")?.parse().ok()?,
        None => 0,
    };
    Some(PostgresqlServerSettings {
        max_connections: number("max_connections")?,
        max_wal_senders: number("max_wal_senders")?,
        max_replication_slots: number("max_replication_slots")?,
        shared_buffers_mib,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::tools::postgresql::values::tests::node;

    #[test]
    fn too_small_settings_are_refused() {
        assert!(render(&node(), &LEAST).is_ok());
        let zero = PostgresqlServerSettings::default();
        assert_eq!(render(&node(), &zero).unwrap_err().code(), FaultCode::Invalid);
    }

    proptest! {
        #[test]
        fn settings_are_read_back(
            max_connections in 10u32..,
            max_wal_senders in 2u32..,
            max_replication_slots in 1u32..,
            shared_buffers_mib: u32,
        ) {
            let settings = PostgresqlServerSettings {
                max_connections,
                max_wal_senders,
                max_replication_slots,
                shared_buffers_mib,
            };
            let text = render(&node(), &settings).unwrap();
            prop_assert_eq!(read_back(&text), Some(settings));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = read_back(&text);
        }
    }
}
