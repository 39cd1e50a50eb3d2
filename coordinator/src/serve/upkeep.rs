//! What `bellows serve` does by itself beside its operations: the events of operations that
//! ended long ago go, at the start and once a day.

use std::time::Duration;

use crate::store::{Pruned, Pruning, Store, StoreError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The engine and all callers have their turn between two parts.
const PAUSE: Duration = Duration::from_millis(10);

/// Prunes now and every day what ended more than `keep_days` days ago; 0: never. `may_change`
/// is asked before each time. Ends only where the store has failed.
pub(super) async fn keep_pruned(
    store: &Store,
    keep_days: u32,
    now_ms: fn() -> i64,
    may_change: impl Fn() -> bool,
) -> StoreError {
    loop {
        if keep_days > 0 && may_change() {
            match prune(store, keep_days, now_ms()).await {
                Ok(Pruned { operations: 0, .. }) => {}
                Ok(Pruned { operations, events, .. }) => tracing::info!(
                    operations,
                    events,
                    keep_days,
                    "the events of old operations are pruned"
                ),
                Err(error) => return error,
            }
        }
        tokio::time::sleep(DAY).await;
    }
}

async fn prune(store: &Store, keep_days: u32, now_ms: i64) -> Result<Pruned, StoreError> {
    let age_ms = i64::from(keep_days).saturating_mul(crate::clock::DAY_MS);
    let mut walk = Pruning::before(now_ms.saturating_sub(age_ms));
    while walk.pruned.more {
        store.prune_part(&mut walk)?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(walk.pruned)
}
