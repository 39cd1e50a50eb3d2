//! Events of operations in the service's log, for those who follow it with `journalctl`: each with the fields
//! `operation`, `step`, `host` and `job` where it has them. The journal of the operation is the record; this
//! is only told.

use bellows_proto::v1::{Event, event::Kind};

/// Tells of an event that has been stored.
pub(super) fn tell(operation: &str, event: &Event) {
    match event.kind.as_ref() {
        Some(Kind::StepStarted(e)) => tracing::info!(operation, step = e.step, "step began"),
        Some(Kind::StepSucceeded(e)) => tracing::info!(operation, step = e.step, "step done"),
        Some(Kind::StepFailed(e)) => {
            tracing::warn!(operation, step = e.step, why = e.text, "step failed");
        }
        Some(Kind::StepSkipped(e)) => {
            tracing::warn!(
                operation,
                step = e.step,
                why = e.reason,
                by = e.principal,
                "step skipped"
            );
        }
        Some(Kind::StepUndone(e)) => tracing::info!(operation, step = e.step, "step taken back"),
        Some(Kind::ActStarted(e)) => {
            let act = e.act.clone().unwrap_or_default();
            let job = format!("{operation}/{}/{}", act.number, e.attempt);
            tracing::info!(
                operation,
                step = e.step,
                host = act.host,
                job,
                act = act.summary,
                "job asked for"
            );
        }
        Some(Kind::Held(e)) => {
            let cause = e.cause().as_str_name();
            let host = e.fault.as_ref().map_or("", |fault| fault.host.as_str());
            tracing::warn!(operation, step = e.step, host, cause, why = e.text, "held");
        }
        Some(Kind::Resumed(e)) => tracing::info!(operation, why = e.text, "goes on"),
        Some(Kind::UndoStarted(e)) => {
            tracing::warn!(operation, step = e.from_step, why = e.text, "is taken back");
        }
        Some(Kind::Rested(e)) => {
            tracing::info!(operation, outcome = e.outcome().as_str_name(), "over");
        }
        // How often acts are looked at, who asked and the fences are in the operation's own journal.
        Some(
            Kind::Accepted(_)
            | Kind::Fenced(_)
            | Kind::ActNever(_)
            | Kind::ActDone(_)
            | Kind::ActFailed(_)
            | Kind::Control(_)
            | Kind::Closed(_),
        )
        | None => {}
    }
}
