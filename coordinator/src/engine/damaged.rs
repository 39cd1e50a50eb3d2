//! Operations whose record in the journal is damaged: held as they are, with their locks.
//! Nothing is concluded from what is left of them but to whom their end must be told.

use bellows_proto::v1::{ControlKind, Event, event::Kind};

use super::{
    ports::{Damage, Recorded},
    state::{self, Mode, OperationState, StepStatus},
};

/// What can be done about an operation, as far as its record tells.
pub(super) enum Found {
    /// Its record is whole: it goes on.
    Sound(Box<OperationState>),
    /// It is known where it was at work: it can be abandoned, and nothing else.
    Abandonable(Box<OperationState>),
    /// Its plan or its end is not known: nothing can be done with it here. What is wrong.
    Lost(String),
}

/// Looks at a record.
pub(super) fn judge(recorded: Recorded) -> Found {
    let Recorded { operation: _, mut events, damage } = recorded;
    let damage = match damage {
        Some(damage) => damage,
        None => match state::fold(&events) {
            Ok(state) => return Found::Sound(Box::new(state)),
            Err(illegal) => {
                let last = events.last().map(|event| event.sequence);
                let legal = events.iter().take_while(|event| event.sequence < illegal.sequence);
                let after = events.split_off(legal.count());
                Damage { text: illegal.to_string(), after, last }
            }
        },
    };
    match left(&events, &damage) {
        Some(state) => Found::Abandonable(Box::new(state)),
        None => Found::Lost(damage.text),
    }
}

/// The state as far as it can be told; `None` without a plan or an end to append to.
fn left(events: &[Event], damage: &Damage) -> Option<OperationState> {
    let (first, rest) = events.split_first()?;
    let mut state = state::begin(first).ok()?;
    for event in rest {
        match state::next(&state, event) {
            Ok(next) => state = next,
            Err(_) => break,
        }
    }
    // Of what is behind the damage only this is taken: which steps began, and what was asked last.
    for event in &damage.after {
        if let Some(Kind::StepStarted(_) | Kind::ActStarted(_)) = &event.kind {
            began(&mut state, event);
        }
        state.changed_at_ms = event.at_ms;
    }
    state.sequence = damage.last.filter(|last| *last >= state.sequence)?;
    state.damage = Some(damage.text.clone());
    (state.held, state.wish) = (None, None);
    let end =
        damage.after.last().or(events.last()).filter(|event| event.sequence == state.sequence);
    match end.and_then(|event| event.kind.as_ref()) {
        Some(Kind::Rested(rested)) => state.mode = Mode::Rested(rested.outcome()),
        Some(Kind::Control(control)) if control.kind() == ControlKind::Abandon => {
            state.wish = Some(ControlKind::Abandon);
        }
        Some(_) | None => {}
    }
    Some(state)
}

fn began(state: &mut OperationState, event: &Event) {
    let number = match &event.kind {
        Some(Kind::StepStarted(started)) => started.step,
        Some(Kind::ActStarted(started)) => started.step,
        Some(_) | None => return,
    };
    if let Some(status) = state.steps.get_mut(&number)
        && matches!(status, StepStatus::Pending | StepStatus::Undone)
    {
        *status = StepStatus::Started;
    }
}

/// What to do about an operation that can be abandoned.
pub(super) fn remedy(operation: &str) -> String {
    format!(
        "stop the coordinator and look with `bellows store check`; restore the store from a backup \
         (`bellows store restore`), or look at its hosts and give it up: \
         `bellows op abandon {operation}`"
    )
}

/// What to do about one that cannot.
pub(super) const REMEDY_LOST: &str = "its locks stay, and it cannot be abandoned: stop the \
     coordinator, look with `bellows store check`, and restore the store from a backup \
     (`bellows store restore`)";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use bellows_proto::v1::{
        Accepted, Control, Fenced, Outcome, Plan, Rested, Step, StepStarted, StepSucceeded,
    };

    fn events() -> Vec<Event> {
        let steps = (1..=3).map(|number| Step { number, ..Step::default() });
        let plan = Some(Plan { steps: steps.collect(), ..Plan::default() });
        let kinds = [
            Kind::Accepted(Accepted { plan, ..Accepted::default() }),
            Kind::Fenced(Fenced::default()),
            Kind::StepStarted(StepStarted { step: 1 }),
            Kind::StepSucceeded(StepSucceeded { step: 1, ..StepSucceeded::default() }),
            Kind::StepStarted(StepStarted { step: 2 }),
        ];
        let number = |(kind, sequence)| Event { sequence, at_ms: 0, kind: Some(kind) };
        kinds.into_iter().zip(1..).map(number).collect()
    }

    /// With event `gone` missing, and these behind all others.
    fn without(gone: u64, more: Vec<Kind>) -> Found {
        let mut all = events();
        for kind in more {
            let sequence = u64::try_from(all.len()).unwrap() + 1;
            all.push(Event { sequence, at_ms: 0, kind: Some(kind) });
        }
        let last = all.last().map(|event| event.sequence);
        let (before, behind): (Vec<_>, Vec<_>) = all.into_iter().partition(|e| e.sequence < gone);
        let after = behind.into_iter().skip(1).collect();
        let damage = Some(Damage { text: "gone".into(), after, last });
        judge(Recorded { operation: "x".into(), events: before, damage })
    }

    fn abandonable(found: Found) -> OperationState {
        let Found::Abandonable(state) = found else { panic!("it can be abandoned") };
        *state
    }

    #[test]
    fn what_is_left_of_it_tells_which_steps_began_and_where_to_append() {
        let state = abandonable(without(3, vec![]));
        assert_eq!((state.sequence, state.damage.as_deref()), (5, Some("gone")));
        assert_eq!(state.steps[&2], StepStatus::Started);
        assert_eq!(state.outcome(), None);
    }

    #[test]
    fn nothing_goes_on_but_what_was_given_up() {
        let asked = |kind: ControlKind| {
            let control = Control { kind: kind.into(), ..Control::default() };
            abandonable(without(2, vec![Kind::Control(control)])).wish
        };
        assert_eq!(asked(ControlKind::Retry), None);
        assert_eq!(asked(ControlKind::Abandon), Some(ControlKind::Abandon));
        let rested = Rested { outcome: Outcome::Abandoned.into(), ..Rested::default() };
        let state = abandonable(without(2, vec![Kind::Rested(rested)]));
        assert_eq!(state.outcome(), Some(Outcome::Abandoned));
    }

    #[test]
    fn without_a_plan_or_an_end_nothing_can_be_done() {
        assert!(matches!(without(1, vec![]), Found::Lost(_)));
        let damage = Some(Damage { text: "gone".into(), ..Damage::default() });
        let found = judge(Recorded { operation: "x".into(), events: events(), damage });
        assert!(matches!(found, Found::Lost(_)));
    }

    #[test]
    fn events_that_cannot_follow_are_damage_too() {
        let mut events = events();
        events.swap(2, 3);
        for (event, number) in events.iter_mut().zip(1..) {
            event.sequence = number;
        }
        let state = abandonable(judge(Recorded { operation: "x".into(), events, damage: None }));
        assert!(state.damage.unwrap().contains("event 3"));
        assert_eq!(state.sequence, 5);
    }
}
