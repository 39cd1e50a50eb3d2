//! What all parts of a run share: time, chance, the faults and their counts, and what is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bellows_agent::{host::ProcessId, tools::JOB_MARK};
use bellows_proto::v1::ActStarted;
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, time::Instant};

use super::{
    division::Division,
    faults::{Fate, Fault, Moment, Plan, Trouble},
    machine::Machine,
    process::{Kind, Process},
    programs,
    tools::{Call, Tools},
};

/// The simulated time of a run's beginning, milliseconds since 1970.
pub const BEGINNING_MS: i64 = 1_700_000_000_000;
/// A full disk has space again after so long.
const DISK_FULL_MS: i64 = 40_000;
/// A reading that was made so often without an event is made over and over.
const ROUNDS: u32 = 2;
/// So many lines of a run's story are kept.
const STORY: usize = 100_000;

/// What a port asks the run's driver to do; it cannot do it itself in the middle of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// See [`Fault::SecondCoordinator`].
    SecondCoordinator,
    /// See [`Fault::Failover`].
    Failover,
    /// See [`Fault::Cancel`].
    Cancel,
}

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Broken {
    /// Something was lost, forgotten, or is not as it was told.
    Lost,
    /// Something was done twice.
    Doubled,
    /// It did not come to rest.
    Stuck,
}

/// A point of a clean run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Who did what where.
    pub text: String,
    /// It came to its end, so that there is a point after it too.
    pub ended: bool,
    /// It only read: dying before or after it is all that can matter.
    pub reads: bool,
    /// The same was read over and over, and nothing was journalled meanwhile.
    pub again: bool,
}

/// How often each kind of moment has passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Durable writes and calls.
    pub points: usize,
    /// Calls.
    pub calls: usize,
    /// Runs of changing tools.
    pub tools: usize,
    /// Events of the journal.
    pub events: usize,
}

#[derive(Default)]
struct State {
    /// Which calls only read.
    reading_calls: BTreeSet<usize>,
    /// Which of them were made over and over.
    repeated_calls: BTreeSet<usize>,
    /// How often each was made since the last event.
    readings: BTreeMap<String, u32>,
    armed: bool,
    plan: Plan,
    counts: Counts,
    /// What the points were, in order.
    labels: Vec<Label>,
    /// Attempts that some journal has as started.
    started: BTreeSet<(String, u32, u32)>,
    /// Attempts that some journal has as never begun.
    never: BTreeSet<(String, u32, u32)>,
    /// Acts that are no undo acts, and were started.
    forward: BTreeSet<(String, u32)>,
    /// Acts that some journal has as done.
    done: BTreeSet<(String, u32)>,
    /// Attempts of which a tool did nothing and said that it had.
    /// With the program and its arguments.
    lied: BTreeMap<(String, u32, u32), (String, Vec<String>)>,
    /// Attempts of which a tool ran twice.
    twice: BTreeSet<(String, u32, u32)>,
    /// The coordinator that raised the term last.
    leader: u32,
    /// Attempts of which a tool did all that it was asked for, and said so.
    worked: BTreeSet<(String, u32, u32)>,
    /// Which shims ran changing tools of a job.
    shims: BTreeMap<String, BTreeSet<ProcessId>>,
    /// Jobs that ran changing tools, by host.
    ran: BTreeMap<String, BTreeSet<String>>,
    struck: Vec<(Moment, Fault, String)>,
    cut: BTreeMap<String, i64>,
    full: BTreeMap<String, i64>,
    broken: Vec<(Broken, String)>,
    story: Vec<String>,
    telling: bool,
}

/// One run's world.
pub struct World {
    /// The system's model.
    pub tools: Arc<dyn Tools>,
    state: Mutex<State>,
    machines: Mutex<BTreeMap<String, Arc<Machine>>>,
    chance: Mutex<fastrand::Rng>,
    zero: Instant,
    orders: mpsc::UnboundedSender<Order>,
    division: Option<Arc<Division>>,
}

impl World {
    /// A world without hosts; orders go to the driver. A run that is divided asks at every moment.
    pub fn new(
        tools: Arc<dyn Tools>,
        seed: u64,
        orders: mpsc::UnboundedSender<Order>,
        division: Option<Arc<Division>>,
    ) -> Self {
        Self {
            division,
            tools,
            state: Mutex::default(),
            machines: Mutex::default(),
            chance: Mutex::new(fastrand::Rng::with_seed(seed)),
            zero: Instant::now(),
            orders,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a host.
    pub fn add(&self, machine: Arc<Machine>) {
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        machines.insert(machine.name.clone(), machine);
    }

    /// A host by its name.
    pub fn machine(&self, name: &str) -> Option<Arc<Machine>> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All hosts, by name.
    pub fn machines(&self) -> Vec<Arc<Machine>> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Simulated time, milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        BEGINNING_MS + i64::try_from(self.zero.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Lets simulated time pass.
    pub async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Random bytes of this run.
    pub fn random(&self) -> [u8; 16] {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        chance.u128(..).to_le_bytes()
    }

    /// A number below `limit`.
    pub fn below(&self, limit: u64) -> u64 {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner).u64(..limit.max(1))
    }

    /// From now on moments count and faults strike, and chance begins anew.
    pub fn arm(&self, plan: Plan, seed: u64) {
        *self.chance.lock().unwrap_or_else(PoisonError::into_inner) =
            fastrand::Rng::with_seed(seed);
        let mut state = self.state();
        (state.armed, state.plan) = (true, plan);
    }

    /// No fault strikes any more.
    pub fn disarm(&self) {
        self.state().armed = false;
    }

    /// Keeps the run's story, for a failing seed.
    pub fn tell_all(&self) {
        self.state().telling = true;
    }

    /// A line of the run's story.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        let now = self.now_ms() - BEGINNING_MS;
        let mut state = self.state();
        if state.telling && state.story.len() < STORY {
            let line = format!("{:>9}.{:03} {}", now / 1000, now % 1000, line());
            state.story.push(line);
        }
    }

    /// The run's story so far.
    pub fn story(&self) -> Vec<String> {
        self.state().story.clone()
    }

    /// A promise was broken.
    pub fn breaks(&self, what: Broken, text: String) {
        self.tell(|| format!("BROKEN {what:?}: {text}"));
        self.state().broken.push((what, text));
    }

    /// All promises that were broken.
    pub fn broken(&self) -> Vec<(Broken, String)> {
        self.state().broken.clone()
    }

    /// How often each kind of moment has passed since the faults were armed.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// What the points were, in order.
    pub fn labels(&self) -> Vec<Label> {
        self.state().labels.clone()
    }

    /// Which calls only read.
    pub fn reading_calls(&self) -> BTreeSet<usize> {
        self.state().reading_calls.clone()
    }

    /// Which of them were made over and over: a wait that goes on.
    pub fn repeated_calls(&self) -> BTreeSet<usize> {
        self.state().repeated_calls.clone()
    }

    /// What has struck, and where.
    pub fn struck(&self) -> Vec<(Moment, Fault, String)> {
        self.state().struck.clone()
    }

    /// Does something durable as a process: a point before, a point after. `None`: the process
    /// was dead, or died at one of them.
    pub fn durably<T>(
        &self,
        who: &Arc<Process>,
        label: &dyn Fn() -> String,
        effect: impl FnOnce() -> T,
    ) -> Option<T> {
        let number = self.before(who, label)?;
        let done = effect();
        self.after(who, number, label)?;
        Some(done)
    }

    /// The point before something; its number goes to [`World::after`]. `None`: dead.
    pub fn before(&self, who: &Arc<Process>, label: &dyn Fn() -> String) -> Option<usize> {
        if !who.is_alive() {
            return None;
        }
        self.tell(label);
        let number = {
            let mut state = self.state();
            if !state.armed {
                return Some(usize::MAX);
            }
            let number = state.counts.points;
            state.counts.points += 1;
            let label = Label { text: label(), ended: false, reads: false, again: false };
            state.labels.push(label);
            number
        };
        self.strike(who, Moment::Before(number), self.fault(Moment::Before(number)), label);
        who.is_alive().then_some(number)
    }

    /// The point after something. `None`: dead.
    pub fn after(
        &self,
        who: &Arc<Process>,
        number: usize,
        label: &dyn Fn() -> String,
    ) -> Option<()> {
        if !who.is_alive() {
            return None;
        }
        let armed = {
            let mut state = self.state();
            if let Some(label) = state.labels.get_mut(number) {
                label.ended = true;
            }
            state.armed
        };
        if armed {
            self.strike(who, Moment::After(number), self.fault(Moment::After(number)), label);
        }
        who.is_alive().then_some(())
    }

    fn strike(
        &self,
        who: &Arc<Process>,
        moment: Moment,
        fault: Option<Fault>,
        label: &dyn Fn() -> String,
    ) {
        let Some(fault) = fault else { return };
        self.struck_at(moment, fault, label);
        match fault {
            Fault::Kill => self.kill(who),
            Fault::PowerCut => match self.machine(&who.host) {
                Some(machine) => machine.power_cut(),
                None => self.kill(who),
            },
            Fault::DiskFull => {
                let until = self.now_ms() + DISK_FULL_MS;
                self.state().full.insert(who.host.clone(), until);
            }
            Fault::Partition { host, seconds } => self.cut(host, seconds),
            Fault::SecondCoordinator => self.order(Order::SecondCoordinator),
            Fault::Failover => self.order(Order::Failover),
            Fault::Crash => {
                tokio::spawn(programs::crash(Arc::clone(&self.tools)));
            }
            Fault::Cancel => self.order(Order::Cancel),
            Fault::Call(_) | Fault::Tool(_) => {}
        }
    }

    fn struck_at(&self, moment: Moment, fault: Fault, label: &dyn Fn() -> String) {
        self.tell(|| format!("FAULT {fault:?} at {moment:?}: {}", label()));
        self.state().struck.push((moment, fault, label()));
    }

    fn order(&self, order: Order) {
        // A driver that is gone needs no orders.
        let _ = self.orders.send(order);
    }

    /// SIGKILL.
    pub fn kill(&self, who: &Arc<Process>) {
        match self.machine(&who.host) {
            Some(machine) if who.kind != Kind::Coordinator => machine.kill(who.id),
            Some(_) | None => who.end(),
        }
    }

    /// The next call: what happens to it.
    pub fn next_call(&self, reads: bool, label: &dyn Fn() -> String) -> Option<Fate> {
        if reads {
            let mut state = self.state();
            let number = state.counts.calls;
            state.reading_calls.insert(number);
            if state.readings.get(&label()).is_some_and(|often| *often > ROUNDS) {
                state.repeated_calls.insert(number);
            }
        }
        let (moment, fault) = self.next(|counts| &mut counts.calls, Moment::Call)?;
        self.struck_at(moment, fault, label);
        match fault {
            Fault::Call(fate) => Some(fate),
            Fault::Kill
            | Fault::PowerCut
            | Fault::DiskFull
            | Fault::Tool(_)
            | Fault::Partition { .. }
            | Fault::SecondCoordinator
            | Fault::Failover
            | Fault::Crash
            | Fault::Cancel => None,
        }
    }

    /// The next run of a changing tool: what happens to it.
    pub fn next_tool(&self, label: &dyn Fn() -> String) -> Option<Trouble> {
        let (moment, fault) = self.next(|counts| &mut counts.tools, Moment::Tool)?;
        self.struck_at(moment, fault, label);
        match fault {
            Fault::Tool(trouble) => Some(trouble),
            Fault::Kill
            | Fault::PowerCut
            | Fault::DiskFull
            | Fault::Call(_)
            | Fault::Partition { .. }
            | Fault::SecondCoordinator
            | Fault::Failover
            | Fault::Crash
            | Fault::Cancel => None,
        }
    }

    /// An event is in the journal.
    pub fn next_event(&self, who: &Arc<Process>, label: &dyn Fn() -> String) {
        self.state().readings.clear();
        if let Some((moment, fault)) = self.next(|counts| &mut counts.events, Moment::Event) {
            self.strike(who, moment, Some(fault), label);
        }
    }

    fn next(
        &self,
        count: impl FnOnce(&mut Counts) -> &mut usize,
        moment: impl FnOnce(usize) -> Moment,
    ) -> Option<(Moment, Fault)> {
        let moment = {
            let mut state = self.state();
            if !state.armed {
                return None;
            }
            let count = count(&mut state.counts);
            let moment = moment(*count);
            *count += 1;
            moment
        };
        self.fault(moment).map(|fault| (moment, fault))
    }

    /// What strikes now. Where the run is divided, each task whose moment this is goes on from here.
    fn fault(&self, moment: Moment) -> Option<Fault> {
        if let Some(task) = self.division.as_ref().and_then(|division| division.at(moment)) {
            self.state().plan.extend(task.plan);
        }
        self.state().plan.get(&moment).copied()
    }

    /// The point was one of a call that only reads.
    pub fn only_reads(&self, number: usize) {
        let mut state = self.state();
        let State { labels, readings, .. } = &mut *state;
        if let Some(label) = labels.get_mut(number) {
            label.reads = true;
            let often = readings.entry(label.text.clone()).or_default();
            *often += 1;
            label.again = *often > ROUNDS;
        }
    }

    /// A journal has it: this attempt of an act may now be asked for.
    pub fn attempt_is_journalled(&self, operation: &str, started: &ActStarted) {
        let number = started.act.as_ref().map_or(0, |act| act.number);
        let act = (operation.to_owned(), number);
        let mut state = self.state();
        if !started.undo {
            // What takes it back may have to do so once more.
            state.forward.insert(act.clone());
            let State { done, forward, .. } = &mut *state;
            done.retain(|act| forward.contains(act));
        }
        state.started.insert((act.0, act.1, started.attempt));
    }

    /// A journal has it: this attempt never was and never will be.
    pub fn attempt_never_was(&self, operation: &str, act: u32, attempt: u32) {
        self.state().never.insert((operation.to_owned(), act, attempt));
    }

    /// A changing tool ends with exit status 0 and has done nothing.
    pub fn tool_lies(&self, call: &Call) {
        let key = key(call.environment.get(JOB_MARK).map_or("", String::as_str));
        let mut state = self.state();
        // After one run too many there may have been nothing left to do.
        if !state.twice.contains(&key) {
            state.lied.insert(key, command(call));
        }
    }

    /// A changing tool runs once more than its job knows.
    pub fn tool_runs_twice(&self, call: &Call) {
        let key = key(call.environment.get(JOB_MARK).map_or("", String::as_str));
        self.state().twice.insert(key);
    }

    /// A coordinator has raised the term.
    pub fn leads(&self, coordinator: u32) {
        self.state().leader = coordinator;
    }

    /// A changing tool has done what it was asked for, and ends with exit status 0.
    pub fn tool_works(&self, job: &str) {
        self.state().worked.insert(key(job));
    }

    /// A tool has done what it was asked for, whatever its end says then: a job that noticed a lie and
    /// ran the same once more has made it good.
    pub fn tool_has_its_effect(&self, job: &str, command: &(String, Vec<String>)) {
        let mut state = self.state();
        if state.lied.get(&key(job)).is_some_and(|lied| lied == command) {
            state.lied.remove(&key(job));
        }
    }

    /// What a tool said that it had done, and had not, has come about in another way: whoever asked for it did
    /// not rely on the tool alone.
    pub fn made_good(&self, is: impl Fn(&(String, Vec<String>)) -> bool) {
        self.state().lied.retain(|_, command| !is(command));
    }

    /// A journal has it: this attempt has failed, and the system shows nothing of it.
    pub fn attempt_shows_nothing(&self, by: u32, operation: &str, act: u32, attempt: u32) {
        let state = self.state();
        if by != state.leader {
            // The one that leads may have taken it back meanwhile.
            return;
        }
        // Those take away what was done.
        let taken = |fault: &Fault| matches!(fault, Fault::PowerCut | Fault::Failover);
        let worked = state.worked.contains(&(operation.to_owned(), act, attempt));
        if worked && !state.struck.iter().any(|(_, fault, _)| taken(fault)) {
            drop(state);
            let text = format!("act {act}, attempt {attempt} is told as not done, and was");
            self.breaks(Broken::Lost, text);
        }
    }

    /// A journal has it: this attempt is done, and the system has shown it.
    pub fn attempt_is_done(&self, operation: &str, act: u32, attempt: u32) {
        self.state().done.insert((operation.to_owned(), act));
        if self.state().lied.contains_key(&(operation.to_owned(), act, attempt)) {
            let text = format!("act {act}, attempt {attempt} is told as done, and did nothing");
            self.breaks(Broken::Lost, text);
        }
    }

    /// The job of a mark begins to run: its attempt must be in a journal, as one that may run.
    pub fn job_begins(&self, job: &str) {
        let (started, never, done) = {
            let (state, key) = (self.state(), key(job));
            let done = state.done.contains(&(key.0.clone(), key.1));
            (state.started.contains(&key), state.never.contains(&key), done)
        };
        if done {
            let text = format!("job {job} acts, and a journal has its act as done already");
            self.breaks(Broken::Doubled, text);
        }
        if !started {
            self.breaks(Broken::Lost, format!("job {job} acts, and no journal knows of it"));
        }
        if never {
            let text = format!("job {job} acts, and a journal has it as one that never was");
            self.breaks(Broken::Doubled, text);
        }
    }

    /// A changing tool begins: it must belong to a job that may run, and no other shim may have
    /// begun it.
    pub fn tool_begins(&self, call: &Call) {
        let Some(job) = call.environment.get(JOB_MARK).cloned() else {
            let text = format!(
                "{} {} changes things outside of any job",
                call.name(),
                call.arguments.join(" ")
            );
            return self.breaks(Broken::Doubled, text);
        };
        self.job_begins(&job);
        let several = {
            let mut state = self.state();
            let shims = state.shims.entry(job.clone()).or_default();
            shims.extend(call.process.birth.parent);
            let several = shims.len() > 1;
            state.ran.entry(call.machine.name.clone()).or_default().insert(job.clone());
            several
        };
        if several {
            self.breaks(Broken::Doubled, format!("job {job} was run by two shims"));
        }
        let (host, act) = (&call.machine, job.rsplit_once('/').map_or("", |(act, _)| act));
        let other = host.processes().into_iter().find(|process| {
            let mark = process.birth.environment.get(JOB_MARK);
            process.kind == Kind::Shim
                && mark.is_some_and(|mark| {
                    *mark != job && mark.rsplit_once('/').is_some_and(|(a, _)| a == act)
                })
        });
        if let Some(other) = other {
            let text = format!(
                "job {job} acts while {:?} still lives",
                other.birth.environment.get(JOB_MARK)
            );
            self.breaks(Broken::Doubled, text);
        }
    }

    /// The jobs that ran changing tools on a host.
    pub fn ran(&self, host: &str) -> BTreeSet<String> {
        self.state().ran.get(host).cloned().unwrap_or_default()
    }

    /// A host cannot be reached for so long.
    pub fn cut(&self, host: usize, seconds: u64) {
        let until = self.now_ms() + i64::try_from(seconds).unwrap_or(0) * 1000;
        let machines = self.machines();
        if let Some(machine) = machines.get(host % machines.len().max(1)) {
            self.state().cut.insert(machine.name.clone(), until);
        }
    }

    /// Whether the disk of a host is full.
    pub fn is_full(&self, host: &str) -> bool {
        let now = self.now_ms();
        self.state().full.get(host).is_some_and(|until| now < *until)
    }

    /// Whether the coordinator reaches a host.
    pub fn is_cut(&self, host: &str) -> bool {
        let now = self.now_ms();
        self.state().cut.get(host).is_some_and(|until| now < *until)
    }
}

/// What is run: the program's name and its arguments.
pub fn command(call: &Call) -> (String, Vec<String>) {
    (call.name().to_owned(), call.arguments.clone())
}

/// Operation, act and attempt of a job's mark.
fn key(job: &str) -> (String, u32, u32) {
    let mut parts = job.split('/');
    let operation = parts.next().unwrap_or_default().to_owned();
    let mut number = || parts.next().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    (operation, number(), number())
}
