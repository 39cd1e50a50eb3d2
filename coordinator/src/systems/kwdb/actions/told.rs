//! What is said of an action: its summary, and how long its job may take.

use bellows_proto::v1::{Action, HostAction, KwdbAction, action, host_action, kwdb_action::Kind};

use crate::plan::Limits;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

/// The time limits of an action.
pub(in super::super) fn limits(action: &Action) -> Limits {
    let deadline_ms = match &action.kind {
        Some(action::Kind::Host(action)) => on_host(action),
        Some(action::Kind::Kwdb(action)) => kwdb(action),
        _ => MINUTE,
    };
    Limits { deadline_ms, stall_ms: 0 }
}

fn on_host(action: &HostAction) -> u64 {
    match &action.kind {
        // Wiping a large data directory takes its time.
        Some(host_action::Kind::Tombstone(_) | host_action::Kind::ReleaseNode(_)) => 30 * MINUTE,
        Some(
            host_action::Kind::ClaimNode(_)
            | host_action::Kind::ClaimResource(_)
            | host_action::Kind::ReleaseResource(_)
            | host_action::Kind::LiftTombstone(_),
        )
        | None => MINUTE,
    }
}

fn kwdb(action: &KwdbAction) -> u64 {
    match &action.kind {
        // `quit` waits for clients and leases, up to ten minutes of its own.
        Some(Kind::StopNode(_) | Kind::RestartNode(_)) => 20 * MINUTE,
        // It waits until the node answers, up to ten minutes of its own.
        Some(Kind::StartNode(_)) => 15 * MINUTE,
        Some(Kind::DiscardData(_)) => 30 * MINUTE,
        Some(
            Kind::WriteStart(_)
            | Kind::RemoveStart(_)
            | Kind::RequestCertificates(_)
            | Kind::SignCertificates(_)
            | Kind::ForgetSigned(_)
            | Kind::PlaceCertificates(_)
            | Kind::RemoveCertificates(_)
            | Kind::Decommission(_)
            | Kind::Recommission(_)
            | Kind::SetRebalance(_)
            | Kind::DeployDecommission(_),
        )
        | None => 3 * MINUTE,
    }
}

/// An action in a few words.
pub(in super::super) fn summary(action: &Action) -> String {
    match &action.kind {
        Some(action::Kind::Host(action)) => host_summary(action).to_owned(),
        Some(action::Kind::Kwdb(action)) => kwdb_summary(action),
        _ => String::new(),
    }
}

fn host_summary(action: &HostAction) -> &'static str {
    match &action.kind {
        Some(host_action::Kind::ClaimNode(_)) => "claim directories, ports and the unit",
        Some(host_action::Kind::ReleaseNode(_)) => "give the node's claim back",
        Some(host_action::Kind::ClaimResource(_)) => "claim a resource",
        Some(host_action::Kind::ReleaseResource(_)) => "give a resource back",
        Some(host_action::Kind::Tombstone(stone)) if stone.wipe_data => {
            "tombstone, remove the data"
        }
        Some(host_action::Kind::Tombstone(_)) => "tombstone, keep the data",
        Some(host_action::Kind::LiftTombstone(_)) => "take the tombstone back",
        None => "",
    }
}

fn kwdb_summary(action: &KwdbAction) -> String {
    let id = |id: u32| if id == 0 { String::new() } else { format!(" {id}") };
    let text = match &action.kind {
        Some(Kind::WriteStart(_)) => "write with what the unit starts kwbase",
        Some(Kind::RemoveStart(_)) => "remove with what the unit starts kwbase",
        Some(Kind::RequestCertificates(_)) => "make keys and requests",
        Some(Kind::SignCertificates(_)) => "sign with the cluster's ca.key",
        Some(Kind::ForgetSigned(_)) => "forget what was signed",
        Some(Kind::PlaceCertificates(_)) => "put the certificates in place",
        Some(Kind::RemoveCertificates(_)) => "remove keys and certificates",
        Some(Kind::StartNode(_)) => "start and enable the node",
        Some(Kind::StopNode(stop)) if stop.quit => "kwbase quit, then stop and disable the node",
        Some(Kind::StopNode(_)) => "stop and disable the node",
        Some(Kind::RestartNode(_)) => "stop and start the node",
        Some(Kind::Decommission(of)) => {
            return format!("kwbase node decommission{} --wait=none", id(of.node_id));
        }
        Some(Kind::Recommission(of)) => {
            return format!("kwbase node recommission{}", id(of.node_id));
        }
        Some(Kind::SetRebalance(_)) => {
            "SET CLUSTER SETTING kv.allocator.ts_consider_rebalance.enabled"
        }
        Some(Kind::DiscardData(_)) => "empty the data directory",
        Some(Kind::DeployDecommission(_)) => "deploy.sh decommission",
        None => "",
    };
    text.to_owned()
}
