//! Follows an operation to its good end, as an administrator would: reads why it is held, gives
//! the command that helps, and notes what was seen.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bellows_proto::v1::{Event, HoldCause, OperationDetail, event};

use super::point::{End, Remedy};
use crate::{process, site::Cli};

/// From the blow to the rest; a probe that looks for 30 s and a server that recovers included.
const LIMIT: Duration = Duration::from_secs(420);
/// Decisions of the administrator before it counts as stuck.
const DECISIONS: usize = 4;

/// How an operation went on.
#[derive(Debug, Clone, Default)]
pub struct Course {
    /// The state that it rests in.
    pub rest: String,
    /// Causes and reasons of its holds, in their order.
    pub holds: Vec<(HoldCause, String)>,
}

/// Its state, if it waits for somebody or has ended; `None`: it is on its way.
///
/// # Errors
/// The coordinator does not answer.
pub async fn rests(cli: &Cli, operation: &str) -> Result<Option<String>> {
    let list = cli.operations().await?;
    let one = list.iter().find(|one| one.operation == operation).context("no such operation")?;
    let under_way = matches!(one.state.as_str(), "running" | "undoing")
        || (one.state == "held" && one.hold_cause() == HoldCause::Stalled);
    Ok((!under_way).then(|| one.state.clone()))
}

/// Waits until it rests or is held (a stalled one goes on by itself), and returns its state.
///
/// # Errors
/// It does not within seven minutes.
pub async fn to_rest(cli: &Cli, operation: &str) -> Result<String> {
    let seen = std::sync::Mutex::new(String::new());
    process::until("the operation rests or is held", LIMIT, || async {
        let Some(state) = rests(cli, operation).await? else { return Ok(false) };
        *seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = state;
        Ok(true)
    })
    .await?;
    Ok(seen.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// The last hold of an operation: its cause and all that it says.
///
/// # Errors
/// There is none.
pub fn last_hold(detail: &OperationDetail) -> Result<(HoldCause, String)> {
    let held = detail.events.iter().rev().find_map(|event| match &event.kind {
        Some(event::Kind::Held(held)) => Some(held),
        _ => None,
    });
    let held = held.context("no hold in the journal")?;
    let fault = held.fault.as_ref().map(|fault| format!("{fault:?}")).unwrap_or_default();
    let evidence = detail.events.iter().rev().find_map(evidence).unwrap_or_default();
    let text = [held.text.as_str(), &fault, &evidence].join(" | ");
    Ok((held.cause(), text))
}

/// What was seen of an act that failed.
fn evidence(event: &Event) -> Option<String> {
    match &event.kind {
        Some(event::Kind::ActFailed(failed)) => {
            failed.evidence.as_ref().map(|seen| format!("{seen:?}"))
        }
        _ => None,
    }
}

/// Follows it to its end. `wanted`: the state that it must rest in.
///
/// # Errors
/// It rests otherwise, is held for another cause than the point allows, or is not held where it
/// must be.
pub async fn to_end(cli: &Cli, operation: &str, end: End, wanted: &str) -> Result<Course> {
    let mut course = Course::default();
    for _ in 0..=DECISIONS {
        let state = to_rest(cli, operation).await?;
        if state != "held" {
            ensure!(state == wanted, "it rests as {state} instead of {wanted}");
            course.rest = state;
            if let End::Held(causes, _, _) = end {
                ensure!(
                    !course.holds.is_empty(),
                    "it was not held ({causes:?}) but {wanted} by itself"
                );
            }
            return Ok(course);
        }
        let (cause, text) = last_hold(&cli.operation(operation).await?)?;
        course.holds.push((cause, text.clone()));
        let command =
            command(end, cause, &text).with_context(|| format!("held ({cause:?}): {text}"))?;
        let asked = cli.run(&["op", command, operation, "--detach"]).await?;
        asked.expect_code(0)?;
    }
    bail!("held after {DECISIONS} decisions: {:?}", course.holds.last());
}

/// What the administrator answers to a hold.
fn command(end: End, cause: HoldCause, text: &str) -> Result<&'static str> {
    match end {
        End::ByItself => bail!("it should have gone on by itself"),
        End::MayHold(causes) => {
            ensure!(causes.contains(&cause), "another cause than {causes:?}");
            Ok("retry")
        }
        End::Held(causes, words, remedy) => {
            ensure!(causes.contains(&cause), "another cause than {causes:?}");
            let told = words.is_empty() || words.iter().any(|word| text.contains(word));
            ensure!(told, "the reason names none of {words:?}");
            Ok(match remedy {
                Remedy::Retry => "retry",
                Remedy::Undo => "undo",
            })
        }
    }
}
