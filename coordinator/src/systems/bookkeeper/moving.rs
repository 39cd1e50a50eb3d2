//! How long it takes to move ledgers, before a rate is seen: by their number as the manual has it, or by their
//! bytes within the budget, whichever takes longer.

use std::ops::RangeInclusive;

use bellows_proto::v1::BookkeeperBudget;

use super::budget::{self, Rate};

/// The manual: 20,000 ledgers take 2 to 3 hours. Milliseconds for each.
const FASTER_MS: u64 = 2 * 3_600_000 / 20_000;
const SLOWER_MS: u64 = 3 * 3_600_000 / 20_000;
const MINUTE_MS: u64 = 60_000;

/// What is to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Load {
    pub(super) ledgers: u64,
    pub(super) bytes: u64,
}

impl Load {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            ledgers: self.ledgers.saturating_add(other.ledgers),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// Milliseconds at least and at most; `None`: never, as in no hour anything may move.
pub(super) fn lasts(load: Load, budgets: &[BookkeeperBudget]) -> Option<RangeInclusive<u64>> {
    let working = |rate: Rate| match rate {
        Rate::Paused => 0,
        Rate::Limited(_) | Rate::Free => MINUTE_MS,
    };
    let bytes = |rate: Rate| match rate {
        Rate::Paused => 0,
        Rate::Limited(per_s) => per_s.saturating_mul(60),
        Rate::Free => u64::MAX,
    };
    let work = |each: u64| budget::lasts(budgets, load.ledgers.saturating_mul(each), working);
    let (least, _) = work(FASTER_MS)?;
    let (_, most) = work(SLOWER_MS)?;
    let limited = budget::limits(budgets);
    let (least_bytes, most_bytes) = match limited {
        true => budget::lasts(budgets, load.bytes, bytes)?,
        // Nothing is known of how fast bytes go by themselves.
        false => (0, 0),
    };
    let least = least.max(least_bytes);
    Some(least..=most.max(most_bytes).max(least))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn lasting(ledgers: u64, bytes: u64, budgets: &[BookkeeperBudget]) -> (u64, u64) {
        let range = lasts(Load { ledgers, bytes }, budgets).unwrap();
        (*range.start(), *range.end())
    }

    fn whole_day(bytes_per_s: u64) -> [BookkeeperBudget; 1] {
        [BookkeeperBudget { begin_minute: 0, end_minute: 0, bytes_per_s }]
    }

    #[test]
    fn the_manual_s_ledgers_take_two_to_three_hours() {
        assert_eq!(lasting(20_000, 0, &[]), (2 * HOUR, 3 * HOUR));
        assert_eq!(lasting(20_000, u64::MAX, &[]), (2 * HOUR, 3 * HOUR), "no limit on bytes");
        assert_eq!(lasting(0, 0, &[]), (0, 0));
    }

    #[test]
    fn bytes_within_the_budget_count_where_they_take_longer() {
        let day = whole_day(1_000_000);
        assert_eq!(lasting(20_000, 1_000_000, &day), (2 * HOUR, 3 * HOUR));
        let much = 36_000 * 1_000_000;
        assert_eq!(lasting(20_000, much, &day), (10 * HOUR, 10 * HOUR));
        assert_eq!(lasting(20_000, 9_000 * 1_000_000, &day), (5 * HOUR / 2, 3 * HOUR));
    }

    #[test]
    fn hours_of_nothing_are_waited_for() {
        let nights = [BookkeeperBudget { begin_minute: 360, end_minute: 1320, bytes_per_s: 0 }];
        let (least, most) = lasting(20_000, u64::MAX, &nights);
        assert_eq!((least, most), (2 * HOUR, 19 * HOUR));
        assert_eq!(lasts(Load { ledgers: 1, bytes: 1 }, &whole_day(0)), None);
    }
}
