//! The reading of a node: what lies on its host, and what it says of the cluster out of its memory.
//!
//! What could not be read is a fault in its place, never an empty value. Must not change anything.

use bellows_proto::v1::{
    Fault, FaultCode, KwdbReading, NodeRef, ServiceState, kwdb_reading::Server,
};

use super::{
    certificates, data, installation, place, processes, service,
    session::{ask, placement_of},
    start,
    values::Node,
};
use crate::{
    facilities::{Runner, claims},
    tools::proc,
};

/// Reads a node. One that is not claimed here is read where it would live.
///
/// # Errors
/// If the claim, a directory, a file or a service cannot be read; the node's silence is part of the reading.
pub(super) async fn node(runner: &dyn Runner, reference: &NodeRef) -> Result<KwdbReading, Fault> {
    let local = runner.local();
    let section = place::section(local)?;
    let remembered = local.claims().get(reference)?;
    let claimed = remembered.as_ref().and_then(placement_of);
    let is_claimed = claimed.is_some();
    let placement = match claimed {
        Some(placement) => placement,
        None => place::propose(local, reference, 0)?,
    };
    let node = Node::new(reference, &placement)?;
    let claim = remembered.as_ref().and_then(|known| known.claim.as_ref());
    let mut reading = KwdbReading {
        node: Some(reference.clone()),
        claimed: Some(is_claimed),
        tombstone: Some(remembered.as_ref().is_some_and(|known| known.tombstone && known.buried)),
        data_is_ours: claim.map(|claim| data::is_ours(&node, claim)),
        waiters: processes::waiters(local.host.as_ref())?,
        installation: installation::read(local, section)?,
        certificates: Some(certificates::reading(local, &node)?),
        signed: certificates::signed(local, &node)?,
        placement: Some(placement),
        ..KwdbReading::default()
    };
    reading.set_data_directory(claims::directory_state(local, node.data_dir.as_path())?);
    reading.set_store_mode(start::store_mode(local, &node)?);
    if !node.adopted {
        let (file, start) = start::reading(local, &node)?;
        reading.files.push(file);
        reading.start = start;
    }
    let (service, left_alone, up) = futures::join!(
        service::reading(runner, &node),
        left_alone(runner, &node, is_claimed),
        async { if is_claimed { ask(runner, &node).await } else { Err(not_claimed(reference)) } },
    );
    let service = service?;
    reading.left_alone = left_alone?;
    if service.state() == ServiceState::Running && service.pid != 0 {
        let command = proc::command(local.host.as_ref(), service.pid)?;
        reading.command = command.unwrap_or_default();
    }
    reading.service = Some(service);
    reading.server = Some(match up {
        Ok(server) => Server::Up(server),
        Err(fault) => Server::Down(fault),
    });
    Ok(reading)
}

fn not_claimed(reference: &NodeRef) -> Fault {
    let name = format!("{}/{}", reference.cluster, reference.node);
    Fault::new(FaultCode::NotClaimed, format!("no node {name} is claimed here"))
}

/// Of a node of ours nothing stands in the way.
async fn left_alone(
    runner: &dyn Runner,
    node: &Node,
    is_claimed: bool,
) -> Result<Vec<String>, Fault> {
    if !is_claimed {
        return service::no_room(runner, node).await;
    }
    if !node.adopted {
        return Ok(Vec::new());
    }
    match place::still_allowed(runner.local()) {
        Ok(_) => service::obstacles(runner, node).await,
        Err(fault) => Ok(vec![fault.to_string()]),
    }
}
