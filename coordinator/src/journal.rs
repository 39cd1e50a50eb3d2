//! The engine's journal over the store: a thin adapter, and how finished operations are read
//! for the API. Decides nothing.

use std::{collections::BTreeSet, sync::Arc};

use bellows_proto::v1::{
    AuditCall, Event, Lock, OperationDetail, OperationSummary, Plan, Spec, StartJobRequest, Term,
    event::Kind,
};

use crate::{
    audit::{AuditLog, BURY},
    engine::ports::{
        BeginError, Damage, Effects, Holder, Journal, JournalError, Owed, Recorded, owed_by,
    },
    store::{Begin, Changes, Store, StoreError},
};

mod told;

/// The journal of a site.
#[derive(Debug, Clone)]
pub struct StoreJournal {
    store: Arc<Store>,
    audit: Option<Arc<AuditLog>>,
}

impl StoreJournal {
    /// Over this store.
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, audit: None }
    }

    /// The same, telling every event to the audit log after it is stored.
    #[must_use]
    pub fn audited(self, audit: Arc<AuditLog>) -> Self {
        Self { audit: Some(audit), ..self }
    }

    /// Events that were stored, but not told to the audit log before a crash, are told now.
    ///
    /// # Errors
    /// If store or log cannot be read or written. An operation whose own record is damaged is
    /// logged and passed over.
    pub fn catch_up(&self) -> Result<(), JournalError> {
        let Some(audit) = &self.audit else { return Ok(()) };
        let told = audit.open_operations();
        let mut open: BTreeSet<String> = told.keys().cloned().collect();
        open.extend(self.store.unfinished().map_err(|error| failure(&error))?);
        for operation in open {
            let last = told.get(&operation).copied().unwrap_or_default();
            // One that the store does not know (it was restored, or lost its tail) has no events.
            let events = match self.store.events(&operation) {
                Ok(read) => [read.events, read.after].concat(),
                Err(StoreError::OperationUnknown(_)) => Vec::new(),
                Err(error) if error.is_fatal() => return Err(failure(&error)),
                // This operation's matter: the others go on.
                Err(error) => {
                    tracing::error!(operation, %error, "damaged: the audit log is not told of it");
                    Vec::new()
                }
            };
            for event in events.iter().filter(|event| event.sequence > last) {
                self.tell(&operation, event)?;
            }
        }
        Ok(())
    }

    fn tell(&self, operation: &str, event: &Event) -> Result<(), JournalError> {
        match &self.audit {
            Some(audit) => {
                audit.event(operation, event).map_err(|error| JournalError(error.to_string()))
            }
            None => Ok(()),
        }
    }

    /// An operation as it is stored: its summary, its plan, all its events. Where its record is
    /// damaged the summary says so, and there is what can be trusted of it. `None`: there is no
    /// such operation, or what was asked for is no operation's id.
    ///
    /// # Errors
    /// If the store failed.
    pub fn detail(&self, operation: &str) -> Result<Option<OperationDetail>, JournalError> {
        let mut summary = match self.store.operation(operation) {
            Ok(Some(summary)) => summary,
            Ok(None) if self.is_open(operation)? => damaged_summary(operation),
            Ok(None) | Err(StoreError::OperationId(_)) => return Ok(None),
            Err(error) if error.is_fatal() => return Err(failure(&error)),
            Err(_) => damaged_summary(operation),
        };
        let recorded = self.recorded(operation.to_owned())?;
        let plan = plan_of(&recorded.events).cloned();
        let mut events = recorded.events;
        if let Some(damage) = recorded.damage {
            summary.damage = damage.text;
            events.extend(damage.after);
        }
        Ok(Some(OperationDetail { summary: Some(summary), plan, events }))
    }

    /// Whether the store lists it as unfinished, also where its index entry is lost.
    fn is_open(&self, operation: &str) -> Result<bool, JournalError> {
        let open = self.store.unfinished().map_err(|error| failure(&error))?;
        Ok(open.iter().any(|id| id == operation))
    }

    fn recorded(&self, operation: String) -> Result<Recorded, JournalError> {
        match self.store.events(&operation) {
            Ok(read) => {
                let (after, last) = (read.after, Some(read.last));
                let damage = read.damage.map(|text| Damage { text, after, last });
                Ok(Recorded { operation, events: read.events, damage })
            }
            Err(error) if error.is_fatal() => Err(failure(&error)),
            // This operation's matter: the others go on.
            Err(error) => {
                let damage = Damage { text: failure(&error).0, ..Damage::default() };
                Ok(Recorded { operation, events: Vec::new(), damage: Some(damage) })
            }
        }
    }
}

/// The plan that an operation carries out.
pub fn plan_of(events: &[Event]) -> Option<&Plan> {
    let Some(Kind::Accepted(accepted)) = &events.first()?.kind else {
        return None;
    };
    accepted.plan.as_ref()
}

/// All that is left of an operation whose index entry is damaged.
fn damaged_summary(operation: &str) -> OperationSummary {
    OperationSummary {
        operation: operation.to_owned(),
        state: "damaged".to_owned(),
        ..OperationSummary::default()
    }
}

fn failure(error: &StoreError) -> JournalError {
    JournalError(error.with_causes())
}

impl Journal for StoreJournal {
    fn begin(
        &self,
        operation: &str,
        accepted: &Event,
        cluster: &str,
        spec_version: u64,
        locks: &[Lock],
    ) -> Result<(), BeginError> {
        let begin = Begin { operation, accepted, cluster, spec_version, locks };
        match self.store.begin(begin) {
            Ok(()) => Ok(self.tell(operation, accepted)?),
            Err(StoreError::Locked { resource, operation, since_ms: _ }) => {
                Err(BeginError::Locked(Holder { resource, operation }))
            }
            Err(StoreError::SpecVersion { planned, found, .. }) => {
                Err(BeginError::SpecVersion { planned, found })
            }
            Err(error) => Err(BeginError::Journal(failure(&error))),
        }
    }

    fn append(
        &self,
        operation: &str,
        event: &Event,
        effects: &Effects,
    ) -> Result<(), JournalError> {
        let changes = Changes {
            put_spec: effects.put_spec.as_ref(),
            remove_cluster: effects.remove_cluster.as_deref(),
            release_locks: effects.release_locks,
        };
        self.store.append(operation, event, &changes).map_err(|error| failure(&error))?;
        told::tell(operation, event);
        self.tell(operation, event)
    }

    fn unfinished(&self) -> Result<Vec<Recorded>, JournalError> {
        self.store
            .unfinished()
            .map_err(|error| failure(&error))?
            .into_iter()
            .map(|operation| self.recorded(operation))
            .collect()
    }

    fn spec(&self, cluster: &str) -> Result<Option<Spec>, JournalError> {
        self.store.spec(cluster).map_err(|error| failure(&error))
    }

    fn owed(&self) -> Result<Vec<Owed>, JournalError> {
        let specs = self.store.clusters().map_err(|error| failure(&error))?;
        Ok(specs.iter().flat_map(owed_by).collect())
    }

    fn burying(&self, host: &str, request: &StartJobRequest) -> Result<(), JournalError> {
        let Some(audit) = &self.audit else { return Ok(()) };
        let key = request.key.clone();
        let call = AuditCall {
            principal: "bellows serve".to_owned(),
            call: BURY.to_owned(),
            operation: key.as_ref().map(|key| key.operation.clone()).unwrap_or_default(),
            cluster: request.cluster.clone(),
            key,
            term: request.term.clone(),
            detail: "a tombstone that is owed to a host that was named dead".to_owned(),
            host: host.to_owned(),
            action_digest: request.digest.clone(),
            ..AuditCall::default()
        };
        audit.call(call).map(|_| ()).map_err(|error| JournalError(error.to_string()))
    }

    fn term(&self) -> Term {
        self.store.term()
    }
}

#[cfg(test)]
mod tests;
