//! A small honest evaluator of statements (facts section 6). What it does not know is a syntax error, never a made-up answer.
#![allow(clippy::wildcard_enum_match_arm)] // See `eval`.

mod change;
mod eval;
mod select;
mod settings;
mod tables;
mod value;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use sqlparser::ast::{ObjectName, Query, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::cluster::Cluster;
use super::serve::{Failure, Response};

/// An answer, or the silence of ranges without quorum.
pub(crate) enum Asked<T> {
    Answer(T),
    Silent,
}

/// Answers one statement; `None` is silence.
pub(crate) fn execute(
    cluster: &mut Cluster,
    statement: &str,
    user: &str,
    database: &str,
) -> Option<Response> {
    let database = if database.is_empty() { "defaultdb" } else { database };
    match run(cluster, statement, user, database) {
        Ok(Asked::Answer(response)) => Some(response),
        Ok(Asked::Silent) => None,
        Err(failure) => Some(Response::Failed(failure)),
    }
}

fn run(
    cluster: &mut Cluster,
    text: &str,
    user: &str,
    database: &str,
) -> Result<Asked<Response>, Failure> {
    if !cluster.quorum() && !gossip_only(text) {
        return Ok(Asked::Silent);
    }
    if let Some(query) = known(text) {
        return answer(cluster, &query, database);
    }
    if let Some(response) = settings::run(cluster, &words(text)?, user)? {
        return Ok(Asked::Answer(response));
    }
    match parse(text)? {
        Statement::Query(query) => {
            let query = Rc::new(*query);
            keep(text, &query);
            answer(cluster, &query, database)
        }
        other => change::run(cluster, &other, user, database),
    }
}

fn answer(cluster: &Cluster, query: &Query, database: &str) -> Result<Asked<Response>, Failure> {
    Ok(match select::run(cluster, query, database)? {
        Asked::Answer(table) => Asked::Answer(Response::Table(table)),
        Asked::Silent => Asked::Silent,
    })
}

/// So many queries are kept.
const KEPT: usize = 64;

thread_local! {
    /// What was parsed once: clients ask the same over and over, and an answer takes less than the parsing.
    static QUERIES: RefCell<HashMap<String, Rc<Query>>> = RefCell::default();
}

fn known(text: &str) -> Option<Rc<Query>> {
    QUERIES.with_borrow(|kept| kept.get(text).cloned())
}

fn keep(text: &str, query: &Rc<Query>) {
    QUERIES.with_borrow_mut(|kept| {
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(text.to_owned(), Rc::clone(query));
    });
}

fn parse(text: &str) -> Result<Statement, Failure> {
    let syntax = |_| eval::unknown(&text);
    let mut all = Parser::parse_sql(&PostgreSqlDialect {}, text).map_err(syntax)?;
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(eval::unknown(&text)),
    }
}

/// The tokens of a statement without blanks.
fn words(text: &str) -> Result<Vec<Token>, Failure> {
    let tokens =
        Tokenizer::new(&PostgreSqlDialect {}, text).tokenize().map_err(|_| eval::unknown(&text))?;
    Ok(tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect())
}

/// A statement that is answered from gossip, also without quorum.
#[must_use]
pub fn gossip_only(text: &str) -> bool {
    match parse(text) {
        Ok(Statement::Query(query)) => match select::reads(&query, "defaultdb") {
            Ok(Some(table)) => tables::GOSSIP.contains(&table.as_str()),
            Ok(None) => true,
            Err(_) => false,
        },
        Ok(_) | Err(_) => false,
    }
}

/// The statements in a text, divided at semicolons outside of quotes.
#[must_use]
pub fn statements(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        match (c, quote) {
            (';', None) => {
                all.push(String::new());
                continue;
            }
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
        if let Some(last) = all.last_mut() {
            last.push(c);
        }
    }
    all.iter().map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

/// `table`, `database.table` or `database.public.table` as `database.table`.
fn full_name(written: &ObjectName, database: &str) -> Result<String, Failure> {
    let parts: Option<Vec<String>> =
        written.0.iter().map(|part| part.as_ident().map(eval::name)).collect();
    match parts.as_deref() {
        Some([table]) => Ok(format!("{database}.{table}")),
        Some([public, table]) if public == "public" => Ok(format!("{database}.{table}")),
        Some([database, table]) => Ok(format!("{database}.{table}")),
        Some([database, public, table]) if public == "public" => Ok(format!("{database}.{table}")),
        _ => Err(eval::unknown(written)),
    }
}

/// The range of a client's table answers.
fn readable(cluster: &Cluster, table: &str) -> bool {
    let range = cluster.tables.get(table).and_then(|table| cluster.ranges.get(&table.range));
    range.is_none_or(|range| cluster.available(range))
}
