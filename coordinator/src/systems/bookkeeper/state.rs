//! Whether a bookie stays what it was told to be: read-only by hand, over a restart and over the turns of its own
//! disk monitor.

use super::{
    versions,
    view::{View, setting},
};

/// The key that keeps it over a restart.
const KEY: &str = "persistBookieStatusEnabled";

/// A bookie of this version does not go back to writable by itself (PR 4640).
fn stays(version: (u32, u32, u32)) -> bool {
    match version {
        (4, 16, patch) => patch >= 8,
        (4, 17, patch) => patch >= 3,
        (major, minor, _) => major > 4 || (major == 4 && minor >= 18),
    }
}

/// What was seen that keeps it. Inner error: what does not; outer error: something was not read.
pub(super) fn kept(view: View<'_>, node: &str) -> Result<Result<String, String>, String> {
    let reading = view.reading(node)?;
    let version = versions::of_node(view, node)?;
    let numbers = versions::numbers(&version)
        .ok_or_else(|| format!("the version {version:?} of {node} is not understood"))?;
    // Absent: the tool's default, which is false.
    let persists = setting(reading, KEY).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !persists {
        return Ok(Err(format!(
            "{node} comes back writable after a restart: its configuration has no {KEY}=true"
        )));
    }
    if !stays(numbers) {
        return Ok(Err(format!(
            "{node} has version {version}, which goes back to writable by itself; 4.16.8, 4.17.3 and later do not"
        )));
    }
    Ok(Ok(format!("{node}: {KEY}=true, version {version}")))
}

#[cfg(test)]
mod tests {
    use super::stays;

    #[test]
    fn older_versions_turn_by_themselves() {
        for (version, wanted) in [
            ((4, 14, 5), false),
            ((4, 16, 7), false),
            ((4, 16, 8), true),
            ((4, 17, 2), false),
            ((4, 17, 3), true),
            ((4, 18, 0), true),
            ((5, 0, 0), true),
        ] {
            assert_eq!(stays(version), wanted, "{version:?}");
        }
    }
}
