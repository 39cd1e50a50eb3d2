//! What changes together with an event: specs and locks.

use bellows_proto::{
    defect::{Defect, is_seeded},
    v1::event::Kind,
};

use super::{
    World, index,
    ports::{Effects, Journal as _, JournalError},
    state::{OperationState, StepStatus},
};
use crate::spec::{self, Next};

/// The effects of an event on specs and locks; notes the new spec version in the event.
///
/// # Errors
/// If the spec cannot be read or the change does not fit it.
pub fn of<W: World>(
    world: &W,
    operation: &str,
    state: &OperationState,
    kind: &mut Kind,
) -> Result<Effects, JournalError> {
    let plan = &state.plan;
    let change_of = |number| index::step(plan, number).and_then(|step| step.spec_change.as_ref());
    let current = || -> Result<_, JournalError> {
        let known = world.journal().spec(&plan.cluster)?;
        Ok(known.unwrap_or_else(|| spec::blank(&plan.cluster, plan.system())))
    };
    let misfit = |e: spec::Misfit| JournalError(format!("spec of {}: {e}", plan.cluster));
    let next = match kind {
        Kind::StepSucceeded(e) => match change_of(e.step) {
            Some(change) => {
                let next = spec::apply(&current()?, change, operation).map_err(misfit)?;
                e.spec_version = version(&next);
                Some(next)
            }
            None => None,
        },
        // Only a step that had succeeded has changed the spec.
        Kind::StepUndone(e) if state.steps.get(&e.step) == Some(&StepStatus::Succeeded) => {
            match change_of(e.step) {
                Some(change) => {
                    let next = spec::revert(&current()?, change).map_err(misfit)?;
                    e.spec_version = version(&next);
                    Some(next)
                }
                None => None,
            }
        }
        Kind::Rested(_) => {
            let release_locks = !is_seeded(Defect::LocksKept);
            return Ok(Effects { release_locks, ..Effects::default() });
        }
        Kind::StepUndone(_)
        | Kind::Accepted(_)
        | Kind::Fenced(_)
        | Kind::StepStarted(_)
        | Kind::ActStarted(_)
        | Kind::ActNever(_)
        | Kind::ActDone(_)
        | Kind::ActFailed(_)
        | Kind::StepFailed(_)
        | Kind::Held(_)
        | Kind::Control(_)
        | Kind::UndoStarted(_)
        | Kind::Closed(_)
        | Kind::StepSkipped(_)
        | Kind::Resumed(_) => None,
    };
    Ok(match next {
        Some(_) if is_seeded(Defect::SpecChangeForgotten) => Effects::default(),
        Some(Next::Spec(mut spec)) => {
            operation.clone_into(&mut spec.operation);
            Effects { put_spec: Some(spec), ..Effects::default() }
        }
        Some(Next::NoCluster) => {
            Effects { remove_cluster: Some(plan.cluster.clone()), ..Effects::default() }
        }
        None => Effects::default(),
    })
}

fn version(next: &Next) -> u64 {
    match next {
        Next::Spec(spec) => spec.version,
        Next::NoCluster => 0,
    }
}
