//! BookKeeper on this host: what queries read and actions change.
//!
//! Messages name nodes; paths come from the node's claim. Must not know the coordinator, plans or other hosts.

use bellows_proto::v1::{
    BookkeeperAction, BookkeeperAnswer, BookkeeperPlacement, BookkeeperQuery, Fault, FaultCode,
    NodeRef, SystemFacts, ToolVersion, bookkeeper_answer, bookkeeper_query,
};

use super::{JobContext, Note, QueryContext};
use crate::facilities::Runner;

mod actions;
mod adopted;
mod cluster;
pub mod conf;
pub mod cookie;
mod find;
mod http;
mod ledgers;
pub mod listledgers;
mod place;
mod places;
mod processes;
mod reading;
mod saved;
mod service;
mod session;
mod shell;
pub mod values;
mod version;

pub use place::{holdings, propose, takes, unit_is_anothers};

/// Answers a query.
///
/// # Errors
/// Why there is no answer.
pub async fn answer(
    query: &BookkeeperQuery,
    context: &QueryContext,
) -> Result<BookkeeperAnswer, Fault> {
    use bookkeeper_answer::Kind as Answer;
    use bookkeeper_query::Kind as Query;
    let kind = match &query.kind {
        Some(Query::Node(query)) => {
            Answer::Node(Box::pin(reading::node(context, query.node.as_ref())).await?)
        }
        Some(Query::Cluster(query)) => {
            let at = session::required(query.at.as_ref())?;
            let (node, _) = session::claimed(context.local(), at)?;
            Answer::Cluster(Box::pin(cluster::read(context, &node)).await?)
        }
        Some(Query::Ledgers(query)) => Answer::Ledgers(ledgers::read(context, query).await?),
        Some(Query::Shell(query)) => Answer::Shell(shell::read(context, query).await?),
        Some(Query::Find(_)) => Answer::Found(Box::pin(find::find(context)).await?),
        Some(Query::Places(query)) => Answer::Places(places::read(context, query).await?),
        None => return Err(empty("query")),
    };
    Ok(BookkeeperAnswer { kind: Some(kind) })
}

/// Performs an action.
///
/// # Errors
/// Why it failed: command, exit status and end of stderr where a tool ran.
pub async fn perform(action: &BookkeeperAction, context: &JobContext) -> Result<Note, Fault> {
    actions::perform(action, context).await
}

/// Whether a query is slow: it reads all ledgers, or starts a JVM.
pub fn is_survey(query: &BookkeeperQuery) -> bool {
    use bookkeeper_query::Kind as Query;
    match &query.kind {
        Some(Query::Ledgers(_) | Query::Shell(_) | Query::Places(_)) => true,
        Some(Query::Node(_) | Query::Cluster(_) | Query::Find(_)) | None => false,
    }
}

/// Remembers the service of an adopted bookie.
///
/// # Errors
/// `DENIED` if `agent.toml` does not allow it.
pub async fn take_over(
    node: &NodeRef,
    placement: &BookkeeperPlacement,
    context: &JobContext,
) -> Result<(), Fault> {
    service::take_over(context, &values::Node::new(node, placement)?).await
}

/// Refuses while the bookie runs.
///
/// # Errors
/// `DRIFT` if it does.
pub async fn refuse_running(
    node: &NodeRef,
    placement: &BookkeeperPlacement,
    context: &JobContext,
) -> Result<(), Fault> {
    service::refuse_running(context, &values::Node::new(node, placement)?).await
}

fn empty(what: &str) -> Fault {
    let message = format!("the {what} of bookkeeper is empty or of a newer version");
    Fault::new(FaultCode::Invalid, message).remedy("upgrade this host's agent")
}

/// What this host has for BookKeeper. A tool that is missing has an empty version.
pub async fn facts(runner: &dyn Runner) -> SystemFacts {
    let local = runner.local();
    let mut facts = SystemFacts {
        system: "bookkeeper".to_owned(),
        address: local.config.agent.address.to_string(),
        ..SystemFacts::default()
    };
    let Ok(section) = place::section(local) else { return facts };
    let version = version::installed(local.host.as_ref(), &section.program);
    facts.tools = vec![ToolVersion { tool: "bookkeeper".to_owned(), version }];
    let spaces = section.ledger_roots.iter().filter_map(|root| local.host.space(root).ok());
    // Of several the fullest: ledgers go to all of them.
    if let Some(space) = spaces.min_by_key(|space| space.free) {
        facts.data_free_bytes = space.free;
        facts.data_total_bytes = space.total;
    }
    facts
}
