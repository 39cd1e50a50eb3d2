//! Guards on members that were adopted: what Bellows did not make it neither stops nor writes.

use super::{super::draft::Placed, Rule, judge::Findings};

/// None of these is adopted. `what` would be done to them: "stop".
pub(super) fn none_of<'p>(
    findings: &mut Findings<'_>,
    nodes: impl Iterator<Item = &'p Placed>,
    what: &str,
) {
    for node in nodes.filter(|node| node.place.adopted) {
        let value = format!("{} was adopted: Bellows does not {what}", node.node);
        findings.say(Rule::MadeByBellows, &node.node, &node.host, value);
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
