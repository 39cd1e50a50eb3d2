//! What an act changes in managed files, in lines for the plan. The files themselves are
//! rendered on the host; what differs is in the typed settings.

use bellows_proto::v1::{Act, action, bookkeeper_action::Kind};

/// Lines that begin with "+ "; empty for acts that write no managed file.
pub(super) fn of(act: &Act) -> Vec<String> {
    match act.action.as_ref().and_then(|action| action.kind.as_ref()) {
        Some(action::Kind::Bookkeeper(action)) => match &action.kind {
            Some(Kind::WriteConfig(write)) => write
                .settings
                .iter()
                .map(|one| format!("+ bookie.conf: {}={}", one.key, one.value))
                .collect(),
            Some(_) | None => Vec::new(),
        },
        _ => Vec::new(),
    }
}
