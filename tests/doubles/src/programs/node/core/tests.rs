#![allow(clippy::unwrap_used)]

use super::super::answer;
use super::*;

fn set(nodes: &[NodeId]) -> BTreeSet<NodeId> {
    nodes.iter().copied().collect()
}

/// A state whose ranges are all on these nodes.
fn state(version: u64, voters: &[NodeId], holders: &[NodeId]) -> State {
    let mut cluster = Cluster::new("id", StartMode::Start, false, Knobs::default(), 0);
    for range in cluster.ranges.values_mut() {
        range.replicas = holders.to_vec();
    }
    State { term: 1_001, version, voters: set(voters), cluster }
}

#[test]
fn the_members_are_where_the_ranges_are() {
    let next =
        |voters, holders, fresh: &[NodeId]| next_voters(&state(1, voters, holders), &set(fresh), 1);
    assert_eq!(next(&[1], &[1, 2], &[1, 2]), Some(set(&[1, 2])));
    assert_eq!(next(&[1], &[1, 2], &[1]), None, "alone it would be no majority");
    // Node 1 may be gone before node 3 is heard again: these two go on without it, as the ranges do.
    assert_eq!(next(&[1, 2], &[1, 2, 3], &[1, 2]), Some(set(&[1, 2, 3])));
    assert_eq!(next(&[1], &[1, 2, 3], &[1, 3]), Some(set(&[1, 3])), "first who makes it more");
    assert_eq!(next(&[1, 2, 3], &[1, 3], &[1, 3]), Some(set(&[1, 3])));
    assert_eq!(next(&[1, 2, 3], &[1, 3], &[1, 2]), None, "it could change nothing any more");
    assert_eq!(next(&[1, 2, 3], &[2, 3], &[1, 2, 3]), None, "the leader stays");
}

#[test]
fn who_asks_again_hears_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, share) = Disk::open(dir.path()).unwrap();
    let core = Core::new(share, disk, Peers::new(None).unwrap(), Knobs::default());
    core.lock().share.store.cluster = Some("id".to_owned());
    let promises = |term| {
        let told = answer::prepare(&core, "id", term);
        matches!(told, Tell::Vote { yes: true, promised, .. } if promised == term)
    };
    assert!(promises(1_001) && promises(1_001));
    assert!(!promises(1_000));
    let mut inner = core.lock();
    assert!(inner.accept(state(2, &[1], &[1])));
    assert!(inner.accept(state(2, &[1], &[1])), "it is on disk");
    assert!(!inner.accept(state(1, &[1], &[1])), "that one is older");
}
