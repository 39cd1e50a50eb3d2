//! Rates and ETAs from a sliding window of readings, and the stall watch.

use std::{collections::VecDeque, time::Duration};

use bellows_proto::v1::{Progress, StepProgress};

/// Readings older than this do not count for the rate.
const WINDOW_MS: i64 = 60_000;
/// Readings kept at most.
const READINGS: usize = 120;

/// The readings of one number.
#[derive(Debug, Default)]
pub struct Meter {
    readings: VecDeque<(i64, u64)>,
    moved_at_ms: Option<i64>,
    last: Option<Progress>,
}

impl Meter {
    /// Takes a reading in. `None`: nothing is measured, or it could not be read.
    pub fn read(&mut self, now_ms: i64, progress: Option<&Progress>) {
        let moved = match (progress, &self.last) {
            (Some(now), Some(before)) => now.done != before.done || now.total != before.total,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if moved || self.moved_at_ms.is_none() {
            self.moved_at_ms = Some(now_ms);
        }
        if let Some(progress) = progress {
            self.readings.push_back((now_ms, progress.done));
            self.last = Some(progress.clone());
        }
        while self.readings.len() > READINGS
            || self.readings.front().is_some_and(|(at, _)| now_ms - at > WINDOW_MS)
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
        let rate = self.rate();
        let left = self
            .last
            .as_ref()
            .and_then(|last| last.total.map(|total| total.saturating_sub(last.done)));
        StepProgress {
            step,
            progress: self.last.clone(),
            rate,
            eta_ms: rate.zip(left).and_then(|(rate, left)| eta_ms(rate, left)),
            text: text.to_owned(),
            still_ms: u64::try_from(self.still(now_ms).as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Units per second over the window; falling numbers (a lag) count as progress too.
    fn rate(&self) -> Option<f64> {
        let (first, last) = (self.readings.front()?, self.readings.back()?);
        let span = last.0 - first.0;
        if span < 500 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate for the eyes")]
        let rate = last.1.abs_diff(first.1) as f64 * 1000.0 / span as f64;
        Some(rate)
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
        Progress { done, total: Some(1000), unit: "bytes".into() }
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
