//! Guards on standbys that are to leave.

use std::collections::BTreeSet;

use super::{
    super::{
        draft::Placed,
        health, options, synchronous,
        view::{self, Primary},
    },
    Findings, Rule, adopted, cluster,
    judge::Shrinking,
    moving, slots,
};

/// Judges the leaving nodes; without a primary it cannot be said who may leave. `coming`: these
/// come in their place.
pub(super) fn judge(
    findings: &mut Findings<'_>,
    names: &BTreeSet<&str>,
    members: &[Placed],
    primary: Option<Primary<'_>>,
    coming: &[&str],
) -> Option<Shrinking> {
    let (leaving, staying): (Vec<Placed>, Vec<Placed>) =
        members.iter().cloned().partition(|member| names.contains(&member.node.as_str()));
    let spec = findings.spec;
    cluster::enough(findings, staying.len() + coming.len(), options::of_spec(spec).min_members);
    adopted::stoppable(findings, leaving.iter());
    let primary = primary?;
    for node in &leaving {
        downstream(findings, primary, node);
        upstream(findings, primary, node);
    }
    let primary_leaves = leaving.iter().any(|node| node.node == primary.member.node);
    let moving = if primary_leaves {
        // Its role moves first; the next primary's own setting counts then.
        Some(moving::judge(findings, members, primary, "", &staying, coming)?)
    } else {
        still_synchronous(findings, primary, &staying, "for ever");
        None
    };
    let slots: Vec<(String, String)> =
        leaving.iter().filter_map(|node| odd_slot(primary, node)).collect();
    let home = members.iter().find(|member| member.node == primary.member.node)?.clone();
    let unclaimed_slots = Vec::new();
    let mut shrinking =
        Shrinking { leaving, staying, primary: home, slots, unclaimed_slots, moving };
    shrinking.unclaimed_slots = unclaimed(findings, &shrinking);
    Some(shrinking)
}

/// Members, each named once.
pub(super) fn named<'i>(findings: &mut Findings<'_>, names: &'i [String]) -> BTreeSet<&'i str> {
    if names.is_empty() {
        findings.say(Rule::ValidIntent, "", "", "no node is named");
    }
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.as_str()) {
            findings.say(Rule::ValidIntent, name, "", format!("{name} is named twice"));
        }
        if !findings.spec.nodes.iter().any(|node| node.node == *name) {
            findings.say(
                Rule::ValidIntent,
                name,
                "",
                format!("{name} is not a member of {}", findings.spec.cluster),
            );
        }
    }
    seen
}

/// Two readings: the primary's records, and the node's own WAL senders.
fn downstream(findings: &mut Findings<'_>, primary: Primary<'_>, node: &Placed) {
    if primary.member.node == node.node {
        return;
    }
    let mut below: BTreeSet<String> = BTreeSet::new();
    if let Some(row) = view::row(primary.server, &node.node) {
        let rows = primary.server.registered.iter();
        below.extend(
            rows.filter(|other| other.upstream_id == row.node_id).map(|other| other.name.clone()),
        );
    }
    // A dead one has nobody any more: those who followed it are not healthy.
    let own = match findings.dead.contains(&node.node) {
        true => None,
        false => findings.known(&node.node, &node.host, findings.view.server(&node.node)),
    };
    below
        .extend(own.into_iter().flat_map(|server| {
            server.senders.iter().map(|sender| sender.application_name.clone())
        }));
    if !below.is_empty() {
        let list: Vec<String> = below.into_iter().collect();
        findings.say(
            Rule::NoDownstream,
            &node.node,
            &node.host,
            format!("standbys that stream from {}: {}", node.node, list.join(", ")),
        );
    }
}

/// Its source is the primary, by the primary's records, and no other member has a slot for it.
fn upstream(findings: &mut Findings<'_>, primary: Primary<'_>, node: &Placed) {
    if primary.member.node == node.node {
        return;
    }
    let own = view::row(primary.server, &primary.member.node).map(|row| row.node_id);
    let above = view::row(primary.server, &node.node).map(|row| row.upstream_id);
    let dead = findings.dead.contains(&node.node);
    if above.is_some() && above != own && !dead {
        let value =
            format!("{} streams from another standby, not from {}", node.node, primary.member.node);
        findings.say(Rule::FollowsPrimary, &node.node, &node.host, value);
    }
    let slot = odd_slot(primary, node).map_or_else(|| node.slot(), |(_, slot)| slot);
    let others = findings
        .view
        .in_spec()
        .filter(|other| other.node != primary.member.node && other.node != node.node);
    for other in others {
        let server = findings.view.server(&other.node);
        let Some(server) = findings.known(&other.node, &other.host, server) else { continue };
        if health::slot(server, &slot).is_some() {
            let value = format!("slot {slot} is at {} too", other.node);
            findings.say(Rule::FollowsPrimary, &other.node, &other.host, value);
        }
    }
}

/// Commits find whom they wait for among these. `how_long`: they would wait, where they do not.
pub(super) fn still_synchronous(
    findings: &mut Findings<'_>,
    primary: Primary<'_>,
    staying: &[Placed],
    how_long: &str,
) {
    let (node, host) = (primary.member.node.as_str(), primary.member.host.as_str());
    let standbys = staying.iter().map(|member| member.node.as_str()).filter(|name| *name != node);
    let missed = synchronous::unsatisfied(primary.server, standbys);
    if let Some(Some(setting)) = findings.known(node, host, missed) {
        let value = format!(
            "synchronous_standby_names is {setting:?} at {node}: commits would wait {how_long}"
        );
        findings.say(Rule::SyncSatisfiable, node, host, value);
    }
}

fn odd_slot(primary: Primary<'_>, node: &Placed) -> Option<(String, String)> {
    let slot = &view::row(primary.server, &node.node)?.slot;
    (!slot.is_empty() && *slot != node.slot()).then(|| (node.node.clone(), slot.clone()))
}

fn unclaimed(findings: &Findings<'_>, shrinking: &Shrinking) -> Vec<String> {
    let slots = shrinking.leaving.iter().map(|node| (node, shrinking.slot_of(node)));
    let open =
        slots.filter(|(node, slot)| !slots::claimed(findings, &shrinking.primary, node, slot));
    open.map(|(_, slot)| slot).collect()
}
