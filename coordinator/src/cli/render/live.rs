//! What stands below the events while an operation runs on a terminal: a line on the whole, and one
//! for each step at work with its bar, rate and ETA. A fold over updates and a given time, so that
//! the same updates at the same time always give the same lines.

use std::collections::{BTreeMap, BTreeSet};

use bellows_proto::v1::{Event, Plan, StepProgress, WatchUpdate, event::Kind, watch_update};

use super::{plan::all_steps, progress};
use crate::cli::{
    page::{Page, Tone},
    text::{about, duration, escape},
    words,
};

/// Steps at work that get a line; the others are counted.
const MOST: usize = 8;
/// Cells of a bar.
const BAR: usize = 20;

/// Steps at work, and where the whole is. Times are milliseconds since 1970.
#[derive(Debug, Clone, Default)]
pub struct Live {
    plan: Option<Plan>,
    began_at_ms: i64,
    /// Steps that are behind.
    done: BTreeSet<u32>,
    running: BTreeMap<u32, Running>,
    back: bool,
    /// Why there is nothing new: the coordinator is away.
    away: bool,
}

/// A step at work.
#[derive(Debug, Clone, Default)]
struct Running {
    began_at_ms: i64,
    /// The last reading, and when it came.
    reading: Option<(i64, StepProgress)>,
}

impl Live {
    /// Takes an update in. `now_ms`: the time at which it came.
    pub fn update(&mut self, update: &WatchUpdate, now_ms: i64) {
        self.away = false;
        match &update.kind {
            Some(watch_update::Kind::Event(event)) => self.event(event),
            Some(watch_update::Kind::Progress(reading)) => {
                // What runs and began before the view did.
                let blank = Running { began_at_ms: now_ms, reading: None };
                let step = self.running.entry(reading.step).or_insert(blank);
                step.reading = Some((now_ms, reading.clone()));
            }
            None => {}
        }
    }

    /// The coordinator went away; what is known is no news any more.
    pub fn away(&mut self) {
        self.away = true;
    }

    /// Takes an event in.
    pub fn event(&mut self, event: &Event) {
        let Some(kind) = &event.kind else { return };
        match kind {
            Kind::Accepted(e) => {
                self.plan.clone_from(&e.plan);
                self.began_at_ms = event.at_ms;
            }
            Kind::StepStarted(e) => {
                let began = Running { began_at_ms: event.at_ms, reading: None };
                self.running.insert(e.step, began);
            }
            Kind::ActStarted(e) if e.undo => {
                let began = Running { began_at_ms: event.at_ms, reading: None };
                self.running.entry(e.step).or_insert(began);
            }
            Kind::StepSucceeded(e) => {
                self.done.insert(e.step);
                self.running.remove(&e.step);
            }
            Kind::StepSkipped(e) => {
                self.done.insert(e.step);
                self.running.remove(&e.step);
            }
            Kind::StepFailed(e) => {
                self.running.remove(&e.step);
            }
            Kind::StepUndone(e) => {
                self.done.remove(&e.step);
                self.running.remove(&e.step);
            }
            Kind::UndoStarted(_) => {
                self.back = true;
                self.running.clear();
            }
            Kind::Held(_) | Kind::Rested(_) => self.running.clear(),
            Kind::Fenced(_)
            | Kind::ActStarted(_)
            | Kind::ActNever(_)
            | Kind::ActDone(_)
            | Kind::ActFailed(_)
            | Kind::Control(_)
            | Kind::Closed(_)
            | Kind::Resumed(_) => {}
        }
    }

    /// The lines as they are at a time, none wider than `width` columns; empty where nothing is at
    /// work.
    pub fn lines(&self, page: &mut Page, now_ms: i64, width: usize) -> usize {
        if self.away {
            page.line(Tone::Warn, &cut("the coordinator is away; waiting for it", width));
            return 1;
        }
        if self.running.is_empty() {
            return 0;
        }
        page.line(Tone::Strong, &cut(&self.headline(now_ms), width));
        for (number, step) in self.running.iter().take(MOST) {
            let line = self.step(*number, step, now_ms);
            page.line(step.tone(), &cut(&line, width));
        }
        let more = self.running.len().saturating_sub(MOST);
        if more > 0 {
            page.line(Tone::Quiet, &format!("  and {more} more steps"));
        }
        1 + self.running.len().min(MOST) + usize::from(more > 0)
    }

    /// "expand orders  3 of 12 steps done  5 min 2 s so far  about 7 min left".
    fn headline(&self, now_ms: i64) -> String {
        let Some(plan) = &self.plan else {
            return "at work".to_owned();
        };
        let verb = if self.back { "taking back" } else { words::verb(plan) };
        let mut parts = vec![format!("{verb} {}", plan.cluster)];
        parts.push(format!("{} of {} steps done", self.done.len(), all_steps(plan).count()));
        parts.push(format!("{} so far", duration(since(self.began_at_ms, now_ms))));
        if let Some(left) = self.left_ms(plan, now_ms).filter(|left| *left > 0 && !self.back) {
            parts.push(format!("{} left", about(left)));
        }
        parts.join("  ")
    }

    /// What the steps from the first one at work on will take, as far as they say; `None` where
    /// nobody knows.
    fn left_ms(&self, plan: &Plan, now_ms: i64) -> Option<u64> {
        let first = *self.running.keys().next()?;
        let position = plan.steps.iter().rposition(|step| step.number <= first)?;
        let (now, later) = plan.steps.get(position..)?.split_first()?;
        let step = self.running.get(&first)?;
        let eta = step.reading.as_ref().and_then(|(at, reading)| {
            reading.eta_ms.map(|eta| eta.saturating_sub(since(*at, now_ms)))
        });
        let spent = since(step.began_at_ms, now_ms);
        let left = eta.unwrap_or_else(|| now.expected_ms.saturating_sub(spent));
        let known = now.expected_ms > 0 || eta.is_some();
        known.then(|| later.iter().fold(left, |sum, step| sum.saturating_add(step.expected_ms)))
    }

    fn step(&self, number: u32, step: &Running, now_ms: i64) -> String {
        let known =
            self.plan.as_ref().and_then(|plan| all_steps(plan).find(|s| s.number == number));
        let title = known.map_or("", |step| step.title.as_str());
        let expected = known.map_or(0, |step| step.expected_ms);
        let mut parts = vec![format!("  {number:>3}")];
        let reading = step.reading.as_ref().map(|(_, reading)| reading);
        let seen = reading.and_then(|reading| reading.progress.as_ref());
        if let Some((seen, total)) = seen.and_then(|seen| Some((seen, seen.total?))) {
            parts.push(bar(seen.done, total));
        }
        if seen.is_none() {
            let spent = duration(since(step.began_at_ms, now_ms));
            let of = if expected > 0 { format!(" ({})", about(expected)) } else { String::new() };
            parts.push(format!("{spent}{of}"));
        }
        parts.extend(reading.map(progress::numbers).unwrap_or_default());
        parts.push(title.to_owned());
        parts.extend(reading.map(|reading| reading.text.clone()).filter(|text| !text.is_empty()));
        parts.join("  ")
    }
}

impl Running {
    fn tone(&self) -> Tone {
        let still = self.reading.as_ref().is_some_and(|(_, reading)| progress::is_still(reading));
        if still { Tone::Warn } else { Tone::Plain }
    }
}

/// Milliseconds from then to now; 0 where the clocks do not agree.
fn since(then_ms: i64, now_ms: i64) -> u64 {
    u64::try_from(now_ms.saturating_sub(then_ms)).unwrap_or(0)
}

/// "[=======>            ]  45%".
fn bar(done: u64, total: u64) -> String {
    let percent = progress::percent(done, total);
    let full = usize::try_from(percent).unwrap_or(100).min(100) * BAR / 100;
    let tip = if full < BAR { ">" } else { "" };
    let rest = BAR.saturating_sub(full + tip.len());
    format!("[{}{tip}{}] {percent:>3}%", "=".repeat(full), " ".repeat(rest))
}

/// As much of a line as fits. Foreign text is made harmless before it is measured; what is not ASCII
/// counts twice, as the widest letters do.
fn cut(text: &str, width: usize) -> String {
    let mut room = width;
    let fits = |c: &char| {
        let wide = if c.is_ascii() { 1 } else { 2 };
        let fits = wide <= room;
        room = room.saturating_sub(wide);
        fits
    };
    escape(text).chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{page::Look, render::samples};
    use bellows_proto::v1::{
        Accepted, Progress, StepStarted, StepSucceeded, StepUndone, UndoStarted,
    };

    const START: i64 = 1_700_000_000_000;

    fn event(at_s: i64, kind: Kind) -> WatchUpdate {
        let event = Event { sequence: 1, at_ms: START + at_s * 1000, kind: Some(kind) };
        WatchUpdate { kind: Some(watch_update::Kind::Event(event)) }
    }

    fn started(at_s: i64, step: u32) -> WatchUpdate {
        event(at_s, Kind::StepStarted(StepStarted { step }))
    }

    fn reading(step: u32, done: u64) -> WatchUpdate {
        let progress =
            Progress { done, total: Some(4 << 30), unit: "bytes".into(), ..Progress::default() };
        let reading = StepProgress {
            step,
            progress: Some(progress),
            rate: Some(125_829_120.0),
            eta_ms: Some(25_000),
            ..StepProgress::default()
        };
        WatchUpdate { kind: Some(watch_update::Kind::Progress(reading)) }
    }

    fn played(updates: &[WatchUpdate]) -> Live {
        let plan = Some(samples::plan());
        let accepted = event(0, Kind::Accepted(Accepted { plan, ..Accepted::default() }));
        let mut live = Live::default();
        for update in std::iter::once(&accepted).chain(updates) {
            live.update(update, START);
        }
        live
    }

    fn shown(live: &Live, at_s: i64, width: usize) -> String {
        let mut page = Page::new(&Look::plain());
        let lines = live.lines(&mut page, START + at_s * 1000, width);
        let text = page.into_text();
        assert_eq!(text.lines().count(), lines);
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        text
    }

    #[test]
    fn what_is_measured_has_a_bar_a_rate_and_an_eta() {
        let live = played(&[
            event(1, Kind::StepSucceeded(StepSucceeded { step: 1, ..StepSucceeded::default() })),
            started(2, 3),
            started(2, 4),
            reading(4, 1 << 30),
        ]);
        insta::assert_snapshot!(shown(&live, 12, 120));
    }

    #[test]
    fn what_is_not_measured_says_how_long_it_takes() {
        insta::assert_snapshot!(shown(&played(&[started(2, 2)]), 12, 120));
    }

    #[test]
    fn a_step_that_had_only_begun_was_never_done() {
        let undone =
            |step| event(3, Kind::StepUndone(StepUndone { step, ..StepUndone::default() }));
        let done = StepSucceeded { step: 1, ..StepSucceeded::default() };
        let back = Kind::UndoStarted(UndoStarted::default());
        let live = played(&[
            event(1, Kind::StepSucceeded(done)),
            started(2, 2),
            event(3, back),
            undone(2),
            started(3, 1),
        ]);
        assert!(shown(&live, 4, 80).starts_with("taking back orders  1 of 5 steps done"));
    }

    #[test]
    fn lines_fit_and_foreign_text_stays_on_them() {
        let mut live = played(&[started(0, 2)]);
        if let Some(step) = live.plan.as_mut().and_then(|plan| plan.steps.get_mut(1)) {
            step.title = "数据\u{1b}[2J\n".repeat(40);
        }
        assert_eq!(shown(&live, 1, 40).lines().count(), 2);
    }

    #[test]
    fn a_bar_goes_from_empty_to_full() {
        assert_eq!(bar(0, 10), "[>                   ]   0%");
        assert_eq!(bar(5, 10), "[==========>         ]  50%");
        assert_eq!(bar(10, 10), "[====================] 100%");
        assert_eq!(bar(u64::MAX, 10), "[====================] 100%");
        assert_eq!(bar(0, 0), "[>                   ]   0%");
    }

    #[test]
    fn nothing_at_work_is_nothing_to_show() {
        let live = played(&[]);
        assert_eq!(shown(&live, 1, 80), "");
        let mut live = played(&[started(1, 1)]);
        live.away();
        assert_eq!(shown(&live, 1, 80), "the coordinator is away; waiting for it\n");
    }
}
