//! Every acknowledged row is looked for, asked at every member.

use anyhow::Result;

use super::Stage;
use crate::{demo::Found, kwdb::Writer};

/// Stops the writer, and asks each member for all acknowledged rows.
///
/// # Errors
/// A member does not answer.
pub async fn look_for(stage: &Stage, mut writer: Writer) -> Result<Found> {
    let tally = writer.finish().await?;
    let mut missing = Vec::new();
    for member in stage.members.list() {
        missing.push((member.clone(), writer.missing_at(&member).await?));
    }
    Ok(Found { tally, missing })
}
