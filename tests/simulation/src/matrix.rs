//! Every point of every operation of every system, and random schedules: which faults there are, what
//! each run must come to, and the sum of it all.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use bellows_proto::v1::Outcome;
use serde::{Deserialize, Serialize};

use super::{
    division::Division,
    faults::{self, Fate, Fault, Moment, Plan, Trouble},
    listed::{Operation, System},
    scenario::{Ended, RETRIES, Setting, Truth, run},
    world::Broken,
};

/// The seed of all runs but the random schedules.
pub const SEED: u64 = 1;
/// Failures that are told in full.
const TOLD: usize = 20;
/// So many runs are begun before the next look for a failure, where one is enough.
const CHUNK: usize = 400;

/// An operation and what its clean run was.
pub struct Case<'a> {
    /// The system.
    pub system: &'a dyn System,
    /// The operation.
    pub operation: Operation,
    /// The clean run.
    pub clean: Ended,
}

/// One run to be made.
#[derive(Debug, Clone)]
pub struct Task {
    /// Which case.
    pub case: usize,
    /// Delays and ids.
    pub seed: u64,
    /// What goes wrong.
    pub plan: Plan,
    /// A single fault at a point of the clean run; else a random schedule.
    pub listed: bool,
}

/// A run that broke a promise.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Which.
    pub task: Task,
    /// How to run it again.
    pub replay: String,
    /// What broke.
    pub broken: Vec<(Broken, String)>,
}

/// What a run has come to: what of it matters, and can be told by another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// At rest as, an [`Outcome`]; `None`: it never began, or never came to rest.
    pub outcome: Option<i32>,
    /// Its fault has struck.
    pub hit: bool,
    /// What broke: the first few, each cut to one line, so that a pipe takes it whole.
    pub broken: Vec<(Broken, String)>,
    /// Of its points and of the truth at its end: the same run has the same.
    pub digest: u64,
    /// The administrator passed a step over.
    pub skipped: bool,
}

impl Verdict {
    fn of(ended: &Ended) -> Self {
        let mut hasher = DefaultHasher::new();
        for label in &ended.labels {
            label.text.hash(&mut hasher);
        }
        format!("{:?}", ended.after).hash(&mut hasher);
        let cut = |text: &String| text.chars().take(300).collect();
        Self {
            outcome: ended.outcome.map(i32::from),
            hit: !ended.struck.is_empty(),
            broken: ended.broken.iter().take(8).map(|(what, text)| (*what, cut(text))).collect(),
            digest: hasher.finish(),
            skipped: ended.skipped,
        }
    }

    /// Of a run that has no end.
    pub fn stuck(text: String) -> Self {
        Self {
            outcome: None,
            hit: true,
            broken: vec![(Broken::Stuck, text)],
            digest: 0,
            skipped: false,
        }
    }
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Points in the clean runs.
    pub listed: usize,
    /// Points at which a fault struck.
    pub hit: usize,
    /// Runs by what they broke.
    pub broken: BTreeMap<Broken, usize>,
    /// Random schedules run.
    pub schedules: usize,
    /// How the runs ended.
    pub ends: BTreeMap<String, usize>,
    /// What failed, in order.
    pub failures: Vec<Failure>,
}

impl Summary {
    /// Every point was hit and nothing broke.
    pub fn is_good(&self) -> bool {
        self.failures.is_empty() && self.hit == self.listed && self.listed > 0
    }

    /// The runs of `other` as well.
    pub fn add(&mut self, other: Self) {
        self.listed += other.listed;
        self.hit += other.hit;
        self.schedules += other.schedules;
        for (what, runs) in other.broken {
            *self.broken.entry(what).or_default() += runs;
        }
        for (end, runs) in other.ends {
            *self.ends.entry(end).or_default() += runs;
        }
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (end, runs) in &self.ends {
            writeln!(f, "  {runs:>7} runs ended {end}")?;
        }
        for failure in self.failures.iter().take(TOLD) {
            writeln!(f, "FAILED {}", failure.replay)?;
            for (what, text) in failure.broken.iter().take(5) {
                writeln!(f, "    {what:?}: {text}")?;
            }
        }
        if self.failures.len() > TOLD {
            writeln!(f, "... and {} more", self.failures.len() - TOLD)?;
        }
        let broken = |what| self.broken.get(&what).copied().unwrap_or(0);
        let seeds: Vec<String> = self
            .failures
            .iter()
            .filter(|failure| !failure.task.listed)
            .map(|failure| failure.task.seed.to_string())
            .collect();
        write!(
            f,
            "crash points: {} listed, {} hit, {} lost, {} doubled, {} stuck; schedules: {} run, failing seeds: {}",
            self.listed,
            self.hit,
            broken(Broken::Lost),
            broken(Broken::Doubled),
            broken(Broken::Stuck),
            self.schedules,
            if seeds.is_empty() { "none".to_owned() } else { seeds.join(" ") }
        )
    }
}

/// Runs every operation once without a fault.
///
/// # Errors
/// The story of one that does not end well by itself: nothing else can be judged then.
pub fn cases<'a>(systems: &'a [Box<dyn System>]) -> Result<Vec<Case<'a>>, String> {
    cases_of(systems, |_| true)
}

/// Runs those operations once without a fault that are wanted, by `SYSTEM/OPERATION`.
///
/// # Errors
/// As of [`cases`].
pub fn cases_of<'a>(
    systems: &'a [Box<dyn System>],
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Case<'a>>, String> {
    let mut cases = Vec::new();
    for system in systems {
        for operation in system.operations() {
            if !wanted(&format!("{}/{}", system.name(), operation.name)) {
                continue;
            }
            let (system, plan) = (system.as_ref(), Plan::new());
            let clean = run(&Setting {
                system,
                operation: &operation,
                plan,
                seed: SEED,
                tell: true,
                division: None,
            });
            let expected = expected(&operation);
            if clean.outcome != expected || !clean.broken.is_empty() {
                let story = clean.story.join("\n");
                return Err(format!(
                    "{story}\n{}/{} ended as {:?} without a fault: {:?}",
                    system.name(),
                    operation.name,
                    clean.outcome,
                    clean.broken
                ));
            }
            cases.push(Case { system, operation, clean });
        }
    }
    Ok(cases)
}

/// How it ends where nothing goes wrong; `None`: it does not begin.
fn expected(operation: &Operation) -> Option<Outcome> {
    match (operation.refused, operation.cancel_after) {
        (true, _) => None,
        (false, Some(_)) => Some(Outcome::Cancelled),
        (false, None) => Some(Outcome::Done),
    }
}

/// Every single fault at every point of the clean runs.
pub fn points(cases: &[Case<'_>]) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (case, of) in cases.iter().enumerate() {
        let mut add = |moment, fault| {
            let plan = Plan::from([(moment, fault)]);
            tasks.push(Task { case, seed: SEED, plan, listed: true });
        };
        let sampled = of.system.waits_long();
        for (number, label) in of.clean.labels.iter().enumerate() {
            if sampled && label.again {
                continue;
            }
            add(Moment::Before(number), Fault::Kill);
            // After a reading is before whatever comes next.
            if label.ended && !label.reads {
                add(Moment::After(number), Fault::Kill);
            }
            if !label.reads && !label.text.starts_with("coordinator") {
                add(Moment::After(number), Fault::PowerCut);
                add(Moment::Before(number), Fault::DiskFull);
            }
        }
        for call in 0..of.clean.counts.calls {
            if sampled && of.clean.repeated_calls.contains(&call) {
                continue;
            }
            add(Moment::Call(call), Fault::Call(Fate::RequestLost));
            if !of.clean.reading_calls.contains(&call) {
                add(Moment::Call(call), Fault::Call(Fate::AnswerLost));
                add(Moment::Call(call), Fault::Call(Fate::Late));
                add(Moment::Call(call), Fault::Call(Fate::VeryLate));
                add(Moment::Call(call), Fault::Call(Fate::Twice));
            }
        }
        for tool in 0..of.clean.counts.tools {
            for trouble in Trouble::ALL {
                add(Moment::Tool(tool), Fault::Tool(trouble));
            }
        }
        for event in 0..of.clean.counts.events {
            let host = event % usize::from(of.system.hosts()).max(1);
            add(Moment::Event(event), Fault::Partition { host, seconds: 100 });
            add(Moment::Event(event), Fault::SecondCoordinator);
            add(Moment::Event(event), Fault::Failover);
            add(Moment::Event(event), Fault::Crash);
            add(Moment::Event(event), Fault::Cancel);
        }
    }
    tasks
}

/// A schedule of one to four faults, all told by its seed.
pub fn schedule(cases: &[Case<'_>], seed: u64) -> Task {
    let mut chance = fastrand::Rng::with_seed(seed);
    let case = chance.usize(..cases.len().max(1));
    let mut plan = Plan::new();
    if let Some(of) = cases.get(case) {
        for _ in 0..chance.usize(1..=4) {
            let (moment, fault) = random(&mut chance, of);
            plan.insert(moment, fault);
        }
    }
    Task { case, seed, plan, listed: false }
}

fn random(chance: &mut fastrand::Rng, of: &Case<'_>) -> (Moment, Fault) {
    let counts = of.clean.counts;
    // A run with faults is longer than the clean one.
    let mut number = |most: usize| chance.usize(..(most + most / 3).max(1));
    match number(12) {
        0..4 => (Moment::Before(number(counts.points)), Fault::Kill),
        4..6 => (Moment::After(number(counts.points)), Fault::Kill),
        6 if number(3) == 0 => (Moment::Before(number(counts.points)), Fault::DiskFull),
        6 => (Moment::After(number(counts.points)), Fault::PowerCut),
        7..11 => {
            let fates =
                [Fate::RequestLost, Fate::AnswerLost, Fate::Late, Fate::VeryLate, Fate::Twice];
            let fate = fates.get(number(4)).copied().unwrap_or(Fate::Twice);
            (Moment::Call(number(counts.calls)), Fault::Call(fate))
        }
        11..13 => {
            let trouble = Trouble::ALL.get(number(6)).copied().unwrap_or(Trouble::Fails);
            (Moment::Tool(number(counts.tools)), Fault::Tool(trouble))
        }
        13 | 14 => {
            let host = number(usize::from(of.system.hosts()));
            let seconds = u64::try_from(number(200)).unwrap_or(0);
            (Moment::Event(number(counts.events)), Fault::Partition { host, seconds })
        }
        15 => {
            let fault = match number(4) {
                0 | 1 => Fault::SecondCoordinator,
                2 => Fault::Failover,
                3 => Fault::Crash,
                _ => Fault::Cancel,
            };
            (Moment::Event(number(counts.events)), fault)
        }
        _ => (Moment::Event(number(counts.events)), Fault::Kill),
    }
}

/// The run of a task.
pub fn carry_out(cases: &[Case<'_>], task: &Task, tell: bool) -> Option<Ended> {
    let of = cases.get(task.case)?;
    let (plan, seed) = (task.plan.clone(), task.seed);
    let (system, operation) = (of.system, &of.operation);
    let mut ended = run(&Setting { system, operation, plan, seed, tell, division: None });
    let broken = judge(of, task, &ended);
    ended.broken.extend(broken);
    Some(ended)
}

/// The run of a task in one word.
pub fn verdict(cases: &[Case<'_>], task: &Task) -> Option<Verdict> {
    carry_out(cases, task, false).map(|ended| Verdict::of(&ended))
}

/// Crashes alone, after which the operation ends as without them: no more than the administrator tries again.
fn only_crashes(plan: &Plan) -> bool {
    let endured = usize::try_from(RETRIES).is_ok_and(|retries| plan.len() <= retries);
    endured
        && plan.values().all(|fault| match fault {
            Fault::Kill | Fault::Call(_) => true,
            Fault::PowerCut
            | Fault::DiskFull
            | Fault::Tool(_)
            | Fault::Partition { .. }
            | Fault::SecondCoordinator
            | Fault::Failover
            | Fault::Crash
            | Fault::Cancel => false,
        })
}

/// What the end must be, beside what each run is judged by itself.
fn judge(of: &Case<'_>, task: &Task, ended: &Ended) -> Vec<(Broken, String)> {
    let mut broken = Vec::new();
    if task.listed {
        for (moment, fault, label) in &ended.struck {
            if let Moment::Before(number) | Moment::After(number) = moment
                && of.clean.labels.get(*number).map(|l| &l.text) != Some(label)
            {
                let text = format!("{fault} struck at {label:?}: the run is not the clean one");
                broken.push((Broken::Lost, text));
            }
        }
    }
    let failed_over = of.system.is_moved_by_failover()
        && task.plan.values().any(|fault| *fault == Fault::Failover);
    let counts = |truth: &Truth| {
        let mut truth = truth.clone();
        truth.system.retain(|fact, _| !(ended.skipped && of.system.is_left_to_hand(fact)));
        truth
    };
    let mut differs = |what: &str, expected: &Truth| {
        let (expected, after) = (counts(expected), counts(&ended.after));
        if after != expected {
            let text = format!("{what}, but {}", difference(&expected, &after));
            broken.push((Broken::Lost, text));
        }
    };
    match ended.outcome {
        Some(Outcome::Done) if !failed_over && of.operation.cancel_after.is_none() => {
            differs("it ended as done", &of.clean.after);
        }
        Some(Outcome::Undone | Outcome::Cancelled) if !failed_over => {
            differs("it was taken back", &ended.before);
        }
        Some(_) | None => {}
    }
    let wanted = expected(&of.operation);
    if wanted.is_none() && ended.outcome.is_some() {
        let text = format!("what must be refused began, and ended as {:?}", ended.outcome);
        broken.push((Broken::Lost, text));
    } else if only_crashes(&task.plan) && ended.outcome != wanted {
        // A cancel that comes too late finds it done; one that is lost is not asked again.
        let late = wanted == Some(Outcome::Cancelled) && ended.outcome == Some(Outcome::Done);
        if !late {
            let text = format!("after crashes alone it ended as {:?}", ended.outcome);
            broken.push((Broken::Stuck, text));
        }
    }
    broken
}

fn difference(expected: &Truth, found: &Truth) -> String {
    let mut words = Vec::new();
    for path in expected.paths.difference(&found.paths) {
        words.push(format!("{path} is gone"));
    }
    for path in found.paths.difference(&expected.paths) {
        words.push(format!("{path} is there"));
    }
    for (key, value) in &expected.system {
        if found.system.get(key) != Some(value) {
            words.push(format!("{key} is {:?} instead of {value:?}", found.system.get(key)));
        }
    }
    for (key, value) in &found.system {
        if !expected.system.contains_key(key) {
            words.push(format!("{key} is {value:?} and was not"));
        }
    }
    if expected.nodes != found.nodes {
        words.push(format!("the spec has {:?} instead of {:?}", found.nodes, expected.nodes));
    }
    words.truncate(8);
    words.join("; ")
}

/// How tasks are run.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// One failure is enough.
    pub stop_at_first: bool,
    /// The programs are wrong in this way.
    #[cfg(feature = "defects")]
    pub defect: Option<bellows_proto::defect::Defect>,
}

/// Runs all tasks, as many at a time as the machine has cores. The calling process must have no
/// threads that do anything.
///
/// # Errors
/// The machine has no pipe left.
pub fn run_all(cases: &[Case<'_>], tasks: &[Task], how: How) -> io::Result<Summary> {
    let mut summary =
        Summary { listed: tasks.iter().filter(|task| task.listed).count(), ..Summary::default() };
    let verdicts = verdicts(cases, tasks, how)?;
    for (number, verdict) in verdicts {
        if let Some(task) = tasks.get(number) {
            note(&mut summary, cases, task, &verdict);
        }
    }
    summary.failures.sort_by_key(|failure| (failure.task.case, failure.replay.clone()));
    Ok(summary)
}

/// What each task has come to, by its place in the list. One whose moment never came has none.
///
/// # Errors
/// As of [`run_all`].
pub fn verdicts(
    cases: &[Case<'_>],
    tasks: &[Task],
    how: How,
) -> io::Result<BTreeMap<usize, Verdict>> {
    let mut verdicts = BTreeMap::new();
    let numbered: Vec<_> = tasks.iter().cloned().enumerate().collect();
    let size = if how.stop_at_first { CHUNK } else { numbered.len().max(1) };
    for chunk in numbered.chunks(size) {
        for (case, of) in cases.iter().enumerate() {
            let own = chunk.iter().filter(|(_, task)| task.case == case).cloned().collect();
            verdicts.extend(of_case(of, own, how)?);
            if how.stop_at_first && verdicts.values().any(|verdict| !verdict.broken.is_empty()) {
                return Ok(verdicts);
            }
        }
    }
    Ok(verdicts)
}

/// One clean run, divided for each task.
fn of_case(
    of: &Case<'_>,
    tasks: Vec<(usize, Task)>,
    how: How,
) -> io::Result<Vec<(usize, Verdict)>> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    let division = Division::new(tasks.clone(), how.stop_at_first)?;
    let setting = Setting {
        system: of.system,
        operation: &of.operation,
        plan: Plan::new(),
        seed: SEED,
        tell: false,
        division: Some(Arc::clone(&division)),
    };
    #[cfg(feature = "defects")]
    bellows_proto::defect::seed(how.defect);
    let ended = panic::catch_unwind(AssertUnwindSafe(|| run(&setting)));
    if let Some(number) = division.own() {
        child(of, &division, tasks.into_iter().find(|(own, _)| *own == number), ended);
    }
    #[cfg(feature = "defects")]
    bellows_proto::defect::seed(None);
    let ended = ended.unwrap_or_else(|panic| panic::resume_unwind(panic));
    let mut verdicts = division.end();
    if ended.labels != of.clean.labels {
        // Then the points are not those that were listed either.
        let text = "two clean runs are not the same".to_owned();
        verdicts.extend(tasks.first().map(|(number, _)| (*number, Verdict::stuck(text))));
    }
    Ok(verdicts)
}

/// The end of a process that ran one task. Nothing of the parent's goes on in it, and nothing is tidied up: that would take a fifth of all time,
/// because whatever memory of the parent's is touched is copied first.
fn child(
    of: &Case<'_>,
    division: &Division,
    task: Option<(usize, Task)>,
    ended: std::thread::Result<Ended>,
) -> ! {
    let verdict = match (task, ended) {
        (Some((_, task)), Ok(mut ended)) => {
            let broken = judge(of, &task, &ended);
            ended.broken.extend(broken);
            Verdict::of(&ended)
        }
        (None, _) | (_, Err(_)) => Verdict::stuck("it panicked: its words are above".to_owned()),
    };
    signal_hook::low_level::exit(division.tell(&verdict).map_or(1, |()| 0))
}

fn note(summary: &mut Summary, cases: &[Case<'_>], task: &Task, verdict: &Verdict) {
    if task.listed {
        summary.hit += usize::from(verdict.hit);
    } else {
        summary.schedules += 1;
    }
    let outcome = verdict.outcome.and_then(|outcome| Outcome::try_from(outcome).ok());
    let mut end = outcome.map_or("not begun".to_owned(), |outcome| format!("{outcome:?}"));
    if verdict.skipped {
        end.push_str(", with a step passed over");
    }
    *summary.ends.entry(end).or_default() += 1;
    let mut kinds: Vec<Broken> = verdict.broken.iter().map(|(what, _)| *what).collect();
    kinds.sort();
    kinds.dedup();
    for kind in kinds {
        *summary.broken.entry(kind).or_default() += 1;
    }
    if !verdict.broken.is_empty() {
        let replay = replay(cases, task);
        let broken = verdict.broken.clone();
        summary.failures.push(Failure { task: task.clone(), replay, broken });
    }
}

/// The command that makes a run again and tells its story.
pub fn replay(cases: &[Case<'_>], task: &Task) -> String {
    let of = cases.get(task.case);
    let name = of.map_or_else(String::new, |c| format!("{}/{}", c.system.name(), c.operation.name));
    format!("make replay RUN='{name} {} {}'", task.seed, faults::show(&task.plan))
}

/// What finds a defect: the first fault under which a promise is broken, if there is any. Points and
/// labels are those of a clean run that has the defect too.
#[cfg(feature = "defects")]
pub fn found(
    systems: &[Box<dyn System>],
    defect: bellows_proto::defect::Defect,
    schedules: u64,
) -> io::Result<Option<String>> {
    bellows_proto::defect::seed(Some(defect));
    let cases = cases(systems);
    bellows_proto::defect::seed(None);
    let cases = match cases {
        Ok(cases) => cases,
        Err(story) => {
            let last = story.lines().last().unwrap_or_default();
            return Ok(Some(format!("a run without faults: {last}")));
        }
    };
    let mut tasks = points(&cases);
    tasks.extend((1..=schedules).map(|seed| schedule(&cases, seed)));
    // Every kind of fault early: the first that finds it ends the search.
    fastrand::Rng::with_seed(SEED).shuffle(&mut tasks);
    let summary = run_all(&cases, &tasks, How { stop_at_first: true, defect: Some(defect) })?;
    let failure = summary.failures.first();
    let text = |failure: &Failure| failure.broken.first().map(|(_, text)| text.clone());
    Ok(failure.map(|failure| format!("{}: {}", failure.replay, text(failure).unwrap_or_default())))
}
