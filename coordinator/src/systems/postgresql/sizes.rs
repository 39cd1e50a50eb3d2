//! How much room a base backup needs; sizes and numbers in words.

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// Free space that an empty, newly made server is given. Its own files take some 40 MiB.
pub(super) const FRESH_BYTES: u64 = 2 * GIB;

/// Room for one base backup: the size with a tenth for growth while it runs, and 1 GiB for WAL.
pub(super) fn clone_bytes(database_bytes: u64) -> u64 {
    database_bytes.saturating_add(database_bytes / 10).saturating_add(GIB)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_needs_its_size_a_tenth_and_one_gibibyte() {
        assert_eq!(clone_bytes(0), GIB);
        assert_eq!(clone_bytes(1000), 1100 + GIB);
        assert_eq!(clone_bytes(u64::MAX), u64::MAX);
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(text(0), "0.0 MiB");
        assert_eq!(text(31 * MIB + MIB / 2), "31.5 MiB");
        assert_eq!(text(3 * GIB), "3.0 GiB");
    }
}
