//! One run: an operation of a system, with its faults, driven as an administrator would, and judged
//! at its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    time::Duration,
};

use bellows::engine::state::{self, Mode, OperationState};
use bellows_proto::v1::{ControlKind, Event, OnFailure, Outcome, Spec, event};
use tokio::sync::mpsc;

use super::{
    coordinator::{self, Coordinator},
    division::Division,
    faults::{Fault, Moment, Plan},
    journal::Shelf,
    listed::{Model, Operation, System, Wish},
    network::Fleet,
    site,
    tools::Tools,
    world::{Broken, Counts, Label, Order, World},
};

/// So often the administrator tries again, then no more.
pub const RETRIES: u32 = 3;
/// The administrator looks so often.
const LOOK: Duration = Duration::from_millis(100);
/// `bellows serve` is started again after so long.
const RESTART: Duration = Duration::from_secs(1);
/// A refused plan is tried again after so long, so often.
const PLAN_AGAIN: (Duration, u32) = (Duration::from_secs(20), 12);
/// Whatever happens, it is at rest after so long.
const PATIENCE_S: i64 = 4 * 3600;
/// What is stalled for so long does not move by itself: the administrator ends it.
const STALLED_S: i64 = 900;
/// The administrator thinks so long before an order: a trouble may pass meanwhile.
const THINK: Duration = Duration::from_secs(20);
/// The seed of what comes before the operation: the same in all runs, so that they can share it.
const PREPARATION: u64 = 1;
/// The writer's pause between two rows.
const WRITE_PAUSE: Duration = Duration::from_millis(500);
/// After the end, so long until everything is judged: what was late has arrived then.
const CALM: Duration = Duration::from_secs(60);
/// A host that comes back may be cut off still: no fault lasts longer.
const BACK: Duration = Duration::from_secs(300);

/// What a run is.
pub struct Setting<'a> {
    /// The system.
    pub system: &'a dyn System,
    /// The operation.
    pub operation: &'a Operation,
    /// What goes wrong.
    pub plan: Plan,
    /// Delays and ids.
    pub seed: u64,
    /// Keep the story.
    pub tell: bool,
    /// Where it is divided, if it is the clean run of many tasks.
    pub division: Option<Arc<Division>>,
}

impl Setting<'_> {
    /// This is the process of one task, which ends with the run: its memory, mostly its parent's, needs no order.
    fn is_divided_off(&self) -> bool {
        self.division.as_ref().is_some_and(|division| division.own().is_some())
    }
}

/// The truth at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// What the model says.
    pub system: BTreeMap<String, String>,
    /// What is on the hosts' disks.
    pub paths: BTreeSet<String>,
    /// Nodes of the spec.
    pub nodes: BTreeSet<String>,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// At rest as; `None`: it never began, or never came to rest.
    pub outcome: Option<Outcome>,
    /// The truth before it and after it.
    pub before: Truth,
    /// After it.
    pub after: Truth,
    /// How often each kind of moment passed.
    pub counts: Counts,
    /// The administrator passed a step over.
    pub skipped: bool,
    /// The points.
    pub labels: Vec<Label>,
    /// Which calls only read.
    pub reading_calls: BTreeSet<usize>,
    /// Which of them were made over and over.
    pub repeated_calls: BTreeSet<usize>,
    /// What has struck.
    pub struck: Vec<(Moment, Fault, String)>,
    /// Broken promises.
    pub broken: Vec<(Broken, String)>,
    /// The story, if it was kept.
    pub story: Vec<String>,
}

/// Runs it, in simulated time.
///
/// # Panics
/// If there is no runtime: the machine is out of memory.
#[allow(clippy::expect_used)]
pub fn run(setting: &Setting<'_>) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let ended = runtime.block_on(drive(setting));
    if setting.is_divided_off() {
        mem::forget(runtime);
    }
    ended
}

/// Where an operation is, as the administrator sees it.
#[derive(Debug, Clone, Copy)]
struct Where {
    mode: Mode,
    parked: bool,
    stalled_since_ms: Option<i64>,
    wished: bool,
}

/// The administrator.
struct Admin<'a> {
    setting: &'a Setting<'a>,
    world: Arc<World>,
    fleet: Arc<Fleet>,
    model: Arc<dyn Model>,
    coordinator: Coordinator,
    /// One that was copied and replaced.
    stale: Option<Coordinator>,
    started: u32,
    /// The fold of so many events of an operation: they only grow.
    folded: Option<(String, usize, OperationState)>,
    orders: mpsc::UnboundedReceiver<Order>,
}

async fn drive(setting: &Setting<'_>) -> Ended {
    let model = setting.system.model();
    let (send, orders) = mpsc::unbounded_channel();
    let tools: Arc<dyn Tools> = Arc::clone(&model) as Arc<dyn Tools>;
    let world = Arc::new(World::new(tools, PREPARATION, send, setting.division.clone()));
    if setting.tell {
        world.tell_all();
    }
    let fleet = site::build(&world, setting.system);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let site = &setting.operation.site;
    let first = coordinator::start(&world, &fleet, &Shelf::default(), 1, site).await;
    let Some(coordinator) = first else {
        return ended(&world, None, false, (Truth::default(), Truth::default()));
    };
    let (world, fleet) = (Arc::clone(&world), Arc::clone(&fleet));
    let mut admin = Admin {
        setting,
        world,
        fleet,
        model,
        coordinator,
        stale: None,
        started: 1,
        folded: None,
        orders,
    };
    let ended = admin.whole().await;
    if setting.is_divided_off() {
        mem::forget(admin);
    }
    ended
}

fn ended(
    world: &World,
    outcome: Option<Outcome>,
    skipped: bool,
    (before, after): (Truth, Truth),
) -> Ended {
    Ended {
        outcome,
        before,
        after,
        skipped,
        counts: world.counts(),
        labels: world.labels(),
        reading_calls: world.reading_calls(),
        repeated_calls: world.repeated_calls(),
        struck: world.struck(),
        broken: world.broken(),
        story: world.story(),
    }
}

/// A client that writes all the time.
async fn write(model: Arc<dyn Model>) {
    loop {
        model.insert();
        tokio::time::sleep(WRITE_PAUSE).await;
    }
}

impl Admin<'_> {
    async fn whole(&mut self) -> Ended {
        let operation = self.setting.operation;
        for wish in &operation.before {
            let outcome = self.carry_out(wish).await;
            if outcome != Some(Outcome::Done) {
                let text = format!("the preparation ended as {outcome:?}");
                self.world.breaks(Broken::Stuck, text);
            }
        }
        if !operation.before.is_empty() {
            // Nobody writes to what is only being made: taking that back would lose it.
            tokio::spawn(write(Arc::clone(&self.model)));
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        if let Some(machine) = operation.dies.and_then(|host| self.world.machine(host)) {
            machine.darken(true);
            machine.power_cut();
        }
        if operation.fails_over && !self.model.fail_over() {
            self.world.breaks(Broken::Stuck, "there was nobody to fail over to".to_owned());
        }
        if operation.meddles.is_some_and(|deed| !self.model.meddle(deed)) {
            let text = format!("{:?} could not be done", operation.meddles);
            self.world.breaks(Broken::Stuck, text);
        }
        let before = self.truth();
        let (mut plan, mut seed) = (self.setting.plan.clone(), self.setting.seed);
        if let Some(task) = self.setting.division.as_ref().and_then(|division| division.armed()) {
            (plan, seed) = (task.plan, task.seed);
        }
        if let Some(events) = operation.cancel_after {
            plan.entry(Moment::Event(events)).or_insert(Fault::Cancel);
        }
        self.world.arm(plan, seed);
        let outcome = self.carry_out(&operation.wish).await;
        self.world.disarm();
        // What a host is owed that comes back, a coordinator brings that lives.
        self.revive().await;
        self.comes_back(&operation.wish);
        if operation.dies.is_some() {
            tokio::time::sleep(BACK).await;
        }
        tokio::time::sleep(CALM).await;
        if self.stale.is_some() {
            tokio::time::sleep(coordinator::LOOK).await;
        }
        self.judge();
        let after = self.truth();
        ended(&self.world, outcome, self.has_skipped(), (before, after))
    }

    /// A step of some operation was passed over.
    fn has_skipped(&self) -> bool {
        let skips = |event: &Event| matches!(event.kind, Some(event::Kind::StepSkipped(_)));
        self.coordinator.shelf.book().operations.values().flatten().any(skips)
    }

    /// The host that died has power again, once its node is forgotten.
    fn comes_back(&self, wish: &Wish) {
        let dies = self.setting.operation.dies;
        let Some(machine) = dies.and_then(|host| self.world.machine(host)) else { return };
        let spec = self.spec(wish).unwrap_or_default();
        if machine.is_dark() && spec.tombstones.iter().any(|stone| stone.host == machine.name) {
            self.world.tell(|| format!("{} comes back", machine.name));
            machine.darken(false);
        }
    }

    fn spec(&self, wish: &Wish) -> Option<Spec> {
        self.coordinator.shelf.book().specs.get(&wish.intent.cluster).cloned()
    }

    fn truth(&self) -> Truth {
        let machines = self.world.machines();
        let spec = self.spec(&self.setting.operation.wish).unwrap_or_default();
        Truth {
            system: self.model.describe(),
            paths: machines.iter().flat_map(|m| site::paths(m, self.setting.system)).collect(),
            nodes: spec.nodes.iter().map(|node| format!("{}@{}", node.node, node.host)).collect(),
        }
    }

    /// What must hold after every operation, however it ended.
    fn judge(&self) {
        for machine in self.world.machines() {
            for left in site::left_over(&machine) {
                self.world.breaks(Broken::Lost, format!("left behind: {left}"));
            }
            for fault in site::audit_faults(&machine, &self.world.ran(&machine.name)) {
                self.world.breaks(Broken::Lost, fault);
            }
        }
        let book = self.coordinator.shelf.book();
        for (resource, operation) in &book.locks {
            let text = format!("{resource} is still locked by {operation}");
            self.world.breaks(Broken::Lost, text);
        }
        for missing in self.model.missing() {
            self.world.breaks(Broken::Lost, missing);
        }
        for violation in self.model.violations() {
            self.world.breaks(Broken::Lost, violation);
        }
        if let Some(stale) = &self.stale
            && stale.process.is_alive()
            && stale.engine.is_read_only().is_none()
        {
            let text = "a coordinator that was copied still thinks that it leads".to_owned();
            self.world.breaks(Broken::Doubled, text);
        }
    }

    /// Plans, applies, and sees it to its end.
    async fn carry_out(&mut self, wish: &Wish) -> Option<Outcome> {
        let known: BTreeSet<String> =
            self.coordinator.shelf.book().operations.keys().cloned().collect();
        let began = self.world.now_ms();
        let (mut refused, mut decisions) = (0, 0);
        loop {
            if self.world.now_ms() - began > PATIENCE_S * 1000 {
                let text = format!("not at rest: {:?}", self.last(&known));
                self.world.breaks(Broken::Stuck, text);
                return None;
            }
            self.revive().await;
            let Some((id, state)) = self.last(&known) else {
                if refused > PLAN_AGAIN.1 {
                    return None;
                }
                refused += u32::from(!self.apply(wish).await);
                continue;
            };
            if let Mode::Closed(outcome) = state.mode {
                return Some(outcome);
            }
            self.obey(&id);
            self.comes_back(wish);
            let stalled_s =
                state.stalled_since_ms.map_or(0, |at| (self.world.now_ms() - at) / 1000);
            if (state.parked || stalled_s > STALLED_S) && !state.wished {
                tokio::time::sleep(THINK).await;
                self.decide(&id, &mut decisions);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The operation that is not among the known ones.
    fn last(&mut self, known: &BTreeSet<String>) -> Option<(String, Where)> {
        let book = self.coordinator.shelf.book();
        let (id, events) = book.operations.iter().find(|(id, _)| !known.contains(*id))?;
        let kept = self.folded.take().filter(|(of, seen, _)| of == id && *seen <= events.len());
        let folded = match kept {
            // Events only grow.
            Some((_, seen, state)) => events.iter().skip(seen).try_fold(state, state::after),
            None => state::fold(events),
        };
        match folded {
            Ok(state) => {
                let found = Where {
                    mode: state.mode,
                    parked: state.parked().is_some(),
                    stalled_since_ms: state
                        .held
                        .as_ref()
                        .filter(|_| state.parked().is_none())
                        .map(|_| state.changed_at_ms),
                    wished: state.wish.is_some(),
                };
                let id = id.clone();
                self.folded = Some((id.clone(), events.len(), state));
                Some((id, found))
            }
            Err(illegal) => {
                self.world.breaks(Broken::Lost, format!("the journal does not fold: {illegal}"));
                None
            }
        }
    }

    /// Starts the coordinator again if it died.
    async fn revive(&mut self) {
        while !self.coordinator.process.is_alive() {
            tokio::time::sleep(RESTART).await;
            self.started += 1;
            let shelf = self.coordinator.shelf.clone();
            let site = &self.setting.operation.site;
            let next =
                coordinator::start(&self.world, &self.fleet, &shelf, self.started, site).await;
            if let Some(next) = next {
                self.coordinator = next;
            }
        }
    }

    /// `true`: it began, or the coordinator died meanwhile.
    async fn apply(&mut self, wish: &Wish) -> bool {
        let engine = self.coordinator.engine.clone();
        let process = Arc::clone(&self.coordinator.process);
        let work = async {
            let plan = engine.plan(&wish.intent, &wish.options).await;
            let mut plan = plan.map_err(|error| format!("{error:?}"))?;
            // The administrator has looked: it is off.
            plan.confirmed_off.clone_from(&plan.dead_hosts);
            let applied = engine.apply(plan, OnFailure::Hold, "administrator").await;
            applied.map(|_| ()).map_err(|error| format!("{error:?}"))
        };
        let done = tokio::select! {
            biased;
            () = process.died() => return true,
            done = work => done,
        };
        if let Err(error) = &done {
            self.world.tell(|| format!("not begun: {error}"));
            tokio::time::sleep(PLAN_AGAIN.0).await;
        }
        done.is_ok()
    }

    /// Does what faults have ordered.
    fn obey(&mut self, id: &str) {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Cancel => {
                    let asked = self.control(id, ControlKind::Cancel);
                    self.world.tell(|| format!("cancel: {asked:?}"));
                }
                Order::Failover => {
                    let done = self.model.fail_over();
                    self.world.tell(|| format!("failover: {done}"));
                }
                Order::SecondCoordinator => self.copy(),
            }
        }
    }

    fn control(&self, id: &str, kind: ControlKind) -> Result<(), String> {
        let engine = &self.coordinator.engine;
        engine.control(id, kind, "administrator").map_err(|error| error.to_string())
    }

    /// An old machine comes back, or a copy of this one is started: it leads from now on.
    fn copy(&mut self) {
        if self.stale.is_some() {
            return;
        }
        self.coordinator.keep_asking(&self.world, &self.fleet);
        self.stale = Some(self.coordinator.clone());
        // Not alive: `revive` starts it from the copy.
        self.folded = None;
        let copy = self.coordinator.shelf.copy();
        self.coordinator.shelf = copy;
        let dead = Arc::new(super::process::Process::new(
            self.coordinator.process.id,
            "",
            super::process::Kind::Coordinator,
            super::process::Birth::default(),
        ));
        dead.end();
        self.coordinator.process = dead;
    }

    /// A held operation: try again (or pass the step over, each second time where that may be), then
    /// take it back, then give it up.
    fn decide(&self, id: &str, decisions: &mut u32) {
        let events = self.coordinator.shelf.book().operations.get(id).map_or(0, Vec::len);
        if *decisions < RETRIES && events.is_multiple_of(2) {
            let asked = self.coordinator.engine.skip(id, "it can wait", "administrator");
            self.world.tell(|| format!("skip: {asked:?}"));
            if asked.is_ok() {
                *decisions += 1;
                return;
            }
        }
        let order = match *decisions {
            0..RETRIES => [ControlKind::Retry, ControlKind::Resume, ControlKind::Undo],
            RETRIES..8 => [ControlKind::Undo, ControlKind::Cancel, ControlKind::Retry],
            _ => [ControlKind::Abandon, ControlKind::Undo, ControlKind::Retry],
        };
        for kind in order {
            match self.control(id, kind) {
                Ok(()) => break,
                Err(error) => self.world.tell(|| format!("{kind:?}: {error}")),
            }
        }
        *decisions += 1;
    }
}
