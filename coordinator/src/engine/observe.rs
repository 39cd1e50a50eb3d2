//! Asking a cluster's hosts, and judging lists of conditions.

use bellows_proto::{
    defect::{Defect, is_seeded},
    v1::{
        Asked, Condition, Fault, FaultCode, HoldCause, Intent, Observation, Progress, Spec, asked,
    },
};
use futures::future::join_all;

use super::{
    World,
    ports::{Agents as _, Clock as _, Question, Systems, Verdict},
    run::{Failure, Stop},
};

/// Rounds of questions at most: a system that goes on asking is a bug, not a reason to hang.
const ROUNDS: usize = 8;

/// Asks everybody at once, round by round, and makes the snapshot.
pub async fn observe<W: World>(world: &W, spec: &Spec, intent: Option<&Intent>) -> Observation {
    let next = |answers: &[Asked]| world.systems().next_queries(spec, intent, answers);
    rounds(world, spec, next).await
}

/// The same before a plan is made or applied.
pub async fn observe_to_plan<W: World>(world: &W, spec: &Spec, intent: &Intent) -> Observation {
    let next = |answers: &[Asked]| world.systems().planning_queries(spec, intent, answers);
    rounds(world, spec, next).await
}

async fn rounds<W: World>(
    world: &W,
    spec: &Spec,
    next: impl Fn(&[Asked]) -> Vec<Question>,
) -> Observation {
    let mut answers: Vec<Asked> = Vec::new();
    for _ in 0..ROUNDS {
        let questions = next(&answers);
        if questions.is_empty() {
            break;
        }
        answers.extend(join_all(questions.into_iter().map(|q| ask(world, q))).await);
    }
    world.systems().observation(spec, &answers)
}

async fn ask<W: World>(world: &W, question: Question) -> Asked {
    let began_at_ms = world.clock().now_ms();
    let outcome = match world.agents().ask(&question.host, question.query.clone()).await {
        Ok(answer) => asked::Outcome::Answer(answer),
        Err(fault) => asked::Outcome::Fault(fault),
    };
    Asked {
        host: question.host,
        query: Some(question.query),
        outcome: Some(outcome),
        began_at_ms,
        ended_at_ms: world.clock().now_ms(),
    }
}

/// Judges a list: all must hold. Refused outweighs unknown, unknown outweighs not yet.
pub fn all<S: Systems>(
    systems: &S,
    conditions: &[Condition],
    observation: &Observation,
) -> Verdict {
    let mut refused = Vec::new();
    let mut unknown = Vec::new();
    let mut waiting = Vec::new();
    let mut measured: Option<Progress> = None;
    for condition in conditions {
        match systems.check(condition, observation) {
            Verdict::Holds => {}
            Verdict::Refused(reason) => refused.push(reason),
            Verdict::Unknown(reason) => unknown.push(reason),
            Verdict::NotYet { reason, progress } => {
                waiting.push(reason);
                measured = measured.or(progress);
            }
        }
    }
    if !refused.is_empty() {
        Verdict::Refused(refused.join("; "))
    } else if !unknown.is_empty() {
        Verdict::Unknown(unknown.join("; "))
    } else if !waiting.is_empty() {
        Verdict::NotYet { reason: waiting.join("; "), progress: measured }
    } else {
        Verdict::Holds
    }
}

/// The call did not get through, and may later: safe to repeat where the call itself is.
pub fn is_passing(fault: &Fault) -> bool {
    matches!(fault.code(), FaultCode::Unreachable | FaultCode::Deadline)
}

/// What a refused or failed call means for the step.
pub fn stop_of(fault: Fault, cause: HoldCause) -> Stop {
    if fault.code() == FaultCode::StaleTerm && !is_seeded(Defect::StaleTermIgnored) {
        return Stop::Stale(fault.message);
    }
    let text = if fault.host.is_empty() {
        fault.message.clone()
    } else {
        format!("host {}: {}", fault.host, fault.message)
    };
    Stop::Failed(Box::new(Failure { cause, text, fault: Some(fault) }))
}
