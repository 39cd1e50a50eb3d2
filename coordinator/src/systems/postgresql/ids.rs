//! Node ids: they count up and are never used twice, not even after a node is gone.

use bellows_proto::v1::Spec;

use super::{
    draft::{Placed, placed},
    join::NODE_ID_PREFIX,
    view::View,
};

/// Gives each new node its id, in this order.
pub(super) fn numbered(spec: &Spec, view: View<'_>, mut new: Vec<Placed>) -> Vec<Placed> {
    let mut id = highest(spec, view);
    for node in &mut new {
        id = id.saturating_add(1);
        node.place.node_id = id;
    }
    new
}

/// The highest id that was ever seen: in the spec's memory, its placements and tombstones, in
/// repmgr's records, in slots, in the claims on the hosts.
fn highest(spec: &Spec, view: View<'_>) -> u32 {
    let remembered = u32::try_from(spec.highest_id).unwrap_or(u32::MAX);
    let placements = spec.nodes.iter().filter_map(placed).map(|node| node.id());
    let tombstones = spec.tombstones.iter().filter_map(|stone| {
        let bellows_proto::v1::placement::System::Postgresql(place) =
            stone.placement.as_ref()?.system.as_ref()?
        else {
            return None;
        };
        Some(place.node_id)
    });
    let servers = || view.members.iter().filter_map(|member| view.server(&member.node).ok());
    let records = servers().flat_map(|server| server.registered.iter().map(|row| row.node_id));
    let slots = servers().flat_map(|server| {
        server.slots.iter().filter_map(|slot| after(&slot.name, "repmgr_slot_"))
    });
    let claims = view
        .hosts
        .known()
        .flat_map(|(_, facts)| &facts.nodes)
        .filter(|record| record.node.as_ref().is_some_and(|node| node.cluster == spec.cluster))
        .flat_map(|record| {
            record.resources.iter().filter_map(|resource| after(resource, NODE_ID_PREFIX))
        });
    let seen = placements.chain(tombstones).chain(records).chain(slots).chain(claims);
    seen.fold(remembered, u32::max)
}

fn after(text: &str, prefix: &str) -> Option<u32> {
    text.strip_prefix(prefix)?.parse().ok()
}
