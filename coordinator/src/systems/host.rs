//! What can be judged of any host, whatever the system: its answers, its clock, its claims and
//! tombstones. Knows no system.

pub mod actions;
mod burial;
pub mod conditions;
mod hosts;
pub mod newcomers;
pub mod nodes;
pub mod queries;

pub use burial::{has_tombstone, stays_away};
pub use hosts::Hosts;

use bellows_proto::{
    names::natural,
    v1::{
        Answer, Asked, DirectoryState, HostAction, HostCondition, HostQuery, HostReading,
        NodeFault, NodeRecord, NodeRef, Observation, Query, answer, asked, host_action,
        host_answer, host_condition, host_query, host_reading, query,
    },
};

use crate::plan::{Probe, Verdict};

/// What a system knows of a node that hosts do not tell in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeSeen {
    /// Where it lives; empty: not known.
    pub host: String,
    /// Its data directory.
    pub data_directory: DirectoryState,
}

/// What hosts said of themselves: one reading per host that was asked, in the order of names.
pub fn readings(answers: &[Asked]) -> Vec<HostReading> {
    let mut readings: Vec<HostReading> = Vec::new();
    for asked in answers {
        let Some(query) = host_query(asked.query.as_ref()) else { continue };
        let at =
            readings.iter().position(|reading| reading.host == asked.host).unwrap_or_else(|| {
                readings.push(HostReading { host: asked.host.clone(), ..HostReading::default() });
                readings.len() - 1
            });
        if let Some(reading) = readings.get_mut(at) {
            take(reading, query, asked);
        }
    }
    readings.sort_by(|a, b| natural(&a.host, &b.host));
    readings
}

fn host_query(query: Option<&Query>) -> Option<&host_query::Kind> {
    let query::Kind::Host(HostQuery { kind }) = query?.kind.as_ref()? else { return None };
    kind.as_ref()
}

fn take(reading: &mut HostReading, query: &host_query::Kind, asked: &Asked) {
    let answer = match &asked.outcome {
        Some(asked::Outcome::Answer(Answer { kind: Some(answer::Kind::Host(answer)) })) => {
            answer.kind.as_ref()
        }
        Some(asked::Outcome::Answer(_) | asked::Outcome::Fault(_)) | None => None,
    };
    let fault = match &asked.outcome {
        Some(asked::Outcome::Fault(fault)) => Some(fault.clone()),
        Some(asked::Outcome::Answer(_)) | None => None,
    };
    match (query, answer) {
        (host_query::Kind::Facts(_), Some(host_answer::Kind::Facts(facts))) => {
            // It read its clock between question and answer: the offset lies between these.
            reading.clock_ahead_least_ms = Some(facts.clock_ms.saturating_sub(asked.ended_at_ms));
            reading.clock_ahead_most_ms = Some(facts.clock_ms.saturating_sub(asked.began_at_ms));
            reading.outcome = Some(host_reading::Outcome::Facts(facts.clone()));
        }
        (host_query::Kind::Facts(_), _) => {
            reading.outcome = fault.map(host_reading::Outcome::Fault)
        }
        // For people; no planner asks for it.
        (host_query::Kind::Inventory(_), _) => {}
        (host_query::Kind::Vacancy(_), Some(host_answer::Kind::Vacancy(vacancy))) => {
            reading.vacancies.push(vacancy.clone());
        }
        (host_query::Kind::Vacancy(query), _) => {
            let node = query.node.as_ref().map(|node| node.node.clone()).unwrap_or_default();
            reading.vacancy_faults.push(NodeFault { node, fault });
        }
    }
}

/// What can be said of a clock.
pub enum Clock {
    /// It is within the limit for certain.
    Right,
    /// It is off for certain: by how much.
    Wrong(String),
    /// The answer took too long to say.
    Unknown(String),
}

/// Judges a host's clock. The limit is in milliseconds, to both sides.
pub fn clock(reading: &HostReading, limit_ms: i64) -> Clock {
    let (Some(least), Some(most)) = (reading.clock_ahead_least_ms, reading.clock_ahead_most_ms)
    else {
        return Clock::Unknown(format!("the clock of {} was not read", reading.host));
    };
    if least > limit_ms {
        return Clock::Wrong(format!(
            "the clock of {} is {least} ms or more ahead of the coordinator's",
            reading.host
        ));
    }
    if most < -limit_ms {
        let behind = most.saturating_neg();
        return Clock::Wrong(format!(
            "the clock of {} is {behind} ms or more behind the coordinator's",
            reading.host
        ));
    }
    if least >= -limit_ms && most <= limit_ms {
        return Clock::Right;
    }
    let took = most.saturating_sub(least);
    Clock::Unknown(format!(
        "{} took {took} ms to answer: too long to judge its clock",
        reading.host
    ))
}

/// Judges a condition.
pub fn check(condition: &HostCondition, observation: &Observation) -> Verdict {
    let hosts = Hosts(&observation.hosts);
    match &condition.kind {
        Some(host_condition::Kind::Answers(answers)) => match hosts.facts(&answers.host) {
            Ok(_) => Verdict::Holds,
            Err(why) => Verdict::Unknown(why),
        },
        Some(host_condition::Kind::ClockWithin(within)) => {
            match (hosts.facts(&within.host), hosts.reading(&within.host)) {
                (Ok(_), Some(reading)) => match clock(reading, within.limit_ms) {
                    Clock::Right => Verdict::Holds,
                    Clock::Wrong(value) => Verdict::Refused(value),
                    Clock::Unknown(why) => Verdict::Unknown(why),
                },
                (Err(why), _) => Verdict::Unknown(why),
                (Ok(_), None) => Verdict::Unknown(format!("{} was not asked", within.host)),
            }
        }
        None => Verdict::Refused("the condition is empty: written by a newer version".to_owned()),
    }
}

/// Judges an action by the records of the host that its node lives at.
pub fn probe(
    action: &HostAction,
    observation: &Observation,
    seen: &impl Fn(&str) -> NodeSeen,
) -> Probe {
    let Some((node, kind)) = named(action) else {
        return Probe::Unknown("the action is empty or names no node".to_owned());
    };
    let node_seen = seen(&node.node);
    if node_seen.host.is_empty() {
        return Probe::Unknown(format!("{} was not asked", node.node));
    }
    let record = match Hosts(&observation.hosts).facts(&node_seen.host) {
        Ok(facts) => facts.nodes.iter().find(|record| record.node.as_ref() == Some(node)),
        Err(why) => return Probe::Unknown(why),
    };
    judge(kind, record, node_seen.data_directory)
}

fn named(action: &HostAction) -> Option<(&NodeRef, &host_action::Kind)> {
    let kind = action.kind.as_ref()?;
    let node = match kind {
        host_action::Kind::ClaimNode(action) => action.node.as_ref(),
        host_action::Kind::ReleaseNode(action) => action.node.as_ref(),
        host_action::Kind::ClaimResource(action) => action.node.as_ref(),
        host_action::Kind::ReleaseResource(action) => action.node.as_ref(),
        host_action::Kind::Tombstone(action) => action.node.as_ref(),
        host_action::Kind::LiftTombstone(action) => action.node.as_ref(),
    };
    Some((node?, kind))
}

fn judge(kind: &host_action::Kind, record: Option<&NodeRecord>, data: DirectoryState) -> Probe {
    let claimed = record.is_some_and(|record| !record.claimed_by.is_empty());
    let tombstone = record.is_some_and(|record| record.tombstone);
    let holds =
        |resource: &String| record.is_some_and(|record| record.resources.contains(resource));
    match kind {
        host_action::Kind::ClaimNode(_) => Probe::done_if(claimed && !tombstone),
        host_action::Kind::ReleaseNode(_) => Probe::done_if(!claimed),
        host_action::Kind::ClaimResource(claim) => Probe::done_if(holds(&claim.resource)),
        host_action::Kind::ReleaseResource(release) => Probe::done_if(!holds(&release.resource)),
        host_action::Kind::Tombstone(stone) if tombstone && stone.wipe_data => match data {
            DirectoryState::Absent | DirectoryState::Empty => Probe::Done,
            DirectoryState::Occupied => {
                Probe::Partial("the tombstone is there, and the data too".to_owned())
            }
            DirectoryState::Unspecified => {
                Probe::Unknown("the data directory could not be looked at".to_owned())
            }
        },
        host_action::Kind::Tombstone(_) => Probe::done_if(tombstone),
        // A burial that was cut short is no tombstone yet, but its intention must go too.
        host_action::Kind::LiftTombstone(_) => {
            Probe::done_if(record.is_some_and(|record| !record.tombstone && !record.burial_begun))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock_of(least: i64, most: i64) -> Clock {
        let reading = HostReading {
            host: "h1".into(),
            clock_ahead_least_ms: Some(least),
            clock_ahead_most_ms: Some(most),
            ..HostReading::default()
        };
        clock(&reading, 2000)
    }

    #[test]
    fn a_burial_that_was_cut_short_is_neither_a_tombstone_nor_lifted() {
        let (bury, lift) = (Default::default(), Default::default());
        let kinds = [host_action::Kind::Tombstone(bury), host_action::Kind::LiftTombstone(lift)];
        let judged = |tombstone, burial_begun| {
            let record = NodeRecord { tombstone, burial_begun, ..NodeRecord::default() };
            kinds.each_ref().map(|kind| {
                matches!(judge(kind, Some(&record), DirectoryState::Empty), Probe::Done)
            })
        };
        assert_eq!(judged(false, false), [false, true]);
        assert_eq!(judged(false, true), [false, false]);
        assert_eq!(judged(true, true), [true, false]);
    }

    #[test]
    fn a_clock_is_judged_only_as_far_as_the_answers_time_allows() {
        assert!(matches!(clock_of(-5, 5), Clock::Right));
        assert!(matches!(clock_of(-2000, 2000), Clock::Right));
        assert!(matches!(clock_of(2001, 2010), Clock::Wrong(_)));
        assert!(matches!(clock_of(-9000, -2001), Clock::Wrong(_)));
        assert!(matches!(clock_of(-3000, 1000), Clock::Unknown(_)));
        assert!(matches!(clock(&HostReading::default(), 2000), Clock::Unknown(_)));
    }
}
