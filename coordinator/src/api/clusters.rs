//! Clusters: what is wanted of them, and what was last seen.

use bellows_proto::{
    names::ClusterName,
    v1::{
        ClusterDetail, ClusterHistory, ClusterStatus, DeleteClusterReply, DeleteClusterRequest,
        Fault, HostReading, ListClustersReply, Observation, OperationSummary, Spec, SpecVersion,
        host_reading,
    },
};
use tonic::Status;

use super::{Api, access::Principal, fault};
use crate::{
    engine::{World, ports::Owed},
    inventory::DeleteError,
    plan::Systems as _,
};

/// So many versions of a spec are told, unless more are asked for.
const VERSIONS: usize = 50;
/// And at most so many.
const VERSIONS_MOST: usize = 1000;

impl<W: World> Api<W> {
    pub(super) fn all_clusters(&self) -> Result<ListClustersReply, Status> {
        let clusters = self.inventory.clusters().map_err(|e| fault::store(&e))?;
        Ok(ListClustersReply { clusters })
    }

    pub(super) fn one_cluster(&self, cluster: &str) -> Result<ClusterDetail, Status> {
        let name: ClusterName = cluster.parse().map_err(|e| fault::bad_name(&e))?;
        let found = self.inventory.cluster(name.as_str()).map_err(|e| fault::store(&e))?;
        let mut detail = found.ok_or_else(|| unknown(&name))?;
        if let (Some(spec), true) = (&detail.spec, detail.connections.is_empty()) {
            // Not looked at since it changed: the members are known all the same.
            let nothing = Observation::default();
            detail.connections = self.engine.systems().describe(spec, &nothing).connections;
        }
        Ok(detail)
    }

    /// The versions of a cluster's spec, the newest first, each with the operation that made it.
    pub(super) fn history(&self, cluster: &str, limit: u32) -> Result<ClusterHistory, Status> {
        let name: ClusterName = cluster.parse().map_err(|e| fault::bad_name(&e))?;
        let limit = match limit {
            0 => VERSIONS,
            wanted => usize::try_from(wanted).unwrap_or(VERSIONS_MOST).min(VERSIONS_MOST),
        };
        let found = self.store.spec_versions(name.as_str(), limit);
        let (specs, older) = found.map_err(|e| fault::store(&e))?;
        if specs.is_empty() {
            return Err(unknown(&name));
        }
        let made =
            |spec: Spec| SpecVersion { made_by: self.made_by(&spec.operation), spec: Some(spec) };
        let versions = specs.into_iter().map(made).collect();
        Ok(ClusterHistory { cluster: name.to_string(), versions, older })
    }

    /// Forgets a cluster.
    pub(super) async fn delete(
        &self,
        request: &DeleteClusterRequest,
        who: &Principal,
    ) -> Result<DeleteClusterReply, Status> {
        self.may_change()?;
        let name: ClusterName = request.cluster.parse().map_err(|e| fault::bad_name(&e))?;
        let (version, forget) = (request.spec_version, request.forget_nodes);
        let concerned = |owed: &Owed| !forget && owed.spec.cluster == name.as_str();
        let delivered = self.engine.delivered(concerned).await.map_err(|e| fault::journal(&e))?;
        let deleted = self.inventory.delete_cluster(name.as_str(), version, forget, &delivered);
        let last = deleted.map_err(|error| match error {
            DeleteError::Unknown(_) => unknown(&name),
            DeleteError::HasNodes { .. } => fault::conflict(
                error.to_string(),
                "shrink the cluster first, or say that its nodes are no business of Bellows any more: --forget-nodes",
            ),
            DeleteError::Owes { .. } => fault::conflict(
                error.to_string(),
                "let the host come back once, so that it gets it; or, if it never comes back: --forget-nodes",
            ),
            DeleteError::Store(error) => fault::store(&error),
        })?;
        tracing::warn!(cluster = %name, principal = who.name, "cluster forgotten");
        Ok(DeleteClusterReply { last: Some(last) })
    }

    /// What is still known of an operation; damage in its record hides nothing else.
    fn made_by(&self, operation: &str) -> Option<OperationSummary> {
        self.store.operation(operation).ok().flatten().map(|known| self.live(known))
    }

    /// The last status with its age, or a new one where there is none or `fresh` asks for it.
    pub(super) async fn status(&self, cluster: &str, fresh: bool) -> Result<ClusterStatus, Status> {
        let detail = self.one_cluster(cluster)?;
        let spec = detail.spec.unwrap_or_default();
        let known = if fresh { None } else { self.last_status(&spec)? };
        let status = match known {
            Some(known) => known,
            None => self.observe(&spec).await?,
        };
        let age_ms = (self.now_ms)().saturating_sub(status.observed_at_ms).max(0);
        let held_by = detail.summary.unwrap_or_default().held_by;
        let read_only = self.engine.is_read_only().unwrap_or_default();
        Ok(ClusterStatus { age_ms, held_by, read_only, ..status })
    }

    /// Looks at every cluster whose last status is older than `age_ms`, one after another, so
    /// that `status` has something recent to show. What cannot be seen is a hole in it.
    pub async fn keep_readings(&self, age_ms: i64) {
        let clusters = self.inventory.clusters().unwrap_or_default();
        for cluster in clusters {
            let Ok(ClusterDetail { spec: Some(spec), .. }) = self.one_cluster(&cluster.cluster)
            else {
                continue;
            };
            let known = self.last_status(&spec).ok().flatten();
            let old = |status: ClusterStatus| (self.now_ms)() - status.observed_at_ms >= age_ms;
            if known.is_none_or(old)
                && let Err(status) = self.observe(&spec).await
            {
                tracing::warn!(cluster = spec.cluster, why = status.message(), "no status");
            }
        }
    }

    /// What was last seen; nothing where it was seen of another version of the spec.
    fn last_status(&self, spec: &Spec) -> Result<Option<ClusterStatus>, Status> {
        let status = self.inventory.status(&spec.cluster).map_err(|e| fault::store(&e))?;
        Ok(status.filter(|status| status.spec_version == spec.version))
    }

    async fn observe(&self, spec: &Spec) -> Result<ClusterStatus, Status> {
        let observed_at_ms = (self.now_ms)();
        let observation = self.engine.observe(spec, None).await;
        let description = self.engine.systems().describe(spec, &observation);
        let status = ClusterStatus {
            cluster: spec.cluster.clone(),
            system: spec.system,
            members: description.members,
            problems: description.problems,
            connections: description.connections,
            unknown: faults(&observation),
            observed_at_ms,
            spec_version: spec.version,
            ..ClusterStatus::default()
        };
        self.inventory.put_status(&status).map_err(|e| fault::store(&e))?;
        Ok(status)
    }
}

fn unknown(name: &ClusterName) -> Status {
    let what = format!("there is no cluster {name}");
    fault::not_found(what, "`bellows cluster list` shows the clusters")
}

/// What could not be read, by host.
fn faults(observation: &Observation) -> Vec<Fault> {
    let fault = |reading: &HostReading| match &reading.outcome {
        Some(host_reading::Outcome::Fault(fault)) => Some(fault.clone().at(&reading.host)),
        Some(host_reading::Outcome::Facts(_)) | None => None,
    };
    observation.hosts.iter().filter_map(fault).collect()
}
