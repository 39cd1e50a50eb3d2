//! Guards on members that are to leave. The tool asks for none of this: it takes the flag, and a
//! decommission that cannot end goes on for ever.

use std::collections::BTreeSet;

use bellows_proto::v1::{Intent, KwdbSpecOptions, KwdbStartMode, NodeAt, Refusal, Replace, Spec};

use super::{
    super::{
        departure::Departure,
        draft::{Placed, in_order},
        ids, options,
        room::Disk,
        sizes,
        view::View,
    },
    Findings, Rule, cluster,
    judge::{Expanding, growing},
    newcomers,
};

/// A cluster that may lose these members.
pub(in super::super) struct Leaving {
    /// In the order in which they leave.
    pub(in super::super) leaving: Vec<Placed>,
    /// In natural order.
    pub(in super::super) staying: Vec<Placed>,
    /// The first of them: it is asked for everything.
    pub(in super::super) at: Placed,
}

/// A cluster of which one member may be replaced.
pub(in super::super) struct Replacing {
    pub(in super::super) growing: Expanding,
    pub(in super::super) leaving: Leaving,
    pub(in super::super) old: Placed,
    /// Of the tool, where the plan names it: its host is dead. 0: it is found when it is needed.
    pub(in super::super) old_id: u32,
    pub(in super::super) new: Placed,
}

/// Whether these members may leave.
pub(in super::super) fn shrink(
    spec: &Spec,
    view: View<'_>,
    intent: &Intent,
) -> Result<Leaving, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let names = named(&mut findings, crate::plan::leaving(intent));
    let members = cluster::members(&mut findings);
    if members.is_empty() {
        return findings.end(None);
    }
    cluster::sound(&mut findings);
    cluster::scales(&mut findings);
    let going = Going { names: &names, members: &members, coming: &[], node_id: 0 };
    let good = judge(&mut findings, &going, options::of_intent(intent).wipe_data);
    findings.end(good)
}

/// Whether this member may be replaced by that one.
pub(in super::super) fn replace(
    spec: &Spec,
    view: View<'_>,
    intent: &Intent,
    wanted: &Replace,
) -> Result<Replacing, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let names = named(&mut findings, std::slice::from_ref(&wanted.node));
    let given = options::of_intent(intent);
    if wanted.dead {
        findings.dead.clone_from(&names);
        if given.wipe_data {
            let value = "data=wipe: a host that is off wipes nothing; do it there by hand later";
            findings.say(Rule::ValidIntent, &wanted.node, "", value);
        }
    } else if given.node_id != 0 {
        let value =
            "node_id is for a node whose host is dead: a living one is found by its address";
        findings.say(Rule::ValidIntent, &wanted.node, "", value);
    }
    let good = replacing(&mut findings, intent, &names, wanted.dead);
    findings.end(good)
}

fn replacing(
    findings: &mut Findings<'_>,
    intent: &Intent,
    names: &[String],
    dead: bool,
) -> Option<Replacing> {
    let given = options::of_intent(intent);
    let growing = growing(findings, intent)?;
    let members = &growing.members;
    let old = members.iter().find(|member| names.contains(&member.node))?.clone();
    let old_id = if dead { is_dead(findings, &old, given.node_id)? } else { 0 };
    let view = findings.view;
    let added = crate::plan::added(intent).iter();
    let coming: Vec<Disk> = added.filter_map(|new| disk_of(view, new)).collect();
    let going = Going { names, members, coming: &coming, node_id: old_id };
    let leaving = judge(findings, &going, given.wipe_data)?;
    let [new] = growing.new.as_slice() else { return None };
    let new = new.clone();
    Some(Replacing { growing, leaving, old, old_id, new })
}

/// What a new node's host has free.
pub(in super::super) fn disk_of(view: View<'_>, new: &NodeAt) -> Option<Disk> {
    let free = view.system_facts(&new.host).ok().flatten()?.data_free_bytes;
    Some(Disk { node: new.node.clone(), capacity: free, available: free, used: 0 })
}

/// Who goes, out of whom.
struct Going<'a> {
    names: &'a [String],
    members: &'a [Placed],
    /// The disks of those who come before.
    coming: &'a [Disk],
    /// Of the one whose address may not be told; 0: by their addresses.
    node_id: u32,
}

fn judge(findings: &mut Findings<'_>, going: &Going<'_>, wipe: bool) -> Option<Leaving> {
    let options = options::of_spec(findings.spec);
    let by_name = |name: &String| going.members.iter().find(|member| member.node == *name).cloned();
    let leaving: Vec<Placed> = going.names.iter().filter_map(by_name).collect();
    let stays = |member: &&Placed| !going.names.contains(&member.node);
    let staying: Vec<Placed> = in_order(going.members.iter().filter(stays));
    lets_go(findings, &options);
    enough(findings, staying.len() + going.coming.len(), &options);
    let dead = findings.dead.clone();
    let lives = |node: &&Placed| !dead.contains(&node.node);
    let living: Vec<Placed> = leaving.iter().filter(lives).cloned().collect();
    for node in &living {
        can_be_stopped(findings, node);
    }
    newcomers::front_end(findings, &options, &living);
    theirs(findings, &leaving, wipe);
    waiters(findings);
    if !leaving.is_empty() && options.start_mode() == KwdbStartMode::MultiReplica {
        let (view, without, coming) = (findings.view, going.names, going.coming);
        let departure = Departure { view, without, node_id: going.node_id, coming };
        places(findings, departure);
        room(findings, departure);
    }
    let at = staying.first()?.clone();
    Some(Leaving { leaving, staying, at })
}

/// Members, each named once, in the order in which they were named.
pub(super) fn named(findings: &mut Findings<'_>, names: &[String]) -> Vec<String> {
    if names.is_empty() {
        findings.say(Rule::ValidIntent, "", "", "no node is named");
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for name in names {
        if !seen.insert(name.as_str()) {
            findings.say(Rule::ValidIntent, name, "", format!("{name} is named twice"));
            continue;
        }
        if findings.spec.nodes.iter().any(|node| node.node == *name) {
            found.push(name.clone());
            continue;
        }
        let buried = findings.spec.tombstones.iter().rfind(|stone| stone.node == *name);
        let value = match buried {
            Some(stone) => {
                format!("{name} is no member any more: {} holds its tombstone", stone.host)
            }
            None => format!("{name} is not a member of {}", findings.spec.cluster),
        };
        findings.say(Rule::ValidIntent, name, "", value);
    }
    found
}

fn lets_go(findings: &mut Findings<'_>, options: &KwdbSpecOptions) {
    match options.start_mode() {
        KwdbStartMode::MultiReplica => {}
        KwdbStartMode::SingleReplica => {
            let value = "it was started with start-single-replica: there is one replica of everything, and kwbase moves none of them";
            findings.say(Rule::LetsGo, "", "", value);
        }
        KwdbStartMode::SingleNode | KwdbStartMode::Unspecified => {
            findings.say(Rule::LetsGo, "", "", "its start mode is not that of several replicas");
        }
    }
}

/// `left`: members at the end.
pub(super) fn enough(findings: &mut Findings<'_>, left: usize, options: &KwdbSpecOptions) {
    let least = usize::try_from(options.min_members).unwrap_or(usize::MAX);
    if left < least {
        let value =
            format!("{} would be left, the minimum is {least}", sizes::count(left, "member"));
        findings.say(Rule::MinimumMembers, "", "", value);
    }
}

/// As its host says.
pub(super) fn can_be_stopped(findings: &mut Findings<'_>, node: &Placed) {
    let reading = findings.view.reading(&node.node);
    let Some(reading) = findings.known(&node.node, &node.host, reading) else { return };
    for why in &reading.left_alone {
        findings.say(Rule::StoppableByRoot, &node.node, &node.host, why.clone());
    }
}

fn theirs(findings: &mut Findings<'_>, leaving: &[Placed], wipe: bool) {
    for node in leaving.iter().filter(|node| wipe && node.place.adopted) {
        let value = format!(
            "{} was adopted: {} on {} is not Bellows' to remove",
            node.node, node.place.data_dir, node.host
        );
        findings.say(Rule::TheirsToKeep, &node.node, &node.host, value);
    }
}

/// Somebody's client would flag a node again that is recommissioned.
fn waiters(findings: &mut Findings<'_>) {
    let view = findings.view;
    let dead = findings.dead.clone();
    for member in view.in_spec().filter(|member| !dead.contains(&member.node)) {
        // One that is silent has said so already.
        let Ok(reading) = view.reading(&member.node) else { continue };
        for command in &reading.waiters {
            let value = format!("on {}: {command}", member.host);
            findings.say(Rule::NoWaiters, &member.node, &member.host, value);
        }
    }
}

fn places(findings: &mut Findings<'_>, departure: Departure<'_>) {
    for obstacle in findings.known("", "", departure.obstacles()).unwrap_or_default() {
        findings.say(Rule::ZonesSatisfiable, "", "", obstacle.text());
    }
}

fn room(findings: &mut Findings<'_>, departure: Departure<'_>) {
    let Some(room) = findings.known("", "", departure.room()) else { return };
    if room.missing > 0 {
        findings.say(Rule::Room, "", "", room.text());
    }
}

/// Two readings that do not depend on each other: its agent is silent, and for no survivor it lives. Its
/// id.
fn is_dead(findings: &mut Findings<'_>, old: &Placed, given: u32) -> Option<u32> {
    let view = findings.view;
    let (node, host) = (&old.node, &old.host);
    if view.host(host).is_ok() || view.reading(node).is_ok() {
        findings.say(Rule::DeadIsSilent, node, host, format!("{host} answers"));
    }
    let id = match ids::must(view, node, given) {
        Ok(id) => id,
        Err(why) => {
            findings.say(Rule::IdKnown, node, host, why);
            return None;
        }
    };
    let endpoint = old.endpoint();
    let (mut unlisted, mut lives) = (Vec::new(), Vec::new());
    for witness in view.answering(std::slice::from_ref(node)) {
        let rows = || witness.server.active.iter().chain(&witness.server.known);
        let Some(row) = rows().find(|row| row.id == id) else {
            unlisted.push(witness.node);
            continue;
        };
        if !row.address.is_empty() && row.address != endpoint {
            let value = format!("node {id} is at {}, {node} was at {endpoint}", row.address);
            findings.say(Rule::IdKnown, node, host, value);
        }
        if rows().any(|row| row.id == id && (row.is_live || row.is_available)) {
            lives.push(witness.node);
        }
    }
    if !unlisted.is_empty() {
        let value = format!("node {id} is not listed by {}", unlisted.join(", "));
        findings.say(Rule::IdKnown, node, host, value);
    }
    if !lives.is_empty() {
        let value = format!("node {id} is available or live for {}", lives.join(", "));
        findings.say(Rule::DeadIsNotLive, node, host, value);
    }
    Some(id)
}
