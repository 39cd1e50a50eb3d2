//! What the guards saw when they let a plan pass: for those who must agree to it. Nothing is decided
//! here; what could not be read has refused before.

use bellows_proto::v1::{
    GuardSeen, HostReading, Observation, Plan, Rejoin, Spec, ToolVersion, intent::Verb, placement,
    spec_change,
};

use super::{
    Policy,
    guards::{self, Rule},
    options, sizes,
    view::{self, Primary, View},
};
use crate::plan::added;
use crate::plan::{by_value, list};

/// Every guard that has something to show, by number.
pub(super) fn guards(
    spec: &Spec,
    observation: &Observation,
    plan: &Plan,
    policy: &Policy,
) -> Vec<GuardSeen> {
    let view = View::of(observation);
    let mut seen = hosts(view);
    seen.push(members(spec, plan));
    let back = returning(plan);
    if spec.version > 0
        && let Ok(primary) = view.primary_besides(back.map_or("", |wanted| &wanted.node))
    {
        cluster(&mut seen, view, primary, plan);
        seen.extend(guards::capacity_seen(view, plan));
        seen.extend(back.into_iter().flat_map(|wanted| came_back(view, primary, wanted)));
        seen.extend(guards::backup_seen(view, policy));
        seen.extend(guards::fronts_seen(view));
    }
    newcomers(&mut seen, view, plan);
    seen.sort_by(|a, b| a.code.cmp(&b.code));
    seen
}

/// Who comes back, where the plan is about that.
fn returning(plan: &Plan) -> Option<&Rejoin> {
    match plan.intent.as_ref()?.verb.as_ref()? {
        Verb::Rejoin(wanted) => Some(wanted),
        Verb::Create(_)
        | Verb::Expand(_)
        | Verb::Shrink(_)
        | Verb::Replace(_)
        | Verb::Switchover(_)
        | Verb::Restart(_)
        | Verb::Adopt(_)
        | Verb::Reconfigure(_) => None,
    }
}

/// What its data and the primary's say of each other.
fn came_back(view: View<'_>, primary: Primary<'_>, wanted: &Rejoin) -> Vec<GuardSeen> {
    let node = &wanted.node;
    let timeline = |timeline: Option<u32>| timeline.map_or("?".to_owned(), |one| one.to_string());
    let reading = view.reading(node).ok();
    let own = reading.and_then(|reading| reading.checkpoint_timeline);
    let state = reading.map_or("", |reading| reading.control_state.as_str());
    let text = format!(
        "{node}: {state:?}, timeline {}; {}: timeline {}",
        timeline(own),
        primary.member.node,
        timeline(primary.server.timeline)
    );
    let mut seen = vec![
        Rule::PrimaryComesAfter.seen(text.clone()),
        Rule::NobodyFollowsIt.seen(format!("no WAL sender and no record below {node}")),
    ];
    match wanted.discard_data {
        true => seen.push(Rule::DataAreOurs.seen(format!("the data directory of {node} was free"))),
        false => seen.push(Rule::CanFollow.seen(text)),
    }
    seen
}

fn hosts(view: View<'_>) -> Vec<GuardSeen> {
    let known = || view.hosts.known();
    let names = list(known().map(|(reading, _)| reading.host.as_str()));
    let of = |value: fn(&bellows_proto::v1::HostFacts) -> &str| {
        by_value(known().map(|(reading, facts)| (value(facts), reading.host.as_str())))
    };
    let clocks = known().filter_map(|(reading, _)| clock(reading));
    let tools: Vec<(String, &str)> = known()
        .filter_map(|(reading, facts)| {
            let system = facts.systems.iter().find(|known| known.system == view::SYSTEM)?;
            let tools: Vec<String> = system.tools.iter().map(named).collect();
            Some((tools.join(", "), reading.host.as_str()))
        })
        .collect();
    let tools = by_value(tools.iter().map(|(tools, host)| (tools.as_str(), *host)));
    vec![
        Rule::HostsAnswer.seen(format!("{names} answered")),
        Rule::SameArchitecture.seen(of(|facts| &facts.architecture)),
        Rule::SameCLibrary.seen(of(|facts| &facts.c_library)),
        Rule::ClocksAgree.seen(clocks.collect::<Vec<_>>().join("; ")),
        Rule::AllowedOnHost.seen(of(|facts| &facts.mode)),
        Rule::ToolsThere.seen(tools),
    ]
}

/// A tool with its version, where the version does not name it.
fn named(tool: &ToolVersion) -> String {
    if tool.version.starts_with(&tool.tool) {
        tool.version.clone()
    } else {
        format!("{} {}", tool.tool, tool.version)
    }
}

/// A clock lies between two bounds: the answer took its time.
fn clock(reading: &HostReading) -> Option<String> {
    let (least, most) = (reading.clock_ahead_least_ms?, reading.clock_ahead_most_ms?);
    Some(format!("{}: between {least} and {most} ms ahead", reading.host))
}

fn members(spec: &Spec, plan: &Plan) -> GuardSeen {
    let left = sizes::count(plan.after.len(), "member");
    // A cluster that comes into being brings its options along, and a plan may change them.
    let new =
        plan.steps.iter().find_map(|step| match step.spec_change.as_ref()?.kind.as_ref()? {
            spec_change::Kind::NewCluster(new) => {
                Some(Spec { options: new.options.clone(), ..Spec::default() })
            }
            spec_change::Kind::Options(change) => {
                Some(Spec { options: change.after.clone(), ..Spec::default() })
            }
            spec_change::Kind::AddNode(_)
            | spec_change::Kind::RemoveNode(_)
            | spec_change::Kind::IdsUsed(_) => None,
        });
    let asked = options::of_spec(new.as_ref().unwrap_or(spec)).min_members;
    let least = usize::try_from(asked).unwrap_or(usize::MAX).max(options::LEAST_MEMBERS);
    Rule::MinimumMembers.seen(format!("{left} afterwards, the minimum is {least}"))
}

fn cluster(seen: &mut Vec<GuardSeen>, view: View<'_>, primary: Primary<'_>, plan: &Plan) {
    let (node, server) = (primary.member.node.as_str(), primary.server);
    let setting = |name: &str| view::setting(server, name).unwrap_or("not read").to_owned();
    seen.push(Rule::OnePrimary.seen(format!("{node} on {}", primary.member.host)));
    let lags = server.senders.iter().map(|sender| {
        let lag = sender.lag_bytes.map_or("unknown".to_owned(), sizes::text);
        format!("{} {} ({lag} behind)", sender.application_name, sender.state)
    });
    let lags: Vec<String> = lags.collect();
    let dead = |host: &String| plan.dead_hosts.contains(host);
    let asked = view.in_spec().filter(|member| !dead(&member.host)).count();
    let count = sizes::count(asked, "member");
    for member in view.in_spec().filter(|member| dead(&member.host)) {
        seen.push(Rule::DeadIsSilent.seen(format!("{} is silent", member.host)));
        let text = format!("no WAL sender and no active slot of {}", member.node);
        seen.push(Rule::DeadIsNotConnected.seen(text));
    }
    let healthy = format!("{count}, nothing wrong; {}", lags.join(", "));
    seen.extend(returning(plan).is_none().then(|| Rule::MembersHealthy.seen(healthy)));
    let versions = view.in_spec().filter_map(|member| {
        Some((view.server(&member.node).ok()?.version.as_str(), member.node.as_str()))
    });
    seen.push(Rule::SameServerVersions.seen(by_value(versions)));
    seen.push(Rule::NeededSettings.seen(format!(
        "wal_level {}, hot_standby {}, data_checksums {}, wal_log_hints {}",
        setting("wal_level"),
        setting("hot_standby"),
        setting("data_checksums"),
        setting("wal_log_hints"),
    )));
    for (rule, name, used) in [
        (Rule::SenderHeadroom, "max_wal_senders", server.senders.len()),
        (Rule::SlotHeadroom, "max_replication_slots", server.slots.len()),
    ] {
        seen.push(rule.seen(format!("{name} {} at {node}, {used} in use", setting(name))));
    }
    let synchronous = setting("synchronous_standby_names");
    let synchronous = if synchronous.is_empty() { "empty".to_owned() } else { synchronous };
    seen.push(Rule::SyncSatisfiable.seen(format!("synchronous_standby_names: {synchronous}")));
    seen.push(Rule::NoLeftoverSlots.seen(format!(
        "slots at {node}: {}",
        list(server.slots.iter().map(|slot| slot.name.as_str()))
    )));
}

fn newcomers(seen: &mut Vec<GuardSeen>, view: View<'_>, plan: &Plan) {
    let Some(intent) = &plan.intent else { return };
    let needed = view
        .primary()
        .map_or(sizes::FRESH_BYTES, |primary| sizes::clone_bytes(primary.server.database_bytes));
    for new in added(intent) {
        if let Ok(Some(facts)) = view.system_facts(&new.host) {
            let (free, needed) = (sizes::text(facts.data_free_bytes), sizes::text(needed));
            seen.push(Rule::FreeDisk.seen(format!("{free} free on {}, {needed} needed", new.host)));
        }
        let vacancy = view.vacancy(&new.host, &new.node).ok();
        let place = vacancy.and_then(|vacancy| vacancy.placement.as_ref()?.system.as_ref());
        if let Some(placement::System::Postgresql(place)) = place {
            let (dir, port) = (&place.data_dir, place.port);
            seen.push(Rule::DirectoryVacant.seen(format!("{dir} on {} is free", new.host)));
            seen.push(Rule::PortFree.seen(format!("port {port} on {} is free", new.host)));
        }
    }
}
