//! What was read of many, in few words.

use std::collections::BTreeMap;

use bellows_proto::names::natural;

/// "a", "a, b", in natural order.
pub fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut items: Vec<&str> = items.collect();
    items.sort_by(|a, b| natural(a, b));
    items.join(", ")
}

/// Values with who has them: "x86_64 (h1, h2)". Mostly there is one.
pub fn by_value<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (value, who) in pairs {
        values.entry(value).or_default().push(who);
    }
    let texts =
        values.iter().map(|(value, who)| format!("{value} ({})", list(who.iter().copied())));
    texts.collect::<Vec<_>>().join("; ")
}
