//! Apache BookKeeper: what is asked, seen, planned and judged. Pure: knows plans and proto types only, no clock, no I/O,
//! no other system.

mod budget;
mod enough;
mod moving;
mod room;
mod ways;

use bellows_proto::v1::{
    Act, Asked, BookkeeperAction, BookkeeperCondition, BookkeeperObservation, Explanation, Intent,
    IntentOptions, KeyValue, Observation, Plan, Refusal, Spec,
};

use super::host::NodeSeen;
use crate::plan::{Description, Probe, Question, Verdict};

/// Revision of this planner. Raised when the steps that it makes change their meaning.
pub const REVISION: u32 = 1;

pub(super) fn next_queries(_: &Spec, _: Option<&Intent>, _: &[Asked]) -> Vec<Question> {
    Vec::new()
}

pub(super) fn observation(_: &Spec, _: &[Asked]) -> BookkeeperObservation {
    BookkeeperObservation::default()
}

pub(super) fn plan(_: &Spec, _: &Observation, _: &Intent) -> Result<Plan, Vec<Refusal>> {
    Err(Vec::new())
}

pub(super) fn check(_: &BookkeeperCondition, _: &Observation) -> Verdict {
    Verdict::Refused(String::new())
}

pub(super) fn probe(_: &BookkeeperAction, _: &Observation) -> Probe {
    Probe::Unknown(String::new())
}

pub(super) fn resolve(act: &Act, _: &Observation) -> Result<Act, String> {
    Ok(act.clone())
}

pub(super) fn drift(_: &BookkeeperObservation, _: &Observation) -> Vec<String> {
    Vec::new()
}

pub(super) fn describe(_: &Spec, _: &Observation) -> Description {
    Description::default()
}

pub(super) fn options(_: &str, _: &[KeyValue]) -> Result<IntentOptions, Vec<String>> {
    Ok(IntentOptions::default())
}

pub(super) fn node_seen(_: &BookkeeperObservation, _: &str) -> NodeSeen {
    NodeSeen::default()
}

/// Every numbered guard.
pub fn explanations() -> Vec<Explanation> {
    Vec::new()
}
