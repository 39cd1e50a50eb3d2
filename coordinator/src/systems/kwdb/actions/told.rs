//! What is said of an action: its summary, and how long its job may take.

use bellows_proto::v1::{Action, KwdbAction, action, kwdb_action::Kind};

use crate::plan::Limits;
use crate::systems::host;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

/// The time limits of an action.
pub(in super::super) fn limits(action: &Action) -> Limits {
    let deadline_ms = match &action.kind {
        Some(action::Kind::Host(action)) => return host::actions::limits(action),
        Some(action::Kind::Kwdb(action)) => kwdb(action),
        _ => MINUTE,
    };
    Limits { deadline_ms, stall_ms: 0 }
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
        Some(action::Kind::Host(action)) => {
            host::actions::summary(action, "directories, ports and the unit")
        }
        Some(action::Kind::Kwdb(action)) => kwdb_summary(action),
        _ => String::new(),
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
