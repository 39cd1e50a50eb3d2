//! The shim: performs one job in a process of its own that outlives the agent, and writes how
//! it went. It waits for its tools, not for what they leave behind: that is ended at the end.
//!
//! It knows the job by its folder only, and talks to nobody.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bellows_proto::{
    defect::{Defect, is_seeded},
    v1::{Action, Fault, FaultCode, JobState},
};
use futures::{FutureExt as _, future::BoxFuture};
use tokio_util::sync::CancellationToken;

use super::{
    recorder::JobRecorder,
    store::{Begin, Canceller, Exit, JobDir, Record, mark, word},
};
use crate::{
    exec::TERM_GRACE,
    facilities::{Local, record},
    host::{ProcessId, Signal},
    tools::{JobContext, Note, leaves_daemons},
};

/// How often the shim looks for a cancellation.
const POLL: Duration = Duration::from_millis(200);
/// After it was asked to end, the action has so long to come back; then it is dropped.
const COME_BACK: Duration = Duration::from_secs(15);
/// The exit record is tried so often, once a second: a full disk may become free.
const EXIT_TRIES: u32 = 600;

/// What performs an action; the program gives [`crate::tools::perform`], tests their own.
pub type Perform = for<'a> fn(&'a Action, &'a JobContext) -> BoxFuture<'a, Result<Note, Fault>>;

/// Why an action was ended before its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The coordinator asked for it, or somebody on the host.
    Cancelled,
    /// TERM or INT came to the shim.
    Stopped,
    /// So many ms were over.
    Deadline(u64),
}

/// Performs the job in `dir`. `stop` ends it as a cancellation does (TERM to this process, e.g. by
/// the service manager), but is told apart. Returns at once if the job has begun already, or never shall.
///
/// # Errors
/// If there is no such job or nothing can be written: then there is no exit record either.
pub async fn run(
    local: Local,
    dir: JobDir,
    stop: CancellationToken,
    perform: Perform,
) -> Result<(), Fault> {
    let host = Arc::clone(&local.host);
    let job: Record = dir.get(host.as_ref(), "record")?.ok_or_else(|| {
        Fault::new(FaultCode::NotFound, format!("no job record in {}", dir.path()))
    })?;
    let own = host.own_process();
    let begin = own.map_or_else(Begin::default, |own| Begin { pid: own.pid, started: own.started });
    let first = record::create(host.as_ref(), &dir.file("begin"), &begin)?;
    if !first && !is_seeded(Defect::KnownJobStartedAgain) {
        return Ok(());
    }
    host.become_subreaper()?;
    let recorder = Arc::new(JobRecorder::new(local.clone(), dir.clone()));
    let key = job.key.clone().unwrap_or_default();
    let context = JobContext::new(
        local.clone(),
        word(&key),
        key.operation,
        CancellationToken::new(),
        recorder.clone(),
    );
    let action = job.action.clone().unwrap_or_default();
    let performing = AssertUnwindSafe(perform(&action, &context)).catch_unwind();
    let (outcome, ending) =
        supervise(&local, &dir, &job, &stop, &recorder, &context, performing).await;
    if !leaves_daemons(&action) {
        sweep(&local, &job).await;
    }
    if let Err(fault) = context.clear_secrets() {
        tracing::error!(%fault, "a secret of the job could not be removed");
    }
    recorder.flush();
    let by = dir.cancelled_by(host.as_ref()).unwrap_or_default();
    let exit = exit(&local, outcome, ending, by, recorder.finish());
    write_exit(&local, &dir, &exit).await
}

type Panic = Box<dyn std::any::Any + Send>;

/// Polls the action to its end, telling it when it is to end.
async fn supervise(
    local: &Local,
    dir: &JobDir,
    job: &Record,
    stop: &CancellationToken,
    recorder: &JobRecorder,
    context: &JobContext,
    performing: impl Future<Output = Result<Result<Note, Fault>, Panic>>,
) -> (Result<Note, Fault>, Option<Ending>) {
    let mut performing = std::pin::pin!(performing);
    let deadline = (job.deadline_ms > 0).then(|| Duration::from_millis(job.deadline_ms));
    let (mut elapsed, mut ended_for) = (Duration::ZERO, Duration::ZERO);
    let mut ending = None;
    loop {
        if ending.is_none() {
            if dir.is_cancelled(local.host.as_ref()).unwrap_or(false) {
                ending = Some(Ending::Cancelled);
            } else if stop.is_cancelled() {
                ending = Some(Ending::Stopped);
            } else if deadline.is_some_and(|deadline| elapsed >= deadline) {
                ending = Some(Ending::Deadline(job.deadline_ms));
            }
            if ending.is_some() {
                context.cancel().cancel();
            }
        } else if ended_for >= COME_BACK {
            let message = "the action did not come back after it was asked to end";
            return (Err(Fault::new(FaultCode::Cancelled, message)), ending);
        }
        tokio::select! {
            biased;
            outcome = &mut performing => {
                let outcome = outcome.unwrap_or_else(|_| {
                    let message = "the action panicked; see the log of the agent's host";
                    Err(Fault::new(FaultCode::Internal, message))
                });
                // The service manager's TERM reaches the tools as well: they may end first.
                let ending = ending.or_else(|| stop.is_cancelled().then_some(Ending::Stopped));
                return (outcome, ending);
            }
            // Unconstrained: a tool's flood of output takes all that the runtime allows a task to
            // do at once, and this would never see its turn.
            () = tokio::task::unconstrained(local.clock.sleep(POLL)) => {
                recorder.flush();
                elapsed += POLL;
                if ending.is_some() {
                    ended_for += POLL;
                }
            }
        }
    }
}

/// Ends all processes of the job but this one: TERM, then KILL, until none is left. What fails is
/// logged and tried again, for a bounded time: the exit record matters more.
async fn sweep(local: &Local, job: &Record) {
    let own = local.host.own_process();
    let mut waited = Duration::ZERO;
    loop {
        match local.host.marked(&mark(job)) {
            Ok(mut left) => {
                left.retain(|process| Some(*process) != own);
                if left.is_empty() {
                    return;
                }
                if waited.is_zero() {
                    signal_all(local, left, Signal::Term);
                } else if waited >= TERM_GRACE {
                    signal_all(local, left, Signal::Kill);
                }
            }
            Err(error) => tracing::error!(%error, "the job's processes cannot be looked for"),
        }
        if waited >= TERM_GRACE + COME_BACK {
            // In the kernel, where no signal reaches it.
            tracing::error!("processes of the job may survive it");
            return;
        }
        local.clock.sleep(POLL).await;
        waited += POLL;
    }
}

fn signal_all(local: &Local, processes: Vec<ProcessId>, signal: Signal) {
    for process in processes {
        if let Err(error) = local.host.signal(process, signal) {
            tracing::error!(%error, pid = process.pid, "a process of the job cannot be signalled");
        }
    }
}

fn exit(
    local: &Local,
    outcome: Result<Note, Fault>,
    ending: Option<Ending>,
    by: Option<Canceller>,
    output_digest: Vec<u8>,
) -> Exit {
    let (state, fault, note) = match (outcome, ending) {
        // It came through all the same: what is done is told as done.
        (Ok(note), _) => (JobState::Succeeded, None, note),
        (Err(fault), Some(ending @ (Ending::Cancelled | Ending::Stopped))) => {
            let message = if ending == Ending::Stopped {
                "SIGTERM or SIGINT came to the job's process: the service manager or somebody on the host ended it".to_owned()
            } else {
                by.unwrap_or(Canceller::Coordinator).told()
            };
            let fault = Fault { code: FaultCode::Cancelled.into(), message, ..fault };
            (JobState::Cancelled, Some(fault), String::new())
        }
        (Err(fault), Some(Ending::Deadline(deadline_ms))) => {
            let fault = Fault {
                code: FaultCode::Deadline.into(),
                message: format!("the job did not end within {deadline_ms} ms"),
                ..fault
            };
            (JobState::Failed, Some(fault), String::new())
        }
        (Err(fault), None) => (JobState::Failed, Some(fault), String::new()),
    };
    Exit {
        state: state.into(),
        fault: fault.map(|fault| fault.at(local.config.agent.host.as_str())),
        ended_at_ms: local.clock.now_ms(),
        note,
        output_digest,
    }
}

async fn write_exit(local: &Local, dir: &JobDir, exit: &Exit) -> Result<(), Fault> {
    let mut tries = 0;
    loop {
        match record::create(local.host.as_ref(), &dir.file("exit"), exit) {
            Ok(_) => return Ok(()),
            Err(fault) if tries >= EXIT_TRIES => return Err(fault),
            Err(_) => {
                tries += 1;
                local.clock.sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
