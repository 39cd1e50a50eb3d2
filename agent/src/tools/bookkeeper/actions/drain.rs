//! A bookie's ledgers, copied to others until it has none: `recover`, again and again, within the hours of a budget.
//!
//! What `recover` says of itself is no progress and its status no proof: before and after each run, and beside it, the metadata
//! are read. Killed at any point it can be begun anew: a ledger names its new bookies only once their copies are there.

use std::{num::NonZeroU64, time::Duration};

use bellows_proto::v1::{BookkeeperDrain, Fault, FaultCode};
use futures::future::{Either, select};

use super::{
    SHELL, about,
    budget::{Hours, Pace, Present},
    held::{self, EVERY, Held, Meter, fits, named},
    running::assert_read_only,
    wait,
};
use crate::{
    exec::Finished,
    facilities::Runner as _,
    tools::{
        JobContext, Note,
        bookkeeper::{session, values::Node},
        bookkeeper_shell::{self as words, BookieId},
    },
};

/// A run without a budget, or far from its end, is ended after this: so that nothing hangs for ever. A run that is cut
/// loses what it has copied of ledgers that are not whole, so that it is long.
const RUN: Duration = Duration::from_secs(24 * 60 * 60);
/// A run that was cut at the end of its hours says something only if it was longer than this.
const TELLING: Duration = Duration::from_secs(30 * 60);
/// Less is not worth beginning a ledger.
const LEAST: Duration = Duration::from_secs(10);
/// In a pause it is looked so often whether the bookie still is read-only.
const PAUSE: Duration = Duration::from_secs(60);
/// So many runs in a row that move nothing are enough.
const IDLE_RUNS: u32 = 2;
/// A reading that fails is tried so many times more.
const LOOKS: u32 = 5;
/// So many ledgers are looked at for the reason.
const LOOKED_AT: usize = 3;

/// How a run ended.
#[derive(Debug)]
enum Ran {
    /// By itself.
    Ended(Box<Finished>),
    /// At the end of its time, after so long.
    Cut(Duration),
}

struct Drain<'a> {
    context: &'a JobContext,
    at: Node,
    id: BookieId,
    alive: bool,
    skip_lost: bool,
    hours: Hours,
    meter: Meter,
}

/// Copies a bookie's ledgers to others until it has none.
pub(super) async fn drain(action: &BookkeeperDrain, context: &JobContext) -> Result<Note, Fault> {
    let (at, id) =
        about(context.local(), action.at.as_ref(), action.node.as_ref(), &action.bookie)?;
    if action.alive != (at.id() == id.to_string()) {
        let message = "a living bookie is drained on its own host, a dead one on another's";
        return Err(Fault::new(FaultCode::Invalid, message));
    }
    let hours = Hours::new(&action.budgets)?;
    let (alive, skip_lost) = (action.alive, action.skip_lost);
    let meter = Meter::default();
    Drain { context, at, id, alive, skip_lost, hours, meter }.run().await
}

impl Drain<'_> {
    async fn run(mut self) -> Result<Note, Fault> {
        let mut idle = 0;
        let mut held = self.look_again().await?;
        loop {
            if held.ledgers == 0 {
                return Ok(format!("{} holds no ledger", self.id));
            }
            if self.skip_lost && held.ledgers == held.lost {
                return Ok(format!("{} holds nothing but what is lost: {}", self.id, named(&held)));
            }
            if self.alive && !held::runs(self.context, &self.at).await? {
                let message = format!("{} does not run, and holds {}", self.id, named(&held));
                return Err(Fault::new(FaultCode::Drift, message)
                    .remedy("start it, then retry; of a bookie that is dead: replace it as dead"));
            }
            let Present { pace, left } = self.present();
            let rate = match pace {
                Pace::Paused => {
                    self.pause(left).await?;
                    if self.meter.is_due(self.context.local().clock.elapsed()) {
                        held = self.look_again().await?;
                    } else {
                        self.keep_read_only().await?;
                    }
                    continue;
                }
                Pace::Free => None,
                Pace::AtMost(rate) => Some(rate),
            };
            // A pass that moved none of those that come first is followed by one over all.
            let ran = match left.filter(|left| idle == 0 && !fits(&held, rate, *left)) {
                None => {
                    let words = words::recover(&self.id, rate);
                    self.copy(&words, left.unwrap_or(RUN).min(RUN)).await?
                }
                Some(left) => self.one_by_one(&held, rate, left).await?,
            };
            let now = self.look_again().await?;
            let moved = now.ledgers < held.ledgers || now.bytes < held.bytes;
            let telling = match &ran {
                Ran::Ended(_) => true,
                Ran::Cut(time) => *time >= TELLING,
            };
            idle = match (moved, telling) {
                (true, _) => 0,
                (false, true) => idle + 1,
                (false, false) => idle,
            };
            held = now;
            let over = held.ledgers == 0 || (self.skip_lost && held.ledgers == held.lost);
            if idle >= IDLE_RUNS && !over {
                return Err(self.stuck(&held, &ran).await);
            }
        }
    }

    fn present(&self) -> Present {
        let clock = &self.context.local().clock;
        self.hours.at(clock.now_ms(), |at_ms| clock.utc_offset_s(at_ms))
    }

    /// What it still holds, after it was made sure that nothing is added.
    async fn look(&mut self) -> Result<Held, Fault> {
        self.keep_read_only().await?;
        let clock = &self.context.local().clock;
        let from = clock.elapsed();
        let held = held::read(self.context, &self.at, &self.id, !self.alive).await?;
        self.context.progress(self.meter.read(&held, from, clock.elapsed()));
        Ok(held)
    }

    /// While a run copies: what is cheap each time, what is dear when it is due. What cannot be read now is read after the run.
    async fn glance(&mut self) {
        let _ = match self.meter.is_due(self.context.local().clock.elapsed()) {
            true => self.look().await.map(|_| ()),
            false => self.keep_read_only().await,
        };
    }

    /// As [`Self::look`] after a long run: a busy moment is no reason to give it up.
    async fn look_again(&mut self) -> Result<Held, Fault> {
        let mut failures = 0;
        loop {
            match self.look().await {
                Err(fault) if fault.code() != FaultCode::Cancelled && failures < LOOKS => {
                    failures += 1;
                    self.context
                        .say(&format!("what {} holds cannot be read now: {fault}", self.id));
                    wait(self.context, EVERY).await?;
                }
                done => return done,
            }
        }
    }

    /// Before 4.17.3 a bookie that was made read-only by hand may make itself writable again.
    async fn keep_read_only(&self) -> Result<(), Fault> {
        if !self.alive || !held::runs(self.context, &self.at).await? {
            return Ok(());
        }
        if assert_read_only(self.context, &self.at, true).await? {
            self.context.say(&format!("{} took new ledgers; it is read-only again", self.id));
        }
        Ok(())
    }

    /// Waits in hours in which nothing is to be moved.
    async fn pause(&self, left: Option<Duration>) -> Result<(), Fault> {
        wait(self.context, left.unwrap_or(PAUSE).min(PAUSE)).await
    }

    /// Copies those that are named ledger by ledger, so that what is whole when the hours are over stays whole.
    async fn one_by_one(
        &mut self,
        held: &Held,
        rate: Option<NonZeroU64>,
        left: Duration,
    ) -> Result<Ran, Fault> {
        let context = self.context;
        let end = context.local().clock.elapsed().saturating_add(left);
        let mut last = Ran::Cut(Duration::ZERO);
        for ledger in &held.first {
            let left = end.saturating_sub(context.local().clock.elapsed());
            if left < LEAST {
                break;
            }
            let words = words::recover_one(&self.id, *ledger, rate);
            last = self.copy(&words, left).await?;
            if matches!(last, Ran::Cut(_)) {
                break;
            }
            if self.meter.is_due(context.local().clock.elapsed()) {
                self.glance().await;
            }
        }
        Ok(last)
    }

    /// One run of `recover`, with readings beside it.
    async fn copy(&mut self, words: &[String], limit: Duration) -> Result<Ran, Fault> {
        let context = self.context;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let invocation = session::shell(context.local(), &self.at, &words, limit)?;
        let clock = &context.local().clock;
        let since = clock.elapsed();
        let mut run = Box::pin(context.run(invocation));
        let ended = loop {
            match select(run, clock.sleep(EVERY)).await {
                Either::Left((ended, _)) => break ended,
                Either::Right(((), going_on)) => {
                    run = going_on;
                    let glance = Box::pin(self.glance());
                    match select(run, glance).await {
                        Either::Left((ended, _)) => break ended,
                        Either::Right((_, going_on)) => run = going_on,
                    }
                }
            }
        };
        match ended {
            Ok(finished) => Ok(Ran::Ended(Box::new(finished))),
            Err(fault) if fault.code() == FaultCode::Deadline => {
                Ok(Ran::Cut(clock.elapsed().saturating_sub(since)))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Why nothing moves any more: which ledgers, and what a dry run says of the first of them.
    async fn stuck(&self, held: &Held, ran: &Ran) -> Fault {
        let mut why = Vec::new();
        for ledger in held.first.iter().take(LOOKED_AT) {
            match self.look_at(*ledger).await {
                Ok(said) => why.push(format!("ledger {ledger}: {said}")),
                Err(fault) if fault.code() == FaultCode::Cancelled => return fault,
                Err(_) => {}
            }
        }
        match ran {
            Ran::Ended(finished) => why.extend(words::errors(&finished.stdout, &finished.stderr)),
            Ran::Cut(time) => why.push(format!(
                "the last run was ended with its hours, after {} min, before a single ledger was whole",
                time.as_secs() / 60
            )),
        }
        let message = format!(
            "{} cannot be emptied: {} stay on it; {}",
            self.id,
            named(held),
            why.join("; ")
        );
        Fault::new(FaultCode::ToolFailed, message).remedy(
            "bring back bookies that are missing or read-only, or delete ledgers that nobody needs; then retry",
        )
    }

    async fn look_at(&self, ledger: u64) -> Result<String, Fault> {
        let words = words::recover_dry_run(&self.id, ledger);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let invocation = session::shell(self.context.local(), &self.at, &words, SHELL)?;
        let finished = self.context.read(invocation).await?;
        let told = words::parse_dry_run(&finished.stdout);
        let place = match told.not_enough {
            true => "there are not enough other writable bookies for its ensemble",
            false => "there would be room for its copies",
        };
        let writer = if told.fences { ", and its writer would be fenced" } else { "" };
        Ok(format!("{place}{writer}"))
    }
}
