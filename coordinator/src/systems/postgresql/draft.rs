//! The words in which plans of this system are drafted: its places, what it says of its actions, and the pace
//! of its waits.

use std::ops::RangeInclusive;

use bellows_proto::v1::{
    Act, Action, HbaSettings, IdsUsed, PostgresqlPlacement, SpecNode, placement, spec_change,
};

use super::{REVISION, actions, by_hand, changes, conditions, view::slot_name};
use crate::plan::{self, Acts, Back, Limits, Pace, by_hand::Places};

pub(super) use crate::plan::{Task, in_order, names};

/// A node with the place where it lives or will live. Its id is in the placement.
pub(super) type Placed = plan::Placed<PostgresqlPlacement>;

/// A plan in the making.
pub(super) type Draft = plan::Draft<Postgresql>;

/// Half a minute without what takes seconds is odd.
pub(super) const SHORT: Pace = Pace::every_second(30_000);

/// A standby replays what it missed before it streams: minutes without a byte replayed are odd.
pub(super) const STREAMING: Pace = Pace::every_second(300_000);

/// Milliseconds that writers pause: a stop after a checkpoint, a promotion or a start, two readings between.
pub(super) const WRITE_PAUSE_MS: RangeInclusive<u64> = 1_000..=5_000;

/// What this system says of its actions.
#[derive(Debug)]
pub(super) enum Postgresql {}

impl Acts for Postgresql {
    const REVISION: u32 = REVISION;
    type Place = PostgresqlPlacement;

    fn limits(action: &Action) -> Limits {
        actions::limits(action)
    }

    fn summary(action: &Action) -> String {
        actions::summary(action)
    }

    fn changes(act: &Act) -> Vec<String> {
        changes::of(act)
    }

    fn by_hand(action: &Action, places: &Places<'_, PostgresqlPlacement>) -> Vec<String> {
        by_hand::lines(action, places)
    }
}

impl Placed {
    pub(super) fn id(&self) -> u32 {
        self.place.node_id
    }

    pub(super) fn slot(&self) -> String {
        slot_name(self.id())
    }

    pub(super) fn spec_node(&self) -> SpecNode {
        self.kept_as(placement::System::Postgresql(self.place.clone()))
    }
}

/// The placement of a node of the spec; `None` where it has none of this system.
pub(super) fn placed(node: &SpecNode) -> Option<Placed> {
    let placement::System::Postgresql(place) = node.placement.as_ref()?.system.as_ref()? else {
        return None;
    };
    Some(Placed::of(node, place.clone()))
}

/// One act that takes another back, with what it waits for.
pub(super) fn back(host: &str, action: Action) -> Back {
    let requires = conditions::of_undo(&action);
    Back { requires, ..plan::back(host, action) }
}

/// Who is let in: members by their addresses, clients by their networks.
pub(super) fn hba<'a>(
    members: impl Iterator<Item = &'a Placed>,
    client_networks: &[String],
) -> HbaSettings {
    HbaSettings {
        members: members.map(|member| member.place.address.clone()).collect(),
        client_networks: client_networks.to_vec(),
    }
}

/// From here on these ids are used, whatever becomes of the plan.
pub(super) fn ids_used(new: &[Placed]) -> spec_change::Kind {
    let highest = new.iter().map(Placed::id).max().unwrap_or(0);
    spec_change::Kind::IdsUsed(IdsUsed { highest: highest.into() })
}
