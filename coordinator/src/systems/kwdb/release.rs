//! Releases of KWDB, as far as a plan depends on them.

use std::cmp::Ordering;

/// From this one on the open-source build lets nodes go; those before refuse without a licence.
const LETS_GO: [u32; 3] = [2, 2, 1];

/// The numbers of a release: "V3.1.0", "v2.0.3.2", "3.1.0-rc1".
fn numbers(version: &str) -> Option<Vec<u32>> {
    let text = version.trim().trim_start_matches(['V', 'v']);
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let numbers: Option<Vec<u32>> =
        text.get(..end)?.split('.').map(|number| number.parse().ok()).collect();
    numbers.filter(|numbers| numbers.len() >= 2)
}

/// Whether this release refuses a decommission for want of a licence.
///
/// # Errors
/// If the release cannot be told by its name.
pub(super) fn refuses_to_let_go(version: &str) -> Result<bool, String> {
    let numbers = numbers(version)
        .ok_or_else(|| format!("{version:?} is no release that can be compared with V2.2.1"))?;
    Ok(numbers.as_slice().cmp(LETS_GO.as_slice()) == Ordering::Less)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_before_2_2_1_refuse() {
        let table = [
            ("V2.0.3.2", true),
            ("V2.1.0", true),
            ("V2.2.0", true),
            ("V2.2", true),
            ("V2.2.1", false),
            ("V2.2.2", false),
            ("V3.0", false),
            ("V3.1.0", false),
            ("v3.2.1-12-gabcdef", false),
            ("10.0.0", false),
        ];
        for (version, refuses) in table {
            assert_eq!(refuses_to_let_go(version), Ok(refuses), "{version}");
        }
        for odd in ["", "V", "V3", "latest", "V3..1", "V99999999999.1"] {
            assert!(refuses_to_let_go(odd).is_err(), "{odd}");
        }
    }
}
