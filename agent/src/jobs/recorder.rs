//! What a running job writes about itself: tool runs, progress, output.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bellows_proto::v1::{Fault, Progress, ToolRun};

use super::{
    output::Writer,
    store::{JobDir, Status},
};
use crate::{exec::Finished, facilities::Local, tools::Recorder};

/// Progress reaches the disk at most so often.
const PROGRESS_EVERY_MS: i64 = 500;
/// A job runs fewer tools than this; more are counted no longer.
const TOOL_RUNS: usize = 1000;

/// The shim's recorder.
pub(super) struct JobRecorder {
    local: Local,
    dir: JobDir,
    state: Mutex<State>,
}

struct State {
    status: Status,
    written_at_ms: i64,
    dirty: bool,
    output: Option<Writer>,
    complained: bool,
}

impl JobRecorder {
    pub(super) fn new(local: Local, dir: JobDir) -> Self {
        Self {
            local,
            dir,
            state: Mutex::new(State {
                status: Status::default(),
                written_at_ms: 0,
                dirty: false,
                output: Some(Writer::new()),
                complained: false,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Progress that has not reached the disk yet does.
    pub(super) fn flush(&self) {
        let mut state = self.state();
        if state.dirty {
            self.write(&mut state);
        }
    }

    /// Ends the output; returns its digest, or nothing if it cannot be made durable.
    pub(super) fn finish(&self) -> Vec<u8> {
        let writer = self.state().output.take();
        let digest = writer.map(|writer| writer.finish(self.local.host.as_ref(), &self.dir));
        match digest {
            Some(Ok(digest)) => digest.to_vec(),
            Some(Err(fault)) => {
                self.complain(&mut self.state(), &fault);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    fn write(&self, state: &mut State) {
        state.status.revision += 1;
        state.dirty = false;
        state.written_at_ms = self.local.clock.now_ms();
        let host = self.local.host.as_ref();
        if let Err(fault) = self.dir.put(host, "status", &state.status) {
            self.complain(state, &fault);
        }
    }

    /// Once: a full disk would say so with every piece.
    fn complain(&self, state: &mut State, fault: &Fault) {
        if !std::mem::replace(&mut state.complained, true) {
            tracing::error!(%fault, job = %self.dir.path(), "the job goes on without its records");
        }
    }
}

impl Recorder for JobRecorder {
    fn tool_started(&self, run: ToolRun) -> usize {
        let mut state = self.state();
        let place = state.status.tool_runs.len();
        if place < TOOL_RUNS {
            state.status.tool_runs.push(run);
        }
        self.write(&mut state);
        place
    }

    fn tool_ended(
        &self,
        place: usize,
        ended_at_ms: i64,
        finished: Option<&Finished>,
        output: [u8; 32],
    ) {
        let mut state = self.state();
        if let Some(run) = state.status.tool_runs.get_mut(place) {
            run.ended_at_ms = ended_at_ms;
            run.exit_status = finished.and_then(|finished| finished.status);
            run.signal = finished.and_then(|finished| finished.signal);
            run.output_digest = output.to_vec();
        }
        self.write(&mut state);
    }

    fn output(&self, bytes: &[u8]) {
        let mut state = self.state();
        let Some(writer) = state.output.as_mut() else {
            return;
        };
        if let Err(fault) = writer.write(self.local.host.as_ref(), &self.dir, bytes) {
            self.complain(&mut state, &fault);
        }
    }

    fn progress(&self, progress: Progress) {
        let mut state = self.state();
        if state.status.progress.as_ref() == Some(&progress) {
            return;
        }
        state.status.progress = Some(progress);
        state.dirty = true;
        if self.local.clock.now_ms() - state.written_at_ms >= PROGRESS_EVERY_MS {
            self.write(&mut state);
        }
    }
}
