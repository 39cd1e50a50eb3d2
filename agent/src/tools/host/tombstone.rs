//! Tombstones: a node that left for good never starts again here, whatever else happens.

use bellows_proto::v1::{Fault, FaultCode, LiftTombstone, ServiceState, Tombstone};

use super::{claim, part};
use crate::{
    facilities::{
        Runner,
        claims::{NodeClaim, Remembered},
        services,
    },
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
    let placement = part(&owned.placement, "the claim's placement")?;
    if crate::tools::is_adopted(placement) {
        if wanted.wipe_data {
            let name = format!("{}/{}", node.cluster, node.node);
            let message = format!("node {name} was adopted: its data are not Bellows' own to wipe");
            return Err(Fault::new(FaultCode::NotClaimed, message)
                .remedy("let it leave with its data kept, and remove them by hand"));
        }
        crate::tools::take_over(node, placement, context).await?;
        let services = crate::tools::takes(node, placement).map(|takes| takes.services);
        known.claim =
            known.claim.map(|claim| NodeClaim { services: services.unwrap_or_default(), ..claim });
    }
    known.tombstone = true;
    known.buried = false;
    known.wipe = wanted.wipe_data;
    context.local().claims().put(node, &known)?;
    bury(context, &known).await?;
    if wanted.wipe_data {
        // The service manager knows nothing of a server that somebody started by hand.
        let placement = part(&owned.placement, "the claim's placement")?;
        crate::tools::refuse_running(node, placement, context).await?;
    }
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

/// What [`enforce`] did.
#[derive(Debug, Default)]
pub struct Enforced {
    /// Services that it had to bury.
    pub buried: Vec<String>,
    /// Why a node could not be buried, each: to be tried again.
    pub faults: Vec<Fault>,
}

/// At the agent's start, before anything else: whatever carries a tombstone and runs all the
/// same is stopped, disabled and masked. What fails at one node keeps no other one alive.
pub async fn enforce(runner: &dyn Runner) -> Enforced {
    let mut done = Enforced::default();
    let known = match runner.local().claims().each() {
        Ok(known) => known,
        Err(fault) => {
            done.faults.push(fault);
            return done;
        }
    };
    for known in known {
        match known {
            Ok(known) if known.tombstone => enforce_one(runner, known, &mut done).await,
            Ok(_) => {}
            Err(fault) => done.faults.push(fault),
        }
    }
    done
}

async fn enforce_one(runner: &dyn Runner, mut known: Remembered, done: &mut Enforced) {
    let before = done.faults.len();
    match unit_is_anothers(runner, &known) {
        // What it was started by starts a node that came after it: that one is not to be stopped for it.
        Ok(true) => return,
        Ok(false) => {}
        Err(fault) => return done.faults.push(fault),
    }
    for service in known.claim.iter().flat_map(|claim| &claim.services) {
        match enforce_service(runner, service).await {
            Ok(true) => done.buried.push(service.clone()),
            Ok(false) => {}
            Err(fault) => done.faults.push(fault),
        }
    }
    // A wipe that was cut short is for its step's retry.
    if let Some(node) = known.node.clone()
        && done.faults.len() == before
        && !known.buried
        && !known.wipe
    {
        known.buried = true;
        done.faults.extend(runner.local().claims().put(&node, &known).err());
    }
}

/// Only of one that is buried: what was cut short is made good.
fn unit_is_anothers(runner: &dyn Runner, known: &Remembered) -> Result<bool, Fault> {
    let placement = known.claim.as_ref().and_then(|claim| claim.placement.as_ref());
    match (&known.node, placement) {
        (Some(node), Some(placement)) if known.buried => {
            crate::tools::unit_is_anothers(node, placement, runner.local())
        }
        _ => Ok(false),
    }
}

/// `false`: it was buried already.
async fn enforce_service(runner: &dyn Runner, service: &str) -> Result<bool, Fault> {
    match services(runner).reading(service).await?.state() {
        ServiceState::Masked => Ok(false),
        ServiceState::Unspecified
        | ServiceState::Absent
        | ServiceState::Stopped
        | ServiceState::Running
        | ServiceState::Failed => {
            services(runner).stop(service).await?;
            services(runner).mask(service).await?;
            Ok(true)
        }
    }
}
