//! Guards on what is said of racks and isolation groups.

use bellows_proto::v1::BookkeeperSpecOptions;

use super::{super::places, Findings, Rule};

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

/// Nobody could write to a group without bookies.
pub(super) fn groups_have_somebody(findings: &mut Findings<'_>, options: &BookkeeperSpecOptions) {
    for value in places::empty_groups(options) {
        findings.say(Rule::ValidIntent, "", "", value);
    }
}
