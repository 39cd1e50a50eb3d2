//! What the guards saw when they let a plan pass: for those who must agree to it. Nothing is decided
//! here; what could not be read has refused before.

use std::collections::BTreeMap;

use bellows_proto::{
    names::natural,
    v1::{GuardSeen, HostReading, Observation, Plan, Spec},
};

use super::{
    autorecovery,
    guards::{self, Rule},
    metadata, options, versions,
    view::{View, proposed, reading},
};
use crate::plan::{added, sizes};

/// Every guard that has something to show, by number.
pub(super) fn guards(spec: &Spec, observation: &Observation, plan: &Plan) -> Vec<GuardSeen> {
    let view = View::of(observation);
    let mut seen = hosts(view);
    if spec.version > 0 {
        cluster(&mut seen, spec, view, plan);
    }
    newcomers(&mut seen, view, plan);
    seen.sort_by(|a, b| a.code.cmp(&b.code));
    seen
}

/// "a", "a, b".
fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut items: Vec<&str> = items.collect();
    items.sort_by(|a, b| natural(a, b));
    items.join(", ")
}

/// Values with who has them: "4.17.3 (h1, h2)". Mostly there is one.
fn by_value<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (value, who) in pairs {
        values.entry(value).or_default().push(who);
    }
    let texts =
        values.iter().map(|(value, who)| format!("{value} ({})", list(who.iter().copied())));
    texts.collect::<Vec<_>>().join("; ")
}

fn hosts(view: View<'_>) -> Vec<GuardSeen> {
    let known =
        || view.hosts.iter().filter_map(|reading| Some((reading, view.host(&reading.host).ok()?)));
    let names = list(known().map(|(reading, _)| reading.host.as_str()));
    let clocks = known().filter_map(|(reading, _)| clock(reading));
    let modes = known().map(|(reading, facts)| (facts.mode.as_str(), reading.host.as_str()));
    let versions = known().filter_map(|(reading, _)| {
        let facts = view.system_facts(&reading.host).ok()??;
        Some((versions::of_tool(facts)?, reading.host.as_str()))
    });
    vec![
        Rule::HostsAnswer.seen(format!("{names} answered")),
        Rule::AllowedOnHost.seen(by_value(modes)),
        Rule::ToolsThere.seen(format!("BookKeeper {}", by_value(versions))),
        Rule::ClocksAgree.seen(clocks.collect::<Vec<_>>().join("; ")),
    ]
}

/// A clock lies between two bounds: the answer took its time.
fn clock(reading: &HostReading) -> Option<String> {
    let (least, most) = (reading.clock_ahead_least_ms?, reading.clock_ahead_most_ms?);
    Some(format!("{}: between {least} and {most} ms ahead", reading.host))
}

fn cluster(seen: &mut Vec<GuardSeen>, spec: &Spec, view: View<'_>, plan: &Plan) {
    let dead = |host: &String| plan.dead_hosts.contains(host);
    let asked: Vec<&str> = view
        .in_spec()
        .filter(|member| !dead(&member.host) && reading(member).is_ok())
        .map(|member| member.node.as_str())
        .collect();
    let count = sizes::count(asked.len(), "bookie");
    let witnesses = view.witnesses().map(|all| all.len()).unwrap_or_default();
    let by = sizes::count(witnesses, "member");
    seen.push(Rule::MembersHealthy.seen(format!("{count}, writable as {by} tell")));
    let running = view.in_spec().filter_map(|member| {
        let version = reading(member).ok()?.version.as_str();
        (!version.is_empty()).then_some((version, member.node.as_str()))
    });
    seen.push(Rule::SameVersions.seen(by_value(running)));
    if let Ok(Ok(one)) = metadata::one_cluster(view, &asked) {
        seen.push(Rule::OneCluster.seen(one));
    }
    if let Ok(Ok(fast)) = autorecovery::metadata_fast(view) {
        seen.push(Rule::MetadataFast.seen(fast));
    }
    let least = options::of_spec(spec).min_bookies;
    let left = sizes::count(plan.after.len(), "bookie");
    seen.push(Rule::MinimumBookies.seen(format!("{left} afterwards, the minimum is {least}")));
}

fn newcomers(seen: &mut Vec<GuardSeen>, view: View<'_>, plan: &Plan) {
    let Some(intent) = &plan.intent else { return };
    for new in added(intent) {
        if let Ok(Some(facts)) = view.system_facts(&new.host) {
            let needed = sizes::text(guards::NEEDED_BYTES);
            let free = sizes::text(facts.data_free_bytes);
            seen.push(Rule::FreeDisk.seen(format!("{free} free on {}, {needed} needed", new.host)));
        }
        let vacancy = view.vacancy(&new.host, &new.node).ok();
        if let Some(place) = vacancy.and_then(proposed) {
            let dirs = place.ledger_dirs.join(", ");
            seen.push(Rule::PlaceFree.seen(format!("{dirs} on {} free", new.host)));
            let (port, http) = (place.port, place.http_port);
            let text = format!("ports {port} and {http} on {} are free", new.host);
            seen.push(Rule::PortFree.seen(text));
        }
        if let Ok(id) = view.id(&new.node) {
            seen.push(Rule::CookieClean.seen(format!("the metadata have no cookie of {id}")));
        }
    }
}
