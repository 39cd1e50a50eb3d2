//! The engine over in-memory ports and paused time: each step failing, each answer lost, a
//! crash at every journal append, cancel and undo at every moment.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    missing_docs
)]

#[path = "engine/again.rs"]
mod again;
#[path = "engine/burial.rs"]
mod burial;
#[path = "engine/damaged.rs"]
mod damaged;
#[path = "engine/held.rs"]
mod held;
#[path = "engine/journal.rs"]
mod journal;
#[path = "engine/lost.rs"]
mod lost;
#[path = "engine/memory.rs"]
mod memory;
#[path = "engine/said.rs"]
mod said;
#[path = "engine/shelf.rs"]
mod shelf;
#[path = "engine/skip.rs"]
mod skip;
#[path = "engine/surveys.rs"]
mod surveys;
#[path = "engine/window.rs"]
mod window;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bellows::engine::{
    ApplyError, ControlError, Engine, Ports,
    ports::{BeginError, Journal as _},
    state,
};
use bellows_proto::v1::{
    ControlKind, Create, HoldCause, Intent, OnFailure, Outcome, Plan, System, event, intent,
};
use journal::{Crash, MemoryJournal};
use memory::{MemoryAgents, PausedClock, Trouble};
use shelf::{GOAL, Shelf};

type World = Ports<MemoryAgents, Shelf, MemoryJournal, PausedClock>;

/// A site whose coordinator can be killed and started again.
struct Site {
    agents: Arc<MemoryAgents>,
    journal: Arc<MemoryJournal>,
    clock: Arc<PausedClock>,
    systems: Arc<Shelf>,
    engine: Engine<World>,
}

impl Site {
    fn with(agents: MemoryAgents, no_return: u32) -> Self {
        let (agents, journal) = (Arc::new(agents), Arc::new(MemoryJournal::default()));
        let (clock, systems) =
            (Arc::new(PausedClock::default()), Arc::new(Shelf { no_return, ..Shelf::default() }));
        let engine = start(&agents, &systems, &journal, &clock);
        Self { agents, journal, clock, systems, engine }
    }

    fn new() -> Self {
        Self::with(MemoryAgents::default(), 0)
    }

    /// SIGKILL and a new start: nothing of the old engine goes on, because its journal failed.
    fn restart(&mut self) {
        self.journal.crash(None);
        self.engine = start(&self.agents, &self.systems, &self.journal, &self.clock);
        self.engine.recover(None).unwrap();
    }

    async fn plan(&self) -> Plan {
        self.engine.plan(&wanted(), &[]).await.unwrap()
    }

    async fn begin(&self, on_failure: OnFailure) -> String {
        self.engine.apply(self.plan().await, on_failure, "tester").await.unwrap()
    }

    /// Until the operation is closed, held (not stalled), or the journal failed.
    async fn settle(&self, id: &str) -> Option<state::OperationState> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(3600);
        loop {
            assert!(tokio::time::Instant::now() < deadline, "stuck: {:?}", self.state(id));
            let failed = tokio::time::timeout(Duration::from_millis(50), self.engine.fatal());
            if failed.await.is_ok() {
                return None;
            }
            let state = self.state(id);
            if matches!(state.mode, state::Mode::Closed(_)) || state.parked().is_some() {
                return Some(state);
            }
        }
    }

    fn state(&self, id: &str) -> state::OperationState {
        state::fold(&self.journal.events(id)).unwrap()
    }

    /// Every job ran once, and at most one attempt of each act had an effect unless it failed.
    fn assert_runs_are_unique(&self) {
        let runs = self.agents.runs.lock().unwrap();
        let unique: BTreeSet<_> = runs.iter().collect();
        assert_eq!(runs.len(), unique.len(), "a job ran twice: {runs:?}");
    }

    fn assert_done(&self) {
        let goal = GOAL.iter().map(|(host, thing)| ((*host).into(), (*thing).into())).collect();
        assert_eq!(self.agents.things(), goal);
        assert_eq!((self.journal.locks(), self.agents.fences_left()), (0, 0));
        self.assert_runs_are_unique();
        let spec = self.journal.spec("shelf").unwrap().unwrap();
        assert_eq!(spec.nodes.iter().map(|n| n.host.as_str()).collect::<Vec<_>>(), shelf::HOSTS);
    }

    fn assert_as_before(&self) {
        assert_eq!(self.agents.things(), BTreeSet::new());
        assert_eq!((self.journal.locks(), self.agents.fences_left()), (0, 0));
        assert_eq!(self.journal.spec("shelf").unwrap(), None);
        self.assert_runs_are_unique();
    }
}

fn start(
    agents: &Arc<MemoryAgents>,
    systems: &Arc<Shelf>,
    journal: &Arc<MemoryJournal>,
    clock: &Arc<PausedClock>,
) -> Engine<World> {
    journal.start();
    let world = Ports {
        agents: Arc::clone(agents),
        systems: Arc::clone(systems),
        journal: Arc::clone(journal),
        clock: Arc::clone(clock),
    };
    Engine::new(world, "site".into())
}

fn wanted() -> Intent {
    Intent {
        cluster: "shelf".into(),
        system: System::Postgresql.into(),
        verb: Some(intent::Verb::Create(Create { nodes: vec![] })),
        ..Intent::default()
    }
}

fn run(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(test);
}

/// Number of appends in a clean run: counted by the journal itself.
async fn appends_of(scenario: impl AsyncFn(&mut Site)) -> usize {
    let mut site = Site::new();
    scenario(&mut site).await;
    site.journal.appends()
}

#[test]
fn a_clean_run_ends_as_planned() {
    run(async {
        let site = Site::new();
        let id = site.begin(OnFailure::Hold).await;
        let state = site.settle(&id).await.unwrap();
        assert_eq!(state.outcome(), Some(Outcome::Done));
        site.assert_done();
        assert_eq!(site.agents.runs.lock().unwrap().len(), GOAL.len());
    });
}

#[test]
fn a_crash_at_every_append_is_survived() {
    run(async {
        let all = appends_of(async |site| {
            let id = site.begin(OnFailure::Hold).await;
            site.settle(&id).await.unwrap();
        })
        .await;
        assert!(all > 20, "{all} appends");
        let mut hit = 0;
        for at in 1..=all {
            for durable in [false, true] {
                let mut site = Site::new();
                let plan = site.plan().await;
                site.journal.crash(Some(Crash { at, durable }));
                let begun = site.engine.apply(plan.clone(), OnFailure::Hold, "tester").await;
                let id = match begun {
                    Ok(id) => id,
                    Err(ApplyError::Begin(BeginError::Journal(_))) => {
                        hit += 1;
                        site.restart();
                        match site.journal.unfinished().unwrap().first() {
                            Some(open) => open.operation.clone(),
                            None => site.begin(OnFailure::Hold).await,
                        }
                    }
                    Err(other) => panic!("{other}"),
                };
                if site.settle(&id).await.is_none() {
                    hit += 1;
                    site.restart();
                }
                let state = site.settle(&id).await.unwrap();
                assert_eq!(state.outcome(), Some(Outcome::Done), "crash at {at}, {durable}");
                site.assert_done();
                assert_eq!(site.agents.runs.lock().unwrap().len(), GOAL.len());
            }
        }
        assert_eq!(hit, all * 2, "every crash point was hit");
    });
}

#[test]
fn a_crash_at_every_append_of_an_undo_is_survived() {
    let scenario = async |site: &mut Site, crash: Option<Crash>| {
        site.agents.trouble.lock().unwrap().insert(8, Trouble::FailsHalfWay);
        let plan = site.plan().await;
        site.journal.crash(crash);
        let id = match site.engine.apply(plan, OnFailure::Undo, "tester").await {
            Ok(id) => id,
            Err(_) => {
                site.restart();
                match site.journal.unfinished().unwrap().first() {
                    Some(open) => open.operation.clone(),
                    None => site.begin(OnFailure::Undo).await,
                }
            }
        };
        if site.settle(&id).await.is_none() {
            site.restart();
        }
        site.settle(&id).await.unwrap()
    };
    run(async {
        let mut site = Site::new();
        assert_eq!(scenario(&mut site, None).await.outcome(), Some(Outcome::Undone));
        site.assert_as_before();
        for at in 1..=site.journal.appends() {
            for durable in [false, true] {
                let mut site = Site::new();
                let state = scenario(&mut site, Some(Crash { at, durable })).await;
                assert_eq!(state.outcome(), Some(Outcome::Undone), "crash at {at}, {durable}");
                site.assert_as_before();
            }
        }
    });
}

#[test]
fn every_trouble_of_every_act_ends_known() {
    use Trouble::{AnswerLost, Fails, FailsAfterEffect, FailsHalfWay, Lies, StartLost};
    run(async {
        for act in [2, 4, 5, 6, 8] {
            for trouble in [Fails, FailsAfterEffect, FailsHalfWay, Lies, AnswerLost, StartLost] {
                let site = Site::new();
                site.agents.trouble.lock().unwrap().insert(act, trouble);
                let id = site.begin(OnFailure::Hold).await;
                let state = site.settle(&id).await.unwrap();
                let holds = matches!(trouble, Fails | FailsHalfWay | Lies);
                if holds {
                    let held = state.parked().expect("held");
                    assert_eq!(held.cause(), HoldCause::Failed, "{act} {trouble:?}");
                    assert!(held.commands.iter().any(|c| c.contains("op undo")));
                    site.engine.control(&id, ControlKind::Retry, "tester").unwrap();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                let state = match state.outcome() {
                    Some(_) => state,
                    None => site.finish(&id).await,
                };
                assert_eq!(state.outcome(), Some(Outcome::Done), "{act} {trouble:?}");
                site.assert_done();
            }
        }
    });
}

impl Site {
    /// After a control: until it is closed.
    async fn finish(&self, id: &str) -> state::OperationState {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(3600);
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let state = self.state(id);
            if matches!(state.mode, state::Mode::Closed(_)) {
                return state;
            }
            assert!(tokio::time::Instant::now() < deadline, "stuck: {:?}", state.held);
        }
    }
}

#[test]
fn a_cancel_at_every_moment_leaves_all_as_it_was() {
    run(async {
        for ms in (0..2500).step_by(40) {
            let site = Site::new();
            let id = site.begin(OnFailure::Hold).await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            let asked = site.engine.control(&id, ControlKind::Cancel, "tester");
            let state = site.finish(&id).await;
            match asked {
                Ok(()) => {
                    assert_eq!(state.outcome(), Some(Outcome::Cancelled), "cancel at {ms} ms");
                    site.assert_as_before();
                }
                Err(_) => assert_eq!(state.outcome(), Some(Outcome::Done)),
            }
        }
    });
}

#[test]
fn a_failure_before_the_first_act_rests_as_undone() {
    run(async {
        let site = Site::new();
        let plan = site.plan().await;
        let id = site.engine.apply(plan, OnFailure::Hold, "tester").await.unwrap();
        site.agents.unreachable.lock().unwrap().insert("h2".into());
        let state = site.settle_or_rest(&id).await;
        assert_eq!(state.outcome(), Some(Outcome::Undone));
        assert!(site.agents.runs.lock().unwrap().is_empty());
    });
}

impl Site {
    /// Until it is at rest, told or not.
    async fn settle_or_rest(&self, id: &str) -> state::OperationState {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(3600);
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let state = self.state(id);
            if state.outcome().is_some() || state.parked().is_some() {
                return state;
            }
            assert!(tokio::time::Instant::now() < deadline, "stuck");
        }
    }
}

#[test]
fn past_the_point_of_no_return_there_is_only_forward() {
    run(async {
        let site = Site::with(MemoryAgents::default(), 2);
        site.agents.trouble.lock().unwrap().insert(8, Trouble::Fails);
        let id = site.begin(OnFailure::Undo).await;
        let state = site.settle(&id).await.unwrap();
        assert_eq!(state.parked().expect("held, not undone").cause(), HoldCause::Failed);
        for kind in [ControlKind::Undo, ControlKind::Cancel] {
            let refused = site.engine.control(&id, kind, "tester").unwrap_err().to_string();
            assert!(refused.contains("point of no return"), "{refused}");
        }
        site.engine.control(&id, ControlKind::Retry, "tester").unwrap();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
    });
}

#[test]
fn a_second_operation_is_told_who_holds_the_lock() {
    run(async {
        let site = Site::new();
        let plan = site.plan().await;
        let id = site.begin(OnFailure::Hold).await;
        match site.engine.apply(plan, OnFailure::Hold, "tester").await {
            Err(ApplyError::Begin(BeginError::Locked(holder))) => {
                assert_eq!((holder.operation, holder.resource), (id, "cluster/shelf".into()));
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_stale_coordinator_stops_acting() {
    run(async {
        let mut site = Site::new();
        let id = site.begin(OnFailure::Hold).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        // A copy of the store comes to life elsewhere and takes over; the old one lives on.
        let old = site.engine.clone();
        let old_journal = Arc::clone(&site.journal);
        site.journal = Arc::new(old_journal.copy());
        site.restart();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
        site.assert_done();
        assert!(old.is_read_only().is_some(), "the stale one noticed");
        let refused = old.control(&id, ControlKind::Pause, "tester").unwrap_err().to_string();
        assert!(refused.contains("read-only"), "{refused}");
        assert!(state::fold(&old_journal.events(&id)).unwrap().outcome().is_none());
    });
}

#[test]
fn a_plan_that_no_longer_fits_is_shown_not_run() {
    run(async {
        let site = Site::new();
        let mut plan = site.plan().await;
        plan.steps.pop();
        match site.engine.apply(plan.clone(), OnFailure::Hold, "tester").await {
            Err(ApplyError::Changed { differences, .. }) => {
                assert_eq!(differences, ["step 8 (step 8) would be new"]);
            }
            other => panic!("{other:?}"),
        }
        plan.system_revision = 7;
        match site.engine.apply(plan, OnFailure::Hold, "tester").await {
            Err(ApplyError::Invalid(mistakes)) => assert!(mistakes[0].contains("plan anew")),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn an_undo_that_was_found_done_once_can_be_done_again() {
    run(async {
        let site = Site::new();
        site.agents.trouble.lock().unwrap().insert(5, Trouble::FailsHalfWay);
        site.agents.trouble.lock().unwrap().insert(8, Trouble::Hangs);
        let id = site.begin(OnFailure::Hold).await;
        assert_eq!(site.settle(&id).await.unwrap().parked().unwrap().cause(), HoldCause::Failed);
        site.engine.control(&id, ControlKind::Retry, "tester").unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        site.engine.control(&id, ControlKind::Cancel, "tester").unwrap();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Cancelled));
        site.assert_as_before();
    });
}
