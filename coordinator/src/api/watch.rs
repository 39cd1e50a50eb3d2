//! Following an operation: what is stored first, then what comes, without a gap and without
//! a repetition, until it rests.

use std::time::Duration;

use bellows_proto::v1::{
    ControlKind, Event, HoldCause, WatchOperationRequest, WatchUpdate, event::Kind, watch_update,
};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tonic::Status;

use super::{Api, Streamed, fault, operations::unknown};
use crate::engine::World;

/// After it rests, the agents are told that it is over. A viewer waits for that a little, so
/// that what it asks for next does not meet the old fences.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// Where a viewer is.
#[derive(Debug, Default)]
struct Place {
    /// The last event that was sent, or that was known before.
    sequence: u64,
    /// The last event that was sent says so.
    rests: bool,
    over: bool,
    closed: bool,
}

impl Place {
    /// Whether the event is news; takes it in.
    fn step(&mut self, event: &Event) -> bool {
        if event.sequence <= self.sequence {
            return false;
        }
        self.sequence = event.sequence;
        match &event.kind {
            // A stalled wait goes on reading and resumes by itself: the viewer stays.
            Some(Kind::Held(held)) => self.rests = held.cause() != HoldCause::Stalled,
            Some(Kind::Rested(_)) => (self.rests, self.over) = (true, true),
            Some(Kind::Closed(_)) => self.closed = true,
            Some(
                Kind::Accepted(_)
                | Kind::Fenced(_)
                | Kind::StepStarted(_)
                | Kind::ActStarted(_)
                | Kind::ActNever(_)
                | Kind::ActDone(_)
                | Kind::ActFailed(_)
                | Kind::StepSucceeded(_)
                | Kind::StepFailed(_)
                | Kind::Control(_)
                | Kind::UndoStarted(_)
                | Kind::StepUndone(_)
                | Kind::StepSkipped(_)
                | Kind::Resumed(_),
            )
            | None => self.rests = false,
        }
        true
    }

    /// Nothing more is to be expected soon.
    fn is_end(&self) -> bool {
        self.closed || (self.rests && !self.over)
    }
}

impl<W: World> Api<W> {
    pub(super) fn watch(
        &self,
        request: WatchOperationRequest,
    ) -> Result<Streamed<WatchUpdate>, Status> {
        let operation = request.operation;
        // First the live ones, then the stored ones: what comes in between is seen twice, and
        // the second time is dropped.
        let live = self.engine.subscribe(&operation);
        let stored = self.events(&operation)?;
        self.follows(&operation, &stored)?;
        let api = self.clone();
        Ok(Box::pin(async_stream::try_stream! {
            let mut place = Place { sequence: request.after_sequence, ..Place::default() };
            for event in stored {
                if place.step(&event) {
                    yield of_event(event);
                }
            }
            // What a read-only coordinator has given up goes on elsewhere, or not at all: its
            // viewers wait for nothing here.
            let Some(mut live) = live else {
                api.not_followed(&place)?;
                return;
            };
            while !place.is_end() {
                match next(&mut live, place.over).await {
                    Next::Update(update) => {
                        if place.takes(&update) {
                            yield *update;
                        }
                    }
                    Next::Missed => {
                        for event in api.events(&operation)? {
                            if place.step(&event) {
                                yield of_event(event);
                            }
                        }
                    }
                    Next::End => {
                        api.not_followed(&place)?;
                        return;
                    }
                }
            }
        }))
    }

    /// Refuses to follow what has not come to rest where nothing may be changed any more.
    fn not_followed(&self, place: &Place) -> Result<(), Status> {
        if place.rests { Ok(()) } else { self.may_change() }
    }

    /// All stored events of an operation; of one whose record is damaged those that can be
    /// trusted.
    pub(super) fn events(&self, operation: &str) -> Result<Vec<Event>, Status> {
        let detail = self.journal.detail(operation).map_err(|e| fault::journal(&e))?;
        Ok(detail.ok_or_else(|| unknown(operation))?.events)
    }

    /// Refuses to follow one whose record is damaged, unless it was given up.
    fn follows(&self, operation: &str, events: &[Event]) -> Result<(), Status> {
        let damaged = self.engine.damaged();
        let Some(damaged) = damaged.into_iter().find(|one| one.operation == operation) else {
            return Ok(());
        };
        match events.last().and_then(|event| event.kind.as_ref()) {
            Some(Kind::Control(asked)) if asked.kind() == ControlKind::Abandon => Ok(()),
            Some(Kind::Rested(_) | Kind::Closed(_)) => Ok(()),
            Some(_) | None => Err(fault::damaged(&damaged)),
        }
    }
}

impl Place {
    fn takes(&mut self, update: &WatchUpdate) -> bool {
        match &update.kind {
            Some(watch_update::Kind::Event(event)) => self.step(event),
            Some(watch_update::Kind::Progress(_)) => true,
            None => false,
        }
    }
}

fn of_event(event: Event) -> WatchUpdate {
    WatchUpdate { kind: Some(watch_update::Kind::Event(event)) }
}

enum Next {
    Update(Box<WatchUpdate>),
    /// The viewer was too slow: the stored events have what it missed.
    Missed,
    End,
}

async fn next(live: &mut Receiver<WatchUpdate>, over: bool) -> Next {
    let received = if over {
        match tokio::time::timeout(CLOSE_PATIENCE, live.recv()).await {
            Ok(received) => received,
            // A host is away: it hears later that the operation is over.
            Err(_) => return Next::End,
        }
    } else {
        live.recv().await
    };
    match received {
        Ok(update) => Next::Update(Box::new(update)),
        Err(RecvError::Lagged(_)) => Next::Missed,
        Err(RecvError::Closed) => Next::End,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::v1::{Closed, Control, Held, Rested, Resumed};

    fn place_after(kinds: Vec<Kind>) -> Place {
        let mut place = Place::default();
        for (kind, sequence) in kinds.into_iter().zip(1..) {
            assert!(place.step(&Event { sequence, at_ms: 0, kind: Some(kind) }));
        }
        place
    }

    #[test]
    fn a_hold_is_an_end_unless_something_follows() {
        assert!(place_after(vec![Kind::Held(Held::default())]).is_end());
        let asked = vec![Kind::Held(Held::default()), Kind::Control(Control::default())];
        assert!(!place_after(asked).is_end());
        let resumed = vec![Kind::Held(Held::default()), Kind::Resumed(Resumed::default())];
        assert!(!place_after(resumed).is_end());
    }

    #[test]
    fn a_stall_is_no_end() {
        let stalled = Held { cause: HoldCause::Stalled.into(), ..Held::default() };
        assert!(!place_after(vec![Kind::Held(stalled)]).is_end());
    }

    #[test]
    fn an_end_is_told_to_the_agents_first() {
        assert!(!place_after(vec![Kind::Rested(Rested::default())]).is_end());
        let closed = vec![Kind::Rested(Rested::default()), Kind::Closed(Closed::default())];
        assert!(place_after(closed).is_end());
    }

    #[test]
    fn nothing_is_shown_twice() {
        let mut place = Place { sequence: 3, ..Place::default() };
        let held = |sequence| Event { sequence, at_ms: 0, kind: Some(Kind::Held(Held::default())) };
        assert!(!place.step(&held(3)));
        assert!(!place.is_end(), "a hold that was known before is not an end");
        assert!(place.step(&held(4)));
        assert!(place.is_end());
    }
}
