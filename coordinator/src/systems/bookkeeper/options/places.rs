//! Where bookies stand: `rack.NODE` and `group.NODE`.

use bellows_proto::{
    names::{NodeName, natural},
    v1::{BookkeeperNodePlace, BookkeeperPlaceChange},
};

pub(in super::super) const RACK: &str = "rack.";
pub(in super::super) const GROUP: &str = "group.";

const LONGEST: usize = 100;

/// Whether a key says where a bookie stands.
pub(super) fn is_of_one(key: &str) -> bool {
    key.starts_with(RACK) || key.starts_with(GROUP)
}

/// Adds what one option says to what others have said. Empty: it has none any more.
pub(super) fn set(
    changes: &mut Vec<BookkeeperPlaceChange>,
    key: &str,
    value: &str,
) -> Result<(), String> {
    let (node, is_rack) = match (key.strip_prefix(RACK), key.strip_prefix(GROUP)) {
        (Some(node), _) => (node, true),
        (None, Some(node)) => (node, false),
        (None, None) => return Err(format!("{key} is not known")),
    };
    node.parse::<NodeName>().map_err(|why| format!("{key}: {why}"))?;
    if !value.is_empty() && is_rack && !good_rack(value) {
        return Err(format!("{key}={value}: a rack is wanted, like /rack1 or /region1/rack1"));
    }
    if !value.is_empty() && !is_rack {
        group(value).map_err(|why| format!("{key}={value}: {why}"))?;
    }
    let at = changes.iter().position(|change| change.node == node);
    let mut change = at.map(|at| changes.remove(at)).unwrap_or_default();
    change.node = node.to_owned();
    let field = if is_rack { &mut change.rack } else { &mut change.group };
    *field = Some(value.to_owned());
    changes.push(change);
    changes.sort_by(|a, b| natural(&a.node, &b.node));
    Ok(())
}

/// As Pulsar takes it: a rack, or a rack in a region.
fn good_rack(value: &str) -> bool {
    let mut words = value.split('/');
    let begins = words.next() == Some("");
    let words: Vec<&str> = words.collect();
    begins && (1..=2).contains(&words.len()) && words.into_iter().all(is_word)
}

/// The name of an isolation group.
pub(super) fn group(value: &str) -> Result<&str, String> {
    is_word(value).then_some(value).ok_or_else(|| {
        "the name of an isolation group is wanted: letters, digits, '.', '_' and '-'".to_owned()
    })
}

fn is_word(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !word.is_empty() && word.len() <= LONGEST && word.chars().all(plain)
}

/// What stands there already, with these changes, in natural order.
pub(super) fn changed(
    places: &[BookkeeperNodePlace],
    changes: &[BookkeeperPlaceChange],
) -> Vec<BookkeeperNodePlace> {
    let mut all = places.to_vec();
    for change in changes {
        let at = all.iter().position(|place| place.node == change.node);
        let mut place = at.map(|at| all.remove(at)).unwrap_or_default();
        place.node.clone_from(&change.node);
        if let Some(rack) = &change.rack {
            place.rack.clone_from(rack);
        }
        if let Some(group) = &change.group {
            place.group.clone_from(group);
        }
        all.push(place);
    }
    all.retain(|place| !place.rack.is_empty() || !place.group.is_empty());
    all.sort_by(|a, b| natural(&a.node, &b.node));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_changed_alone() {
        let mut changes = Vec::new();
        set(&mut changes, "group.bk10", "g1").unwrap();
        set(&mut changes, "rack.bk9", "/east/r1").unwrap();
        set(&mut changes, "rack.bk10", "/r2").unwrap();
        let nodes: Vec<&str> = changes.iter().map(|change| change.node.as_str()).collect();
        assert_eq!(nodes, ["bk9", "bk10"]);
        let there = changed(&[], &changes);
        let mut less = Vec::new();
        set(&mut less, "rack.bk10", "").unwrap();
        set(&mut less, "rack.bk9", "").unwrap();
        let left = changed(&there, &less);
        let bk10 = BookkeeperNodePlace { node: "bk10".into(), group: "g1".into(), rack: "".into() };
        assert_eq!(left, [bk10]);
    }

    #[test]
    fn odd_racks_and_groups_are_refused() {
        for (key, value) in [
            ("rack.bk1", "r1"),
            ("rack.bk1", "/"),
            ("rack.bk1", "/a/b/c"),
            ("rack.bk1", "/a b"),
            ("rack.bk1", "/a;b"),
            ("rack.BK 1", "/a"),
            ("rack.", "/a"),
            ("group.bk1", "g+1"),
            ("group.bk1", "-x;"),
            ("shelf.bk1", "/a"),
        ] {
            let mut changes = Vec::new();
            assert!(set(&mut changes, key, value).is_err(), "{key}={value}");
            assert!(changes.is_empty());
        }
    }
}
