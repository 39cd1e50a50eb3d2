//! Jobs whose shim does not end them: lost ones, ones that never began, ones that do not
//! obey. A job is lost only with no exit record and no live process of it; what lives on
//! without its shim is killed first.

use std::time::Duration;

use bellows_proto::{
    defect::{Defect, is_seeded},
    v1::{Fault, FaultCode, JobState},
};

use super::{
    Jobs, has_ended,
    store::{Begin, Exit, JobDir, Record, mark, shim, word},
};
use crate::{
    facilities::{Local, record, secrets::SecretFolder},
    host::Signal,
};

/// A shim has so long to end its job after it was asked to; then all of it is killed.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
pub(super) const POLL: Duration = Duration::from_millis(250);
/// A shim that was launched has so long to begin. Between its start and its own first step the
/// kernel shows a process without environment for a moment: no mark is no proof by then.
const TO_BEGIN: Duration = Duration::from_secs(5);

/// Judges a job without an exit record: it runs, or it is lost, or what is left of it is killed and
/// it will be judged again. `launching` tells whether this agent is starting the job of a key now.
///
/// # Errors
/// If the disk fails, or processes cannot be looked for.
pub(super) fn look_after(
    local: &Local,
    dir: &JobDir,
    launching: &dyn Fn(&str) -> bool,
) -> Result<(), Fault> {
    let host = local.host.as_ref();
    let Some(record) = dir.get::<Record>(host, "record")? else {
        return Ok(());
    };
    let key = word(&record.key.clone().unwrap_or_default());
    if launching(&key) {
        return Ok(());
    }
    let begin: Option<Begin> = dir.get(host, "begin")?;
    let careless = is_seeded(Defect::LostThoughAlive) && begin.is_some();
    if begin.as_ref().and_then(shim).is_some_and(|shim| host.is_alive(shim)) && !careless {
        return Ok(());
    }
    let alive = if careless { Vec::new() } else { host.marked(&mark(&record))? };
    if begin.is_none() {
        if alive.is_empty() && may_still_begin(local, &record) {
            return Ok(());
        }
        // A shim that is there but has not begun will; else it never shall.
        if !alive.is_empty() || !record::create(host, &dir.file("begin"), &Begin::default())? {
            return Ok(());
        }
    }
    // Read again after the look at the processes: it may have ended in between.
    if dir.get::<Exit>(host, "exit")?.is_some() {
        return Ok(());
    }
    if !alive.is_empty() {
        tracing::warn!(job = key, left = alive.len(), "shim is gone; killing what is left");
        for process in alive {
            host.signal(process, Signal::Kill)?;
        }
        return Ok(());
    }
    let (state, fault) = if let Some(by) = dir.cancelled_by(host)? {
        let message = format!("{}; its shim had to be killed", by.told());
        (JobState::Cancelled, Fault::new(FaultCode::Cancelled, message))
    } else {
        let message = "the job left neither an exit record nor a live process";
        (JobState::Lost, Fault::new(FaultCode::Lost, message))
    };
    let operation = key.split('/').next().unwrap_or_default();
    tracing::warn!(job = key, operation, %fault, "job judged");
    end(local, dir, state, fault)
}

fn may_still_begin(local: &Local, record: &Record) -> bool {
    let since = local.clock.now_ms() - record.accepted_at_ms;
    // A clock that was set back must not make it wait for long.
    u64::try_from(since).is_ok_and(|since| Duration::from_millis(since) < TO_BEGIN)
}

/// Writes the exit record in the shim's place, after what the shim would have removed is gone.
fn end(local: &Local, dir: &JobDir, state: JobState, fault: Fault) -> Result<(), Fault> {
    if let Some(job) = dir.word()
        && let Err(fault) = SecretFolder::of_job(local, &job).clear(local)
    {
        // Tried again at the agent's next start; that the job has ended is known now.
        tracing::error!(%fault, job, "secrets of a dead job could not be removed");
    }
    let exit = Exit {
        state: state.into(),
        fault: Some(fault.at(local.config.agent.host.as_str())),
        ended_at_ms: local.clock.now_ms(),
        ..Exit::default()
    };
    // One that is there already is the shim's own, and wins.
    record::create(local.host.as_ref(), &dir.file("exit"), &exit).map(|_| ())
}

/// Kills all that belongs to a job, its shim too.
///
/// # Errors
/// If its record cannot be read, or processes cannot be looked for or signalled.
pub(super) fn kill(local: &Local, dir: &JobDir) -> Result<(), Fault> {
    if let Some(record) = dir.get::<Record>(local.host.as_ref(), "record")? {
        for process in local.host.marked(&mark(&record))? {
            local.host.signal(process, Signal::Kill)?;
        }
    }
    Ok(())
}

impl Jobs {
    /// The shim could not be started: the job has failed, unless it began all the same.
    pub(super) fn fail_unstarted(
        &self,
        dir: &JobDir,
        record: &Record,
        fault: &Fault,
    ) -> Result<(), Fault> {
        let host = self.0.local.host.as_ref();
        if !host.marked(&mark(record))?.is_empty()
            || !record::create(host, &dir.file("begin"), &Begin::default())?
        {
            return Ok(());
        }
        end(&self.0.local, dir, JobState::Failed, fault.clone())
    }

    /// Watches a job that was asked to end; its shim obeys, or all of it is killed.
    pub(super) fn see_it_end(&self, dir: JobDir) {
        let jobs = self.clone();
        tokio::spawn(async move {
            let mut waited = Duration::ZERO;
            loop {
                match jobs.current(&dir) {
                    Ok(Some(job)) if !has_ended(&job) => {}
                    Ok(_) => return,
                    Err(fault) => tracing::error!(%fault, "a job's record cannot be read"),
                }
                if waited >= PATIENCE
                    && let Err(fault) = kill(&jobs.0.local, &dir)
                {
                    tracing::error!(%fault, "a job cannot be killed");
                }
                jobs.0.local.clock.sleep(POLL).await;
                waited += POLL;
            }
        });
    }
}
