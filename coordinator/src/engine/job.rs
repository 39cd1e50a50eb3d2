//! Jobs as the engine sees them: start once, seal before asking again, follow to the end.

use std::time::Duration;

use bellows_proto::{
    defect::{Defect, is_seeded},
    digest,
    v1::{
        Act, ActNever, CancelJobRequest, ControlKind, Fault, GetJobRequest, HoldCause, Job, JobKey,
        JobState, SealRequest, StartJobRequest, event::Kind,
    },
};
use prost::Message;

use super::{
    World,
    act::Way,
    observe::{is_passing, stop_of},
    ports::{Agents as _, Clock as _, Journal as _},
    rate::Meter,
    run::{Failure, LONGEST_PAUSE, PATIENCE, RETRY_PAUSE, Run, Stop},
    state::{ActState, Mode, OperationState},
};

/// How long an agent holds the answer to `GetJob` back, waiting for a change.
const JOB_WAIT_MS: u32 = 5_000;
/// The same while a job is being cancelled.
const CANCEL_WAIT_MS: u32 = 500;

impl<W: World> Run<W> {
    fn key(&self, act: &Act, attempt: u32) -> JobKey {
        JobKey { operation: self.id.clone(), act: act.number, attempt }
    }

    /// Asks for the effect. An answer that is lost leaves the act started: the seal tells.
    pub(super) async fn start(&self, act: &Act, attempt: u32) -> Result<(), Stop> {
        let encoded = act.action.as_ref().map(Message::encode_to_vec).unwrap_or_default();
        let request = StartJobRequest {
            key: Some(self.key(act, attempt)),
            term: Some(self.world.journal().term()),
            cluster: self.look(|state| state.plan.cluster.clone()),
            action: act.action.clone(),
            digest: digest::of_bytes(&encoded).to_vec(),
            deadline_ms: act.deadline_ms,
        };
        match self.world.agents().start_job(&act.host, request).await {
            Ok(_) => Ok(()),
            Err(fault) if is_passing(&fault) => Ok(()),
            Err(fault) => match stop_of(fault, HoldCause::Failed) {
                Stop::Failed(failure) => self.refused(act, attempt, *failure).await,
                stop @ (Stop::Journal(_) | Stop::Wish | Stop::Stale(_)) => Err(stop),
            },
        }
    }

    /// The agent said no: nothing has run, which the seal makes durable.
    async fn refused(&self, act: &Act, attempt: u32, failure: Failure) -> Result<(), Stop> {
        if self.seal(act, attempt).await?.is_some() {
            // It runs after all: another answer overtook this one.
            return Ok(());
        }
        self.record(Kind::ActNever(ActNever { act: act.number, attempt }))?;
        Err(Stop::Failed(Box::new(failure)))
    }

    /// The job of an attempt, or the certainty that it never was and never will be.
    pub(super) async fn seal(&self, act: &Act, attempt: u32) -> Result<Option<Job>, Stop> {
        let request = SealRequest {
            key: Some(self.key(act, attempt)),
            term: Some(self.world.journal().term()),
        };
        let step = self.look(OperationState::current_step);
        let mut pause = RETRY_PAUSE;
        let since = self.world.clock().now_ms();
        loop {
            match self.world.agents().seal(&act.host, request.clone()).await {
                Ok(job) => {
                    self.moves_again(step)?;
                    return Ok(job);
                }
                Err(fault) if is_passing(&fault) => {
                    self.away(step, &fault, since)?;
                    self.world.clock().sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    // An abandoned operation does not wait for a host that is gone.
                    if self.look(|state| state.wish == Some(ControlKind::Abandon)) {
                        return Err(Stop::Wish);
                    }
                }
                Err(fault) => return Err(stop_of(fault, HoldCause::Unknown)),
            }
        }
    }

    /// What `Defect::SealSkipped` does.
    pub(super) async fn job_without_seal(&self, act: &Act, attempt: u32) -> Option<Job> {
        let key = Some(self.key(act, attempt));
        let request = GetJobRequest { key, after_revision: 0, wait_ms: 0 };
        self.world.agents().get_job(&act.host, request).await.ok()
    }

    /// A host that does not answer is waited for; after a while that is told as a stall, so
    /// that the operation can be given up if the host never comes back.
    fn away(&self, step: u32, fault: &Fault, since_ms: i64) -> Result<(), Stop> {
        let now = self.world.clock().now_ms();
        let text = format!("host {} does not answer: {}", fault.host, fault.message);
        self.show(Meter::default().show(now, step, &text));
        let silent = u64::try_from(now.saturating_sub(since_ms)).unwrap_or(0);
        if Duration::from_millis(silent) >= PATIENCE {
            self.stalls(step, text)?;
        }
        Ok(())
    }

    /// Follows a job to its end; cancels it where that is asked for.
    pub(super) async fn follow(
        &self,
        known: &ActState,
        mut job: Job,
        way: Way,
    ) -> Result<Job, Stop> {
        let mut meter = Meter::default();
        let mut pause = RETRY_PAUSE;
        let mut heard = self.world.clock().now_ms();
        loop {
            if has_ended(&job) {
                self.moves_again(known.step)?;
                return Ok(job);
            }
            let now = self.world.clock().now_ms();
            meter.read(now, job.progress.as_ref());
            if pause == RETRY_PAUSE {
                self.show(meter.show(now, known.step, &known.act.summary));
                self.watch_stall(known, &meter, now)?;
            }
            match self.next_reading(known, &job, way).await {
                Ok(next) => {
                    job = next;
                    pause = RETRY_PAUSE;
                    heard = self.world.clock().now_ms();
                }
                Err(fault) if is_passing(&fault) => {
                    self.away(known.step, &fault, heard)?;
                    self.pause(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(fault) => return Err(stop_of(fault, HoldCause::Unknown)),
            }
            if self.look(|state| state.wish == Some(ControlKind::Abandon)) && pause != RETRY_PAUSE {
                return Err(Stop::Wish);
            }
        }
    }

    async fn next_reading(&self, known: &ActState, job: &Job, way: Way) -> Result<Job, Fault> {
        let key = Some(self.key(&known.act, known.attempt));
        let host = &known.act.host;
        let cancelled = self.look(|state| ends_jobs(state, way));
        if cancelled && !is_seeded(Defect::CancelLeavesJob) {
            let term = Some(self.world.journal().term());
            let request = CancelJobRequest { key: key.clone(), term };
            let asked = self.world.agents().cancel_job(host, request).await?;
            if has_ended(&asked) {
                return Ok(asked);
            }
            self.world.clock().sleep(RETRY_PAUSE / 2).await;
        }
        let wait_ms = if cancelled { CANCEL_WAIT_MS } else { JOB_WAIT_MS };
        let request = GetJobRequest { key, after_revision: job.revision, wait_ms };
        let asked = self.world.agents().get_job(host, request);
        if cancelled {
            return asked.await;
        }
        // A wish does not wait for the answer.
        tokio::select! {
            biased;
            () = self.turned(way) => Ok(job.clone()),
            answer = asked => answer,
        }
    }

    /// Says that nothing moves, once; goes on reading.
    fn watch_stall(&self, known: &ActState, meter: &Meter, now: i64) -> Result<(), Stop> {
        let limit = Duration::from_millis(known.act.stall_ms);
        if limit.is_zero() || meter.still(now) < limit {
            return self.moves_again(known.step);
        }
        let text = format!(
            "{} has not moved for {} s; reading goes on",
            known.act.summary,
            meter.still(now).as_secs()
        );
        self.stalls(known.step, text)
    }

    /// Returns when somebody has asked for something that ends a running job.
    async fn turned(&self, way: Way) {
        while !self.look(|state| ends_jobs(state, way)) {
            self.pause(Duration::from_secs(60)).await;
        }
    }
}

/// Whether a job that runs is ended now. What takes something back comes to its end, unless the
/// operation is given up.
fn ends_jobs(state: &OperationState, way: Way) -> bool {
    match state.wish {
        Some(ControlKind::Cancel | ControlKind::Undo) => way == Way::Forward,
        Some(ControlKind::Abandon) => true,
        Some(
            ControlKind::Pause
            | ControlKind::Resume
            | ControlKind::Retry
            | ControlKind::Skip
            | ControlKind::Unspecified,
        ) => false,
        // Turned back before a restart: the job that still runs ends now.
        None => way == Way::Forward && state.mode != Mode::Forward,
    }
}

/// Whether a job has come to its end.
pub fn has_ended(job: &Job) -> bool {
    match job.state() {
        JobState::Succeeded | JobState::Failed | JobState::Cancelled | JobState::Lost => true,
        JobState::Accepted | JobState::Running | JobState::Unspecified => false,
    }
}
