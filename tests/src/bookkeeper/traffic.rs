//! A client that writes entries all the time, as a broker would, and one that reads them back: `bin/gen` of
//! `tests/bookkeeper`, on the real client library. An entry counts from its acknowledgement on.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use tokio::{process::Child, sync::watch, task::JoinHandle};

use crate::process;

/// A JVM starts in a second or two and reads some thousand entries in a few; a busy machine may need many times that.
const LIMIT: Duration = Duration::from_secs(300);

/// What new ledgers look like.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Bookies that a ledger is spread over.
    pub ensemble: u32,
    /// Copies of an entry.
    pub write: u32,
    /// Copies that an acknowledgement waits for.
    pub ack: u32,
}

impl Default for Shape {
    fn default() -> Self {
        Self { ensemble: 3, write: 2, ack: 2 }
    }
}

impl Shape {
    fn words(self) -> Vec<String> {
        let Self { ensemble, write, ack } = self;
        [("--ensemble", ensemble), ("--write", write), ("--ack", ack)]
            .iter()
            .flat_map(|(word, value)| [(*word).to_owned(), value.to_string()])
            .collect()
    }
}

/// Where the program is, whose ZooKeeper it asks, and the folder of its records.
#[derive(Debug, Clone)]
pub struct Generator {
    /// BookKeeper's home.
    pub home: PathBuf,
    /// HOST:PORT of ZooKeeper.
    pub zookeeper: String,
    /// A folder that is there.
    pub records: PathBuf,
}

impl Generator {
    fn command(&self, word: &str, record: &Path, more: &[String]) -> tokio::process::Command {
        let mut command = process::command(self.home.join("bin/gen"));
        command
            .env("BOOKIE_LOG_DIR", &self.records)
            .args([word, "--zk", &self.zookeeper, "--record"])
            .arg(record)
            .args(more);
        command
    }

    /// Makes closed ledgers; their entries stand in the record of this name.
    ///
    /// # Errors
    /// An entry is not acknowledged.
    pub async fn create(&self, name: &str, ledgers: u32, entries: u32, shape: Shape) -> Result<()> {
        let mut words = shape.words();
        for (word, value) in [("--ledgers", ledgers), ("--entries", entries)] {
            words.extend([word.to_owned(), value.to_string()]);
        }
        let run = self.command("create", &self.records.join(name), &words);
        process::run(run, LIMIT).await?.expect_code(0)?;
        Ok(())
    }

    /// Deletes the ledgers of the record of this name, as their owner does when nobody wants them any more.
    ///
    /// # Errors
    /// One of them is not deleted.
    pub async fn delete(&self, name: &str) -> Result<()> {
        let run = self.command("delete", &self.records.join(name), &[]);
        process::run(run, LIMIT).await?.expect_code(0)?;
        Ok(())
    }
}

/// What a writer saw, as it tells at its end.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Tally {
    /// Acknowledged.
    pub entries: usize,
    /// Not acknowledged: there or not.
    pub failures: usize,
    /// Milliseconds between two acknowledgements.
    pub longest_gap_ms: u64,
}

/// A writer at work. Killed when dropped.
pub struct Writer {
    generator: Generator,
    record: PathBuf,
    child: Child,
}

impl Writer {
    /// Begins to write, some 30 entries a second, a new ledger after each `roll` entries.
    ///
    /// # Errors
    /// The program does not start, or nothing is acknowledged.
    pub async fn start(generator: &Generator, name: &str, roll: u32, shape: Shape) -> Result<Self> {
        let mut words = shape.words();
        words.extend(["--rate", "30", "--roll", &roll.to_string()].map(str::to_owned));
        let record = generator.records.join(name);
        let child = generator.command("write", &record, &words).spawn().context("start bin/gen")?;
        let writer = Self { generator: generator.clone(), record, child };
        writer.writes_on(1, LIMIT).await?;
        Ok(writer)
    }

    /// Entries that are acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        std::fs::read_to_string(&self.record).unwrap_or_default().lines().count()
    }

    /// Waits until so many entries more are acknowledged.
    ///
    /// # Errors
    /// Not within `limit`.
    pub async fn writes_on(&self, more: usize, limit: Duration) -> Result<()> {
        let wanted = self.acknowledged() + more;
        process::until(&format!("{wanted} acknowledged entries"), limit, || async {
            Ok(self.acknowledged() >= wanted)
        })
        .await
    }

    /// Stops after the entry at hand and tells what was seen.
    ///
    /// # Errors
    /// It had ended before, or says nothing.
    pub async fn finish(self) -> Result<Tally> {
        let pid = self.child.id().context("the writer has ended by itself")?;
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.context("pid")?, rustix::process::Signal::TERM)
            .context("end the writer")?;
        let output = tokio::time::timeout(LIMIT, self.child.wait_with_output())
            .await
            .context("its end")??;
        let told = String::from_utf8_lossy(&output.stdout);
        let last = told.lines().last().unwrap_or_default();
        serde_json::from_str(last).with_context(|| {
            format!("the writer said {told:?} {:?}", String::from_utf8_lossy(&output.stderr))
        })
    }

    /// Its record and how to read it back.
    #[must_use]
    pub fn record(&self) -> (Generator, PathBuf) {
        (self.generator.clone(), self.record.clone())
    }
}

/// What was read back.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Found {
    /// All of it is there, as it was written.
    pub ok: bool,
    /// Acknowledged entries.
    pub entries: usize,
    /// Not readable.
    pub lost: usize,
    /// With other bytes.
    pub wrong: usize,
    /// With fewer copies than the ledger's write quorum; asked for only.
    pub thin: usize,
    /// Some that are lost: LEDGER/ENTRY.
    pub first_lost: Vec<String>,
    /// Some with too few copies.
    pub first_thin: Vec<String>,
}

/// Reads back every entry of a record; `copies`: counts the bookies that have each of them too.
///
/// # Errors
/// The program does not answer.
pub async fn verify(generator: &Generator, record: &Path, copies: bool) -> Result<Found> {
    let words: Vec<String> = copies.then(|| "--copies".to_owned()).into_iter().collect();
    let ended = process::run(generator.command("verify", record, &words), LIMIT).await?;
    match ended.code {
        Some(0 | 1) => serde_json::from_str(ended.stdout.lines().last().unwrap_or_default())
            .with_context(|| format!("{ended:?}")),
        _ => bail!("{ended:?}"),
    }
}

/// A reader that reads back a record again and again while it grows. Stopped when dropped.
pub struct Reader {
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    rounds: usize,
    trouble: Option<String>,
}

impl Seen {
    fn note(&mut self, found: Result<Found>) {
        self.rounds += 1;
        let trouble = match found {
            Ok(found) if found.ok => None,
            Ok(found) => Some(format!("round {}: {found:?}", self.rounds)),
            Err(error) => Some(format!("round {}: {error:#}", self.rounds)),
        };
        self.trouble = self.trouble.take().or(trouble);
    }
}

/// Between two rounds: each starts a JVM.
const PAUSE: Duration = Duration::from_secs(5);

impl Reader {
    /// Begins to read.
    #[must_use]
    pub fn start(generator: Generator, record: PathBuf) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let (stop, mut stopped) = watch::channel(false);
        let into = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while !*stopped.borrow() {
                let found = verify(&generator, &record, false).await;
                into.lock().unwrap_or_else(PoisonError::into_inner).note(found);
                let _ = tokio::time::timeout(PAUSE, stopped.changed()).await;
            }
        });
        Self { stop, task: Some(task), seen }
    }

    /// Ends it after the round at hand; how many rounds it read.
    ///
    /// # Errors
    /// An acknowledged entry was not readable in one of them, or it read nothing.
    pub async fn finish(mut self) -> Result<usize> {
        let _ = self.stop.send(true);
        if let Some(task) = self.task.take() {
            task.await.context("the reader broke down")?;
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(seen.trouble.is_none(), "the reader: {:?}", seen.trouble);
        ensure!(seen.rounds > 0, "the reader read nothing");
        Ok(seen.rounds)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}
