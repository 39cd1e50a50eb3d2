//! What the journal knows of a job or a fence. Only reads the store.

use std::collections::BTreeSet;

use bellows_proto::v1::{HostJob, JobKey, JobStanding};

use crate::{
    engine::{
        index,
        state::{self, OperationState},
    },
    store::{Store, StoreError},
};

/// What the journal knows of an operation.
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// It is over. The state is missing where its events are gone.
    Over(Option<Box<OperationState>>),
    /// It is open. The state is missing where its record is damaged.
    Open(Option<Box<OperationState>>),
}

impl Known {
    pub(super) fn of(
        store: &Store,
        open: &BTreeSet<String>,
        operation: &str,
    ) -> Result<Self, StoreError> {
        match store.operation(operation) {
            Ok(Some(_)) => {}
            Ok(None) | Err(StoreError::OperationId(_)) => return Ok(Self::Nothing),
            Err(error) => return Err(error),
        }
        let state = match store.events(operation) {
            Ok(read) if read.damage.is_none() => state::fold(&read.events).ok().map(Box::new),
            Ok(_) => None,
            Err(error) if error.is_fatal() => return Err(error),
            Err(_) => None,
        };
        Ok(if open.contains(operation) { Self::Open(state) } else { Self::Over(state) })
    }

    fn state(&self) -> Option<&OperationState> {
        match self {
            Self::Nothing => None,
            Self::Over(state) | Self::Open(state) => state.as_deref(),
        }
    }

    /// `key`: of the job; `None`: a fence alone.
    fn standing(&self, key: Option<&JobKey>) -> JobStanding {
        match self {
            Self::Nothing => JobStanding::Unknown,
            // A tombstone may come long after its operation.
            Self::Over(Some(state)) if state.owes(key.map(|key| key.act)) => JobStanding::Known,
            Self::Over(_) => JobStanding::Over,
            Self::Open(None) => JobStanding::Unspecified,
            Self::Open(Some(state)) if key.is_none_or(|key| state.knows(key)) => JobStanding::Known,
            Self::Open(Some(_)) => JobStanding::NotAskedFor,
        }
    }
}

/// Whether the journal lacks it.
pub(super) fn is_unknown(job: &HostJob) -> bool {
    match job.standing() {
        JobStanding::Known => false,
        JobStanding::NotAskedFor
        | JobStanding::Over
        | JobStanding::Unknown
        | JobStanding::Unspecified => true,
    }
}

/// What the journal says of it.
pub(super) fn judge(found: &mut HostJob, known: &Known) {
    let key = found.job.as_ref().and_then(|job| job.key.clone());
    found.set_standing(known.standing(key.as_ref()));
    let act = known.state().zip(key).and_then(|(state, key)| {
        let act = state.acts.get(&key.act)?;
        Some((act.step, index::step(&state.plan, act.step)?.title.clone()))
    });
    if let Some((step, title)) = act {
        (found.step, found.step_title) = (step, title);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_journal_does_not_know_is_never_taken_for_known() {
        let key = JobKey { operation: "x".into(), act: 1, attempt: 1 };
        assert_eq!(Known::Nothing.standing(None), JobStanding::Unknown);
        assert_eq!(Known::Over(None).standing(Some(&key)), JobStanding::Over);
        // Its record is damaged: it cannot be told.
        assert_eq!(Known::Open(None).standing(Some(&key)), JobStanding::Unspecified);
        for standing in [JobStanding::Unspecified, JobStanding::Unknown, JobStanding::Over] {
            assert!(is_unknown(&HostJob { standing: standing.into(), ..HostJob::default() }));
        }
    }
}
