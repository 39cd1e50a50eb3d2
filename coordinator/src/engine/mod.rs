//! The engine: carries operations out over four ports. It makes no choices of a system's
//! own and knows no system, no store, no network.

mod act;
mod burial;
mod close;
mod compare;
mod damaged;
pub mod decide;
mod effects;
pub mod index;
mod job;
mod observe;
pub mod ports;
mod rate;
mod read_only;
mod readings;
pub(crate) mod reconcile;
mod run;
pub mod skip;
pub mod state;
mod step;
mod submit;
pub mod summary;
mod window;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bellows_proto::v1::{
    Control, ControlKind, HoldCause, Intent, Observation, OperationSummary, Spec, WatchUpdate,
};
use tokio::sync::{Notify, broadcast, watch};

use damaged::Found;
pub use job::has_ended;
use observe::Surveys;
use ports::{Agents, Clock, Journal, JournalError, Systems};
pub use read_only::ReadOnly;
use run::{Run, Stop};
pub use submit::{ApplyError, PlanError};

/// The four ports in one type.
pub trait World: Send + Sync + 'static {
    /// Calls to agents.
    type Agents: Agents;
    /// Pure functions of the systems.
    type Systems: Systems;
    /// The journal.
    type Journal: Journal;
    /// Time and chance.
    type Clock: Clock;
    /// Calls to agents.
    fn agents(&self) -> &Self::Agents;
    /// Pure functions of the systems.
    fn systems(&self) -> &Self::Systems;
    /// The journal.
    fn journal(&self) -> &Self::Journal;
    /// Time and chance.
    fn clock(&self) -> &Self::Clock;
}

/// Four ports put together.
#[derive(Debug)]
pub struct Ports<A, S, J, C> {
    /// Calls to agents.
    pub agents: Arc<A>,
    /// Pure functions of the systems.
    pub systems: Arc<S>,
    /// The journal.
    pub journal: Arc<J>,
    /// Time and chance.
    pub clock: Arc<C>,
}

impl<A: Agents, S: Systems, J: Journal, C: Clock> World for Ports<A, S, J, C> {
    type Agents = A;
    type Systems = S;
    type Journal = J;
    type Clock = C;

    fn agents(&self) -> &A {
        &self.agents
    }

    fn systems(&self) -> &S {
        &self.systems
    }

    fn journal(&self) -> &J {
        &self.journal
    }

    fn clock(&self) -> &C {
        &self.clock
    }
}

/// Why something cannot be asked of an operation.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No open operation has this id.
    #[error("no open operation {0}")]
    NotFound(String),
    /// Not in its present state.
    #[error("{0}")]
    NotNow(String),
    /// Too little is left of its record: what is wrong with it.
    #[error("its record in the journal is damaged: {damage}")]
    Damaged {
        /// Where, and how.
        damage: String,
        /// What to do.
        remedy: &'static str,
    },
    /// This coordinator may not change anything.
    #[error("this coordinator is read-only: {0}")]
    ReadOnly(String),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Plans, begins, carries out and controls operations. Cheap to clone.
pub struct Engine<W: World> {
    inner: Arc<Inner<W>>,
}

struct Inner<W: World> {
    world: Arc<W>,
    site: String,
    runs: Mutex<BTreeMap<String, Arc<Run<W>>>>,
    /// Operations of whose record too little is left, with what is wrong.
    lost: Mutex<BTreeMap<String, String>>,
    read_only: ReadOnly,
    fatal: watch::Sender<Option<JournalError>>,
    /// Told when a spec has a tombstone that a host must still get.
    owes: Arc<Notify>,
}

impl<W: World> Clone for Engine<W> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<W: World> Engine<W> {
    /// An engine that runs nothing yet. Call [`Engine::recover`] before anything else.
    pub fn new(world: W, site: String) -> Self {
        Self::obeying(world, site, ReadOnly::default())
    }

    /// As [`Engine::new`], with a word that others hear and say too.
    pub fn obeying(world: W, site: String, read_only: ReadOnly) -> Self {
        let (fatal, _) = watch::channel(None);
        Self {
            inner: Arc::new(Inner {
                world: Arc::new(world),
                site,
                runs: Mutex::default(),
                lost: Mutex::default(),
                read_only,
                fatal,
                owes: Arc::default(),
            }),
        }
    }

    /// Asks a cluster's hosts now. `intent` only where something is wanted of it. What surveys told may be
    /// of any age.
    pub async fn observe(&self, spec: &Spec, intent: Option<&Intent>) -> Observation {
        let seen = observe::observe(&*self.inner.world, spec, intent, Surveys::AnyAge);
        seen.await.observation
    }

    /// The systems' functions, for `status`.
    pub fn systems(&self) -> &W::Systems {
        self.inner.world.systems()
    }

    /// Why nothing may be changed; `None`: it may.
    pub fn is_read_only(&self) -> Option<String> {
        self.inner.read_only.reason()
    }

    /// Forbids, or allows, changes.
    pub fn set_read_only(&self, reason: Option<String>) {
        self.inner.read_only.set(reason);
    }

    /// Takes up all operations that the journal has and that are not over. Returns how many.
    /// Does not begin anything on a read-only coordinator. Where there is `doubt` whether the
    /// journal has all that was done, each of them is held until somebody decides.
    ///
    /// # Errors
    /// If the journal cannot be read. An operation whose own record is damaged is logged and
    /// stays held, with its locks: it does not keep the others from going on.
    pub fn recover(&self, doubt: Option<&str>) -> Result<usize, JournalError> {
        if self.is_read_only().is_some() {
            return Ok(0);
        }
        let mut taken_up = 0;
        for recorded in self.inner.world.journal().unfinished()? {
            let id = recorded.operation.clone();
            let state = match damaged::judge(recorded) {
                Found::Sound(state) => *state,
                Found::Abandonable(state) => {
                    let damage = state.damage.as_deref();
                    tracing::error!(operation = id, damage, "its record is damaged: it stays held");
                    self.launch(id, *state, None, true);
                    continue;
                }
                Found::Lost(damage) => {
                    tracing::error!(operation = id, damage, "its record is lost: it stays held");
                    self.lost().insert(id, damage);
                    continue;
                }
            };
            let old = self.old_plan(&state);
            let doubt = doubt.filter(|_| state.outcome().is_none());
            let held = state.parked().is_some_and(|held| held.cause() == HoldCause::Decision);
            let reason = doubt.filter(|_| !held).map(str::to_owned).or(old);
            self.launch(id, state, reason, true);
            taken_up += 1;
        }
        Ok(taken_up)
    }

    /// Why a plan of an earlier version must not simply be gone on with.
    fn old_plan(&self, state: &state::OperationState) -> Option<String> {
        if state.outcome().is_some() || state.parked().is_some() {
            return None;
        }
        submit::wrong_version(self.inner.world.systems(), &state.plan)
    }

    fn launch(
        &self,
        id: String,
        state: state::OperationState,
        hold: Option<String>,
        taken_up: bool,
    ) {
        let world = Arc::clone(&self.inner.world);
        let run = Run::new(world, id.clone(), state, taken_up).owing(Arc::clone(&self.inner.owes));
        let run = Arc::new(run);
        self.runs().insert(id.clone(), Arc::clone(&run));
        let engine = self.clone();
        // Durable when this returns: whoever asked for the hold may forget why.
        let held = hold.map_or(Ok(()), |text| run.hold_for_decision(text));
        tokio::spawn(async move {
            // Whichever operation hears of a newer coordinator first: all of them stop where they
            // are, as if this process had been killed.
            let driven = match held {
                Ok(()) => tokio::select! {
                    biased;
                    reason = engine.inner.read_only.forbidden() => Err(Stop::Stale(reason)),
                    driven = run.drive() => driven,
                },
                Err(stop) => Err(stop),
            };
            match driven {
                Ok(()) => {
                    engine.runs().remove(&id);
                }
                Err(Stop::Journal(error)) => {
                    tracing::error!(operation = id, %error, "the journal failed: ending");
                    engine.inner.fatal.send_replace(Some(error));
                }
                Err(Stop::Stale(reason)) => {
                    tracing::error!(operation = id, reason, "another coordinator has taken over");
                    engine.inner.read_only.forbid(&reason);
                    // Viewers see the end of what is told, and the list shows what is stored.
                    engine.runs().remove(&id);
                }
                Err(Stop::Wish | Stop::Failed(_)) => {
                    tracing::error!(operation = id, "a bug: the operation's loop ended early");
                }
            }
        });
    }

    fn runs(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Run<W>>>> {
        self.inner.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.inner.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run_of(&self, operation: &str) -> Option<Arc<Run<W>>> {
        self.runs().get(operation).cloned()
    }

    /// Asks something of an open operation. It is journalled before this returns, and carried
    /// out at the next safe point.
    ///
    /// # Errors
    /// If there is no such operation, it does not fit its state, or nothing may be changed.
    pub fn control(
        &self,
        operation: &str,
        kind: ControlKind,
        principal: &str,
    ) -> Result<(), ControlError> {
        self.asked(
            operation,
            Control { kind: kind.into(), principal: principal.to_owned(), ..Control::default() },
        )
    }

    /// Asks for the failed or stalled step of a held operation to be passed over. `reason` is kept
    /// with the operation. Otherwise as [`Engine::control`].
    ///
    /// # Errors
    /// As [`Engine::control`]; and if the step is none that may be passed over.
    pub fn skip(&self, operation: &str, reason: &str, principal: &str) -> Result<(), ControlError> {
        let (principal, reason) = (principal.to_owned(), reason.to_owned());
        self.asked(
            operation,
            Control { kind: ControlKind::Skip.into(), principal, reason, window: false },
        )
    }

    fn asked(&self, operation: &str, control: Control) -> Result<(), ControlError> {
        if let Some(reason) = self.is_read_only() {
            return Err(ControlError::ReadOnly(reason));
        }
        if let Some(damage) = self.lost().get(operation) {
            let damage = damage.clone();
            return Err(ControlError::Damaged { damage, remedy: damaged::REMEDY_LOST });
        }
        let run =
            self.run_of(operation).ok_or_else(|| ControlError::NotFound(operation.to_owned()))?;
        run.wish(control).map_err(|error| match error {
            Ok(reason) => ControlError::NotNow(reason),
            Err(error) => {
                self.inner.fatal.send_replace(Some(error.clone()));
                ControlError::Journal(error)
            }
        })
    }

    /// Live updates of an open operation from now on; `None` if it is not open.
    pub fn subscribe(&self, operation: &str) -> Option<broadcast::Receiver<WatchUpdate>> {
        self.run_of(operation).map(|run| run.subscribe())
    }

    /// Where an open operation is; `None` if it is not open, or too little is left of its record.
    pub fn summary(&self, operation: &str) -> Option<OperationSummary> {
        self.run_of(operation).map(|run| summary::of(operation, &run.state()))
    }

    /// Open operations whose record is damaged, as they are held now: all that is known of each.
    pub fn damaged(&self) -> Vec<OperationSummary> {
        let runs: Vec<_> = self.runs().iter().map(|(id, run)| (id.clone(), run.state())).collect();
        let known = runs.iter().filter(|(_, state)| state.damage.is_some());
        let known = known.map(|(id, state)| summary::of(id, state));
        let lost = self.lost();
        let lost = lost.iter().map(|(id, damage)| summary::of_lost(id, damage));
        known.chain(lost).collect()
    }

    /// Resolves when the journal has failed: the program must end then.
    pub async fn fatal(&self) -> JournalError {
        let mut fatal = self.inner.fatal.subscribe();
        let failed = fatal.wait_for(Option::is_some).await.map(|error| error.clone());
        match failed {
            Ok(error) => error.unwrap_or_else(|| JournalError("unknown".to_owned())),
            // The sender lives as long as this engine.
            Err(_) => std::future::pending().await,
        }
    }
}
