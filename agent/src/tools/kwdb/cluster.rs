//! The cluster, out of its key-value store, asked at a node: needs a quorum. One that fails is a fault, never an
//! empty answer. Must not change anything.

use bellows_proto::v1::{Fault, KwdbCluster, NodeRef};

use super::session::{READ_DEADLINE, claimed, select};
use crate::{
    facilities::Runner,
    tools::{
        QUERY_DEADLINE,
        kwbase::sql::{Setting, Statement},
    },
};

const FIRST: &[Statement] =
    &[Statement::Health, Statement::Stores, Statement::Zones, Statement::Jobs, Statement::Liveness];
/// A version that lacks it is not unreadable for it.
const REBALANCE: &[Statement] = &[Statement::Show(Setting::Rebalance)];
/// Likewise: they only make an estimate.
const RATES: &[Statement] =
    &[Statement::Show(Setting::RebalanceRate), Statement::Show(Setting::RecoveryRate)];
/// Kept for the way back to the coordinator.
const MARGIN_MS: i64 = 250;

/// Asks it in two runs, because the second counts what the first has found; the settings beside them.
///
/// # Errors
/// Why there is no answer.
pub(super) async fn read(runner: &dyn Runner, at: &NodeRef) -> Result<KwdbCluster, Fault> {
    let local = runner.local();
    let (node, _) = claimed(local, at)?;
    let since_ms = local.clock.now_ms();
    let mut cluster = KwdbCluster::default();
    let (mut setting, mut rates) = (KwdbCluster::default(), KwdbCluster::default());
    let (first, _, _) = futures::join!(
        select(runner, &node, FIRST, &mut cluster, READ_DEADLINE),
        select(runner, &node, REBALANCE, &mut setting, READ_DEADLINE),
        select(runner, &node, RATES, &mut rates, READ_DEADLINE),
    );
    first?;
    cluster.rebalance = setting.rebalance;
    cluster.rebalance_rate = rates.rebalance_rate;
    cluster.recovery_rate = rates.recovery_rate;
    // Each is a scan over all ranges: only of those that leave, of which it must be exact.
    let leaving = cluster.liveness.iter().filter(|node| node.decommissioning);
    let leaving: Vec<u32> = leaving.map(|node| node.node_id).collect();
    let mut counts: Vec<Statement> = leaving.iter().copied().map(Statement::Replicas).collect();
    let holds =
        |id: &u32| cluster.stores.iter().any(|store| store.node_id == *id && store.ranges > 0);
    counts.extend(leaving.iter().copied().filter(holds).map(Statement::Left));
    let limit_ms = i64::try_from(QUERY_DEADLINE.as_millis()).unwrap_or(i64::MAX);
    let left_ms = limit_ms - MARGIN_MS - (local.clock.now_ms() - since_ms);
    let left = std::time::Duration::from_millis(u64::try_from(left_ms).unwrap_or_default());
    if !counts.is_empty() {
        select(runner, &node, &counts, &mut cluster, left.min(READ_DEADLINE)).await?;
    }
    Ok(cluster)
}
