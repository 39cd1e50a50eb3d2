//! How a spec changes: pure functions, used by the engine for each step that carries a
//! change and for its undo. Nothing else changes a spec.

use bellows_proto::{
    names::natural,
    v1::{Spec, SpecChange, SpecNode, SpecTombstone, System, spec_change::Kind},
};

/// Why a change does not fit the spec that it is applied to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The node is there already.
    #[error("node {0} is in the spec already")]
    Present(String),
    /// The node is not there.
    #[error("node {0} is not in the spec")]
    Absent(String),
    /// There is no spec yet, or there is one already.
    #[error("the cluster {0}")]
    Cluster(&'static str),
    /// The change says nothing: written by a newer version.
    #[error("the change is empty")]
    Empty,
}

/// What a change leads to: the next version, or no cluster at all.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant)] // One at a time, and taken apart at once.
pub enum Next {
    /// Store this version.
    Spec(Spec),
    /// The cluster is gone (the undo of its making).
    NoCluster,
}

/// A cluster that does not exist yet: version 0, no nodes.
pub fn blank(cluster: &str, system: System) -> Spec {
    Spec { cluster: cluster.to_owned(), system: system.into(), ..Spec::default() }
}

/// Applies a change. `operation` is kept with a tombstone.
///
/// # Errors
/// If the change does not fit: that is a bug or a foreign hand, never repaired silently.
pub fn apply(spec: &Spec, change: &SpecChange, operation: &str) -> Result<Next, Misfit> {
    let mut next = spec.clone();
    next.version += 1;
    match change.kind.as_ref().ok_or(Misfit::Empty)? {
        Kind::AddNode(node) => add(&mut next, node)?,
        Kind::RemoveNode(removed) => {
            let node = take(&mut next, &removed.node)?;
            next.tombstones.push(SpecTombstone {
                node: node.node,
                host: node.host,
                operation: operation.to_owned(),
                placement: node.placement,
                owed_act: removed.owed_act,
            });
        }
        Kind::Options(change) => next.options = change.after.clone(),
        Kind::NewCluster(new) => {
            if spec.version != 0 {
                return Err(Misfit::Cluster("exists already"));
            }
            next.options = new.options.clone();
        }
        Kind::IdsUsed(used) => next.highest_id = next.highest_id.max(used.highest),
    }
    Ok(Next::Spec(next))
}

/// Takes a change back. Used ids stay used.
///
/// # Errors
/// As [`apply`].
pub fn revert(spec: &Spec, change: &SpecChange) -> Result<Next, Misfit> {
    let mut next = spec.clone();
    next.version += 1;
    match change.kind.as_ref().ok_or(Misfit::Empty)? {
        Kind::AddNode(node) => {
            take(&mut next, &node.node)?;
        }
        Kind::RemoveNode(removed) => {
            let at = next
                .tombstones
                .iter()
                .rposition(|tombstone| tombstone.node == removed.node)
                .ok_or_else(|| Misfit::Absent(removed.node.clone()))?;
            let back = next.tombstones.remove(at);
            let node = SpecNode { node: back.node, host: back.host, placement: back.placement };
            add(&mut next, &node)?;
        }
        Kind::Options(change) => next.options = change.before.clone(),
        Kind::NewCluster(_) => return Ok(Next::NoCluster),
        Kind::IdsUsed(_) => {}
    }
    Ok(Next::Spec(next))
}

fn add(spec: &mut Spec, node: &SpecNode) -> Result<(), Misfit> {
    if spec.nodes.iter().any(|known| known.node == node.node) {
        return Err(Misfit::Present(node.node.clone()));
    }
    spec.nodes.push(node.clone());
    spec.nodes.sort_by(|a, b| natural(&a.node, &b.node));
    Ok(())
}

fn take(spec: &mut Spec, node: &str) -> Result<SpecNode, Misfit> {
    let at = spec
        .nodes
        .iter()
        .position(|known| known.node == node)
        .ok_or_else(|| Misfit::Absent(node.to_owned()))?;
    Ok(spec.nodes.remove(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::v1::{IdsUsed, NewCluster, RemoveNode};

    fn change(kind: Kind) -> SpecChange {
        SpecChange { kind: Some(kind) }
    }

    fn node(name: &str) -> SpecNode {
        SpecNode { node: name.into(), host: format!("h-{name}"), placement: None }
    }

    fn spec_of(next: Result<Next, Misfit>) -> Spec {
        match next {
            Ok(Next::Spec(spec)) => spec,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_change_can_be_taken_back() {
        let empty = spec_of(apply(
            &blank("c", System::Postgresql),
            &change(Kind::NewCluster(NewCluster { options: None })),
            "op",
        ));
        let with = spec_of(apply(&empty, &change(Kind::AddNode(node("n10"))), "op"));
        let with = spec_of(apply(&with, &change(Kind::AddNode(node("n2"))), "op"));
        assert_eq!(with.nodes.iter().map(|n| n.node.as_str()).collect::<Vec<_>>(), ["n2", "n10"]);
        let remove = change(Kind::RemoveNode(RemoveNode { node: "n2".into(), owed_act: 7 }));
        let without = spec_of(apply(&with, &remove, "op7"));
        assert_eq!(without.tombstones.first().map(|t| t.operation.as_str()), Some("op7"));
        assert_eq!(without.tombstones.first().map(|t| t.owed_act), Some(7));
        let back = spec_of(revert(&without, &remove));
        assert_eq!((back.nodes, back.tombstones), (with.nodes.clone(), vec![]));
        assert_eq!(back.version, with.version + 2);
        let new = change(Kind::NewCluster(NewCluster { options: None }));
        assert_eq!(revert(&empty, &new), Ok(Next::NoCluster));
    }

    #[test]
    fn ids_are_never_reused_not_even_after_an_undo() {
        let used = change(Kind::IdsUsed(IdsUsed { highest: 4 }));
        let after = spec_of(apply(&blank("c", System::Postgresql), &used, "op"));
        assert_eq!(spec_of(revert(&after, &used)).highest_id, 4);
    }

    #[test]
    fn a_change_that_does_not_fit_is_refused() {
        let one = spec_of(apply(
            &blank("c", System::Postgresql),
            &change(Kind::AddNode(node("n1"))),
            "op",
        ));
        let again = change(Kind::AddNode(node("n1")));
        assert_eq!(apply(&one, &again, "op"), Err(Misfit::Present("n1".into())));
        let stranger = change(Kind::RemoveNode(RemoveNode { node: "x".into(), owed_act: 0 }));
        assert_eq!(apply(&one, &stranger, "op"), Err(Misfit::Absent("x".into())));
        assert_eq!(
            apply(&one, &change(Kind::NewCluster(NewCluster { options: None })), "op"),
            Err(Misfit::Cluster("exists already"))
        );
        assert_eq!(apply(&one, &SpecChange { kind: None }, "op"), Err(Misfit::Empty));
    }
}
