//! Queries as calls ask them: one that is quick is answered at once; one that is slow is a survey, which
//! goes on beyond the call, at intervals, one at a time, and whose result has an age.
//!
//! Results are kept in memory alone: after a restart of the agent there are none. What runs ends with the
//! agent: it only reads.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bellows_proto::v1::{Answer, AskReply, AskRequest, Fault, FaultCode, Query};
use futures::{FutureExt as _, future::BoxFuture};
use tokio::{sync::Notify, task::unconstrained};

pub mod schedule;

use crate::{
    facilities::Local,
    tools::{self, QUERY_DEADLINE, QueryContext},
};
use schedule::{Key, Next, Schedule, Told};

/// A survey is ended after so long.
pub const LONGEST: Duration = Duration::from_secs(30 * 60);
/// So many calls wait for surveys at once; more are sent away.
const WAITERS: usize = 32;

/// What answers a query; the program gives [`tools::answer`], tests their own.
pub type Answering =
    for<'a> fn(&'a Query, &'a QueryContext) -> BoxFuture<'a, Result<Answer, Fault>>;

/// How queries are answered, and which of them are surveys.
#[derive(Debug, Clone, Copy)]
pub struct Readings {
    /// Answers one.
    pub answer: Answering,
    /// Whether it is a survey.
    pub is_survey: fn(&Query) -> bool,
}

impl Readings {
    /// By the tools of this host.
    pub const OF_TOOLS: Self = Self {
        answer: |query, context| tools::answer(query, context).boxed(),
        is_survey: tools::is_survey,
    };
}

/// The readings of this host. Cheap to clone.
#[derive(Clone)]
pub struct Surveys(Arc<Inner>);

struct Inner {
    local: Local,
    readings: Readings,
    state: Mutex<State>,
    /// One has ended.
    ended: Notify,
    /// One more is wanted.
    wanted: Notify,
}

#[derive(Default)]
struct State {
    schedule: Schedule,
    /// A task runs what the schedule says.
    driven: bool,
    waiting: usize,
}

impl Surveys {
    /// None has run yet.
    pub fn new(local: Local) -> Self {
        Self::with(local, Readings::OF_TOOLS)
    }

    /// The same with other readings.
    pub fn with(local: Local, readings: Readings) -> Self {
        let (state, ended, wanted) = (Mutex::default(), Notify::new(), Notify::new());
        Self(Arc::new(Inner { local, readings, state, ended, wanted }))
    }

    /// Answers a call within its deadline.
    ///
    /// # Errors
    /// Why there is no answer; `FAULT_CODE_SURVEYING` if it is a survey that is not there yet.
    pub async fn answer(&self, request: AskRequest) -> Result<AskReply, Fault> {
        let query =
            request.query.ok_or_else(|| Fault::new(FaultCode::Invalid, "the query is missing"))?;
        let deadline = match request.deadline_ms {
            0 => QUERY_DEADLINE,
            wanted => Duration::from_millis(wanted.into()).min(QUERY_DEADLINE),
        };
        if (self.0.readings.is_survey)(&query) {
            let oldest = Duration::from_millis(request.max_age_ms);
            return self.survey(&query, oldest, deadline).await;
        }
        let context = QueryContext::new(self.0.local.clone(), deadline);
        let message = || format!("no answer within {} ms", deadline.as_millis());
        let answer = self.within(deadline, &query, &context, message).await?;
        Ok(AskReply { answer: Some(answer), age_ms: 0 })
    }

    async fn within(
        &self,
        deadline: Duration,
        query: &Query,
        context: &QueryContext,
        message: impl Fn() -> String,
    ) -> Result<Answer, Fault> {
        tokio::select! {
            biased;
            answer = (self.0.readings.answer)(query, context) => answer,
            // Unconstrained: a flood of output takes all that the runtime allows a task to do at once.
            () = unconstrained(self.0.local.clock.sleep(deadline)) => {
                Err(Fault::new(FaultCode::Deadline, message()))
            }
        }
    }

    async fn survey(
        &self,
        query: &Query,
        oldest: Duration,
        deadline: Duration,
    ) -> Result<AskReply, Fault> {
        let _waiting = self.wait()?;
        let clock = &self.0.local.clock;
        let (key, since) = (Key::of(query), clock.elapsed().saturating_sub(oldest));
        let mut over = clock.sleep(deadline);
        loop {
            // Registered before the look, so that an end in between is not missed.
            let mut ended = std::pin::pin!(self.0.ended.notified());
            ended.as_mut().enable();
            let told = self.state().schedule.ask(key, query, since, clock.elapsed());
            self.drive();
            let why = match told {
                Told::Answer(answer, age) => {
                    let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
                    return Ok(AskReply { answer: Some(*answer), age_ms });
                }
                Told::Failed(fault) => return Err(*fault),
                Told::Later(why) => why,
            };
            tokio::select! {
                biased;
                () = ended => {}
                () = &mut over => return Err(later(why)),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) -> Result<Waiting, Fault> {
        let mut state = self.state();
        if state.waiting >= WAITERS {
            return Err(later(format!("{WAITERS} calls wait for surveys already")));
        }
        state.waiting += 1;
        Ok(Waiting(self.clone()))
    }

    /// Somebody runs what is wanted.
    fn drive(&self) {
        if std::mem::replace(&mut self.state().driven, true) {
            self.0.wanted.notify_one();
        } else {
            tokio::spawn(self.clone().run());
        }
    }

    /// Runs what is wanted, one by one, until nothing is.
    async fn run(self) {
        let clock = &self.0.local.clock;
        loop {
            let next = {
                let mut state = self.state();
                let next = state.schedule.next(clock.elapsed());
                state.driven = next != Next::Nothing;
                next
            };
            match next {
                Next::Nothing => return,
                Next::Wait(time) => tokio::select! {
                    biased;
                    () = self.0.wanted.notified() => {}
                    () = clock.sleep(time) => {}
                },
                Next::Run(_, query) => {
                    let outcome = self.perform(&query).await;
                    self.state().schedule.ended(outcome, clock.elapsed());
                    self.0.ended.notify_waiters();
                }
            }
        }
    }

    async fn perform(&self, query: &Query) -> Result<Answer, Fault> {
        let context = QueryContext::unhurried(self.0.local.clone(), LONGEST);
        let message = || format!("the survey did not end within {} s", LONGEST.as_secs());
        let answering = self.within(LONGEST, query, &context, message);
        AssertUnwindSafe(answering).catch_unwind().await.unwrap_or_else(|_| {
            let message = "the survey panicked; see the log of the agent's host";
            Err(Fault::new(FaultCode::Internal, message))
        })
    }
}

/// One call that waits; it does so until this is dropped.
struct Waiting(Surveys);

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.waiting = state.waiting.saturating_sub(1);
    }
}

fn later(why: String) -> Fault {
    Fault::new(FaultCode::Surveying, why).remedy("ask again later")
}

#[cfg(test)]
mod tests;
