//! What is said of an action: its summary, and how long its job may take.

use bellows_proto::v1::{
    Action, PostgresqlAction, PostgresqlService, action, postgresql_action::Kind,
};

use crate::plan::Limits;
use crate::systems::host;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

/// The time limits of an action.
pub(in super::super) fn limits(action: &Action) -> Limits {
    let deadline = |deadline_ms| Limits { deadline_ms, stall_ms: 0 };
    match &action.kind {
        Some(action::Kind::Host(action)) => host::actions::limits(action),
        Some(action::Kind::Postgresql(action)) => match &action.kind {
            // Hours are usual. Ten minutes without a byte are not: a spread checkpoint is over by then.
            Some(Kind::CloneStandby(_)) => Limits { deadline_ms: 0, stall_ms: 10 * MINUTE },
            // A start replays WAL, a stop writes a checkpoint.
            Some(Kind::StartService(_) | Kind::StopService(_)) => deadline(10 * MINUTE),
            // It may wait for clients to go.
            Some(Kind::SetFront(_)) => deadline(15 * MINUTE),
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
        _ => deadline(MINUTE),
    }
}

/// An action in a few words.
pub(in super::super) fn summary(action: &Action) -> String {
    match &action.kind {
        Some(action::Kind::Host(action)) => {
            host::actions::summary(action, "directories, port and services")
        }
        Some(action::Kind::Postgresql(action)) => postgresql_summary(action).to_owned(),
        _ => String::new(),
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
        Some(Kind::SetFront(_)) => "make the front lead clients to other members",
        None => "",
    }
}
