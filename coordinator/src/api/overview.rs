//! The whole site at one glance: every cluster as it was last seen, every host, every operation
//! that is not over, and what needs somebody first.

use std::cmp::Reverse;

use bellows_proto::v1::{ClusterStatus, HoldCause, HostSummary, Overview};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tonic::Status;

use super::{Api, fault};
use crate::{engine::World, store::OperationFilter};

/// Clusters that are asked at once.
const AT_ONCE: usize = 8;
/// Open operations that are told of at most; one holds its cluster, so that there are few.
const MOST_OPEN: usize = 1000;

impl<W: World> Api<W> {
    pub(super) async fn overview(&self, fresh: bool) -> Result<Overview, Status> {
        let known = self.inventory.clusters().map_err(|e| fault::store(&e))?;
        let look = |cluster: String| async move { self.status(&cluster, fresh).await };
        let looks = stream::iter(known.into_iter().map(|known| look(known.cluster)));
        let looks = looks.buffered(AT_ONCE).try_collect::<Vec<ClusterStatus>>();
        let (clusters, hosts) = tokio::join!(looks, self.all_hosts());
        let (mut clusters, mut hosts) = (clusters?, hosts?.hosts);
        let filter = OperationFilter { cluster: None, unfinished: true };
        let mut open = self.listed(filter, MOST_OPEN)?.operations;
        // What is over, and not every host was told of yet, needs nobody.
        open.retain(|one| one.ended_at_ms == 0);
        clusters.sort_by_cached_key(|status| (health(status), status.cluster.clone()));
        hosts.sort_by_key(is_connected);
        open.sort_by_key(|one| {
            (one.hold_cause() == HoldCause::Unspecified, Reverse(one.started_at_ms))
        });
        Ok(Overview { site: Some(self.site()), clusters, hosts, open, at_ms: (self.now_ms)() })
    }
}

/// How well a cluster is: the lowest is the worst.
fn health(status: &ClusterStatus) -> u8 {
    match (status.problems.is_empty(), status.unknown.is_empty()) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    }
}

fn is_connected(host: &HostSummary) -> bool {
    host.state == super::hosts::CONNECTED
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::v1::Fault;

    #[test]
    fn a_problem_is_worse_than_a_hole_and_a_hole_than_nothing() {
        let hole = ClusterStatus { unknown: vec![Fault::default()], ..ClusterStatus::default() };
        let bad = ClusterStatus { problems: vec!["no primary".into()], ..hole.clone() };
        assert!(health(&bad) < health(&hole));
        assert!(health(&hole) < health(&ClusterStatus::default()));
    }
}
