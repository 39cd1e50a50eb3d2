//! What new bookies take over of a living member's configuration. Its host tells only what may be taken over: never a
//! path, an address or a secret.

use bellows_proto::v1::BookkeeperSetting;

use super::{
    draft::Placed,
    view::{View, server},
};

/// Set by each host itself, whatever the others have.
const ALWAYS: &str = "persistBookieStatusEnabled";

/// Of the first member that answers, in order of its keys: its name, and what is taken over.
///
/// # Errors
/// If none of them answers.
pub(super) fn of_a_member(
    view: View<'_>,
    members: &[&Placed],
) -> Result<(String, Vec<BookkeeperSetting>), String> {
    for member in members {
        let Ok(reading) = view.reading(&member.node) else { continue };
        if server(&member.node, reading).is_err() || reading.settings.is_empty() {
            continue;
        }
        let mut settings: Vec<BookkeeperSetting> =
            reading.settings.iter().filter(|one| one.key != ALWAYS).cloned().collect();
        settings.sort_by(|a, b| a.key.cmp(&b.key));
        settings.dedup_by(|a, b| a.key == b.key);
        return Ok((member.node.clone(), settings));
    }
    Err("no member that stays answers and tells its configuration".to_owned())
}
