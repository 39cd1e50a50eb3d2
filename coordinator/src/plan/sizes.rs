//! Sizes, numbers and times in words.

use std::ops::RangeInclusive;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// A size in words, rounded down to a tenth.
pub fn text(bytes: u64) -> String {
    let tenths = |unit: u64| (bytes / unit, bytes % unit * 10 / unit);
    let (whole, tenth, unit) = if bytes >= GIB {
        let (whole, tenth) = tenths(GIB);
        (whole, tenth, "GiB")
    } else {
        let (whole, tenth) = tenths(MIB);
        (whole, tenth, "MiB")
    };
    format!("{whole}.{tenth} {unit}")
}

/// A time in milliseconds with its two biggest units, rounded down: "2 d 4 h", "3 h 5 min", "42 s".
pub fn age(ms: u64) -> String {
    let seconds = ms / 1000;
    let pair = |big: u64, big_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big} {big_unit}"),
        small => format!("{big} {big_unit} {small} {small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => pair(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => pair(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => pair(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// An estimate in milliseconds, rounded up so that it promises no more than it knows: "5 min to 10 min", "3 h".
pub fn about(ms: RangeInclusive<u64>) -> String {
    let (least, most) = (rounded(*ms.start()), rounded(*ms.end()));
    if least == most { age(most) } else { format!("{} to {}", age(least), age(most)) }
}

/// Up to minutes, ten minutes or hours.
fn rounded(ms: u64) -> u64 {
    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;
    let up = |unit: u64| ms.div_ceil(unit).saturating_mul(unit);
    match ms {
        0..MINUTE => MINUTE,
        MINUTE..HOUR => up(MINUTE),
        HOUR..86_400_000 => up(10 * MINUTE),
        _ => up(HOUR),
    }
}

/// "1 member", "3 members".
pub fn count(number: usize, thing: &str) -> String {
    many(u64::try_from(number).unwrap_or(u64::MAX), thing)
}

/// "1 range", "3 ranges".
pub fn many(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_well() {
        let minute = 60_000;
        let texts = [0, 59_999, 5 * minute, 125 * minute, 1440 * minute, 100 * 60 * minute];
        let texts = texts.map(age);
        assert_eq!(texts, ["0 s", "59 s", "5 min", "2 h 5 min", "1 d", "4 d 4 h"]);
    }

    #[test]
    fn estimates_promise_no_more_than_they_know() {
        assert_eq!(about(0..=60_001), "1 min to 2 min");
        assert_eq!(about(7_200_000..=10_800_000), "2 h to 3 h");
        assert_eq!(about(3_600_001..=3_700_000), "1 h 10 min");
        assert_eq!(about(86_400_000..=90_000_001), "1 d to 1 d 2 h");
    }

    #[test]
    fn sizes_and_numbers_read_well() {
        assert_eq!(text(0), "0.0 MiB");
        assert_eq!(text(31 * MIB + MIB / 2), "31.5 MiB");
        assert_eq!(text(3 * GIB), "3.0 GiB");
        assert_eq!((count(1, "member"), many(0, "range")), ("1 member".into(), "0 ranges".into()));
    }
}
