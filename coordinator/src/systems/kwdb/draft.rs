//! The words in which plans of this system are drafted: its places, what it says of its actions, and the pace
//! of its waits.

use bellows_proto::v1::{Act, Action, KwdbPlacement, SpecNode, placement};

use super::{REVISION, actions, by_hand, changes, view};
use crate::plan::{self, Acts, Limits, by_hand::Places};

pub(super) use crate::plan::{Back, Pace, Task, back, in_order, listed, names};

/// A node with the place where it lives or will live.
pub(super) type Placed = plan::Placed<KwdbPlacement>;

/// A plan in the making.
pub(super) type Draft = plan::Draft<Kwdb>;

/// A minute without something that takes seconds is odd.
pub(super) const SHORT: Pace = Pace::every_second(60_000);

/// Ranges move at 8 MiB/s, one after the other: a large one takes its time.
const RANGES_STALL_MS: u64 = 10 * 60_000;

/// For ranges that move: one exact count per so many seconds, since each costs the cluster a scan.
pub(super) fn ranges(poll_s: u32) -> Pace {
    let interval_ms = u64::from(poll_s.max(1)) * 1000;
    Pace { interval_ms, stall_ms: RANGES_STALL_MS.max(interval_ms.saturating_mul(5)) }
}

/// What this system says of its actions.
#[derive(Debug)]
pub(super) enum Kwdb {}

impl Acts for Kwdb {
    const REVISION: u32 = REVISION;
    type Place = KwdbPlacement;

    fn limits(action: &Action) -> Limits {
        actions::limits(action)
    }

    fn summary(action: &Action) -> String {
        actions::summary(action)
    }

    fn changes(act: &Act) -> Vec<String> {
        changes::of(act)
    }

    fn by_hand(action: &Action, places: &Places<'_, KwdbPlacement>) -> Vec<String> {
        by_hand::lines(action, places)
    }
}

impl Placed {
    /// ADDRESS:PORT.
    pub(super) fn endpoint(&self) -> String {
        view::endpoint(&self.place)
    }

    pub(super) fn spec_node(&self) -> SpecNode {
        self.kept_as(placement::System::Kwdb(self.place.clone()))
    }
}

/// The placement of a node of the spec; `None` where it has none of this system.
pub(super) fn placed(node: &SpecNode) -> Option<Placed> {
    let placement::System::Kwdb(place) = node.placement.as_ref()?.system.as_ref()? else {
        return None;
    };
    Some(Placed::of(node, place.clone()))
}
