//! Waits for the moment of a blow: an event in the stream of `bellows op watch`, a tool that is
//! held by a trap, a copy that is half-way.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};
use bellows_proto::v1::{Event, Plan, Step, WatchUpdate, event, step, watch_update};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{
    ground::Ground,
    point::{Moment, Seen},
    trap::{Trap, Trick},
};
use crate::{demo, process, site::Cli, sql::Server};

/// A moment comes within seconds; a busy machine may need many times that.
const LIMIT: Duration = Duration::from_secs(180);

/// What must be set before an operation begins, so that its moment is not missed.
#[derive(Debug, Default)]
pub struct Watch {
    trap: Option<Trap>,
}

impl Watch {
    /// Sets what a moment needs.
    ///
    /// # Errors
    /// A trap cannot be set.
    pub fn for_moment(ground: &Ground, moment: Moment) -> Result<Self> {
        let trap = match moment {
            Moment::Before(run) => Some(ground.trap(run, Trick::HoldBefore)?),
            Moment::Done(run) => Some(ground.trap(run, Trick::HoldAfter)?),
            Moment::After(..) | Moment::Copying => None,
        };
        Ok(Self { trap })
    }

    /// Waits for the moment; the process that is held, where one is.
    ///
    /// # Errors
    /// It does not come within three minutes, or the operation ends before it.
    pub async fn come(
        &self,
        ground: &Ground,
        operation: &str,
        moment: Moment,
    ) -> Result<Option<i32>> {
        match (moment, &self.trap) {
            (Moment::Before(_) | Moment::Done(_), Some(trap)) => {
                Ok(Some(held(ground.site.cli(), operation, trap).await?))
            }
            (Moment::Before(_) | Moment::Done(_), None) => bail!("no trap was set"),
            (Moment::After(seen, words), _) => {
                let watching = follows(ground.site.cli(), operation, seen, words);
                tokio::time::timeout(LIMIT, watching)
                    .await
                    .with_context(|| format!("not within {LIMIT:?}: {seen:?} of {words:?}"))??;
                Ok(None)
            }
            (Moment::Copying, _) => copying(ground).await.map(|()| None),
        }
    }

    /// Lets a tool go on that is held.
    ///
    /// # Errors
    /// The trap's mark cannot be written.
    pub fn release(&self) -> Result<()> {
        self.trap.as_ref().map_or(Ok(()), Trap::release)
    }
}

async fn held(cli: &Cli, operation: &str, trap: &Trap) -> Result<i32> {
    process::until("a tool is held", LIMIT, || async {
        Ok(trap.has_sprung() || super::drive::rests(cli, operation).await?.is_some())
    })
    .await?;
    if !trap.has_sprung() {
        bail!("it came to rest and no tool fell into the trap");
    }
    trap.sprung(LIMIT).await
}

async fn copying(ground: &Ground) -> Result<()> {
    let primary = Server::connect(&ground.address(ground.primary)?, &demo::superuser()).await?;
    process::until("a base backup is half-way", LIMIT, || async {
        let progress = primary.backup_progress().await?;
        Ok(progress.is_some_and(|(done, total)| done * 5 > total && done * 5 < total * 4))
    })
    .await
}

/// Reads the stream of events until the one that is looked for: of the first step whose title has
/// these words; without words: the first one.
///
/// # Errors
/// The operation comes to rest without it.
pub async fn follows(cli: &Cli, operation: &str, seen: Seen, words: &str) -> Result<()> {
    let mut command = cli.command(&["op", "watch", operation, "--output", "json"]);
    command.stderr(std::process::Stdio::null());
    let mut child = command.spawn().context("start bellows op watch")?;
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    let mut titles = BTreeMap::new();
    while let Some(line) = lines.next_line().await.context("read bellows op watch")? {
        let update: WatchUpdate =
            serde_json::from_str(&line).with_context(|| format!("bellows op watch: {line}"))?;
        let Some(watch_update::Kind::Event(event)) = update.kind else { continue };
        if let Some(event::Kind::Accepted(accepted)) = &event.kind
            && let Some(plan) = &accepted.plan
        {
            titles = titles_of(plan);
        }
        if is(&event, seen, words, &titles) {
            return Ok(());
        }
    }
    bail!("the operation came to rest without {seen:?} of {words:?}")
}

/// Titles of a plan's steps, by their numbers.
pub fn titles_of(plan: &Plan) -> BTreeMap<u32, String> {
    let mut titles = BTreeMap::new();
    let mut steps: Vec<&Step> = plan.steps.iter().collect();
    while let Some(step) = steps.pop() {
        titles.insert(step.number, step.title.clone());
        if let Some(step::Kind::Group(group)) = &step.kind {
            steps.extend(&group.members);
        }
    }
    titles
}

fn is(event: &Event, seen: Seen, words: &str, titles: &BTreeMap<u32, String>) -> bool {
    let of = |step: u32| {
        words.is_empty() || titles.get(&step).is_some_and(|title| title.contains(words))
    };
    match (&event.kind, seen) {
        (Some(event::Kind::Accepted(_)), Seen::Accepted)
        | (Some(event::Kind::Fenced(_)), Seen::Fenced)
        | (Some(event::Kind::UndoStarted(_)), Seen::UndoStarted)
        | (Some(event::Kind::Rested(_)), Seen::Rested) => true,
        (Some(event::Kind::StepStarted(one)), Seen::StepStarted) => of(one.step),
        (Some(event::Kind::ActStarted(one)), Seen::ActStarted) => of(one.step),
        (Some(event::Kind::StepSucceeded(one)), Seen::StepSucceeded) => of(one.step),
        (Some(event::Kind::StepUndone(one)), Seen::StepUndone) => of(one.step),
        _ => false,
    }
}
