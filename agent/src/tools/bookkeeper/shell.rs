//! The survey by `bookkeeper shell`: what the metadata have of one bookie, read without any bookie's help. Starts JVMs, one
//! after another. Must not change anything.

use std::time::Duration;

use bellows_proto::v1::{BookkeeperShell, BookkeeperShellQuery, Fault};

use super::{
    cluster::count,
    listledgers,
    session::{claimed, required, shell},
    values::Node,
};
use crate::{
    exec::Output,
    facilities::{Runner, fault},
    tools::bookkeeper_shell::{self as words, BookieId},
};

/// A scan of all metadata.
const LIST_DEADLINE: Duration = Duration::from_secs(20 * 60);
/// Reads one thing.
const COOKIE_DEADLINE: Duration = Duration::from_secs(5 * 60);
/// Some 40 bytes for each ledger.
const LIST_LIMIT: usize = 32 * 1024 * 1024;
/// So many ledgers are named.
const MOST: usize = 100;

/// Reads ledgers and cookie of a bookie.
///
/// # Errors
/// `INVALID` for a bad id; else why it could not be told.
pub(super) async fn read(
    runner: &dyn Runner,
    query: &BookkeeperShellQuery,
) -> Result<BookkeeperShell, Fault> {
    let (node, _) = claimed(runner.local(), required(query.at.as_ref())?)?;
    let id = BookieId::new(&query.bookie)?;
    let bookie = id.to_string();
    let ledgers = ledgers(runner, &node, &bookie).await?;
    let cookie = cookie(runner, &node, &id).await?;
    Ok(BookkeeperShell {
        ledgers: count(ledgers.len()),
        first: ledgers.into_iter().take(MOST).collect(),
        bookie,
        cookie,
    })
}

async fn ledgers(
    runner: &dyn Runner,
    node: &Node,
    bookie: &str,
) -> Result<std::collections::BTreeSet<u64>, Fault> {
    let words = listledgers::words(bookie);
    let mut invocation = shell(runner.local(), node, &words, LIST_DEADLINE)?;
    invocation.output = Output::Captured { limit: LIST_LIMIT };
    let command = invocation.command();
    let finished = runner.read(invocation).await?;
    if !finished.success() {
        return Err(fault::tool_failed(&command, &finished, "list the bookie's ledgers"));
    }
    listledgers::parse(&finished)
        .map_err(|error| fault::unreadable(&command, &error.to_string(), &finished.stderr))
}

/// A bookie's cookie in the metadata; `None`: there is none.
///
/// # Errors
/// Why it could not be told.
pub(super) async fn cookie(
    runner: &dyn Runner,
    node: &Node,
    id: &BookieId,
) -> Result<Option<String>, Fault> {
    let words = words::cookie_get(id);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let invocation = shell(runner.local(), node, &words, COOKIE_DEADLINE)?;
    let command = invocation.command();
    let finished = runner.read(invocation).await?;
    words::parse_cookie_get(finished.status, &finished.stdout, &finished.stderr).map_err(|reason| {
        match finished.success() {
            true => fault::unreadable(&command, &reason, &finished.stdout),
            false => words::failed(&command, &finished, "read the cookie"),
        }
    })
}
