//! Times as the tool writes them (facts section 3: `YYYY-MM-DD HH:MM:SS[.fraction]`, no zone, trailing zeros trimmed; UTC is inferred).

/// A time in milliseconds since 1970 as `kwbase` shows it.
#[must_use]
pub fn stamp(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // The civil date of a day number, by the usual computation with eras of 400 years.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (seconds, millis) = (rest / 1_000, rest % 1_000);
    let mut text = format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    );
    if millis > 0 {
        text.push_str(format!(".{millis:03}").trim_end_matches('0'));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::stamp;

    #[test]
    fn times_are_written_without_trailing_zeros() {
        assert_eq!(stamp(0), "1970-01-01 00:00:00");
        assert_eq!(stamp(1_767_600_001_500), "2026-01-05 08:00:01.5");
        assert_eq!(stamp(1_709_164_800_123), "2024-02-29 00:00:00.123");
    }
}
