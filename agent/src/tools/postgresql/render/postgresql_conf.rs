//! `postgresql.conf`.
//!
//! Versions: tried with PostgreSQL 15.20. The server is started with `--config-file`; the file
//! of the same name in the data directory, a copy of the primary's, is not read.
//! `postgresql.auto.conf` in the data directory is read, and wins: repmgr keeps
//! `primary_conninfo` and `primary_slot_name` there.

use std::ops::RangeInclusive;

use bellows_proto::v1::{Fault, FaultCode, PostgresqlServerSettings};

use super::{Node, PG_HBA_CONF, PG_IDENT_CONF, find, heading, number, quoted};

/// What works: below, clients, repmgr or a clone would find no room; above, the server
/// refuses to start.
const CONNECTIONS: RangeInclusive<u32> = 10..=MOST;
const SENDERS: RangeInclusive<u32> = 2..=MOST;
const SLOTS: RangeInclusive<u32> = 1..=MOST;
const BUFFERS_MIB: RangeInclusive<u32> = 0..=8_388_607;
/// The server's own limit (`MAX_BACKENDS`).
const MOST: u32 = 262_143;

/// Renders it.
///
/// # Errors
/// `INVALID` if a setting is out of its range.
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
    for (key, value) in as_the_primary(settings) {
        if let Some(value) = value {
            number(&mut text, key, value);
        }
    }
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

/// What a standby must not have less of than its primary.
fn as_the_primary(settings: &PostgresqlServerSettings) -> [(&'static str, Option<u32>); 3] {
    [
        ("max_worker_processes", settings.max_worker_processes),
        ("max_prepared_transactions", settings.max_prepared_transactions),
        ("max_locks_per_transaction", settings.max_locks_per_transaction),
    ]
}

fn check(settings: &PostgresqlServerSettings) -> Result<(), Fault> {
    let mut checks = vec![
        ("max_connections", settings.max_connections, CONNECTIONS),
        ("max_wal_senders", settings.max_wal_senders, SENDERS),
        ("max_replication_slots", settings.max_replication_slots, SLOTS),
        ("shared_buffers_mib", settings.shared_buffers_mib, BUFFERS_MIB),
    ];
    let same = as_the_primary(settings).into_iter();
    checks
        .extend(same.filter_map(|(name, value)| Some((name, value?, 0..=i32::MAX.unsigned_abs()))));
    match checks.into_iter().find(|(_, value, range)| !range.contains(value)) {
        None => Ok(()),
        Some((name, value, range)) => Err(Fault::new(
            FaultCode::Invalid,
            format!("{name} is {value}, it must be {} to {}", range.start(), range.end()),
        )),
    }
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
        max_worker_processes: number("max_worker_processes"),
        max_prepared_transactions: number("max_prepared_transactions"),
        max_locks_per_transaction: number("max_locks_per_transaction"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::tools::postgresql::values::tests::node;

    #[test]
    fn settings_out_of_range_are_refused() {
        let good = PostgresqlServerSettings {
            max_connections: 10,
            max_wal_senders: 2,
            max_replication_slots: 1,
            ..PostgresqlServerSettings::default()
        };
        assert!(render(&node(), &good).is_ok());
        for bad in [
            PostgresqlServerSettings { max_connections: 9, ..good },
            PostgresqlServerSettings { max_wal_senders: 1, ..good },
            PostgresqlServerSettings { max_replication_slots: MOST + 1, ..good },
            PostgresqlServerSettings { shared_buffers_mib: u32::MAX, ..good },
            PostgresqlServerSettings { max_worker_processes: Some(u32::MAX), ..good },
        ] {
            assert_eq!(render(&node(), &bad).unwrap_err().code(), FaultCode::Invalid);
        }
    }

    proptest! {
        #[test]
        fn settings_are_read_back(
            max_connections in CONNECTIONS,
            max_wal_senders in SENDERS,
            max_replication_slots in SLOTS,
            shared_buffers_mib in BUFFERS_MIB,
            max_worker_processes: Option<u8>,
            max_prepared_transactions: Option<u8>,
        ) {
            let settings = PostgresqlServerSettings {
                max_connections,
                max_wal_senders,
                max_replication_slots,
                shared_buffers_mib,
                max_worker_processes: max_worker_processes.map(u32::from),
                max_prepared_transactions: max_prepared_transactions.map(u32::from),
                max_locks_per_transaction: None,
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
