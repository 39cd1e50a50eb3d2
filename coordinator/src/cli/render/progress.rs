//! A reading between two events in words: how much of what, how fast, how long still. Pure.

use bellows_proto::v1::StepProgress;

use crate::cli::text::{duration, quantity};

/// What does not move for so long is told, milliseconds.
const STILL_MS: u64 = 10_000;

/// Nothing has moved for a while.
pub fn is_still(reading: &StepProgress) -> bool {
    reading.still_ms >= STILL_MS
}

/// "1.0 GiB of 4.0 GiB", "120.0 MiB/s", "ETA 25 s": as far as they are known.
pub fn numbers(reading: &StepProgress) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(seen) = &reading.progress {
        parts.push(match seen.total {
            Some(total) => {
                format!("{} of {}", quantity(seen.done, &seen.unit), quantity(total, &seen.unit))
            }
            None => quantity(seen.done, &seen.unit),
        });
        if let Some(bytes) = seen.bytes_done {
            let bytes_total =
                seen.bytes_total.map(|total| format!(" of {}", quantity(total, "bytes")));
            parts.push(format!("{}{}", quantity(bytes, "bytes"), bytes_total.unwrap_or_default()));
        }
    }
    let unit = reading.progress.as_ref().map_or("", |p| p.unit.as_str());
    for (rate, unit) in [(reading.rate, unit), (reading.bytes_rate, "bytes")] {
        let Some(rate) = rate.filter(|rate| rate.is_finite() && *rate > 0.0) else { continue };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it is positive
        let whole = rate.round() as u64;
        parts.push(match whole {
            // Ledgers that take seconds each.
            0 => format!("{:.1} {unit} a minute", rate * 60.0),
            whole => format!("{}/s", quantity(whole, unit)),
        });
    }
    if let Some(eta) = reading.eta_ms {
        parts.push(format!("ETA {}", duration(eta)));
    }
    if is_still(reading) {
        parts.push(format!("nothing moved for {}", duration(reading.still_ms)));
    }
    parts
}

/// A reading in one line, for where nothing can be overwritten.
pub fn line(reading: &StepProgress) -> String {
    let mut parts = numbers(reading);
    if let Some((seen, total)) = reading.progress.as_ref().and_then(|p| Some((p.done, p.total?)))
        && let Some(first) = parts.first_mut()
    {
        *first = format!("{first}  {}%", percent(seen, total));
    }
    if !reading.text.is_empty() {
        parts.push(reading.text.clone());
    }
    format!("step {}  {}", reading.step, parts.join("  "))
}

/// Whole percents, 0 to 100.
pub fn percent(done: u64, total: u64) -> u128 {
    u128::from(done.min(total)) * 100 / u128::from(total.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::v1::Progress;

    #[test]
    fn progress_has_rate_and_eta() {
        let progress = StepProgress {
            step: 4,
            progress: Some(Progress {
                done: 1 << 30,
                total: Some(4 << 30),
                unit: "bytes".into(),
                ..Progress::default()
            }),
            rate: Some(125_829_120.0),
            eta_ms: Some(25_000),
            ..StepProgress::default()
        };
        assert_eq!(line(&progress), "step 4  1.0 GiB of 4.0 GiB  25%  120.0 MiB/s  ETA 25 s");
        let moved = Progress {
            done: 30,
            total: Some(120),
            unit: "ledgers".into(),
            bytes_done: Some(1 << 30),
            bytes_total: Some(4 << 30),
        };
        let both = StepProgress {
            step: 4,
            progress: Some(moved),
            rate: Some(0.2),
            bytes_rate: Some(125_829_120.0),
            eta_ms: Some(450_000),
            ..StepProgress::default()
        };
        assert_eq!(
            line(&both),
            "step 4  30 ledgers of 120 ledgers  25%  1.0 GiB of 4.0 GiB  12.0 ledgers a minute  120.0 MiB/s  ETA 7 min 30 s"
        );
        let still = StepProgress {
            step: 5,
            text: "pg4 does not stream".into(),
            still_ms: 30_000,
            ..StepProgress::default()
        };
        assert_eq!(line(&still), "step 5  nothing moved for 30 s  pg4 does not stream");
    }
}
