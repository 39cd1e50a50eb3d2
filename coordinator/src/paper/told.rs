//! What the events of an operation tell, sorted by what a report asks for.

use std::collections::BTreeMap;

use bellows_proto::v1::{
    Act, ActStarted, Event, Evidence, Held, HoldCause, Outcome, ProbeVerdict, WritePause,
    event::Kind,
};

use crate::cli::words;

/// What became of a step.
#[derive(Debug, Clone, Default)]
pub(super) struct StepTold {
    /// Time that was worked at it, without the time that it was held, milliseconds.
    pub(super) worked_ms: u64,
    /// When it was begun last; `None`: it is not under way.
    began_at_ms: Option<i64>,
    /// When its first act was ordered, not counting what takes it back.
    pub(super) ordered_at_ms: Option<i64>,
    /// When its end was proven last.
    pub(super) proven_at_ms: Option<i64>,
    /// How often it was begun.
    pub(super) begun: u32,
    pub(super) ended: Ended,
    /// What was seen at its end.
    pub(super) text: String,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Ended {
    #[default]
    UnderWay,
    Proven,
    Failed,
    Skipped,
    TakenBack,
}

/// One attempt at an act.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) step: u32,
    pub(super) act: Act,
    pub(super) attempt: u32,
    pub(super) undo: bool,
    /// `None`: its end is not told.
    pub(super) verdict: Option<ProbeVerdict>,
    /// It never reached its host.
    pub(super) never: bool,
    pub(super) evidence: Evidence,
}

/// A decision, or something that went another way.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) at_ms: i64,
    pub(super) who: String,
    pub(super) what: String,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    pub(super) steps: BTreeMap<u32, StepTold>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) turns: Vec<Turn>,
    pub(super) holds: Vec<(i64, Held)>,
    pub(super) end: String,
    pub(super) outcome: Outcome,
    pub(super) left: Vec<String>,
    /// The highest spec version that a step made; 0: none.
    pub(super) spec_version: u64,
}

impl Told {
    /// Reads the events once, in their order.
    pub(super) fn of(events: &[Event]) -> Self {
        let mut told = Self::default();
        for event in events {
            if let Some(kind) = &event.kind {
                told.one(event.at_ms, kind);
            }
        }
        told
    }

    fn one(&mut self, at_ms: i64, kind: &Kind) {
        match kind {
            Kind::Accepted(e) => self.turn(at_ms, &e.principal, "accepted".to_owned()),
            Kind::StepStarted(e) => {
                let step = self.steps.entry(e.step).or_default();
                step.begun += 1;
                (step.ended, step.began_at_ms) = (Ended::UnderWay, Some(at_ms));
            }
            Kind::ActStarted(e) => self.ordered(at_ms, e),
            Kind::ActNever(e) => {
                if let Some(known) = self.attempt(e.act, e.attempt) {
                    known.never = true;
                }
            }
            Kind::ActDone(e) => {
                self.judged(e.act, e.attempt, ProbeVerdict::Done, e.evidence.as_ref());
            }
            Kind::ActFailed(e) => self.judged(e.act, e.attempt, e.verdict(), e.evidence.as_ref()),
            Kind::StepSucceeded(e) => {
                self.spec_version = self.spec_version.max(e.spec_version);
                self.steps.entry(e.step).or_default().proven_at_ms = Some(at_ms);
                self.ended(at_ms, e.step, Ended::Proven, &e.text);
            }
            Kind::StepFailed(e) => self.ended(at_ms, e.step, Ended::Failed, &e.text),
            Kind::StepSkipped(e) => {
                let text = format!("skipped by {}: {}", e.principal, e.reason);
                self.ended(at_ms, e.step, Ended::Skipped, &text);
            }
            Kind::StepUndone(e) => self.ended(at_ms, e.step, Ended::TakenBack, &e.text),
            Kind::Held(e) => self.holds.push((at_ms, e.clone())),
            Kind::Control(e) => {
                let why = if e.reason.is_empty() { "" } else { ": " };
                let what = format!("{}{why}{}", words::control(e.kind()), e.reason);
                self.turn(at_ms, &e.principal, what);
            }
            Kind::UndoStarted(e) => {
                let what = format!("goes back from step {}: {}", e.from_step, e.text);
                self.turn(at_ms, "", what);
            }
            Kind::Rested(e) => {
                self.outcome = e.outcome();
                self.end.clone_from(&e.text);
                self.left.clone_from(&e.left);
            }
            Kind::Resumed(e) => {
                let what = if e.text.is_empty() { "goes on" } else { &e.text };
                self.turn(at_ms, "", what.to_owned());
            }
            Kind::Fenced(_) | Kind::Closed(_) => {}
        }
    }

    fn ordered(&mut self, at_ms: i64, started: &ActStarted) {
        if !started.undo {
            let step = self.steps.entry(started.step).or_default();
            step.ordered_at_ms.get_or_insert(at_ms);
        }
        self.attempts.push(Attempt {
            step: started.step,
            act: started.act.clone().unwrap_or_default(),
            attempt: started.attempt,
            undo: started.undo,
            verdict: None,
            never: false,
            evidence: Evidence::default(),
        });
    }

    /// From the order that ended the writing to the proof that writers can go on: at most so long,
    /// milliseconds. `None`: it has not come that far, or was taken back.
    pub(super) fn write_pause_ms(&self, pause: &WritePause) -> Option<u64> {
        let from = self.steps.get(&pause.from_step)?.ordered_at_ms?;
        let to = self.steps.get(&pause.to_step).filter(|step| step.ended == Ended::Proven)?;
        u64::try_from(to.proven_at_ms?.saturating_sub(from)).ok()
    }

    fn turn(&mut self, at_ms: i64, who: &str, what: String) {
        self.turns.push(Turn { at_ms, who: who.to_owned(), what });
    }

    fn attempt(&mut self, act: u32, attempt: u32) -> Option<&mut Attempt> {
        let wanted = |known: &&mut Attempt| known.act.number == act && known.attempt == attempt;
        self.attempts.iter_mut().find(wanted)
    }

    fn judged(&mut self, act: u32, number: u32, verdict: ProbeVerdict, seen: Option<&Evidence>) {
        if let Some(known) = self.attempt(act, number) {
            known.verdict = Some(verdict);
            known.evidence = seen.cloned().unwrap_or_default();
        }
    }

    fn ended(&mut self, at_ms: i64, number: u32, ended: Ended, text: &str) {
        let step = self.steps.entry(number).or_default();
        if let Some(began) = step.began_at_ms.take() {
            let worked = u64::try_from(at_ms.saturating_sub(began)).unwrap_or(0);
            step.worked_ms = step.worked_ms.saturating_add(worked);
        }
        (step.ended, step.text) = (ended, text.to_owned());
    }

    /// Holds because the cluster was not as planned or predicted.
    pub(super) fn drifts(&self) -> impl Iterator<Item = &(i64, Held)> {
        self.holds.iter().filter(|(_, held)| held.cause() == HoldCause::Drift)
    }
}
