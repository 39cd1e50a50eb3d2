//! Every action of the planners, made in one place, with its words, its time limits and how it
//! is taken back. An undo is idempotent on the host: what is not there is no error.

use bellows_proto::v1::{
    Action, ClaimNode, ClaimResource, CloneStandby, CreateRepmgrDatabase, CreateSlot,
    DemotePrimary, DiscardData, DropSlot, FollowUpstream, HbaSettings, HostAction, InitDatabase,
    NodeRef, PauseRepmgrd, Placement, PostgresqlAction, PostgresqlPlacement,
    PostgresqlServerSettings, PostgresqlService, PromoteStandby, RegisterPrimary, RegisterStandby,
    ReleaseNode, ReleaseResource, RemoveConfiguration, StartService, StopService, Tombstone,
    UnregisterStandby, WriteConfiguration, WriteHba, action, host_action, placement,
    postgresql_action::Kind,
};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

/// How long a job may take.
pub(super) struct Limits {
    /// It is ended after this long; 0: never.
    pub(super) deadline_ms: u64,
    /// Held when its progress does not move for this long; 0: not watched.
    pub(super) stall_ms: u64,
}

/// The time limits of an action.
pub(super) fn limits(action: &Action) -> Limits {
    let deadline = |deadline_ms| Limits { deadline_ms, stall_ms: 0 };
    match &action.kind {
        Some(action::Kind::Host(action)) => match &action.kind {
            // Wiping a large data directory takes its time.
            Some(host_action::Kind::Tombstone(_) | host_action::Kind::ReleaseNode(_)) => {
                deadline(30 * MINUTE)
            }
            Some(
                host_action::Kind::ClaimNode(_)
                | host_action::Kind::ClaimResource(_)
                | host_action::Kind::ReleaseResource(_)
                | host_action::Kind::LiftTombstone(_),
            )
            | None => deadline(MINUTE),
        },
        Some(action::Kind::Postgresql(action)) => match &action.kind {
            // Hours are usual. Ten minutes without a byte are not: a spread checkpoint is over by then.
            Some(Kind::CloneStandby(_)) => Limits { deadline_ms: 0, stall_ms: 10 * MINUTE },
            // A start replays WAL, a stop writes a checkpoint.
            Some(Kind::StartService(_) | Kind::StopService(_)) => deadline(10 * MINUTE),
            Some(Kind::InitDatabase(_) | Kind::DiscardData(_)) => deadline(30 * MINUTE),
            Some(
                Kind::WriteConfiguration(_)
                | Kind::RemoveConfiguration(_)
                | Kind::WriteHba(_)
                | Kind::CreateRepmgrDatabase(_)
                | Kind::RegisterPrimary(_)
                | Kind::RegisterStandby(_)
                | Kind::UnregisterStandby(_)
                | Kind::CreateSlot(_)
                | Kind::DropSlot(_)
                | Kind::PauseRepmgrd(_)
                | Kind::PromoteStandby(_)
                | Kind::FollowUpstream(_)
                | Kind::DemotePrimary(_),
            )
            | None => deadline(3 * MINUTE),
        },
        None => deadline(MINUTE),
    }
}

/// An action in a few words.
pub(super) fn summary(action: &Action) -> String {
    match &action.kind {
        Some(action::Kind::Host(action)) => host_summary(action),
        Some(action::Kind::Postgresql(action)) => postgresql_summary(action).to_owned(),
        None => String::new(),
    }
}

fn host_summary(action: &HostAction) -> String {
    match &action.kind {
        Some(host_action::Kind::ClaimNode(_)) => "claim directories, port and services".to_owned(),
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

fn postgresql_summary(action: &PostgresqlAction) -> &'static str {
    match &action.kind {
        Some(Kind::WriteConfiguration(_)) => "write configuration and services",
        Some(Kind::RemoveConfiguration(_)) => "remove configuration and services",
        Some(Kind::WriteHba(_)) => "write pg_hba.conf, reload",
        Some(Kind::InitDatabase(_)) => "initdb",
        Some(Kind::CreateRepmgrDatabase(_)) => "create the repmgr database",
        Some(Kind::RegisterPrimary(_)) => "repmgr primary register",
        Some(Kind::CloneStandby(_)) => "repmgr standby clone",
        Some(Kind::RegisterStandby(_)) => "repmgr standby register",
        Some(Kind::UnregisterStandby(of)) if of.former_primary => "repmgr primary unregister",
        Some(Kind::UnregisterStandby(_)) => "repmgr standby unregister",
        Some(Kind::CreateSlot(_)) => "create the replication slot",
        Some(Kind::DropSlot(_)) => "drop the replication slot",
        Some(Kind::StartService(start)) => match start.service() {
            PostgresqlService::Server => "start and enable the server",
            PostgresqlService::Repmgrd => "start and enable repmgrd",
            PostgresqlService::Unspecified => "",
        },
        Some(Kind::StopService(stop)) => match stop.service() {
            PostgresqlService::Server => "stop and disable the server",
            PostgresqlService::Repmgrd => "stop and disable repmgrd",
            PostgresqlService::Unspecified => "",
        },
        Some(Kind::DiscardData(_)) => "empty the data directory",
        Some(Kind::PauseRepmgrd(pause)) if pause.paused => "pause repmgrd",
        Some(Kind::PauseRepmgrd(_)) => "let repmgrd decide again",
        Some(Kind::PromoteStandby(_)) => "repmgr standby promote",
        Some(Kind::FollowUpstream(_)) => "repmgr standby follow",
        Some(Kind::DemotePrimary(_)) => "configure the stopped server as a standby",
        None => "",
    }
}

fn host(kind: host_action::Kind) -> Action {
    Action { kind: Some(action::Kind::Host(HostAction { kind: Some(kind) })) }
}

fn postgresql(kind: Kind) -> Action {
    Action { kind: Some(action::Kind::Postgresql(PostgresqlAction { kind: Some(kind) })) }
}

pub(super) fn claim_node(node: NodeRef, place: PostgresqlPlacement) -> Action {
    let placement = Some(Placement { system: Some(placement::System::Postgresql(place)) });
    host(host_action::Kind::ClaimNode(ClaimNode { node: Some(node), placement }))
}

pub(super) fn release_node(node: NodeRef) -> Action {
    host(host_action::Kind::ReleaseNode(ReleaseNode { node: Some(node) }))
}

/// `keeper` is the node of that host whose record keeps the claim.
pub(super) fn claim_resource(keeper: NodeRef, resource: String) -> Action {
    host(host_action::Kind::ClaimResource(ClaimResource {
        node: Some(keeper),
        resource,
        prior: String::new(),
    }))
}

pub(super) fn release_resource(keeper: NodeRef, resource: String) -> Action {
    host(host_action::Kind::ReleaseResource(ReleaseResource { node: Some(keeper), resource }))
}

pub(super) fn tombstone(node: NodeRef, wipe_data: bool) -> Action {
    host(host_action::Kind::Tombstone(Tombstone { node: Some(node), wipe_data }))
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

pub(super) fn discard_data(node: NodeRef) -> Action {
    postgresql(Kind::DiscardData(DiscardData { node: Some(node) }))
}
