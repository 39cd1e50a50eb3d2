//! Every acknowledged row is looked for, asked at every member.

use anyhow::Result;

use super::Stage;
use crate::{kwdb::Writer, writer::Tally};

/// What was found.
#[derive(Debug, Clone)]
pub struct Rows {
    /// What the writer saw.
    pub tally: Tally,
    /// Members that were asked, with how many acknowledged rows each does not show.
    pub missing: Vec<(String, usize)>,
}

impl Rows {
    /// Over all members.
    #[must_use]
    pub fn missing_in_all(&self) -> usize {
        self.missing.iter().map(|(_, missing)| missing).sum()
    }
}

/// Stops the writer, and asks each member for all acknowledged rows.
///
/// # Errors
/// A member does not answer.
pub async fn look_for(stage: &Stage, mut writer: Writer) -> Result<Rows> {
    let tally = writer.finish().await?;
    let mut missing = Vec::new();
    for member in stage.members.list() {
        missing.push((member.clone(), writer.missing_at(&member).await?));
    }
    Ok(Rows { tally, missing })
}
