//! The tables of `node status` and `node ls` (facts section 3).

use super::cluster::{Cluster, Node, NodeId};
use super::serve::{Failure, Groups, Table};
use super::time::stamp;

const BASE: &[&str] = &[
    "id",
    "address",
    "sql_address",
    "build",
    "started_at",
    "updated_at",
    "locality",
    "start_mode",
    "is_available",
    "is_live",
];
const RANGES: &[&str] = &[
    "replicas_leaders",
    "replicas_leaseholders",
    "ranges",
    "ranges_unavailable",
    "ranges_underreplicated",
];
const STATS: &[&str] = &["live_bytes", "key_bytes", "value_bytes", "intent_bytes", "system_bytes"];
const DECOMMISSION: &[&str] = &["gossiped_replicas", "is_decommissioning", "is_draining"];

impl Cluster {
    /// Rows are of nodes that are not to go, or whose liveness holds; with the columns of decommissioning, of all that ever were.
    pub(crate) fn node_status(
        &self,
        one: Option<NodeId>,
        groups: Groups,
    ) -> Result<Table, Failure> {
        let mut columns: Vec<&str> = BASE.to_vec();
        for (wanted, names) in
            [(groups.ranges, RANGES), (groups.stats, STATS), (groups.decommission, DECOMMISSION)]
        {
            if wanted {
                columns.extend_from_slice(names);
            }
        }
        let rows: Vec<_> = self
            .nodes
            .values()
            .filter(|node| groups.decommission || self.active(node))
            .filter(|node| one.is_none_or(|id| id == node.id))
            .map(|node| self.status_row(node, groups))
            .collect();
        match one {
            Some(id) if rows.is_empty() => Err(Failure::plain(format!("node {id} doesn't exist"))),
            Some(_) | None => {
                Ok(Table { columns: columns.into_iter().map(str::to_owned).collect(), rows })
            }
        }
    }

    pub(crate) fn node_ls(&self) -> Table {
        let rows = self.nodes.values().filter(|node| self.active(node));
        Table {
            columns: vec!["id".to_owned()],
            rows: rows.map(|node| vec![Some(node.id.to_string())]).collect(),
        }
    }

    fn active(&self, node: &Node) -> bool {
        !node.decommissioning || self.alive(node)
    }

    fn status_row(&self, node: &Node, groups: Groups) -> Vec<Option<String>> {
        let known = self.described(node);
        let said = |text: String| known.then_some(text);
        let mut row = vec![
            Some(node.id.to_string()),
            said(node.address.clone()),
            said(node.address.clone()),
            said(node.build.clone()),
            said(stamp(node.started_ms)),
            said(stamp(node.heartbeat_ms)),
            said(node.locality.clone()),
            said(self.start_mode.word().to_owned()),
            Some((self.alive(node) && !self.upgrading(node.id)).to_string()),
            Some(self.heard(node).to_string()),
        ];
        let report = node.status.as_ref();
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        if groups.ranges {
            row.extend([
                number(report.map(|r| r.leaders)),
                number(report.map(|r| r.leases)),
                number(report.map(|r| r.ranges)),
                number(report.map(|r| r.unavailable)),
                number(report.map(|r| r.underreplicated)),
            ]);
        }
        if groups.stats {
            row.extend([
                number(report.map(|r| r.bytes)),
                number(report.map(|r| r.bytes / 10)),
                number(report.map(|r| r.bytes - r.bytes / 10)),
                number(report.map(|_| 0)),
                number(report.map(|_| 4_096)),
            ]);
        }
        if groups.decommission {
            row.extend([
                said(node.gossiped_replicas.to_string()),
                Some(node.decommissioning.to_string()),
                Some(node.draining.to_string()),
            ]);
        }
        row
    }
}
