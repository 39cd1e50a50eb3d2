//! How long a plan will take, about: a sum of what its steps say of themselves.

use bellows_proto::v1::Plan;

/// Milliseconds that the steps of a plan will take one after the other; 0: nobody knows. An estimate,
/// no promise.
pub fn expected_ms(plan: &Plan) -> u64 {
    plan.steps.iter().fold(0, |sum, step| sum.saturating_add(step.expected_ms))
}

/// Milliseconds for so many bytes at so many bytes per second.
pub fn moved_ms(bytes: u64, rate: u64) -> u64 {
    bytes.saturating_mul(1000) / rate.max(1)
}
