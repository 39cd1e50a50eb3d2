//! What the events of an operation look like.

use super::*;
use crate::cli::{page::Look, render::samples};
use bellows_proto::v1::{
    Accepted, Act, ActDone, Closed, Fault, Fenced, StepFailed, StepStarted, UndoStarted,
};

fn play(kinds: Vec<Kind>) -> (View, String) {
    play_in(View::default(), kinds)
}

fn play_in(mut view: View, kinds: Vec<Kind>) -> (View, String) {
    let mut page = Page::new(&Look::plain());
    for (kind, sequence) in kinds.into_iter().zip(1u32..) {
        let at_ms = 1_700_000_000_000 + i64::from(sequence) * 1000;
        let event = Event { sequence: sequence.into(), at_ms, kind: Some(kind) };
        view.event(&mut page, &event);
    }
    (view, page.into_text())
}

fn accepted() -> Kind {
    Kind::Accepted(Accepted {
        plan: Some(samples::plan()),
        on_failure: OnFailure::Hold.into(),
        principal: "root (unix socket)".into(),
        ..Accepted::default()
    })
}

#[test]
fn a_held_operation_says_why_and_what_to_do() {
    let act = Act {
        number: 2,
        host: "h4".into(),
        summary: "repmgr standby clone".into(),
        ..Act::default()
    };
    let started = ActStarted { step: 4, act: Some(act), attempt: 1, term: None, undo: false };
    let fault = Fault {
        message: "no room".into(),
        host: "h4".into(),
        remedy: "free disk space".into(),
        ..Fault::default()
    };
    let held = Held {
        cause: HoldCause::Failed.into(),
        step: 4,
        text: "the clone is not there".into(),
        fault: Some(fault.clone()),
        commands: vec!["bellows op retry 0190".into(), "bellows op undo 0190".into()],
        found: Vec::new(),
    };
    let (view, text) = play(vec![
        accepted(),
        Kind::StepStarted(StepStarted { step: 4 }),
        Kind::ActStarted(started),
        Kind::ActFailed(ActFailed {
            act: 2,
            attempt: 1,
            evidence: Some(Evidence {
                text: "nothing of it is there".into(),
                fault: Some(fault),
                ..Evidence::default()
            }),
            ..ActFailed::default()
        }),
        Kind::StepFailed(StepFailed {
            step: 4,
            cause: HoldCause::Failed.into(),
            text: "no room".into(),
        }),
        Kind::Held(held),
    ]);
    assert_eq!(view.rest(), Some(&Rest::Held(HoldCause::Failed)));
    assert!(view.has_acted());
    insta::assert_snapshot!(text);
}

#[test]
fn undone_before_the_first_act_is_told_from_undone_later() {
    let back = Kind::UndoStarted(UndoStarted {
        target: Outcome::Undone.into(),
        from_step: 1,
        ..UndoStarted::default()
    });
    let rested = Kind::Rested(Rested { outcome: Outcome::Undone.into(), ..Rested::default() });
    let (view, text) = play(vec![
        accepted(),
        Kind::StepStarted(StepStarted { step: 1 }),
        Kind::StepSucceeded(StepSucceeded { step: 1, ..StepSucceeded::default() }),
        back,
        rested,
        Kind::Closed(Closed::default()),
    ]);
    assert_eq!(view.rest(), Some(&Rest::Ended(Outcome::Undone)));
    assert!(!view.has_acted());
    assert_eq!(view.sequence(), 6);
    insta::assert_snapshot!(text);
}

#[test]
fn a_brief_view_is_two_or_three_lines_per_step() {
    let act = Act { number: 1, host: "h4".into(), summary: "claim".into(), ..Act::default() };
    let started = |step| Kind::StepStarted(StepStarted { step });
    let done = |step| Kind::StepSucceeded(StepSucceeded { step, ..StepSucceeded::default() });
    let evidence = Some(Evidence { text: "seen".into(), ..Evidence::default() });
    let (_, text) = play_in(
        View::brief(),
        vec![
            accepted(),
            Kind::Fenced(Fenced::default()),
            started(2),
            Kind::ActStarted(ActStarted {
                step: 2,
                act: Some(act),
                attempt: 1,
                ..ActStarted::default()
            }),
            Kind::ActDone(ActDone { act: 1, attempt: 1, evidence }),
            done(2),
            started(4),
            started(5),
            done(4),
        ],
    );
    insta::assert_snapshot!(text);
}
