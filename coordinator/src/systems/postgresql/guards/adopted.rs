//! Guards on members that were adopted: they are stopped and started as their hosts' root has named it, and
//! their settings and data stay somebody else's.

use super::{
    super::{
        draft::Placed,
        view::{self, Primary},
    },
    Findings, Rule,
    judge::Shrinking,
};

/// The hosts of these let Bellows stop and start them, where they were adopted.
pub(super) fn stoppable<'p>(findings: &mut Findings<'_>, nodes: impl Iterator<Item = &'p Placed>) {
    // A dead one is not asked for anything; its plan says what follows from that.
    let dead = findings.dead.clone();
    for node in nodes.filter(|node| node.place.adopted && !dead.contains(&node.node)) {
        let reading = findings.view.reading(&node.node);
        let Some(reading) = findings.known(&node.node, &node.host, reading) else { continue };
        for why in &reading.left_alone {
            let value = format!("{} on {}: {why}", node.node, node.host);
            findings.say(Rule::StoppableByRoot, &node.node, &node.host, value);
        }
    }
}

/// Data of those who leave stay, where they were adopted.
pub(super) fn data_stay(findings: &mut Findings<'_>, leaving: Option<&Shrinking>, wipe: bool) {
    let leaving = leaving.into_iter().flat_map(|good| &good.leaving);
    for node in leaving.filter(|node| wipe && node.place.adopted) {
        let value = format!(
            "data=wipe: {} was adopted, its data in {} are kept",
            node.node, node.place.data_dir
        );
        findings.say(Rule::TheirsToKeep, &node.node, &node.host, value);
    }
}

/// These read their WAL by slots of repmgr's: without one, what is made for them at the next primary would
/// keep WAL there for ever.
pub(super) fn have_slots<'p>(
    findings: &mut Findings<'_>,
    primary: Primary<'_>,
    nodes: impl Iterator<Item = &'p Placed>,
) {
    for node in nodes.filter(|node| node.place.adopted) {
        let Some(row) = view::row(primary.server, &node.node) else { continue };
        if row.kind == "standby" && row.slot.is_empty() {
            let value = format!(
                "repmgr has no slot for {}: set use_replication_slots=yes in {} on {}, then repmgr standby follow",
                node.node, node.place.repmgr_conf, node.host
            );
            findings.say(Rule::TheirsToKeep, &node.node, &node.host, value);
        }
    }
}

/// Every adopted member lets the new ones in already: its rules are not Bellows' to write.
pub(super) fn let_in(findings: &mut Findings<'_>, members: &[Placed], new: &[Placed]) {
    let dead = findings.dead.clone();
    let asked = |member: &&Placed| member.place.adopted && !dead.contains(&member.node);
    for member in members.iter().filter(asked) {
        let place = &member.place;
        for newcomer in new {
            let tried = findings.view.login(&newcomer.host, &place.address, place.port);
            let Some(Err(reason)) = findings.known(&newcomer.node, &newcomer.host, tried) else {
                continue;
            };
            let value = format!(
                "{} on {} does not let {} in: {}; needed in {}: {}",
                member.node,
                member.host,
                newcomer.host,
                reason.trim(),
                place.hba_file,
                rule_for(&newcomer.place.address)
            );
            findings.say(Rule::LetInByHand, &newcomer.node, &newcomer.host, value);
        }
    }
}

/// The line of `pg_hba.conf` that lets a member in.
fn rule_for(address: &str) -> String {
    let bits = if address.contains(':') { 128 } else { 32 };
    format!("host all,replication repmgr {address}/{bits} scram-sha-256")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_for_one_address() {
        assert_eq!(rule_for("10.0.0.3"), "host all,replication repmgr 10.0.0.3/32 scram-sha-256");
        assert!(rule_for("fd00::3").contains("fd00::3/128"));
    }
}
