//! Clients that write all the time, like an application would, and remember all that was acknowledged. What
//! they write, and to whom, is the system's own.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use crate::process;

/// What a writer has seen so far.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Ids of what was acknowledged: of rows, or of entries.
    pub acknowledged: BTreeSet<i64>,
    /// What was sent and not acknowledged; it may be there or not.
    pub in_doubt: u64,
    /// How often it had to connect.
    pub connections: u64,
    /// The longest time without an acknowledgement.
    pub longest_gap: Duration,
}

/// A writer at work. It stops when dropped. `To`: what it writes with, of the system's own.
pub struct Writer<To> {
    /// What it writes with.
    pub to: To,
    tally: Arc<Mutex<Tally>>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

/// Where the loop of a writer notes what becomes of what it writes.
#[derive(Debug)]
pub struct Notes {
    tally: Arc<Mutex<Tally>>,
    stopped: watch::Receiver<bool>,
    last: Instant,
}

impl<To> Writer<To> {
    /// Begins to write. `write` ends when its notes say that it is stopped.
    pub fn begin<F>(to: To, write: impl FnOnce(Notes) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let (stop, stopped) = watch::channel(false);
        let notes = Notes { tally: Arc::clone(&tally), stopped, last: Instant::now() };
        let task = tokio::spawn(write(notes));
        Self { to, tally, stop, task: Some(task) }
    }

    /// What it has seen so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so much is acknowledged.
    ///
    /// # Errors
    /// Not within `limit`.
    pub async fn reaches(&self, number: usize, limit: Duration) -> Result<()> {
        process::until(&format!("{number} acknowledgements"), limit, || async {
            Ok(self.tally().acknowledged.len() >= number)
        })
        .await
    }

    /// Waits until so much more is acknowledged.
    ///
    /// # Errors
    /// Not within `limit`.
    pub async fn writes_on(&self, more: usize, limit: Duration) -> Result<()> {
        self.reaches(self.tally().acknowledged.len() + more, limit).await
    }

    /// Stops after what is at hand and returns what was seen.
    ///
    /// # Errors
    /// It had ended before, by a panic.
    pub async fn finish(&mut self) -> Result<Tally> {
        let _ = self.stop.send(true);
        if let Some(task) = self.task.take() {
            task.await.context("the writer broke down")?;
        }
        Ok(self.tally())
    }
}

impl<To> Drop for Writer<To> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

impl Notes {
    /// It shall end.
    #[must_use]
    pub fn stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// It connected once more, or turned to another member.
    pub fn connected(&mut self) {
        self.change(|tally| tally.connections += 1);
    }

    /// This was acknowledged just now.
    pub fn acknowledged(&mut self, id: i64) {
        let gap = self.last.elapsed();
        self.last = Instant::now();
        self.change(|tally| {
            tally.acknowledged.insert(id);
            tally.longest_gap = tally.longest_gap.max(gap);
        });
    }

    /// What was sent last may be there or not.
    pub fn in_doubt(&mut self) {
        self.change(|tally| tally.in_doubt += 1);
    }

    fn change(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
