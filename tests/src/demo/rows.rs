//! Every acknowledged row is looked for on every member.

use std::time::Duration;

use anyhow::Result;

use super::{Found, Stage, hosts};
use crate::{
    sql::Server,
    writer::{TABLE, Writer},
};

/// A standby that streams is never far behind a client that writes a hundred rows a second.
const CATCH_UP: Duration = Duration::from_secs(30);

/// Stops the writer, lets every member catch up, and asks each for all acknowledged rows.
///
/// # Errors
/// A member does not answer or does not catch up within 30 s.
pub async fn look_for(stage: &Stage, writer: Writer) -> Result<Found> {
    look_for_after(stage, writer, 0).await
}

/// The same for rows after this one.
///
/// # Errors
/// As [`look_for`].
pub async fn look_for_after(stage: &Stage, mut writer: Writer, before: i64) -> Result<Found> {
    let tally = writer.finish().await?;
    let written = stage.primary().await?.written().await?;
    let mut missing = Vec::new();
    for number in &stage.members {
        let member = Server::connect(&stage.address(*number)?, &hosts::application()).await?;
        if member.in_recovery().await? {
            member.replayed(&written, CATCH_UP).await?;
        }
        let there = member.ids(TABLE).await?;
        missing.push((
            format!("pg{number}"),
            tally.acknowledged.difference(&there).filter(|id| **id > before).count(),
        ));
    }
    Ok(Found { tally, missing })
}
