//! `SELECT` over one table.
#![allow(clippy::wildcard_enum_match_arm)] // See `eval`.

use std::cmp::Ordering;

use sqlparser::ast::{
    Expr, GroupByExpr, LimitClause, OrderByKind, OrderBySort, Query, Select, SelectItem, SetExpr,
    TableFactor, Value as Literal,
};

use super::eval::{Scope, aggregates, eval, name, unknown};
use super::tables::{self, Source};
use super::value::Value;
use super::{Asked, full_name};
use crate::kwdb::cluster::Cluster;
use crate::kwdb::{Failure, Table};

/// The full name of the table that a query reads, if it reads one and nothing else.
pub(crate) fn reads(query: &Query, database: &str) -> Result<Option<String>, Failure> {
    let SetExpr::Select(select) = query.body.as_ref() else { return Err(unknown(query)) };
    let [from] = select.from.as_slice() else {
        return if select.from.is_empty() { Ok(None) } else { Err(unknown(query)) };
    };
    match &from.relation {
        TableFactor::Table { name, args: None, version: None, sample: None, .. }
            if from.joins.is_empty() =>
        {
            Ok(Some(full_name(name, database)?))
        }
        _ => Err(unknown(query)),
    }
}

/// Answers a query; `Asked::Silent` if the table's range has no quorum.
pub(crate) fn run(
    cluster: &Cluster,
    query: &Query,
    database: &str,
) -> Result<Asked<Table>, Failure> {
    let SetExpr::Select(select) = query.body.as_ref() else { return Err(unknown(query)) };
    plain(query, select)?;
    let source = match reads(query, database)? {
        None => Source { columns: Vec::new(), rows: vec![Vec::new()] },
        Some(table) => {
            if !super::readable(cluster, &table) {
                return Ok(Asked::Silent);
            }
            tables::read(cluster, &table).ok_or_else(|| {
                let short = table.strip_prefix(&format!("{database}.")).unwrap_or(&table);
                Failure::coded("42P01", format!("relation \"{short}\" does not exist"))
            })?
        }
    };
    let mut rows = Vec::new();
    for row in &source.rows {
        let keep = match &select.selection {
            None => true,
            Some(wanted) => eval(wanted, Scope::Row(&source.columns, row))? == Value::Bool(true),
        };
        if keep {
            rows.push(row);
        }
    }
    let items = items(select, &source)?;
    let columns = items.iter().map(|(title, _)| title.clone()).collect();
    if items.iter().any(|(_, item)| matches!(item, Item::Expr(expr) if aggregates(expr))) {
        if query.order_by.is_some() {
            return Err(unknown(query));
        }
        let scope = Scope::Group(&source.columns, &rows);
        let cells: Result<Vec<_>, Failure> =
            items.iter().map(|(_, item)| Ok(item.value(scope)?.shown())).collect();
        return Ok(Asked::Answer(Table { columns, rows: vec![cells?] }));
    }
    sort(query, &source, &items, &mut rows)?;
    if let Some(most) = limit(query)? {
        rows.truncate(most);
    }
    let mut table = Table { columns, rows: Vec::new() };
    for row in rows {
        let scope = Scope::Row(&source.columns, row);
        let cells: Result<Vec<_>, Failure> =
            items.iter().map(|(_, item)| Ok(item.value(scope)?.shown())).collect();
        table.rows.push(cells?);
    }
    Ok(Asked::Answer(table))
}

/// Refuses every clause that would be passed over otherwise.
fn plain(query: &Query, select: &Select) -> Result<(), Failure> {
    let simple = query.with.is_none()
        && query.fetch.is_none()
        && query.for_clause.is_none()
        && query.locks.is_empty()
        && query.pipe_operators.is_empty()
        && select.distinct.is_none()
        && select.into.is_none()
        && select.having.is_none()
        && select.qualify.is_none()
        && select.named_window.is_empty()
        && matches!(&select.group_by, GroupByExpr::Expressions(by, with) if by.is_empty() && with.is_empty());
    if simple { Ok(()) } else { Err(unknown(query)) }
}

/// What one column of the answer is.
enum Item<'a> {
    Column(usize),
    Expr(&'a Expr),
}

impl Item<'_> {
    fn value(&self, scope: Scope<'_>) -> Result<Value, Failure> {
        match (self, scope) {
            (Self::Expr(expr), _) => eval(expr, scope),
            (Self::Column(at), Scope::Row(_, row)) => {
                Ok(row.get(*at).cloned().unwrap_or(Value::Null))
            }
            (Self::Column(_), Scope::Group(..)) => Err(unknown(&"*")),
        }
    }
}

fn items<'a>(select: &'a Select, source: &Source) -> Result<Vec<(String, Item<'a>)>, Failure> {
    let mut items = Vec::new();
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => items.push((title(expr), Item::Expr(expr))),
            SelectItem::ExprWithAlias { expr, alias } => {
                items.push((name(alias), Item::Expr(expr)))
            }
            SelectItem::Wildcard(_) => {
                let all = source.columns.iter().enumerate();
                items.extend(all.map(|(at, column)| (column.clone(), Item::Column(at))));
            }
            _ => return Err(unknown(item)),
        }
    }
    Ok(items)
}

/// What a column without a name is called: the column's or function's name, else `?column?`.
fn title(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => name(ident),
        Expr::CompoundIdentifier(parts) => parts.last().map(name).unwrap_or_default(),
        Expr::Function(function) => function.name.to_string().to_lowercase(),
        Expr::Cast { expr, .. } | Expr::Nested(expr) => title(expr),
        _ => "?column?".to_owned(),
    }
}

fn sort(
    query: &Query,
    source: &Source,
    items: &[(String, Item<'_>)],
    rows: &mut Vec<&Vec<Value>>,
) -> Result<(), Failure> {
    let Some(order) = &query.order_by else { return Ok(()) };
    let (OrderByKind::Expressions(keys), None) = (&order.kind, &order.interpolate) else {
        return Err(unknown(order));
    };
    let mut keyed = Vec::with_capacity(rows.len());
    for row in rows.iter() {
        let scope = Scope::Row(&source.columns, row);
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            let alias = match &key.expr {
                Expr::Identifier(ident) if !source.columns.contains(&name(ident)) => {
                    items.iter().find(|(title, _)| *title == name(ident))
                }
                _ => None,
            };
            let value = match alias {
                Some((_, item)) => item.value(scope)?,
                None => eval(&key.expr, scope)?,
            };
            let down = match key.options.sort {
                None | Some(OrderBySort::Asc) => false,
                Some(OrderBySort::Desc) => true,
                Some(OrderBySort::Using(_)) => return Err(unknown(order)),
            };
            values.push((value, down));
        }
        keyed.push((values, *row));
    }
    keyed.sort_by(|(a, _), (b, _)| {
        for ((a, down), (b, _)) in a.iter().zip(b) {
            // NULL comes first.
            let order = match (a, b) {
                (Value::Null, Value::Null) => Ordering::Equal,
                (Value::Null, _) => Ordering::Less,
                (_, Value::Null) => Ordering::Greater,
                _ => a.compare(b).ok().flatten().unwrap_or(Ordering::Equal),
            };
            if order.is_ne() {
                return if *down { order.reverse() } else { order };
            }
        }
        Ordering::Equal
    });
    *rows = keyed.into_iter().map(|(_, row)| row).collect();
    Ok(())
}

fn limit(query: &Query) -> Result<Option<usize>, Failure> {
    match &query.limit_clause {
        None => Ok(None),
        Some(LimitClause::LimitOffset {
            limit: Some(Expr::Value(value)),
            offset: None,
            limit_by,
        }) if limit_by.is_empty() => match &value.value {
            Literal::Number(text, _) => text.parse().map(Some).map_err(|_| unknown(query)),
            _ => Err(unknown(query)),
        },
        Some(_) => Err(unknown(query)),
    }
}
