//! Guards on a member that is there and does not follow, and is to follow again.

use bellows_proto::v1::{PostgresqlReading, PostgresqlService, Rejoin, ServiceState};

use super::{
    super::{
        draft::{Placed, in_order},
        health,
        lineage::{self, Past},
        view::{self, Primary, Role},
    },
    Findings, Rule, adopted, newcomers, slots,
};
use crate::plan::Verdict;

/// A cluster to which one member comes back.
pub(in super::super) struct Returning<'a> {
    pub(in super::super) members: Vec<Placed>,
    pub(in super::super) primary: Placed,
    pub(in super::super) seen: Primary<'a>,
    /// Who comes back.
    pub(in super::super) node: Placed,
    /// The members that are neither.
    pub(in super::super) others: Vec<Placed>,
    /// Standbys that ail too, and are not waited for.
    pub(in super::super) ailing: Vec<String>,
    pub(in super::super) reading: &'a PostgresqlReading,
    /// Whether its data can follow as they are.
    pub(in super::super) past: Past,
    /// It runs as a primary, or it cannot be told that it does not.
    pub(in super::super) second_primary: bool,
    /// It streams from the primary already: only its record or its repmgrd is to be mended.
    pub(in super::super) streams: bool,
    /// Its slot is there at the primary.
    pub(in super::super) slot_there: bool,
    /// Its slot is claimed at the primary's host.
    pub(in super::super) slot_claimed: bool,
    /// Slots at its host that may be there, from a time when it was the primary.
    pub(in super::super) own_slots: Vec<String>,
    /// Slots of others that are claimed at its host.
    pub(in super::super) claimed_there: Vec<String>,
}

impl Returning<'_> {
    /// A service that runs, or would at the next boot.
    pub(in super::super) fn is_up(&self, service: PostgresqlService) -> bool {
        let reading = match service {
            PostgresqlService::Server => self.reading.server_service,
            PostgresqlService::Repmgrd => self.reading.repmgrd_service,
            PostgresqlService::Unspecified => None,
        };
        reading.is_none_or(|service| match service.state() {
            ServiceState::Running | ServiceState::Unspecified => true,
            ServiceState::Stopped | ServiceState::Failed => service.enabled,
            ServiceState::Absent | ServiceState::Masked => false,
        })
    }
}

/// The member that is named; `None`: nothing can be said of it.
pub(super) fn named<'m>(
    findings: &mut Findings<'_>,
    members: &'m [Placed],
    wanted: &Rejoin,
) -> Option<&'m Placed> {
    let name = wanted.node.as_str();
    let Some(node) = members.iter().find(|member| member.node == name) else {
        let buried = findings.spec.tombstones.iter().rfind(|stone| stone.node == name);
        let value = match buried {
            Some(stone) => format!(
                "{name} is no member any more: {} holds its tombstone; a new node can live there: bellows expand",
                stone.host
            ),
            None => format!("{name} is not a member of {}", findings.spec.cluster),
        };
        findings.say(Rule::ValidIntent, name, "", value);
        return None;
    };
    if let Ok(primary) = findings.view.primary()
        && primary.member.node == name
    {
        let value = format!("{name} is the primary: the others follow it");
        findings.say(Rule::ValidIntent, name, &node.host, value);
        return None;
    }
    Some(node)
}

/// Judges the return. `ailing`: what is wrong with whom, by the primary's word.
pub(super) fn judge<'a>(
    findings: &mut Findings<'a>,
    members: &[Placed],
    seen: Primary<'a>,
    node: &Placed,
    discard: bool,
) -> Option<Returning<'a>> {
    let members = in_order(members.iter());
    let primary = members.iter().find(|member| member.node == seen.member.node)?.clone();
    let others: Vec<Placed> = members
        .iter()
        .filter(|member| member.node != node.node && member.node != primary.node)
        .cloned()
        .collect();
    let member = findings.view.member(&node.node)?;
    let reading = findings.known(&node.node, &node.host, view::reading(member))?;
    if reading.claimed == Some(false) {
        let value = format!("{} has no node {}", node.host, node.node);
        findings.say(Rule::CanFollow, &node.node, &node.host, value);
        return None;
    }
    if reading.tombstone == Some(true) {
        let value = format!("{} holds a tombstone of {}", node.host, node.node);
        findings.say(Rule::NoTombstone, &node.node, &node.host, value);
    }
    let problems = health::problems_under(findings.view, Some(seen));
    let wrong = |name: &str| problems.iter().any(|problem| problem.node == name);
    let role = view::role(member);
    if matches!(role, Role::Standby(_)) && !wrong(&node.node) {
        let value = format!("{} follows {} already", node.node, primary.node);
        findings.say(Rule::ValidIntent, &node.node, &node.host, value);
    }
    let ailing = others.iter().filter(|other| wrong(&other.node));
    let ailing = ailing.map(|other| other.node.clone()).collect();
    adopted::stoppable(findings, std::iter::once(node));
    nobody_below(findings, seen, node);
    let past = lineage::past(&node.node, &node.slot(), reading, seen);
    way(findings, node, reading, &primary, &past, discard);
    newcomers::senders_and_slots(findings, seen, 1);
    let claimed = |keeper: &Placed, follower: &Placed| {
        slots::claimed(findings, keeper, follower, &follower.slot())
    };
    let slot_claimed = claimed(&primary, node);
    let survivors = || others.iter().chain([&primary]);
    let claimed_there =
        survivors().filter(|other| claimed(node, other)).map(Placed::slot).collect();
    let own_slots = survivors().map(Placed::slot).filter(|slot| may_be_there(reading, slot));
    let own_slots = own_slots.collect();
    let streams =
        health::sender(seen.server, &node.node).is_some_and(|one| one.state == "streaming");
    let second_primary = matches!(role, Role::Primary(_) | Role::Unknown(_));
    let slot_there = health::slot(seen.server, &node.slot()).is_some();
    Some(Returning {
        members,
        primary,
        seen,
        node: node.clone(),
        others,
        ailing,
        reading,
        past,
        second_primary,
        streams,
        slot_there,
        slot_claimed,
        own_slots,
        claimed_there,
    })
}

/// A server that does not run cannot be asked: a former primary has slots.
fn may_be_there(reading: &PostgresqlReading, slot: &str) -> bool {
    match view::server("", reading) {
        Ok(server) => health::slot(server, slot).is_some(),
        Err(_) => reading.control_state == lineage::SHUT_DOWN,
    }
}

/// Two readings: its own WAL senders, and the primary's records.
fn nobody_below(findings: &mut Findings<'_>, primary: Primary<'_>, node: &Placed) {
    let mut below = lineage::followers(findings.view, &node.node);
    let rows = primary.server.registered.iter().filter(|row| row.upstream_id == node.id());
    below.extend(rows.map(|row| row.name.clone()));
    below.sort_unstable();
    below.dedup();
    if !below.is_empty() {
        let value = format!("standbys that follow {}: {}", node.node, below.join(", "));
        findings.say(Rule::NobodyFollowsIt, &node.node, &node.host, value);
    }
}

/// With the data that are there, or with others.
fn way(
    findings: &mut Findings<'_>,
    node: &Placed,
    reading: &PostgresqlReading,
    primary: &Placed,
    past: &Past,
    discard: bool,
) {
    let (name, host) = (&node.node, &node.host);
    match past {
        Past::Apart { why, lost } if !discard => {
            let lost = lost.map(|bytes| format!("; {bytes} bytes of WAL are nowhere else"));
            let value = format!("{why}{}", lost.unwrap_or_default());
            findings.say(Rule::CanFollow, name, host, value);
        }
        Past::Unknown(why) if !discard => {
            findings.say(Rule::CanFollow, name, host, why.clone());
        }
        Past::Part | Past::Apart { .. } | Past::Unknown(_) => {}
    }
    let verdict = lineage::comes_after(findings.view, name, &primary.node);
    match findings.known(name, host, verdict) {
        Some(
            Verdict::Refused(why) | Verdict::Unknown(why) | Verdict::NotYet { reason: why, .. },
        ) => {
            findings.say(Rule::PrimaryComesAfter, name, host, why);
        }
        Some(Verdict::Holds) | None => {}
    }
    if discard && reading.data_is_ours != Some(true) {
        let value = format!(
            "{} was not free when {name} was taken over: what lies there is not ours to discard",
            node.place.data_dir
        );
        findings.say(Rule::DataAreOurs, name, host, value);
    }
}
