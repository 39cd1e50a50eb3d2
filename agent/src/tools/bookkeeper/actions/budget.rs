//! How fast data may be moved now, and until when: out of the hours of a plan. Pure; the time and the zone are the caller's.

use std::{num::NonZeroU64, time::Duration};

use bellows_proto::v1::{BookkeeperBudget, Fault, FaultCode};

const DAY_MINUTES: u32 = 24 * 60;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const MINUTE_MS: i64 = 60 * 1000;

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// As fast as it goes.
    Free,
    /// Bytes per second, at most.
    AtMost(NonZeroU64),
    /// Nothing is moved.
    Paused,
}

/// The pace of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Present {
    /// How fast.
    pub pace: Pace,
    /// How long it stays so; `None`: for ever.
    pub left: Option<Duration>,
}

/// The hours of a plan, checked. Hours that none of them names: as fast as it goes. Where two name the same minute the
/// slower one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hours(Vec<BookkeeperBudget>);

impl Hours {
    /// Checks them.
    ///
    /// # Errors
    /// `INVALID` for a minute that no day has.
    pub fn new(budgets: &[BookkeeperBudget]) -> Result<Self, Fault> {
        let odd = |band: &&BookkeeperBudget| {
            band.begin_minute >= DAY_MINUTES || band.end_minute > DAY_MINUTES
        };
        if let Some(band) = budgets.iter().find(odd) {
            let message = format!(
                "a budget's hours are minutes 0 to {DAY_MINUTES} of a day, not {} to {}",
                band.begin_minute, band.end_minute
            );
            return Err(Fault::new(FaultCode::Invalid, message));
        }
        Ok(Self(budgets.to_vec()))
    }

    /// Whether there are hours in which nothing is moved.
    pub fn pause(&self) -> bool {
        self.0.iter().any(|band| band.bytes_per_s == 0)
    }

    /// The pace at a moment. `utc_offset_s`: seconds that local time is ahead of UTC at a moment.
    pub fn at(&self, now_ms: i64, utc_offset_s: impl Fn(i64) -> i32) -> Present {
        let offset_ms = |at_ms: i64| i64::from(utc_offset_s(at_ms)) * 1000;
        let of_day = now_ms.saturating_add(offset_ms(now_ms)).rem_euclid(DAY_MS);
        let minute = u32::try_from(of_day / MINUTE_MS).unwrap_or(0);
        let pace = self.pace(minute);
        let left = self.changes_in(minute, pace).map(|minutes| {
            let left_ms = i64::from(minutes) * MINUTE_MS - of_day % MINUTE_MS;
            // The clocks may be changed in between: what counts is the local time of the end.
            let shift = offset_ms(now_ms.saturating_add(left_ms)) - offset_ms(now_ms);
            Duration::from_millis(u64::try_from(left_ms - shift).unwrap_or(0).max(1))
        });
        Present { pace, left }
    }

    fn pace(&self, minute: u32) -> Pace {
        let named = self.0.iter().filter(|band| has(band, minute)).map(|band| band.bytes_per_s);
        match named.min() {
            None => Pace::Free,
            Some(rate) => NonZeroU64::new(rate).map_or(Pace::Paused, Pace::AtMost),
        }
    }

    /// Minutes until another pace begins, 1 to a day.
    fn changes_in(&self, minute: u32, pace: Pace) -> Option<u32> {
        let edges = self.0.iter().flat_map(|band| [band.begin_minute, band.end_minute]);
        let mut away: Vec<u32> = edges
            .map(|edge| (edge % DAY_MINUTES + DAY_MINUTES - minute) % DAY_MINUTES)
            .filter(|away| *away != 0)
            .collect();
        away.sort_unstable();
        away.into_iter().find(|away| self.pace((minute + away) % DAY_MINUTES) != pace)
    }
}

/// From begin to before end; over midnight where end is not after begin.
fn has(band: &BookkeeperBudget, minute: u32) -> bool {
    let (begin, end) = (band.begin_minute, band.end_minute % DAY_MINUTES);
    if begin < end { (begin..end).contains(&minute) } else { minute >= begin || minute < end }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const HOUR_MS: i64 = 60 * MINUTE_MS;

    fn band(begin_hour: u32, end_hour: u32, bytes_per_s: u64) -> BookkeeperBudget {
        BookkeeperBudget { begin_minute: begin_hour * 60, end_minute: end_hour * 60, bytes_per_s }
    }

    fn at(hours: &[BookkeeperBudget], hour: i64) -> (Pace, Option<u64>) {
        let present = Hours::new(hours).unwrap().at(hour * HOUR_MS, |_| 0);
        (present.pace, present.left.map(|left| left.as_secs() / 3600))
    }

    fn most(rate: u64) -> Pace {
        Pace::AtMost(NonZeroU64::new(rate).unwrap())
    }

    #[test]
    fn a_night_and_a_day() {
        let hours = [band(22, 6, 50), band(6, 22, 5)];
        assert_eq!(at(&hours, 21), (most(5), Some(1)));
        assert_eq!(at(&hours, 22), (most(50), Some(8)));
        assert_eq!(at(&hours, 29), (most(50), Some(1)));
        assert_eq!(at(&hours, 30), (most(5), Some(16)));
    }

    #[test]
    fn none_is_as_fast_as_it_goes_and_0_is_a_pause() {
        assert_eq!(at(&[], 5), (Pace::Free, None));
        assert_eq!(at(&[band(8, 18, 0)], 9), (Pace::Paused, Some(9)));
        assert_eq!(at(&[band(8, 18, 0)], 20), (Pace::Free, Some(12)));
        assert_eq!(at(&[band(0, 24, 7)], 20), (most(7), None));
        assert_eq!(at(&[band(3, 3, 7)], 20), (most(7), None), "a whole day");
    }

    #[test]
    fn the_slower_of_two_counts() {
        let hours = [band(0, 12, 50), band(10, 14, 5)];
        assert_eq!(at(&hours, 9), (most(50), Some(1)));
        assert_eq!(at(&hours, 10), (most(5), Some(4)));
        assert_eq!(at(&hours, 14), (Pace::Free, Some(10)));
    }

    #[test]
    fn it_is_the_local_time_that_counts_also_when_clocks_are_changed() {
        let hours = Hours::new(&[band(0, 3, 50)]).unwrap();
        // One hour ahead of UTC, two from 01:00 UTC on: 03:00 local time is then 01:00 UTC.
        let offset = |at_ms: i64| if at_ms < HOUR_MS { 3600 } else { 7200 };
        let present = hours.at(0, offset);
        assert_eq!((present.pace, present.left), (most(50), Some(Duration::from_secs(3600))));
    }

    #[test]
    fn what_no_day_has_is_refused() {
        assert!(Hours::new(&[band(0, 25, 1)]).is_err());
        assert!(Hours::new(&[band(24, 1, 1)]).is_err());
    }

    proptest! {
        #[test]
        fn the_pace_is_the_same_until_it_changes_and_then_another(
            bands in proptest::collection::vec((0u32..1440, 0u32..=1440, 0u64..4), 0..4),
            now in 0i64..2 * DAY_MS,
        ) {
            let bands: Vec<_> = bands
                .into_iter()
                .map(|(begin_minute, end_minute, bytes_per_s)| BookkeeperBudget { begin_minute, end_minute, bytes_per_s })
                .collect();
            let hours = Hours::new(&bands).unwrap();
            let pace = |at: i64| hours.at(at, |_| 0).pace;
            let Present { pace: first, left } = hours.at(now, |_| 0);
            let left_ms = left.map_or(DAY_MS, |left| i64::try_from(left.as_millis()).unwrap());
            prop_assert!((1..=DAY_MS).contains(&left_ms));
            for part in 0..50 {
                prop_assert_eq!(pace(now + left_ms * part / 50), first);
            }
            prop_assert!(left.is_none() || pace(now + left_ms) != first);
        }
    }
}
