//! Tombstones: a node that left for good never starts again here, whatever else happens.

use bellows_proto::v1::{Fault, FaultCode, LiftTombstone, ServiceState, Tombstone};

use super::{claim, part};
use crate::{
    facilities::{Runner, claims::Remembered, services},
    tools::{JobContext, Note},
};

/// Writes the tombstone first, then stops, disables and masks, then wipes if asked to. Only
/// then the record says that the node is buried.
pub(super) async fn set(wanted: &Tombstone, context: &JobContext) -> Result<Note, Fault> {
    let node = part(&wanted.node, "node")?;
    let mut known = claim::remembered(context, node)?;
    let Some(owned) = known.claim.clone() else {
        return Err(Fault::new(
            FaultCode::NotClaimed,
            format!(
                "node {}/{} is not claimed on this host, so Bellows does not bury it",
                node.cluster, node.node
            ),
        ));
    };
    known.tombstone = true;
    known.buried = false;
    known.wipe = wanted.wipe_data;
    context.local().claims().put(node, &known)?;
    bury(context, &known).await?;
    let mut note = Vec::new();
    for directory in owned.directories.iter().filter(|d| d.data) {
        if wanted.wipe_data && claim::clear(context, directory)? {
            note.push(format!("{} wiped", directory.path));
        } else {
            note.push(format!("{} kept", directory.path));
        }
    }
    known.buried = true;
    known.wipe = false;
    context.local().claims().put(node, &known)?;
    Ok(note.join(", "))
}

/// Takes a tombstone back: services can be started again, nothing is started.
pub(super) async fn lift(wanted: &LiftTombstone, context: &JobContext) -> Result<Note, Fault> {
    let node = part(&wanted.node, "node")?;
    let mut known = claim::remembered(context, node)?;
    if !known.tombstone {
        return Ok("no tombstone".to_owned());
    }
    for service in known.claim.iter().flat_map(|claim| &claim.services) {
        services(context).unmask(service).await?;
    }
    known.tombstone = false;
    known.buried = false;
    known.wipe = false;
    context.local().claims().put(node, &known)?;
    Ok("tombstone lifted".to_owned())
}

async fn bury(runner: &dyn Runner, known: &Remembered) -> Result<(), Fault> {
    for service in known.claim.iter().flat_map(|claim| &claim.services) {
        services(runner).stop(service).await?;
        services(runner).mask(service).await?;
    }
    Ok(())
}

/// At the agent's start, before anything else: whatever carries a tombstone and runs all the
/// same is stopped, disabled and masked. Returns the services that it had to bury.
///
/// # Errors
/// If records cannot be read or a service does not stop.
pub async fn enforce(runner: &dyn Runner) -> Result<Vec<String>, Fault> {
    let mut buried = Vec::new();
    for mut known in runner.local().claims().all()? {
        if !known.tombstone {
            continue;
        }
        for service in known.claim.iter().flat_map(|claim| &claim.services) {
            let state = services(runner).reading(service).await?.state();
            match state {
                ServiceState::Masked => {}
                ServiceState::Unspecified
                | ServiceState::Absent
                | ServiceState::Stopped
                | ServiceState::Running
                | ServiceState::Failed => {
                    services(runner).stop(service).await?;
                    services(runner).mask(service).await?;
                    buried.push(service.clone());
                }
            }
        }
        // A wipe that was cut short is for its step's retry.
        if let Some(node) = known.node.clone().filter(|_| !known.buried && !known.wipe) {
            known.buried = true;
            runner.local().claims().put(&node, &known)?;
        }
    }
    Ok(buried)
}
