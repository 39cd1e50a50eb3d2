//! What was found of all that a client was told is written.

use crate::writing::Tally;

/// What was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// What the writer saw.
    pub tally: Tally,
    /// Members that were asked, with how much of what was acknowledged each does not have.
    pub missing: Vec<(String, usize)>,
}

impl Found {
    /// Over all members.
    #[must_use]
    pub fn missing_in_all(&self) -> usize {
        self.missing.iter().map(|(_, missing)| missing).sum()
    }
}
