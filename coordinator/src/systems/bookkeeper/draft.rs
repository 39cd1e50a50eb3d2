//! The words in which plans of this system are drafted: its places, what it says of its actions, and the pace
//! of its waits.

use bellows_proto::v1::{Act, Action, BookkeeperPlacement, SpecNode, placement};

use super::{REVISION, actions, by_hand, changes, view};
use crate::plan::{self, Acts, Limits, by_hand::Places};

pub(super) use crate::plan::{Back, Pace, Task, back, in_order, names};

/// A node with the place where it lives or will live.
pub(super) type Placed = plan::Placed<BookkeeperPlacement>;

/// A plan in the making.
pub(super) type Draft = plan::Draft<Bookkeeper>;

/// A bookie is there after seconds, or after its journal was replayed.
pub(super) const SHORT: Pace = Pace::every_second(5 * 60_000);

/// Ledgers that move: a reading of all of them costs the metadata service something, and a large one takes its time.
pub(super) const LEDGERS: Pace = Pace { interval_ms: 10_000, stall_ms: 30 * 60_000 };

/// What this system says of its actions.
#[derive(Debug)]
pub(super) enum Bookkeeper {}

impl Acts for Bookkeeper {
    const REVISION: u32 = REVISION;
    type Place = BookkeeperPlacement;

    fn limits(action: &Action) -> Limits {
        actions::limits(action)
    }

    fn summary(action: &Action) -> String {
        actions::summary(action)
    }

    fn changes(act: &Act) -> Vec<String> {
        changes::of(act)
    }

    fn by_hand(action: &Action, places: &Places<'_, BookkeeperPlacement>) -> Vec<String> {
        by_hand::lines(action, places)
    }
}

impl Placed {
    /// ADDRESS:PORT, the id of its bookie.
    pub(super) fn id(&self) -> String {
        view::id(&self.place)
    }

    pub(super) fn spec_node(&self) -> SpecNode {
        self.kept_as(placement::System::Bookkeeper(self.place.clone()))
    }
}

/// The placement of a node of the spec; `None` where it has none of this system.
pub(super) fn placed(node: &SpecNode) -> Option<Placed> {
    let placement::System::Bookkeeper(place) = node.placement.as_ref()?.system.as_ref()? else {
        return None;
    };
    Some(Placed::of(node, place.clone()))
}
