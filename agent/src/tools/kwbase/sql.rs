//! `kwbase sql`: constant statements, and their results one after the other in one output.

use bellows_proto::v1::{
    KwdbCluster, KwdbJob, KwdbLeft, KwdbLiveness, KwdbReplicas, KwdbStore, KwdbZone,
};
use csv::StringRecord;

use super::csv::{ParseError, Row, line, records, truth, wrong};

/// A statement. A node's id is all that is put into one, and it is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// Ranges without a quorum, and with too few replicas.
    Health,
    /// Room.
    Stores,
    /// Rules of replication.
    Zones,
    /// Changes of schema that run.
    Jobs,
    /// Flags, out of gossip.
    Liveness,
    /// How many ranges have a replica at this node: exact.
    Replicas(u32),
    /// Some ranges that have one.
    Left(u32),
    /// A setting's value.
    Show(Setting),
    /// Whether data of time series move to balance the nodes.
    SetRebalance(bool),
}

/// A setting of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Data of time series move.
    Rebalance,
    /// Bytes per second to balance.
    RebalanceRate,
    /// Bytes per second to recover.
    RecoveryRate,
}

impl Setting {
    /// What the tool calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rebalance => "kv.allocator.ts_consider_rebalance.enabled",
            Self::RebalanceRate => "kv.snapshot_rebalance.max_rate",
            Self::RecoveryRate => "kv.snapshot_recovery.max_rate",
        }
    }
}

const HEALTH: &str = "SELECT sum((metrics->>'ranges.unavailable')::DECIMAL)::INT AS ranges_unavailable, \
    sum((metrics->>'ranges.underreplicated')::DECIMAL)::INT AS ranges_underreplicated FROM kwdb_internal.kv_store_status";
const STORES: &str = "SELECT node_id, store_id, capacity, available, used, range_count, lease_count FROM kwdb_internal.kv_store_status";
const ZONES: &str = "SHOW ZONE CONFIGURATIONS";
const JOBS: &str = "SELECT job_id, job_type, description, status FROM kwdb_internal.jobs WHERE status IN ('pending', 'running')";
const LIVENESS: &str =
    "SELECT node_id, draining, decommissioning, upgrading FROM kwdb_internal.gossip_liveness";

impl Statement {
    /// Its text.
    pub fn text(&self) -> String {
        match self {
            Self::Health => HEALTH.to_owned(),
            Self::Stores => STORES.to_owned(),
            Self::Zones => ZONES.to_owned(),
            Self::Jobs => JOBS.to_owned(),
            Self::Liveness => LIVENESS.to_owned(),
            Self::Replicas(id) => {
                format!("SELECT count(*) FROM kwdb_internal.ranges WHERE {id} = ANY(replicas)")
            }
            Self::Left(id) => format!(
                "SELECT range_id, replicas, database_name, table_name FROM kwdb_internal.ranges WHERE {id} = ANY(replicas) LIMIT 8"
            ),
            Self::Show(setting) => format!("SHOW CLUSTER SETTING {}", setting.name()),
            Self::SetRebalance(enabled) => {
                format!("SET CLUSTER SETTING {} = {enabled}", Setting::Rebalance.name())
            }
        }
    }

    fn shape(&self) -> Shape {
        match self {
            Self::Health => Shape::Table(&["ranges_unavailable", "ranges_underreplicated"]),
            Self::Stores => Shape::Table(&[
                "node_id",
                "store_id",
                "capacity",
                "available",
                "used",
                "range_count",
                "lease_count",
            ]),
            Self::Zones => Shape::Table(&["target", "raw_config_sql"]),
            Self::Jobs => Shape::Table(&["job_id", "job_type", "description", "status"]),
            Self::Liveness => {
                Shape::Table(&["node_id", "draining", "decommissioning", "upgrading"])
            }
            Self::Left(_) => Shape::Table(&["range_id", "replicas", "database_name", "table_name"]),
            Self::Replicas(_) | Self::Show(_) => Shape::Value,
            Self::SetRebalance(_) => Shape::Tag,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Health => "the ranges' health",
            Self::Stores => "the stores",
            Self::Zones => "the zone configurations",
            Self::Jobs => "the jobs",
            Self::Liveness => "liveness",
            Self::Replicas(_) => "a count of replicas",
            Self::Left(_) => "the ranges of a node",
            Self::Show(_) => "a setting",
            Self::SetRebalance(_) => "a change of a setting",
        }
    }
}

/// How a result looks like.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// These columns, then rows up to the next result.
    Table(&'static [&'static str]),
    /// One column of some name, one row.
    Value,
    /// A word.
    Tag,
}

/// Reads the results of these statements into `cluster`.
///
/// # Errors
/// If they are not as many, or one is not as it should be.
pub fn read(
    stdout: &[u8],
    statements: &[Statement],
    cluster: &mut KwdbCluster,
) -> Result<(), ParseError> {
    let records = records(stdout)?;
    let mut rest = records.as_slice();
    for (at, statement) in statements.iter().enumerate() {
        let (header, after) = rest.split_first().ok_or(ParseError::Short(statement.name()))?;
        rest = match statement.shape() {
            Shape::Tag => after,
            Shape::Value => {
                let (value, after) =
                    after.split_first().ok_or(ParseError::Short(statement.name()))?;
                if header.len() != 1 || value.len() != 1 {
                    return Err(ParseError::Header(line(header)));
                }
                take_value(statement, value.get(0).unwrap_or_default(), cluster)?;
                after
            }
            Shape::Table(columns) => {
                if !header.iter().eq(columns.iter().copied()) {
                    return Err(ParseError::Header(line(header)));
                }
                let next = statements.get(at + 1).map(Statement::shape);
                let rows = after.iter().take_while(|record| !begins(next, record, columns.len()));
                let mut taken = 0;
                for record in rows {
                    take_row(statement, &Row::new(header, record)?, cluster)?;
                    taken += 1;
                }
                after.get(taken..).unwrap_or_default()
            }
        };
    }
    match rest.first() {
        Some(record) => Err(ParseError::Header(line(record))),
        None => Ok(()),
    }
}

/// Whether the record is the header of the next result.
fn begins(next: Option<Shape>, record: &StringRecord, columns: usize) -> bool {
    match next {
        Some(Shape::Table(names)) => record.iter().eq(names.iter().copied()),
        Some(Shape::Value | Shape::Tag) => record.len() == 1 && columns != 1,
        None => false,
    }
}

fn take_value(
    statement: &Statement,
    value: &str,
    cluster: &mut KwdbCluster,
) -> Result<(), ParseError> {
    match statement {
        Statement::Replicas(id) => {
            let count = value.parse().map_err(|_| wrong("count", value))?;
            cluster.replicas.push(KwdbReplicas { node_id: *id, count });
        }
        Statement::Show(Setting::Rebalance) => {
            cluster.rebalance = Some(truth("ts_consider_rebalance", value)?);
        }
        Statement::Show(Setting::RebalanceRate) => {
            cluster.rebalance_rate = size(value).ok_or_else(|| wrong("max_rate", value))?;
        }
        Statement::Show(Setting::RecoveryRate) => {
            cluster.recovery_rate = size(value).ok_or_else(|| wrong("max_rate", value))?;
        }
        Statement::Health
        | Statement::Stores
        | Statement::Zones
        | Statement::Jobs
        | Statement::Liveness
        | Statement::Left(_)
        | Statement::SetRebalance(_) => {}
    }
    Ok(())
}

fn take_row(
    statement: &Statement,
    row: &Row<'_>,
    cluster: &mut KwdbCluster,
) -> Result<(), ParseError> {
    match statement {
        Statement::Health => {
            cluster.ranges_unavailable = row.number("ranges_unavailable")?;
            cluster.ranges_underreplicated = row.number("ranges_underreplicated")?;
        }
        Statement::Stores => cluster.stores.push(KwdbStore {
            node_id: row.required("node_id")?,
            store_id: row.required("store_id")?,
            capacity: row.required("capacity")?,
            available: row.required("available")?,
            used: row.required("used")?,
            ranges: row.required("range_count")?,
        }),
        Statement::Zones => {
            cluster.zones.push(zone(row.text("target"), row.text("raw_config_sql")))
        }
        Statement::Jobs => cluster.jobs.push(KwdbJob {
            id: row.text("job_id"),
            kind: row.text("job_type"),
            description: row.text("description").chars().take(400).collect(),
            status: row.text("status"),
        }),
        Statement::Liveness => cluster.liveness.push(KwdbLiveness {
            node_id: row.required("node_id")?,
            draining: row.truth("draining")?,
            decommissioning: row.truth("decommissioning")?,
            upgrading: row.truth("upgrading")?,
        }),
        Statement::Left(id) => {
            let names = [row.text("database_name"), row.text("table_name")];
            let what: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
            let range = row.required("range_id")?;
            cluster.left.push(KwdbLeft { range, node_id: *id, what: what.join("/") });
        }
        Statement::Replicas(_) | Statement::Show(_) | Statement::SetRebalance(_) => {}
    }
    Ok(())
}

/// What stands in a zone's `ALTER ... CONFIGURE ZONE USING`. What is not in it is inherited.
fn zone(target: String, raw: String) -> KwdbZone {
    let value = |key: &str| {
        raw.lines().find_map(|line| {
            let (name, value) = line.trim().trim_end_matches([',', ';']).split_once('=')?;
            let value = value.trim();
            let bare = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
            (name.trim() == key).then(|| bare.unwrap_or(value).to_owned())
        })
    };
    let rule = |key| value(key).filter(|text| text != "[]").unwrap_or_default();
    KwdbZone {
        num_replicas: value("num_replicas").and_then(|text| text.parse().ok()),
        constraints: rule("constraints"),
        lease_preferences: rule("lease_preferences"),
        target,
        raw,
    }
}

/// `8.0 MiB`, `67108864`, `64 MB`: bytes.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().trim_end_matches("/s") {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "KB" | "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().ok()?;
    let thousandths: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    whole.checked_mul(factor)?.checked_add(thousandths.checked_mul(factor)? / 1000)
}

#[cfg(test)]
mod tests;
