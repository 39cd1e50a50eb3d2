//! Guards on nodes that are to be added, and on their hosts.

use bellows_proto::v1::{
    DirectoryState, KwdbFrontEnd, KwdbSpecOptions, NodeAt, Vacancy, placement,
};

use super::{
    super::{draft::Placed, kinds, options, sizes, versions, view::View},
    Findings, Rule, cluster,
};
use crate::systems::host::newcomers;

/// Whatever a cluster holds, its own log and system ranges need this much.
const LEAST_BYTES: u64 = 1 << 30;

/// Judges the new nodes and their hosts. Their places, where the hosts propose one.
pub(in super::super) fn places(findings: &mut Findings<'_>, nodes: &[NodeAt]) -> Vec<Placed> {
    newcomers::named_well(findings, nodes, Rule::ValidIntent, Rule::NameFree);
    newcomers::apart(findings, nodes, Rule::OneNodePerHost);
    let mut places = Vec::new();
    for node in nodes {
        cluster::host_is_well(findings, &node.node, &node.host);
        let facts = findings.view.host(&node.host);
        if let Some(value) = newcomers::buried(findings.spec, facts, node) {
            findings.say(Rule::NoTombstone, &node.node, &node.host, value);
        }
        // A host that is silent or without KWDB has said so already.
        if !matches!(findings.view.system_facts(&node.host), Ok(Some(_))) {
            continue;
        }
        let vacancy = findings.view.vacancy(&node.host, &node.node);
        let Some(vacancy) = findings.known(&node.node, &node.host, vacancy) else { continue };
        for (rule, value) in obstacles(vacancy) {
            findings.say(rule, &node.node, &node.host, value);
        }
        match vacancy.placement.as_ref().and_then(|placement| placement.system.as_ref()) {
            Some(placement::System::Kwdb(place)) => {
                let placed = Placed {
                    node: node.node.clone(),
                    host: node.host.clone(),
                    place: place.clone(),
                };
                takes(findings, &placed);
                places.push(placed);
            }
            _ => findings.say(
                Rule::EverythingRead,
                &node.node,
                &node.host,
                "the host proposes no place for it",
            ),
        }
    }
    let known = findings.spec.nodes.iter().map(|node| node.host.clone());
    let hosts: Vec<String> = known.chain(nodes.iter().map(|node| node.host.clone())).collect();
    cluster::one_version(findings, &hosts);
    places
}

/// What stands in the way of a node at the place that its host proposes.
pub(in super::super) fn obstacles(vacancy: &Vacancy) -> Vec<(Rule, String)> {
    let mut found = Vec::new();
    if !vacancy.claimed_by.is_empty() {
        found.push((Rule::NotClaimed, format!("claimed by {}", vacancy.claimed_by)));
    }
    let (data, conf, port) =
        match vacancy.placement.as_ref().and_then(|placement| placement.system.as_ref()) {
            Some(placement::System::Kwdb(place)) => {
                (place.data_dir.as_str(), place.conf_dir.as_str(), place.port)
            }
            _ => ("", "", 0),
        };
    for (what, path, state) in [
        ("data directory", data, vacancy.data_directory()),
        ("configuration directory", conf, vacancy.config_directory()),
    ] {
        match state {
            DirectoryState::Absent | DirectoryState::Empty => {}
            DirectoryState::Occupied => {
                found.push((Rule::PlaceFree, format!("the {what} {path} is not empty")));
            }
            DirectoryState::Unspecified => {
                let value = format!("the {what} {path} could not be looked at");
                found.push((Rule::EverythingRead, value));
            }
        }
    }
    if !vacancy.port_holder.is_empty() {
        found.push((Rule::PortFree, format!("port {port} is taken: {}", vacancy.port_holder)));
    }
    if !vacancy.service_holder.is_empty() {
        let value = format!("there is a service already: {}", vacancy.service_holder);
        found.push((Rule::PlaceFree, value));
    }
    found
}

/// The host can take it: security, container, address, disk, and nothing that its root would not have.
fn takes(findings: &mut Findings<'_>, new: &Placed) {
    let Placed { node, host, place } = new;
    let view = findings.view;
    let security = options::of_spec(findings.spec).security();
    cluster::kind(findings, node, host, Default::default(), place.security());
    if place.security() != security {
        let value = format!(
            "agent.toml of {host} says security = {:?}, the cluster is {}",
            kinds::security_text(place.security()),
            kinds::security_text(security)
        );
        findings.say(Rule::SameKind, node, host, value);
    }
    if !place.container.is_empty() {
        let value = format!("kwbase of {host} is in the container {}", place.container);
        findings.say(Rule::NotIntoContainer, node, host, value);
    }
    if let Some(reading) = findings.known(node, host, view.reading(node)) {
        cluster::tlcp_noted(findings, node, host, reading.installation.as_ref());
        for why in &reading.left_alone {
            findings.say(Rule::StoppableByRoot, node, host, why.clone());
        }
    }
    listed_already(findings, new);
    if let Some(needed) = findings.known(node, host, needed_bytes(view)) {
        disk(findings, new, needed);
    }
}

/// Nobody who was not decommissioned has this address.
fn listed_already(findings: &mut Findings<'_>, new: &Placed) {
    let endpoint = new.endpoint();
    let view = findings.view;
    for witness in view.answering(&[]) {
        let rows = witness.server.known.iter().chain(&witness.server.active);
        for row in rows.filter(|row| row.address == endpoint) {
            if row.is_decommissioning != Some(true) {
                let value = format!("the cluster lists node {} at {endpoint} already", row.id);
                findings.say(Rule::AddressFree, &new.node, &new.host, value);
                return;
            }
        }
    }
}

/// What a new node will take: the mean of what the members use, with a fourth more while it moves.
pub(in super::super) fn needed_bytes(view: View<'_>) -> Result<u64, String> {
    let cluster = view.cluster()?;
    if cluster.stores.is_empty() {
        return Err("what the stores use was not read".to_owned());
    }
    let used = cluster.stores.iter().fold(0_u64, |sum, store| sum.saturating_add(store.used));
    let stores = u64::try_from(cluster.stores.len()).unwrap_or(u64::MAX);
    let mean = used / stores.max(1);
    Ok(mean.saturating_add(mean / 4).saturating_add(LEAST_BYTES))
}

fn disk(findings: &mut Findings<'_>, new: &Placed, needed: u64) {
    let Ok(Some(facts)) = findings.view.system_facts(&new.host) else { return };
    if facts.data_free_bytes < needed {
        let (free, needed) = (sizes::text(facts.data_free_bytes), sizes::text(needed));
        let value = format!("{free} free on {}, {needed} needed", new.host);
        findings.say(Rule::FreeDisk, &new.node, &new.host, value);
    }
}

/// The front end that was chosen is there.
pub(in super::super) fn front_end(
    findings: &mut Findings<'_>,
    options: &KwdbSpecOptions,
    new: &[Placed],
) {
    if options.front_end() != KwdbFrontEnd::DeploySh {
        return;
    }
    for node in new {
        let facts = findings.view.system_facts(&node.host).ok().flatten();
        if facts.is_some_and(|facts| versions::of_tool(facts, versions::DEPLOY_SH).is_none()) {
            let value =
                format!("agent.toml of {} names no deploy.sh, or it is not there", node.host);
            findings.say(Rule::FrontEndThere, &node.node, &node.host, value);
        }
    }
}
