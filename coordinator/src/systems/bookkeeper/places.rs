//! Whether racks and isolation groups have bookies enough when some leave. Where bookies stand is what the spec says:
//! no bookie tells it.

use std::collections::BTreeSet;

use bellows_proto::v1::{BookkeeperNodePlace, BookkeeperSpecOptions};

use super::view::{View, reading, setting};

const MIN_RACKS: &str = "minNumRacksPerWriteQuorum";
const ENFORCED: &str = "enforceMinNumRacksPerWriteQuorum";

/// What BookKeeper takes where nothing is said.
const USUAL_RACKS: u32 = 2;

/// Who stays and who goes, by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parting<'a> {
    pub(super) left: &'a [String],
    pub(super) going: &'a [String],
}

/// How many racks copies of an entry are to lie in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Racks {
    least: u32,
    /// Who asks for them.
    by: String,
}

/// Where a bookie stands.
pub(super) fn of<'a>(
    places: &'a [BookkeeperNodePlace],
    node: &str,
) -> Option<&'a BookkeeperNodePlace> {
    places.iter().find(|place| place.node == node)
}

/// Isolation groups that lose a bookie and have too few for what is written to them then.
pub(super) fn short_groups(parting: Parting<'_>, options: &BookkeeperSpecOptions) -> Vec<String> {
    let within = |groups: &[String], node: &String| {
        of(&options.places, node).is_some_and(|place| groups.contains(&place.group))
    };
    let mut short = Vec::new();
    for quorum in options.quorums.iter().filter(|quorum| !quorum.groups.is_empty()) {
        let loses = parting.going.iter().any(|node| within(&quorum.groups, node));
        let left = parting.left.iter().filter(|node| within(&quorum.groups, node)).count();
        if loses && usize::try_from(quorum.ensemble).unwrap_or(usize::MAX) >= left {
            short.push(format!(
                "{left} writable bookies would be left in isolation group {}, more are needed than an ensemble of {} ({})",
                quorum.groups.join("+"),
                quorum.ensemble,
                quorum.name
            ));
        }
    }
    short
}

/// How many racks are asked for: by the spec, else by the configuration of those who stay, where it is enforced or
/// where racks are known. `None`: by nobody.
///
/// # Errors
/// If a configuration was not read.
pub(super) fn asked(
    view: View<'_>,
    without: &[String],
    options: &BookkeeperSpecOptions,
) -> Result<Option<Racks>, String> {
    if options.min_racks > 0 {
        return Ok(Some(Racks { least: options.min_racks, by: "min_racks".to_owned() }));
    }
    let known = options.places.iter().any(|place| !place.rack.is_empty());
    let mut most: Option<Racks> = None;
    for member in view.in_spec().filter(|member| !without.contains(&member.node)) {
        let reading = reading(member)?;
        let enforced = setting(reading, ENFORCED).is_some_and(|value| value.trim() == "true");
        let told = setting(reading, MIN_RACKS).and_then(|value| value.trim().parse::<u32>().ok());
        let least = match (told, enforced) {
            (Some(least), _) if enforced || known => least,
            (None, true) => USUAL_RACKS,
            (Some(_) | None, _) => continue,
        };
        if most.as_ref().is_none_or(|racks| racks.least < least) {
            let by = format!("{MIN_RACKS} of {}", member.node);
            most = Some(Racks { least, by });
        }
    }
    Ok(most)
}

/// What is wrong with the racks of those who stay; `None`: they are enough.
pub(super) fn short_racks(
    left: &[String],
    places: &[BookkeeperNodePlace],
    asked: &Racks,
) -> Option<String> {
    let mut racks = BTreeSet::new();
    let mut unknown = Vec::new();
    for node in left {
        match of(places, node).map(|place| place.rack.as_str()) {
            Some("") | None => unknown.push(node.as_str()),
            Some(rack) => {
                racks.insert(rack);
            }
        }
    }
    if racks.len() >= usize::try_from(asked.least).unwrap_or(usize::MAX) {
        return None;
    }
    let mut text = format!("{} would have a bookie left", named(&racks));
    if !unknown.is_empty() {
        text.push_str(&format!(", and the rack of {} is not known", unknown.join(", ")));
    }
    Some(format!("{text}; {} are asked for by {}", asked.least, asked.by))
}

fn named(racks: &BTreeSet<&str>) -> String {
    let list: Vec<&str> = racks.iter().copied().collect();
    match list.as_slice() {
        [] => "no rack that is known".to_owned(),
        [one] => format!("1 rack ({one})"),
        list => format!("{} racks ({})", list.len(), list.join(" ")),
    }
}

/// Groups that are asked for and have nobody, each with who asks.
pub(super) fn empty_groups(options: &BookkeeperSpecOptions) -> Vec<String> {
    let has = |group: &String| options.places.iter().any(|place| place.group == *group);
    let mut empty = Vec::new();
    for quorum in &options.quorums {
        for group in quorum.groups.iter().filter(|group| !has(group)) {
            empty.push(format!("{} asks for isolation group {group}, in which no bookie is: say who is, with group.NODE={group}", quorum.name));
        }
    }
    empty
}

/// "bk1 /r1 g1, bk2 /r2".
pub(super) fn listed(places: &[BookkeeperNodePlace]) -> String {
    let told = |place: &BookkeeperNodePlace| {
        let words = [&place.node, &place.rack, &place.group].map(String::as_str);
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    match places {
        [] => "none".to_owned(),
        places => places.iter().map(told).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::v1::BookkeeperQuorum;

    fn place(node: &str, rack: &str, group: &str) -> BookkeeperNodePlace {
        BookkeeperNodePlace { node: node.into(), rack: rack.into(), group: group.into() }
    }

    fn names(nodes: &[&str]) -> Vec<String> {
        nodes.iter().map(|node| (*node).to_owned()).collect()
    }

    fn options() -> BookkeeperSpecOptions {
        let places = [
            place("b1", "/r1", "g1"),
            place("b2", "/r1", "g1"),
            place("b3", "/r2", "g1"),
            place("b4", "/r2", "g2"),
        ];
        let quorum = BookkeeperQuorum {
            name: "public/big".into(),
            ensemble: 2,
            write_quorum: 2,
            ack_quorum: 2,
            groups: names(&["g1"]),
        };
        BookkeeperSpecOptions {
            places: places.to_vec(),
            quorums: vec![quorum],
            ..Default::default()
        }
    }

    fn short(left: &[&str], going: &[&str], options: &BookkeeperSpecOptions) -> Vec<String> {
        let (left, going) = (names(left), names(going));
        short_groups(Parting { left: &left, going: &going }, options)
    }

    #[test]
    fn a_group_keeps_more_than_its_ensemble() {
        let mut options = options();
        assert_eq!(
            short(&["b1", "b2", "b4", "b5"], &["b3"], &options),
            [
                "2 writable bookies would be left in isolation group g1, more are needed than an ensemble of 2 (public/big)"
            ]
        );
        let elsewhere = short(&["b1", "b2", "b5"], &["b4"], &options);
        assert!(elsewhere.is_empty(), "it loses none: {elsewhere:?}");
        options.quorums[0].groups = names(&["g1", "g2"]);
        assert!(short(&["b1", "b2", "b4", "b5"], &["b3"], &options).is_empty());
        assert_eq!(short(&["b1", "b5"], &["b3", "b4"], &options).len(), 1);
        options.places.clear();
        assert_eq!(empty_groups(&options).len(), 2);
    }

    #[test]
    fn racks_are_as_many_as_are_asked_for() {
        let (options, asked) = (options(), Racks { least: 2, by: "min_racks".into() });
        let short = |left: &[&str]| short_racks(&names(left), &options.places, &asked);
        assert_eq!(short(&["b1", "b3"]), None);
        assert_eq!(
            short(&["b1", "b2"]).unwrap(),
            "1 rack (/r1) would have a bookie left; 2 are asked for by min_racks"
        );
        assert!(short(&["b1", "b9"]).unwrap().contains("the rack of b9 is not known"));
        assert!(short(&["b9"]).unwrap().starts_with("no rack that is known would"));
    }
}
