//! What every host can tell and do, whatever the system: facts, vacancies, claims and
//! tombstones.

use bellows_proto::v1::{
    Fault, FaultCode, HostAction, HostAnswer, HostQuery, host_action, host_answer, host_query,
};

use super::{JobContext, Note, QueryContext};

mod claim;
mod facts;
mod inventory;
mod tombstone;
mod vacancy;

pub use facts::{architecture, boot_id, machine_id};
pub use tombstone::{Enforced, enforce};

/// Answers a query about the host.
///
/// # Errors
/// Why there is no answer.
pub async fn answer(query: &HostQuery, context: &QueryContext) -> Result<HostAnswer, Fault> {
    let kind = match &query.kind {
        Some(host_query::Kind::Facts(_)) => {
            host_answer::Kind::Facts(Box::pin(facts::facts(context)).await?)
        }
        Some(host_query::Kind::Vacancy(query)) => {
            host_answer::Kind::Vacancy(vacancy::vacancy(query, context).await?)
        }
        Some(host_query::Kind::Inventory(_)) => {
            host_answer::Kind::Inventory(Box::pin(inventory::inventory(context)).await?)
        }
        None => return Err(empty("host query")),
    };
    Ok(HostAnswer { kind: Some(kind) })
}

/// Performs an action of the host itself. Each is idempotent.
///
/// # Errors
/// Why it failed.
pub async fn perform(action: &HostAction, context: &JobContext) -> Result<Note, Fault> {
    match &action.kind {
        Some(host_action::Kind::ClaimNode(wanted)) => claim::claim_node(wanted, context).await,
        Some(host_action::Kind::ReleaseNode(wanted)) => claim::release_node(wanted, context).await,
        Some(host_action::Kind::ClaimResource(wanted)) => claim::claim_resource(wanted, context),
        Some(host_action::Kind::ReleaseResource(wanted)) => {
            claim::release_resource(wanted, context)
        }
        Some(host_action::Kind::Tombstone(wanted)) => tombstone::set(wanted, context).await,
        Some(host_action::Kind::LiftTombstone(wanted)) => tombstone::lift(wanted, context).await,
        None => Err(empty("host action")),
    }
}

fn empty(what: &str) -> Fault {
    Fault::new(FaultCode::Invalid, format!("the {what} is empty or of a newer version"))
        .remedy("upgrade this host's agent")
}

/// A part of a message that must be there.
fn part<'a, T>(value: &'a Option<T>, what: &str) -> Result<&'a T, Fault> {
    value.as_ref().ok_or_else(|| Fault::new(FaultCode::Invalid, format!("{what} is missing")))
}
