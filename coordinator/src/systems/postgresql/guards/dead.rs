//! Guards on a node whose host is named dead: that it is. Two readings: its agent is silent, and
//! no survivor has a connection of it.

use super::{
    super::{draft::Placed, health, view::Primary},
    Findings, Rule,
};

/// Judges those that are named dead.
pub(super) fn judge(findings: &mut Findings<'_>, primary: Primary<'_>, members: &[Placed]) {
    let dead = findings.dead.clone();
    for node in members.iter().filter(|member| dead.contains(&member.node)) {
        silent(findings, node);
        disconnected(findings, primary, node);
    }
}

fn silent(findings: &mut Findings<'_>, node: &Placed) {
    let answers = findings.view.host(&node.host).is_ok();
    let reads = findings.view.reading(&node.node).is_ok();
    if answers || reads {
        let value = format!("{} answers", node.host);
        findings.say(Rule::DeadIsSilent, &node.node, &node.host, value);
    }
}

/// Any survivor may be its upstream.
fn disconnected(findings: &mut Findings<'_>, primary: Primary<'_>, node: &Placed) {
    let slot = health::recorded_slot(primary, &node.node, node.id());
    let survivors: Vec<_> =
        findings.view.in_spec().filter(|member| member.node != node.node).collect();
    for member in survivors {
        let server = findings.view.server(&member.node);
        let Some(server) = findings.known(&member.node, &member.host, server) else { continue };
        if let Some(sender) = health::sender(server, &node.node) {
            let value = format!("{} sends WAL to {} ({})", member.node, node.node, sender.state);
            findings.say(Rule::DeadIsNotConnected, &node.node, &node.host, value);
        } else if health::slot(server, &slot).is_some_and(|slot| slot.active) {
            let value = format!("slot {slot} is read at {}", member.node);
            findings.say(Rule::DeadIsNotConnected, &node.node, &node.host, value);
        }
    }
}
