//! The report of an operation, golden: one that failed once, was retried, and came to its end.

use bellows::paper::{self, Lang};
use bellows_proto::v1::{
    Accepted, Act, ActDone, ActFailed, ActStarted, Control, ControlKind, Event, Evidence, Fault,
    Held, HoldCause, OperationDetail, OperationSummary, Outcome, Plan, ProbeVerdict, Rested,
    Resumed, StepFailed, StepStarted, StepSucceeded, StepUndone, event::Kind, step,
};

use crate::{
    paper::{expanding, style},
    play, world,
};

/// Events a second apart, unless something takes longer.
#[derive(Default)]
struct Tape {
    at_ms: i64,
    events: Vec<Event>,
}

impl Tape {
    fn add(&mut self, seconds: i64, kind: Kind) {
        self.at_ms += seconds * 1000;
        let sequence = self.events.len() as u64 + 1;
        self.events.push(Event { sequence, at_ms: self.at_ms, kind: Some(kind) });
    }

    fn begin(&mut self, step: u32) {
        self.add(1, Kind::StepStarted(StepStarted { step }));
    }

    fn proven(&mut self, step: u32) {
        let done = StepSucceeded { step, text: "as it should be".into(), ..Default::default() };
        self.add(1, Kind::StepSucceeded(done));
    }

    fn attempt(&mut self, step: u32, act: &Act, attempt: u32) {
        let act = Some(act.clone());
        self.add(1, Kind::ActStarted(ActStarted { step, act, attempt, ..Default::default() }));
    }

    fn seen(&self, seconds: i64) -> Evidence {
        let (began, ended) = (self.at_ms, self.at_ms + seconds * 1000);
        Evidence {
            text: "seen".into(),
            job_started_at_ms: began,
            job_ended_at_ms: ended,
            tool_runs: 1,
            ..Evidence::default()
        }
    }

    fn act(&mut self, step: u32, act: &Act) {
        self.attempt(step, act, 1);
        let evidence = Some(self.seen(3));
        self.add(3, Kind::ActDone(ActDone { act: act.number, attempt: 1, evidence }));
    }

    /// Fails once, is held for an hour, and is tried again.
    fn act_at_the_second_try(&mut self, group: u32, step: u32, act: &Act) {
        self.attempt(step, act, 1);
        let fault = Fault {
            message: "repmgr ended with 6".into(),
            exit_status: Some(6),
            stderr_tail: "could not connect <to the upstream>\n".into(),
            ..Fault::default()
        };
        let evidence = Some(Evidence { fault: Some(fault.clone()), ..self.seen(60) });
        let (act_number, verdict) = (act.number, ProbeVerdict::NotDone.into());
        let failed = ActFailed { act: act_number, attempt: 1, verdict, evidence };
        self.add(60, Kind::ActFailed(failed));
        let (cause, text) = (HoldCause::Failed.into(), "the data directory is empty".to_owned());
        for step in [step, group] {
            self.add(0, Kind::StepFailed(StepFailed { step, cause, text: text.clone() }));
        }
        let fault = Some(fault);
        self.add(0, Kind::Held(Held { cause, step, text, fault, ..Held::default() }));
        let (kind, principal) = (ControlKind::Retry.into(), "alice (operator)".into());
        self.add(3600, Kind::Control(Control { kind, principal, ..Control::default() }));
        self.add(0, Kind::Resumed(Resumed::default()));
        self.begin(group);
        self.begin(step);
        self.attempt(step, act, 2);
        let evidence = Some(self.seen(170));
        self.add(170, Kind::ActDone(ActDone { act: act.number, attempt: 2, evidence }));
    }
}

fn played(plan: &Plan) -> Tape {
    let mut tape = Tape { at_ms: 1_700_000_100_000, events: Vec::new() };
    let (plan_told, principal) = (Some(plan.clone()), "root (unix socket)".to_owned());
    tape.add(0, Kind::Accepted(Accepted { plan: plan_told, principal, ..Accepted::default() }));
    for step in &plan.steps {
        tape.begin(step.number);
        match step.kind.as_ref().unwrap() {
            step::Kind::Act(act) => tape.act(step.number, act),
            step::Kind::Group(group) => {
                for member in &group.members {
                    tape.begin(member.number);
                    let Some(step::Kind::Act(act)) = &member.kind else { panic!("{member:?}") };
                    tape.act_at_the_second_try(step.number, member.number, act);
                    tape.proven(member.number);
                }
            }
            step::Kind::Check(_) | step::Kind::Wait(_) => {}
        }
        tape.proven(step.number);
    }
    let (outcome, text) = (Outcome::Done.into(), "everything is as predicted".to_owned());
    tape.add(1, Kind::Rested(Rested { outcome, text, left: vec![] }));
    tape
}

fn detail() -> OperationDetail {
    let plan = expanding();
    let tape = played(&plan);
    let summary = OperationSummary {
        operation: "0190aaaa-0000-7000-8000-0000000000ff".into(),
        cluster: plan.cluster.clone(),
        kind: "expand".into(),
        state: "done".into(),
        started_at_ms: 1_700_000_100_000,
        ended_at_ms: tape.at_ms,
        principal: "root (unix socket)".into(),
        outcome: Outcome::Done.into(),
        remarks: plan.remarks.clone(),
        ..OperationSummary::default()
    };
    OperationDetail { summary: Some(summary), plan: Some(plan), events: tape.events }
}

#[test]
fn a_report_in_english_as_markdown() {
    insta::assert_snapshot!(paper::markdown(&paper::report(&detail(), &style(Lang::En))));
}

#[test]
fn a_report_in_chinese_as_html() {
    insta::assert_snapshot!(paper::html(&paper::report(&detail(), &style(Lang::Zh))));
}

#[test]
fn the_report_of_what_is_not_over_says_so_and_what_to_do_by_hand() {
    let mut open = detail();
    open.events.truncate(5);
    let text = paper::markdown(&paper::report(&open, &style(Lang::En)));
    assert!(text.contains("It is not over."), "{text}");
    assert!(text.contains("bellows op show 0190aaaa-0000-7000-8000-0000000000ff"), "{text}");
}

#[test]
fn the_pause_for_writers_is_told_as_measured_and_not_where_it_was_taken_back() {
    let (world, spec) = world::cluster(3, 1, &[]);
    let plan = play::plan(&world, &spec, &world::switchover(""));
    let pause = plan.write_pause.unwrap();
    let mut tape = played(&plan);
    let report = |plan: &Plan, events: &[Event]| {
        let (plan, events) = (Some(plan.clone()), events.to_vec());
        let detail = OperationDetail { plan, events, ..OperationDetail::default() };
        paper::markdown(&paper::report(&detail, &style(Lang::En)))
    };
    let at = |number, tape: &Tape| {
        let number_of = |event: &&Event| match &event.kind {
            Some(Kind::ActStarted(started)) => started.step == number,
            _ => false,
        };
        tape.events.iter().find(number_of).unwrap().at_ms
    };
    // The last act is ordered, done 3 s later, proven 1 s after that.
    let seconds = (at(pause.to_step, &tape) - at(pause.from_step, &tape)) / 1000 + 4;
    let text = report(&plan, &tape.events);
    let told = format!(
        "at most {seconds} s: from the order of step {} to the proof of step {}",
        pause.from_step, pause.to_step
    );
    assert!(text.contains(&told), "{told}\n{text}");
    assert!(text.contains("1 s – 5 s"), "{text}");
    tape.add(1, Kind::StepUndone(StepUndone { step: pause.to_step, ..StepUndone::default() }));
    assert!(!report(&plan, &tape.events).contains("at most"), "it was taken back");
}
