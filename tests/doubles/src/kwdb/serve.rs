//! What a node answers (facts sections 3, 4, 6). `None` is silence: a cluster without quorum hangs.
//!
//! Unconfirmed: the rest of the refusal while a node is upgrading; how many leases a drain tells of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cluster::{Cluster, NodeId, StartMode};
use super::sql;

/// An error as a node or the client tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// After `ERROR: `.
    pub message: String,
    /// The SQLSTATE, if it has one.
    pub code: Option<String>,
    /// After `DETAIL: `.
    pub detail: Option<String>,
    /// After `HINT: `.
    pub hint: Option<String>,
}

impl Failure {
    /// A message alone.
    #[must_use]
    pub fn plain(message: String) -> Self {
        Self { message, ..Self::default() }
    }

    /// A message with a SQLSTATE.
    #[must_use]
    pub fn coded(code: &str, message: String) -> Self {
        Self { message, code: Some(code.to_owned()), ..Self::default() }
    }
}

/// Rows under names; `None` is NULL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The names.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Which groups of columns `node status` is to show besides the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    /// `--ranges`.
    pub ranges: bool,
    /// `--stats`.
    pub stats: bool,
    /// `--decommission`.
    pub decommission: bool,
}

/// What a client asks of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// `node status`.
    NodeStatus {
        /// One node only.
        node: Option<NodeId>,
        /// The columns.
        groups: Groups,
    },
    /// `node ls`.
    NodeLs,
    /// The states of all nodes.
    States,
    /// Sets or takes away the flag, and reports.
    Decommission {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// The flag.
        on: bool,
    },
    /// The dialled node lets its clients and leases go.
    Drain,
    /// The dialled node's process ends.
    Shutdown,
    /// `init`.
    Init,
    /// One statement.
    Sql {
        /// Its text.
        statement: String,
        /// Who asks.
        user: String,
        /// The database that names without one are in.
        database: String,
    },
}

impl Request {
    /// It can be answered from what the dialled node knows by gossip.
    #[must_use]
    pub fn gossip_only(&self) -> bool {
        match self {
            Self::NodeStatus { groups, .. } => !groups.ranges && !groups.stats,
            Self::NodeLs | Self::Shutdown => true,
            Self::Sql { statement, .. } => sql::gossip_only(statement),
            Self::States | Self::Decommission { .. } | Self::Drain | Self::Init => false,
        }
    }
}

/// What a node answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// Rows.
    Table(Table),
    /// The word for a statement without rows.
    Tag(String),
    /// States by node.
    States(BTreeMap<NodeId, String>),
    /// The report on decommissioning: rows of `id,is_live,replicas,is_decommissioning,is_draining`.
    Decommission(Vec<Progress>),
    /// What is still to be drained.
    Remaining(u64),
    /// It is done.
    Done,
    /// Bytes that are no answer (`status_garbage`).
    Garbage(String),
    /// It was refused.
    Failed(Failure),
}

/// One node's row in the report on decommissioning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The node.
    pub node: NodeId,
    /// Its liveness holds.
    pub is_live: bool,
    /// Its replicas by range descriptors.
    pub replicas: u64,
    /// The flag.
    pub is_decommissioning: bool,
    /// It drains.
    pub is_draining: bool,
}

impl Cluster {
    /// Answers a request that the node `at` was sent; the cluster is moved to `now_ms` first.
    ///
    /// `None` is silence: what needs the key-value store has no quorum, or `hang` was turned on.
    pub fn serve(&mut self, at: NodeId, request: &Request, now_ms: i64) -> Option<Response> {
        self.advance(now_ms);
        if self.knobs.hang || (!self.quorum() && !request.gossip_only()) {
            return None;
        }
        Some(match request {
            Request::NodeStatus { .. } if self.knobs.status_garbage => {
                Response::Garbage("\u{1}\u{fffd}id;address\u{0}\nnot,a\ntable".to_owned())
            }
            Request::NodeStatus { node, groups } => {
                self.node_status(*node, *groups).map_or_else(Response::Failed, Response::Table)
            }
            Request::NodeLs => Response::Table(self.node_ls()),
            Request::States => Response::States(
                self.nodes.values().map(|node| (node.id, self.state(node).to_owned())).collect(),
            ),
            Request::Decommission { nodes, on } => self.decommission(nodes, *on),
            Request::Drain => self.drain(at),
            Request::Shutdown => {
                if let Some(node) = self.nodes.get_mut(&at) {
                    node.up = false;
                }
                Response::Done
            }
            Request::Init => Response::Failed(Failure {
                hint: Some("Please ensure all your start commands are using --join.".to_owned()),
                ..Failure::plain("cluster has already been initialized".to_owned())
            }),
            Request::Sql { statement, user, database } => {
                return sql::execute(self, statement, user, database);
            }
        })
    }

    /// Sets the flag without any look at how many nodes are left, at room or at constraints: as the real one (section 4.1).
    fn decommission(&mut self, nodes: &[NodeId], on: bool) -> Response {
        if self.knobs.enterprise_only && on {
            return refused(
                "node decommissioning feature needs an enterprise license to enable.".to_owned(),
            );
        }
        if on && self.start_mode != StartMode::Start {
            return refused("node cannot be decommissioned in mpp mode".to_owned());
        }
        if on && let Some(node) = self.nodes.keys().find(|node| self.upgrading(**node)) {
            return refused(format!(
                "can not run node decommission when cluster has node {node} in upgrading"
            ));
        }
        for id in nodes {
            let Some(node) = self.nodes.get_mut(id) else {
                return refused(format!(
                    "during liveness update {id} -> {on}: node not in the liveness table"
                ));
            };
            if node.decommissioning != on {
                node.decommissioning = on;
                self.note(if on { "node_decommissioned" } else { "node_recommissioned" }, *id);
            }
        }
        let rows = nodes.iter().filter_map(|id| self.nodes.get(id));
        Response::Decommission(
            rows.map(|node| Progress {
                node: node.id,
                is_live: self.alive(node),
                replicas: self.replicas(node.id),
                is_decommissioning: node.decommissioning,
                is_draining: node.draining,
            })
            .collect(),
        )
    }

    fn drain(&mut self, at: NodeId) -> Response {
        let leases = self.ranges.values().filter(|range| range.lease == at).count() as u64;
        let Some(node) = self.nodes.get_mut(&at) else {
            return Response::Failed(Failure::plain(
                "node cannot be drained before it has been initialized".to_owned(),
            ));
        };
        let before = node.draining;
        node.draining = true;
        // A second question finds what cannot move: replicas that nobody else has.
        if before {
            let stuck = self.ranges.values().filter(|range| {
                range.lease == at && range.replicas.iter().any(|id| *id != at && self.up(*id))
            });
            return Response::Remaining(stuck.count() as u64);
        }
        Response::Remaining(leases)
    }
}

fn refused(text: String) -> Response {
    Response::Failed(Failure::plain(format!("rpc error: code = Unknown desc = {text}")))
}
