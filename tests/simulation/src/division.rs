//! Runs that share their beginning. A clean run of an operation is divided in two processes wherever a
//! task's fault is to strike: the child suffers the fault and goes on to its end, the parent stays clean
//! and goes on to the next. What comes before, more than half of a run, is run once instead of for each
//! task.
//!
//! The process that divides must have no other thread that a run depends on.

use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, BufReader, PipeReader, PipeWriter, Write as _},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use fork::{ChildEvent, Fork};

use super::{
    faults::Moment,
    matrix::{Task, Verdict},
};

/// A run takes less than a second; so long it takes only if it spins. Simulated time stands still then,
/// so that no limit inside of the run can strike.
const LIMIT: Duration = Duration::from_secs(120);
/// Exit status of a run over the limit.
const SPINS: u8 = 75;

/// Where one clean run is divided, and what has come of it.
pub struct Division {
    state: Mutex<State>,
}

struct State {
    /// Tasks that begin to differ when the faults are armed: random schedules.
    at_arming: Vec<(usize, Task)>,
    /// Tasks of a single fault, by its moment.
    at: BTreeMap<Moment, Vec<(usize, Task)>>,
    /// In a child: its task.
    own: Option<usize>,
    /// Tasks under way, by process.
    running: BTreeMap<i32, usize>,
    /// What a child has found, one line each.
    reader: BufReader<PipeReader>,
    writer: PipeWriter,
    verdicts: Vec<(usize, Verdict)>,
    /// Nothing new is begun once a promise is broken.
    stop_at_first: bool,
}

impl Division {
    /// For these tasks of one case, each with the number that it is told by.
    ///
    /// # Errors
    /// The machine has no pipe left.
    pub fn new(tasks: Vec<(usize, Task)>, stop_at_first: bool) -> io::Result<Arc<Self>> {
        let (reader, writer) = io::pipe()?;
        let mut state = State {
            at_arming: Vec::new(),
            at: BTreeMap::new(),
            own: None,
            running: BTreeMap::new(),
            reader: BufReader::new(reader),
            writer,
            verdicts: Vec::new(),
            stop_at_first,
        };
        for (number, task) in tasks {
            match task.plan.first_key_value() {
                Some((moment, _)) if task.listed => {
                    state.at.entry(*moment).or_default().push((number, task));
                }
                Some(_) | None => state.at_arming.push((number, task)),
            }
        }
        Ok(Arc::new(Self { state: Mutex::new(state) }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The faults are about to be armed. `Some` in a child: its task.
    pub fn armed(&self) -> Option<Task> {
        let tasks = mem::take(&mut self.state().at_arming);
        self.divide(tasks)
    }

    /// This moment is about to pass. `Some` in a child: its task.
    pub fn at(&self, moment: Moment) -> Option<Task> {
        let tasks = self.state().at.remove(&moment)?;
        self.divide(tasks)
    }

    fn divide(&self, tasks: Vec<(usize, Task)>) -> Option<Task> {
        let most = thread::available_parallelism().map_or(1, usize::from);
        let mut state = self.state();
        for (number, task) in tasks {
            while state.running.len() >= most {
                state.reap();
            }
            if state.stop_at_first && state.verdicts.iter().any(|(_, v)| !v.broken.is_empty()) {
                return None;
            }
            match fork::fork() {
                Ok(Fork::Child) => {
                    state.own = Some(number);
                    // The others are the parent's.
                    (state.at_arming, state.at) = (Vec::new(), BTreeMap::new());
                    thread::spawn(limit);
                    return Some(task);
                }
                Ok(Fork::Parent(child)) => {
                    state.running.insert(child, number);
                }
                Err(error) => {
                    let verdict = Verdict::stuck(format!("there is no process for it: {error}"));
                    state.verdicts.push((number, verdict));
                }
            }
        }
        None
    }

    /// In a child: the number of its task. `None` in the clean run.
    pub fn own(&self) -> Option<usize> {
        self.state().own
    }

    /// Tells the parent, in a child, which is to end with status 0 now.
    ///
    /// # Errors
    /// The parent is gone.
    pub fn tell(&self, verdict: &Verdict) -> io::Result<()> {
        let mut state = self.state();
        let line = format!("{}\n", serde_json::to_string(&(state.own, verdict))?);
        // At once: two children may tell at the same time.
        state.writer.write_all(line.as_bytes())
    }

    /// Waits for all that were begun. What was never begun has no verdict.
    pub fn end(&self) -> Vec<(usize, Verdict)> {
        let mut state = self.state();
        while !state.running.is_empty() {
            state.reap();
        }
        mem::take(&mut state.verdicts)
    }
}

impl State {
    /// Waits for one of the children, whichever ends first.
    fn reap(&mut self) {
        let event = match fork::wait_any_event() {
            Ok(event) if event.is_terminal() => event,
            Ok(_) => return,
            Err(error) => {
                let lost = mem::take(&mut self.running).into_values();
                let stuck =
                    |number| (number, Verdict::stuck(format!("its process is lost: {error}")));
                self.verdicts.extend(lost.map(stuck));
                return;
            }
        };
        let number = self.running.remove(&event.pid().get()).unwrap_or(usize::MAX);
        let told = match event {
            // It may be another one's line; that one's own turn comes, then with this one's.
            ChildEvent::Exited { code: 0, .. } => self.hear(),
            ChildEvent::Exited { code: SPINS, .. } => {
                Err(format!("it does not end in {} s", LIMIT.as_secs()))
            }
            ChildEvent::Exited { code, .. } => Err(format!("its process ends with {code}")),
            ChildEvent::Signalled { signal, .. } => Err(format!("it is ended by {signal:?}")),
            ChildEvent::Stopped { .. } | ChildEvent::Continued { .. } => return,
        };
        self.verdicts.push(told.unwrap_or_else(|text| (number, Verdict::stuck(text))));
    }

    /// One that has ended in order has told its verdict before.
    fn hear(&mut self) -> Result<(usize, Verdict), String> {
        let mut line = String::new();
        let unheard = |error: String| format!("its verdict cannot be read: {error}");
        self.reader.read_line(&mut line).map_err(|error| unheard(error.to_string()))?;
        serde_json::from_str(&line).map_err(|error| unheard(error.to_string()))
    }
}

/// Ends a run that spins: a thread cannot be stopped.
#[allow(clippy::disallowed_methods)]
fn limit() {
    thread::sleep(LIMIT);
    std::process::exit(SPINS.into());
}
