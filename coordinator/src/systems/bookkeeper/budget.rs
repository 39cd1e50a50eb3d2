//! Hours of the day and how fast data may move in them.

use bellows_proto::v1::BookkeeperBudget;

/// Minutes of a day.
pub(super) const DAY: u32 = 24 * 60;

/// How fast data may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rate {
    /// Nothing is moved.
    Paused,
    /// Bytes per second.
    Limited(u64),
    /// As fast as it goes: no hours are named.
    Free,
}

/// In this minute of the day. The first that names it counts; one whose begin is its end names the whole day.
pub(super) fn rate(budgets: &[BookkeeperBudget], minute: u32) -> Rate {
    let Some(budget) = budgets.iter().find(|budget| names(budget, minute)) else {
        return Rate::Free;
    };
    match budget.bytes_per_s {
        0 => Rate::Paused,
        bytes => Rate::Limited(bytes),
    }
}

fn names(budget: &BookkeeperBudget, minute: u32) -> bool {
    let (begin, end) = (budget.begin_minute, budget.end_minute);
    match begin.cmp(&end) {
        std::cmp::Ordering::Less => (begin..end).contains(&minute),
        std::cmp::Ordering::Equal => true,
        std::cmp::Ordering::Greater => minute >= begin || minute < end,
    }
}

/// In some hours nothing is moved.
pub(super) fn pauses(budgets: &[BookkeeperBudget]) -> bool {
    budgets.iter().any(|budget| budget.bytes_per_s == 0)
}

/// In some hours there is a limit that is not 0.
pub(super) fn limits(budgets: &[BookkeeperBudget]) -> bool {
    budgets.iter().any(|budget| budget.bytes_per_s > 0)
}

/// The shortest and the longest time, milliseconds, in which so much is done, by when it begins; `None`: never.
/// `per_minute`: how much is done at this rate in a minute.
pub(super) fn lasts(
    budgets: &[BookkeeperBudget],
    amount: u64,
    per_minute: impl Fn(Rate) -> u64,
) -> Option<(u64, u64)> {
    let day: Vec<u64> = (0..DAY).map(|minute| per_minute(rate(budgets, minute))).collect();
    let daily = day.iter().fold(0_u64, |sum, one| sum.saturating_add(*one));
    if amount == 0 {
        return Some((0, 0));
    }
    if daily == 0 {
        return None;
    }
    // The last day is gone through by minutes.
    let days = (amount - 1) / daily;
    let rest = amount - days.saturating_mul(daily);
    let whole = days.saturating_mul(u64::from(DAY)).saturating_mul(60_000);
    let starts = budgets.iter().flat_map(|budget| [budget.begin_minute, budget.end_minute]);
    let times = starts.chain([0]).map(|start| whole.saturating_add(from(&day, start, rest)));
    let (mut least, mut most) = (u64::MAX, 0);
    for time in times {
        least = least.min(time);
        most = most.max(time);
    }
    Some((least, most))
}

/// Milliseconds until `rest`, which is no more than a day does, is done from this minute on.
fn from(day: &[u64], start: u32, mut rest: u64) -> u64 {
    let start = usize::try_from(start % DAY).unwrap_or(0);
    let mut passed = 0_u64;
    for done in day.iter().cycle().skip(start).take(day.len()) {
        if *done >= rest {
            let part = u128::from(rest) * 60_000 / u128::from((*done).max(1));
            return passed.saturating_add(u64::try_from(part).unwrap_or(60_000));
        }
        rest = rest.saturating_sub(*done);
        passed = passed.saturating_add(60_000);
    }
    passed
}

/// "22:00-06:00 50.0 MB/s, 06:00-22:00 nothing".
pub(super) fn text(budgets: &[BookkeeperBudget]) -> String {
    let time = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
    let one = |budget: &BookkeeperBudget| {
        let rate = match budget.bytes_per_s {
            0 => "nothing".to_owned(),
            bytes => format!("{}.{} MB/s", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
        };
        format!("{}-{} {rate}", time(budget.begin_minute), time(budget.end_minute))
    };
    budgets.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;

    fn budget(begin_h: u32, end_h: u32, bytes_per_s: u64) -> BookkeeperBudget {
        BookkeeperBudget { begin_minute: begin_h * 60, end_minute: end_h * 60, bytes_per_s }
    }

    fn bytes(rate: Rate) -> u64 {
        match rate {
            Rate::Paused => 0,
            Rate::Limited(bytes) => bytes * 60,
            Rate::Free => u64::MAX,
        }
    }

    #[test]
    fn hours_go_over_midnight() {
        let budgets = [budget(22, 6, 50), budget(6, 20, 0)];
        let at = |hour: u32| rate(&budgets, hour * 60);
        assert_eq!([at(22), at(0), at(5)], [Rate::Limited(50); 3]);
        assert_eq!([at(6), at(19)], [Rate::Paused; 2]);
        assert_eq!([at(20), at(21)], [Rate::Free; 2]);
        assert_eq!(rate(&budgets, 22 * 60 - 1), Rate::Free);
        assert_eq!(rate(&[budget(3, 3, 7)], 0), Rate::Limited(7), "the whole day");
        assert!(pauses(&budgets) && limits(&budgets));
        assert!(!pauses(&[]) && !limits(&[]));
    }

    #[test]
    fn so_many_bytes_take_so_long() {
        // The whole day at 1000 bytes per second.
        let slow = [budget(0, 0, 1000)];
        assert_eq!(lasts(&slow, 60_000, bytes), Some((MINUTE, MINUTE)));
        assert_eq!(lasts(&slow, 3_600_000, bytes), Some((HOUR, HOUR)));
        let daily = 1000 * 86_400;
        assert_eq!(lasts(&slow, 3 * daily, bytes), Some((72 * HOUR, 72 * HOUR)));
        assert_eq!(lasts(&slow, 0, bytes), Some((0, 0)));
        assert!(lasts(&[], u64::MAX / 2, bytes).unwrap().1 <= MINUTE, "no limit");
    }

    #[test]
    fn it_depends_on_when_it_begins() {
        // Eight hours at night, and nothing by day.
        let nights = [budget(22, 6, 1000), budget(6, 22, 0)];
        let hour = 3_600_000;
        assert_eq!(lasts(&nights, hour, bytes), Some((HOUR, 17 * HOUR)));
        assert_eq!(lasts(&nights, 8 * hour, bytes), Some((8 * HOUR, 24 * HOUR)));
        // One byte more than a night.
        let (least, most) = lasts(&nights, 8 * hour + 1, bytes).unwrap();
        assert_eq!((least / HOUR, most / HOUR), (24, 40));
    }

    #[test]
    fn nothing_at_all_is_never() {
        let paused = [budget(0, 12, 0), budget(12, 0, 0)];
        assert_eq!(lasts(&paused, 1, bytes), None);
        assert_eq!(lasts(&paused, 0, bytes), Some((0, 0)));
        // An hour without a limit is enough for any number of bytes.
        let (least, most) = lasts(&[budget(0, 23, 0)], u64::MAX, bytes).unwrap();
        assert!(least <= MINUTE && most >= 23 * HOUR, "{least} {most}");
    }

    #[test]
    fn hours_read_well() {
        let budgets = [budget(22, 6, 50_000_000), budget(6, 22, 0)];
        assert_eq!(text(&budgets), "22:00-06:00 50.0 MB/s, 06:00-22:00 nothing");
    }
}
