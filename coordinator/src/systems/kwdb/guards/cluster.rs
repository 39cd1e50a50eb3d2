//! Guards on the cluster as it is: what every change of a running cluster asks for.

use bellows_proto::v1::{KwdbSecurity, KwdbStartMode};

use super::{
    super::{
        check,
        conditions::{CLOCK_AT_MOST_MS, CLOCK_LIMIT_MS},
        draft::{self, Placed, placed},
        health, ids, kinds, options, release, versions,
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

/// Hosts answer, members are well, every range is whole, nothing odd goes on.
pub(in super::super) fn sound(findings: &mut Findings<'_>) {
    let dead = findings.dead.clone();
    for node in findings.spec.nodes.iter().filter(|node| !dead.contains(&node.node)) {
        host_is_well(findings, &node.node, &node.host);
    }
    same_kind(findings);
    members_well(findings);
    ranges_whole(findings);
    quiet(findings);
    every_member_known(findings);
}

/// It answers, may be managed and run KWDB, has kwbase, and its clock is right.
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
        Some(facts) if versions::of_tool(facts, versions::TOOL).is_none() => {
            let value = format!("kwbase is not installed on {name}, or does not tell its version");
            findings.say(Rule::ToolsThere, node, name, value);
        }
        Some(_) => {}
    }
    clock(findings, node, name);
}

/// Off for certain by more than KWDB allows; where the answer took too long to say that, by more than it
/// took at most.
fn clock(findings: &mut Findings<'_>, node: &str, name: &str) {
    let Some(reading) = findings.view.host_reading(name) else { return };
    match host::clock(reading, CLOCK_LIMIT_MS) {
        host::Clock::Right => {}
        host::Clock::Wrong(value) => findings.say(Rule::ClocksAgree, node, name, value),
        host::Clock::Unknown(_) => match host::clock(reading, CLOCK_AT_MOST_MS) {
            host::Clock::Right => {}
            host::Clock::Wrong(value) => findings.say(Rule::ClocksAgree, node, name, value),
            host::Clock::Unknown(why) => findings.say(Rule::EverythingRead, node, name, why),
        },
    }
}

/// Start mode and security are those of the spec, and none that is only recognised.
fn same_kind(findings: &mut Findings<'_>) {
    let options = options::of_spec(findings.spec);
    kind(findings, "", "", options.start_mode(), options.security());
    let dead = findings.dead.clone();
    let view = findings.view;
    for witness in view.answering(&dead) {
        for row in witness.server.active.iter().filter(|row| !row.start_mode.is_empty()) {
            if kinds::mode(&row.start_mode) != options.start_mode() {
                let value = format!(
                    "node {} was started with {}, the cluster is {}",
                    row.id,
                    row.start_mode,
                    kinds::mode_text(options.start_mode())
                );
                findings.say(Rule::SameKind, "", "", value);
            }
        }
    }
    for member in view.in_spec().filter(|member| !dead.contains(&member.node)) {
        let Ok(reading) = view::reading(member) else { continue };
        tlcp_noted(findings, &member.node, &member.host, reading.installation.as_ref());
        let store = reading.store_mode();
        if store != KwdbStartMode::Unspecified && store != options.start_mode() {
            let value = format!("its store is {}", kinds::mode_text(store));
            findings.say(Rule::SameKind, &member.node, &member.host, value);
        }
        for file in health::changed_files(reading) {
            let value = format!("{file} of {} was changed by somebody else", member.node);
            findings.say(Rule::FilesAsLeft, &member.node, &member.host, value);
        }
    }
}

/// What is only recognised is refused.
pub(in super::super) fn kind(
    findings: &mut Findings<'_>,
    node: &str,
    host: &str,
    mode: KwdbStartMode,
    security: KwdbSecurity,
) {
    if mode == KwdbStartMode::SingleNode {
        findings.say(Rule::ClusterOfNodes, node, host, "it was started with start-single-node");
    }
    if security == KwdbSecurity::Tlcp {
        findings.say(Rule::NotTlcp, node, host, "it uses tlcp");
    }
}

/// The installer has written down what the unit may not show.
pub(in super::super) fn tlcp_noted(
    findings: &mut Findings<'_>,
    node: &str,
    host: &str,
    installed: Option<&bellows_proto::v1::KwdbInstallation>,
) {
    if installed.is_some_and(|installed| installed.security == "tlcp") {
        findings.say(Rule::NotTlcp, node, host, "the installer has set up tlcp there");
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
    let living = findings.spec.nodes.iter().filter(|node| !dead.contains(&node.node));
    let hosts: Vec<String> = living.map(|node| node.host.clone()).collect();
    one_version(findings, &hosts);
}

/// Hosts without KWDB have their own refusals.
pub(in super::super) fn one_version(findings: &mut Findings<'_>, hosts: &[String]) {
    let view = findings.view;
    let there = |host: &&String| {
        let facts = view.system_facts(host).ok().flatten();
        facts.is_some_and(|facts| versions::of_tool(facts, versions::TOOL).is_some())
    };
    let hosts: Vec<String> = hosts.iter().filter(there).cloned().collect();
    if hosts.is_empty() {
        return;
    }
    if let Some(Err(value)) = findings.known("", "", versions::one_version(view, &hosts)) {
        findings.say(Rule::SameVersions, "", "", value);
    }
}

fn ranges_whole(findings: &mut Findings<'_>) {
    let dead = !findings.dead.is_empty();
    let numbers = findings.view.cluster().and_then(check::broken);
    let Some((unavailable, under)) = findings.known("", "", numbers) else { return };
    // What a dead one held is under-replicated: that is why it is replaced.
    if unavailable > 0 || (under > 0 && !dead) {
        let value = format!("ranges unavailable: {unavailable}, under-replicated: {under}");
        findings.say(Rule::RangesWhole, "", "", value);
    }
}

/// Those who left long ago keep their flag: whoever is still listed counts.
fn quiet(findings: &mut Findings<'_>) {
    let dead = findings.dead.clone();
    let view = findings.view;
    let gone: Vec<String> = dead.iter().filter_map(|node| view.endpoint(node).ok()).collect();
    for witness in view.answering(&dead) {
        for row in witness.server.active.iter().filter(|row| !gone.contains(&row.address)) {
            if check::is_flagged(witness.server, row.id) == Some(true) {
                let value = format!("node {} ({}) is being decommissioned", row.id, row.address);
                findings.say(Rule::Quiet, "", "", value);
            }
        }
    }
    if let Ok(cluster) = view.cluster() {
        for node in cluster.liveness.iter().filter(|node| node.upgrading) {
            let value = format!("node {} is being upgraded", node.node_id);
            findings.say(Rule::Quiet, "", "", value);
        }
    }
}

fn every_member_known(findings: &mut Findings<'_>) {
    let (view, dead) = (findings.view, findings.dead.clone());
    let mut endpoints = Vec::new();
    for node in &findings.spec.nodes {
        endpoints.extend(placed(node).map(|member| member.endpoint()));
    }
    let witnesses = view.answering(&dead);
    for witness in &witnesses {
        for row in &witness.server.active {
            if !row.address.is_empty() && !endpoints.contains(&row.address) {
                let value = format!("node {} at {} is no member here", row.id, row.address);
                findings.say(Rule::EveryMemberKnown, "", "", value);
            }
        }
    }
    // Those whose addresses the cluster has forgotten: at most as many as are named dead.
    let nameless = ids::nameless(&witnesses);
    if nameless.len() > dead.len() {
        let ids: Vec<String> = nameless.iter().map(u32::to_string).collect();
        let value = format!("the cluster tells no address of node {}", ids.join(", "));
        findings.say(Rule::EveryMemberKnown, "", "", value);
    }
}

/// Builds that refuse nodes that join or leave are recognised before anything happens.
pub(in super::super) fn scales(findings: &mut Findings<'_>) {
    let view = findings.view;
    for witness in view.answering(&[]) {
        match release::refuses_to_let_go(&witness.server.version) {
            Ok(false) => {}
            Ok(true) => {
                let value = format!("{} is {}", witness.node, witness.server.version);
                findings.say(Rule::ScalingBuild, witness.node, "", value);
            }
            Err(why) => findings.say(Rule::EverythingRead, witness.node, "", why),
        }
    }
}
