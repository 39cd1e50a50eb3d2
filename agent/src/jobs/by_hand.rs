//! Break-glass on the host: jobs as their folders tell, read and ended without the agent or its
//! coordinator. The agent may run meanwhile: both only write what the other expects.
//!
//! Knows folders and processes; what is shown of them, and to whom, is its caller's business.

use std::time::Duration;

use bellows_proto::v1::{Fault, FaultCode, Job, OutputChunk};
use camino::Utf8PathBuf;

use super::{
    ending::{self, PATIENCE, POLL},
    output,
    store::{Canceller, JobDir, Record, has_ended, mark},
};
use crate::facilities::Local;

/// After all of a job was killed, its end is waited for so long.
const AFTER_KILL: Duration = Duration::from_secs(30);
/// More jobs that fit a word are not named.
const MOST_NAMED: usize = 5;

/// The jobs of this host, for somebody who sits at it.
pub struct ByHand {
    local: Local,
}

/// A job as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// OPERATION/ACT/ATTEMPT.
    pub word: String,
    /// What its folder says.
    pub job: Job,
    /// Whether a process of it lives.
    pub alive: bool,
}

/// What the folders say.
#[derive(Debug, Default)]
pub struct Listing {
    /// Those that have not ended first, then the latest first.
    pub jobs: Vec<Found>,
    /// Folders that cannot be read.
    pub damaged: Vec<(Utf8PathBuf, Fault)>,
}

impl ByHand {
    /// Of this host.
    pub fn new(local: Local) -> Self {
        Self { local }
    }

    fn dirs(&self) -> Result<Vec<JobDir>, Fault> {
        let root = self.local.config.agent.data_dir.join("jobs");
        let mut dirs = Vec::new();
        for operation in self.local.host.list(&root)? {
            for name in self.local.host.list(&root.join(&operation))? {
                let dir = JobDir::at(root.join(&operation).join(name));
                if is_job(&dir) {
                    dirs.push(dir);
                }
            }
        }
        Ok(dirs)
    }

    /// All jobs that are not forgotten yet. Changes nothing.
    ///
    /// # Errors
    /// If the folders cannot be listed or processes cannot be looked for.
    pub fn list(&self) -> Result<Listing, Fault> {
        let mut listing = Listing::default();
        for dir in self.dirs()? {
            match self.seen(&dir) {
                Ok(found) => listing.jobs.extend(found),
                Err(fault) => listing.damaged.push((dir.path().to_owned(), fault)),
            }
        }
        listing.jobs.sort_by_key(|found| (has_ended(&found.job), -found.job.accepted_at_ms));
        Ok(listing)
    }

    fn seen(&self, dir: &JobDir) -> Result<Option<Found>, Fault> {
        let host = self.local.host.as_ref();
        let (Some(job), Some(record)) = (dir.job(host)?, dir.get::<Record>(host, "record")?) else {
            return Ok(None);
        };
        let alive = !host.marked(&mark(&record))?.is_empty();
        Ok(Some(Found { word: dir.word().unwrap_or_default(), job, alive }))
    }

    /// The one job whose OPERATION/ACT/ATTEMPT is this word or begins with it.
    ///
    /// # Errors
    /// `FAULT_CODE_NOT_FOUND` if there is none, `FAULT_CODE_INVALID` if there are several.
    pub fn find(&self, text: &str) -> Result<JobDir, Fault> {
        let named = |dir: JobDir| dir.word().map(|word| (word, dir));
        let all = self.dirs()?.into_iter().filter_map(named);
        let mut fit: Vec<(String, JobDir)> =
            all.filter(|(word, _)| !text.is_empty() && word.starts_with(text)).collect();
        if let Some(exact) = fit.iter().position(|(word, _)| word == text) {
            return Ok(fit.swap_remove(exact).1);
        }
        let shown: String = text.chars().take(60).collect();
        match (fit.pop(), fit.is_empty()) {
            (Some((_, dir)), true) => Ok(dir),
            (None, _) => {
                let message = format!("there is no job {shown:?} on this host");
                Err(Fault::new(FaultCode::NotFound, message).remedy(
                    "see `bellows-agent job list`; jobs of an operation that is over are forgotten",
                ))
            }
            (Some((last, _)), false) => {
                fit.truncate(MOST_NAMED);
                let words: Vec<&str> = fit.iter().map(|(word, _)| word.as_str()).collect();
                let message = format!("{shown:?} fits several jobs: {} {last}", words.join(" "));
                Err(Fault::new(FaultCode::Invalid, message)
                    .remedy("name one of them: OPERATION/ACT/ATTEMPT"))
            }
        }
    }

    /// A piece of a job's output from `offset` bytes on. With `follow` it waits for more; `None`:
    /// this was all, and with `follow` the job has ended or no process of it lives.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub async fn output(
        &self,
        dir: &JobDir,
        offset: u64,
        follow: bool,
    ) -> Result<Option<OutputChunk>, Fault> {
        loop {
            // Asked before the read: what it wrote before its end is there then.
            let over = self.seen(dir)?.is_none_or(|found| has_ended(&found.job) || !found.alive);
            let chunk = output::read(self.local.host.as_ref(), dir, offset)?;
            if chunk.is_some() || over || !follow {
                return Ok(chunk);
            }
            self.local.clock.sleep(POLL).await;
        }
    }

    /// Ends a job: its shim sends TERM, then KILL, to all of it; a shim that does not obey is
    /// killed with the rest, and the exit record is written in its place. `who` asked for it, in
    /// words: it stands in the job's fault, and so in the audit log. Returns the job at its end; one
    /// that has ended already is returned as it is.
    ///
    /// # Errors
    /// `FAULT_CODE_NOT_FOUND`; `FAULT_CODE_DEADLINE` if a process of it survives KILL (it is in the
    /// kernel); if the disk fails.
    pub async fn cancel(&self, dir: &JobDir, who: &str) -> Result<Job, Fault> {
        let host = self.local.host.as_ref();
        if !has_ended(&self.required(dir)?) {
            dir.ask_to_end(host, &Canceller::ByHand(who.to_owned()))?;
        }
        let mut waited = Duration::ZERO;
        loop {
            let job = self.required(dir)?;
            if has_ended(&job) {
                return Ok(job);
            }
            ending::look_after(&self.local, dir, &|_| false)?;
            if waited >= PATIENCE {
                ending::kill(&self.local, dir)?;
            }
            if waited >= PATIENCE + AFTER_KILL {
                let message = "processes of the job live on although they were killed";
                return Err(Fault::new(FaultCode::Deadline, message).remedy(
                    "they hang in the kernel, e.g. at a dead disk: look at the host's kernel log",
                ));
            }
            self.local.clock.sleep(POLL).await;
            waited += POLL;
        }
    }

    fn required(&self, dir: &JobDir) -> Result<Job, Fault> {
        dir.job(self.local.host.as_ref())?.ok_or_else(|| {
            let message = format!("there is no job in {}", dir.path());
            Fault::new(FaultCode::NotFound, message)
        })
    }
}

/// Whether a name in an operation's folder is that of a job: "ACT-ATTEMPT".
fn is_job(dir: &JobDir) -> bool {
    let name = dir.path().file_name().unwrap_or_default();
    let is_number = |part: &str| part.parse::<u32>().is_ok();
    name.split_once('-').is_some_and(|(act, attempt)| is_number(act) && is_number(attempt))
}
