//! One act: journal, start, follow, probe. An exit status never decides; the probe does.

use std::{future::Future, sync::Arc, time::Duration};

use bellows_proto::{
    defect::{Defect, is_seeded},
    v1::{
        Act, ActDone, ActFailed, ActNever, ActStarted, Action, Condition, Evidence, Fault,
        FaultCode, Held, HoldCause, Job, JobState, Observation, ProbeVerdict, Resumed, event::Kind,
    },
};
use futures::future::BoxFuture;

use super::{
    World, decide,
    observe::{self, is_passing},
    ports::{Clock as _, Journal as _, Probe, Systems as _, Verdict},
    rate::Meter,
    run::{Failure, LONGEST_PAUSE, PATIENCE, RETRY_PAUSE, Run, Stop, failed},
    state::{ActState, ActStatus, Mode, OperationState},
};

/// What an undo waits for has not moved for so long: it will not by itself.
const UNDO_STALL: Duration = Duration::from_secs(600);

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
                (ActStatus::Done, Some(known))
                    if way == Way::Undo && known.attempt == 1 && is_seeded(Defect::UndoTwice) =>
                {
                    self.begin(step, act, Some(&known), way).await?;
                }
                (ActStatus::Done, _) => return Ok(()),
                (ActStatus::Started, Some(known)) => self.go_on(&known, way).await?,
                (ActStatus::Failed(_), Some(known)) => {
                    return Err(failure_of(&known));
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
        let careless = way == Way::Undo && is_seeded(Defect::UndoTwice);
        if (attempts > 0 || way == Way::Undo) && !careless {
            // What was found done without an attempt carries no act.
            let tried = known.filter(|known| known.attempt > 0);
            let action = tried.map_or(&act.action, |known| &known.act.action);
            match self.probed(step, action.as_ref()).await? {
                Probe::Done => {
                    let evidence = Some(said("found done, nothing to run".to_owned()));
                    let act = act.number;
                    return self.record(Kind::ActDone(ActDone { act, attempt: 0, evidence }));
                }
                Probe::Unknown(reason) => return Err(failed(HoldCause::Unknown, reason)),
                // Half of it is in the way of another attempt. Looked at now: what was half done
                // when it failed may have come through since.
                Probe::Partial(_) if way == Way::Forward => {
                    if let Some(known) = tried {
                        self.undo_act(known).await?;
                    }
                }
                Probe::NotDone | Probe::Partial(_) => {}
            }
        }
        let resolved = self.resolved(step, act, way).await?;
        let attempt = match attempts {
            1.. if is_seeded(Defect::AttemptReused) => attempts,
            _ => attempts + 1,
        };
        let term = self.world.journal().term();
        let started = Kind::ActStarted(ActStarted {
            step,
            act: Some(resolved.clone()),
            attempt,
            term: Some(term),
            undo: way == Way::Undo,
        });
        if is_seeded(Defect::ActBeforeJournal) {
            self.start(&resolved, attempt).await?;
        }
        match way {
            Way::Forward => self.record_unless_wished(started)?,
            Way::Undo => self.record(started)?,
        }
        self.start(&resolved, attempt).await
    }

    /// The act with what is known only now. A reading that it needs and no condition does may be missing: it is
    /// asked for again for a while.
    async fn resolved(&self, step: u32, act: &Act, way: Way) -> Result<Act, Stop> {
        let mut left = PATIENCE;
        loop {
            let observation = self.holding(step, &act.requires, way).await?;
            let reason = match self.world.systems().resolve(act, &observation) {
                Ok(resolved) => return Ok(resolved),
                Err(reason) if left.is_zero() => return Err(failed(HoldCause::Unknown, reason)),
                Err(reason) => reason,
            };
            self.show(Meter::default().show(self.world.clock().now_ms(), step, &reason));
            left = left.saturating_sub(RETRY_PAUSE);
            self.pause(RETRY_PAUSE).await;
            if way == Way::Forward {
                self.stop_if_turned()?;
            }
        }
    }

    /// An observation in which the conditions and (forward) the plan's invariants hold. What is
    /// unknown or on its way is read again for a while; then the step has failed. What an undo waits for
    /// may take hours where it is measured, as a node that is being emptied does: as long as it moves.
    pub(super) async fn holding(
        &self,
        step: u32,
        conditions: &[Condition],
        way: Way,
    ) -> Result<Observation, Stop> {
        let mut left = PATIENCE;
        let (mut meter, mut pause) = (Meter::default(), RETRY_PAUSE);
        let plan = self.look(|state| Arc::clone(&state.plan));
        let invariants = plan.invariants.iter().filter(|_| way == Way::Forward);
        let readings = self.readings_of(step, conditions.iter().chain(invariants));
        loop {
            let observation = self.observe(readings).await?;
            // Backwards the picture has changed: only the act's own needs count.
            let invariants = match way {
                Way::Forward => {
                    self.hold_invariants(&observation, left)?;
                    self.invariants(&observation)
                }
                Way::Undo => Verdict::Holds,
            };
            let (cause, reason) = match observe::all(self.world.systems(), conditions, &observation)
            {
                Verdict::Holds if invariants == Verdict::Holds => {
                    return Ok(observation);
                }
                Verdict::Holds => (HoldCause::Unknown, "the invariants are unknown".to_owned()),
                Verdict::Refused(reason) => return Err(failed(HoldCause::Failed, reason)),
                Verdict::NotYet { reason, progress: Some(progress) } if way == Way::Undo => {
                    let now = self.world.clock().now_ms();
                    meter.read(now, Some(&progress));
                    self.show(meter.show(now, step, &reason));
                    if meter.still(now) < UNDO_STALL {
                        // A wish that came meanwhile is decided upon first.
                        self.stop_if_turned()?;
                        self.pause(pause).await;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                        continue;
                    }
                    (HoldCause::Failed, reason)
                }
                Verdict::NotYet { reason, .. } => (HoldCause::Failed, reason),
                Verdict::Unknown(reason) => (HoldCause::Unknown, reason),
            };
            if left.is_zero() {
                return Err(failed(cause, reason));
            }
            left = left.saturating_sub(RETRY_PAUSE);
            self.pause(RETRY_PAUSE).await;
            if way == Way::Forward {
                self.stop_if_turned()?;
            }
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
        let readings = self.readings_to_probe(step, action);
        loop {
            let observation = self.observe(readings).await?;
            match self.probe(action, &observation) {
                Probe::Unknown(reason) if !left.is_zero() => {
                    self.show(Meter::default().show(self.world.clock().now_ms(), step, &reason));
                }
                known @ (Probe::Done | Probe::NotDone | Probe::Partial(_) | Probe::Unknown(_)) => {
                    return Ok(known);
                }
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

    /// Goes on with an attempt that was asked for: finds its job and follows it to its end.
    async fn go_on(&self, known: &ActState, way: Way) -> Result<(), Stop> {
        let found = match is_seeded(Defect::SealSkipped) {
            true => self.job_without_seal(&known.act, known.attempt).await,
            false => self.seal(&known.act, known.attempt).await?,
        };
        let Some(job) = found else {
            let (act, attempt) = (known.act.number, known.attempt);
            return self.record(Kind::ActNever(ActNever { act, attempt }));
        };
        let job = self.follow(known, job, way).await?;
        self.conclude(known, Some(&job)).await
    }

    pub(super) fn stalls(&self, step: u32, text: String) -> Result<(), Stop> {
        if self.look(|state| state.held.is_some()) {
            return Ok(());
        }
        let cause = HoldCause::Stalled;
        let commands = self.look(|state| decide::commands(state, &self.id, step, cause));
        let cause = cause.into();
        self.record(Kind::Held(Held { cause, step, text, commands, ..Held::default() }))
    }

    /// The step that stalled moves: its own hold is over. Another step's is not touched.
    pub(super) fn moves_again(&self, step: u32) -> Result<(), Stop> {
        let mine = |state: &OperationState| {
            let held = state.held.as_ref();
            held.is_some_and(|held| held.step == step && held.cause() == HoldCause::Stalled)
        };
        if self.look(|state| !mine(state) || state.wish.is_some()) {
            return Ok(());
        }
        let closes_at_ms = self.look(|state| state.closes_at_ms);
        self.record(Kind::Resumed(Resumed { text: "it moves again".to_owned(), closes_at_ms }))
    }

    /// Judges an attempt by the system itself, asked after the job's end.
    async fn conclude(&self, known: &ActState, job: Option<&Job>) -> Result<(), Stop> {
        let succeeded = job.is_some_and(|job| job.state() == JobState::Succeeded);
        let cancelled = job.is_some_and(|job| job.state() == JobState::Cancelled);
        let mut left = PATIENCE;
        let (act, attempt) = (known.act.number, known.attempt);
        if succeeded && is_seeded(Defect::ExitStatusTrusted) {
            let evidence = Some(evidence_of(job, "the tool says so".to_owned()));
            return self.record(Kind::ActDone(ActDone { act, attempt, evidence }));
        }
        let readings = self.readings_to_probe(known.step, known.act.action.as_ref());
        let (verdict, text) = loop {
            let observation = self.observe(readings).await?;
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
                Probe::Unknown(reason) if is_seeded(Defect::UnknownIsNotDone) => {
                    break (ProbeVerdict::NotDone, reason);
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
        Err(failure_of(&ActState { status, evidence, ..known.clone() }))
    }

    /// Takes one act back: its undo acts, in their order, each probed first.
    pub(super) async fn undo_act(&self, known: &ActState) -> Result<(), Stop> {
        for undo in known.undo.iter() {
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

    /// Somebody wants the operation back, or away: what only waits ends here.
    pub(super) fn stop_if_turned(&self) -> Result<(), Stop> {
        if self.look(|state| state.wish.is_some()) { Err(Stop::Wish) } else { Ok(()) }
    }

    /// Repeats a call that is safe to repeat, with growing pauses, until patience ends. A fence
    /// that is still there may be one of an operation that is just being closed.
    pub(super) async fn patiently<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>> + Send,
    {
        let (mut left, mut pause) = (PATIENCE, RETRY_PAUSE);
        loop {
            match call().await {
                Err(fault)
                    if (is_passing(&fault) || fault.code() == FaultCode::Fenced)
                        && !left.is_zero() =>
                {
                    self.world.clock().sleep(pause).await;
                    left = left.saturating_sub(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                other => return other,
            }
        }
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
fn failure_of(known: &ActState) -> Stop {
    let cause = if known.status.is_unknown() { HoldCause::Unknown } else { HoldCause::Failed };
    let Evidence { text: seen, fault, .. } = known.evidence.clone().unwrap_or_default();
    let (summary, host) = (&known.act.summary, &known.act.host);
    let text = match &fault {
        Some(fault) => format!("{summary} on host {host}: {}; {seen}", fault.message),
        None => format!("{summary} on host {host}: the tool ended well, but {seen}"),
    };
    Stop::Failed(Box::new(Failure { cause, text, fault }))
}
