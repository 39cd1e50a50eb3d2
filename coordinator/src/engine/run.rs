//! One operation being carried out: the loop of decide, do, record. Everything it does is
//! journalled first; what it knows is the fold of the journal.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bellows_proto::v1::{
    Event, Fault, FaultCode, Fenced, Held, HoldCause, Observation, Outcome, PlantFenceRequest,
    Rested, Resumed, Spec, StepProgress, StepSkipped, UndoStarted, WatchUpdate, event::Kind, step,
    watch_update,
};
use tokio::sync::{Notify, broadcast};

use super::{
    World, burial, decide, effects, index, observe,
    ports::{Clock as _, Journal as _, JournalError, Systems as _, Verdict},
    skip,
    state::{self, OperationState},
};
use crate::spec;

/// How long a reading that cannot be had, or an effect that is not visible yet, is tried again
/// before the operation is held.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between such tries.
pub const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause between calls to a host that does not answer.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Live updates kept for a slow viewer.
const VIEWER_BACKLOG: usize = 1024;

/// Why the work at a step ended early.
#[derive(Debug)]
pub enum Stop {
    /// The journal failed: the program ends, recovery goes on.
    Journal(JournalError),
    /// Somebody asked for something: the loop decides anew.
    Wish,
    /// The step failed.
    Failed(Box<Failure>),
    /// Another coordinator has a higher term: this one may not act any more.
    Stale(String),
}

/// What goes into a hold.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Why.
    pub cause: HoldCause,
    /// What was seen.
    pub text: String,
    /// The tool's or the call's fault, where there was one.
    pub fault: Option<Fault>,
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// Shorthand for a failed step.
pub fn failed(cause: HoldCause, text: impl Into<String>) -> Stop {
    Stop::Failed(Box::new(Failure { cause, text: text.into(), fault: None }))
}

/// One operation and its viewers.
pub struct Run<W: World> {
    pub(super) world: Arc<W>,
    pub(super) id: String,
    state: Mutex<OperationState>,
    viewers: broadcast::Sender<WatchUpdate>,
    woken: Notify,
    /// The journal failed once: whether that append is durable is not known, so that nothing
    /// may be written after it. The program ends; recovery reads what is there.
    broken: OnceLock<JournalError>,
    /// The journal has all jobs that the agents have: known of an operation that this process
    /// began, asked for one that it took up. A store may have lost its tail or be a copy.
    reconciled: AtomicBool,
    /// Told when a spec has a tombstone that a host must still get.
    owes: Arc<Notify>,
}

impl<W: World> Run<W> {
    /// Takes over an operation that the journal knows. `taken_up`: another process began it.
    pub fn new(world: Arc<W>, id: String, state: OperationState, taken_up: bool) -> Self {
        let (viewers, _) = broadcast::channel(VIEWER_BACKLOG);
        let (state, woken, broken) = (Mutex::new(state), Notify::new(), OnceLock::new());
        let reconciled = AtomicBool::new(!taken_up);
        Self { world, id, state, viewers, woken, broken, reconciled, owes: Arc::default() }
    }

    /// The same, telling whoever delivers tombstones that there is one to deliver.
    #[must_use]
    pub fn owing(self, owes: Arc<Notify>) -> Self {
        Self { owes, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, OperationState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of the state as it is now.
    pub fn state(&self) -> OperationState {
        self.lock().clone()
    }

    /// Live updates from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<WatchUpdate> {
        self.viewers.subscribe()
    }

    /// Looks at the state without copying it.
    pub(super) fn look<T>(&self, look: impl FnOnce(&OperationState) -> T) -> T {
        look(&self.lock())
    }

    /// Writes down what somebody asked for, if it is allowed now.
    ///
    /// # Errors
    /// `Err(Ok(reason))` if it is not allowed, `Err(Err(error))` if the journal fails.
    pub fn wish(
        &self,
        control: bellows_proto::v1::Control,
    ) -> Result<(), Result<String, JournalError>> {
        let mut state = self.lock();
        decide::allowed(&state, control.kind()).map_err(Ok)?;
        self.write(&mut state, Kind::Control(control)).map_err(Err)?;
        drop(state);
        self.woken.notify_waiters();
        Ok(())
    }

    /// Journals an event, then takes it into the state and shows it.
    pub(super) fn record(&self, kind: Kind) -> Result<(), Stop> {
        let mut state = self.lock();
        Ok(self.write(&mut state, kind)?)
    }

    /// Journals an event unless a wish came in between: what must not begin after a cancel.
    pub(super) fn record_unless_wished(&self, kind: Kind) -> Result<(), Stop> {
        let mut state = self.lock();
        if state.wish.is_some() {
            return Err(Stop::Wish);
        }
        Ok(self.write(&mut state, kind)?)
    }

    fn write(&self, state: &mut OperationState, mut kind: Kind) -> Result<(), JournalError> {
        if let Some(error) = self.broken.get() {
            return Err(error.clone());
        }
        let world = &*self.world;
        let effects = effects::of(world, &self.id, state, &mut kind)?;
        let event =
            Event { sequence: state.sequence + 1, at_ms: world.clock().now_ms(), kind: Some(kind) };
        let next = state::next(state, &event)
            .map_err(|illegal| JournalError(format!("operation {}: {illegal}", self.id)))?;
        if let Err(error) = world.journal().append(&self.id, &event, &effects) {
            return Err(self.broken.get_or_init(|| error).clone());
        }
        *state = next;
        if effects.put_spec.as_ref().is_some_and(burial::is_owed) {
            self.owes.notify_one();
        }
        // Nobody watching is no error.
        let _ = self.viewers.send(WatchUpdate { kind: Some(watch_update::Kind::Event(event)) });
        Ok(())
    }

    /// Shows a reading; it is not journalled.
    pub(super) fn show(&self, progress: StepProgress) {
        let kind = Some(watch_update::Kind::Progress(progress));
        let _ = self.viewers.send(WatchUpdate { kind });
    }

    /// Sleeps, or wakes up because somebody asked for something.
    pub(super) async fn pause(&self, time: Duration) {
        // Registered before the look, so that a wish in between is not missed.
        let woken = self.woken.notified();
        if self.look(|state| state.wish.is_some()) {
            // The caller sees the wish; do not spin while it cannot be carried out yet.
            self.world.clock().sleep(time.min(RETRY_PAUSE)).await;
            return;
        }
        tokio::select! {
            biased;
            () = woken => {}
            () = self.world.clock().sleep(time) => {}
        }
    }

    /// Waits until somebody asks for something.
    async fn parked(&self) {
        loop {
            let woken = self.woken.notified();
            if self.look(|state| state.wish.is_some()) {
                return;
            }
            woken.await;
        }
    }

    /// The spec as it is now; a blank one before the cluster is made.
    pub(super) fn spec(&self) -> Result<Spec, JournalError> {
        let plan = self.look(|state| Arc::clone(&state.plan));
        let known = self.world.journal().spec(&plan.cluster)?;
        Ok(known.unwrap_or_else(|| spec::blank(&plan.cluster, plan.system())))
    }

    /// Whether the picture that the plan was made of still is the one.
    pub(super) fn invariants(&self, observation: &Observation) -> Verdict {
        let plan = self.look(|state| Arc::clone(&state.plan));
        observe::all(self.world.systems(), &plan.invariants, observation)
    }

    /// Runs the operation until it is over, or parks it. Ends when everything is told.
    ///
    /// # Errors
    /// If the journal fails, or a newer coordinator has taken over.
    pub async fn drive(&self) -> Result<(), Stop> {
        loop {
            match self.look(decide::next) {
                decide::Next::Over => return Ok(()),
                decide::Next::Close => self.close().await?,
                decide::Next::Park => self.parked().await,
                decide::Next::Pause => self.hold_paused()?,
                decide::Next::Resume => self.record(Kind::Resumed(self.resumed()))?,
                decide::Next::Skip => self.skip()?,
                decide::Next::TurnBack(target) if self.reconciled() => self.turn_back(target)?,
                decide::Next::TurnBack(target) => {
                    // What nobody knows of would not be taken back.
                    let turning = self.fenced(async { self.turn_back(target) });
                    self.settle(0, turning.await)?;
                }
                decide::Next::Abandon => self.abandon()?,
                decide::Next::RestUndone(target) => {
                    self.rest(target, "all is as it was", vec![])?
                }
                decide::Next::Finish => self.settle(0, self.finish().await)?,
                decide::Next::Step(number) => {
                    self.settle(number, self.fenced(self.top_step(number)).await)?;
                }
                decide::Next::Undo(number) => {
                    self.settle(number, self.fenced(self.undo_step(number)).await)?;
                }
            }
        }
    }

    /// Turns the end of a step's work into events.
    fn settle(&self, number: u32, result: Result<(), Stop>) -> Result<(), Stop> {
        match result {
            Ok(()) | Err(Stop::Wish) => Ok(()),
            Err(Stop::Failed(failure)) => self.fail(number, *failure),
            Err(stop @ (Stop::Journal(_) | Stop::Stale(_))) => Err(stop),
        }
    }

    fn fail(&self, number: u32, failure: Failure) -> Result<(), Stop> {
        // While the hosts have not been heard, the journal may be a copy or an old one: what it does
        // not know of may have been done.
        let concluded = self
            .reconciled()
            .then(|| self.look(|state| decide::after_failure(state, failure.cause)));
        if let Some(target) = concluded.flatten() {
            let from_step = self.look(OperationState::current_step);
            let begun = UndoStarted { target: target.into(), from_step, text: failure.text };
            return self.record(Kind::UndoStarted(begun));
        }
        let commands = self.look(|state| decide::commands(state, &self.id, number, failure.cause));
        self.record(Kind::Held(Held {
            cause: failure.cause.into(),
            step: number,
            text: failure.text,
            fault: failure.fault,
            commands,
            found: Vec::new(),
        }))
    }

    fn hold_paused(&self) -> Result<(), Stop> {
        let window = self.look(|state| state.plan.window.filter(|_| state.window_over));
        let text = window.map_or("paused on request, between two steps".to_owned(), |window| {
            format!("paused because its window {window} is over; it can be resumed at any time")
        });
        self.hold(HoldCause::Paused, text)
    }

    /// The operation waits for the administrator before it goes on at all.
    pub(super) fn hold_for_decision(&self, text: String) -> Result<(), Stop> {
        self.hold(HoldCause::Decision, text)
    }

    fn hold(&self, cause: HoldCause, text: String) -> Result<(), Stop> {
        let step = self.look(OperationState::current_step);
        let commands = self.look(|state| decide::commands(state, &self.id, step, cause));
        let cause = cause.into();
        self.record(Kind::Held(Held { cause, step, text, commands, ..Held::default() }))
    }

    /// Passes the held step over. Where it has come to its end meanwhile, there is nothing to pass
    /// over, and the operation goes on.
    fn skip(&self) -> Result<(), Stop> {
        let judged = self.look(skip::judge);
        let (reason, principal) = self.look(|state| state.skip.clone()).unwrap_or_default();
        match judged {
            Ok(step) => self.record(Kind::StepSkipped(StepSkipped { step, reason, principal })),
            Err(why) => {
                let text = format!("not skipped: {why}");
                self.record(Kind::Resumed(Resumed { text, ..self.resumed() }))
            }
        }
    }

    fn turn_back(&self, target: Outcome) -> Result<(), Stop> {
        if let Some(act) = self.look(|state| state.unknown_act().cloned()) {
            let text = format!(
                "nobody knows whether step {} had its effect; taking it back blindly is not safe",
                act.step
            );
            return self.fail(act.step, Failure { cause: HoldCause::Unknown, text, fault: None });
        }
        let from_step = self.look(OperationState::current_step);
        let text = "asked for".to_owned();
        self.record(Kind::UndoStarted(UndoStarted { target: target.into(), from_step, text }))
    }

    fn abandon(&self) -> Result<(), Stop> {
        let mut left = self.look(left_behind);
        left.extend(self.look(|state| {
            let damage = state.damage.as_ref()?;
            Some(format!("whatever the damaged part of its record tells of: {damage}"))
        }));
        self.rest(Outcome::Abandoned, "abandoned on request; the locks are free", left)
    }

    pub(super) fn rest(&self, outcome: Outcome, text: &str, left: Vec<String>) -> Result<(), Stop> {
        self.record(Kind::Rested(Rested { outcome: outcome.into(), text: text.to_owned(), left }))
    }

    /// The end is compared with the prediction; a difference holds.
    async fn finish(&self) -> Result<(), Stop> {
        let plan = self.look(|state| Arc::clone(&state.plan));
        let mut left = PATIENCE;
        loop {
            let observation = self.observe(self.quick(0)).await?;
            let prediction = plan.prediction.clone().unwrap_or_default();
            let drift = self.world.systems().drift(&prediction, &observation);
            if drift.is_empty() {
                let skipped = self.look(skip::skipped);
                let text = match skipped.as_slice() {
                    [] => "everything is as predicted".to_owned(),
                    some => format!("the end is as predicted; skipped: {}", some.join(", ")),
                };
                return self.rest(Outcome::Done, &text, vec![]);
            }
            if left.is_zero() {
                return Err(failed(HoldCause::Drift, drift.join("; ")));
            }
            left = left.saturating_sub(RETRY_PAUSE);
            self.pause(RETRY_PAUSE).await;
            if self.look(|state| state.wish.is_some()) {
                return Err(Stop::Wish);
            }
        }
    }

    fn reconciled(&self) -> bool {
        self.reconciled.load(Ordering::Relaxed)
    }

    /// Works only behind fences of this coordinator's term: they are planted before the first
    /// act and again after every restart.
    async fn fenced(&self, work: impl Future<Output = Result<(), Stop>>) -> Result<(), Stop> {
        let (plan, fenced) = self.look(|state| (Arc::clone(&state.plan), state.fenced.clone()));
        let term = self.world.journal().term();
        let planted = fenced.as_ref() == Some(&term);
        if !planted {
            self.plant(&plan.cluster, &plan.fenced_hosts, &term).await?;
        }
        if !self.reconciled() {
            // Behind the fences: an older coordinator starts nothing more.
            self.reconcile(&index::hosts(&plan)).await?;
            self.reconciled.store(true, Ordering::Relaxed);
        }
        if !planted {
            let hosts = plan.fenced_hosts.clone();
            self.record(Kind::Fenced(Fenced { term: Some(term), hosts }))?;
        }
        work.await
    }

    async fn plant(
        &self,
        cluster: &str,
        hosts: &[String],
        term: &bellows_proto::v1::Term,
    ) -> Result<(), Stop> {
        use super::ports::Agents as _;
        let spec = self.world.journal().spec(cluster)?;
        for host in hosts {
            // What left for good is buried before anything else is done there.
            burial::before(&*self.world, host).await?;
            let request = PlantFenceRequest {
                cluster: cluster.to_owned(),
                operation: self.id.clone(),
                term: Some(term.clone()),
                accepted: Some(self.look(OperationState::accepted)),
                spec: spec.clone(),
            };
            self.patiently(|| self.world.agents().plant_fence(host, request.clone()))
                .await
                .map_err(|fault| {
                    if fault.code() == FaultCode::Conflict {
                        return closed(host, fault);
                    }
                    observe::stop_of(fault, HoldCause::Unknown)
                })?;
        }
        Ok(())
    }
}

/// Agents close an operation when it is over: if this journal has it open, another one had its end.
fn closed(host: &str, fault: Fault) -> Stop {
    let text = format!(
        "the agent of {host} has closed this operation: another coordinator brought it to an end \
         that this journal does not know, so that the store is a copy or an old one. Look at the \
         cluster, abandon this operation, and plan anew; nothing is taken back by itself"
    );
    Stop::Failed(Box::new(Failure { cause: HoldCause::Decision, text, fault: Some(fault) }))
}

/// What an abandoned operation leaves: the steps that began, newest first.
fn left_behind(state: &OperationState) -> Vec<String> {
    let began = |number: &u32| {
        state.steps.get(number).is_some_and(|status| match status {
            state::StepStatus::Started
            | state::StepStatus::Succeeded
            | state::StepStatus::Failed
            | state::StepStatus::Skipped => true,
            state::StepStatus::Pending | state::StepStatus::Undone => false,
        })
    };
    let steps = index::steps(&state.plan)
        .rev()
        .filter(|step| began(&step.number) && matches!(step.kind, Some(step::Kind::Act(_))))
        .map(|step| format!("step {}: {}", step.number, step.title));
    // Where the journal was lost, the hosts have said what was done.
    let found = state.held.iter().flat_map(|held| held.found.iter().cloned());
    steps.chain(found).collect()
}
