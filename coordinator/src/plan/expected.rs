//! How long a plan will take, about: a sum of what its steps say of themselves.

use bellows_proto::v1::Plan;

/// Milliseconds that the steps of a plan will take one after the other; 0: nobody knows. An estimate,
/// no promise.
pub fn expected_ms(plan: &Plan) -> u64 {
    plan.steps.iter().fold(0, |sum, step| sum.saturating_add(step.expected_ms))
}
