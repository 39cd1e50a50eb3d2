//! Nodes with their places, and how they are named.

use bellows_proto::{
    names::natural,
    v1::{Placement, SpecNode, placement},
};

/// A node with the place where it lives or will live. `P` is a system's placement.
#[derive(Debug, Clone)]
pub struct Placed<P> {
    /// Its name, one of its cluster.
    pub node: String,
    /// The host where it lives.
    pub host: String,
    /// Where on that host.
    pub place: P,
}

impl<P> Placed<P> {
    /// A node of the spec at this place, which is its own.
    pub fn of(node: &SpecNode, place: P) -> Self {
        Self { node: node.node.clone(), host: node.host.clone(), place }
    }

    /// As the spec keeps it. `place` is its own, as one of all systems.
    pub fn kept_as(&self, place: placement::System) -> SpecNode {
        SpecNode {
            node: self.node.clone(),
            host: self.host.clone(),
            placement: Some(Placement { system: Some(place) }),
        }
    }
}

/// Names in natural order.
pub fn names<'a, P: 'a>(members: impl Iterator<Item = &'a Placed<P>>) -> Vec<String> {
    let mut names: Vec<String> = members.map(|member| member.node.clone()).collect();
    names.sort_by(|a, b| natural(a, b));
    names
}

/// Members in natural order of their names.
pub fn in_order<'a, P: Clone + 'a>(members: impl Iterator<Item = &'a Placed<P>>) -> Vec<Placed<P>> {
    let mut members: Vec<Placed<P>> = members.cloned().collect();
    members.sort_by(|a, b| natural(&a.node, &b.node));
    members
}

/// Nodes with their hosts, in words.
pub fn listed<P>(nodes: &[Placed<P>]) -> String {
    let names: Vec<String> =
        nodes.iter().map(|node| format!("{} on {}", node.node, node.host)).collect();
    names.join(", ")
}
