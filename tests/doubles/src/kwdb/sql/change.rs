//! `INSERT`, `CREATE DATABASE`, `CREATE TABLE`, `CREATE INDEX` (facts sections 6, 8).
//!
//! Unconfirmed: which statements are refused while a node is decommissioning; here `CREATE INDEX`.
#![allow(clippy::wildcard_enum_match_arm)] // See `eval`.

use sqlparser::ast::{
    ColumnOption, CreateTable, Expr, Insert, SetExpr, Statement, TableConstraint, TableObject,
};

use super::eval::{Scope, eval, name, unknown};
use super::{Asked, full_name, readable};
use crate::kwdb::cluster::{Cluster, Column, Job, Kind, UserTable};
use crate::kwdb::{Failure, Response};

/// Does a statement that changes something.
pub(crate) fn run(
    cluster: &mut Cluster,
    statement: &Statement,
    user: &str,
    database: &str,
) -> Result<Asked<Response>, Failure> {
    let tag = |text: &str| Ok(Asked::Answer(Response::Tag(text.to_owned())));
    match statement {
        Statement::CreateDatabase { db_name, if_not_exists, or_replace: false, .. } => {
            let written = db_name.to_string().to_lowercase();
            if !cluster.databases.insert(written.clone()) && !if_not_exists {
                return Err(Failure::coded(
                    "42P04",
                    format!("database \"{written}\" already exists"),
                ));
            }
            tag("CREATE DATABASE")
        }
        Statement::CreateTable(create) => {
            create_table(cluster, create, database)?;
            tag("CREATE TABLE")
        }
        Statement::Insert(insert) => add_rows(cluster, insert, database),
        Statement::CreateIndex(create) => {
            let table = full_name(&create.table_name, database)?;
            if !cluster.tables.contains_key(&table) {
                return Err(no_relation(&table, database));
            }
            let leaving = cluster
                .nodes
                .values()
                .any(|node| node.decommissioning && cluster.replicas(node.id) > 0);
            if leaving {
                return Err(Failure::coded(
                    "0A000",
                    "not supported when node is decommissioning".to_owned(),
                ));
            }
            let length = cluster.knobs.span(i64::from(cluster.knobs.job_ms));
            let job = Job {
                id: 630_000_000_000_000_000 + cluster.jobs.len() as u64,
                job_type: "SCHEMA CHANGE".to_owned(),
                description: statement.to_string(),
                user: user.to_owned(),
                status: "running".to_owned(),
                created_ms: cluster.clock_ms,
                ends_ms: cluster.clock_ms + length,
            };
            cluster.jobs.push(job);
            tag("CREATE INDEX")
        }
        _ => Err(unknown(statement)),
    }
}

fn no_relation(table: &str, database: &str) -> Failure {
    let short = table.strip_prefix(&format!("{database}.")).unwrap_or(table);
    Failure::coded("42P01", format!("relation \"{short}\" does not exist"))
}

fn create_table(
    cluster: &mut Cluster,
    create: &CreateTable,
    database: &str,
) -> Result<(), Failure> {
    let full = full_name(&create.name, database)?;
    let (home, short) = full.split_once('.').ok_or_else(|| unknown(create))?;
    let ordinary = create.query.is_none() && create.like.is_none() && create.clone.is_none();
    if !ordinary || create.columns.is_empty() {
        return Err(unknown(create));
    }
    if !cluster.databases.contains(home) {
        return Err(Failure::coded("3D000", format!("database \"{home}\" does not exist")));
    }
    if cluster.tables.contains_key(&full) {
        return if create.if_not_exists {
            Ok(())
        } else {
            Err(Failure::coded("42P07", format!("relation \"{short}\" already exists")))
        };
    }
    let keys: Vec<String> = create
        .constraints
        .iter()
        .filter_map(|constraint| match constraint {
            TableConstraint::PrimaryKey(key) => Some(&key.columns),
            _ => None,
        })
        .flatten()
        .map(|column| column.column.expr.to_string().to_lowercase())
        .collect();
    let columns = create.columns.iter().map(|column| {
        let named = name(&column.name);
        let key = keys.contains(&named)
            || column.options.iter().any(|o| matches!(o.option, ColumnOption::PrimaryKey(_)));
        Column { name: named, data_type: column.data_type.to_string().to_uppercase(), key }
    });
    let columns = columns.collect();
    let zone = ["TABLE ", "DATABASE "]
        .into_iter()
        .zip([full.as_str(), home])
        .map(|(kind, name)| format!("{kind}{name}"))
        .find(|zone| cluster.zones.contains_key(zone))
        .unwrap_or_else(|| "RANGE default".to_owned());
    let range = cluster.add_range(Kind::User, home, short, &zone, 1 << 20);
    cluster.place_new();
    cluster.tables.insert(full.clone(), UserTable { columns, rows: Vec::new(), range });
    Ok(())
}

fn add_rows(
    cluster: &mut Cluster,
    insert: &Insert,
    database: &str,
) -> Result<Asked<Response>, Failure> {
    let TableObject::TableName(written) = &insert.table else { return Err(unknown(insert)) };
    let full = full_name(written, database)?;
    if insert.on.is_some() || insert.returning.is_some() || !insert.assignments.is_empty() {
        return Err(unknown(insert));
    }
    if cluster.tables.contains_key(&full) && !readable(cluster, &full) {
        return Ok(Asked::Silent);
    }
    let table = cluster.tables.get_mut(&full).ok_or_else(|| no_relation(&full, database))?;
    let source = insert.source.as_ref().ok_or_else(|| unknown(insert))?;
    let SetExpr::Values(values) = source.body.as_ref() else { return Err(unknown(insert)) };
    let mut places = Vec::new();
    for column in &insert.columns {
        let wanted = column.to_string().to_lowercase();
        let at = table.columns.iter().position(|known| known.name == wanted);
        places.push(at.ok_or_else(|| {
            Failure::coded("42703", format!("column \"{wanted}\" does not exist"))
        })?);
    }
    if places.is_empty() {
        places = (0..table.columns.len()).collect();
    }
    let mut added: Vec<Vec<Option<String>>> = Vec::new();
    for row in &values.rows {
        let given: &[Expr] = row;
        if given.len() != places.len() {
            return Err(Failure::coded(
                "42601",
                format!(
                    "INSERT has more expressions than target columns, {} expressions for {} targets",
                    given.len(),
                    places.len()
                ),
            ));
        }
        let mut cells = vec![None; table.columns.len()];
        for (expr, at) in given.iter().zip(&places) {
            let value = eval(expr, Scope::Row(&[], &[]))?.shown();
            if let Some(cell) = cells.get_mut(*at) {
                *cell = value;
            }
        }
        let key = |cells: &[Option<String>]| -> Vec<Option<String>> {
            let pairs = table.columns.iter().zip(cells);
            pairs.filter(|(column, _)| column.key).map(|(_, cell)| cell.clone()).collect()
        };
        let mine = key(&cells);
        if !mine.is_empty() && table.rows.iter().chain(&added).any(|row| key(row) == mine) {
            let names: Vec<&str> =
                table.columns.iter().filter(|c| c.key).map(|c| c.name.as_str()).collect();
            let shown: Vec<String> = mine
                .iter()
                .map(|cell| cell.as_ref().map_or("NULL".to_owned(), |text| format!("'{text}'")))
                .collect();
            return Err(Failure::coded(
                "23505",
                format!(
                    "duplicate key value ({})=({}) violates unique constraint \"primary\"",
                    names.join(","),
                    shown.join(",")
                ),
            ));
        }
        added.push(cells);
    }
    let count = added.len();
    table.rows.append(&mut added);
    Ok(Asked::Answer(Response::Tag(format!("INSERT {count}"))))
}
