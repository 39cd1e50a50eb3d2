//! Rates and ETAs from a sliding window of readings, and the stall watch.

use std::{collections::VecDeque, time::Duration};

use bellows_proto::v1::{Progress, StepProgress};

/// Readings older than this do not count for the rate.
const WINDOW_MS: i64 = 60_000;
/// Readings kept at most.
const READINGS: usize = 120;

/// The readings of one number, and of the bytes beside it.
#[derive(Debug, Default)]
pub struct Meter {
    readings: VecDeque<Reading>,
    moved_at_ms: Option<i64>,
    last: Option<Progress>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    at_ms: i64,
    done: u64,
    bytes: Option<u64>,
}

impl Meter {
    /// Takes a reading in. `None`: nothing is measured, or it could not be read.
    pub fn read(&mut self, now_ms: i64, progress: Option<&Progress>) {
        let moved = match (progress, &self.last) {
            (Some(now), Some(before)) => now != before,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if moved || self.moved_at_ms.is_none() {
            self.moved_at_ms = Some(now_ms);
        }
        if let Some(progress) = progress {
            let (done, bytes) = (progress.done, progress.bytes_done);
            self.readings.push_back(Reading { at_ms: now_ms, done, bytes });
            self.last = Some(progress.clone());
        }
        while self.readings.len() > READINGS
            || self.readings.front().is_some_and(|first| now_ms - first.at_ms > WINDOW_MS)
        {
            self.readings.pop_front();
        }
    }

    /// How long the number has not moved.
    pub fn still(&self, now_ms: i64) -> Duration {
        let since = self.moved_at_ms.map_or(0, |at| now_ms.saturating_sub(at));
        Duration::from_millis(u64::try_from(since).unwrap_or(0))
    }

    /// The last reading, for the event that ends the step.
    pub fn last(&self) -> Option<Progress> {
        self.last.clone()
    }

    /// What the viewers are shown.
    pub fn show(&self, now_ms: i64, step: u32, text: &str) -> StepProgress {
        let (rate, bytes_rate) = (self.rate(), self.bytes_rate());
        let last = self.last.as_ref();
        let left = last.and_then(|last| Some(last.total?.saturating_sub(last.done)));
        let bytes_left = last.and_then(|l| Some(l.bytes_total?.saturating_sub(l.bytes_done?)));
        StepProgress {
            step,
            progress: self.last.clone(),
            rate,
            eta_ms: slower(rate.zip(left), bytes_rate.zip(bytes_left)),
            text: text.to_owned(),
            still_ms: u64::try_from(self.still(now_ms).as_millis()).unwrap_or(u64::MAX),
            bytes_rate,
        }
    }

    /// Units per second over the window; falling numbers (a lag) count as progress too.
    fn rate(&self) -> Option<f64> {
        let (first, last) = (self.readings.front()?, self.readings.back()?);
        per_second(last.at_ms - first.at_ms, last.done.abs_diff(first.done))
    }

    /// Bytes per second over those readings of the window that have them.
    fn bytes_rate(&self) -> Option<f64> {
        let told = || self.readings.iter().filter_map(|one| Some((one.at_ms, one.bytes?)));
        let (first, last) = (told().next()?, told().next_back()?);
        per_second(last.0 - first.0, last.1.abs_diff(first.1))
    }
}

fn per_second(span_ms: i64, moved: u64) -> Option<f64> {
    if span_ms < 500 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for the eyes")]
    let rate = moved as f64 * 1000.0 / span_ms as f64;
    Some(rate)
}

/// The longer of two: many small things take their time each, few large ones by their bytes. Of one that stands still
/// nothing can be told, so the other counts.
fn slower(units: Option<(f64, u64)>, bytes: Option<(f64, u64)>) -> Option<u64> {
    let each = |one: Option<(f64, u64)>| one.map(|(rate, left)| eta_ms(rate, left));
    match (each(units), each(bytes)) {
        (Some(units), Some(bytes)) => units.max(bytes),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => None,
    }
}

fn eta_ms(rate: f64, left: u64) -> Option<u64> {
    if rate <= 0.0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "an estimate for the eyes")]
    let seconds = left as f64 / rate;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be in range"
    )]
    (seconds < 1.0e9).then_some((seconds * 1000.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(done: u64) -> Progress {
        Progress { done, total: Some(1000), unit: "bytes".into(), ..Progress::default() }
    }

    fn ledgers(done: u64, bytes_done: u64) -> Progress {
        Progress {
            done,
            total: Some(100),
            unit: "ledgers".into(),
            bytes_done: Some(bytes_done),
            bytes_total: Some(10_000),
        }
    }

    #[test]
    fn the_eta_is_by_the_slower_of_two_counts() {
        let shown = |each: u64, bytes: u64| {
            let mut meter = Meter::default();
            for second in 0..=4u64 {
                let now = i64::try_from(second).unwrap() * 1000;
                meter.read(now, Some(&ledgers(second * each, second * bytes)));
            }
            meter.show(4000, 1, "")
        };
        let small = shown(1, 500);
        assert_eq!((small.rate, small.bytes_rate), (Some(1.0), Some(500.0)));
        assert_eq!(small.eta_ms, Some(96_000), "96 ledgers at 1 a second");
        assert_eq!(shown(10, 100).eta_ms, Some(96_000), "9600 bytes at 100 a second");
        // A large ledger is being copied: none has ended, and its bytes say when it will.
        assert_eq!(shown(0, 100).eta_ms, Some(96_000));
        assert_eq!(shown(0, 0).eta_ms, None);
    }

    #[test]
    fn moved_bytes_are_movement() {
        let mut meter = Meter::default();
        meter.read(0, Some(&ledgers(5, 100)));
        meter.read(10_000, Some(&ledgers(5, 200)));
        assert_eq!(meter.still(12_000), Duration::from_secs(2));
    }

    #[test]
    fn rate_and_eta_come_from_the_window() {
        let mut meter = Meter::default();
        for second in 0..5 {
            meter.read(second * 1000, Some(&bytes(100 * second.unsigned_abs())));
        }
        let shown = meter.show(4000, 3, "copying");
        assert_eq!((shown.rate, shown.eta_ms), (Some(100.0), Some(6000)));
        assert_eq!(meter.still(9000), Duration::from_secs(5));
    }

    #[test]
    fn silence_is_no_movement() {
        let mut meter = Meter::default();
        meter.read(0, Some(&bytes(5)));
        meter.read(10_000, None);
        meter.read(20_000, Some(&bytes(5)));
        assert_eq!(meter.still(20_000), Duration::from_secs(20));
        assert_eq!(meter.show(20_000, 1, "").eta_ms, None);
    }
}
