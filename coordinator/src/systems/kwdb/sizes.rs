//! Sizes and numbers in words.

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// A size in words, rounded down to a tenth.
pub(super) fn text(bytes: u64) -> String {
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

/// "1 member", "3 members".
pub(super) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// "1 range", "3 ranges".
pub(super) fn many(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers_read_well() {
        assert_eq!(text(31 * MIB + MIB / 2), "31.5 MiB");
        assert_eq!(text(3 * GIB), "3.0 GiB");
        assert_eq!((count(1, "member"), many(0, "range")), ("1 member".into(), "0 ranges".into()));
    }
}
