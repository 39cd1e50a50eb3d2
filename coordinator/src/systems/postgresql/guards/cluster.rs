//! Guards on the cluster as it is: what every change of a running cluster asks for.

use bellows_proto::v1::PostgresqlMember;

use super::{
    super::{
        conditions::CLOCK_LIMIT_MS,
        draft::{Placed, placed},
        health, options, sizes, versions,
        view::{self, NoPrimary, Primary, SYSTEM, View},
    },
    Findings, Rule,
};
use crate::systems::host;

/// Members with their places, as the spec has them.
pub(super) fn members(findings: &mut Findings<'_>) -> Vec<Placed> {
    let spec = findings.spec;
    if spec.version == 0 || spec.nodes.is_empty() {
        findings.say(Rule::ClusterKnown, "", "", format!("there is no cluster {}", spec.cluster));
    }
    let mut members = Vec::new();
    for node in &spec.nodes {
        match placed(node) {
            Some(member) => members.push(member),
            None => findings.say(
                Rule::EverythingRead,
                &node.node,
                &node.host,
                "the spec has no placement for it",
            ),
        }
    }
    members
}

/// Hosts answer, one primary, all healthy, nothing odd. The primary, where there is one.
pub(super) fn sound<'a>(findings: &mut Findings<'a>) -> Option<Primary<'a>> {
    let view: View<'a> = findings.view;
    let dead = findings.dead.clone();
    for node in findings.spec.nodes.iter().filter(|node| !dead.contains(&node.node)) {
        host_is_well(findings, &node.node, &node.host);
    }
    for member in view.in_spec().filter(|member| !dead.contains(&member.node)) {
        own_reading(findings, member);
    }
    alike(findings, &[]);
    let returning = findings.returning.clone();
    let primary = match view.primary_besides(returning.as_deref().unwrap_or_default()) {
        Ok(primary) => primary,
        Err(why @ (NoPrimary::None | NoPrimary::Several(_))) => {
            findings.say(Rule::OnePrimary, "", "", why.text());
            return None;
        }
        // Each of them is said by `own_reading`.
        Err(NoPrimary::Unknown(_)) => return None,
    };
    let (node, host) = (primary.member.node.as_str(), primary.member.host.as_str());
    // Where several ail, one after the other comes back: only the primary must be well.
    let counts = |name: &str| returning.is_none() || name == node;
    let problems = health::problems_under(view, Some(primary)).into_iter();
    for problem in problems.filter(|one| !dead.contains(&one.node) && counts(&one.node)) {
        findings.say(Rule::MembersHealthy, &problem.node, &problem.host, problem.text);
    }
    for slot in health::leftover_slots(findings.spec, primary) {
        let value = format!(
            "slot {} at {node} is inactive and no member's ({})",
            slot.name, slot.wal_status
        );
        findings.say(Rule::NoLeftoverSlots, node, host, value);
    }
    let wrong = findings.known(node, host, versions::wrong_settings(primary.server));
    for value in wrong.unwrap_or_default() {
        findings.say(Rule::NeededSettings, node, host, value);
    }
    Some(primary)
}

/// It answers, may be managed and run PostgreSQL, has the tools, and its clock is right.
/// `node`: which node lives or is to live there.
pub(super) fn host_is_well(findings: &mut Findings<'_>, node: &str, name: &str) {
    let facts = match findings.view.host(name) {
        Ok(facts) => facts,
        Err(why) => return findings.say(Rule::HostsAnswer, node, name, why),
    };
    if facts.mode != "manage" {
        let value = format!("the agent's mode is {:?}", facts.mode);
        findings.say(Rule::AllowedOnHost, node, name, value);
    }
    match facts.systems.iter().find(|known| known.system == SYSTEM) {
        None => {
            let value = format!("agent.toml of {name} does not list {SYSTEM}");
            findings.say(Rule::AllowedOnHost, node, name, value);
        }
        Some(facts) => {
            for tool in versions::missing_tools(facts) {
                let value = format!("{tool} is not installed on {name}");
                findings.say(Rule::ToolsThere, node, name, value);
            }
        }
    }
    let reading = findings.view.host_reading(name);
    match reading.map(|reading| host::clock(reading, CLOCK_LIMIT_MS)) {
        Some(host::Clock::Right) | None => {}
        Some(host::Clock::Wrong(value)) => findings.say(Rule::ClocksAgree, node, name, value),
        Some(host::Clock::Unknown(why)) => findings.say(Rule::EverythingRead, node, name, why),
    }
}

/// It can be read, and its files are as they were left.
fn own_reading(findings: &mut Findings<'_>, member: &PostgresqlMember) {
    // Whatever the returning one is: that its host can say nothing of it is in its reading.
    let asked = findings.returning.as_ref() != Some(&member.node) || view::reading(member).is_err();
    if asked && let view::Role::Unknown(why) = view::role(member) {
        findings.say(Rule::EverythingRead, &member.node, &member.host, why);
    }
    let Ok(reading) = view::reading(member) else { return };
    for file in health::changed_files(reading) {
        let value = format!("{file} of {} was changed by somebody else", member.node);
        findings.say(Rule::FilesAsLeft, &member.node, &member.host, value);
    }
}

/// Members' hosts and these are alike.
pub(super) fn alike(findings: &mut Findings<'_>, new_hosts: &[&str]) {
    let view = findings.view;
    let mut hosts: Vec<&str> = findings.spec.nodes.iter().map(|node| node.host.as_str()).collect();
    hosts.extend(new_hosts);
    // Silent hosts, and those without PostgreSQL or its tools, have their own refusals.
    hosts.retain(|host| match view.system_facts(host) {
        Ok(Some(facts)) => versions::missing_tools(facts).is_empty(),
        Ok(None) | Err(_) => false,
    });
    for difference in versions::differences(view, &hosts) {
        let rule = match difference.kind {
            versions::Kind::Server => Rule::SameServerVersions,
            versions::Kind::Architecture => Rule::SameArchitecture,
            versions::Kind::CLibrary => Rule::SameCLibrary,
            versions::Kind::Collation => Rule::SameCollations,
            versions::Kind::Unknown => Rule::EverythingRead,
        };
        findings.say(rule, "", &difference.host, difference.value);
    }
}

/// So many members are enough.
pub(super) fn enough(findings: &mut Findings<'_>, members: usize, min_members: u32) {
    let least = usize::try_from(min_members).unwrap_or(usize::MAX).max(options::LEAST_MEMBERS);
    if members < least {
        let left = sizes::count(members, "member");
        let value = format!("{left} would be there, the minimum is {least}");
        findings.say(Rule::MinimumMembers, "", "", value);
    }
}
