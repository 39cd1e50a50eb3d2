//! The summary of an operation, kept up to date with each event, so that listing operations
//! does not read their events. For the eyes: the engine folds the events themselves.

use bellows_proto::v1::{
    Accepted, Event, HoldCause, OperationSummary, Outcome, Plan, Rested, Step, event::Kind, step,
};

use super::records::OperationRecord;

/// Before the first event.
pub(super) fn begin(record: &mut OperationRecord, operation: &str) {
    record.summary =
        Some(OperationSummary { operation: operation.to_owned(), ..OperationSummary::default() });
}

/// The number of the step that an event is about, where it changes which one is shown.
pub(super) fn step_begun(event: &Event) -> Option<u32> {
    match event.kind.as_ref()? {
        Kind::StepStarted(started) => Some(started.step),
        Kind::ActStarted(started) => Some(started.step),
        Kind::UndoStarted(started) => Some(started.from_step),
        Kind::Accepted(_)
        | Kind::Fenced(_)
        | Kind::ActNever(_)
        | Kind::ActDone(_)
        | Kind::ActFailed(_)
        | Kind::StepSucceeded(_)
        | Kind::StepFailed(_)
        | Kind::Held(_)
        | Kind::Control(_)
        | Kind::StepUndone(_)
        | Kind::StepSkipped(_)
        | Kind::Rested(_)
        | Kind::Closed(_)
        | Kind::Resumed(_) => None,
    }
}

/// The title of a step of the plan that was accepted.
pub(super) fn title(accepted: &Event, number: u32) -> Option<String> {
    let Some(Kind::Accepted(Accepted { plan: Some(plan), .. })) = &accepted.kind else {
        return None;
    };
    all_steps(plan).find(|step| step.number == number).map(|step| step.title.clone())
}

/// One more event. `title` is that of the step that it begins.
pub(super) fn advance(record: &mut OperationRecord, event: &Event, title: Option<&str>) {
    let summary = record.summary.get_or_insert_default();
    if let Some(step) = step_begun(event) {
        summary.step = step;
        summary.step_title = title.unwrap_or_default().to_owned();
    }
    let Some(kind) = &event.kind else { return };
    match kind {
        Kind::Accepted(accepted) => accept(summary, accepted, event.at_ms),
        Kind::UndoStarted(_) => {
            record.undoing = true;
            go_on(summary, true);
        }
        Kind::StepStarted(_) | Kind::ActStarted(_) | Kind::Resumed(_) | Kind::StepSkipped(_) => {
            go_on(summary, record.undoing);
        }
        Kind::Held(held) => {
            "held".clone_into(&mut summary.state);
            summary.hold_cause = held.cause;
        }
        Kind::Rested(rested) => rest(summary, rested, event.at_ms),
        Kind::Closed(_) => record.closed = true,
        Kind::Fenced(_)
        | Kind::ActNever(_)
        | Kind::ActDone(_)
        | Kind::ActFailed(_)
        | Kind::StepSucceeded(_)
        | Kind::StepFailed(_)
        | Kind::Control(_)
        | Kind::StepUndone(_) => {}
    }
}

fn accept(summary: &mut OperationSummary, accepted: &Accepted, at_ms: i64) {
    summary.principal.clone_from(&accepted.principal);
    summary.started_at_ms = at_ms;
    "running".clone_into(&mut summary.state);
    let Some(plan) = &accepted.plan else { return };
    summary.cluster.clone_from(&plan.cluster);
    summary.remarks.clone_from(&plan.remarks);
    summary.steps = all_steps(plan).map(|step| step.number).max().unwrap_or_default();
    summary.kind = plan.word().unwrap_or_default().to_owned();
}

fn go_on(summary: &mut OperationSummary, undoing: bool) {
    summary.state = if undoing { "undoing" } else { "running" }.to_owned();
    summary.hold_cause = HoldCause::Unspecified.into();
}

fn rest(summary: &mut OperationSummary, rested: &Rested, at_ms: i64) {
    summary.ended_at_ms = at_ms;
    summary.outcome = rested.outcome;
    summary.hold_cause = HoldCause::Unspecified.into();
    summary.state = match rested.outcome() {
        Outcome::Done => "done",
        Outcome::Undone => "undone",
        Outcome::Cancelled => "cancelled",
        Outcome::Abandoned => "abandoned",
        Outcome::Unspecified => "",
    }
    .to_owned();
}

/// All steps, members of groups too.
fn all_steps(plan: &Plan) -> impl Iterator<Item = &Step> {
    plan.steps.iter().flat_map(|step| {
        let members: &[Step] = match &step.kind {
            Some(step::Kind::Group(group)) => &group.members,
            Some(step::Kind::Check(_) | step::Kind::Act(_) | step::Kind::Wait(_)) | None => &[],
        };
        std::iter::once(step).chain(members)
    })
}
