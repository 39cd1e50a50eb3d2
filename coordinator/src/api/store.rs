//! The store itself: its backup, and pruning by age.

use bellows_proto::v1::{BackupPart, PruneOperationsReply, PruneOperationsRequest};
use tonic::Status;

use super::{Api, Streamed, fault};
use crate::{clock::DAY_MS, engine::World};

/// Operations that one call prunes: the engine waits meanwhile.
const MOST: u64 = 50;

impl<W: World> Api<W> {
    pub(super) fn backup(&self) -> Result<Streamed<BackupPart>, Status> {
        let store = self.store.clone();
        let mut backup = store.backup().map_err(|e| fault::store(&e))?;
        Ok(Box::pin(async_stream::try_stream! {
            while let Some(data) = backup.next_part(&store).map_err(|e| fault::store(&e))? {
                yield BackupPart { data };
                // Others have their turn between two parts.
                tokio::task::yield_now().await;
            }
        }))
    }

    pub(super) fn prune(
        &self,
        request: &PruneOperationsRequest,
    ) -> Result<PruneOperationsReply, Status> {
        if request.older_than_days == 0 {
            return Err(fault::invalid("no age is given", "say how many days operations are kept"));
        }
        if !request.dry_run {
            self.may_change()?;
        }
        let age_ms = i64::from(request.older_than_days).saturating_mul(DAY_MS);
        let before_ms = (self.now_ms)().saturating_sub(age_ms);
        let pruned =
            self.store.prune(before_ms, MOST, request.dry_run).map_err(|e| fault::store(&e))?;
        if !request.dry_run && pruned.operations > 0 {
            let (operations, events) = (pruned.operations, pruned.events);
            tracing::info!(operations, events, "the events of old operations are pruned");
        }
        Ok(PruneOperationsReply {
            operations: pruned.operations,
            events: pruned.events,
            more: pruned.more,
        })
    }
}
