//! Judges conditions. What could not be read is unknown: never "holds", never "does not hold".

mod front;
mod records;
mod returning;
mod role;
mod room;

use std::collections::BTreeSet;

use bellows_proto::v1::{
    NotStreaming, Observation, PostgresqlCondition, PostgresqlService, Progress, ServiceRuns,
    ServiceState, Streaming, SyncSatisfiable, postgresql_condition::Kind,
};

use super::{
    health, lineage, synchronous,
    view::{NoPrimary, Role, View, role, server, state_text},
};
use crate::plan::Verdict;
use crate::systems::host;

pub(super) use front::difference as front_difference;

/// Judges a condition.
pub fn check(condition: &PostgresqlCondition, observation: &Observation) -> Verdict {
    let view = View::of(observation);
    let judged = match &condition.kind {
        Some(Kind::Healthy(wanted)) => healthy(view, &wanted.without),
        Some(Kind::PrimaryIs(wanted)) => primary_is(view, &wanted.node, &wanted.without),
        Some(Kind::MembersAre(wanted)) => {
            records::members_are(view, &wanted.nodes, &wanted.without)
        }
        Some(Kind::MembersBetween(wanted)) => records::members_between(view, wanted),
        Some(Kind::LoginWorks(wanted)) => room::login_works(view, wanted),
        Some(Kind::SenderHeadroom(wanted)) => {
            let used = |server: &bellows_proto::v1::PostgresqlServer| server.senders.len();
            room::headroom(view, &wanted.node, "max_wal_senders", wanted.needed, used)
        }
        Some(Kind::SlotHeadroom(wanted)) => {
            let used = |server: &bellows_proto::v1::PostgresqlServer| server.slots.len();
            room::headroom(view, &wanted.node, "max_replication_slots", wanted.needed, used)
        }
        Some(Kind::DiskFree(wanted)) => room::disk_free(view, wanted),
        Some(Kind::Vacant(wanted)) => room::vacant(view, wanted),
        Some(Kind::Streaming(wanted)) => streaming(view, wanted),
        Some(Kind::NotStreaming(wanted)) => not_streaming(view, wanted),
        Some(Kind::RegisteredEverywhere(wanted)) => records::registered_everywhere(view, wanted),
        Some(Kind::AbsentEverywhere(wanted)) => records::absent_everywhere(view, wanted),
        Some(Kind::ServiceRuns(wanted)) => service_runs(view, wanted),
        Some(Kind::VersionsMatch(wanted)) => room::versions_match(view, wanted),
        Some(Kind::SyncSatisfiable(wanted)) => sync_satisfiable(view, wanted),
        Some(Kind::StaysAway(wanted)) => stays_away(view, &wanted.node, &wanted.host),
        Some(Kind::HasTombstone(wanted)) => has_tombstone(view, &wanted.node, &wanted.host),
        Some(Kind::ReceivedAll(wanted)) => role::received_all(view, wanted),
        Some(Kind::RoleMoves(wanted)) => role::moves(view, wanted),
        Some(Kind::CanTakeOver(wanted)) => role::can_take_over(view, wanted),
        Some(Kind::RepmgrdIs(wanted)) => role::repmgrd_is(view, wanted),
        Some(Kind::Leads(wanted)) => returning::leads(view, wanted),
        Some(Kind::CanFollow(wanted)) => returning::can_follow(view, wanted),
        Some(Kind::FrontServes(wanted)) => front::serves(view, wanted),
        Some(Kind::MayDiscard(wanted)) => lineage::may_discard(view, &wanted.node, &wanted.primary),
        None => {
            Ok(Verdict::Refused("the condition is empty: written by a newer version".to_owned()))
        }
    };
    judged.unwrap_or_else(Verdict::Unknown)
}

/// As [`Kind::CanTakeOver`], for the guards.
pub(super) fn can_take_over(view: View<'_>, node: &str, max_lag_bytes: u64) -> Verdict {
    let wanted = bellows_proto::v1::CanTakeOver { node: node.to_owned(), max_lag_bytes };
    role::can_take_over(view, &wanted).unwrap_or_else(Verdict::Unknown)
}

/// A verdict, or why nothing can be said.
type Judged = Result<Verdict, String>;

fn healthy(view: View<'_>, without: &[String]) -> Judged {
    match view.primary() {
        Ok(_) => {}
        Err(why @ (NoPrimary::None | NoPrimary::Several(_))) => {
            return Ok(Verdict::Refused(why.text()));
        }
        Err(why @ NoPrimary::Unknown(_)) => return Err(why.text()),
    }
    let unknown = view.unknown_members_but(without);
    if !unknown.is_empty() {
        return Err(unknown.join("; "));
    }
    let mut problems = health::problems(view);
    problems.retain(|problem| !without.contains(&problem.node));
    if problems.is_empty() {
        return Ok(Verdict::Holds);
    }
    let ailing: BTreeSet<&str> = problems.iter().map(|problem| problem.node.as_str()).collect();
    let all = view.in_spec().filter(|member| !without.contains(&member.node)).count();
    let texts: Vec<String> =
        problems.iter().map(|problem| format!("{}: {}", problem.node, problem.text)).collect();
    Ok(Verdict::NotYet {
        reason: texts.join("; "),
        progress: Some(Progress {
            done: u64::try_from(all.saturating_sub(ailing.len())).unwrap_or(0),
            total: u64::try_from(all).ok(),
            unit: "members".to_owned(),
            ..Progress::default()
        }),
    })
}

fn primary_is(view: View<'_>, node: &str, without: &[String]) -> Judged {
    let primary = match view.primary() {
        Ok(primary) => primary,
        Err(why @ NoPrimary::Unknown(_)) => return Err(why.text()),
        Err(why @ (NoPrimary::None | NoPrimary::Several(_))) => {
            return Ok(Verdict::Refused(why.text()));
        }
    };
    if primary.member.node != node {
        return Ok(Verdict::Refused(format!("{} is primary, not {node}", primary.member.node)));
    }
    // One that does not answer may have been promoted on the other side of a cut network.
    let unknown = view.unknown_members_but(without);
    if unknown.is_empty() { Ok(Verdict::Holds) } else { Err(unknown.join("; ")) }
}

fn streaming(view: View<'_>, wanted: &Streaming) -> Judged {
    let node = &wanted.node;
    if let Ok(reading) = view.reading(node)
        && health::service_state(reading, PostgresqlService::Server) == ServiceState::Failed
    {
        return Ok(Verdict::Refused(format!("the server of {node} has failed: see its log")));
    }
    let primary = view.primary().map_err(|why| why.text())?;
    let (upstream, above) = match wanted.from.as_str() {
        "" => health::upstream(view, primary, node),
        from => (from, view.server(from)?),
    };
    let Some(sender) = health::sender(above, node) else {
        let why = view
            .server(node)
            .err()
            .unwrap_or_else(|| format!("{node} is not connected to {upstream}"));
        return Ok(Verdict::not_yet(why));
    };
    match (sender.state.as_str(), sender.lag_bytes) {
        ("streaming", Some(lag)) if lag <= wanted.max_lag_bytes => Ok(Verdict::Holds),
        (state, lag) => Ok(Verdict::NotYet {
            reason: match lag {
                Some(lag) => format!("{node} is {lag} bytes behind {upstream} ({state})"),
                None => format!("{node} is connected to {upstream} ({state})"),
            },
            progress: lag.map(|lag| Progress {
                done: lag,
                total: None,
                unit: "bytes behind".to_owned(),
                ..Progress::default()
            }),
        }),
    }
}

/// Two readings at every member that runs: no WAL sender of that name, and its slot inactive.
/// A server that is known to be down sends nothing.
fn not_streaming(view: View<'_>, wanted: &NotStreaming) -> Judged {
    let mut still = Vec::new();
    let at = |name: &str| wanted.at.is_empty() || wanted.at == name;
    for member in view.in_spec().filter(|member| member.node != wanted.node && at(&member.node)) {
        let server = match role(member) {
            Role::Primary(server) | Role::Standby(server) => server,
            Role::Down(_) => continue,
            Role::Unknown(why) => return Err(why),
        };
        if let Some(sender) = health::sender(server, &wanted.node) {
            still.push(format!(
                "{} still sends WAL to {} ({})",
                member.node, wanted.node, sender.state
            ));
        }
        if health::slot(server, &wanted.slot).is_some_and(|slot| slot.active) {
            still.push(format!("slot {} is still read at {}", wanted.slot, member.node));
        }
    }
    Ok(Verdict::unless(&still))
}

fn service_runs(view: View<'_>, wanted: &ServiceRuns) -> Judged {
    let node = &wanted.node;
    let reading = view.reading(node)?;
    let name = super::join::service_name(wanted.service());
    match health::service_state(reading, wanted.service()) {
        ServiceState::Running => {}
        ServiceState::Unspecified => {
            return Err(format!("the service of {name} of {node} was not read"));
        }
        ServiceState::Failed => {
            return Ok(Verdict::Refused(format!("{name} of {node} has failed: see its log")));
        }
        state @ (ServiceState::Absent | ServiceState::Stopped | ServiceState::Masked) => {
            return Ok(Verdict::not_yet(format!("{name} of {node} is {}", state_text(state))));
        }
    }
    let server = match server(node, reading) {
        Ok(server) => server,
        Err(why) => return Ok(Verdict::not_yet(why)),
    };
    if wanted.service() == PostgresqlService::Repmgrd && server.repmgrd_running != Some(true) {
        return Ok(Verdict::not_yet(format!(
            "repmgrd of {node} has not reported to its server yet"
        )));
    }
    Ok(Verdict::Holds)
}

fn sync_satisfiable(view: View<'_>, wanted: &SyncSatisfiable) -> Judged {
    let primary = view.primary().map_err(|why| why.text())?;
    let standbys = view
        .in_spec()
        .filter(|member| matches!(role(member), Role::Standby(_)))
        .map(|member| member.node.as_str())
        .filter(|node| !wanted.without.iter().any(|gone| gone == node));
    Ok(match synchronous::unsatisfied(primary.server, standbys)? {
        None => Verdict::Holds,
        Some(setting) => Verdict::Refused(format!(
            "synchronous_standby_names is {setting:?}: commits would wait for ever without {}",
            wanted.without.join(", ")
        )),
    })
}

fn has_tombstone(view: View<'_>, node: &str, at: &str) -> Judged {
    host::has_tombstone(view.hosts, view.reading(node)?.node.as_ref(), node, at)
}

fn stays_away(view: View<'_>, node: &str, at: &str) -> Judged {
    let named = view.reading(node).map(|reading| reading.node.as_ref());
    let is_member = view.in_spec().any(|member| member.node == node);
    host::stays_away(view.hosts, named, (node, is_member), at)
}
