//! Whose a replication slot is.

use bellows_proto::v1::NodeRecord;

use super::{
    super::{draft::Placed, join},
    Findings,
};

/// Whether this slot of `follower` at `keeper` is claimed: in the record of either, at the keeper's
/// host. The agent there judges the same way; another member's claim would make it refuse.
pub(super) fn claimed(
    findings: &Findings<'_>,
    keeper: &Placed,
    follower: &Placed,
    slot: &str,
) -> bool {
    let Ok(facts) = findings.view.host(&keeper.host) else { return false };
    let resource = join::slot_resource(slot);
    let of_either = |record: &&NodeRecord| {
        record.node.as_ref().is_some_and(|node| {
            node.cluster == findings.spec.cluster
                && (node.node == keeper.node || node.node == follower.node)
        })
    };
    facts.nodes.iter().filter(of_either).any(|record| record.resources.contains(&resource))
}
