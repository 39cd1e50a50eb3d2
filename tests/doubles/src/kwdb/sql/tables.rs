//! The tables that can be read (facts sections 6, 4.1): `kwdb_internal.*`, `system.eventlog`, and what clients made.
//!
//! Columns besides those that the facts name follow CockroachDB 20.1: unconfirmed for KWDB.

use serde_json::json;

use super::value::Value;
use crate::kwdb::cluster::{Cluster, Job, Kind, Node};
use crate::kwdb::time::stamp;

/// Rows under names.
pub(crate) struct Source {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Value>>,
}

/// Tables that are made of gossip alone.
pub(crate) const GOSSIP: &[&str] = &["kwdb_internal.gossip_liveness", "kwdb_internal.gossip_nodes"];

fn source(columns: &[&str], rows: Vec<Vec<Value>>) -> Source {
    Source { columns: columns.iter().map(|name| (*name).to_owned()).collect(), rows }
}

/// The table of that full name; `None` if there is none.
pub(crate) fn read(cluster: &Cluster, name: &str) -> Option<Source> {
    Some(match name {
        "kwdb_internal.kv_store_status" => store_status(cluster),
        "kwdb_internal.ranges" => ranges(cluster),
        "kwdb_internal.gossip_liveness" => liveness(cluster),
        "kwdb_internal.gossip_nodes" => gossip_nodes(cluster),
        "kwdb_internal.jobs" => jobs(cluster),
        "system.eventlog" => events(cluster),
        _ => {
            let table = cluster.tables.get(name)?;
            let columns = table.columns.iter().map(|column| column.name.clone()).collect();
            let typed = |row: &Vec<Option<String>>| {
                let cells = row.iter().zip(&table.columns);
                cells.map(|(cell, column)| typed(cell.as_deref(), &column.data_type)).collect()
            };
            Source { columns, rows: table.rows.iter().map(typed).collect() }
        }
    })
}

/// A stored cell as its column's type has it.
fn typed(cell: Option<&str>, data_type: &str) -> Value {
    let Some(cell) = cell else { return Value::Null };
    let whole = ["INT", "BIGINT", "SMALLINT", "SERIAL"].iter().any(|t| data_type.starts_with(t));
    let part = ["DEC", "NUM", "FLOAT", "DOUBLE", "REAL"].iter().any(|t| data_type.starts_with(t));
    if whole && let Ok(number) = cell.parse() {
        return Value::Int(number);
    }
    if part && let Ok(number) = cell.parse() {
        return Value::Decimal(number);
    }
    if data_type.starts_with("BOOL")
        && let Ok(value) = cell.parse()
    {
        return Value::Bool(value);
    }
    Value::text(cell)
}

fn store_status(cluster: &Cluster) -> Source {
    let row = |node: &Node| {
        let status = node.status.as_ref()?;
        let used = status.bytes;
        let free = node.capacity_bytes.saturating_sub(used + node.other_bytes);
        let mut metrics = json!({
            "intentbytes": 0,
            "keybytes": used / 10,
            "livebytes": used,
            "ranges": status.ranges,
            "replicas.leaders": status.leaders,
            "replicas.leaseholders": status.leases,
            "ranges.unavailable": status.unavailable,
            "ranges.underreplicated": status.underreplicated,
            "sysbytes": 4096,
            "valbytes": used - used / 10,
        });
        if cluster.knobs.health_null
            && let Some(keys) = metrics.as_object_mut()
        {
            keys.retain(|key, _| {
                !key.ends_with("unavailable") && !key.ends_with("underreplicated")
            });
        }
        Some(vec![
            Value::Int(i64::from(node.id)),
            Value::Int(i64::from(node.id)),
            Value::text("[]"),
            Value::count(node.capacity_bytes),
            Value::count(free),
            Value::count(used),
            Value::count(used),
            Value::count(status.ranges),
            Value::count(status.leases),
            Value::Json(metrics),
        ])
    };
    source(
        &[
            "node_id",
            "store_id",
            "attrs",
            "capacity",
            "available",
            "used",
            "logical_bytes",
            "range_count",
            "lease_count",
            "metrics",
        ],
        cluster.nodes.values().filter_map(row).collect(),
    )
}

fn ranges(cluster: &Cluster) -> Source {
    let rows = cluster.ranges.values().map(|range| {
        let named =
            matches!(range.kind, Kind::TimeSeries | Kind::User) || !range.database.is_empty();
        let replicas = {
            let mut nodes: Vec<i64> = range.replicas.iter().map(|node| i64::from(*node)).collect();
            nodes.sort_unstable();
            nodes
        };
        vec![
            Value::count(range.id),
            Value::text(format!("/{}", range.table)),
            Value::text(format!("/{}/Max", range.table)),
            Value::text(range.database.clone()),
            Value::text(if named { range.table.clone() } else { String::new() }),
            Value::text(""),
            Value::Array(replicas),
            Value::Int(i64::from(range.lease)),
            Value::count(range.bytes),
        ]
    });
    source(
        &[
            "range_id",
            "start_pretty",
            "end_pretty",
            "database_name",
            "table_name",
            "index_name",
            "replicas",
            "lease_holder",
            "range_size",
        ],
        rows.collect(),
    )
}

fn liveness(cluster: &Cluster) -> Source {
    let rows = cluster.nodes.values().map(|node| {
        let until = cluster.expires_ms(node);
        vec![
            Value::Int(i64::from(node.id)),
            Value::count(node.epoch),
            Value::text(format!("{}.{:09},0", until / 1_000, until % 1_000 * 1_000_000)),
            Value::Bool(node.draining),
            Value::Bool(node.decommissioning),
            Value::Bool(cluster.upgrading(node.id)),
            Value::text(stamp(node.heartbeat_ms)),
        ]
    });
    source(
        &[
            "node_id",
            "epoch",
            "expiration",
            "draining",
            "decommissioning",
            "upgrading",
            "updated_at",
        ],
        rows.collect(),
    )
}

fn gossip_nodes(cluster: &Cluster) -> Source {
    let rows = cluster.nodes.values().filter(|node| cluster.described(node)).map(|node| {
        vec![
            Value::Int(i64::from(node.id)),
            Value::text("tcp"),
            Value::text(node.address.clone()),
            Value::text(node.address.clone()),
            Value::text("tcp"),
            Value::text(node.address.clone()),
            Value::text(node.address.clone()),
            Value::text("[]"),
            Value::text(node.locality.clone()),
            Value::text(""),
            Value::text(node.build.trim_start_matches('V')),
            Value::text(node.build.clone()),
            Value::text(stamp(node.started_ms)),
            Value::Bool(cluster.heard(node)),
            Value::count(node.gossiped_replicas),
            Value::count(node.status.as_ref().map_or(0, |status| status.leases)),
        ]
    });
    source(
        &[
            "node_id",
            "network",
            "address",
            "advertise_address",
            "sql_network",
            "sql_address",
            "advertise_sql_address",
            "attrs",
            "locality",
            "cluster_name",
            "server_version",
            "build_tag",
            "started_at",
            "is_live",
            "ranges",
            "leases",
        ],
        rows.collect(),
    )
}

fn job_row(cluster: &Cluster, job: &Job) -> Vec<Value> {
    let done = job.status == "succeeded";
    let length = (job.ends_ms - job.created_ms).max(1);
    let share = (cluster.clock_ms - job.created_ms).clamp(0, length) * 100 / length;
    let end = if done { Value::text(stamp(job.ends_ms)) } else { Value::Null };
    vec![
        Value::count(job.id),
        Value::text(job.job_type.clone()),
        Value::text(job.description.clone()),
        Value::text(""),
        Value::text(job.user.clone()),
        Value::text(job.status.clone()),
        if done { Value::Null } else { Value::text("populating schema") },
        Value::text(stamp(job.created_ms)),
        Value::text(stamp(job.created_ms)),
        end,
        Value::text(stamp(cluster.clock_ms.min(job.ends_ms))),
        Value::Decimal(f64::from(i32::try_from(share).unwrap_or(100)) / 100.0),
        Value::text(""),
        Value::Int(1),
    ]
}

/// `kwdb_internal.jobs`, and `SHOW JOBS` in the same columns.
pub(crate) fn jobs(cluster: &Cluster) -> Source {
    source(
        &[
            "job_id",
            "job_type",
            "description",
            "statement",
            "user_name",
            "status",
            "running_status",
            "created",
            "started",
            "finished",
            "modified",
            "fraction_completed",
            "error",
            "coordinator_id",
        ],
        cluster.jobs.iter().map(|job| job_row(cluster, job)).collect(),
    )
}

fn events(cluster: &Cluster) -> Source {
    let rows = cluster.events.iter().map(|event| {
        vec![
            Value::text(stamp(event.at_ms)),
            Value::text(event.kind.clone()),
            Value::Int(i64::from(event.node)),
            Value::Int(i64::from(event.node)),
            Value::text("{}"),
        ]
    });
    source(&["timestamp", "eventType", "targetID", "reportingID", "info"], rows.collect())
}
