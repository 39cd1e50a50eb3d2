//! The whole site at one glance: every cluster as it was last seen, every host, every operation
//! that is not over, and what needs somebody first.

use std::cmp::Reverse;

use bellows_proto::{
    fault::from_status,
    v1::{ClusterStatus, ClusterSummary, HoldCause, HostSummary, Overview},
};
use futures::{StreamExt as _, future, stream};
use tonic::{Code, Status};

use super::{Api, fault};
use crate::{engine::World, store::OperationFilter};

/// Clusters that are asked at once.
const AT_ONCE: usize = 8;
/// Open operations that are told of at most; one holds its cluster, so that there are few.
const MOST_OPEN: usize = 1000;

impl<W: World> Api<W> {
    pub(super) async fn overview(&self, fresh: bool) -> Result<Overview, Status> {
        let known = self.inventory.clusters().map_err(|e| fault::store(&e))?;
        let look = |known: ClusterSummary| async move {
            let status = self.status(&known.cluster, fresh).await;
            seen(known, status)
        };
        let looks = stream::iter(known.into_iter().map(look)).buffered(AT_ONCE);
        let looks = looks.filter_map(future::ready).collect::<Vec<ClusterStatus>>();
        let (mut clusters, hosts) = tokio::join!(looks, self.all_hosts());
        let mut hosts = hosts?.hosts;
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

/// A cluster that cannot be told of is a hole among the others, not the end of them; `None`: it was
/// deleted meanwhile.
fn seen(known: ClusterSummary, status: Result<ClusterStatus, Status>) -> Option<ClusterStatus> {
    match status {
        Ok(status) => Some(status),
        Err(status) if status.code() == Code::NotFound => None,
        Err(status) => Some(ClusterStatus {
            cluster: known.cluster,
            system: known.system,
            spec_version: known.spec_version,
            held_by: known.held_by,
            unknown: vec![from_status(&status, "")],
            ..ClusterStatus::default()
        }),
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
    fn one_that_cannot_be_told_of_hides_no_other() {
        let known = || ClusterSummary { cluster: "orders".into(), ..ClusterSummary::default() };
        let there = ClusterStatus { cluster: "orders".into(), ..ClusterStatus::default() };
        assert_eq!(seen(known(), Ok(there.clone())), Some(there));
        assert_eq!(seen(known(), Err(fault::not_found("no cluster orders", "look"))), None);
        let damaged = fault::internal("the status of orders is damaged");
        let hole = seen(known(), Err(damaged)).unwrap();
        assert_eq!(hole.cluster, "orders");
        assert!(hole.unknown[0].message.contains("damaged"), "{hole:?}");
    }

    #[test]
    fn a_problem_is_worse_than_a_hole_and_a_hole_than_nothing() {
        let hole = ClusterStatus { unknown: vec![Fault::default()], ..ClusterStatus::default() };
        let bad = ClusterStatus { problems: vec!["no primary".into()], ..hole.clone() };
        assert!(health(&bad) < health(&hole));
        assert!(health(&hole) < health(&ClusterStatus::default()));
    }
}
