//! Raising the term at the start: all agents are asked for the highest one that they have
//! seen, then one number above it is made durable before anything is done under it, then they
//! are told.

use bellows_proto::v1::{AuditCall, Term};
use futures::future::join_all;

use super::{App, ServeError};
use crate::{
    agents::GrpcAgents,
    audit::RAISE_TERM,
    clock::now_ms,
    engine::ports::Agents as _,
    plan::Systems,
    store::DoubtKind,
    term::{Decision, decide},
};

/// Asks, decides, stores, tells. Returns why this coordinator may not change anything, if so.
///
/// Each agent has a few seconds; one that does not answer has no say. If it has seen a higher
/// term it will refuse ours, and the coordinator goes read-only then. Where it takes over from
/// another coordinator its store stands in doubt: what that one did is not in it.
///
/// # Errors
/// If the store or the audit log failed.
pub async fn raise<S: Systems>(
    app: &App<S>,
    take_over: bool,
) -> Result<Option<String>, ServeError> {
    let App { store, inventory, agents, audit, .. } = app;
    let hosts: Vec<String> = inventory.hosts()?.into_iter().map(|record| record.host).collect();
    let replies = join_all(hosts.iter().map(|host| agents.hello(host))).await;
    let mut seen: Vec<Term> = Vec::new();
    for (host, reply) in hosts.iter().zip(replies) {
        match reply {
            Ok(reply) => seen.extend(reply.term),
            Err(fault) => tracing::warn!(host, why = fault.message, "no say in the term"),
        }
    }
    match decide(&store.term(), &seen, take_over) {
        Decision::Lead { number, over } => {
            let mut detail = String::new();
            if let Some(over) = over {
                tracing::error!(over, "taken over: every open operation is held");
                let text = format!("this coordinator has taken over: {over}");
                detail = text.clone();
                // Before the number: a crash in between must not forget why.
                store.raise_doubt(DoubtKind::TakenOver, &text, now_ms())?;
            }
            store.set_term(number)?;
            // Before any agent hears of it: by this the log knows later which calls were its own.
            audit.call(AuditCall {
                principal: "bellows serve".to_owned(),
                call: RAISE_TERM.to_owned(),
                term: Some(store.term()),
                detail,
                ..AuditCall::default()
            })?;
            agents.lead(store.term());
            announce(&store.term(), &hosts, agents).await;
            Ok(None)
        }
        Decision::ReadOnly { reason, .. } => Ok(Some(reason)),
    }
}

/// Tells all agents who leads, so that an older coordinator, or a copy of this one that starts a
/// moment later, is refused everywhere from now on and not only where something was done. Where
/// one has heard of another leader meanwhile, its refusal forbids all changes.
async fn announce(term: &Term, hosts: &[String], agents: &GrpcAgents) {
    let told = join_all(hosts.iter().map(|host| agents.announce_term(host, term))).await;
    for (host, answer) in hosts.iter().zip(told) {
        if let Err(fault) = answer {
            tracing::warn!(host, why = fault.message, "was not told who leads");
        }
    }
}
