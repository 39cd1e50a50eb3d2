//! Raising the term at the start: all agents are asked for the highest one that they have
//! seen, then one number above it is made durable before anything is done under it.

use bellows_proto::v1::Term;
use futures::future::join_all;

use crate::{
    agents::GrpcAgents,
    engine::ports::Agents as _,
    inventory::Inventory,
    store::{Store, StoreError},
    term::{Decision, decide},
};

/// Asks, decides, stores. Returns why this coordinator may not change anything, if so.
///
/// Each agent has a few seconds; one that does not answer has no say. If it has seen a higher
/// term it will refuse ours, and the coordinator goes read-only then.
///
/// # Errors
/// If the store failed.
pub async fn raise(
    store: &Store,
    inventory: &Inventory,
    agents: &GrpcAgents,
    take_over: bool,
) -> Result<Option<String>, StoreError> {
    let hosts = inventory.hosts()?;
    let replies = join_all(hosts.iter().map(|record| agents.hello(&record.host))).await;
    let mut seen: Vec<Term> = Vec::new();
    for (record, reply) in hosts.iter().zip(replies) {
        match reply {
            Ok(reply) => seen.extend(reply.term),
            Err(fault) => {
                tracing::warn!(host = record.host, why = fault.message, "no say in the term");
            }
        }
    }
    match decide(&store.term(), &seen, take_over) {
        Decision::Lead(number) => {
            store.set_term(number)?;
            Ok(None)
        }
        Decision::ReadOnly { reason, .. } => Ok(Some(reason)),
    }
}
