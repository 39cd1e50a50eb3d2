//! Unknown keys, with the known one that is nearest.

use toml::{Table, Value};

use super::{bookkeeper, fronts, kwdb, postgresql, values::Checker};

const TOP: &[&str] = &["agent", "systems", "profiles"];
const AGENT: &[&str] =
    &["host", "listen", "data_dir", "runtime_dir", "address", "launch", "mode", "audit_segments"];
const SYSTEMS: &[&str] = &["postgresql", "kwdb", "bookkeeper"];

/// Notes every key that nothing reads. A new system adds its section here.
pub(super) fn check(table: &Table, checker: &mut Checker) {
    section(checker, "", table, TOP);
    let part = |name: &str| table.get(name).and_then(Value::as_table);
    if let Some(agent) = part("agent") {
        section(checker, "agent.", agent, AGENT);
    }
    if let Some(systems) = part("systems") {
        section(checker, "systems.", systems, SYSTEMS);
        if let Some(bookkeeper) = systems.get("bookkeeper").and_then(Value::as_table) {
            section(checker, "systems.bookkeeper.", bookkeeper, bookkeeper::KEYS);
        }
        if let Some(kwdb) = systems.get("kwdb").and_then(Value::as_table) {
            section(checker, "systems.kwdb.", kwdb, kwdb::KEYS);
        }
        if let Some(postgresql) = systems.get("postgresql").and_then(Value::as_table) {
            section(checker, "systems.postgresql.", postgresql, postgresql::KEYS);
            let adopted = postgresql.get("adopted").and_then(Value::as_array);
            for entry in adopted.into_iter().flatten().filter_map(Value::as_table) {
                let prefix = "systems.postgresql.adopted.";
                section(checker, prefix, entry, postgresql::ADOPTED_KEYS);
            }
            let declared = postgresql.get("fronts").and_then(Value::as_array);
            for entry in declared.into_iter().flatten().filter_map(Value::as_table) {
                section(checker, "systems.postgresql.fronts.", entry, fronts::KEYS);
            }
        }
    }
}

fn section(checker: &mut Checker, prefix: &str, table: &Table, known: &[&str]) {
    for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
        let nearest = known
            .iter()
            .min_by_key(|candidate| distance(key, candidate))
            .copied()
            .unwrap_or_default();
        checker.mistake(format!("{prefix}{key}: unknown key; did you mean {prefix}{nearest}?"));
    }
}

/// Edit distance (insert, delete, replace).
fn distance(a: &str, b: &str) -> usize {
    let target: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=target.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in target.iter().enumerate() {
            let at = |index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let replace = at(j) + usize::from(x != *y);
            let insert = next.last().copied().unwrap_or(usize::MAX - 1) + 1;
            next.push(replace.min(insert).min(at(j + 1) + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_edits() {
        for (a, b, edits) in
            [("", "", 0), ("abc", "abc", 0), ("lisen", "listen", 1), ("x", "port", 4)]
        {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }
}
