//! Fills in what only can be known just before an act starts: who audits, and which audit was the last.

use bellows_proto::v1::{Act, NodeRef, Observation, action, bookkeeper_action::Kind};

use super::{autorecovery, view::View};

/// The act with its last unknowns.
pub fn resolve(act: &Act, observation: &Observation) -> Result<Act, String> {
    let view = View::of(observation);
    let mut act = act.clone();
    let Some(action::Kind::Bookkeeper(action)) =
        act.action.as_mut().and_then(|action| action.kind.as_mut())
    else {
        return Ok(act);
    };
    match &mut action.kind {
        Some(Kind::Audit(audit)) => {
            let (node, host) = autorecovery::auditor(view)?;
            audit.after_ms = view.reading(&node)?.audited_at_ms;
            let cluster = audit.at.take().map(|at| at.cluster).unwrap_or_default();
            audit.at = Some(NodeRef { cluster, node });
            act.host = host;
        }
        Some(
            Kind::WriteConfig(_)
            | Kind::RemoveConfig(_)
            | Kind::StartBookie(_)
            | Kind::StopBookie(_)
            | Kind::SetReadOnly(_)
            | Kind::Drain(_)
            | Kind::Decommission(_)
            | Kind::SaveCookie(_)
            | Kind::DeleteCookie(_)
            | Kind::RestoreCookie(_)
            | Kind::SetAutorecovery(_)
            | Kind::DiscardData(_)
            | Kind::TellPlace(_),
        )
        | None => {}
    }
    Ok(act)
}
