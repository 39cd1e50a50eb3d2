//! Guards on what is said of racks and isolation groups.

use bellows_proto::v1::BookkeeperSpecOptions;

use super::{
    super::{draft::Placed, places},
    Findings, Rule,
};

/// It is said of bookies that are there, or come.
pub(super) fn known<'a>(
    findings: &mut Findings<'_>,
    said: impl Iterator<Item = &'a str>,
    nodes: &[String],
) {
    for node in said.filter(|node| !nodes.iter().any(|known| known == node)) {
        let value = format!(
            "a rack or an isolation group is named for {node}, which is none of {}",
            nodes.join(", ")
        );
        findings.say(Rule::ValidIntent, node, "", value);
    }
}

/// Where clients are to be told: what they are told now is known, and the rack of each who comes is named.
pub(super) fn told(
    findings: &mut Findings<'_>,
    options: &BookkeeperSpecOptions,
    ids: &[String],
    new: &[Placed],
) {
    if !options.places_in_zookeeper {
        return;
    }
    for id in ids {
        if let Err(why) = findings.view.told(id) {
            findings.say(Rule::EverythingRead, "", "", why);
            return;
        }
    }
    for node in new {
        if places::of(&options.places, &node.node).is_none_or(|place| place.rack.is_empty()) {
            let value = format!(
                "clients are told where bookies stand, and the rack of {0} is not named: --option rack.{0}=/RACK",
                node.node
            );
            findings.say(Rule::ValidIntent, &node.node, &node.host, value);
        }
    }
}

/// Nobody could write to a group without bookies.
pub(super) fn groups_have_somebody(findings: &mut Findings<'_>, options: &BookkeeperSpecOptions) {
    for value in places::empty_groups(options) {
        findings.say(Rule::ValidIntent, "", "", value);
    }
}
