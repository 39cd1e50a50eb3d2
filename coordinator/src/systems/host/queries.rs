//! What is asked of any host.

use bellows_proto::v1::{
    HostFactsQuery, HostQuery, NodeRef, Query, Spec, VacancyQuery, host_query, query,
};

/// A node of this cluster.
pub fn named(spec: &Spec, node: &str) -> Option<NodeRef> {
    Some(NodeRef { cluster: spec.cluster.clone(), node: node.to_owned() })
}

/// What it is and has, and the records of its nodes.
pub fn facts() -> Query {
    host(host_query::Kind::Facts(HostFactsQuery {}))
}

/// Where a node of a system would live on it. `port`: the wanted one; 0: as the host proposes.
pub fn vacancy(node: Option<NodeRef>, system: &str, port: u32) -> Query {
    let system = system.to_owned();
    host(host_query::Kind::Vacancy(VacancyQuery { node, system, port }))
}

fn host(kind: host_query::Kind) -> Query {
    Query { kind: Some(query::Kind::Host(HostQuery { kind: Some(kind) })) }
}
