//! Ends the program when a run does not end: simulated time stands still in a run that spins, so that no
//! limit inside of it can strike.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, PoisonError},
    thread::ThreadId,
    time::{Duration, Instant},
};

/// A run takes less than a second; so long it takes only if it spins.
const LIMIT: Duration = Duration::from_secs(120);
/// Looks so often.
const LOOK: Duration = Duration::from_secs(5);

/// What each thread runs, since when.
#[derive(Default)]
pub struct Watchdog {
    running: Mutex<Running>,
    over: Condvar,
}

#[derive(Default)]
struct Running {
    tasks: BTreeMap<String, (ThreadId, Instant)>,
    over: bool,
}

impl Watchdog {
    /// This thread begins a run; `replay` says how to make it again.
    pub fn begins(&self, replay: String) {
        let thread = std::thread::current().id();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.tasks.retain(|_, (of, _)| *of != thread);
        running.tasks.insert(replay, (thread, Instant::now()));
    }

    /// There is nothing left to run.
    pub fn ends(&self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).over = true;
        self.over.notify_all();
    }

    /// Watches until [`Watchdog::ends`]. A run over the limit is told, and the program ends with
    /// status 1: a thread cannot be stopped.
    #[allow(clippy::disallowed_methods)]
    pub fn watch(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while !running.over {
            for (replay, (_, since)) in &running.tasks {
                if since.elapsed() > LIMIT {
                    eprintln!("STUCK, does not end in {} s: {replay}", LIMIT.as_secs());
                    std::process::exit(1);
                }
            }
            let waited = self.over.wait_timeout(running, LOOK);
            running = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
