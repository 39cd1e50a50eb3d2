//! Points that are more than one blow: something is broken in the middle, Bellows must notice,
//! and somebody mends it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bellows_proto::v1::HoldCause;
use futures::future::BoxFuture;

use super::{
    drive,
    ground::Ground,
    point::{End, Verb},
    proof,
};
use crate::{process, site::Cli};

/// A point with a play of its own, on ground of this kind.
pub struct Special<G: 'static = Ground> {
    /// Its name in the table.
    pub name: &'static str,
    /// Plays it; says what happened.
    pub play: for<'a> fn(&'a mut G) -> BoxFuture<'a, Result<String>>,
}

/// Every cause.
pub const ANY: &[HoldCause] =
    &[HoldCause::Failed, HoldCause::Unknown, HoldCause::Drift, HoldCause::Stalled];
/// A hold comes after what is tried again for 30 s; a busy machine may need many times that.
const NOTICED: Duration = Duration::from_secs(240);

/// Waits until an operation is held, for whatever cause, and returns what it says.
///
/// # Errors
/// It is not within four minutes, or rests instead.
pub async fn until_held(cli: &Cli, operation: &str) -> Result<(HoldCause, String)> {
    process::until("the operation is held or rests", NOTICED, || async {
        let list = cli.operations().await?;
        let one =
            list.iter().find(|one| one.operation == operation).context("no such operation")?;
        Ok(!matches!(one.state.as_str(), "running" | "undoing"))
    })
    .await?;
    let detail = cli.operation(operation).await?;
    let state = detail.summary.as_ref().map(|one| one.state.clone()).unwrap_or_default();
    ensure!(state == "held", "it should be held, and rests as {state}");
    drive::last_hold(&detail)
}

/// As [`until_held`], and its reason has one of these words.
///
/// # Errors
/// As there; or it names something else.
pub async fn until_held_for(
    cli: &Cli,
    operation: &str,
    words: &[&str],
) -> Result<(HoldCause, String)> {
    let (cause, text) = until_held(cli, operation).await?;
    let named = words.iter().any(|word| text.to_lowercase().contains(word));
    ensure!(named, "held ({cause:?}) without a word of {words:?}: {text}");
    Ok((cause, text))
}

/// Follows an expand to its end as done, retrying what is held, and proves that all is well.
/// `before`: holds that were seen already.
///
/// # Errors
/// It does not end well.
pub async fn grows(
    ground: &mut Ground,
    operation: &str,
    before: Vec<(HoldCause, String)>,
    end: End,
) -> Result<String> {
    let mut course = drive::to_end(ground.site.cli(), operation, end, "done").await?;
    ground.arrived(Verb::Expand);
    proof::grown(ground).await?;
    proof::all_is_well(ground, operation).await?;
    course.holds.splice(0..0, before);
    Ok(proof::told(&course))
}
