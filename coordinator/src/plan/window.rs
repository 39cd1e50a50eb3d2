//! Maintenance windows: whether an operation fits, and when it must pause. Pure: the time and the zone
//! are the caller's.

use bellows_proto::v1::{Explanation, Refusal, Window};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const MINUTE_MS: i64 = 60 * 1000;

/// The guard on windows.
pub fn explanation() -> Explanation {
    Explanation {
        code: "OP-01".to_owned(),
        name: "maintenance window".to_owned(),
        text: "Work that cannot end within its window would be stopped in the middle, or run into the day."
            .to_owned(),
        remedy: "apply it when the window begins, or give a longer --window".to_owned(),
    }
}

/// When the window that is open now ends, milliseconds since 1970; `None`: it is not open.
/// `utc_offset_s`: seconds that local time is ahead of UTC at a moment.
pub fn closes_at_ms(
    window: &Window,
    now_ms: i64,
    utc_offset_s: impl Fn(i64) -> i32,
) -> Option<i64> {
    let offset_ms = |at_ms: i64| i64::from(utc_offset_s(at_ms)) * 1000;
    let local = now_ms.saturating_add(offset_ms(now_ms));
    let time = local.rem_euclid(DAY_MS);
    let begin = i64::from(window.begin_minute) * MINUTE_MS;
    let end = i64::from(window.end_minute) * MINUTE_MS;
    let left = match (begin < end, time >= begin, time < end) {
        (true, true, true) | (false, _, true) => end - time,
        (false, true, false) => end + DAY_MS - time,
        (true, _, _) | (false, false, false) => return None,
    };
    // The clocks may be changed in between: what counts is the local time of the end.
    let about = now_ms.saturating_add(left);
    Some(local.saturating_add(left).saturating_sub(offset_ms(about)))
}

/// Why an operation of this length may not begin now; `None`: it fits.
pub fn refusal(
    window: &Window,
    now_ms: i64,
    expected_ms: u64,
    utc_offset_s: impl Fn(i64) -> i32,
) -> Option<Refusal> {
    let value = match closes_at_ms(window, now_ms, &utc_offset_s) {
        None => {
            let local = now_ms.saturating_add(i64::from(utc_offset_s(now_ms)) * 1000);
            let minute = local.rem_euclid(DAY_MS) / MINUTE_MS;
            let (hours, minutes) = (minute / 60, minute % 60);
            format!("it is {hours:02}:{minutes:02} at the coordinator, the window is {window}")
        }
        Some(closes) => {
            let left = u64::try_from(closes.saturating_sub(now_ms)).unwrap_or(0);
            if expected_ms <= left {
                return None;
            }
            let minutes = |ms: u64| ms.div_ceil(60_000);
            format!(
                "about {} min are expected, the window {window} ends in {} min",
                minutes(expected_ms),
                left / 60_000
            )
        }
    };
    let Explanation { code, name, remedy, .. } = explanation();
    Some(Refusal { code, rule: name, value, remedy, ..Refusal::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 60 * MINUTE_MS;

    fn window(text: &str) -> Window {
        text.parse().unwrap_or_default()
    }

    fn closes(text: &str, hour: i64) -> Option<i64> {
        closes_at_ms(&window(text), hour * HOUR_MS, |_| 0).map(|at| at / HOUR_MS)
    }

    #[test]
    fn a_window_is_open_from_its_begin_to_before_its_end() {
        assert_eq!(
            [0, 1, 4, 5].map(|hour| closes("01:00-05:00", hour)),
            [None, Some(5), Some(5), None]
        );
        let night = [21, 22, 23, 24, 27, 28].map(|hour| closes("22:00-04:00", hour));
        assert_eq!(night, [None, Some(28), Some(28), Some(28), Some(28), None]);
    }

    #[test]
    fn local_time_counts_also_when_clocks_are_changed() {
        // One hour ahead of UTC, two from 02:00 UTC on.
        let offset = |at_ms: i64| if at_ms < 2 * HOUR_MS { 3600 } else { 7200 };
        // It is 01:30 local time: 05:00 local time is 03:00 UTC.
        let now = HOUR_MS / 2;
        assert_eq!(closes_at_ms(&window("01:00-05:00"), now, offset), Some(3 * HOUR_MS));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let refused = |hour: i64, expected_ms: u64| {
            refusal(&window("01:00-05:00"), hour * HOUR_MS, expected_ms, |_| 0).map(|no| no.value)
        };
        assert_eq!(refused(4, 3_600_000), None);
        let late = "about 61 min are expected, the window 01:00-05:00 ends in 60 min";
        assert_eq!(refused(4, 3_600_001).as_deref(), Some(late));
        let closed = "it is 14:00 at the coordinator, the window is 01:00-05:00";
        assert_eq!(refused(14, 1).as_deref(), Some(closed));
    }
}
