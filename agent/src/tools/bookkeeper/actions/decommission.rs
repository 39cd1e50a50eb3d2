//! A stopped bookie's ledgers, copied anew by autorecovery: `decommissionbookie` waits for that and deletes the cookie at its end.
//!
//! The command copies nothing itself, so that ending it does no harm, and it may be begun anew. In hours in which nothing is to
//! be moved autorecovery is switched off: it has no rate that could be changed.

use std::time::Duration;

use bellows_proto::v1::{BookkeeperDecommission, Fault, FaultCode};
use futures::future::{Either, select};

use super::{
    about,
    audit::{is_on, switch},
    budget::{Hours, Pace, Present},
    cookies::{self, saved_here},
    held::{self, EVERY, Held, Meter, named},
    wait,
};
use crate::{
    exec::Finished,
    facilities::Runner as _,
    tools::{
        JobContext, Note,
        bookkeeper::{session, shell::cookie, values::Node},
        bookkeeper_shell::{self as words, BookieId},
    },
};

/// A run far from the end of its hours is ended after this, and begun anew: so that nothing hangs for ever.
const RUN: Duration = Duration::from_secs(6 * 60 * 60);
const PAUSE: Duration = Duration::from_secs(60);

struct Decommission<'a> {
    context: &'a JobContext,
    at: Node,
    id: BookieId,
    meter: Meter,
    /// Autorecovery was switched off by this job, or by one that it goes on for.
    paused: bool,
}

/// Waits until all copies are made anew, and deletes the cookie. Done already is fine.
pub(super) async fn decommission(
    action: &BookkeeperDecommission,
    context: &JobContext,
) -> Result<Note, Fault> {
    let (at, id) =
        about(context.local(), action.at.as_ref(), action.node.as_ref(), &action.bookie)?;
    if at.id() == id.to_string() {
        let message = format!("{id} itself cannot run this: it is stopped for it");
        return Err(Fault::new(FaultCode::Invalid, message));
    }
    let kept = saved_here(context, &id)?;
    match cookie(context, &at, &id).await? {
        Some(found) if found != kept => return Err(cookies::another(&id)),
        Some(_) | None => {}
    }
    let hours = Hours::new(&action.budgets)?;
    let meter = Meter::default();
    // Off where there are hours of a pause: one before this was killed in one.
    let paused = hours.pause() && !is_on(context, &at).await?;
    let mut job = Decommission { context, at, id, meter, paused };
    let done = job.run(&hours).await;
    // A pause that is left by a fault, or because the job is to end, must not leave the cluster without its repairs.
    if job.paused && done.is_err() {
        let said = match switch(&context.to_the_end(), &job.at, true).await {
            Ok(()) => "autorecovery is on again".to_owned(),
            Err(fault) => format!("autorecovery is off still: {}", fault.message),
        };
        context.say(&said);
    }
    done
}

impl Decommission<'_> {
    async fn run(&mut self, hours: &Hours) -> Result<Note, Fault> {
        loop {
            let clock = &self.context.local().clock;
            let Present { pace, left } =
                hours.at(clock.now_ms(), |at_ms| clock.utc_offset_s(at_ms));
            if pace == Pace::Paused {
                self.pause(left.unwrap_or(PAUSE).min(PAUSE)).await?;
                continue;
            }
            if self.paused {
                switch(self.context, &self.at, true).await?;
                self.paused = false;
                self.context.say("the hours of the pause are over: autorecovery is on again");
            }
            let Some(finished) = self.wait_for(left.unwrap_or(RUN).min(RUN)).await? else {
                continue;
            };
            let (command, finished) = finished;
            if finished.success() {
                return Ok(format!(
                    "all ledgers of {} have their copies elsewhere, and its cookie is deleted",
                    self.id
                ));
            }
            let held = self.look().await;
            let mut fault = words::failed(&command, &finished, "decommission the bookie");
            if let Ok(held) = held {
                fault.message =
                    format!("{}; {} name {} still", fault.message, named(&held), self.id);
            }
            return Err(fault.remedy(
                "it must be stopped (its registration lasts some seconds longer), autorecovery on and an auditor elected; then retry",
            ));
        }
    }

    async fn look(&mut self) -> Result<Held, Fault> {
        let clock = &self.context.local().clock;
        let from = clock.elapsed();
        let held = held::read(self.context, &self.at, &self.id, true).await?;
        self.context.progress(self.meter.read(&held, from, clock.elapsed()));
        Ok(held)
    }

    async fn pause(&mut self, time: Duration) -> Result<(), Fault> {
        if is_on(self.context, &self.at).await? {
            switch(self.context, &self.at, false).await?;
            self.context
                .say("nothing is moved in these hours: autorecovery is off until they are over");
        }
        self.paused = true;
        wait(self.context, time).await
    }

    /// One run, with readings beside it; `None`: its time was over.
    async fn wait_for(
        &mut self,
        limit: Duration,
    ) -> Result<Option<(Vec<String>, Finished)>, Fault> {
        let context = self.context;
        let words = words::decommission(&self.id);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let invocation = session::shell(context.local(), &self.at, &words, limit)?;
        let command = invocation.command();
        let mut run = Box::pin(context.run(invocation));
        let ended = loop {
            // The first reading at once: its number is what all later ones are held against.
            if self.meter.is_due(context.local().clock.elapsed()) {
                let look = Box::pin(self.look());
                match select(run, look).await {
                    Either::Left((ended, _)) => break ended,
                    Either::Right((_, going_on)) => run = going_on,
                }
            }
            match select(run, context.local().clock.sleep(EVERY)).await {
                Either::Left((ended, _)) => break ended,
                Either::Right(((), going_on)) => run = going_on,
            }
        };
        match ended {
            Ok(finished) => Ok(Some((command, finished))),
            Err(fault) if fault.code() == FaultCode::Deadline => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}
