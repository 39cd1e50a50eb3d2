//! Conditions on any host.

use bellows_proto::v1::{
    ClockWithin, Condition, HostAnswers, HostCondition, condition, host_condition,
};

/// The host answers.
pub fn answers(host: &str) -> Condition {
    of_host(host_condition::Kind::Answers(HostAnswers { host: host.to_owned() }))
}

/// Its clock is within so many milliseconds of the coordinator's, to both sides.
pub fn clock_within(host: &str, limit_ms: i64) -> Condition {
    of_host(host_condition::Kind::ClockWithin(ClockWithin { host: host.to_owned(), limit_ms }))
}

fn of_host(kind: host_condition::Kind) -> Condition {
    Condition { kind: Some(condition::Kind::Host(HostCondition { kind: Some(kind) })) }
}
