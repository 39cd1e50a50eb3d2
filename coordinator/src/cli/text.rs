//! How numbers, times and foreign text look in a terminal. Pure.

use bellows_proto::remarks::is_invisible;
use jiff::{Timestamp, tz::TimeZone};

/// Control characters as visible escapes, so that text from a host cannot move the cursor,
/// change colours or fake a line.
pub fn escape(text: &str) -> String {
    escape_but(text, &[])
}

/// As [`escape`], but line ends and tabs stay: for captured output.
pub fn escape_output(text: &str) -> String {
    escape_but(text, &['\n', '\t'])
}

fn escape_but(text: &str, kept: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if (c.is_control() || is_invisible(c)) && !kept.contains(&c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A duration in milliseconds with its two biggest units: "3 h 5 min", "42 s", "350 ms".
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    let pair = |big: u64, big_unit: &str, small: u64, small_unit: &str| {
        if small == 0 {
            format!("{big} {big_unit}")
        } else {
            format!("{big} {big_unit} {small} {small_unit}")
        }
    };
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds} s"),
        60..3600 => pair(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => pair(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => pair(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// An estimate in milliseconds, rounded up so that it promises no more than it knows: "about 40 s",
/// "about 7 min", "about 2 h 10 min".
pub fn about(ms: u64) -> String {
    const MINUTE: u64 = 60_000;
    let up = |unit: u64| ms.div_ceil(unit).saturating_mul(unit);
    let rounded = match ms {
        0..10_000 => up(1000),
        10_000..MINUTE => up(5000),
        MINUTE..3_600_000 => up(MINUTE),
        _ => up(10 * MINUTE),
    };
    format!("about {}", duration(rounded))
}

/// Bytes in binary units with one decimal: "1.5 GiB".
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[allow(clippy::cast_precision_loss)] // one decimal is shown
    let mut value = count as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A measured quantity in its own unit; bytes get binary units.
pub fn quantity(count: u64, unit: &str) -> String {
    match unit {
        "bytes" => bytes(count),
        "" => count.to_string(),
        other => format!("{count} {other}"),
    }
}

/// Date and time, to the second; "-" for 0.
pub fn date_time(ms: i64, zone: &TimeZone) -> String {
    format_time(ms, zone, "%Y-%m-%d %H:%M:%S")
}

/// The time of day, to the second; "-" for 0.
pub fn clock_time(ms: i64, zone: &TimeZone) -> String {
    format_time(ms, zone, "%H:%M:%S")
}

fn format_time(ms: i64, zone: &TimeZone, form: &str) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(time) if ms > 0 => time.to_zoned(zone.clone()).strftime(form).to_string(),
        Ok(_) | Err(_) => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(
            escape("a\u{1b}[31mb\r\n\u{202e}c\u{9b}"),
            "a\\u{1b}[31mb\\r\\n\\u{202e}c\\u{9b}"
        );
        assert_eq!(escape_output("a\n\tb\u{7}"), "a\n\tb\\u{7}");
        assert_eq!(escape("数据 é"), "数据 é");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(duration(350), "350 ms");
        assert_eq!(duration(42_999), "42 s");
        assert_eq!(duration(60_000), "1 min");
        assert_eq!(duration(11_100_000), "3 h 5 min");
        assert_eq!(duration(90_000_000), "1 d 1 h");
        assert_eq!(about(1), "about 1 s");
        assert_eq!(about(41_000), "about 45 s");
        assert_eq!(about(61_000), "about 2 min");
        assert_eq!(about(7_300_000), "about 2 h 10 min");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536 * 1024 * 1024), "1.5 GiB");
        assert_eq!(bytes(u64::MAX), "16384.0 PiB");
        assert_eq!(quantity(7, "ranges"), "7 ranges");
    }

    #[test]
    fn times_have_a_zone() {
        assert_eq!(date_time(0, &TimeZone::UTC), "-");
        assert_eq!(date_time(1_700_000_000_000, &TimeZone::UTC), "2023-11-14 22:13:20");
        assert_eq!(clock_time(1_700_000_000_000, &TimeZone::UTC), "22:13:20");
    }
}
