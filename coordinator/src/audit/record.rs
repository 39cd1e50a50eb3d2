//! Records from what happened: events without plans, actions and tool output, of which there
//! are digests. Pure.

use bellows_proto::{
    audit::words,
    digest,
    v1::{
        Act, AuditEvent, Event, Evidence, Fault, JobKey,
        event::Kind::{
            Accepted, ActDone, ActFailed, ActNever, ActStarted, Closed, Control, Fenced, Held,
            Rested, Resumed, StepFailed, StepSkipped, StepStarted, StepSucceeded, StepUndone,
            UndoStarted,
        },
    },
};

/// A job's key in one word.
pub(super) fn word(key: &JobKey) -> String {
    format!("{}/{}/{}", key.operation, key.act, key.attempt)
}

/// The record of an event of an operation.
pub(super) fn event(operation: &str, event: &Event) -> AuditEvent {
    let mut told = AuditEvent {
        operation: operation.to_owned(),
        event_digest: digest::of(event).to_vec(),
        ..AuditEvent::default()
    };
    let mut shown = event.clone();
    match &mut shown.kind {
        Some(Accepted(accepted)) => {
            if let Some(plan) = accepted.plan.take() {
                told.plan_digest = digest::of(&plan).to_vec();
                told.cluster = plan.cluster;
                told.intent = plan.intent;
            }
        }
        Some(ActStarted(started)) => {
            if let Some(act) = started.act.take() {
                told.host.clone_from(&act.host);
                let action = act.action.as_ref().map(digest::of);
                told.action_digest = action.map(Vec::from).unwrap_or_default();
                let Act { number, summary, host, .. } = act;
                started.act = Some(Act { number, summary, host, ..Act::default() });
            }
        }
        Some(ActDone(done)) => without_output(&mut done.evidence),
        Some(ActFailed(failed)) => without_output(&mut failed.evidence),
        Some(Held(held)) => held.fault = held.fault.take().map(words_only),
        Some(
            Fenced(_) | StepStarted(_) | ActNever(_) | StepSucceeded(_) | StepFailed(_)
            | Control(_) | UndoStarted(_) | StepUndone(_) | StepSkipped(_) | Rested(_) | Closed(_)
            | Resumed(_),
        )
        | None => {}
    }
    told.event = Some(shown);
    told
}

fn without_output(evidence: &mut Option<Evidence>) {
    if let Some(evidence) = evidence {
        evidence.fault = evidence.fault.take().map(words_only);
    }
}

/// Without what a tool printed.
fn words_only(fault: Fault) -> Fault {
    let message = words(&fault);
    Fault { message, stderr_tail: String::new(), command: Vec::new(), ..fault }
}
