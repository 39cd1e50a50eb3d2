//! Asking a cluster's hosts, and judging lists of conditions.

use std::time::Duration;

use bellows_proto::{
    defect::{Defect, is_seeded},
    v1::{
        Asked, Condition, Fault, FaultCode, HoldCause, Intent, Observation, Progress, Spec, asked,
    },
};
use futures::future::join_all;

use super::{
    World,
    ports::{Agents as _, Clock as _, Question, Reading, Systems, Verdict},
    run::{Failure, Stop},
};

/// Rounds of questions at most: a system that goes on asking is a bug, not a reason to hang.
const ROUNDS: usize = 8;
/// What surveys told may be so old for a plan, and is waited for so long.
const PLANNING: Duration = Duration::from_secs(10 * 60);
/// A survey that is not there yet is asked for again after so long; the agent holds each call back, too.
pub const SURVEY_PAUSE: Duration = Duration::from_secs(1);

/// Whether surveys are asked, and how old what they told may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surveys {
    /// They are not asked.
    Unasked,
    /// As old as it may be.
    AnyAge,
    /// Begun at this time of [`Clock::elapsed`] or later.
    Since(Duration),
    /// Begun at most so long ago.
    Within(Duration),
}

impl Surveys {
    /// What an agent is told, at this time of [`Clock::elapsed`].
    fn max_age_ms(self, now: Duration) -> u64 {
        let age = match self {
            Self::Unasked => Duration::ZERO,
            Self::AnyAge => Duration::MAX,
            Self::Since(moment) => now.saturating_sub(moment),
            Self::Within(age) => age,
        };
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    }
}

/// What was seen.
#[derive(Debug)]
pub struct Seen {
    /// The snapshot; a survey that is not there yet is a hole in it.
    pub observation: Observation,
    /// The first survey that is not there yet, in words.
    pub surveying: Option<String>,
}

/// Asks everybody at once, round by round, and makes the snapshot.
pub async fn observe<W: World>(
    world: &W,
    spec: &Spec,
    intent: Option<&Intent>,
    surveys: Surveys,
) -> Seen {
    let next = |answers: &[Asked]| world.systems().next_queries(spec, intent, answers);
    rounds(world, spec, next, surveys).await
}

/// The same before a plan is made or applied. Surveys may be as old as a plan may be when it is looked at; one
/// that is not there yet is waited for, for so long.
pub async fn observe_to_plan<W: World>(world: &W, spec: &Spec, intent: &Intent) -> Observation {
    let next = |answers: &[Asked]| world.systems().planning_queries(spec, intent, answers);
    let began = world.clock().elapsed();
    loop {
        let seen = rounds(world, spec, next, Surveys::Within(PLANNING)).await;
        let waited = world.clock().elapsed().saturating_sub(began);
        if seen.surveying.is_none() || waited >= PLANNING {
            return seen.observation;
        }
        world.clock().sleep(SURVEY_PAUSE).await;
    }
}

async fn rounds<W: World>(
    world: &W,
    spec: &Spec,
    next: impl Fn(&[Asked]) -> Vec<Question>,
    surveys: Surveys,
) -> Seen {
    let mut answers: Vec<Asked> = Vec::new();
    for _ in 0..ROUNDS {
        let mut questions = next(&answers);
        questions.retain(|question| !question.survey || surveys != Surveys::Unasked);
        if questions.is_empty() {
            break;
        }
        answers.extend(join_all(questions.into_iter().map(|q| ask(world, q, surveys))).await);
    }
    let surveying = answers.iter().find_map(|asked| match &asked.outcome {
        Some(asked::Outcome::Fault(fault)) if fault.code() == FaultCode::Surveying => {
            Some(format!("host {}: {}", asked.host, fault.message))
        }
        Some(asked::Outcome::Fault(_) | asked::Outcome::Answer(_)) | None => None,
    });
    Seen { observation: world.systems().observation(spec, &answers), surveying }
}

async fn ask<W: World>(world: &W, question: Question, surveys: Surveys) -> Asked {
    let Question { host, query, survey } = question;
    let mut began_at_ms = world.clock().now_ms();
    let max_age_ms = if survey { surveys.max_age_ms(world.clock().elapsed()) } else { 0 };
    let outcome = match world.agents().ask(&host, query.clone(), max_age_ms).await {
        Ok(Reading { answer, age_ms }) => {
            // Never later than it really began.
            began_at_ms = began_at_ms.saturating_sub_unsigned(age_ms);
            asked::Outcome::Answer(answer)
        }
        Err(fault) => asked::Outcome::Fault(fault),
    };
    let ended_at_ms = world.clock().now_ms();
    Asked { host, query: Some(query), outcome: Some(outcome), began_at_ms, ended_at_ms }
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
