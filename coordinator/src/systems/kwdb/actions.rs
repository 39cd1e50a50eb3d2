//! Every action of the planners, made in one place; their words and time limits stand in `told`. An
//! undo is idempotent on the host: what is not there is no error.

use crate::systems::host;
pub(super) use crate::systems::host::actions::{lift_tombstone, release_node, tombstone};
use bellows_proto::v1::{
    Action, KwdbAction, KwdbDecommission, KwdbDeployDecommission, KwdbDiscardData,
    KwdbForgetSigned, KwdbPlaceCertificates, KwdbPlacement, KwdbRecommission,
    KwdbRemoveCertificates, KwdbRemoveStart, KwdbRequestCertificates, KwdbRestartNode,
    KwdbSetRebalance, KwdbSignCertificates, KwdbStart, KwdbStartNode, KwdbStopNode, KwdbWriteStart,
    NodeRef, action, kwdb_action::Kind, placement,
};

mod told;

pub(super) use told::{limits, summary};

fn kwdb(kind: Kind) -> Action {
    Action { kind: Some(action::Kind::Kwdb(KwdbAction { kind: Some(kind) })) }
}

pub(super) fn claim_node(node: NodeRef, place: KwdbPlacement) -> Action {
    host::actions::claim_node(node, placement::System::Kwdb(place))
}

pub(super) fn write_start(node: NodeRef, start: KwdbStart) -> Action {
    kwdb(Kind::WriteStart(KwdbWriteStart { node: Some(node), start: Some(start) }))
}

pub(super) fn remove_start(node: NodeRef) -> Action {
    kwdb(Kind::RemoveStart(KwdbRemoveStart { node: Some(node) }))
}

pub(super) fn request_certificates(node: NodeRef) -> Action {
    kwdb(Kind::RequestCertificates(KwdbRequestCertificates { node: Some(node) }))
}

/// The requests are resolved just before it starts.
pub(super) fn sign_certificates(at: NodeRef, node: NodeRef, address: &str) -> Action {
    kwdb(Kind::SignCertificates(KwdbSignCertificates {
        at: Some(at),
        node: Some(node),
        address: address.to_owned(),
        ..KwdbSignCertificates::default()
    }))
}

pub(super) fn forget_signed(at: NodeRef, node: NodeRef) -> Action {
    kwdb(Kind::ForgetSigned(KwdbForgetSigned { at: Some(at), node: Some(node) }))
}

/// What is placed is resolved just before it starts.
pub(super) fn place_certificates(node: NodeRef) -> Action {
    let node = Some(node);
    kwdb(Kind::PlaceCertificates(KwdbPlaceCertificates { node, ..Default::default() }))
}

pub(super) fn remove_certificates(node: NodeRef) -> Action {
    kwdb(Kind::RemoveCertificates(KwdbRemoveCertificates { node: Some(node) }))
}

pub(super) fn start_node(node: NodeRef) -> Action {
    kwdb(Kind::StartNode(KwdbStartNode { node: Some(node) }))
}

/// `quit`: it drains first, in its own time.
pub(super) fn stop_node(node: NodeRef, quit: bool) -> Action {
    kwdb(Kind::StopNode(KwdbStopNode { node: Some(node), quit }))
}

/// `started_at` is resolved just before it starts.
pub(super) fn restart_node(node: NodeRef) -> Action {
    let node = Some(node);
    kwdb(Kind::RestartNode(KwdbRestartNode { node, started_at: String::new() }))
}

/// `at`: a member that stays. `node_id` 0: resolved just before it starts.
pub(super) fn decommission(at: NodeRef, node: NodeRef, node_id: u32) -> Action {
    let (at, node) = (Some(at), Some(node));
    kwdb(Kind::Decommission(KwdbDecommission { at, node, node_id }))
}

pub(super) fn recommission(at: NodeRef, node: NodeRef, node_id: u32) -> Action {
    let (at, node) = (Some(at), Some(node));
    kwdb(Kind::Recommission(KwdbRecommission { at, node, node_id }))
}

pub(super) fn set_rebalance(at: NodeRef, enabled: bool) -> Action {
    kwdb(Kind::SetRebalance(KwdbSetRebalance { at: Some(at), enabled }))
}

pub(super) fn discard_data(node: NodeRef) -> Action {
    kwdb(Kind::DiscardData(KwdbDiscardData { node: Some(node) }))
}

pub(super) fn deploy_decommission(node: NodeRef, node_id: u32) -> Action {
    kwdb(Kind::DeployDecommission(KwdbDeployDecommission { node: Some(node), node_id }))
}
