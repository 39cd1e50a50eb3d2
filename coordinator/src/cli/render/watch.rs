//! An operation as it goes: a line or two per event. A fold over events, so that the same events
//! always give the same text.

use std::collections::{BTreeMap, BTreeSet};

use bellows_proto::v1::{
    ActFailed, ActStarted, Event, Evidence, Held, HoldCause, OnFailure, Outcome, Plan, Rested,
    StepSucceeded, event::Kind,
};

use super::{cluster::connections, fault::fault, plan::all_steps};
use crate::cli::{
    page::{Page, Tone},
    text::{clock_time, duration},
    words,
};

/// Where an operation rests.
#[derive(Debug, Clone, PartialEq)]
pub enum Rest {
    /// For good.
    Ended(Outcome),
    /// Until somebody decides, or a stalled number moves again.
    Held(HoldCause),
}

/// What was seen of an operation so far.
#[derive(Debug, Clone, Default)]
pub struct View {
    plan: Option<Plan>,
    /// Attempts (act, attempt) that may have reached a host.
    touched: BTreeSet<(u32, u32)>,
    rest: Option<Rest>,
    sequence: u64,
    /// Leave out what only matters when something went wrong.
    brief: bool,
    /// When steps began, milliseconds since 1970.
    began: BTreeMap<u32, i64>,
    /// The step that the last line was about.
    last_step: u32,
}

impl View {
    /// For following: without what only matters when something went wrong.
    pub fn brief() -> Self {
        Self { brief: true, ..Self::default() }
    }

    /// Where it rests, if it does as far as was seen.
    pub fn rest(&self) -> Option<&Rest> {
        self.rest.as_ref()
    }

    /// Some act was begun.
    pub fn has_acted(&self) -> bool {
        !self.touched.is_empty()
    }

    /// It rested before the view began, and was asked to go on since.
    pub fn forget_rest(&mut self) {
        self.rest = None;
    }

    /// Number of the last event seen.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Takes an event in and writes what it says.
    pub fn event(&mut self, page: &mut Page, event: &Event) {
        self.sequence = event.sequence;
        let Some(kind) = &event.kind else {
            self.say(page, event.at_ms, Tone::Warn, "an event of a newer Bellows");
            return;
        };
        self.take_in(kind);
        let at = event.at_ms;
        match kind {
            Kind::Accepted(e) => {
                let undo = match e.on_failure() {
                    OnFailure::Undo => "; a failure undoes it",
                    OnFailure::Hold | OnFailure::Unspecified => "",
                };
                self.say(page, at, Tone::Plain, &format!("accepted from {}{undo}", e.principal));
            }
            Kind::Fenced(_) | Kind::ActDone(_) if self.brief => {}
            Kind::Fenced(e) => {
                let text = format!("fences stand at {}", words::count(e.hosts.len(), "host"));
                self.say(page, at, Tone::Quiet, &text);
            }
            Kind::StepStarted(e) => {
                self.began.insert(e.step, at);
                self.step(page, at, e.step, Tone::Strong, "");
            }
            Kind::ActStarted(e) => self.act_started(page, at, e),
            Kind::ActNever(e) => {
                let text = format!("  attempt {} never reached its host", e.attempt);
                self.say(page, at, Tone::Quiet, &text);
            }
            Kind::ActDone(e) => self.evidence(page, at, Tone::Quiet, "seen: ", e.evidence.as_ref()),
            Kind::ActFailed(e) => self.act_failed(page, at, e),
            Kind::StepSucceeded(e) => self.succeeded(page, at, e),
            Kind::StepFailed(e) => {
                let text = format!(": {}{}", words::cause(e.cause()), tail(&e.text));
                self.step(page, at, e.step, Tone::Bad, &text);
            }
            Kind::Held(e) => self.held(page, at, e),
            Kind::Control(e) => {
                let (kind, why) = (words::control(e.kind()), tail(&e.reason));
                let text = format!("{kind} asked for by {}{why}", e.principal);
                self.say(page, at, Tone::Strong, &text);
            }
            Kind::UndoStarted(e) => {
                let text = format!("goes back from step {}{}", e.from_step, tail(&e.text));
                self.say(page, at, Tone::Strong, &text);
            }
            Kind::StepUndone(e) => {
                self.step(
                    page,
                    at,
                    e.step,
                    Tone::Good,
                    &format!(": taken back{}", self.news(e.step, &e.text)),
                );
            }
            Kind::StepSkipped(e) => {
                let end = format!(": skipped by {}{}", e.principal, tail(&e.reason));
                self.step(page, at, e.step, Tone::Warn, &end);
            }
            Kind::Rested(e) => self.rested(page, at, e),
            Kind::Closed(_) => {}
            Kind::Resumed(e) => {
                self.say(page, at, Tone::Strong, &format!("goes on{}", tail(&e.text)));
            }
        }
    }

    fn take_in(&mut self, kind: &Kind) {
        match kind {
            Kind::Accepted(e) => self.plan.clone_from(&e.plan),
            Kind::ActStarted(e) if !e.undo => {
                let number = e.act.as_ref().map_or(0, |act| act.number);
                self.touched.insert((number, e.attempt));
            }
            Kind::ActNever(e) => {
                self.touched.remove(&(e.act, e.attempt));
            }
            // A stalled wait goes on reading and resumes by itself.
            Kind::Held(e) if e.cause() == HoldCause::Stalled => self.rest = None,
            Kind::Held(e) => self.rest = Some(Rest::Held(e.cause())),
            Kind::Rested(e) => self.rest = Some(Rest::Ended(e.outcome())),
            Kind::Resumed(_) | Kind::UndoStarted(_) | Kind::StepSkipped(_) => self.rest = None,
            Kind::Fenced(_)
            | Kind::StepStarted(_)
            | Kind::ActStarted(_)
            | Kind::ActDone(_)
            | Kind::ActFailed(_)
            | Kind::StepSucceeded(_)
            | Kind::StepFailed(_)
            | Kind::Control(_)
            | Kind::StepUndone(_)
            | Kind::Closed(_) => {}
        }
    }

    fn say(&self, page: &mut Page, at_ms: i64, tone: Tone, text: &str) {
        let time = clock_time(at_ms, &page.look().zone);
        page.spans(&[(Tone::Quiet, &format!("{time}  ")), (tone, text)]);
    }

    fn succeeded(&mut self, page: &mut Page, at_ms: i64, done: &StepSucceeded) {
        let began = self.began.get(&done.step).copied().unwrap_or(at_ms);
        let took = u64::try_from(at_ms - began).unwrap_or(0);
        let took = if took < 1000 { String::new() } else { format!(", {}", duration(took)) };
        let end = format!("done{took}{}", self.news(done.step, &done.text));
        if self.brief && self.last_step == done.step {
            self.say(page, at_ms, Tone::Good, &format!("  {end}"));
        } else {
            self.step(page, at_ms, done.step, Tone::Good, &format!(": {end}"));
        }
    }

    fn step(&mut self, page: &mut Page, at_ms: i64, number: u32, tone: Tone, end: &str) {
        self.last_step = number;
        let text = format!("{}{end}", self.step_name(number));
        self.say(page, at_ms, tone, &text);
    }

    /// What a text adds to the title of its step.
    fn news(&self, number: u32, text: &str) -> String {
        let plan = self.plan.as_ref();
        let step = plan.and_then(|plan| all_steps(plan).find(|step| step.number == number));
        if step.is_some_and(|step| step.title == text) { String::new() } else { tail(text) }
    }

    /// "step 3/12 claim pg4 at h4", as far as the plan was seen.
    fn step_name(&self, number: u32) -> String {
        let Some(plan) = &self.plan else {
            return format!("step {number}");
        };
        let title = all_steps(plan).find(|step| step.number == number).map(|s| s.title.as_str());
        let total = all_steps(plan).count();
        format!("step {number}/{total} {}", title.unwrap_or("?"))
    }

    fn act_started(&self, page: &mut Page, at_ms: i64, started: &ActStarted) {
        let Some(act) = &started.act else { return };
        let what = if started.undo { "takes back: " } else { "" };
        let again = match started.attempt {
            0 | 1 => String::new(),
            attempt => format!(", attempt {attempt}"),
        };
        let text = format!("  {what}{} at {}{again}", act.summary, act.host);
        self.say(page, at_ms, Tone::Plain, &text);
    }

    fn act_failed(&self, page: &mut Page, at_ms: i64, failed: &ActFailed) {
        self.evidence(page, at_ms, Tone::Bad, "failed: ", failed.evidence.as_ref());
    }

    fn evidence(
        &self,
        page: &mut Page,
        at_ms: i64,
        tone: Tone,
        word: &str,
        evidence: Option<&Evidence>,
    ) {
        let Some(evidence) = evidence else { return };
        if !evidence.text.is_empty() {
            self.say(page, at_ms, tone, &format!("  {word}{}", evidence.text));
        }
        if let Some(seen) = &evidence.fault {
            fault(page, "            ", seen);
        }
    }

    fn held(&self, page: &mut Page, at_ms: i64, held: &Held) {
        let place = match held.step {
            0 => String::new(),
            number => format!(" at {}", self.step_name(number)),
        };
        let text = format!("held ({}){place}{}", words::cause(held.cause()), tail(&held.text));
        self.say(page, at_ms, Tone::Bad, &text);
        if let Some(seen) = &held.fault {
            fault(page, "            ", seen);
        }
        for found in &held.found {
            page.line(Tone::Warn, &format!("            found: {found}"));
        }
        for command in &held.commands {
            page.line(Tone::Plain, &format!("            do: {command}"));
        }
    }

    fn rested(&self, page: &mut Page, at_ms: i64, rested: &Rested) {
        let tone = match rested.outcome() {
            Outcome::Done => Tone::Good,
            Outcome::Undone | Outcome::Cancelled | Outcome::Abandoned | Outcome::Unspecified => {
                Tone::Warn
            }
        };
        let text = format!("{}{}", words::outcome(rested.outcome()), tail(&rested.text));
        self.say(page, at_ms, tone, &text);
        for left in &rested.left {
            page.line(Tone::Warn, &format!("            left behind: {left}"));
        }
        if let (Outcome::Done, Some(plan)) = (rested.outcome(), &self.plan) {
            connections(page, &plan.connections);
        }
    }
}

fn tail(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

#[cfg(test)]
mod tests;
