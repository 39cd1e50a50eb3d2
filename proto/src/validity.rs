//! How far a certificate is in its life, and what is due then. Pure: the caller has the clock.

use crate::v1::CertificateFacts;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// A certificate is told of as ending when a quarter of its time is left, or this, if that is less.
const ENDING_MS: i64 = 60 * DAY_MS;

/// Where in its life a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is due.
    Fresh,
    /// Half of its time is over: a new one is made.
    Due,
    /// A new one should have been made long ago.
    Ending,
    /// Nobody accepts it any more.
    Ended,
}

/// Where a certificate is in its life at `now_ms`, milliseconds since 1970.
pub fn standing(facts: &CertificateFacts, now_ms: i64) -> Standing {
    let life = facts.valid_until_ms.saturating_sub(facts.valid_from_ms);
    let left = facts.valid_until_ms.saturating_sub(now_ms);
    if left <= 0 {
        Standing::Ended
    } else if left <= (life / 4).min(ENDING_MS) {
        Standing::Ending
    } else if left <= life / 2 {
        Standing::Due
    } else {
        Standing::Fresh
    }
}

/// Whole days until it ends; 0: less than one, or it has ended.
pub fn days_left(valid_until_ms: i64, now_ms: i64) -> i64 {
    (valid_until_ms.saturating_sub(now_ms) / DAY_MS).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: i64, now: i64) -> Standing {
        let facts = CertificateFacts {
            valid_from_ms: 0,
            valid_until_ms: days * DAY_MS,
            ..CertificateFacts::default()
        };
        standing(&facts, now * DAY_MS)
    }

    #[test]
    fn half_of_the_life_then_the_end() {
        for (now, expected) in [
            (-5, Standing::Fresh),
            (0, Standing::Fresh),
            (182, Standing::Fresh),
            (183, Standing::Due),
            (304, Standing::Due),
            (305, Standing::Ending),
            (364, Standing::Ending),
            (365, Standing::Ended),
            (9999, Standing::Ended),
        ] {
            assert_eq!(at(365, now), expected, "day {now}");
        }
        // A short one is told of in its last quarter.
        assert_eq!((at(8, 5), at(8, 6)), (Standing::Due, Standing::Ending));
        assert_eq!(standing(&CertificateFacts::default(), i64::MAX), Standing::Ended);
    }

    #[test]
    fn days_are_whole() {
        assert_eq!(days_left(3 * DAY_MS - 1, 0), 2);
        assert_eq!(days_left(0, DAY_MS), 0);
    }
}
