//! What the guards saw when they let a plan pass: for those who must agree to it. Nothing is decided
//! here; what could not be read has refused before.

use bellows_proto::v1::{
    GuardSeen, HostReading, KwdbRoom, KwdbStartMode, Observation, Plan, Spec, Step, condition,
    intent::Verb, kwdb_condition, placement, step,
};

use super::{
    check,
    departure::Departure,
    guards::{self, Rule},
    kinds, options,
    room::Disk,
    sizes, versions,
    view::View,
};
use crate::plan::added;
use crate::plan::{by_value, list};

/// Every guard that has something to show, by number.
pub(super) fn guards(spec: &Spec, observation: &Observation, plan: &Plan) -> Vec<GuardSeen> {
    let view = View::of(observation);
    let mut seen = hosts(view);
    if spec.version > 0 {
        cluster(&mut seen, spec, view, plan);
    }
    newcomers(&mut seen, view, plan);
    leaving(&mut seen, view, plan);
    seen.sort_by(|a, b| a.code.cmp(&b.code));
    seen
}

fn hosts(view: View<'_>) -> Vec<GuardSeen> {
    let known = || view.hosts.known();
    let names = list(known().map(|(reading, _)| reading.host.as_str()));
    let clocks = known().filter_map(|(reading, _)| clock(reading));
    let modes = known().map(|(reading, facts)| (facts.mode.as_str(), reading.host.as_str()));
    let versions = known().filter_map(|(reading, _)| {
        let facts = view.system_facts(&reading.host).ok()??;
        Some((versions::of_tool(facts, versions::TOOL)?, reading.host.as_str()))
    });
    vec![
        Rule::HostsAnswer.seen(format!("{names} answered")),
        Rule::AllowedOnHost.seen(by_value(modes)),
        Rule::ToolsThere.seen(format!("kwbase {}", by_value(versions))),
        Rule::ClocksAgree.seen(clocks.collect::<Vec<_>>().join("; ")),
    ]
}

/// A clock lies between two bounds: the answer took its time.
fn clock(reading: &HostReading) -> Option<String> {
    let (least, most) = (reading.clock_ahead_least_ms?, reading.clock_ahead_most_ms?);
    Some(format!("{}: between {least} and {most} ms ahead", reading.host))
}

fn cluster(seen: &mut Vec<GuardSeen>, spec: &Spec, view: View<'_>, plan: &Plan) {
    let options = options::of_spec(spec);
    let dead = |host: &String| plan.dead_hosts.contains(host);
    // One that comes back is not asked to be well.
    let returns = |node: &String| match plan.intent.as_ref().and_then(|one| one.verb.as_ref()) {
        Some(Verb::Rejoin(rejoin)) => rejoin.node == *node,
        _ => false,
    };
    let asked = view.in_spec().filter(|member| !dead(&member.host) && !returns(&member.node));
    let asked = asked.count();
    let count = sizes::count(asked, "member");
    seen.push(Rule::MembersHealthy.seen(format!("{count}, available and live for each other")));
    let running = view.in_spec().filter_map(|member| {
        Some((view.server(&member.node).ok()?.version.as_str(), member.node.as_str()))
    });
    seen.push(Rule::SameVersions.seen(by_value(running)));
    seen.push(Rule::SameKind.seen(format!(
        "{}, {}",
        kinds::mode_text(options.start_mode()),
        kinds::security_text(options.security())
    )));
    if let Ok((unavailable, under)) = view.cluster().and_then(check::broken) {
        let text = format!("ranges unavailable: {unavailable}, under-replicated: {under}");
        seen.push(Rule::RangesWhole.seen(text));
    }
    seen.push(Rule::Quiet.seen("nobody is being decommissioned or upgraded"));
    if options.start_mode() == KwdbStartMode::MultiReplica {
        let left = sizes::count(plan.after.len(), "member");
        let text = format!("{left} afterwards, the minimum is {}", options.min_members);
        seen.push(Rule::MinimumMembers.seen(text));
    }
}

/// What those who stay have for those who leave.
fn leaving(seen: &mut Vec<GuardSeen>, view: View<'_>, plan: &Plan) {
    let Some(asked) = plan.steps.iter().find_map(room_of) else { return };
    let coming = plan.intent.as_ref().map(added).unwrap_or_default();
    let coming: Vec<Disk> = coming.iter().filter_map(|new| guards::disk_of(view, new)).collect();
    let (without, node_id) = (asked.without.as_slice(), asked.node_id);
    let departure = Departure { view, without, node_id, coming: &coming };
    if let Ok(zones) = view.cluster().map(|cluster| cluster.zones.len()) {
        let text = format!(
            "{} satisfiable, and none names {}",
            sizes::count(zones, "zone"),
            list(without.iter().map(String::as_str))
        );
        seen.push(Rule::ZonesSatisfiable.seen(text));
    }
    seen.extend(departure.room().ok().map(|room| Rule::Room.seen(room.text())));
    seen.push(Rule::NoWaiters.seen("no kwbase node decommission waits on any host"));
}

fn room_of(step: &Step) -> Option<&KwdbRoom> {
    let Some(step::Kind::Check(check)) = &step.kind else { return None };
    check.conditions.iter().find_map(|condition| match &condition.kind {
        Some(condition::Kind::Kwdb(condition)) => match &condition.kind {
            Some(kwdb_condition::Kind::Room(room)) => Some(room),
            Some(_) | None => None,
        },
        Some(_) | None => None,
    })
}

fn newcomers(seen: &mut Vec<GuardSeen>, view: View<'_>, plan: &Plan) {
    let Some(intent) = &plan.intent else { return };
    for new in added(intent) {
        if let (Ok(Some(facts)), Ok(needed)) =
            (view.system_facts(&new.host), guards::needed_bytes(view))
        {
            let (free, needed) = (sizes::text(facts.data_free_bytes), sizes::text(needed));
            seen.push(Rule::FreeDisk.seen(format!("{free} free on {}, {needed} needed", new.host)));
        }
        let vacancy = view.vacancy(&new.host, &new.node).ok();
        let place = vacancy.and_then(|vacancy| vacancy.placement.as_ref()?.system.as_ref());
        if let Some(placement::System::Kwdb(place)) = place {
            let (dir, port) = (&place.data_dir, place.port);
            seen.push(Rule::PlaceFree.seen(format!("{dir} on {} is free", new.host)));
            seen.push(Rule::PortFree.seen(format!("port {port} on {} is free", new.host)));
        }
    }
}
