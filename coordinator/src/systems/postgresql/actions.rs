//! Every action of the planners, made in one place; their words and time limits stand in `told`. An
//! undo is idempotent on the host: what is not there is no error.

use crate::systems::host;
pub(super) use crate::systems::host::actions::{
    claim_resource, release_node, release_resource, tombstone,
};
use bellows_proto::v1::{
    Action, CloneStandby, CreateRepmgrDatabase, CreateSlot, DemotePrimary, DiscardData, DropSlot,
    FollowUpstream, FrontBackend, HbaSettings, InitDatabase, NodeRef, PauseRepmgrd,
    PostgresqlAction, PostgresqlPlacement, PostgresqlServerSettings, PostgresqlService,
    PromoteStandby, RegisterPrimary, RegisterStandby, RemoveConfiguration, SetFront, StartService,
    StopService, UnregisterStandby, WriteConfiguration, WriteHba, action, placement,
    postgresql_action::Kind,
};

mod told;

pub(super) use told::{limits, summary};

fn postgresql(kind: Kind) -> Action {
    Action { kind: Some(action::Kind::Postgresql(PostgresqlAction { kind: Some(kind) })) }
}

pub(super) fn claim_node(node: NodeRef, place: PostgresqlPlacement) -> Action {
    host::actions::claim_node(node, placement::System::Postgresql(place))
}

pub(super) fn write_configuration(
    node: NodeRef,
    server: PostgresqlServerSettings,
    hba: HbaSettings,
    clone_rate_kib: u32,
) -> Action {
    let (node, server, hba) = (Some(node), Some(server), Some(hba));
    postgresql(Kind::WriteConfiguration(WriteConfiguration { node, server, hba, clone_rate_kib }))
}

pub(super) fn remove_configuration(node: NodeRef) -> Action {
    postgresql(Kind::RemoveConfiguration(RemoveConfiguration { node: Some(node) }))
}

pub(super) fn write_hba(node: NodeRef, hba: HbaSettings) -> Action {
    postgresql(Kind::WriteHba(WriteHba { node: Some(node), hba: Some(hba) }))
}

pub(super) fn init_database(node: NodeRef) -> Action {
    postgresql(Kind::InitDatabase(InitDatabase { node: Some(node) }))
}

pub(super) fn create_repmgr_database(node: NodeRef) -> Action {
    postgresql(Kind::CreateRepmgrDatabase(CreateRepmgrDatabase { node: Some(node) }))
}

pub(super) fn register_primary(node: NodeRef) -> Action {
    postgresql(Kind::RegisterPrimary(RegisterPrimary { node: Some(node) }))
}

/// Size and system identifier are resolved just before it starts.
pub(super) fn clone_standby(node: NodeRef, upstream: &PostgresqlPlacement) -> Action {
    postgresql(Kind::CloneStandby(CloneStandby {
        node: Some(node),
        upstream_address: upstream.address.clone(),
        upstream_port: upstream.port,
        expected_bytes: 0,
        system_identifier: String::new(),
    }))
}

pub(super) fn register_standby(node: NodeRef, upstream: &PostgresqlPlacement) -> Action {
    postgresql(Kind::RegisterStandby(RegisterStandby {
        node: Some(node),
        upstream_id: upstream.node_id,
        primary_address: String::new(),
        primary_port: 0,
        force: false,
    }))
}

/// The form for a standby whose server does not run: the undo of its removal.
pub(super) fn register_stopped_standby(node: NodeRef, primary: &PostgresqlPlacement) -> Action {
    postgresql(Kind::RegisterStandby(RegisterStandby {
        node: Some(node),
        upstream_id: primary.node_id,
        primary_address: primary.address.clone(),
        primary_port: primary.port,
        force: false,
    }))
}

pub(super) fn unregister_standby(at: NodeRef, node: NodeRef, node_id: u32) -> Action {
    postgresql(Kind::UnregisterStandby(UnregisterStandby {
        at: Some(at),
        node: Some(node),
        node_id,
        former_primary: false,
    }))
}

/// Of a node that was primary until another was promoted.
pub(super) fn unregister_former_primary(at: NodeRef, node: NodeRef, node_id: u32) -> Action {
    postgresql(Kind::UnregisterStandby(UnregisterStandby {
        at: Some(at),
        node: Some(node),
        node_id,
        former_primary: true,
    }))
}

/// Over the record of a former primary.
pub(super) fn register_again(node: NodeRef, upstream: &PostgresqlPlacement) -> Action {
    postgresql(Kind::RegisterStandby(RegisterStandby {
        node: Some(node),
        upstream_id: upstream.node_id,
        primary_address: String::new(),
        primary_port: 0,
        force: true,
    }))
}

pub(super) fn create_slot(at: NodeRef, node: NodeRef, slot: String) -> Action {
    postgresql(Kind::CreateSlot(CreateSlot { at: Some(at), node: Some(node), slot }))
}

pub(super) fn pause_repmgrd(node: NodeRef, paused: bool) -> Action {
    postgresql(Kind::PauseRepmgrd(PauseRepmgrd { node: Some(node), paused }))
}

pub(super) fn promote(node: NodeRef) -> Action {
    postgresql(Kind::PromoteStandby(PromoteStandby { node: Some(node) }))
}

pub(super) fn follow(node: NodeRef, upstream_id: u32) -> Action {
    postgresql(Kind::FollowUpstream(FollowUpstream { node: Some(node), upstream_id }))
}

pub(super) fn demote(node: NodeRef, primary: &PostgresqlPlacement, slot: String) -> Action {
    postgresql(Kind::DemotePrimary(DemotePrimary {
        node: Some(node),
        primary_address: primary.address.clone(),
        primary_port: primary.port,
        slot,
    }))
}

pub(super) fn drop_slot(at: NodeRef, node: NodeRef, slot: String) -> Action {
    postgresql(Kind::DropSlot(DropSlot { at: Some(at), node: Some(node), slot }))
}

pub(super) fn start(node: NodeRef, service: PostgresqlService) -> Action {
    postgresql(Kind::StartService(StartService { node: Some(node), service: service.into() }))
}

pub(super) fn stop(node: NodeRef, service: PostgresqlService) -> Action {
    stopping(node, service, false)
}

/// The server of a primary: a checkpoint first, so that the pause for writers is short.
pub(super) fn stop_primary(node: NodeRef) -> Action {
    stopping(node, PostgresqlService::Server, true)
}

fn stopping(node: NodeRef, service: PostgresqlService, checkpoint_first: bool) -> Action {
    let (node, service) = (Some(node), service.into());
    postgresql(Kind::StopService(StopService { node, service, checkpoint_first }))
}

/// A front of this host serves these. `before`: what it serves as long as nothing was done.
pub(super) fn set_front(
    front: NodeRef,
    host: &str,
    backends: Vec<FrontBackend>,
    before: Vec<FrontBackend>,
) -> Action {
    let (front, host) = (Some(front), host.to_owned());
    postgresql(Kind::SetFront(SetFront { front, backends, before, host }))
}

pub(super) fn discard_data(node: NodeRef) -> Action {
    postgresql(Kind::DiscardData(DiscardData { node: Some(node) }))
}
