//! Follows an operation until it rests. Leaving the view (Ctrl-C, a closed terminal) never
//! touches the operation; a coordinator that is started again is waited for.

use std::time::{Duration, Instant};

use bellows_proto::v1::{
    GetOperationRequest, Outcome, StepProgress, WatchOperationRequest, WatchUpdate, watch_update,
};
use tokio::time::MissedTickBehavior;
use tonic::Streaming;

use super::{
    Context,
    connect::Client,
    exit::{Exit, Failure},
    page::{Page, Tone},
    render::{
        live::Live,
        progress,
        watch::{Rest, View},
    },
};
use crate::clock::now_ms;

/// A coordinator that is away is tried again for so long.
const AWAY_PATIENCE: Duration = Duration::from_secs(120);
/// Pause between such tries.
const AWAY_PAUSE: Duration = Duration::from_millis(500);
/// Without a terminal, progress is written at most this often.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// On a terminal, the lines below the events are drawn again this often.
const REDRAW: Duration = Duration::from_millis(500);

/// Where events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    /// They are the data.
    Data,
    /// The data is something else: standard error.
    Notes,
}

/// Follows it, and says where it rests as an exit status. `asked`: the outcome that the
/// command asked for.
///
/// # Errors
/// If it is not known, or the coordinator stays away.
pub async fn follow(
    context: &Context,
    client: &Client,
    operation: &str,
    after_sequence: u64,
    asked: Outcome,
    sink: Sink,
) -> Result<Exit, Failure> {
    let mut follower = Follower::new(context, operation, sink);
    let watching = follower.watch(client, after_sequence);
    let ended = tokio::select! {
        ended = watching => Some(ended),
        _ = tokio::signal::ctrl_c() => None,
    };
    follower.clear();
    match ended {
        Some(rest) => match rest {
            Ok(rest) => Ok(exit(&rest, follower.view.has_acted(), asked)),
            Err(failure) => after_the_start(failure),
        },
        None => {
            let text = format!(
                "\nLeft the view; the operation goes on. Come back with: bellows op watch {operation}"
            );
            context.out.say_lines(&text);
            Ok(Exit::ViewLeft)
        }
    }
}

/// The operation goes on, whatever became of its view: no status may say that nothing was
/// changed.
fn after_the_start(failure: Failure) -> Result<Exit, Failure> {
    match failure {
        Failure::ClosedPipe => Ok(Exit::ViewLeft),
        Failure::Told(mut told) => {
            if matches!(told.exit, Exit::BeforeFirstAct | Exit::Refused) {
                told.exit = Exit::ViewLeft;
            }
            Err(Failure::Told(told))
        }
    }
}

/// The exit status of an operation that rests. Pure.
fn exit(rest: &Rest, acted: bool, asked: Outcome) -> Exit {
    match rest {
        Rest::Ended(outcome) if *outcome == asked => Exit::AsAsked,
        Rest::Ended(Outcome::Undone) if !acted => Exit::BeforeFirstAct,
        Rest::Ended(_) => Exit::Otherwise,
        Rest::Held(_) => Exit::Held,
    }
}

struct Follower<'a> {
    context: &'a Context,
    operation: String,
    sink: Sink,
    view: View,
    live: Live,
    /// So many lines stand below the events on the terminal.
    drawn: usize,
    last_line: Option<Instant>,
    last_text: String,
}

impl<'a> Follower<'a> {
    fn new(context: &'a Context, operation: &str, sink: Sink) -> Self {
        Self {
            context,
            operation: operation.to_owned(),
            sink,
            view: View::brief(),
            live: Live::default(),
            drawn: 0,
            last_line: None,
            last_text: String::new(),
        }
    }

    async fn watch(&mut self, client: &Client, after_sequence: u64) -> Result<Rest, Failure> {
        self.catch_up(client, after_sequence).await?;
        let mut away_since: Option<Instant> = None;
        loop {
            let failure = match self.stream(client, after_sequence, &mut away_since).await {
                Ok(Some(rest)) => return Ok(rest),
                // The stream ended without a rest: the coordinator is about to end.
                Ok(None) => None,
                Err(failure) if failure.is_unreachable() && client.has_answered() => Some(failure),
                Err(failure) => return Err(failure),
            };
            let since = *away_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= AWAY_PATIENCE {
                let back = format!("bellows op watch {}", self.operation);
                return Err(failure.unwrap_or_else(|| {
                    Failure::new(Exit::Unreachable, "the coordinator went away", back)
                }));
            }
            self.live.away();
            self.draw();
            tokio::time::sleep(AWAY_PAUSE).await;
        }
    }

    /// Takes in what came before the view begins, unseen: titles of steps, acts begun.
    async fn catch_up(&mut self, client: &Client, after_sequence: u64) -> Result<(), Failure> {
        if after_sequence == 0 {
            return Ok(());
        }
        let request = GetOperationRequest { operation: self.operation.clone() };
        let mut api = client.api.clone();
        let detail = client.answer(api.get_operation(request)).await?;
        let mut unseen = self.context.out.note_page();
        for event in detail.events.iter().filter(|event| event.sequence <= after_sequence) {
            self.view.event(&mut unseen, event);
            self.live.event(event);
        }
        self.view.forget_rest();
        Ok(())
    }

    async fn stream(
        &mut self,
        client: &Client,
        after_sequence: u64,
        away_since: &mut Option<Instant>,
    ) -> Result<Option<Rest>, Failure> {
        let after_sequence = self.view.sequence().max(after_sequence);
        let request = WatchOperationRequest { operation: self.operation.clone(), after_sequence };
        let mut api = client.api.clone();
        let mut updates: Streaming<WatchUpdate> =
            client.answer(api.watch_operation(request)).await?;
        if away_since.take().is_some() {
            self.clear();
            self.context.out.say("the coordinator is back");
        }
        let mut redraw = tokio::time::interval(REDRAW);
        redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // A message that is half received stays so: waiting for it may be broken off.
            let update = tokio::select! {
                update = updates.message() => update.map_err(|e| client.failure(&e))?,
                _ = redraw.tick(), if self.context.out.is_live() => {
                    self.draw();
                    continue;
                }
            };
            match update {
                Some(update) => self.update(&update)?,
                None => return Ok(self.view.rest().cloned()),
            }
        }
    }

    fn update(&mut self, update: &WatchUpdate) -> Result<(), Failure> {
        let data = self.sink == Sink::Data;
        if data && self.context.out.is_json() {
            self.context.out.json(update)?;
        }
        self.live.update(update, now_ms());
        match &update.kind {
            Some(watch_update::Kind::Event(event)) => {
                self.clear();
                // What ends soon needs no line of progress.
                self.last_line = Some(Instant::now());
                let mut page = self.page();
                self.view.event(&mut page, event);
                self.write(page)?;
                self.draw();
                Ok(())
            }
            Some(watch_update::Kind::Progress(reading)) => self.progress(reading),
            None => Ok(()),
        }
    }

    fn page(&self) -> Page {
        match self.sink {
            Sink::Data => self.context.out.page(),
            Sink::Notes => self.context.out.note_page(),
        }
    }

    fn write(&self, page: Page) -> Result<(), Failure> {
        match self.sink {
            Sink::Data if self.context.out.is_json() => Ok(()),
            Sink::Data => self.context.out.show(page),
            Sink::Notes => {
                self.context.out.note(page);
                Ok(())
            }
        }
    }

    fn progress(&mut self, reading: &StepProgress) -> Result<(), Failure> {
        if self.context.out.is_live() {
            self.draw();
            return Ok(());
        }
        let text = progress::line(reading);
        let due = self.last_line.is_none_or(|last| last.elapsed() >= LINE_INTERVAL);
        if !due || text == self.last_text {
            return Ok(());
        }
        self.last_line = Some(Instant::now());
        let mut page = self.page();
        page.line(Tone::Quiet, &format!("          {text}"));
        self.last_text = text;
        self.write(page)
    }

    /// Draws what is at work below the events, where that can be overwritten.
    fn draw(&mut self) {
        let out = &self.context.out;
        if !out.is_live() {
            return;
        }
        let mut page = out.note_page();
        let lines = self.live.lines(&mut page, now_ms(), out.width());
        out.replace(std::mem::replace(&mut self.drawn, lines), page);
    }

    /// Takes the lines below the events off the terminal.
    fn clear(&mut self) {
        if self.drawn > 0 {
            let blank = self.context.out.note_page();
            self.context.out.replace(std::mem::take(&mut self.drawn), blank);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::v1::HoldCause;

    #[test]
    fn once_it_runs_nothing_says_that_nothing_was_changed() {
        assert_eq!(after_the_start(Failure::ClosedPipe), Ok(Exit::ViewLeft));
        let full = Failure::new(Exit::BeforeFirstAct, "no space left", "free space");
        assert_eq!(after_the_start(full).unwrap_err().exit(), Exit::ViewLeft);
        let away = Failure::new(Exit::Unreachable, "gone", "wait");
        assert_eq!(after_the_start(away).unwrap_err().exit(), Exit::Unreachable);
    }

    #[test]
    fn an_exit_status_says_how_it_rests() {
        let done = Outcome::Done;
        assert_eq!(exit(&Rest::Ended(Outcome::Done), true, done), Exit::AsAsked);
        assert_eq!(exit(&Rest::Ended(Outcome::Undone), false, done), Exit::BeforeFirstAct);
        assert_eq!(exit(&Rest::Ended(Outcome::Undone), true, done), Exit::Otherwise);
        assert_eq!(exit(&Rest::Ended(Outcome::Cancelled), true, done), Exit::Otherwise);
        assert_eq!(exit(&Rest::Ended(Outcome::Abandoned), true, done), Exit::Otherwise);
        assert_eq!(exit(&Rest::Held(HoldCause::Stalled), true, done), Exit::Held);
        let cancelled = Outcome::Cancelled;
        assert_eq!(exit(&Rest::Ended(Outcome::Cancelled), true, cancelled), Exit::AsAsked);
        assert_eq!(exit(&Rest::Ended(Outcome::Done), true, cancelled), Exit::Otherwise);
    }
}
