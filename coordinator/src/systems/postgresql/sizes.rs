//! How much room a base backup needs; sizes and numbers in words.

pub(super) use crate::plan::sizes::{age, count, text};

const GIB: u64 = 1 << 30;

/// Free space that an empty, newly made server is given. Its own files take some 40 MiB.
pub(super) const FRESH_BYTES: u64 = 2 * GIB;

/// Room for one base backup: the size with a tenth for growth while it runs, and 1 GiB for WAL.
pub(super) fn clone_bytes(database_bytes: u64) -> u64 {
    database_bytes.saturating_add(database_bytes / 10).saturating_add(GIB)
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
}
