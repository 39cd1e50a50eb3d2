//! Fills in what only can be known just before an act starts.

use bellows_proto::v1::{Act, Observation, action, postgresql_action::Kind};

use super::view::View;

/// The act with its last unknowns. Only a clone has some: the size to come, and the identity
/// of what is copied.
pub fn resolve(act: &Act, observation: &Observation) -> Result<Act, String> {
    let mut act = act.clone();
    let kind = match act.action.as_mut().and_then(|action| action.kind.as_mut()) {
        Some(action::Kind::Postgresql(action)) => action.kind.as_mut(),
        _ => None,
    };
    match kind {
        Some(Kind::CloneStandby(clone)) => {
            let primary = View::of(observation).primary().map_err(|why| why.text())?;
            if primary.server.system_identifier.is_empty() {
                return Err(format!("{} does not tell its system identifier", primary.member.node));
            }
            clone.expected_bytes = primary.server.database_bytes;
            clone.system_identifier.clone_from(&primary.server.system_identifier);
        }
        Some(
            Kind::WriteConfiguration(_)
            | Kind::RemoveConfiguration(_)
            | Kind::WriteHba(_)
            | Kind::InitDatabase(_)
            | Kind::CreateRepmgrDatabase(_)
            | Kind::RegisterPrimary(_)
            | Kind::RegisterStandby(_)
            | Kind::UnregisterStandby(_)
            | Kind::CreateSlot(_)
            | Kind::DropSlot(_)
            | Kind::StartService(_)
            | Kind::StopService(_)
            | Kind::DiscardData(_)
            | Kind::PauseRepmgrd(_)
            | Kind::PromoteStandby(_)
            | Kind::FollowUpstream(_)
            | Kind::DemotePrimary(_)
            | Kind::SetFront(_),
        )
        | None => {}
    }
    Ok(act)
}
