//! KWDB: what is asked, seen, planned and judged. Pure: knows plans and proto types only, no clock, no I/O,
//! no other system.

// Used by the verbs as they come.
#[allow(dead_code)]
mod release;
#[allow(dead_code)]
mod room;
#[allow(dead_code)]
mod zones;

use bellows_proto::v1::{
    Act, Asked, Explanation, Intent, IntentOptions, KeyValue, KwdbAction, KwdbCondition,
    KwdbObservation, Observation, Plan, Refusal, Spec,
};

use super::host::NodeSeen;
use crate::plan::{Description, Probe, Question, Verdict};

/// Revision of this planner. Raised when the steps that it makes change their meaning.
pub const REVISION: u32 = 1;

pub(super) fn next_queries(_: &Spec, _: Option<&Intent>, _: &[Asked]) -> Vec<Question> {
    Vec::new()
}

pub(super) fn observation(_: &Spec, _: &[Asked]) -> KwdbObservation {
    KwdbObservation::default()
}

pub(super) fn plan(_: &Spec, _: &Observation, _: &Intent) -> Result<Plan, Vec<Refusal>> {
    Err(Vec::new())
}

pub(super) fn check(_: &KwdbCondition, _: &Observation) -> Verdict {
    Verdict::Refused(String::new())
}

pub(super) fn probe(_: &KwdbAction, _: &Observation) -> Probe {
    Probe::Unknown(String::new())
}

pub(super) fn resolve(act: &Act, _: &Observation) -> Result<Act, String> {
    Ok(act.clone())
}

pub(super) fn drift(_: &KwdbObservation, _: &Observation) -> Vec<String> {
    Vec::new()
}

pub(super) fn describe(_: &Spec, _: &Observation) -> Description {
    Description::default()
}

pub(super) fn options(_: &str, _: &[KeyValue]) -> Result<IntentOptions, Vec<String>> {
    Ok(IntentOptions::default())
}

pub(super) fn node_seen(_: &KwdbObservation, _: &str) -> NodeSeen {
    NodeSeen::default()
}

/// Every numbered guard.
pub fn explanations() -> Vec<Explanation> {
    Vec::new()
}
