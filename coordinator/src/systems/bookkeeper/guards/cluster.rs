//! Guards on the cluster as it is: what every change of a running cluster asks for.

use super::{
    super::{
        autorecovery,
        conditions::CLOCK_LIMIT_MS,
        draft::{self, Placed, placed},
        health, metadata, versions,
        view::{self, SYSTEM},
    },
    Findings, Rule,
};
use crate::systems::host;

/// Members with their places, as the spec has them, in natural order.
pub(in super::super) fn members(findings: &mut Findings<'_>) -> Vec<Placed> {
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
    draft::in_order(members.iter())
}

/// Hosts answer, bookies are well, nobody is missing, nothing odd goes on.
pub(in super::super) fn sound(findings: &mut Findings<'_>) {
    let dead = findings.dead.clone();
    for node in findings.spec.nodes.iter().filter(|node| !dead.contains(&node.node)) {
        host_is_well(findings, &node.node, &node.host);
    }
    members_well(findings);
    every_bookie_known(findings);
    one_cluster(findings);
    let fast = autorecovery::metadata_fast(findings.view);
    if let Some(Err(slow)) = findings.known("", "", fast) {
        findings.say(Rule::MetadataFast, "", "", slow);
    }
}

/// It answers, may be managed and run BookKeeper, has it, and its clock is right.
/// `node`: which node lives or is to live there.
pub(in super::super) fn host_is_well(findings: &mut Findings<'_>, node: &str, name: &str) {
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
        Some(facts) if versions::of_tool(facts).is_none() => {
            let value =
                format!("BookKeeper is not installed on {name}, or does not tell its version");
            findings.say(Rule::ToolsThere, node, name, value);
        }
        Some(_) => {}
    }
    let Some(reading) = findings.view.host_reading(name) else { return };
    match host::clock(reading, CLOCK_LIMIT_MS) {
        host::Clock::Right => {}
        host::Clock::Wrong(value) => findings.say(Rule::ClocksAgree, node, name, value),
        host::Clock::Unknown(why) => findings.say(Rule::EverythingRead, node, name, why),
    }
}

fn members_well(findings: &mut Findings<'_>) {
    let (view, dead) = (findings.view, findings.dead.clone());
    match health::problems(view, &dead) {
        Ok(problems) => {
            for problem in problems {
                findings.say(Rule::MembersHealthy, &problem.node, &problem.host, problem.text);
            }
        }
        Err(why) => findings.say(Rule::EverythingRead, "", "", why),
    }
    for member in view.in_spec().filter(|member| !dead.contains(&member.node)) {
        let Ok(reading) = view::reading(member) else { continue };
        for file in health::changed_files(reading) {
            let value = format!("{file} of {} was changed by somebody else", member.node);
            findings.say(Rule::FilesAsLeft, &member.node, &member.host, value);
        }
    }
}

/// Nodes whose hosts tell nothing have their own refusals.
pub(in super::super) fn one_version(findings: &mut Findings<'_>, nodes: &[String]) {
    let view = findings.view;
    let told = |node: &&String| versions::of_node(view, node).is_ok();
    let nodes: Vec<String> = nodes.iter().filter(told).cloned().collect();
    if nodes.is_empty() {
        return;
    }
    if let Some(Err(value)) = findings.known("", "", versions::one_version(view, &nodes)) {
        findings.say(Rule::SameVersions, "", "", value);
    }
}

pub(super) fn every_bookie_known(findings: &mut Findings<'_>) {
    let known: Vec<String> =
        findings.spec.nodes.iter().filter_map(placed).map(|member| member.id()).collect();
    let Some(registered) = findings.known("", "", findings.view.registered()) else { return };
    for id in registered {
        if !known.iter().any(|known| known == id) {
            let value = format!("{id} is registered, and is no member here");
            findings.say(Rule::EveryBookieKnown, "", "", value);
        }
    }
}

fn one_cluster(findings: &mut Findings<'_>) {
    let view = findings.view;
    let members: Vec<&str> = view
        .in_spec()
        .filter(|member| !findings.dead.contains(&member.node) && view::reading(member).is_ok())
        .map(|member| member.node.as_str())
        .collect();
    if members.is_empty() {
        return;
    }
    if let Some(Err(value)) = findings.known("", "", metadata::one_cluster(view, &members)) {
        findings.say(Rule::OneCluster, "", "", value);
    }
}
