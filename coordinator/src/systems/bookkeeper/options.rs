//! Options of the verbs: typed from `--option key=value`, with their defaults.

use bellows_proto::v1::{
    BookkeeperBudgets, BookkeeperIntentOptions, BookkeeperPlaceChange, BookkeeperQuorum,
    BookkeeperQuorums, BookkeeperReconfigure, BookkeeperSpecOptions, BookkeeperWay, Intent,
    IntentOptions, KeyValue, OptionsChange, Spec, SpecOptions, intent_options, spec_options,
};

mod places;
mod values;

/// With two copies of everything, fewer bookies than this have no place for the third.
pub(super) const LEAST_BOOKIES: u32 = 3;
const MOST_BOOKIES: u32 = 1000;

/// Racks that copies of an entry may be asked to lie in.
const MOST_RACKS: u32 = 100;

/// Besides `policy.TENANT/NAMESPACE`, and where bookies stand.
const CLUSTER: &[&str] = &["broker", "budget", "min_bookies", "min_racks"];
/// Of a cluster that is in care: what is told is read by its bookies.
const CHANGED: &[&str] = &["broker", "budget", "min_bookies", "min_racks", "places"];
const LEAVING: &[&str] = &["data", "way"];
const POLICY: &str = "policy.";

/// Types the options of a verb. All mistakes at once.
pub fn options(verb: &str, options: &[KeyValue]) -> Result<IntentOptions, Vec<String>> {
    let known = match verb {
        "adopt" => CLUSTER,
        "reconfigure" => CHANGED,
        "shrink" | "replace" => LEAVING,
        _ => &[],
    };
    let stands = matches!(verb, "adopt" | "reconfigure" | "expand" | "replace");
    let mut mistakes = Vec::new();
    let mut typed = BookkeeperIntentOptions::default();
    let mut change = BookkeeperReconfigure::default();
    let mut seen: Vec<&str> = Vec::new();
    for option in options {
        let key = option.key.as_str();
        if seen.contains(&key) {
            mistakes.push(format!("{key} is given twice"));
        }
        seen.push(key);
        let of_cluster = known.contains(&"broker");
        let is_known = known.contains(&key) || (of_cluster && key.starts_with(POLICY));
        let set = match (is_known, of_cluster) {
            _ if stands && places::is_of_one(key) => {
                places::set(&mut typed.places, key, &option.value)
            }
            (false, _) => Err(unknown(verb, key, known, stands)),
            (true, true) => cluster(&mut change, key, &option.value),
            (true, false) => leaving(&mut typed, key, &option.value),
        };
        mistakes.extend(set.err());
    }
    if known.contains(&"broker") {
        change.places = std::mem::take(&mut typed.places);
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    match verb {
        "adopt" => typed.adopt = Some(changed(defaulted(Default::default()), &change)),
        "reconfigure" if !options.is_empty() => typed.reconfigure = Some(change),
        _ => {}
    }
    Ok(IntentOptions { system: Some(intent_options::System::Bookkeeper(typed)) })
}

fn unknown(verb: &str, key: &str, known: &[&str], stands: bool) -> String {
    let mut all = known.to_vec();
    if known.contains(&"broker") {
        all.push("policy.TENANT/NAMESPACE");
    }
    if stands {
        all.extend(["rack.NODE", "group.NODE"]);
    }
    match all.as_slice() {
        [] => format!("{key} is no option of {verb}, which has none for bookkeeper"),
        all => format!("{key} is no option of {verb}; known: {}", all.join(", ")),
    }
}

fn leaving(typed: &mut BookkeeperIntentOptions, key: &str, value: &str) -> Result<(), String> {
    match (key, value) {
        ("data", "keep") => typed.wipe_data = false,
        ("data", "wipe") => typed.wipe_data = true,
        ("data", _) => return Err(format!("data={value}: known are keep and wipe")),
        ("way", "drain") => typed.set_way(BookkeeperWay::Drain),
        ("way", "stop") => typed.set_way(BookkeeperWay::Stop),
        ("way", "expire") => typed.set_way(BookkeeperWay::Expire),
        ("way", _) => return Err(format!("way={value}: known are drain, stop and expire")),
        _ => return Err(format!("{key} is not known")),
    }
    Ok(())
}

fn cluster(change: &mut BookkeeperReconfigure, key: &str, value: &str) -> Result<(), String> {
    match key {
        "min_bookies" => {
            change.min_bookies = Some(values::number(key, value, LEAST_BOOKIES, MOST_BOOKIES)?);
        }
        "budget" => {
            change.budgets = Some(BookkeeperBudgets { budgets: values::budgets(value)? });
        }
        "places" => {
            change.places_in_zookeeper = Some(match value {
                "zookeeper" => true,
                "by-hand" => false,
                _ => return Err(format!("places={value}: known are zookeeper and by-hand")),
            });
        }
        "min_racks" => change.min_racks = Some(values::number(key, value, 0, MOST_RACKS)?),
        "broker" => quorum(change, values::quorum("broker", value)?),
        _ => {
            let name = key.strip_prefix(POLICY).ok_or_else(|| format!("{key} is not known"))?;
            quorum(change, values::quorum(values::namespace(name)?, value)?);
        }
    }
    Ok(())
}

/// One of them replaces them all: what is not named any more is not asked for any more.
fn quorum(change: &mut BookkeeperReconfigure, quorum: Option<BookkeeperQuorum>) {
    let all = change.quorums.get_or_insert_with(BookkeeperQuorums::default);
    all.quorums.extend(quorum);
    all.quorums.sort_by(|a, b| a.name.cmp(&b.name));
}

/// What an intent says besides its verb. Where no way is named it is unspecified: who leaves alive is drained.
pub(super) fn of_intent(intent: &Intent) -> BookkeeperIntentOptions {
    let stored = intent.options.as_ref().and_then(|options| {
        let intent_options::System::Bookkeeper(options) = options.system.as_ref()? else {
            return None;
        };
        Some(options.clone())
    });
    stored.unwrap_or_default()
}

fn defaulted(mut options: BookkeeperSpecOptions) -> BookkeeperSpecOptions {
    options.min_bookies = options.min_bookies.max(LEAST_BOOKIES);
    options
}

fn changed(
    mut options: BookkeeperSpecOptions,
    change: &BookkeeperReconfigure,
) -> BookkeeperSpecOptions {
    options.min_bookies = change.min_bookies.unwrap_or(options.min_bookies);
    if let Some(quorums) = &change.quorums {
        options.quorums.clone_from(&quorums.quorums);
    }
    if let Some(budgets) = &change.budgets {
        options.budgets.clone_from(&budgets.budgets);
    }
    options.min_racks = change.min_racks.unwrap_or(options.min_racks);
    options.places_in_zookeeper = change.places_in_zookeeper.unwrap_or(options.places_in_zookeeper);
    options.places = places::changed(&options.places, &change.places);
    options
}

/// The options of a cluster that is adopted.
pub(super) fn for_adopt(intent: &Intent) -> BookkeeperSpecOptions {
    defaulted(of_intent(intent).adopt.unwrap_or_default())
}

/// The options of a cluster. Where somebody stood who has left counts no more.
pub(super) fn of_spec(spec: &Spec) -> BookkeeperSpecOptions {
    let mut options = stored(spec);
    options.places.retain(|place| spec.nodes.iter().any(|node| node.node == place.node));
    options
}

fn stored(spec: &Spec) -> BookkeeperSpecOptions {
    let stored = spec.options.as_ref().and_then(|options| {
        let spec_options::System::Bookkeeper(options) = options.system.as_ref()? else {
            return None;
        };
        Some(options.clone())
    });
    defaulted(stored.unwrap_or_default())
}

/// Where new bookies are said to stand.
pub(super) fn places(intent: &Intent) -> Vec<BookkeeperPlaceChange> {
    of_intent(intent).places
}

/// The options of a cluster once those who are added are there.
pub(super) fn grown(spec: &Spec, intent: &Intent) -> BookkeeperSpecOptions {
    let mut options = of_spec(spec);
    options.places = places::changed(&options.places, &places(intent));
    options
}

/// What becomes of a spec's options when nodes are added; `None`: nothing.
pub(super) fn growth(spec: &Spec, intent: &Intent) -> Option<OptionsChange> {
    let after = grown(spec, intent);
    (after.places != stored(spec).places)
        .then(|| OptionsChange { before: spec.options.clone(), after: Some(in_spec(after)) })
}

/// The options of a cluster as they are to be.
pub(super) fn reconfigured(spec: &Spec, intent: &Intent) -> BookkeeperSpecOptions {
    let options = of_spec(spec);
    match of_intent(intent).reconfigure {
        Some(change) => changed(options, &change),
        None => options,
    }
}

/// As the spec keeps them.
pub(super) fn in_spec(options: BookkeeperSpecOptions) -> SpecOptions {
    SpecOptions { system: Some(spec_options::System::Bookkeeper(options)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(verb: &str, pairs: &[(&str, &str)]) -> Result<BookkeeperIntentOptions, Vec<String>> {
        let pairs: Vec<KeyValue> = pairs
            .iter()
            .map(|(key, value)| KeyValue { key: (*key).into(), value: (*value).into() })
            .collect();
        options(verb, &pairs).map(|options| match options.system {
            Some(intent_options::System::Bookkeeper(options)) => options,
            _ => panic!("no options"),
        })
    }

    #[test]
    fn options_are_typed() {
        let pairs = [("min_bookies", "4"), ("policy.t/ns", "3/2/2"), ("broker", "2/2/2")];
        let adopt = given("adopt", &pairs).unwrap().adopt.unwrap();
        let names: Vec<&str> = adopt.quorums.iter().map(|one| one.name.as_str()).collect();
        assert_eq!((adopt.min_bookies, names), (4, vec!["broker", "t/ns"]));
        assert_eq!(given("adopt", &[]).unwrap().adopt.unwrap().min_bookies, 3);
        let shrink = given("shrink", &[("way", "stop"), ("data", "wipe")]).unwrap();
        assert!(shrink.wipe_data && shrink.way() == BookkeeperWay::Stop);
        let change = given("reconfigure", &[("budget", "")]).unwrap().reconfigure.unwrap();
        assert_eq!((change.budgets, change.quorums), (Some(Default::default()), None));
        let none = given("reconfigure", &[("broker", "")]).unwrap().reconfigure.unwrap();
        assert_eq!(none.quorums, Some(Default::default()));
        assert!(given("reconfigure", &[]).unwrap().reconfigure.is_none());
        let stands = [("rack.bk4", "/r1"), ("group.bk4", "g1")];
        assert_eq!(given("expand", &stands).unwrap().places.len(), 1);
        let change = given("reconfigure", &stands).unwrap();
        assert!(change.places.is_empty());
        assert_eq!(change.reconfigure.unwrap().places.len(), 1);
        let left_out = of_intent(&Intent::default());
        assert_eq!(left_out.way(), BookkeeperWay::Unspecified);
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let wrong = [
            ("min_bookies", "2"),
            ("colour", "red"),
            ("broker", "2/3/1"),
            ("policy.ns", "3/2/2"),
            ("budget", "22:00=5"),
        ];
        let mistakes = given("adopt", &wrong).unwrap_err();
        assert_eq!(mistakes.len(), 5, "{mistakes:?}");
        assert!(
            mistakes
                .iter()
                .any(|one| one.contains("known: broker, budget, min_bookies, min_racks, policy."))
        );
        assert_eq!(given("shrink", &[("rack.bk1", "/r1")]).unwrap_err().len(), 1);
        assert_eq!(given("shrink", &[("data", "maybe"), ("data", "x")]).unwrap_err().len(), 3);
        assert_eq!(given("expand", &[("way", "drain")]).unwrap_err().len(), 1);
    }
}
