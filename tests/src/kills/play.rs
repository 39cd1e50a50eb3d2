//! Plays a point of the table: begins the operation, waits for the moment, strikes, follows it
//! to its end, and proves that all is well afterwards.

use anyhow::{Context, Result};

use super::{
    drive,
    ground::Ground,
    moment::Watch,
    point::{Point, Verb},
    proof, strike,
};
use crate::site::Cli;

/// Plays it; returns what happened, in words.
///
/// # Errors
/// Something did not hold; the error has the logs' ends.
pub async fn play(ground: &mut Ground, point: &Point) -> Result<String> {
    match Box::pin(played(ground, point)).await {
        Ok(told) => Ok(told),
        Err(error) => Err(with_story(ground, error).await),
    }
}

async fn played(ground: &mut Ground, point: &Point) -> Result<String> {
    ground.ready_for(point.verb).await?;
    let before = ground.snapshot().await?;
    let cancel = match point.cancel {
        Some(moment) => Some((Watch::for_moment(ground, moment)?, moment)),
        None => None,
    };
    let operation;
    match cancel {
        Some((watch, moment)) => {
            operation = begin(ground, point.verb, point.is_slow()).await?;
            watch.come(ground, &operation, moment).await.context("the moment of the cancel")?;
            // The trap for the way back: the one before it is taken away here.
            drop(watch);
            let blow = Watch::for_moment(ground, point.moment)?;
            let cancel = ["op", "cancel", &operation, "--detach"];
            ground.site.cli().run(&cancel).await?.expect_code(0)?;
            blow_at(ground, point, &blow, &operation).await?;
        }
        None => {
            let blow = Watch::for_moment(ground, point.moment)?;
            operation = begin(ground, point.verb, point.is_slow()).await?;
            blow_at(ground, point, &blow, &operation).await?;
        }
    }
    let wanted = match (point.cancel, point.ends_done()) {
        (Some(_), _) => "cancelled",
        (None, true) => "done",
        (None, false) => "undone",
    };
    let course = drive::to_end(ground.site.cli(), &operation, point.end, wanted).await?;
    if wanted == "done" {
        ground.arrived(point.verb);
        if point.verb == Verb::Create {
            ground.write().await?;
        }
        proof::grown(ground).await?;
    } else {
        ground.used(point.verb);
        proof::as_before(ground, &before).await?;
    }
    proof::all_is_well(ground, &operation).await?;
    Ok(proof::told(&course))
}

async fn blow_at(ground: &mut Ground, point: &Point, watch: &Watch, operation: &str) -> Result<()> {
    let held =
        watch.come(ground, operation, point.moment).await.context("the moment of the blow")?;
    strike::strike(ground, point.victim, held).await.context("the blow")?;
    watch.release()
}

/// Begins an operation and returns its id.
///
/// # Errors
/// It is refused.
pub async fn begin(ground: &Ground, verb: Verb, slow: bool) -> Result<String> {
    let words = ground.words(verb, slow);
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.push("--detach");
    ground.site.cli().run(&words).await?.expect_code(0)?;
    let list = ground.site.cli().operations().await?;
    Ok(list.last().context("no operation began")?.operation.clone())
}

/// An error with the last journal and the ends of all logs.
pub async fn with_story(ground: &Ground, error: anyhow::Error) -> anyhow::Error {
    let error = with_journal(ground.site.cli(), error).await;
    anyhow::anyhow!("{error}\n{}", ground.site.last_words())
}

/// An error with the end of the journal of the last operation.
pub async fn with_journal(cli: &Cli, error: anyhow::Error) -> anyhow::Error {
    let story = match cli.operations().await.ok().and_then(|list| list.last().cloned()) {
        None => "no operation, or no coordinator".to_owned(),
        Some(last) => match cli.run(&["op", "show", &last.operation]).await {
            Ok(ended) => {
                let lines: Vec<&str> = ended.stdout.lines().collect();
                lines.get(lines.len().saturating_sub(45)..).unwrap_or_default().join("\n")
            }
            Err(error) => format!("{error:#}"),
        },
    };
    anyhow::anyhow!("{error:#}\n{story}")
}
