//! Expressions, over one row or over a group of rows.
#![allow(clippy::wildcard_enum_match_arm)] // The parser's tree has hundreds of forms; what has no arm is told as a syntax error.

use std::cmp::Ordering;

use sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, UnaryOperator, Value as Literal,
};

use super::value::Value;
use crate::kwdb::Failure;

type Row = Vec<Value>;

/// What an expression is read over.
#[derive(Clone, Copy)]
pub(crate) enum Scope<'a> {
    Row(&'a [String], &'a [Value]),
    Group(&'a [String], &'a [&'a Row]),
}

/// What the double does not know is a syntax error, never a made-up answer.
pub(crate) fn unknown(what: &dyn std::fmt::Display) -> Failure {
    let text = what.to_string();
    let near = text.split_whitespace().next().unwrap_or("EOF").to_owned();
    Failure {
        detail: Some(format!("source SQL:\n{text}")),
        ..Failure::coded("42601", format!("at or near \"{near}\": syntax error"))
    }
}

/// A name as it is looked up: in small letters unless it is quoted.
pub(crate) fn name(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// Whether the expression has an aggregate in it.
pub(crate) fn aggregates(expr: &Expr) -> bool {
    match expr {
        Expr::Function(_) => true,
        Expr::Cast { expr, .. } | Expr::Nested(expr) | Expr::UnaryOp { expr, .. } => {
            aggregates(expr)
        }
        Expr::BinaryOp { left, right, .. } => aggregates(left) || aggregates(right),
        _ => false,
    }
}

fn column(scope: Scope<'_>, ident: &Ident) -> Result<Value, Failure> {
    let wanted = name(ident);
    let missing = || Failure::coded("42703", format!("column \"{wanted}\" does not exist"));
    match scope {
        Scope::Row(columns, row) => {
            let at = columns.iter().position(|column| *column == wanted).ok_or_else(missing)?;
            row.get(at).cloned().ok_or_else(missing)
        }
        Scope::Group(columns, _) => {
            if !columns.contains(&wanted) {
                return Err(missing());
            }
            Err(Failure::coded(
                "42803",
                format!(
                    "column \"{wanted}\" must appear in the GROUP BY clause or be used in an aggregate function"
                ),
            ))
        }
    }
}

/// The value of an expression.
pub(crate) fn eval(expr: &Expr, scope: Scope<'_>) -> Result<Value, Failure> {
    match expr {
        Expr::Identifier(ident) => column(scope, ident),
        Expr::CompoundIdentifier(parts) => match parts.last() {
            Some(ident) => column(scope, ident),
            None => Err(unknown(expr)),
        },
        Expr::Nested(inner) => eval(inner, scope),
        Expr::Value(literal) => match &literal.value {
            Literal::Null => Ok(Value::Null),
            Literal::Boolean(value) => Ok(Value::Bool(*value)),
            Literal::SingleQuotedString(text) | Literal::EscapedStringLiteral(text) => {
                Ok(Value::text(text.clone()))
            }
            Literal::Number(text, _) => match (text.parse(), text.parse()) {
                (Ok(whole), _) => Ok(Value::Int(whole)),
                (_, Ok(part)) => Ok(Value::Decimal(part)),
                _ => Err(unknown(expr)),
            },
            _ => Err(unknown(expr)),
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => match eval(inner, scope)? {
            Value::Int(value) => Ok(Value::Int(-value)),
            Value::Decimal(value) => Ok(Value::Decimal(-value)),
            Value::Null => Ok(Value::Null),
            _ => Err(unknown(expr)),
        },
        Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => match eval(inner, scope)? {
            Value::Bool(value) => Ok(Value::Bool(!value)),
            Value::Null => Ok(Value::Null),
            _ => Err(unknown(expr)),
        },
        Expr::Cast { expr: inner, data_type, .. } => cast(eval(inner, scope)?, data_type),
        Expr::IsNull(inner) => Ok(Value::Bool(eval(inner, scope)? == Value::Null)),
        Expr::IsNotNull(inner) => Ok(Value::Bool(eval(inner, scope)? != Value::Null)),
        Expr::InList { expr: inner, list, negated } => {
            let value = eval(inner, scope)?;
            let mut null = value == Value::Null;
            for item in list {
                match value.compare(&eval(item, scope)?)? {
                    Some(Ordering::Equal) => return Ok(Value::Bool(!negated)),
                    Some(_) => {}
                    None => null = true,
                }
            }
            Ok(if null { Value::Null } else { Value::Bool(*negated) })
        }
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
            let left = eval(left, scope)?;
            match eval(right, scope)? {
                Value::Array(items) => Ok(match left {
                    Value::Int(wanted) => Value::Bool(items.contains(&wanted)),
                    Value::Null => Value::Null,
                    _ => return Err(unknown(expr)),
                }),
                Value::Null => Ok(Value::Null),
                _ => Err(unknown(expr)),
            }
        }
        Expr::Like { negated, any: false, expr: inner, pattern, escape_char: None } => {
            match (eval(inner, scope)?, eval(pattern, scope)?) {
                (Value::Text(text), Value::Text(pattern)) => {
                    let text: Vec<char> = text.chars().collect();
                    let pattern: Vec<char> = pattern.chars().collect();
                    Ok(Value::Bool(like(&text, &pattern) != *negated))
                }
                (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
                _ => Err(unknown(expr)),
            }
        }
        Expr::BinaryOp { left, op, right } => {
            binary(expr, eval(left, scope)?, op, eval(right, scope)?)
        }
        Expr::Function(function) => match scope {
            Scope::Group(columns, rows) => aggregate(function, columns, rows),
            Scope::Row(..) => Err(unknown(expr)),
        },
        _ => Err(unknown(expr)),
    }
}

fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => {
            (0..=text.len()).any(|from| text.get(from..).is_some_and(|tail| like(tail, rest)))
        }
        Some((wanted, rest)) => text
            .split_first()
            .is_some_and(|(first, tail)| (*wanted == '_' || wanted == first) && like(tail, rest)),
    }
}

fn binary(expr: &Expr, left: Value, op: &BinaryOperator, right: Value) -> Result<Value, Failure> {
    let compared = |fits: fn(Ordering) -> bool| {
        Ok(left.compare(&right)?.map_or(Value::Null, |order| Value::Bool(fits(order))))
    };
    match op {
        BinaryOperator::Eq => compared(Ordering::is_eq),
        BinaryOperator::NotEq => compared(Ordering::is_ne),
        BinaryOperator::Lt => compared(Ordering::is_lt),
        BinaryOperator::LtEq => compared(Ordering::is_le),
        BinaryOperator::Gt => compared(Ordering::is_gt),
        BinaryOperator::GtEq => compared(Ordering::is_ge),
        BinaryOperator::And | BinaryOperator::Or => {
            let and = matches!(op, BinaryOperator::And);
            Ok(match (&left, &right) {
                (Value::Bool(value), _) | (_, Value::Bool(value)) if *value != and => {
                    Value::Bool(*value)
                }
                (Value::Null, _) | (_, Value::Null) => Value::Null,
                (Value::Bool(_), Value::Bool(_)) => Value::Bool(and),
                _ => return Err(unknown(expr)),
            })
        }
        BinaryOperator::Arrow | BinaryOperator::LongArrow => match (&left, &right) {
            (Value::Json(document), Value::Text(key)) => Ok(match document.get(key) {
                None => Value::Null,
                Some(found) if matches!(op, BinaryOperator::Arrow) => Value::Json(found.clone()),
                Some(serde_json::Value::Null) => Value::Null,
                Some(serde_json::Value::String(text)) => Value::text(text.clone()),
                Some(found) => Value::text(found.to_string()),
            }),
            (Value::Null, _) => Ok(Value::Null),
            _ => Err(unknown(expr)),
        },
        BinaryOperator::Plus | BinaryOperator::Minus => match (&left, &right) {
            (Value::Int(a), Value::Int(b)) => {
                let sum = if matches!(op, BinaryOperator::Plus) {
                    a.checked_add(*b)
                } else {
                    a.checked_sub(*b)
                };
                sum.map(Value::Int)
                    .ok_or_else(|| Failure::coded("22003", "integer out of range".to_owned()))
            }
            (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
            _ => Err(unknown(expr)),
        },
        _ => Err(unknown(expr)),
    }
}

#[allow(clippy::cast_possible_truncation)]
fn cast(value: Value, to: &DataType) -> Result<Value, Failure> {
    let wanted = to.to_string().to_uppercase();
    let bad = |value: &Value| {
        Failure::coded(
            "22P02",
            format!(
                "could not parse \"{}\" as type {}: invalid syntax",
                value.shown().unwrap_or_default(),
                wanted.to_lowercase()
            ),
        )
    };
    if value == Value::Null {
        return Ok(Value::Null);
    }
    if wanted.starts_with("INT") || wanted.starts_with("BIGINT") {
        return match &value {
            Value::Int(_) => Ok(value),
            Value::Bool(flag) => Ok(Value::Int(i64::from(*flag))),
            Value::Text(text) => text.trim().parse().map(Value::Int).map_err(|_| bad(&value)),
            _ => value.number().map(|n| Value::Int(n.round() as i64)).ok_or_else(|| bad(&value)),
        };
    }
    if ["DEC", "NUMERIC", "FLOAT", "DOUBLE"].iter().any(|kind| wanted.starts_with(kind)) {
        return value.number().map(Value::Decimal).ok_or_else(|| bad(&value));
    }
    if ["TEXT", "STRING", "VARCHAR", "CHAR"].iter().any(|kind| wanted.starts_with(kind)) {
        return Ok(value.shown().map_or(Value::Null, Value::Text));
    }
    if wanted.starts_with("BOOL") {
        return match &value {
            Value::Bool(_) => Ok(value),
            Value::Text(text) => text.parse().map(Value::Bool).map_err(|_| bad(&value)),
            _ => Err(bad(&value)),
        };
    }
    Err(unknown(to))
}

fn aggregate(function: &Function, columns: &[String], rows: &[&Row]) -> Result<Value, Failure> {
    let called = function.name.to_string().to_lowercase();
    let plain = function.over.is_none()
        && function.filter.is_none()
        && function.null_treatment.is_none()
        && function.within_group.is_empty()
        && matches!(function.parameters, FunctionArguments::None);
    let FunctionArguments::List(list) = &function.args else { return Err(unknown(function)) };
    let ([FunctionArg::Unnamed(argument)], true, None, true) =
        (list.args.as_slice(), plain, list.duplicate_treatment, list.clauses.is_empty())
    else {
        return Err(unknown(function));
    };
    let argument = match argument {
        FunctionArgExpr::Wildcard if called == "count" => {
            return Ok(Value::count(rows.len() as u64));
        }
        FunctionArgExpr::Expr(argument) => argument,
        _ => return Err(unknown(function)),
    };
    let mut values = Vec::new();
    for row in rows {
        let value = eval(argument, Scope::Row(columns, row))?;
        if value != Value::Null {
            values.push(value);
        }
    }
    match called.as_str() {
        "count" => Ok(Value::count(values.len() as u64)),
        "sum" => {
            let mut sum = Value::Null;
            for value in values {
                sum = match (sum, value) {
                    (Value::Null, first @ (Value::Int(_) | Value::Decimal(_))) => first,
                    (Value::Int(a), Value::Int(b)) => Value::Int(a.saturating_add(b)),
                    (a @ (Value::Int(_) | Value::Decimal(_)), b) => {
                        match (a.number(), b.number()) {
                            (Some(a), Some(b)) => Value::Decimal(a + b),
                            _ => return Err(unknown(function)),
                        }
                    }
                    (_, value) => {
                        return Err(Failure::coded(
                            "42883",
                            format!("unknown signature: sum({})", value.kind()),
                        ));
                    }
                };
            }
            Ok(sum)
        }
        "max" | "min" => {
            let mut best: Option<Value> = None;
            for value in values {
                let better = match &best {
                    None => true,
                    Some(best) => value.compare(best)?.is_some_and(|order| {
                        if called == "max" { order.is_gt() } else { order.is_lt() }
                    }),
                };
                if better {
                    best = Some(value);
                }
            }
            Ok(best.unwrap_or(Value::Null))
        }
        _ => Err(Failure::coded("42883", format!("unknown function: {called}()"))),
    }
}
