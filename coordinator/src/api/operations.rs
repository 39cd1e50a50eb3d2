//! Operations: the list, one in full, and what is asked of them.

use bellows_proto::{
    names::ClusterName,
    remarks::Note,
    v1::{
        ControlKind, ControlOperationRequest, ListOperationsReply, ListOperationsRequest,
        OperationDetail, OperationSummary,
    },
};
use tonic::Status;

use super::{Api, access::Principal, fault};
use crate::{engine::World, store::OperationFilter};

/// Most operations in one answer.
const MOST: u32 = 1000;
/// Operations in an answer unless more are asked for.
const USUAL: u32 = 50;

impl<W: World> Api<W> {
    pub(super) fn all_operations(
        &self,
        request: &ListOperationsRequest,
    ) -> Result<ListOperationsReply, Status> {
        if !request.cluster.is_empty() {
            request.cluster.parse::<ClusterName>().map_err(|e| fault::bad_name(&e))?;
        }
        let limit = if request.limit == 0 { USUAL } else { request.limit.min(MOST) };
        let filter = OperationFilter {
            cluster: Some(request.cluster.as_str()).filter(|name| !name.is_empty()),
            unfinished: false,
        };
        self.listed(filter, usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// Those that the store knows, each as the engine knows it, and before them those that are
    /// lost.
    pub(super) fn listed(
        &self,
        filter: OperationFilter<'_>,
        limit: usize,
    ) -> Result<ListOperationsReply, Status> {
        let stored = self.store.operations(filter, limit).map_err(|e| fault::store(&e))?;
        let mut operations: Vec<_> = stored.into_iter().map(|known| self.live(known)).collect();
        // Held first of all: also those that the index has lost.
        for damaged in self.engine.damaged().into_iter().rev() {
            let wanted = damaged.cluster.is_empty()
                || filter.cluster.is_none_or(|cluster| cluster == damaged.cluster);
            if wanted && operations.iter().all(|known| known.operation != damaged.operation) {
                operations.insert(0, damaged);
            }
        }
        operations.truncate(limit);
        Ok(ListOperationsReply { operations })
    }

    /// The engine knows more of an open operation than the index does.
    pub(super) fn live(&self, stored: OperationSummary) -> OperationSummary {
        if let Some(live) = self.engine.summary(&stored.operation) {
            return live;
        }
        let damaged = self.engine.damaged();
        let Some(lost) = damaged.into_iter().find(|lost| lost.operation == stored.operation) else {
            return stored;
        };
        // What the index still tells of it is for the eyes only.
        OperationSummary {
            state: lost.state,
            hold_cause: lost.hold_cause,
            damage: lost.damage,
            damage_remedy: lost.damage_remedy,
            ..stored
        }
    }

    pub(super) fn one_operation(&self, operation: &str) -> Result<OperationDetail, Status> {
        let detail = self.journal.detail(operation).map_err(|e| fault::journal(&e))?;
        let detail = detail.ok_or_else(|| unknown(operation))?;
        Ok(OperationDetail { summary: detail.summary.map(|known| self.live(known)), ..detail })
    }

    pub(super) fn control(
        &self,
        request: &ControlOperationRequest,
        who: &Principal,
    ) -> Result<OperationSummary, Status> {
        let operation = request.operation.as_str();
        let kind = request.kind();
        if kind == ControlKind::Unspecified {
            return Err(fault::invalid("it does not say what is asked for", "name the control"));
        }
        let damaged = self.engine.damaged();
        if damaged.iter().any(|damaged| damaged.operation == operation) {
            return self.control_damaged(request, who);
        }
        // An operation that is over and one that never was are told apart here.
        let known = self.store.operation(operation).map_err(|e| fault::store(&e))?;
        let known = known.ok_or_else(|| unknown(operation))?;
        if known.ended_at_ms > 0 && self.engine.summary(operation).is_none() {
            let over = format!("it is over: it rests as {}", known.state);
            return Err(fault::control(&crate::engine::ControlError::NotNow(over)));
        }
        let asked = match kind {
            ControlKind::Skip => self.engine.skip(operation, &reason(request)?, &who.name),
            ControlKind::Pause
            | ControlKind::Resume
            | ControlKind::Cancel
            | ControlKind::Retry
            | ControlKind::Undo
            | ControlKind::Abandon
            | ControlKind::Unspecified => self.engine.control(operation, kind, &who.name),
        };
        asked.map_err(|e| fault::control(&e))?;
        tracing::info!(operation, kind = kind.as_str_name(), principal = who.name, "control");
        Ok(self.live(known))
    }
}

/// Why a step is skipped: one line that says something.
fn reason(request: &ControlOperationRequest) -> Result<String, Status> {
    let reason: Note = request.reason.parse().map_err(|e| {
        fault::invalid(
            format!("the reason of a skip: {e}"),
            "say in one line why it may be skipped",
        )
    })?;
    let said = !reason.to_string().trim().is_empty();
    said.then(|| reason.to_string()).ok_or_else(|| {
        fault::invalid("a skip without a reason", "say in one line why it may be skipped")
    })
}

impl<W: World> Api<W> {
    /// Its index entry need not be there.
    fn control_damaged(
        &self,
        request: &ControlOperationRequest,
        who: &Principal,
    ) -> Result<OperationSummary, Status> {
        let (operation, kind) = (request.operation.as_str(), request.kind());
        self.engine.control(operation, kind, &who.name).map_err(|e| fault::control(&e))?;
        tracing::info!(operation, kind = kind.as_str_name(), principal = who.name, "control");
        let known = OperationSummary { operation: operation.to_owned(), ..Default::default() };
        Ok(self.live(known))
    }
}

/// There is no such operation.
pub(super) fn unknown(operation: &str) -> Status {
    let shown: String = operation.chars().take(60).collect();
    let what = format!("there is no operation {shown:?}");
    fault::not_found(what, "`bellows op list` shows the operations")
}
