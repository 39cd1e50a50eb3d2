//! Actions on replication slots: only on those that are claimed here.
//!
//! Must not know whose turn it is to read them: the plan does.

use bellows_proto::v1::{CreateSlot, DropSlot, Fault, FaultCode, NodeRef};

use super::session::{Client, at, required};
use crate::{
    facilities::{Runner as _, fault},
    tools::{JobContext, Note, psql},
};

const CREATE_SLOT: &str = include_str!("create_slot.sql");
const DROP_SLOT: &str = include_str!("drop_slot.sql");

/// Makes a slot that is claimed here. One that is there already is fine: it is claimed.
pub(super) async fn create_slot(action: &CreateSlot, context: &JobContext) -> Result<Note, Fault> {
    let node = at(action.at.as_ref(), context.local())?;
    claimed_slot(context, [action.at.as_ref(), action.node.as_ref()], &action.slot)?;
    let (command, finished) = Client::of_node(&node)
        .change(context, node.endpoint(), &[("slot", &action.slot)], CREATE_SLOT)
        .await?;
    match psql::sqlstate(&finished.stderr).as_deref() {
        None if finished.success() => Ok(format!("slot {} is made", action.slot)),
        Some(psql::DUPLICATE_OBJECT) => Ok(format!("slot {} was there already", action.slot)),
        _ => Err(fault::tool_failed(&command, &finished, "create the slot")),
    }
}

/// Drops a slot that is claimed here. One that is gone already is fine.
pub(super) async fn drop_slot(action: &DropSlot, context: &JobContext) -> Result<Note, Fault> {
    let node = at(action.at.as_ref(), context.local())?;
    claimed_slot(context, [action.at.as_ref(), action.node.as_ref()], &action.slot)?;
    let (command, finished) = Client::of_node(&node)
        .change(context, node.endpoint(), &[("slot", &action.slot)], DROP_SLOT)
        .await?;
    match psql::sqlstate(&finished.stderr).as_deref() {
        None if finished.success() => Ok(format!("slot {} is dropped", action.slot)),
        Some(psql::UNDEFINED_OBJECT) => Ok(format!("slot {} was gone already", action.slot)),
        Some(psql::OBJECT_IN_USE) => {
            let message = format!("slot {} is in use: its standby still streams", action.slot);
            Err(Fault::new(FaultCode::ToolFailed, message)
                .remedy("stop the server of that standby, then retry")
                .tool(&command, finished.status, &finished.stderr))
        }
        _ => Err(fault::tool_failed(&command, &finished, "drop the slot")),
    }
}

/// A slot's name, as PostgreSQL allows them: a plain word of at most 63 characters.
pub(super) fn slot_name(slot: &str) -> Result<&str, Fault> {
    let good = (1..=63).contains(&slot.len())
        && slot.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if good {
        return Ok(slot);
    }
    Err(Fault::new(FaultCode::Invalid, format!("{slot:?} is no name of a slot")))
}

fn claimed_slot(
    context: &JobContext,
    keepers: [Option<&NodeRef>; 2],
    slot: &str,
) -> Result<(), Fault> {
    slot_name(slot)?;
    // The upstream's record keeps the claim; the standby's own, where both are of this host.
    let resource = format!("postgresql:slot:{slot}");
    let [at, node] = keepers;
    let claims = context.local().claims();
    if claims.holds(required(at)?, &resource)? {
        return Ok(());
    }
    claims.require(required(node)?, &resource)
}
