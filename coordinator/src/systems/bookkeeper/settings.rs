//! What new bookies take over of a living member's configuration. Its host tells only what may be taken over: never a
//! path, an address or a secret.

use bellows_proto::v1::BookkeeperSetting;

use super::{
    draft::Placed,
    view::{View, server},
};

/// Set by each host itself, whatever the others have.
const ALWAYS: &str = "persistBookieStatusEnabled";

/// A member's settings, as new ones take them over.
pub(super) struct Model {
    /// Whose they are.
    pub(super) node: String,
    /// In order of their keys.
    pub(super) settings: Vec<BookkeeperSetting>,
    /// Keys that nobody takes over.
    pub(super) left_out: Vec<String>,
}

/// Of the first member that answers.
///
/// # Errors
/// If none of them answers.
pub(super) fn of_a_member(view: View<'_>, members: &[&Placed]) -> Result<Model, String> {
    for member in members {
        let Ok(reading) = view.reading(&member.node) else { continue };
        if server(&member.node, reading).is_err() || reading.settings.is_empty() {
            continue;
        }
        let taken = reading.settings.iter().filter(|one| one.key != ALWAYS);
        let mut settings: Vec<BookkeeperSetting> = taken.cloned().collect();
        settings.sort_by(|a, b| a.key.cmp(&b.key));
        settings.dedup_by(|a, b| a.key == b.key);
        let (node, left_out) = (member.node.clone(), reading.other_keys.clone());
        return Ok(Model { node, settings, left_out });
    }
    Err("no member that stays answers and tells its configuration".to_owned())
}
