//! One act: journal, start, follow, probe. An exit status never decides; the probe does.

use std::{future::Future, time::Duration};

use bellows_proto::{
    digest,
    v1::{
        Act, ActDone, ActFailed, ActNever, ActStarted, Action, CancelJobRequest, ControlKind,
        Evidence, Fault, GetJobRequest, Held, HoldCause, Job, JobKey, JobState, Observation,
        ProbeVerdict, Resumed, SealRequest, StartJobRequest, event::Kind,
    },
};
use futures::future::BoxFuture;
use prost::Message;

use super::{
    World, decide,
    observe::{self, is_passing, stop_of},
    ports::{Agents as _, Clock as _, Journal as _, Probe, Systems as _, Verdict},
    rate::Meter,
    run::{Failure, PATIENCE, RETRY_PAUSE, Run, Stop, failed},
    state::{ActState, ActStatus, Mode},
};

/// How long an agent holds the answer to `GetJob` back, waiting for a change.
const JOB_WAIT_MS: u32 = 5_000;
/// Longest pause between calls to a host that does not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Which way an act is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A step's own act.
    Forward,
    /// Taking a step back.
    Undo,
}

impl<W: World> Run<W> {
    /// Brings an act to its end, whatever is known of it already: begins it, goes on with a
    /// job that runs, looks again at one that ended, or tries once more after a failure.
    pub(super) async fn act(&self, step: u32, act: &Act, way: Way) -> Result<(), Stop> {
        loop {
            let known = self.look(|state| state.acts.get(&act.number).cloned());
            let status = known.as_ref().map_or(ActStatus::Idle, |known| known.status);
            match (status, known) {
                (ActStatus::Done, _) => return Ok(()),
                (ActStatus::Started, Some(known)) => self.go_on(&known, way).await?,
                (ActStatus::Failed(_), Some(known)) => {
                    return Err(Stop::Failed(failure_of(&known)));
                }
                (ActStatus::Decided(ProbeVerdict::Unknown), Some(known)) => {
                    self.conclude(&known, None).await?;
                }
                (_, known) => self.begin(step, act, known.as_ref(), way).await?,
            }
        }
    }

    /// One more attempt. Returns when it is journalled and asked for; `act` then follows it.
    async fn begin(
        &self,
        step: u32,
        act: &Act,
        known: Option<&ActState>,
        way: Way,
    ) -> Result<(), Stop> {
        let attempts = known.map_or(0, |known| known.attempt);
        if let (Way::Forward, Some(known)) = (way, known)
            && known.status == ActStatus::Decided(ProbeVerdict::Partial)
        {
            self.undo_act(known).await?;
        }
        if attempts > 0 || way == Way::Undo {
            let action = known.map_or(&act.action, |known| &known.act.action);
            match self.probed(step, action.as_ref()).await? {
                Probe::Done => {
                    let evidence = Some(said("found done, nothing to run".to_owned()));
                    let act = act.number;
                    return self.record(Kind::ActDone(ActDone { act, attempt: 0, evidence }));
                }
                Probe::Unknown(reason) => return Err(failed(HoldCause::Unknown, reason)),
                Probe::NotDone | Probe::Partial(_) => {}
            }
        }
        let observation = self.ready(act, way).await?;
        let resolved = self
            .world
            .systems()
            .resolve(act, &observation)
            .map_err(|reason| failed(HoldCause::Unknown, reason))?;
        let attempt = attempts + 1;
        let term = self.world.journal().term();
        let started = Kind::ActStarted(ActStarted {
            step,
            act: Some(resolved.clone()),
            attempt,
            term: Some(term),
            undo: way == Way::Undo,
        });
        match way {
            Way::Forward => self.record_unless_wished(started)?,
            Way::Undo => self.record(started)?,
        }
        self.start(&resolved, attempt).await
    }

    /// The observation that an act may start on: its requirements and the plan's invariants
    /// hold. What cannot be read is tried for a while; then the operation is held.
    async fn ready(&self, act: &Act, way: Way) -> Result<Observation, Stop> {
        let mut left = PATIENCE;
        loop {
            let observation = self.observe().await?;
            if way == Way::Undo {
                return Ok(observation);
            }
            self.hold_invariants(&observation, left)?;
            let (cause, reason) =
                match observe::all(self.world.systems(), &act.requires, &observation) {
                    Verdict::Holds if self.invariants(&observation) == Verdict::Holds => {
                        return Ok(observation);
                    }
                    Verdict::Holds => (HoldCause::Unknown, "the invariants are unknown".to_owned()),
                    Verdict::Refused(reason) => return Err(failed(HoldCause::Failed, reason)),
                    Verdict::NotYet { reason, .. } => (HoldCause::Failed, reason),
                    Verdict::Unknown(reason) => (HoldCause::Unknown, reason),
                };
            if left.is_zero() {
                return Err(failed(cause, reason));
            }
            left = left.saturating_sub(RETRY_PAUSE);
            self.pause(RETRY_PAUSE).await;
            self.stop_if_turned()?;
        }
    }

    /// A changed picture holds at once; one that cannot be seen, when patience ends.
    pub(super) fn hold_invariants(
        &self,
        observation: &Observation,
        patience_left: Duration,
    ) -> Result<(), Stop> {
        match self.invariants(observation) {
            Verdict::Holds => Ok(()),
            Verdict::Refused(reason) | Verdict::NotYet { reason, .. } => {
                Err(failed(HoldCause::Drift, format!("the cluster has changed: {reason}")))
            }
            Verdict::Unknown(reason) if patience_left.is_zero() => {
                Err(failed(HoldCause::Unknown, reason))
            }
            Verdict::Unknown(_) => Ok(()),
        }
    }

    /// Probes without a job; what cannot be known is asked again for a while.
    async fn probed(&self, step: u32, action: Option<&Action>) -> Result<Probe, Stop> {
        let mut left = PATIENCE;
        loop {
            let observation = self.observe().await?;
            match self.probe(action, &observation) {
                Probe::Unknown(reason) if !left.is_zero() => {
                    self.show(Meter::default().show(self.world.clock().now_ms(), step, &reason));
                }
                known => return Ok(known),
            }
            left = left.saturating_sub(RETRY_PAUSE);
            self.world.clock().sleep(RETRY_PAUSE).await;
        }
    }

    fn probe(&self, action: Option<&Action>, observation: &Observation) -> Probe {
        action.map_or_else(
            || Probe::Unknown("the act has no action".to_owned()),
            |action| self.world.systems().probe(action, observation),
        )
    }

    fn key(&self, act: &Act, attempt: u32) -> JobKey {
        JobKey { operation: self.id.clone(), act: act.number, attempt }
    }

    /// Asks for the effect. An answer that is lost leaves the act started: the seal tells.
    async fn start(&self, act: &Act, attempt: u32) -> Result<(), Stop> {
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
                Stop::Failed(failure) => self.refused(act, attempt, failure).await,
                stop => Err(stop),
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
        Err(Stop::Failed(failure))
    }

    /// The job of an attempt, or the certainty that it never was and never will be.
    async fn seal(&self, act: &Act, attempt: u32) -> Result<Option<Job>, Stop> {
        let request = SealRequest {
            key: Some(self.key(act, attempt)),
            term: Some(self.world.journal().term()),
        };
        let mut pause = RETRY_PAUSE;
        loop {
            match self.world.agents().seal(&act.host, request.clone()).await {
                Ok(job) => return Ok(job),
                Err(fault) if is_passing(&fault) => {
                    self.away(&fault);
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

    fn away(&self, fault: &Fault) {
        let step = self.look(super::state::OperationState::current_step);
        let text = format!("host {} does not answer: {}", fault.host, fault.message);
        self.show(Meter::default().show(self.world.clock().now_ms(), step, &text));
    }

    /// Goes on with an attempt that was asked for: finds its job and follows it to its end.
    async fn go_on(&self, known: &ActState, way: Way) -> Result<(), Stop> {
        let Some(job) = self.seal(&known.act, known.attempt).await? else {
            let (act, attempt) = (known.act.number, known.attempt);
            return self.record(Kind::ActNever(ActNever { act, attempt }));
        };
        let job = self.follow(known, job, way).await?;
        self.conclude(known, Some(&job)).await
    }

    /// Follows a job to its end; cancels it where that is asked for.
    async fn follow(&self, known: &ActState, mut job: Job, way: Way) -> Result<Job, Stop> {
        let mut meter = Meter::default();
        let mut pause = RETRY_PAUSE;
        loop {
            if has_ended(&job) {
                self.moves_again()?;
                return Ok(job);
            }
            let now = self.world.clock().now_ms();
            meter.read(now, job.progress.as_ref());
            self.show(meter.show(now, known.step, &known.act.summary));
            self.watch_stall(known, &meter, now)?;
            match self.next_reading(known, &job, way).await {
                Ok(next) => {
                    job = next;
                    pause = RETRY_PAUSE;
                }
                Err(fault) if is_passing(&fault) => {
                    self.away(&fault);
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
        let cancelled = self.look(|state| match state.wish {
            Some(ControlKind::Cancel | ControlKind::Undo) => way == Way::Forward,
            Some(ControlKind::Abandon) => true,
            Some(
                ControlKind::Pause
                | ControlKind::Resume
                | ControlKind::Retry
                | ControlKind::Unspecified,
            ) => false,
            // Turned back before a restart: the job that still runs ends now.
            None => way == Way::Forward && state.mode != Mode::Forward,
        });
        if cancelled {
            let term = Some(self.world.journal().term());
            let request = CancelJobRequest { key: key.clone(), term };
            let asked = self.world.agents().cancel_job(host, request).await?;
            if has_ended(&asked) {
                return Ok(asked);
            }
            self.world.clock().sleep(RETRY_PAUSE / 2).await;
        }
        let wait_ms = if cancelled { 500 } else { JOB_WAIT_MS };
        let request = GetJobRequest { key, after_revision: job.revision, wait_ms };
        let asked = self.world.agents().get_job(host, request);
        if cancelled {
            return asked.await;
        }
        // A wish does not wait for the answer.
        tokio::select! {
            answer = asked => answer,
            () = self.wished() => Ok(job.clone()),
        }
    }

    /// Says that nothing moves, once; goes on reading.
    fn watch_stall(&self, known: &ActState, meter: &Meter, now: i64) -> Result<(), Stop> {
        let limit = Duration::from_millis(known.act.stall_ms);
        if limit.is_zero() || meter.still(now) < limit {
            return self.moves_again();
        }
        let text = format!(
            "{} has not moved for {} s; reading goes on",
            known.act.summary,
            meter.still(now).as_secs()
        );
        self.stalls(known.step, text)
    }

    pub(super) fn stalls(&self, step: u32, text: String) -> Result<(), Stop> {
        if self.look(|state| state.held.is_some()) {
            return Ok(());
        }
        let cause = HoldCause::Stalled;
        let commands = self.look(|state| decide::commands(state, &self.id, cause));
        self.record(Kind::Held(Held { cause: cause.into(), step, text, fault: None, commands }))
    }

    pub(super) fn moves_again(&self) -> Result<(), Stop> {
        if self.look(|state| state.held.is_none() || state.wish.is_some()) {
            return Ok(());
        }
        self.record(Kind::Resumed(Resumed { text: "it moves again".to_owned() }))
    }

    /// Judges an attempt by the system itself, asked after the job's end.
    async fn conclude(&self, known: &ActState, job: Option<&Job>) -> Result<(), Stop> {
        let succeeded = job.is_some_and(|job| job.state() == JobState::Succeeded);
        let cancelled = job.is_some_and(|job| job.state() == JobState::Cancelled);
        let mut left = PATIENCE;
        let (act, attempt) = (known.act.number, known.attempt);
        let (verdict, text) = loop {
            let observation = self.observe().await?;
            let verdict = match self.probe(known.act.action.as_ref(), &observation) {
                Probe::Done => {
                    let evidence = Some(evidence_of(job, "the system shows its effect".to_owned()));
                    return self.record(Kind::ActDone(ActDone { act, attempt, evidence }));
                }
                // The effect of a tool that succeeded may take a moment to show.
                Probe::NotDone if left.is_zero() || !succeeded => {
                    break (ProbeVerdict::NotDone, "the system shows nothing of it".to_owned());
                }
                Probe::Partial(seen) if left.is_zero() || !succeeded => {
                    break (ProbeVerdict::Partial, seen);
                }
                Probe::Unknown(reason) if left.is_zero() => {
                    break (ProbeVerdict::Unknown, reason);
                }
                Probe::NotDone => "its effect is not to be seen yet".to_owned(),
                Probe::Partial(reason) | Probe::Unknown(reason) => reason,
            };
            self.show(Meter::default().show(self.world.clock().now_ms(), known.step, &verdict));
            left = left.saturating_sub(RETRY_PAUSE);
            self.world.clock().sleep(RETRY_PAUSE).await;
        };
        let evidence = Some(evidence_of(job, text));
        let failed =
            ActFailed { act, attempt, verdict: verdict.into(), evidence: evidence.clone() };
        self.record(Kind::ActFailed(failed))?;
        if cancelled && self.look(|state| state.wish.is_some() || state.mode != Mode::Forward) {
            return Err(Stop::Wish);
        }
        let status = ActStatus::Failed(verdict);
        Err(Stop::Failed(failure_of(&ActState { status, evidence, ..known.clone() })))
    }

    /// Takes one act back: its undo acts, in their order, each probed first.
    pub(super) async fn undo_act(&self, known: &ActState) -> Result<(), Stop> {
        for undo in &known.undo {
            self.undoing(known.step, undo).await?;
        }
        Ok(())
    }

    /// `act` for an undo act; boxed, because a retry of an act undoes it first.
    fn undoing<'a>(&'a self, step: u32, undo: &'a Act) -> BoxFuture<'a, Result<(), Stop>> {
        Box::pin(self.act(step, undo, Way::Undo))
    }

    /// Brings an act whose outcome is open to its end, without beginning anything.
    pub(super) async fn act_to_its_end(&self, known: &ActState) -> Result<(), Stop> {
        if known.status == ActStatus::Started {
            self.go_on(known, Way::Forward).await
        } else {
            self.conclude(known, None).await
        }
    }

    /// Returns when somebody has asked for something that ends a running job.
    async fn wished(&self) {
        loop {
            let ends = self.look(|state| match state.wish {
                Some(ControlKind::Cancel | ControlKind::Undo | ControlKind::Abandon) => true,
                Some(
                    ControlKind::Pause
                    | ControlKind::Resume
                    | ControlKind::Retry
                    | ControlKind::Unspecified,
                )
                | None => false,
            });
            if ends {
                return;
            }
            self.pause(Duration::from_secs(60)).await;
        }
    }

    /// Somebody wants the operation back, or away: what only waits ends here.
    pub(super) fn stop_if_turned(&self) -> Result<(), Stop> {
        if self.look(|state| state.wish.is_some()) { Err(Stop::Wish) } else { Ok(()) }
    }

    /// Repeats a call that is safe to repeat, with growing pauses, until patience ends.
    pub(super) async fn patiently<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>> + Send,
    {
        let (mut left, mut pause) = (PATIENCE, RETRY_PAUSE);
        loop {
            match call().await {
                Err(fault) if is_passing(&fault) && !left.is_zero() => {
                    self.world.clock().sleep(pause).await;
                    left = left.saturating_sub(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                other => return other,
            }
        }
    }
}

fn has_ended(job: &Job) -> bool {
    match job.state() {
        JobState::Succeeded | JobState::Failed | JobState::Cancelled | JobState::Lost => true,
        JobState::Accepted | JobState::Running | JobState::Unspecified => false,
    }
}

fn said(text: String) -> Evidence {
    Evidence { text, ..Evidence::default() }
}

fn evidence_of(job: Option<&Job>, text: String) -> Evidence {
    let Some(job) = job else { return said(text) };
    Evidence {
        text,
        fault: job.fault.clone(),
        job_started_at_ms: job.accepted_at_ms,
        job_ended_at_ms: job.ended_at_ms,
        output_digest: job.output_digest.clone(),
        tool_runs: u32::try_from(job.tool_runs.len()).unwrap_or(u32::MAX),
    }
}

/// What a failed attempt means for its step.
fn failure_of(known: &ActState) -> Failure {
    let cause = if known.status.is_unknown() { HoldCause::Unknown } else { HoldCause::Failed };
    let Evidence { text: seen, fault, .. } = known.evidence.clone().unwrap_or_default();
    let (summary, host) = (&known.act.summary, &known.act.host);
    let text = match &fault {
        Some(fault) => format!("{summary} on host {host}: {}; {seen}", fault.message),
        None => format!("{summary} on host {host}: the tool ended well, but {seen}"),
    };
    Failure { cause, text, fault }
}
