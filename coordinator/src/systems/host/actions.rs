//! Actions on the records of any host, and what is said of them. An undo is idempotent: what is not there is no
//! error.

use bellows_proto::v1::{
    Action, ClaimNode, ClaimResource, HostAction, LiftTombstone, NodeRef, Placement, ReleaseNode,
    ReleaseResource, Tombstone, action, host_action, placement,
};

use crate::plan::{Limits, moved_ms};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
/// Files go faster than they come. Bytes per second.
pub const WIPE_RATE: u64 = 1 << 30;

/// Records that a node is to live at a place.
pub fn claim_node(node: NodeRef, place: placement::System) -> Action {
    let placement = Some(Placement { system: Some(place) });
    of_host(host_action::Kind::ClaimNode(ClaimNode { node: Some(node), placement }))
}

/// Gives it back.
pub fn release_node(node: NodeRef) -> Action {
    of_host(host_action::Kind::ReleaseNode(ReleaseNode { node: Some(node) }))
}

/// `keeper` is the node of that host whose record keeps the claim.
pub fn claim_resource(keeper: NodeRef, resource: String) -> Action {
    let (node, prior) = (Some(keeper), String::new());
    of_host(host_action::Kind::ClaimResource(ClaimResource { node, resource, prior }))
}

/// Gives it back.
pub fn release_resource(keeper: NodeRef, resource: String) -> Action {
    of_host(host_action::Kind::ReleaseResource(ReleaseResource { node: Some(keeper), resource }))
}

/// Stops and disables a node for good, and records it.
pub fn tombstone(node: NodeRef, wipe_data: bool) -> Action {
    of_host(host_action::Kind::Tombstone(Tombstone { node: Some(node), wipe_data }))
}

/// Takes the record back.
pub fn lift_tombstone(node: NodeRef) -> Action {
    of_host(host_action::Kind::LiftTombstone(LiftTombstone { node: Some(node) }))
}

fn of_host(kind: host_action::Kind) -> Action {
    Action { kind: Some(action::Kind::Host(HostAction { kind: Some(kind) })) }
}

/// The burial that an action is. All others only write records of the agent: by hand there is nothing to do.
pub fn burial(action: &HostAction) -> Option<&Tombstone> {
    match &action.kind {
        Some(host_action::Kind::Tombstone(stone)) => Some(stone),
        Some(
            host_action::Kind::ClaimNode(_)
            | host_action::Kind::ReleaseNode(_)
            | host_action::Kind::ClaimResource(_)
            | host_action::Kind::ReleaseResource(_)
            | host_action::Kind::LiftTombstone(_),
        )
        | None => None,
    }
}

/// How long a job of it may take.
pub fn limits(action: &HostAction) -> Limits {
    let deadline_ms = match &action.kind {
        // Wiping a large data directory takes its time.
        Some(host_action::Kind::Tombstone(_) | host_action::Kind::ReleaseNode(_)) => 30 * MINUTE,
        Some(
            host_action::Kind::ClaimNode(_)
            | host_action::Kind::ClaimResource(_)
            | host_action::Kind::ReleaseResource(_)
            | host_action::Kind::LiftTombstone(_),
        )
        | None => MINUTE,
    };
    Limits { deadline_ms, stall_ms: 0 }
}

/// Milliseconds that it will take, about, where the node has so many bytes of data.
pub fn expected_ms(action: &HostAction, data_bytes: u64) -> u64 {
    match &action.kind {
        Some(host_action::Kind::Tombstone(stone)) if stone.wipe_data => {
            (2 * SECOND).saturating_add(moved_ms(data_bytes, WIPE_RATE))
        }
        Some(
            host_action::Kind::Tombstone(_)
            | host_action::Kind::ClaimNode(_)
            | host_action::Kind::ReleaseNode(_)
            | host_action::Kind::ClaimResource(_)
            | host_action::Kind::ReleaseResource(_)
            | host_action::Kind::LiftTombstone(_),
        ) => SECOND,
        None => 0,
    }
}

/// It in a few words. `place`: what the claim of a node of this system has: "directories, port and services".
pub fn summary(action: &HostAction, place: &str) -> String {
    match &action.kind {
        Some(host_action::Kind::ClaimNode(_)) => format!("claim {place}"),
        Some(host_action::Kind::ReleaseNode(_)) => "give the node's claim back".to_owned(),
        Some(host_action::Kind::ClaimResource(claim)) => format!("claim {}", claim.resource),
        Some(host_action::Kind::ReleaseResource(release)) => {
            format!("give {} back", release.resource)
        }
        Some(host_action::Kind::Tombstone(stone)) if stone.wipe_data => {
            "tombstone, remove the data".to_owned()
        }
        Some(host_action::Kind::Tombstone(_)) => "tombstone, keep the data".to_owned(),
        Some(host_action::Kind::LiftTombstone(_)) => "take the tombstone back".to_owned(),
        None => String::new(),
    }
}
